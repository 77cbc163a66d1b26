//! The candidate's number against the baseline's.

use super::{Said, finite};
use tidegate_model::because::Figure;
use tidegate_model::policy::{Rule, Sides, SidesBy, UnknownMeans};
use tidegate_model::verdict::{Measurement, UnknownReason};

/// What two numbers say. A baseline that is not there, or is 0 where it divides, decides nothing (F9).
pub(super) fn say(rule: &Rule, source: &Sides, candidate: &Measurement, baseline: &Measurement) -> Said {
    let candidate = match finite(candidate) {
        Ok(value) => value,
        Err(UnknownReason::NoSeries) if rule.unknown.means(UnknownReason::NoSeries) == UnknownMeans::Zero => {
            0.0
        }
        Err(reason) => return Said::unknown(reason, side("candidate", &candidate.detail)),
    };
    let against = match (source.by, finite(baseline)) {
        (_, Err(UnknownReason::NoSeries | UnknownReason::Nan)) => {
            return Said::undecided("the baseline is absent");
        }
        (_, Err(reason)) => return Said::unknown(reason, side("baseline", &baseline.detail)),
        (SidesBy::Ratio, Ok(0.0)) => return Said::undecided("the baseline is 0"),
        (_, Ok(value)) => value,
    };
    let value = match source.by {
        SidesBy::Difference => candidate - against,
        SidesBy::Ratio => candidate / against,
    };
    if !value.is_finite() {
        return Said::unknown(UnknownReason::Inf, "the two are too far apart to compare");
    }
    let made_of = format!("candidate {}, baseline {}", Figure(candidate), Figure(against));
    Said::compared(rule, value, made_of)
}

/// Whose words these are.
pub(super) fn side(name: &str, detail: &str) -> String {
    if detail.is_empty() {
        name.to_owned()
    } else {
        format!("{name}: {detail}")
    }
}
