//! Planning: how many units an experiment needs, how long that takes, what it finds with those it gets, and what would
//! make it cheaper.

mod claim;
mod course;
mod suggestion;

pub use suggestion::Suggestion;

use crate::result::{Answer, Kind, Rule};
use claim::Claim;
use course::Course;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegate_model::experiment::{Design, Discipline, Goal, Metric, Role};
use tidegate_model::key::{ExperimentKey, MetricName};
use tidegate_model::share::Share;
use tidegate_stats::Refusal;

/// Points of a curve.
const POINTS: u32 = 24;
/// Halvings until the smallest effect is found.
const HALVINGS: u32 = 60;
const SECONDS_A_DAY: f64 = 86_400.0;

/// What was measured before the experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Traffic {
    /// Units of the audience that are met for the first time each day, whether they take part or not.
    pub units_a_day: f64,
    /// What is known of each metric.
    #[serde(default)]
    pub metrics: BTreeMap<MetricName, Baseline>,
}

/// What is known of a metric before the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Baseline {
    /// Its value: a share from 0 to 1, a mean, a ratio, a percentile.
    pub value: f64,
    /// The variance between units. Shares have it from their value. Of ratios and percentiles it is the squared
    /// standard error times the number of units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance: Option<f64>,
    /// How a unit's value goes with what it did before, from -1 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<f64>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Of which experiment.
    pub experiment: ExperimentKey,
    /// Under which rule the claims are tested.
    pub rule: Rule,
    /// The accepted chance of a false alarm.
    pub alpha: f64,
    /// The wanted chance to find what is worth finding.
    pub power: f64,
    /// Units that take part each day.
    pub units_a_day: f64,
    /// Units in all arms together that the design has: its maximum, or what comes in its duration.
    pub planned: f64,
    /// How many days they take.
    pub planned_days: Answer<f64>,
    /// Units in all arms together that every success metric needs, and every guardrail with a margin.
    pub units: Answer<f64>,
    /// How many days they take.
    pub days: Answer<f64>,
    /// Each metric.
    pub metrics: Vec<MetricPlan>,
    /// What would help.
    pub suggestions: Vec<Suggestion>,
}

/// What is to be proven of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// That there is a difference of the smallest size worth finding.
    Difference,
    /// That it stays the same to within its margin.
    Equivalence,
    /// That it is not worse by its margin.
    NonInferiority,
    /// That it is worse, if it is.
    Harm,
}

/// The plan of one metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricPlan {
    /// Its name.
    pub metric: MetricName,
    /// What the experiment does with it.
    pub role: Role,
    /// What is to be proven.
    pub aim: Aim,
    /// The effect worth finding or the margin, as a share of the value.
    pub effect: Option<f64>,
    /// The level of the hardest step of its family's correction.
    pub alpha: f64,
    /// Units in all arms together that it needs.
    pub units: Answer<f64>,
    /// How many days they take.
    pub days: Answer<f64>,
    /// The chance to prove it with the planned units.
    pub chance: Answer<f64>,
    /// The smallest effect, or margin, that the planned units prove with the wanted power, as a share of the value.
    pub detectable: Answer<f64>,
    /// The share of units that history saves; `None` where it is not used or not known.
    pub saved_by_history: Option<f64>,
    /// The chance by units in all arms together.
    pub by_units: Vec<Point>,
    /// The chance by effects, with the planned units.
    pub by_effect: Vec<Point>,
}

/// One point of a curve of power.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Units, or an effect as a share of the value.
    pub at: f64,
    /// The chance to prove it.
    pub power: f64,
}

/// Plans an experiment by what was measured before.
#[must_use]
pub fn plan(design: &Design, traffic: &Traffic) -> Plan {
    let planner = Planner::of(design, traffic);
    let metrics: Vec<MetricPlan> = design
        .metrics
        .iter()
        .map(|metric| planner.metric(metric))
        .collect();
    let units = needed(&metrics);
    Plan {
        experiment: design.key.clone(),
        rule: planner.rule(),
        alpha: design.alpha,
        power: design.power,
        units_a_day: planner.units_a_day,
        planned: planner.planned,
        planned_days: planner.days(planner.planned).into(),
        days: units.and_then(|units| planner.days(units)).into(),
        units: units.into(),
        suggestions: suggestion::suggestions(&planner, &metrics, units.ok()),
        metrics,
    }
}

