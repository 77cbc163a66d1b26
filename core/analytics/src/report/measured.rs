//! One metric in a report.

use super::content::Block;
use super::drawing::{Bell, Drawing, Line};
use super::text::{bounds, chance, difference, given, lift, p, value};
use crate::decision::Percent;
use crate::result::{
    Answer, Comparison, Effect, ExperimentResult, Guarded, Kind, Method, MetricResult, OmnibusMethod,
    Posterior, Rule, Tested, Verdict,
};
use tidegate_model::because::Figure;
use tidegate_model::experiment::Goal;

pub(super) fn blocks(result: &ExperimentResult, metric: &MetricResult) -> Vec<Block> {
    let mut blocks = vec![
        Block::Section(metric.metric.to_string()),
        Block::text(what(metric)),
        arms(metric),
    ];
    blocks.extend(steps(metric));
    blocks.push(effects(result, metric));
    blocks.extend(lifts(metric));
    blocks.extend(omnibus(metric));
    blocks.extend(ranks(metric));
    blocks.extend(tests(metric));
    blocks.extend(guards(metric));
    blocks.extend(beliefs(metric));
    blocks
}

/// What decides, and no more.
pub(super) fn brief(result: &ExperimentResult, metric: &MetricResult) -> Vec<Block> {
    let mut blocks = vec![
        Block::Section(metric.metric.to_string()),
        Block::text(what(metric)),
        arms(metric),
        effects(result, metric),
    ];
    blocks.extend(omnibus(metric));
    blocks
}

fn omnibus(metric: &MetricResult) -> Option<Block> {
    let omnibus = metric.omnibus.as_ref()?;
    let says = given(omnibus, |omnibus| {
        let name = match omnibus.method {
            OmnibusMethod::ChiSquared => "chi-squared",
            OmnibusMethod::WelchAnova => "Welch's F",
            OmnibusMethod::CochranQ => "Cochran's Q",
        };
        format!("{name} {}, p = {}", Figure(omnibus.statistic), p(omnibus.p))
    });
    Some(Block::text(format!("All arms together, at one look: {says}.")))
}

/// What ranks say beside the verdict.
fn ranks(metric: &MetricResult) -> Vec<Block> {
    let rows: Vec<Vec<String>> = metric
        .comparisons
        .iter()
        .filter_map(|comparison| {
            let ranks = comparison.ranks.as_ref()?;
            let share = |share: f64| Percent(share).to_string();
            Some(vec![
                comparison.arm.to_string(),
                given(&ranks.superiority, |chance| share(*chance)),
                bounds(&ranks.interval, share),
                given(&ranks.p, |chance| p(*chance)),
                given(&ranks.mann_whitney, |chance| p(*chance)),
            ])
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let header = [
        "arm",
        "a unit has more than one of the control",
        "where that may lie",
        "p",
        "p of Mann and Whitney",
    ];
    vec![
        Block::text(
            "By ranks, with ties counted half, for one look: it says how often a unit has more, not how much, and is no verdict.",
        ),
        Block::table(&header, rows),
    ]
}

fn what(metric: &MetricResult) -> String {
    let kind = match metric.kind {
        Kind::Share => "A share of the units".to_owned(),
        Kind::Mean => "A mean over the units".to_owned(),
        Kind::Ratio => "A sum over all units by another one".to_owned(),
        Kind::Percentile { quantile } => format!("The {} point of all events", Percent(quantile)),
    };
    let goal = match metric.goal {
        Goal::Increase => "more is better",
        Goal::Decrease => "less is better",
        Goal::Maintain => "it is to stay the same",
    };
    let margin = metric
        .margin
        .map(|margin| format!("; up to {} counts as the same", Percent(margin)));
    let minimum = metric
        .minimum_effect
        .map(|effect| format!("; {} is worth finding", Percent(effect)));
    format!(
        "{kind}; {goal}{}{}.",
        margin.unwrap_or_default(),
        minimum.unwrap_or_default()
    )
}

fn arms(metric: &MetricResult) -> Block {
    let rows = metric.arms.iter().map(|arm| {
        vec![
            arm.arm.to_string(),
            arm.units.to_string(),
            given(&arm.value, |number| value(metric.kind, *number)),
            bounds(&arm.interval, |end| value(metric.kind, end)),
        ]
    });
    Block::table(&["arm", "units", "value", "where it may lie"], rows.collect())
}

fn steps(metric: &MetricResult) -> Option<Block> {
    let share = |share: &Answer<f64>| given(share, |share| Percent(*share).to_string());
    let rows: Vec<Vec<String>> = metric
        .arms
        .iter()
        .flat_map(|arm| {
            arm.steps.iter().zip(1..).map(|(step, number): (_, u32)| {
                vec![
                    arm.arm.to_string(),
                    number.to_string(),
                    step.reached.to_string(),
                    share(&step.of_all),
                    share(&step.of_previous),
                ]
            })
        })
        .collect();
    let header = ["arm", "step", "units", "of all", "of the step before"];
    (!rows.is_empty()).then(|| Block::table(&header, rows))
}

pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Equivalent => "the same",
        Verdict::Different => "different",
        Verdict::Safe => "held",
        Verdict::Undecided => "undecided",
        Verdict::CannotSay => "cannot say",
    }
}

