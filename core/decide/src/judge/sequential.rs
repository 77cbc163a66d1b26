//! The candidate's counters against the baseline's, by a test that may be looked at as often as one likes.

use super::sides::side;
use super::{Said, compare, finite};
use crate::rollout::Observed;
use tidegate_model::Timestamp;
use tidegate_model::because::Figure;
use tidegate_model::evidence::Counted;
use tidegate_model::policy::{Rule, Sequential};
use tidegate_model::rollout::{Phase, Rollout};
use tidegate_model::verdict::{SequentialTest, Tried, UnknownReason, Verdict};
use tidegate_stats::Counts;
use tidegate_stats::sequential::RateRatioTest;

/// The test that the next look at `rule` goes on from; `None` while it cannot begin, because nobody has
/// the candidate yet.
///
/// One test lasts the whole rollout: its evidence adds up over all stages, so that its budget is spent
/// once. It begins anew when a person resumed a pause that it led to, or after a retreat: what was known
/// then is spent.
pub fn test_before(rollout: &Rollout, observed: &Observed, rule: &Rule) -> Option<SequentialTest> {
    let observed = observed.looks.get(&rule.name);
    if let Some(memory) = rollout.rules.get(&rule.name) {
        let known = observed.into_iter().chain([&memory.last]);
        let newest = known
            .filter_map(|look| look.test.as_ref())
            .max_by_key(|test| test.until);
        if newest.is_some() {
            return newest.cloned();
        }
    }
    let Phase::Running {
        effective: Some(effective),
        ..
    } = rollout.phase
    else {
        return None;
    };
    let spent = observed.map_or(effective, |look| look.at);
    Some(SequentialTest::beginning(spent.max(effective)))
}

/// Whether a look was asked for before what its test knew was spent: it was under way when a person
/// resumed, or when the rollout went back.
pub(super) fn is_spent(rollout: &Rollout, rule: &Rule, before: Option<&SequentialTest>) -> bool {
    let knew = before.is_some_and(|before| !before.ln_bets.is_empty());
    knew && !rollout.rules.contains_key(&rule.name)
}

/// What the counters of both sides say, added to what the test knew `before`.
pub(super) fn say(
    rule: &Rule,
    source: &Sequential,
    before: Option<&SequentialTest>,
    (candidate, baseline): (&Counted, &Counted),
    at: Timestamp,
) -> Said {
    let Some(before) = before else {
        return Said::unknown(UnknownReason::WindowOverlapsStage, "nobody has the candidate yet");
    };
    let unchanged = |said: Said| Said {
        test: Some(before.clone()),
        ..said
    };
    let candidate = match counts(candidate) {
        Ok(counts) => counts,
        Err((reason, detail)) => {
            return unchanged(Said::unknown(reason, side("candidate", detail)));
        }
    };
    let baseline = match counts(baseline) {
        Ok(counts) => counts,
        // The next look counts from where this one could not.
        Err((UnknownReason::NoSeries, _)) => {
            return unchanged(Said::undecided("the baseline is absent"));
        }
        Err((reason, detail)) => {
            return unchanged(Said::unknown(reason, side("baseline", detail)));
        }
    };
    let Some(mut test) = resume(source, before) else {
        return Said::unknown(
            UnknownReason::ProviderError,
            "the test could not go on from where it was",
        );
    };
    test.observe(candidate, baseline);
    let after = SequentialTest {
        until: at,
        candidate: added(&before.candidate, candidate, at),
        baseline: added(&before.baseline, baseline, at),
        ln_bets: test.ln_bets().to_vec(),
    };
    conclude(rule, test.p_value(), after, at)
}

fn resume(source: &Sequential, before: &SequentialTest) -> Option<RateRatioTest> {
    if before.ln_bets.is_empty() {
        return RateRatioTest::new(source.ratio);
    }
    RateRatioTest::resume(source.ratio, before.ln_bets.clone())
}

fn conclude(rule: &Rule, p: f64, test: SequentialTest, at: Timestamp) -> Said {
    let detail = format!(
        "always-valid p-value; errors {} against {}",
        tried(&test.candidate),
        tried(&test.baseline)
    );
    if test.baseline.requests == 0 {
        return Said {
            test: Some(test),
            ..Said::undecided("the baseline has no requests")
        };
    }
    let mut verdict = Ok(compare(rule, p));
    if verdict != Ok(Verdict::Breached) {
        // Requests of long ago say nothing about now: silence is no health.
        let silent = |side: &Tried| rule.window.after(side.served) < at;
        if silent(&test.candidate) {
            verdict = Err(UnknownReason::TooFew);
        } else if silent(&test.baseline) {
            verdict = Ok(Verdict::Undecided);
        }
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "requests of a rollout stay far below 2^53"
    )]
    let requests = test.candidate.requests.min(test.baseline.requests) as f64;
    Said {
        verdict,
        value: Some(p),
        samples: Ok(Some(requests)),
        detail,
        test: Some(test),
    }
}

fn tried(side: &Tried) -> String {
    let (errors, requests) = (side.errors, side.requests);
    if requests == 0 {
        return "none of 0".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let percent = errors as f64 / requests as f64 * 100.0;
    format!("{errors} of {requests} ({} %)", Figure(percent))
}

/// What rose on one side. Counters of errors that are not there have counted none, as long as requests
/// are counted.
fn counts(counted: &Counted) -> Result<Counts, (UnknownReason, &str)> {
    let trials = finite(&counted.requests).map_err(|reason| (reason, counted.requests.detail.as_str()))?;
    let events = match finite(&counted.errors) {
        Err(UnknownReason::NoSeries) => 0.0,
        events => events.map_err(|reason| (reason, counted.errors.detail.as_str()))?,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and counters only rise"
    )]
    let whole = |number: f64| number.round() as u64;
    Ok(Counts {
        events: whole(events),
        trials: whole(trials),
    })
}

fn added(side: &Tried, counts: Counts, at: Timestamp) -> Tried {
    Tried {
        errors: side.errors.saturating_add(counts.events),
        requests: side.requests.saturating_add(counts.trials),
        served: if counts.trials > 0 { at } else { side.served },
    }
}
