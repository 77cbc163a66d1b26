//! The plan in a report.

use super::content::Block;
use super::drawing::{Drawing, Series};
use super::text::given;
use crate::decision::Percent;
use crate::plan::{Aim, MetricPlan, Plan, Suggestion};
use crate::result::Answer;
use tidegate_model::because::Figure;

pub(super) fn blocks(plan: &Plan) -> Vec<Block> {
    let units = |units: &Answer<f64>| given(units, |units| format!("{:.0}", units.ceil()));
    let days = |days: &Answer<f64>| given(days, |days| format!("{days:.1}"));
    let mut blocks = vec![
        Block::chapter("Plan"),
        Block::text(format!(
            "Needed: {} units in all arms together, {} days. Planned: {:.0} units, {} days, at {} units a day, \
             for a power of {}.",
            units(&plan.units),
            days(&plan.days),
            plan.planned,
            days(&plan.planned_days),
            Figure(plan.units_a_day),
            Percent(plan.power)
        )),
    ];
    let rows = plan.metrics.iter().map(|metric| {
        vec![
            metric.metric.to_string(),
            aim(metric),
            Figure(metric.alpha).to_string(),
            units(&metric.units),
            days(&metric.days),
            given(&metric.chance, |chance| Percent(*chance).to_string()),
            given(&metric.detectable, |effect| Percent(*effect).to_string()),
        ]
    });
    let header = [
        "metric",
        "to be proven",
        "level",
        "units",
        "days",
        "chance with the planned units",
        "smallest effect of the planned units",
    ];
    blocks.push(Block::table(&header, rows.collect()));
    blocks.extend(curve(plan, "units in all arms together", |metric| {
        &metric.by_units
    }));
    blocks.extend(curve(plan, "effect as a share of the value", |metric| {
        &metric.by_effect
    }));
    if !plan.suggestions.is_empty() {
        blocks.push(Block::Items(
            plan.suggestions.iter().map(Suggestion::to_string).collect(),
        ));
    }
    blocks
}

fn aim(metric: &MetricPlan) -> String {
    let effect = metric
        .effect
        .map_or_else(|| "an effect".to_owned(), |effect| Percent(effect).to_string());
    match metric.aim {
        Aim::Difference => format!("a difference of {effect}"),
        Aim::Equivalence => format!("the same to within {effect}"),
        Aim::NonInferiority => format!("not worse by {effect}"),
        Aim::Harm => "harm, if there is any".to_owned(),
    }
}

fn curve(
    plan: &Plan,
    axis: &'static str,
    points: impl Fn(&MetricPlan) -> &Vec<crate::plan::Point>,
) -> Option<Block> {
    let series: Vec<Series> = plan
        .metrics
        .iter()
        .filter(|metric| points(metric).len() > 1)
        .map(|metric| Series {
            name: metric.metric.to_string(),
            points: points(metric)
                .iter()
                .map(|point| (point.at, point.power))
                .collect(),
        })
        .collect();
    (!series.is_empty()).then(|| {
        Block::Drawing(Drawing::Power {
            label: format!("Power by {axis}"),
            wanted: plan.power,
            series,
        })
    })
}
