//! What an experiment measures of each unit, and what it hopes for.

use crate::invalid::Violation;
use crate::key::MetricName;
use crate::span::Span;
use serde::{Deserialize, Serialize};

/// Most steps of a funnel.
pub const FUNNEL_STEPS_MAX: usize = 10;

/// One metric of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metric {
    /// Its name in the experiment.
    pub name: MetricName,
    /// What the experiment does with it.
    #[serde(default)]
    pub role: Role,
    /// What is measured.
    pub measure: Measure,
    /// Which way is good.
    #[serde(default)]
    pub goal: Goal,
    /// How much worse still counts as the same, as a share of the control's value: 0.02 is 2 %. Wanted by the goal
    /// `maintain`; with it a guardrail is a test of non-inferiority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// How long after its exposure a unit's events count; left out, until the experiment stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Span>,
    /// What becomes of values that are very large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Cap>,
    /// The smallest change that is worth finding, as a share of the control's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_effect: Option<f64>,
    /// What a guardrail does by itself when it is broken.
    #[serde(default, skip_serializing_if = "OnBreach::is_default")]
    pub on_breach: OnBreach,
    /// Whether units are also compared by their ranks, which a few huge values do not move. It stands beside the verdict and
    /// never decides it. Of revenue, engagement and custom measures but averages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ranks: bool,
}

/// What an experiment does with a metric.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What the hypothesis is about: these decide, corrected together by Holm.
    #[default]
    Success,
    /// Looked at besides, corrected together by Benjamini and Hochberg.
    Secondary,
    /// Must not get worse; watched all the time by a test that may be looked at whenever one likes.
    Guardrail,
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// More.
    #[default]
    Increase,
    /// Less.
    Decrease,
    /// The same, to within `margin` either way: a test of equivalence.
    Maintain,
}

/// What a broken guardrail does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBreach {
    /// It is shown, and somebody is told.
    #[default]
    Alert,
    /// Arms are dealt to nobody until a person resumes: everybody gets what the flag serves without the experiment.
    Pause,
    /// The experiment stops, and everybody gets what the flag serves without it.
    Stop,
}

impl OnBreach {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What is done to values above a cap. The cap is the same for all arms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cap {
    /// A unit's value above this counts as this.
    At(f64),
    /// The cap is the quantile of all arms' values other than zero together: 0.999 is usual.
    Quantile(f64),
}

/// What is measured of a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Measure {
    /// Whether it had the event at all.
    Conversion {
        /// The event.
        event: MetricName,
    },
    /// The sum of its events' values; nothing is 0.
    Revenue {
        /// The event.
        event: MetricName,
    },
    /// How many events it had.
    Engagement {
        /// The event.
        event: MetricName,
    },
    /// Whether it had the event from `from` up to `to` after its exposure: day 7 is from `7d` to `8d`.
    Retention {
        /// The event.
        event: MetricName,
        /// Since its exposure, included.
        from: Span,
        /// Since its exposure, not included.
        to: Span,
    },
    /// One number of its events' values.
    Custom {
        /// The event.
        event: MetricName,
        /// Which number.
        aggregation: Aggregation,
    },
    /// A sum over all units by another sum over them: errors by requests, where units have many of each.
    Ratio {
        /// What is counted above the line.
        numerator: Part,
        /// What is counted below it.
        denominator: Part,
    },
    /// Whether it had all these events one after the other.
    Funnel {
        /// The events in their order.
        steps: Vec<MetricName>,
    },
    /// A percentile of the values of all events, of which a unit may have many.
    Percentile {
        /// The event.
        event: MetricName,
        /// From 0 to 1: 0.9 is the 90th percentile.
        quantile: f64,
    },
}

/// One number of a unit's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// The sum of the values.
    Sum,
    /// How many there are.
    Count,
    /// The sum of the values by their number, over all units: a ratio, so that units with many events weigh more.
    Average,
    /// How many different values there are.
    Unique,
    /// The largest value; units without events are left out.
    Max,
}

/// One side of a ratio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Part {
    /// The event.
    pub event: MetricName,
    /// Sum or count.
    pub aggregation: Aggregation,
}

impl Measure {
    /// The events that it looks at, each once.
    pub fn events(&self) -> Vec<&MetricName> {
        let mut events = match self {
            Self::Conversion { event }
            | Self::Revenue { event }
            | Self::Engagement { event }
            | Self::Retention { event, .. }
            | Self::Custom { event, .. }
            | Self::Percentile { event, .. } => vec![event],
            Self::Ratio {
                numerator,
                denominator,
            } => vec![&numerator.event, &denominator.event],
            Self::Funnel { steps } => steps.iter().collect(),
        };
        events.sort();
        events.dedup();
        events
    }

