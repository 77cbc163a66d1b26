//! Why a decision is what it is.

use super::Of;
use crate::result::{Look, Rule};
use serde::{Serialize, Serializer};
use std::fmt;
use tidegate_model::key::{MetricName, VariationKey};

/// One reason. As JSON it has its sentence under `text`.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// A guardrail is worse than is tolerated.
    Breached {
        /// The guardrail.
        metric: MetricName,
        /// The treatment.
        arm: VariationKey,
        /// What is tolerated.
        margin: f64,
    },
    /// Units are missing from an arm.
    SampleRatioMismatch {
        /// The smaller p-value of both tests.
        p: f64,
    },
    /// A success metric is better.
    Better {
        /// The metric.
        metric: MetricName,
        /// The treatment.
        arm: VariationKey,
        /// By how much.
        lift: Option<f64>,
        /// The rule that proves it.
        rule: Rule,
    },
    /// A success metric is worse.
    Worse {
        /// The metric.
        metric: MetricName,
        /// The treatment.
        arm: VariationKey,
        /// By how much.
        lift: Option<f64>,
        /// The rule that proves it.
        rule: Rule,
    },
    /// A metric is the same to within its margin.
    Equivalent {
        /// The metric.
        metric: MetricName,
        /// The treatment.
        arm: VariationKey,
        /// How much still counts as the same.
        margin: f64,
    },
    /// A metric that is to stay the same does not.
    Different {
        /// The metric.
        metric: MetricName,
        /// The treatment.
        arm: VariationKey,
        /// How much still counts as the same.
        margin: f64,
    },
    /// A claim is neither proven nor disproven.
    Undecided {
        /// The metric.
        metric: MetricName,
        /// The treatment.
        arm: VariationKey,
    },
    /// A guardrail with a margin is not yet proven to be held.
    NotYetSafe {
        /// The guardrail.
        metric: MetricName,
        /// The treatment.
        arm: VariationKey,
    },
    /// A number was refused.
    Refused {
        /// The metric.
        metric: MetricName,
        /// The treatment.
        arm: VariationKey,
        /// Why.
        why: String,
    },
    /// Another treatment could be shipped too.
    AlsoWins {
        /// Which.
        arm: VariationKey,
    },
    /// The smallest effect worth finding is ruled out.
    MinimumExcluded {
        /// The metric.
        metric: MetricName,
        /// The treatment.
        arm: VariationKey,
        /// That effect.
        minimum: f64,
    },
    /// Even with the smallest effect worth finding, the end would hardly prove it.
    SmallChance {
        /// The metric.
        metric: MetricName,
        /// The treatment.
        arm: VariationKey,
        /// The chance.
        chance: f64,
    },
    /// The last look proves nothing.
    NothingProven {
        /// Units in all arms together.
        units: u64,
    },
    /// There is some way to go.
    OnTheWay {
        /// Units in all arms together.
        units: u64,
        /// The planned maximum.
        planned: u64,
    },
    /// What kind of look this is.
    Look {
        /// That look.
        look: Look,
    },
}

impl Reason {
    /// One word for it, which programs may compare.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Breached { .. } => "breached",
            Self::SampleRatioMismatch { .. } => "sample_ratio_mismatch",
            Self::Better { .. } => "better",
            Self::Worse { .. } => "worse",
            Self::Equivalent { .. } => "equivalent",
            Self::Different { .. } => "different",
            Self::Undecided { .. } => "undecided",
            Self::NotYetSafe { .. } => "not_yet_safe",
            Self::Refused { .. } => "refused",
            Self::AlsoWins { .. } => "also_wins",
            Self::MinimumExcluded { .. } => "minimum_excluded",
            Self::SmallChance { .. } => "small_chance",
            Self::NothingProven { .. } => "nothing_proven",
            Self::OnTheWay { .. } => "on_the_way",
            Self::Look { .. } => "look",
        }
    }

    /// The metric it is about.
    #[must_use]
    pub const fn metric(&self) -> Option<&MetricName> {
        match self {
            Self::Breached { metric, .. }
            | Self::Better { metric, .. }
            | Self::Worse { metric, .. }
            | Self::Equivalent { metric, .. }
            | Self::Different { metric, .. }
            | Self::Undecided { metric, .. }
            | Self::NotYetSafe { metric, .. }
            | Self::Refused { metric, .. }
            | Self::MinimumExcluded { metric, .. }
            | Self::SmallChance { metric, .. } => Some(metric),
            _ => None,
        }
    }

    /// The treatment it is about.
    #[must_use]
    pub const fn arm(&self) -> Option<&VariationKey> {
        match self {
            Self::Breached { arm, .. }
            | Self::Better { arm, .. }
            | Self::Worse { arm, .. }
            | Self::Equivalent { arm, .. }
            | Self::Different { arm, .. }
            | Self::Undecided { arm, .. }
            | Self::NotYetSafe { arm, .. }
            | Self::Refused { arm, .. }
            | Self::AlsoWins { arm }
            | Self::MinimumExcluded { arm, .. }
            | Self::SmallChance { arm, .. } => Some(arm),
            _ => None,
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            kind: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            metric: Option<&'a MetricName>,
            #[serde(skip_serializing_if = "Option::is_none")]
            arm: Option<&'a VariationKey>,
            text: String,
        }
        let shown = Shown {
            kind: self.kind(),
            metric: self.metric(),
            arm: self.arm(),
            text: self.to_string(),
        };
        shown.serialize(serializer)
    }
}

