//! Safety rules.

use super::arguments::{Arguments, Asks};
use super::cursor::{Cursor, Mapping};
use super::{DEFAULT_WINDOW, keys};
use crate::key::RuleName;
use crate::policy::{
    Action, Comparison, EventAggregate, EventBase, EventSource, Minimum, Rule, Source, Trip, UnknownMeans,
    UnknownPolicy,
};
use crate::span::Span;
use crate::verdict::UnknownReason;
use std::collections::BTreeMap;

mod compare;
mod score;
mod slo;

/// Longest window: beyond a year nothing is kept, and longer ones are slips of the finger.
const WINDOW_MAX: Span = Span::seconds(366 * 24 * 3600);
/// Shortest interval: a rule is a query to somebody else's server.
const INTERVAL_MIN: Span = Span::millis(500);
/// Most looks that a rule remembers.
const LOOKS_MAX: u32 = 100;

/// Fewest samples of either side in a comparison by ranks, unless the rule says otherwise.
const DEFAULT_SAMPLES_MIN: f64 = 8.0;
/// Fewest requests of either side in a sequential test, unless the rule says otherwise.
const DEFAULT_REQUESTS_MIN: f64 = 100.0;

/// The names of the rules in `safety`, right or wrong, for whoever refers to them.
pub(super) fn names<'a>(safety: &Cursor<'a>) -> Option<Vec<&'a str>> {
    let rules = safety.child_of("rules")?.items()?;
    Some(rules.iter().filter_map(|rule| Some(peek_name(rule)?.0)).collect())
}

/// The name that a rule or stage bears, right or wrong, without complaint.
pub(super) fn peek_name<'a>(item: &Cursor<'a>) -> Option<(&'a str, Cursor<'a>)> {
    let at = item.child_of("name")?;
    Some((at.peek()?, at))
}

pub(super) fn interval(at: &Cursor<'_>) -> Option<Span> {
    let interval = at.span()?;
    if interval < INTERVAL_MIN {
        at.error(
            format!("{interval} is shorter than {INTERVAL_MIN}"),
            "a look every 5s to 30s is usual: Prometheus scrapes no faster",
        );
        return None;
    }
    Some(interval)
}

/// Where a rule's number comes from, and from where on it is bad.
struct Judged {
    source: Source,
    comparison: Comparison,
    threshold: f64,
    clear: f64,
}

/// Reads a rule among others that are called `names`.
pub(super) fn read(
    at: &Cursor<'_>,
    general_interval: Span,
    arguments: &Arguments<'_>,
    names: &[&str],
) -> Option<Rule> {
    let rule = at.mapping(&keys::RULE)?;
    let name = rule.get("name").and_then(Cursor::name::<RuleName>);
    let window = rule.or("window", DEFAULT_WINDOW, window);
    let interval = rule.or("interval", general_interval, interval);
    let judged = judged(&rule, arguments, window, names);
    warn_of_gaps(&rule, window, interval);
    let trip = trip(&rule);
    let source = judged.as_ref().map(|judged| &judged.source);
    let minimum = match rule.get("minimum") {
        Some(at) => minimum(at, source, arguments).map(Some),
        None => Some(source.and_then(usual_minimum)),
    };
    let unknown = rule.or("unknown", all(UnknownMeans::Hold), unknown);
    let action = rule.or("action", Action::Rollback, |at| at.word(keys::ACTIONS));
    let dry_run = rule.or("dryRun", false, dry_run);
    let judged = judged?;
    // The windows of an objective are its own; the rule's is what must lie inside of a stage.
    let window = match &judged.source {
        Source::Slo(slo) => slo::stage_window(slo),
        _ => window,
    };
    Some(Rule {
        name: name?,
        source: judged.source,
        window: window?,
        interval: interval?,
        comparison: judged.comparison,
        threshold: judged.threshold,
        clear: judged.clear,
        trip: trip?,
        minimum: minimum?,
        unknown: unknown?,
        action: action?,
        dry_run: dry_run?,
        shared: false,
    })
}

/// What a rule can rest on, and how one is begun.
const SOURCES: [(&str, &str); 5] = [
    ("query", "PromQL"),
    ("events", "the name of a metric"),
    ("compare", "candidate, baseline and a method"),
    ("slo", "an objective"),
    ("score", "other rules"),
];

