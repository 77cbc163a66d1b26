//! What would make an experiment cheaper, or honest.

use super::{Aim, Answer, MetricPlan, Planner, uses_history};
use crate::decision::Percent;
use serde::{Serialize, Serializer};
use std::fmt;
use tidegate_model::experiment::{Design, Discipline, Role, Spending};
use tidegate_model::key::MetricName;
use tidegate_model::share::Share;

/// What saves less than this share of the units is not worth a word.
const WORTH: f64 = 0.05;
/// Another metric is suggested if it needs at most this share of the units.
const CHEAPER: f64 = 0.7;
/// An experiment that lasts longer than so many days is over before it ends: people and products change.
const DAYS_MAX: f64 = 56.0;
/// A week has every kind of day once.
const WEEK: f64 = 7.0;

/// Something that would help. As JSON it has its sentence under `text`.
#[derive(Debug, Clone, PartialEq)]
pub enum Suggestion {
    /// The planned units are too few for a success metric.
    Underpowered {
        /// The metric.
        metric: MetricName,
        /// The chance to prove what is worth finding.
        chance: f64,
        /// Units that it needs.
        units: f64,
    },
    /// A guardrail will not be proven to be held, even if it is.
    UnderpoweredGuardrail {
        /// The guardrail.
        metric: MetricName,
        /// The chance to prove that it is held.
        chance: f64,
        /// Units that it needs.
        units: f64,
    },
    /// It takes too long.
    TooLong {
        /// Days that it takes.
        days: f64,
    },
    /// It does not run for whole weeks.
    WholeWeeks {
        /// Days that were planned.
        days: f64,
    },
    /// A metric that is looked at besides needs far fewer units.
    CheaperMetric {
        /// The one that decides.
        metric: MetricName,
        /// The cheaper one.
        instead: MetricName,
        /// The share of the units that it needs.
        share: f64,
    },
    /// History would save units.
    UseHistory {
        /// The metric.
        metric: MetricName,
        /// The share of the units that it saves.
        saved: f64,
    },
    /// Other weights of the arms would save units.
    Allocation {
        /// The best share of the control.
        control: f64,
        /// The share of the units that it saves.
        saved: f64,
    },
    /// More traffic would end it sooner.
    MoreTraffic {
        /// The share that takes part.
        traffic: Share,
    },
    /// With a planned maximum, looks at bounds need fewer units than looks at any time.
    GroupSequential {
        /// The metric.
        metric: MetricName,
        /// The share of the units that it saves.
        saved: f64,
    },
    /// The smallest effect worth finding is not declared, so there is nothing to plan for.
    DeclareEffect {
        /// The metric.
        metric: MetricName,
        /// What the planned units find.
        detectable: Option<f64>,
    },
}

pub(super) fn suggestions(
    planner: &Planner<'_>,
    metrics: &[MetricPlan],
    units: Option<f64>,
) -> Vec<Suggestion> {
    let mut found = Vec::new();
    for metric in metrics {
        found.extend(power(planner, metric));
    }
    found.extend(time(planner, units));
    found.extend(cheaper(metrics));
    found.extend(history(planner));
    found.extend(allocation(planner));
    found.extend(looks(planner, metrics));
    found
}

fn power(planner: &Planner<'_>, plan: &MetricPlan) -> Option<Suggestion> {
    let metric = plan.metric.clone();
    if plan.effect.is_none() {
        return (plan.role == Role::Success).then(|| Suggestion::DeclareEffect {
            metric,
            detectable: plan.detectable.given().copied(),
        });
    }
    let (Answer::Given(chance), Answer::Given(units)) = (&plan.chance, &plan.units) else {
        return None;
    };
    let (chance, units) = (*chance, units.ceil());
    // A size is rounded to whole units, and its power with it.
    if chance >= planner.design.power - 1e-3 {
        return None;
    }
    match (plan.role, plan.aim) {
        (Role::Success, _) => Some(Suggestion::Underpowered {
            metric,
            chance,
            units,
        }),
        (Role::Guardrail, Aim::NonInferiority) => Some(Suggestion::UnderpoweredGuardrail {
            metric,
            chance,
            units,
        }),
        _ => None,
    }
}

fn time(planner: &Planner<'_>, units: Option<f64>) -> Vec<Suggestion> {
    let mut found = Vec::new();
    let needed = units.unwrap_or(planner.planned).max(planner.planned);
    if let Ok(days) = planner.days(needed)
        && days > DAYS_MAX
    {
        found.push(Suggestion::TooLong { days });
        if planner.design.traffic != Share::ALL {
            found.push(Suggestion::MoreTraffic {
                traffic: planner.design.traffic,
            });
        }
    }
    if let Some(duration) = planner.design.duration {
        let days = duration.as_seconds() / super::SECONDS_A_DAY;
        let weeks = days / WEEK;
        if (weeks - weeks.round()).abs() > 1e-9 {
            found.push(Suggestion::WholeWeeks { days });
        }
    }
    found
}

fn cheaper(metrics: &[MetricPlan]) -> Vec<Suggestion> {
    let units = |plan: &MetricPlan| plan.units.given().copied();
    let besides = metrics
        .iter()
        .filter(|plan| plan.role == Role::Secondary && plan.aim == Aim::Difference);
    let cheapest = besides
        .filter_map(|plan| Some((plan, units(plan)?)))
        .reduce(|best, one| if one.1 < best.1 { one } else { best });
    let Some((instead, fewest)) = cheapest else {
        return Vec::new();
    };
    let deciding = metrics
        .iter()
        .filter(|plan| plan.role == Role::Success && plan.aim == Aim::Difference);
    deciding
        .filter_map(|plan| {
            let share = fewest / units(plan)?;
            (share <= CHEAPER).then(|| Suggestion::CheaperMetric {
                metric: plan.metric.clone(),
                instead: instead.metric.clone(),
                share,
            })
        })
        .collect()
}