pub(super) fn effect(of: &Answer<Effect>, show: impl Fn(f64) -> String) -> String {
    given(of, |effect| {
        format!("{} ({})", show(effect.estimate), bounds(&effect.interval, &show))
    })
}

fn effects(result: &ExperimentResult, metric: &MetricResult) -> Block {
    let rows = metric.comparisons.iter().map(|comparison| {
        let tested = headline(result.headline, comparison);
        let adjusted = match (&comparison.guarded, tested) {
            (Some(guarded), _) => given(guarded, harm),
            (None, Some(tested)) => given(tested, |tested| p(tested.adjusted)),
            (None, None) => "none".to_owned(),
        };
        vec![
            comparison.arm.to_string(),
            effect(&comparison.difference, |number| difference(metric.kind, number)),
            effect(&comparison.lift, lift),
            adjusted,
            verdict(comparison.verdict).to_owned(),
            method(comparison),
        ]
    });
    let header = ["arm", "difference", "lift", "adjusted p", "verdict", "method"];
    Block::table(&header, rows.collect())
}

fn harm(guarded: &Guarded) -> String {
    format!("harm {}, held {}", p(guarded.harm), p(guarded.safe))
}

const fn headline(rule: Rule, comparison: &Comparison) -> Option<&Answer<Tested>> {
    match rule {
        Rule::Fixed => comparison.fixed.as_ref(),
        Rule::GroupSequential => comparison.group_sequential.as_ref(),
        Rule::AlwaysValid => comparison.always_valid.as_ref(),
    }
}

fn method(comparison: &Comparison) -> String {
    let name = match comparison.method {
        Method::PooledZ => "pooled z",
        Method::FisherExact => "Fisher's exact test",
        Method::WelchT => "Welch's t",
        Method::Cuped => "CUPED",
        Method::RatioDelta => "ratio by the delta method",
        Method::ClusteredPercentile => "percentile by units",
    };
    comparison.history.map_or_else(
        || name.to_owned(),
        |history| format!("{name}, {} of the variance left", Percent(history.variance_ratio)),
    )
}

fn lifts(metric: &MetricResult) -> Option<Block> {
    let lines: Vec<Line> = metric
        .comparisons
        .iter()
        .filter_map(|comparison| {
            let effect = comparison.lift.given()?;
            let bounds = effect.interval.given()?;
            Some(Line {
                name: comparison.arm.to_string(),
                estimate: effect.estimate,
                lower: bounds.lower,
                upper: bounds.upper,
                verdict: verdict(comparison.verdict),
                good: matches!(
                    comparison.verdict,
                    Verdict::Better | Verdict::Equivalent | Verdict::Safe
                ),
                bad: matches!(comparison.verdict, Verdict::Worse | Verdict::Different),
            })
        })
        .collect();
    (!lines.is_empty()).then(|| {
        Block::Drawing(Drawing::Intervals {
            label: format!("Lifts of {} with their intervals", metric.metric),
            lines,
            margin: metric.margin,
        })
    })
}