/// What all that has to be proven needs.
fn needed(metrics: &[MetricPlan]) -> Result<f64, Refusal> {
    let mut most = 0.0_f64;
    for metric in metrics {
        let wanted = match metric.role {
            Role::Success => true,
            Role::Guardrail => metric.aim == Aim::NonInferiority,
            Role::Secondary => false,
        };
        match metric.units {
            Answer::Given(units) if wanted => most = most.max(units),
            Answer::Refused(refusal) if wanted => return Err(refusal),
            _ => {}
        }
    }
    Ok(most)
}

const NO_BASELINE: Refusal = Refusal::Undefined {
    why: "nothing is known of the metric before the experiment",
};
const NO_EFFECT: Refusal = Refusal::Undefined {
    why: "the smallest effect worth finding is not declared",
};
const NO_MARGIN: Refusal = Refusal::Undefined {
    why: "without a margin nothing has to be proven",
};

/// A design with what was measured before it.
struct Planner<'a> {
    design: &'a Design,
    traffic: &'a Traffic,
    units_a_day: f64,
    planned: f64,
    /// The control's share of all units, and that of the smallest treatment.
    control: f64,
    treatment: f64,
    /// How many treatments.
    treatments: u32,
}

impl<'a> Planner<'a> {
    fn of(design: &'a Design, traffic: &'a Traffic) -> Self {
        let share = |share: Share| share.percent() / 100.0;
        let units_a_day = traffic.units_a_day * share(design.traffic);
        let planned = match design.discipline {
            Discipline::Fixed { units } | Discipline::GroupSequential { units, .. } => float(units),
            Discipline::AlwaysValid { tuned_for } => {
                let days = design
                    .duration
                    .map(|duration| duration.as_seconds() / SECONDS_A_DAY);
                days.map_or(float(tuned_for), |days| days * units_a_day)
            }
        };
        let (mut control, mut treatment, mut treatments) = (0.0, f64::INFINITY, 0);
        for arm in &design.arms {
            if arm.variation == design.control {
                control = share(arm.weight);
            } else {
                treatment = share(arm.weight).min(treatment);
                treatments += 1;
            }
        }
        Self {
            design,
            traffic,
            units_a_day,
            planned,
            control,
            treatment,
            treatments,
        }
    }

    const fn rule(&self) -> Rule {
        match self.design.discipline {
            Discipline::Fixed { .. } => Rule::Fixed,
            Discipline::GroupSequential { .. } => Rule::GroupSequential,
            Discipline::AlwaysValid { .. } => Rule::AlwaysValid,
        }
    }

    fn days(&self, units: f64) -> Result<f64, Refusal> {
        if self.units_a_day > 0.0 && self.units_a_day.is_finite() {
            Ok(units / self.units_a_day)
        } else {
            Err(Refusal::Invalid {
                field: "unitsADay",
                value: self.units_a_day,
                rule: "be finite and more than 0",
            })
        }
    }

    fn baseline(&self, metric: &Metric) -> Result<Baseline, Refusal> {
        self.traffic.metrics.get(&metric.name).copied().ok_or(NO_BASELINE)
    }

    /// The level of the hardest step: that of the first claim of the family that Holm or Benjamini and Hochberg look
    /// at. Guardrails are watched one by one, each side at half of alpha.
    fn alpha(&self, role: Role) -> f64 {
        if role == Role::Guardrail {
            return self.design.alpha / 2.0;
        }
        let family = self.design.metrics.iter().filter(|metric| metric.role == role);
        let metrics = u32::try_from(family.count()).unwrap_or(u32::MAX);
        self.design.alpha / (f64::from(metrics) * f64::from(self.treatments)).max(1.0)
    }

    fn aim(metric: &Metric) -> Aim {
        match (metric.role, metric.goal, metric.margin) {
            (Role::Guardrail, _, Some(_)) => Aim::NonInferiority,
            (Role::Guardrail, _, None) => Aim::Harm,
            (_, Goal::Maintain, _) => Aim::Equivalence,
            _ => Aim::Difference,
        }
    }

    /// What is to be proven of a metric, but for the effect.
    fn claim(&self, metric: &Metric) -> Result<Claim, Refusal> {
        let baseline = self.baseline(metric)?;
        let history = !self.design.history.is_zero();
        Ok(Claim {
            aim: Self::aim(metric),
            kind: Kind::of(metric),
            baseline: Baseline {
                correlation: baseline.correlation.filter(|_| history && uses_history(metric)),
                ..baseline
            },
            decrease: metric.goal == Goal::Decrease,
            alpha: self.alpha(metric.role),
            power: self.design.power,
            control: self.control,
            treatment: self.treatment,
        })
    }

