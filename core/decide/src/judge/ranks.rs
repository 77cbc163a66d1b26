//! The candidate's samples against the baseline's.

use super::Said;
use super::sides::side;
use tidegate_model::because::Figure;
use tidegate_model::evidence::{Ranked, Samples};
use tidegate_model::policy::{Comparison, Ranks, Rule};
use tidegate_model::verdict::{UnknownReason, Verdict};
use tidegate_stats::Alternative;
use tidegate_stats::rank::{Method, Pooled, mann_whitney};

/// The ranks of both sides' samples, or what is said without any.
pub(super) fn rank(rule: &Rule, candidate: &Samples, baseline: &Samples) -> Result<Ranked, Box<Said>> {
    let treatment = match &candidate.values {
        Ok(values) => values,
        Err(reason) => {
            return Err(Box::new(Said::unknown(
                *reason,
                side("candidate", &candidate.detail),
            )));
        }
    };
    let control = match &baseline.values {
        Ok(values) => values,
        Err(UnknownReason::NoSeries | UnknownReason::Nan) => {
            return Err(Box::new(Said::undecided("the baseline is absent")));
        }
        Err(reason) => {
            return Err(Box::new(Said::unknown(
                *reason,
                side("baseline", &baseline.detail),
            )));
        }
    };
    let worse = match rule.comparison {
        Comparison::LessThan => Alternative::Less,
        Comparison::GreaterThan | Comparison::Equals => Alternative::Greater,
    };
    let test = Pooled::of_values(treatment, control)
        .and_then(|pooled| mann_whitney(&pooled, worse, Method::Automatic));
    match test {
        Ok(test) => Ok(Ranked {
            effect: test.cliffs_delta(),
            p: test.p.ok().map(|p| p.p),
            candidate: treatment.len(),
            baseline: control.len(),
        }),
        Err(_) => Err(Box::new(Said::unknown(
            UnknownReason::TooFew,
            "a side has no samples",
        ))),
    }
}

/// What ranks say: bad when the effect is large enough to matter and too unlikely to be luck. A large
/// effect that may be luck is neither good nor bad, and one that is small is good, however certain.
pub(super) fn say(rule: &Rule, source: &Ranks, ranked: &Ranked) -> Said {
    let chance = ranked.p.map_or_else(
        || "all samples are the same".to_owned(),
        |p| format!("p {}", Figure(p)),
    );
    let detail = format!(
        "Cliff's delta of {} samples against {}, {chance}",
        ranked.candidate, ranked.baseline
    );
    let mut said = Said::compared(rule, ranked.effect, detail);
    let certain = ranked.p.is_some_and(|p| p <= source.significance);
    if said.verdict == Ok(Verdict::Breached) && !certain {
        said.verdict = Ok(Verdict::Undecided);
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "samples have far fewer than 2^53 values"
    )]
    let smaller = ranked.candidate.min(ranked.baseline) as f64;
    said.samples = Ok(Some(smaller));
    said
}
