//! From a measurement to a verdict.

use tidegate_model::Timestamp;
use tidegate_model::policy::{Action, Comparison, Rule, UnknownMeans};
use tidegate_model::rollout::{Phase, Rollout};
use tidegate_model::verdict::{Look, Measurement, UnknownReason, Verdict};

/// How near a value must come to be equal to a threshold, relative to the larger of both. Queries
/// divide, so an exact comparison would miss what is equal to every reader.
const EQUAL_WITHIN: f64 = 1e-9;

/// What `measurement`, taken at `at`, says about `rule`, one of the rules of `rollout`.
///
/// Good news and bad news are not treated alike. A breach counts from the moment the candidate is in
/// force, even if its window reaches back before the stage: waiting for a full window would delay a
/// rollback. Health counts only if the whole window lies in the stage.
pub fn judge(rollout: &Rollout, rule: &Rule, measurement: &Measurement, at: Timestamp) -> Look {
    let (said, detail) = say(rule, measurement);
    Look {
        rule: rule.name.clone(),
        verdict: in_stage(rollout, rule, said, at),
        value: measurement.value.ok().filter(|value| value.is_finite()),
        samples: measurement.samples.ok().flatten(),
        detail,
        at,
    }
}

/// What the measurement says by itself, whenever it was taken, and in which words.
fn say(rule: &Rule, measurement: &Measurement) -> (Verdict, String) {
    let reason = match value(rule, measurement) {
        Ok(value) => return (compare(rule, value), measurement.detail.clone()),
        Err(reason) => reason,
    };
    let (verdict, taken_as) = match rule.unknown.means(reason) {
        UnknownMeans::Hold => return (Verdict::Unknown(reason), measurement.detail.clone()),
        UnknownMeans::Healthy => (Verdict::Healthy, "healthy"),
        UnknownMeans::Breached => (Verdict::Breached, "breached"),
        UnknownMeans::Zero => (compare(rule, 0.0), "zero"),
    };
    let mut detail = format!("{reason} is taken as {taken_as}");
    if !measurement.detail.is_empty() {
        detail.push_str(": ");
        detail.push_str(&measurement.detail);
    }
    (verdict, detail)
}

/// The value, if it can be used and enough samples stand behind it.
fn value(rule: &Rule, measurement: &Measurement) -> Result<f64, UnknownReason> {
    let value = Measurement::of(measurement.value?).value?;
    let Some(minimum) = &rule.minimum else {
        return Ok(value);
    };
    match measurement.samples? {
        Some(samples) if samples >= minimum.at_least => Ok(value),
        _ => Err(UnknownReason::TooFew),
    }
}

fn compare(rule: &Rule, value: f64) -> Verdict {
    let (bad, good) = match rule.comparison {
        Comparison::GreaterThan => (value > rule.threshold, value <= rule.clear),
        Comparison::LessThan => (value < rule.threshold, value >= rule.clear),
        Comparison::Equals => {
            let scale = value.abs().max(rule.threshold.abs()).max(1.0);
            let equal = (value - rule.threshold).abs() <= EQUAL_WITHIN * scale;
            (equal, !equal)
        }
    };
    match (bad, good) {
        (true, _) => Verdict::Breached,
        (false, true) => Verdict::Healthy,
        (false, false) => Verdict::Undecided,
    }
}

/// What is left of the verdict, given when its window lies.
fn in_stage(rollout: &Rollout, rule: &Rule, said: Verdict, at: Timestamp) -> Verdict {
    let Phase::Running { stage, effective, .. } = rollout.phase else {
        return said;
    };
    let inside = effective.is_some_and(|effective| rule.window.before(at) >= effective);
    // Before the first stage reached the nodes, nobody had the candidate: whatever was measured is
    // somebody else's. After a retreat the window still holds the wider stage, which was dealt with.
    let counts = inside
        || match said {
            Verdict::Unknown(_) => true,
            Verdict::Healthy | Verdict::Undecided => false,
            Verdict::Breached if stage == 0 && !rollout.retreated => effective.is_some(),
            Verdict::Breached => !rollout.retreated || rule.action == Action::Rollback,
        };
    if counts {
        said
    } else {
        Verdict::Unknown(UnknownReason::WindowOverlapsStage)
    }
}