    fn course(&self, metric: &Metric) -> Result<Course, Refusal> {
        let pair = self.control + self.treatment;
        let tuned_for = match self.design.discipline {
            Discipline::AlwaysValid { tuned_for } => float(tuned_for),
            _ => self.planned,
        };
        let alpha = self.alpha(metric.role);
        match (metric.role, &self.design.discipline) {
            (Role::Guardrail, _) => Course::anytime_one_sided(alpha, tuned_for * pair, pair),
            (_, Discipline::Fixed { .. }) => Ok(Course::Fixed),
            (_, Discipline::GroupSequential { looks, spending, .. }) => {
                let missed = 1.0 - self.design.power;
                let both = Self::aim(metric) == Aim::Equivalence;
                let power = 1.0 - if both { missed / 2.0 } else { missed };
                Course::group(alpha, *looks, *spending, power)
            }
            (_, Discipline::AlwaysValid { .. }) => {
                Course::anytime(self.design.alpha, alpha, tuned_for * pair, pair)
            }
        }
    }

    fn metric(&self, metric: &Metric) -> MetricPlan {
        let aim = Self::aim(metric);
        let effect = match aim {
            Aim::Difference | Aim::Harm => metric.minimum_effect,
            Aim::Equivalence | Aim::NonInferiority => metric.margin,
        };
        let wanted = effect.ok_or(if aim == Aim::Harm { NO_MARGIN } else { NO_EFFECT });
        let ready = self
            .claim(metric)
            .and_then(|claim| Ok((claim, self.course(metric)?)));
        let units = ready
            .as_ref()
            .map_err(|refusal| *refusal)
            .and_then(|(claim, course)| course.units(&claim.needs(wanted?)?, self.design.power));
        let chance = ready
            .as_ref()
            .map_err(|refusal| *refusal)
            .and_then(|(claim, course)| course.chance(&claim.needs(wanted?)?, self.planned));
        let detectable = ready
            .as_ref()
            .map_err(|refusal| *refusal)
            .and_then(|(claim, course)| self.detectable(claim, course));
        let (by_units, by_effect) = match (&ready, wanted) {
            (Ok((claim, course)), Ok(effect)) => self.curves(claim, course, effect, units.ok()),
            _ => (Vec::new(), Vec::new()),
        };
        let saved = ready
            .as_ref()
            .ok()
            .and_then(|(claim, _)| claim.baseline.correlation);
        MetricPlan {
            metric: metric.name.clone(),
            role: metric.role,
            aim,
            effect,
            alpha: self.alpha(metric.role),
            days: units.and_then(|units| self.days(units)).into(),
            units: units.into(),
            chance: chance.into(),
            detectable: detectable.into(),
            saved_by_history: saved.map(|correlation| correlation * correlation),
            by_units,
            by_effect,
        }
    }

    /// The smallest effect that needs no more than the planned units: the larger it is, the fewer it needs.
    fn detectable(&self, claim: &Claim, course: &Course) -> Result<f64, Refusal> {
        let enough = |effect: f64| {
            let needs = claim.needs(effect)?;
            Ok::<bool, Refusal>(course.units(&needs, self.design.power)? <= self.planned)
        };
        let (mut low, mut high) = (0.0, claim.largest());
        if !enough(high)? {
            return Err(Refusal::TooFew {
                what: "planned units to find any effect",
                have: self.planned,
                need: course.units(&claim.needs(high)?, self.design.power)?.ceil(),
            });
        }
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if middle > 0.0 && enough(middle).unwrap_or(false) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(high)
    }

    fn curves(
        &self,
        claim: &Claim,
        course: &Course,
        effect: f64,
        units: Option<f64>,
    ) -> (Vec<Point>, Vec<Point>) {
        let far = 2.0 * units.unwrap_or(self.planned).max(self.planned);
        let places = || (1..=POINTS).map(|point| f64::from(point) / f64::from(POINTS));
        let point = |at: f64, effect: f64, units: f64| {
            let needs = claim.needs(effect).ok()?;
            let power = course.chance(&needs, units).ok()?;
            Some(Point { at, power })
        };
        let by_units = places().filter_map(|place| point(far * place, effect, far * place));
        let largest = (2.0 * effect).min(claim.largest());
        let by_effect = places().filter_map(|place| point(largest * place, largest * place, self.planned));
        (by_units.collect(), by_effect.collect())
    }
}

/// Whether results of the metric are made sharper by history.
fn uses_history(metric: &Metric) -> bool {
    matches!(Kind::of(metric), Kind::Share | Kind::Mean)
}

#[expect(clippy::cast_precision_loss, reason = "units are rounded to 16 digits")]
const fn float(units: u64) -> f64 {
    units as f64
}