fn judged(
    rule: &Mapping<'_>,
    arguments: &Arguments<'_>,
    window: Option<Span>,
    names: &[&str],
) -> Option<Judged> {
    let mut given = SOURCES.iter().filter_map(|(key, _)| Some((*key, rule.get(key)?)));
    let Some((first, at)) = given.next() else {
        let all: Vec<_> = SOURCES
            .iter()
            .map(|(key, what)| format!("'{key}' with {what}"))
            .collect();
        rule.at().error(
            "the rule has nothing to look at",
            format!("add {}", all.join(", or ")),
        );
        // What else is wrong is said all the same.
        let _ = thresholds(rule);
        return None;
    };
    let mut single = true;
    for (other, at) in given {
        at.error(
            format!("the rule has both '{first}' and '{other}'"),
            "keep one; another rule can have the other",
        );
        single = false;
    }
    let judged = match first {
        "query" => by_threshold(rule, arguments.query(at, Asks::Candidate).map(Source::Query)),
        "events" => by_threshold(rule, events(at).map(Source::Events)),
        "compare" => compare::read(rule, at, arguments, window),
        "slo" => slo::read(rule, at, arguments),
        _ => score::read(rule, at, names),
    };
    judged.filter(|_| single)
}

fn by_threshold(rule: &Mapping<'_>, source: Option<Source>) -> Option<Judged> {
    let (comparison, threshold, clear) = thresholds(rule)?;
    Some(Judged {
        source: source?,
        comparison,
        threshold,
        clear,
    })
}

/// The side that is bad, where it begins, and where the good side begins.
fn thresholds(rule: &Mapping<'_>) -> Option<(Comparison, f64, f64)> {
    let comparison = rule.or("comparison", Comparison::GreaterThan, |at| {
        at.word(keys::COMPARISONS)
    });
    if rule.get("threshold").is_none() {
        rule.missing("threshold", "it has no default");
    }
    let threshold = rule.get("threshold").and_then(Cursor::number);
    let clear = clear(rule, comparison, threshold);
    Some((comparison?, threshold?, clear?))
}

/// Complains about keys that mean nothing beside `source`.
fn refuse(rule: &Mapping<'_>, source: &str, keys: &[(&str, &str)]) -> Option<()> {
    let mut fine = Some(());
    for (key, hint) in keys {
        if let Some(at) = rule.get(key) {
            at.error(format!("'{key}' means nothing beside '{source}'"), *hint);
            fine = None;
        }
    }
    fine
}

fn dry_run(at: &Cursor<'_>) -> Option<bool> {
    let wanted = at.boolean();
    if wanted.is_none() {
        at.error(
            "a dry run is 'true' or 'false'",
            "leave it out for a rule that acts",
        );
    }
    wanted
}

/// A share from 0 to 1, both excluded: `5%` or 0.05.
fn chance(at: &Cursor<'_>, what: &str, example: &str) -> Option<f64> {
    let chance = at.number()?;
    if chance <= 0.0 || chance >= 1.0 {
        at.error(
            format!("{what} is more than 0 % and less than 100 %"),
            format!("for example {example}"),
        );
        return None;
    }
    Some(chance)
}

/// The chance of a false rollback that a policy bears.
pub(super) fn false_rollback_budget(at: &Cursor<'_>) -> Option<f64> {
    chance(at, "the chance of a false rollback", "1%")
}

fn events(at: &Cursor<'_>) -> Option<EventSource> {
    let events = at.mapping(&keys::EVENTS)?;
    let metric = events.get("metric").and_then(Cursor::name);
    let aggregate = events.or("aggregate", EventAggregate::Count, |at| at.word(keys::AGGREGATES));
    let per = events.or("per", EventBase::Nothing, |at| {
        if at.is_mapping() {
            return at
                .mapping(&keys::PER)?
                .get("metric")?
                .name()
                .map(EventBase::Metric);
        }
        match at.peek() {
            Some("exposure") => Some(EventBase::Exposure),
            Some("second") => Some(EventBase::Second),
            _ => {
                at.error(
                    "this is nothing that events can be divided by",
                    "write exposure, second, or '{ metric: <name> }'",
                );
                None
            }
        }
    });
    Some(EventSource {
        metric: metric?,
        aggregate: aggregate?,
        per: per?,
    })
}

fn window(at: &Cursor<'_>) -> Option<Span> {
    let window = at.positive_span("a window of no length holds no samples")?;
    if window > WINDOW_MAX {
        at.error("the window is longer than a year", "for example 5m");
        return None;
    }
    Some(window)
}

fn warn_of_gaps(rule: &Mapping<'_>, window: Option<Span>, interval: Option<Span>) {
    if let (Some(window), Some(interval)) = (window, interval)
        && interval > window
    {
        rule.at().warning(
            format!("looks every {interval} at the last {window}: what happens between is never seen"),
            "make the interval at most as long as the window",
        );
    }
}

