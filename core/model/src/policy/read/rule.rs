//! Safety rules.

use super::arguments::Arguments;
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

/// Longest window: beyond a year nothing is kept, and longer ones are slips of the finger.
const WINDOW_MAX: Span = Span::seconds(366 * 24 * 3600);
/// Shortest interval: a rule is a query to somebody else's server.
const INTERVAL_MIN: Span = Span::seconds(1);
/// Most looks that a rule remembers.
const LOOKS_MAX: u32 = 100;

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

pub(super) fn read(at: &Cursor<'_>, general_interval: Span, arguments: &Arguments<'_>) -> Option<Rule> {
    let rule = at.mapping(&keys::RULE)?;
    let name = rule.get("name").and_then(Cursor::name::<RuleName>);
    let source = source(&rule, arguments);
    let window = rule.or("window", DEFAULT_WINDOW, window);
    let interval = rule.or("interval", general_interval, interval);
    warn_of_gaps(&rule, window, interval);
    let comparison = rule.or("comparison", Comparison::GreaterThan, |at| {
        at.word(keys::COMPARISONS)
    });
    let threshold = rule.get("threshold").and_then(Cursor::number);
    let clear = clear(&rule, comparison, threshold);
    let trip = trip(&rule);
    let minimum = rule.or("minimum", None, |at| {
        minimum(at, source.as_ref(), arguments).map(Some)
    });
    let unknown = rule.or("unknown", all(UnknownMeans::Hold), unknown);
    let action = rule.or("action", Action::Rollback, |at| at.word(keys::ACTIONS));
    Some(Rule {
        name: name?,
        source: source?,
        window: window?,
        interval: interval?,
        comparison: comparison?,
        threshold: threshold?,
        clear: clear?,
        trip: trip?,
        minimum: minimum?,
        unknown: unknown?,
        action: action?,
    })
}

fn source(rule: &Mapping<'_>, arguments: &Arguments<'_>) -> Option<Source> {
    match (rule.get("query"), rule.get("events")) {
        (Some(query), None) => arguments.query(query).map(Source::Query),
        (None, Some(events)) => self::events(events).map(Source::Events),
        (Some(query), Some(events)) => {
            events.error(
                "the rule has both a query and events",
                "keep one; another rule can have the other",
            );
            let _ = (arguments.query(query), self::events(events));
            None
        }
        (None, None) => {
            rule.at().error(
                "the rule has neither a query nor events",
                "add 'query' with PromQL, or 'events' with the name of a metric",
            );
            None
        }
    }
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
    let query = minimum.or("query", None, |at| arguments.query(at).map(Some));
    let at_least = minimum.get("atLeast").and_then(|at| {
        let number = at.number()?;
        if number <= 0.0 {
            at.error("a minimum of nothing asks for nothing", "for example 200");
            return None;
        }
        Some(number)
    });
    let missing = match source {
        Some(Source::Query(_)) => Some("a query does not tell how many samples stand behind its value"),
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