fn history(planner: &Planner<'_>) -> Vec<Suggestion> {
    if !planner.design.history.is_zero() {
        return Vec::new();
    }
    let deciding = planner.design.metrics.iter();
    deciding
        .filter(|metric| metric.role != Role::Secondary && uses_history(metric))
        .filter_map(|metric| {
            let correlation = planner.baseline(metric).ok()?.correlation?;
            let saved = correlation * correlation;
            (WORTH..1.0).contains(&saved).then(|| Suggestion::UseHistory {
                metric: metric.name.clone(),
                saved,
            })
        })
        .collect()
}

/// Units are fewest when the control has the root of the number of treatments times the share of each of them
/// (Dunnett 1955, Journal of the American Statistical Association 50:1096).
fn allocation(planner: &Planner<'_>) -> Option<Suggestion> {
    let root = f64::from(planner.treatments).sqrt();
    let now = 1.0 / planner.control + 1.0 / planner.treatment;
    let best = (1.0 + root).powi(2);
    let saved = 1.0 - best / now;
    (saved >= WORTH).then(|| Suggestion::Allocation {
        control: 1.0 / (1.0 + root),
        saved,
    })
}

fn looks(planner: &Planner<'_>, metrics: &[MetricPlan]) -> Option<Suggestion> {
    let Discipline::AlwaysValid { .. } = planner.design.discipline else {
        return None;
    };
    let first = metrics.iter().find(|plan| plan.role == Role::Success)?;
    let now = *first.units.given()?;
    let design = Design {
        discipline: Discipline::GroupSequential {
            units: planner.planned_whole(),
            looks: 5,
            spending: Spending::ObrienFleming,
        },
        ..planner.design.clone()
    };
    let other = Planner::of(&design, planner.traffic);
    let metric = design.metric(first.metric.as_str())?;
    let then = *other.metric(metric).units.given()?;
    let saved = 1.0 - then / now;
    (saved >= WORTH).then(|| Suggestion::GroupSequential {
        metric: first.metric.clone(),
        saved,
    })
}

impl Planner<'_> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "units, at least 0; what is too large becomes the largest"
    )]
    fn planned_whole(&self) -> u64 {
        self.planned.ceil() as u64
    }
}

impl Suggestion {
    /// One word for it, which programs may compare.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Underpowered { .. } => "underpowered",
            Self::UnderpoweredGuardrail { .. } => "underpowered_guardrail",
            Self::TooLong { .. } => "too_long",
            Self::WholeWeeks { .. } => "whole_weeks",
            Self::CheaperMetric { .. } => "cheaper_metric",
            Self::UseHistory { .. } => "use_history",
            Self::Allocation { .. } => "allocation",
            Self::MoreTraffic { .. } => "more_traffic",
            Self::GroupSequential { .. } => "group_sequential",
            Self::DeclareEffect { .. } => "declare_effect",
        }
    }
}

impl Serialize for Suggestion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            kind: &'static str,
            text: String,
        }
        let shown = Shown {
            kind: self.kind(),
            text: self.to_string(),
        };
        shown.serialize(serializer)
    }
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Underpowered {
                metric,
                chance,
                units,
            } => write!(
                f,
                "{metric}: the planned units find what is worth finding with a chance of {} only; it needs {units:.0}",
                Percent(*chance)
            ),
            Self::UnderpoweredGuardrail {
                metric,
                chance,
                units,
            } => write!(
                f,
                "the guardrail {metric} will be proven to be held with a chance of {} only, even if it is; it needs \
                 {units:.0} units, or a wider margin",
                Percent(*chance)
            ),
            Self::CheaperMetric {
                metric,
                instead,
                share,
            } => {
                write!(
                    f,
                    "{instead} needs {} of the units of {metric}: let it decide, if it says the same",
                    Percent(*share)
                )
            }
            Self::UseHistory { metric, saved } => {
                write!(
                    f,
                    "with the units' history {metric} needs {} fewer units",
                    Percent(*saved)
                )
            }
            Self::GroupSequential { metric, saved } => write!(
                f,
                "with a planned maximum and five looks {metric} needs {} fewer units than with looks at any time",
                Percent(*saved)
            ),
            Self::DeclareEffect { metric, detectable } => {
                write!(f, "{metric}: say which change is the smallest worth finding")?;
                detectable.map_or(Ok(()), |lift| {
                    write!(f, "; the planned units find {}", Percent(lift))
                })
            }
            other => other.fmt_course(f),
        }
    }
}

impl Suggestion {
    /// What is said of time and traffic.
    fn fmt_course(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { days } => {
                write!(
                    f,
                    "it takes {days:.0} days; after eight weeks people and products have changed"
                )
            }
            Self::WholeWeeks { days } => {
                write!(
                    f,
                    "{days:.1} days are no whole weeks: some weekdays will count more than others"
                )
            }
            Self::Allocation { control, saved } => {
                let saved = Percent(*saved);
                write!(
                    f,
                    "with {} for the control and equal treatments it needs {saved} fewer units",
                    Percent(*control)
                )
            }
            Self::MoreTraffic { traffic } => {
                write!(
                    f,
                    "{} % of the audience take part: with all of them it ends sooner",
                    traffic.percent()
                )
            }
            _ => f.write_str(self.kind()),
        }
    }
}