/// Each rule's own numbers.
fn tests(metric: &MetricResult) -> Option<Block> {
    let mut rows = Vec::new();
    for comparison in &metric.comparisons {
        for (rule, tested) in [
            (Rule::Fixed, &comparison.fixed),
            (Rule::GroupSequential, &comparison.group_sequential),
            (Rule::AlwaysValid, &comparison.always_valid),
        ] {
            let Some(tested) = tested else { continue };
            let mut row = vec![comparison.arm.to_string(), rule.to_string()];
            match tested {
                Answer::Given(tested) => row.extend([
                    p(tested.p),
                    p(tested.adjusted),
                    Figure(tested.level).to_string(),
                    bounds(&tested.difference, |number| difference(metric.kind, number)),
                    bounds(&tested.lift, lift),
                ]),
                Answer::Refused(refusal) => {
                    row.push(super::text::refused(*refusal));
                    row.extend(std::iter::repeat_n(String::new(), 4));
                }
            }
            rows.push(row);
        }
    }
    let header = ["arm", "rule", "p", "adjusted p", "level", "difference", "lift"];
    (!rows.is_empty()).then(|| Block::table(&header, rows))
}

fn guards(metric: &MetricResult) -> Option<Block> {
    let rows: Vec<Vec<String>> = metric
        .comparisons
        .iter()
        .filter_map(|comparison| {
            let guarded = comparison.guarded.as_ref()?.given()?;
            Some(vec![
                comparison.arm.to_string(),
                Percent(guarded.margin).to_string(),
                p(guarded.harm),
                p(guarded.safe),
                Figure(guarded.level).to_string(),
            ])
        })
        .collect();
    let header = ["arm", "tolerated", "p of no harm", "p of harm", "level"];
    (!rows.is_empty()).then(|| Block::table(&header, rows))
}

fn beliefs(metric: &MetricResult) -> Vec<Block> {
    let mut rows = Vec::new();
    let mut bells = Vec::new();
    for comparison in &metric.comparisons {
        let beliefs = [
            ("flat", &comparison.belief.flat),
            ("sceptical", &comparison.belief.sceptical),
        ];
        for (prior, posterior) in beliefs {
            let mut row = vec![comparison.arm.to_string(), prior.to_owned()];
            match posterior {
                Answer::Given(posterior) => row.extend(believed(posterior)),
                Answer::Refused(refusal) => {
                    row.push(super::text::refused(*refusal));
                    row.extend(std::iter::repeat_n(String::new(), 3));
                }
            }
            rows.push(row);
        }
        let sceptical = comparison.belief.sceptical.given();
        bells.extend(sceptical.and_then(|posterior| {
            Some(Bell {
                name: comparison.arm.to_string(),
                mean: posterior.lift,
                sd: posterior.sd?,
            })
        }));
    }
    let of_what = if metric.goal == Goal::Maintain {
        "chance to be the same"
    } else {
        "chance to beat the control"
    };
    let header = [
        "arm",
        "prior",
        "lift",
        of_what,
        "where it may lie",
        "cost of shipping, of not shipping",
    ];
    let mut blocks = vec![Block::table(&header, rows)];
    if !bells.is_empty() {
        blocks.push(Block::Drawing(Drawing::Densities {
            label: format!("What is to be believed of the lifts of {}", metric.metric),
            bells,
        }));
    }
    if let Some(best) = metric.best.given() {
        let rows = best.iter().map(|best| {
            vec![
                best.arm.to_string(),
                chance(best.chance),
                match metric.kind {
                    Kind::Share => cost(best.expected_loss),
                    kind => value(kind, best.expected_loss),
                },
            ]
        });
        let header = ["arm", "chance to be the best", "expected loss"];
        blocks.push(Block::table(&header, rows.collect()));
    }
    blocks
}

/// An expected loss as a share.
fn cost(loss: f64) -> String {
    if loss > 0.0 && loss < 0.0001 {
        "under 0.01 %".to_owned()
    } else {
        Percent(loss).to_string()
    }
}

fn believed(posterior: &Posterior) -> Vec<String> {
    let loss = |loss: Option<f64>| loss.map_or_else(|| "-".to_owned(), cost);
    vec![
        lift(posterior.lift),
        chance(posterior.chance),
        bounds(&Answer::Given(posterior.interval), lift),
        format!(
            "{}, {}",
            loss(posterior.loss_if_shipped),
            loss(posterior.loss_if_not)
        ),
    ]
}
