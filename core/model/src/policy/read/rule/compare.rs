//! Rules that compare the candidate with the baseline.

use super::{Judged, chance, refuse};
use crate::policy::read::arguments::{Arguments, Asks};
use crate::policy::read::cursor::{Cursor, Mapping};
use crate::policy::read::keys::{self, CompareMethod};
use crate::policy::{Comparison, Counters, Ranks, Sequential, Sides, SidesBy, Source};
use crate::span::Span;

/// The size of effect from which ranks differ enough to matter: medium, as the word is used.
pub(super) const DEFAULT_EFFECT: f64 = 0.33;
/// How small the chance of luck must be for ranks, unless the rule says otherwise.
pub(super) const DEFAULT_SIGNIFICANCE: f64 = 0.01;
/// Most samples of a side: one more is one more point that Prometheus computes at every look.
const SAMPLES_MAX: u64 = 500;
/// Samples of a side unless the rule says otherwise.
const SAMPLES: u64 = 20;

pub(super) fn read(
    rule: &Mapping<'_>,
    at: &Cursor<'_>,
    arguments: &Arguments<'_>,
    window: Option<Span>,
) -> Option<Judged> {
    let compare = at.mapping(&keys::COMPARE)?;
    let method = compare
        .get("method")
        .and_then(|at| at.word(keys::COMPARE_METHODS));
    let fine = refuse(
        rule,
        "compare",
        &[("threshold", "how much worse is still good is its 'tolerance'")],
    );
    let judged = match method? {
        CompareMethod::Difference => sides(rule, &compare, arguments, SidesBy::Difference),
        CompareMethod::Ratio => sides(rule, &compare, arguments, SidesBy::Ratio),
        CompareMethod::MannWhitney => ranks(rule, &compare, arguments, window),
        CompareMethod::Sequential => sequential(rule, &compare, arguments),
    };
    fine.and(judged)
}

/// Which side is bad. Nothing compared with something else is bad because it is equal.
fn direction(rule: &Mapping<'_>) -> Option<Comparison> {
    rule.or("comparison", Comparison::GreaterThan, |at| {
        let comparison = at.word(keys::COMPARISONS)?;
        if comparison == Comparison::Equals {
            at.error(
                "a candidate that equals the baseline is not bad",
                "write greater_than or less_than",
            );
            return None;
        }
        Some(comparison)
    })
}

/// `least` and more, so far on the bad side.
fn tolerated(compare: &Mapping<'_>, key: &str, example: &str) -> Option<f64> {
    let Some(at) = compare.get(key) else {
        compare.missing(
            key,
            &format!("how much worse is still good, for example {example}"),
        );
        return None;
    };
    not_negative(at)
}

fn not_negative(at: &Cursor<'_>) -> Option<f64> {
    let tolerance = at.number()?;
    if tolerance < 0.0 {
        at.error(
            "a tolerance is not negative; which side is bad is what 'comparison' says",
            "for example 15%",
        );
        return None;
    }
    Some(tolerance)
}

fn sides(
    rule: &Mapping<'_>,
    compare: &Mapping<'_>,
    arguments: &Arguments<'_>,
    by: SidesBy,
) -> Option<Judged> {
    let method = match by {
        SidesBy::Difference => "method: difference",
        SidesBy::Ratio => "method: ratio",
    };
    let fine = foreign(compare, method, &["effect", "significance", "step"]);
    let query = |key, asks| compare.get(key).and_then(|at| arguments.query(at, asks));
    let candidate = query("candidate", Asks::Candidate);
    let baseline = query("baseline", Asks::Baseline);
    let comparison = direction(rule);
    let example = match by {
        SidesBy::Difference => "0.05",
        SidesBy::Ratio => "15%",
    };
    let tolerance = tolerated(compare, "tolerance", example);
    let clear = within(rule, tolerance, "tolerance");
    let comparison = comparison?;
    let limit = |tolerance: f64| {
        let off = match comparison {
            Comparison::LessThan => -tolerance,
            _ => tolerance,
        };
        match by {
            SidesBy::Difference => off,
            SidesBy::Ratio => 1.0 + off,
        }
    };
    fine?;
    Some(Judged {
        source: Source::Sides(Sides {
            candidate: candidate?,
            baseline: baseline?,
            by,
        }),
        comparison,
        threshold: limit(tolerance?),
        clear: limit(clear?),
    })
}