/// A share as people read it.
pub(crate) struct Percent(pub(crate) f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        let places = match percent.abs() {
            size if size == 0.0 || size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            size if size >= 0.1 => 2,
            _ => 4,
        };
        write!(f, "{percent:.places$} %")
    }
}

/// By how much, if that is known.
struct By(Option<f64>);

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(lift) => {
                let sign = if lift < 0.0 { "-" } else { "+" };
                write!(f, " ({sign}{})", Percent(lift.abs()))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed => "fixed test",
            Self::GroupSequential => "group sequential test",
            Self::AlwaysValid => "always-valid test",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breached { metric, arm, margin } if *margin > 0.0 => {
                let of = Of(metric, arm);
                write!(
                    f,
                    "the guardrail {of} is worse than the {} that are tolerated",
                    Percent(*margin)
                )
            }
            Self::Breached { metric, arm, .. } => {
                write!(f, "the guardrail {} is worse than the control", Of(metric, arm))
            }
            Self::Better {
                metric,
                arm,
                lift,
                rule,
            } => {
                write!(
                    f,
                    "{} is better{}, proven by the {rule}",
                    Of(metric, arm),
                    By(*lift)
                )
            }
            Self::Worse {
                metric,
                arm,
                lift,
                rule,
            } => {
                write!(
                    f,
                    "{} is worse{}, proven by the {rule}",
                    Of(metric, arm),
                    By(*lift)
                )
            }
            Self::Equivalent { metric, arm, margin } => {
                write!(
                    f,
                    "{} is the same to within {}",
                    Of(metric, arm),
                    Percent(*margin)
                )
            }
            Self::Different { metric, arm, margin } => {
                write!(f, "{} differs by more than {}", Of(metric, arm), Percent(*margin))
            }
            Self::Undecided { metric, arm } => write!(f, "{} is not decided", Of(metric, arm)),
            Self::NotYetSafe { metric, arm } => {
                write!(
                    f,
                    "the guardrail {} is not yet proven to be held",
                    Of(metric, arm)
                )
            }
            Self::Refused { metric, arm, why } => {
                write!(f, "nothing can be said of {}: {why}", Of(metric, arm))
            }
            other => other.fmt_other(f),
        }
    }
}

impl Reason {
    /// What is said of no single metric, and of what may still come.
    fn fmt_other(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SampleRatioMismatch { p } => write!(
                f,
                "the arms have not got the units they should (p = {p:.1e}): something loses units of one arm more \
                 than those of another, and no number can be trusted before that is found"
            ),
            Self::MinimumExcluded { metric, arm, minimum } => {
                let of = Of(metric, arm);
                write!(
                    f,
                    "{of} does not change by the {} worth finding",
                    Percent(*minimum)
                )
            }
            Self::SmallChance { metric, arm, chance } => write!(
                f,
                "even if {} changed by as much as is worth finding, the end would prove it with a chance of {} only",
                Of(metric, arm),
                Percent(*chance)
            ),
            Self::AlsoWins { arm } => write!(f, "{arm} could be shipped as well"),
            Self::NothingProven { units } => {
                write!(f, "the last look, at {units} units, proves no improvement")
            }
            Self::OnTheWay { units, planned } => write!(f, "{units} of {planned} units are there"),
            Self::Look { look } => write!(f, "this is {look}"),
            _ => f.write_str(self.kind()),
        }
    }
}