    /// Whether a unit either has it or not.
    pub fn is_share(&self) -> bool {
        matches!(
            self,
            Self::Conversion { .. } | Self::Retention { .. } | Self::Funnel { .. }
        )
    }

    /// Whether a unit has one number of any size, which can be capped and put in order.
    pub fn is_amount(&self) -> bool {
        match self {
            Self::Revenue { .. } | Self::Engagement { .. } => true,
            Self::Custom { aggregation, .. } => *aggregation != Aggregation::Average,
            _ => false,
        }
    }

    fn violations(&self) -> Vec<Violation> {
        let wrong = |field: &str, value: String, rule: &str, fix: &str| {
            vec![Violation::new(format!("measure.{field}"), value, rule, fix)]
        };
        match self {
            Self::Retention { from, to, .. } if from >= to => wrong(
                "to",
                format!("from {from} to {to}"),
                "a span of retention begins before it ends",
                "for example from \"7d\" to \"8d\"",
            ),
            Self::Funnel { steps } if !(2..=FUNNEL_STEPS_MAX).contains(&steps.len()) => wrong(
                "steps",
                steps.len().to_string(),
                "a funnel has 2 to 10 steps",
                "name the events in their order; for one alone use the kind 'conversion'",
            ),
            Self::Percentile { quantile, .. } if !(*quantile > 0.0 && *quantile < 1.0) => wrong(
                "quantile",
                quantile.to_string(),
                "a quantile lies between 0 and 1",
                "for example 0.9 for the 90th percentile",
            ),
            Self::Ratio {
                numerator,
                denominator,
            } => {
                let sides = [("numerator", numerator), ("denominator", denominator)];
                let added_up =
                    |part: &Part| matches!(part.aggregation, Aggregation::Sum | Aggregation::Count);
                let wrong = sides.into_iter().filter(|(_, part)| !added_up(part));
                wrong
                    .map(|(side, part)| {
                        Violation::new(
                            format!("measure.{side}.aggregation"),
                            format!("{:?}", part.aggregation).to_lowercase(),
                            "either side of a ratio is a sum or a count",
                            "write 'sum' or 'count'",
                        )
                    })
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Metric {
    /// Everything wrong with it by itself.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut found = self.measure.violations();
        let share = |value: f64| value > 0.0 && value < 1.0;
        if let Some(margin) = self.margin.filter(|margin| !share(*margin)) {
            found.push(Violation::new(
                "margin",
                margin,
                "a margin is a share of the control's value between 0 and 1",
                "write 0.02 for 2 %",
            ));
        }
        if self.goal == Goal::Maintain && self.margin.is_none() {
            found.push(Violation::new(
                "margin",
                "",
                "the goal 'maintain' needs to know how much still counts as the same",
                "add a margin, for example 0.02 for 2 %",
            ));
        }
        if self.role == Role::Guardrail && self.goal == Goal::Maintain {
            found.push(Violation::new(
                "goal",
                "maintain",
                "a guardrail must not get worse, which is one direction",
                "write 'increase' or 'decrease', whichever is good, and keep the margin",
            ));
        }
        if let Some(effect) = self
            .minimum_effect
            .filter(|effect| !(*effect > 0.0 && effect.is_finite()))
        {
            found.push(Violation::new(
                "minimumEffect",
                effect,
                "the smallest change worth finding is a share of the control's value above 0",
                "write 0.05 for 5 %",
            ));
        }
        if self.on_breach != OnBreach::Alert && self.role != Role::Guardrail {
            found.push(Violation::new(
                "onBreach",
                format!("{:?}", self.on_breach).to_lowercase(),
                "only a guardrail acts by itself",
                "make its role 'guardrail', or leave 'onBreach' out",
            ));
        }
        if self.ranks && !self.measure.is_amount() {
            found.push(Violation::new(
                "ranks",
                true,
                "only one number of a unit can be ranked: of revenue, engagement and custom measures but averages",
                "leave it out",
            ));
        }
        found.extend(self.cap_violation());
        found
    }

    fn cap_violation(&self) -> Option<Violation> {
        let capped = self.cap?;
        if !self.measure.is_amount() {
            return Some(Violation::new(
                "cap",
                format!("{capped:?}"),
                "only one number of a unit can be capped: of revenue, engagement and custom measures but averages",
                "leave it out",
            ));
        }
        let (value, good) = match capped {
            Cap::At(at) => (at, at > 0.0 && at.is_finite()),
            Cap::Quantile(quantile) => (quantile, quantile > 0.5 && quantile < 1.0),
        };
        (!good).then(|| {
            Violation::new(
                "cap",
                value,
                "a cap is a value above 0, or a quantile between 0.5 and 1",
                r#"for example {"quantile": 0.999}"#,
            )
        })
    }
}
