//! From evidence to a verdict.

use tidegate_model::Timestamp;
use tidegate_model::evidence::{Evidence, Found, Standing};
use tidegate_model::policy::{Action, Comparison, Rule, Source, UnknownMeans};
use tidegate_model::rollout::{Phase, Rollout};
use tidegate_model::verdict::{Look, Measurement, SequentialTest, UnknownReason, Verdict};

mod burn;
mod kept;
mod ranks;
mod score;
mod sequential;
mod sides;

pub(crate) use burn::remaining;
pub use kept::{SAMPLES_KEPT_MAX, kept};
pub use score::{scored, scores};
pub use sequential::test_before;

/// How near a value must come to be equal to a threshold, relative to the larger of both. Queries
/// divide, so an exact comparison would miss what is equal to every reader.
const EQUAL_WITHIN: f64 = 1e-9;

/// What `evidence`, gathered at `at`, says about `rule`, one of the rules of `rollout`.
///
/// Good news and bad news are not treated alike. A breach counts from the moment the candidate is in
/// force, even if its window reaches back before the stage: waiting for a full window would delay a
/// rollback. Health counts only if the whole window lies in the stage.
pub fn judge(rollout: &Rollout, rule: &Rule, evidence: &Evidence, at: Timestamp) -> Look {
    judge_again(&standing(rollout, rule, evidence), rule, evidence, at)
}

/// Where `rollout` stands, as far as a look at `rule` depends on it.
pub fn standing(rollout: &Rollout, rule: &Rule, evidence: &Evidence) -> Standing {
    let (stage, effective) = match rollout.phase {
        Phase::Running { stage, effective, .. } => (Some(stage), effective),
        Phase::RollingBack { .. } | Phase::Ended { .. } => (None, None),
    };
    let spent = match &evidence.found {
        Found::Counts { before, .. } => sequential::is_spent(rollout, rule, before.as_ref()),
        _ => false,
    };
    Standing {
        stage,
        effective,
        retreated: rollout.retreated,
        spent,
    }
}

/// As [`judge`], for a rollout that stood there.
pub fn judge_again(standing: &Standing, rule: &Rule, evidence: &Evidence, at: Timestamp) -> Look {
    let said = if standing.spent {
        Said::unknown(
            UnknownReason::WindowOverlapsStage,
            "what was counted before is spent",
        )
    } else {
        said(rule, evidence, at)
    };
    let (verdict, detail) = taken_as(rule, &said);
    Look {
        rule: rule.name.clone(),
        verdict: in_stage(standing, rule, verdict, at),
        value: said.value.filter(|value| value.is_finite()),
        samples: said.samples.ok().flatten(),
        detail,
        test: said.test,
        at,
    }
}

/// What evidence says by itself, before anything is taken for something else.
struct Said {
    verdict: Result<Verdict, UnknownReason>,
    value: Option<f64>,
    samples: Result<Option<f64>, UnknownReason>,
    /// What the value was made of, or why there is none.
    detail: String,
    test: Option<SequentialTest>,
}

impl Said {
    fn unknown(reason: UnknownReason, detail: impl Into<String>) -> Self {
        Self {
            verdict: Err(reason),
            value: None,
            samples: Ok(None),
            detail: detail.into(),
            test: None,
        }
    }

    /// Neither good nor bad, for this reason (F9).
    fn undecided(detail: impl Into<String>) -> Self {
        Self {
            verdict: Ok(Verdict::Undecided),
            ..Self::unknown(UnknownReason::NoSeries, detail)
        }
    }

    fn compared(rule: &Rule, value: f64, detail: String) -> Self {
        Self {
            verdict: Ok(compare(rule, value)),
            value: Some(value),
            samples: Ok(None),
            detail,
            test: None,
        }
    }
}