fn clear(rule: &Mapping<'_>, comparison: Option<Comparison>, threshold: Option<f64>) -> Option<f64> {
    let Some(at) = rule.get("clear") else {
        return threshold;
    };
    let clear = at.number()?;
    let threshold = threshold?;
    match comparison? {
        Comparison::GreaterThan if clear > threshold => at.error(
            format!("the clear level {clear} is above the threshold {threshold}, where values are bad"),
            format!("write at most {threshold}"),
        ),
        Comparison::LessThan if clear < threshold => at.error(
            format!("the clear level {clear} is below the threshold {threshold}, where values are bad"),
            format!("write at least {threshold}"),
        ),
        Comparison::Equals => at.error("'equals' has no level between good and bad", "leave 'clear' out"),
        Comparison::GreaterThan | Comparison::LessThan => return Some(clear),
    }
    None
}

fn trip(rule: &Mapping<'_>) -> Option<Trip> {
    let consecutive = rule.get("consecutive").map(|at| {
        let looks = at.count(LOOKS_MAX)?;
        Some(Trip {
            of: looks,
            need: looks,
        })
    });
    let trip = rule.get("trip").map(|at| {
        let trip = at.mapping(&keys::TRIP)?;
        let of = trip.get("of").and_then(|at| at.count(LOOKS_MAX));
        let need = trip.get("need").and_then(|at| at.count(LOOKS_MAX));
        let (of, need) = (of?, need?);
        if need > of {
            at.error(
                format!("{need} of the last {of} looks can never be bad"),
                format!("'need' is at most 'of': {{ of: {need}, need: {of} }} perhaps"),
            );
            return None;
        }
        Some(Trip { of, need })
    });
    match (consecutive, trip) {
        (Some(_), Some(_)) => {
            rule.get("consecutive")?.error(
                "'consecutive' and 'trip' say the same thing twice",
                "keep one; 'consecutive: 3' is short for 'trip: { of: 3, need: 3 }'",
            );
            None
        }
        (Some(given), None) | (None, Some(given)) => given,
        (None, None) => Some(Trip { of: 1, need: 1 }),
    }
}

fn minimum(at: &Cursor<'_>, source: Option<&Source>, arguments: &Arguments<'_>) -> Option<Minimum> {
    let minimum = at.mapping(&keys::MINIMUM)?;
    let query = minimum.or("query", None, |at| arguments.query(at, Asks::Candidate).map(Some));
    let at_least = minimum.get("atLeast").and_then(|at| {
        let number = at.number()?;
        if number <= 0.0 {
            at.error("a minimum of nothing asks for nothing", "for example 200");
            return None;
        }
        Some(number)
    });
    if let (Some(Source::Score(_)), at) = (source, minimum.at()) {
        at.error(
            "a score has no samples of its own",
            "give its rules minimums instead",
        );
        return None;
    }
    let missing = match source {
        Some(Source::Query(_) | Source::Sides(_) | Source::Slo(_)) => {
            Some("a query does not tell how many samples stand behind its value")
        }
        Some(Source::Events(events)) if matches!(events.per, EventBase::Nothing | EventBase::Second) => {
            Some("these events are not divided by anything that could be counted")
        }
        _ => None,
    };
    if let (Some(why), None) = (missing, minimum.get("query")) {
        minimum.missing(
            "query",
            &format!(
                "{why}: add one that counts, for example sum(increase(http_requests_total[{{{{window}}}}]))"
            ),
        );
        return None;
    }
    Some(Minimum {
        query: query?,
        at_least: at_least?,
    })
}

/// Silence is no health: what counts its own samples asks for some even if nobody else does.
fn usual_minimum(source: &Source) -> Option<Minimum> {
    let at_least = match source {
        Source::Ranks(_) => DEFAULT_SAMPLES_MIN,
        Source::Sequential(_) => DEFAULT_REQUESTS_MIN,
        _ => return None,
    };
    Some(Minimum {
        query: None,
        at_least,
    })
}

fn all(means: UnknownMeans) -> UnknownPolicy {
    UnknownPolicy {
        default: means,
        by_reason: BTreeMap::new(),
    }
}

fn unknown(at: &Cursor<'_>) -> Option<UnknownPolicy> {
    if !at.is_mapping() {
        return at.word(keys::UNKNOWN_MEANS).map(all);
    }
    let unknown = at.mapping(&keys::UNKNOWN)?;
    let default = unknown.or("default", UnknownMeans::Hold, |at| at.word(keys::UNKNOWN_MEANS));
    let mut by_reason = BTreeMap::new();
    let mut whole = true;
    for reason in UnknownReason::ALL {
        let known = match reason {
            UnknownReason::NoSeries => keys::NO_SERIES_MEANS,
            _ => keys::UNKNOWN_MEANS,
        };
        match unknown.get(reason.name()).map(|at| at.word(known)) {
            Some(Some(means)) => {
                by_reason.insert(reason, means);
            }
            Some(None) => whole = false,
            None => {}
        }
    }
    let default = default?;
    whole.then_some(UnknownPolicy { default, by_reason })
}