/// The clear level, which lies nearer to the baseline than `limit`.
fn within(rule: &Mapping<'_>, limit: Option<f64>, name: &str) -> Option<f64> {
    let Some(at) = rule.get("clear") else {
        return limit;
    };
    let clear = not_negative(at)?;
    let limit = limit?;
    if clear > limit {
        at.error(
            format!("the clear level {clear} is beyond the {name} {limit}, where values are bad"),
            format!("write at most {limit}"),
        );
        return None;
    }
    Some(clear)
}

/// Complains about keys of other methods.
fn foreign(compare: &Mapping<'_>, method: &str, keys: &[&str]) -> Option<()> {
    let mut fine = Some(());
    for key in keys {
        if let Some(at) = compare.get(key) {
            at.error(
                format!("'{key}' means nothing with '{method}'"),
                "leave it out, or choose another method",
            );
            fine = None;
        }
    }
    fine
}

fn ranks(
    rule: &Mapping<'_>,
    compare: &Mapping<'_>,
    arguments: &Arguments<'_>,
    window: Option<Span>,
) -> Option<Judged> {
    let fine = foreign(compare, "method: mann_whitney", &["tolerance"]);
    let query = |key, asks| compare.get(key).and_then(|at| arguments.query(at, asks));
    let candidate = query("candidate", Asks::CandidateNow);
    let baseline = query("baseline", Asks::BaselineNow);
    let comparison = direction(rule);
    let effect = compare.or("effect", DEFAULT_EFFECT, |at| {
        chance(at, "a size of effect (Cliff's delta)", "0.33, which is medium")
    });
    let significance = compare.or("significance", DEFAULT_SIGNIFICANCE, |at| {
        chance(at, "a level of significance", "1%")
    });
    let step = step(compare, window);
    let clear = within(rule, effect, "effect");
    let comparison = comparison?;
    let sign = if comparison == Comparison::LessThan {
        -1.0
    } else {
        1.0
    };
    fine?;
    Some(Judged {
        source: Source::Ranks(Ranks {
            candidate: candidate?,
            baseline: baseline?,
            step: step?,
            significance: significance?,
        }),
        comparison,
        threshold: sign * effect?,
        clear: sign * clear?,
    })
}

/// The time between two samples: at most as many fit into the window as are useful.
fn step(compare: &Mapping<'_>, window: Option<Span>) -> Option<Span> {
    let Some(at) = compare.get("step") else {
        let usual = Span::millis(millis(window?) / SAMPLES);
        return Some(usual.max(Span::seconds(1)));
    };
    let step = at.positive_span("samples at no distance are one sample")?;
    let window = window?;
    let samples = millis(window) / millis(step).max(1);
    if !(2..=SAMPLES_MAX).contains(&samples) {
        at.error(
            format!("every {step} of {window} is {samples} samples; 2 to {SAMPLES_MAX} are compared"),
            "the scrape interval is usual, for example 15s",
        );
        return None;
    }
    Some(step)
}

fn millis(span: Span) -> u64 {
    u64::try_from(span.duration().as_millis()).unwrap_or(u64::MAX)
}

fn sequential(rule: &Mapping<'_>, compare: &Mapping<'_>, arguments: &Arguments<'_>) -> Option<Judged> {
    let fine = foreign(compare, "method: sequential", &["effect", "significance", "step"]);
    let alone = refuse(
        rule,
        "method: sequential",
        &[
            ("comparison", "more errors are bad; there is no other side"),
            (
                "clear",
                "it is bad once that is proven, within 'safety.falseRollbackBudget'",
            ),
        ],
    );
    let side = |key, asks| compare.get(key).and_then(|at| counters(at, arguments, asks));
    let candidate = side("candidate", Asks::CandidateCounters);
    let baseline = side("baseline", Asks::BaselineCounters);
    let tolerance = compare.or("tolerance", 0.0, not_negative);
    fine.and(alone)?;
    Some(Judged {
        source: Source::Sequential(Sequential {
            candidate: candidate?,
            baseline: baseline?,
            ratio: 1.0 + tolerance?,
        }),
        // The always-valid p-value; the rule's share of the budget is known once all rules are read.
        comparison: Comparison::LessThan,
        threshold: 0.0,
        clear: 0.0,
    })
}

fn counters(at: &Cursor<'_>, arguments: &Arguments<'_>, asks: Asks) -> Option<Counters> {
    if at.peek().is_some() {
        at.error(
            "a sequential test counts errors and requests",
            "write { errors: '...', requests: '...' } with a selector of counters each",
        );
        return None;
    }
    let counters = at.mapping(&keys::COUNTERS)?;
    let selector = |key| counters.get(key).and_then(|at| arguments.query(at, asks));
    let (errors, requests) = (selector("errors"), selector("requests"));
    Some(Counters {
        errors: errors?,
        requests: requests?,
    })
}
