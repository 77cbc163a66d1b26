//! The candidate's samples against the baseline's.

use super::Said;
use super::sides::side;
use tidegate_model::because::Figure;
use tidegate_model::evidence::Samples;
use tidegate_model::policy::{Comparison, Ranks, Rule};
use tidegate_model::verdict::{UnknownReason, Verdict};
use tidegate_stats::rank::{Alternative, mann_whitney};

/// What ranks say: bad when the effect is large enough to matter and too unlikely to be luck. A large
/// effect that may be luck is neither good nor bad, and one that is small is good, however certain.
pub(super) fn say(rule: &Rule, source: &Ranks, candidate: &Samples, baseline: &Samples) -> Said {
    let treatment = match &candidate.values {
        Ok(values) => values,
        Err(reason) => return Said::unknown(*reason, side("candidate", &candidate.detail)),
    };
    let control = match &baseline.values {
        Ok(values) => values,
        Err(UnknownReason::NoSeries | UnknownReason::Nan) => {
            return Said::undecided("the baseline is absent");
        }
        Err(reason) => return Said::unknown(*reason, side("baseline", &baseline.detail)),
    };
    let worse = match rule.comparison {
        Comparison::LessThan => Alternative::Less,
        Comparison::GreaterThan | Comparison::Equals => Alternative::Greater,
    };
    let Some(test) = mann_whitney(treatment, control, worse) else {
        return Said::unknown(UnknownReason::TooFew, "a side has no samples");
    };
    let effect = test.cliffs_delta();
    let chance = test.p.map_or_else(
        || "all samples are the same".to_owned(),
        |p| format!("p {}", Figure(p)),
    );
    let detail = format!(
        "Cliff's delta of {} samples against {}, {chance}",
        treatment.len(),
        control.len()
    );
    let mut said = Said::compared(rule, effect, detail);
    let certain = test.p.is_some_and(|p| p <= source.significance);
    if said.verdict == Ok(Verdict::Breached) && !certain {
        said.verdict = Ok(Verdict::Undecided);
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "samples have far fewer than 2^53 values"
    )]
    let smaller = treatment.len().min(control.len()) as f64;
    said.samples = Ok(Some(smaller));
    said
}