fn said(rule: &Rule, evidence: &Evidence, at: Timestamp) -> Said {
    let mut said = match (&rule.source, &evidence.found) {
        (Source::Sides(source), Found::Sides { candidate, baseline }) => {
            sides::say(rule, source, candidate, baseline)
        }
        (Source::Ranks(source), Found::Samples { candidate, baseline }) => {
            match ranks::rank(rule, candidate, baseline) {
                Ok(ranked) => ranks::say(rule, source, &ranked),
                Err(said) => *said,
            }
        }
        (Source::Ranks(source), Found::Ranked(ranked)) => ranks::say(rule, source, ranked),
        (
            Source::Sequential(source),
            Found::Counts {
                before,
                candidate,
                baseline,
            },
        ) => sequential::say(rule, source, before.as_ref(), (candidate, baseline), at),
        (Source::Slo(source), Found::Burns { rates, period }) => {
            burn::say(rule, source, rates, period.as_ref())
        }
        (_, Found::Number(measurement)) => number(rule, measurement),
        _ => Said::unknown(UnknownReason::ProviderError, "the source answered something else"),
    };
    if evidence.samples != Ok(None) {
        said.samples = evidence.samples;
    }
    if let Err(reason) = enough(rule, &said) {
        said.verdict = Err(reason);
    }
    said
}

fn number(rule: &Rule, measurement: &Measurement) -> Said {
    match finite(measurement) {
        Ok(value) => Said {
            samples: measurement.samples,
            ..Said::compared(rule, value, measurement.detail.clone())
        },
        Err(reason) => Said {
            value: measurement.value.ok(),
            samples: measurement.samples,
            ..Said::unknown(reason, measurement.detail.clone())
        },
    }
}

fn finite(measurement: &Measurement) -> Result<f64, UnknownReason> {
    Measurement::of(measurement.value?).value
}

/// Whether enough samples stand behind what was said.
fn enough(rule: &Rule, said: &Said) -> Result<(), UnknownReason> {
    // A test that is always valid needs no minimum to be right about what is bad, and what was never
    // compared needs no samples.
    let proven = matches!(rule.source, Source::Sequential(_)) && said.verdict == Ok(Verdict::Breached);
    let compared = said.verdict.is_ok() && said.value.is_some();
    let Some(minimum) = rule.minimum.as_ref().filter(|_| compared && !proven) else {
        return Ok(());
    };
    match said.samples? {
        Some(samples) if samples >= minimum.at_least => Ok(()),
        _ => Err(UnknownReason::TooFew),
    }
}

/// What the policy takes it for, and in which words.
fn taken_as(rule: &Rule, said: &Said) -> (Verdict, String) {
    let reason = match said.verdict {
        Ok(verdict) => return (verdict, said.detail.clone()),
        Err(reason) => reason,
    };
    let (verdict, taken_as) = match rule.unknown.means(reason) {
        UnknownMeans::Hold => return (Verdict::Unknown(reason), said.detail.clone()),
        UnknownMeans::Healthy => (Verdict::Healthy, "healthy"),
        UnknownMeans::Breached => (Verdict::Breached, "breached"),
        UnknownMeans::Zero => (compare(rule, 0.0), "zero"),
    };
    let mut detail = format!("{reason} is taken as {taken_as}");
    if !said.detail.is_empty() {
        detail.push_str(": ");
        detail.push_str(&said.detail);
    }
    (verdict, detail)
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
fn in_stage(standing: &Standing, rule: &Rule, said: Verdict, at: Timestamp) -> Verdict {
    let Standing {
        stage: Some(stage),
        effective,
        retreated,
        ..
    } = *standing
    else {
        return said;
    };
    let inside = effective.is_some_and(|effective| rule.window.before(at) >= effective);
    // Before the first stage reached the nodes, nobody had the candidate: whatever was measured is
    // somebody else's. After a retreat the window still holds the wider stage, which was dealt with.
    let counts = inside
        || match said {
            Verdict::Unknown(_) => true,
            Verdict::Healthy | Verdict::Undecided => false,
            Verdict::Breached if stage == 0 && !retreated => effective.is_some(),
            Verdict::Breached => !retreated || rule.action == Action::Rollback,
        };
    if counts {
        said
    } else {
        Verdict::Unknown(UnknownReason::WindowOverlapsStage)
    }
}
