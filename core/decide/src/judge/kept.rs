//! What is kept of evidence: all that the verdict follows from, and no more.

use super::ranks;
use tidegate_model::evidence::{Counted, Evidence, Found, Samples};
use tidegate_model::policy::Rule;
use tidegate_model::verdict::Measurement;

/// Samples are kept one by one up to so many of both sides together. Of more, what ranks say of them is kept.
pub const SAMPLES_KEPT_MAX: usize = 200;

/// What is kept of `evidence`, gathered for `rule`: judged again, it says the same. Bounded, and without numbers that
/// cannot be written down.
pub fn kept(rule: &Rule, evidence: &Evidence) -> Evidence {
    let mut evidence = evidence.clone();
    match &mut evidence.found {
        Found::Number(measurement) => tidy(measurement),
        Found::Sides { candidate, baseline } => {
            tidy(candidate);
            tidy(baseline);
        }
        Found::Samples { candidate, baseline } => {
            if values(candidate) + values(baseline) > SAMPLES_KEPT_MAX
                && let Ok(ranked) = ranks::rank(rule, candidate, baseline)
            {
                evidence.found = Found::Ranked(ranked);
            }
        }
        Found::Ranked(_) => {}
        Found::Counts {
            candidate, baseline, ..
        } => {
            for Counted { errors, requests } in [candidate, baseline] {
                tidy(errors);
                tidy(requests);
            }
        }
        Found::Burns { rates, period } => {
            for (long, short) in rates {
                tidy(long);
                tidy(short);
            }
            period.as_mut().map(tidy);
        }
    }
    evidence
}

/// A value that is no finite number is judged as the reason why it is none.
fn tidy(measurement: &mut Measurement) {
    measurement.value = measurement.value.and_then(|value| Measurement::of(value).value);
}

fn values(samples: &Samples) -> usize {
    samples.values.as_ref().map_or(0, Vec::len)
}
