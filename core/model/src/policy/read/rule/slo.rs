//! Rules that watch how fast an error budget burns.

use super::{Judged, chance, refuse};
use crate::policy::read::arguments::{Arguments, Asks};
use crate::policy::read::cursor::{Cursor, Mapping};
use crate::policy::read::keys;
use crate::policy::{BudgetLeft, BurnRate, Comparison, ErrorRatio, Slo, Source};
use crate::span::Span;

/// Rates that wake people by the Site Reliability Workbook, chapter 5: 2 % of a month's budget within an
/// hour, 5 % within six. In seconds.
const DEFAULT_BURN_RATES: [(u64, u64, f64); 2] = [(3600, 300, 14.4), (6 * 3600, 1800, 6.0)];
/// The period of an objective unless the rule says otherwise.
const DEFAULT_PERIOD: Span = Span::seconds(30 * 24 * 3600);
/// Most burn rates of a rule; each is two queries.
const BURN_RATES_MAX: usize = 8;

/// What must lie inside of a stage: the longest of the short windows. The long ones reach back on
/// purpose: the budget is the service's, whoever burns it.
pub(super) fn stage_window(slo: &Slo) -> Option<Span> {
    slo.burn_rates.iter().map(|rate| rate.short.window).max()
}

pub(super) fn read(rule: &Mapping<'_>, at: &Cursor<'_>, arguments: &Arguments<'_>) -> Option<Judged> {
    let slo = at.mapping(&keys::SLO)?;
    let own = "what is too fast stands in 'burnRates'";
    let fine = refuse(
        rule,
        "slo",
        &[
            ("threshold", own),
            ("comparison", own),
            ("clear", own),
            ("window", "the windows stand in 'burnRates'"),
        ],
    );
    let objective = slo.get("objective").and_then(objective);
    let query = slo.get("errorRatio").and_then(|at| error_ratio(at, arguments));
    let rates = match slo.get("burnRates") {
        Some(at) => burn_rates(at),
        None => Some(DEFAULT_BURN_RATES.map(usual).to_vec()),
    };
    let period = slo.or("period", DEFAULT_PERIOD, super::window);
    let start_above = slo.or("startAbove", None, |at| {
        chance(at, "what must be left of the budget", "20%").map(Some)
    });
    if let (Some(at), Some(None)) = (slo.get("period"), start_above) {
        at.warning(
            "the period is only used together with 'startAbove'",
            "add 'startAbove: 20%', or leave the period out",
        );
    }
    fine?;
    let (query, period) = (query?, period?);
    let ratio = |window: Span| ErrorRatio {
        window,
        query: query.clone(),
    };
    let burn_rates = rates?.into_iter().map(|(long, short, rate)| BurnRate {
        long: ratio(long),
        short: ratio(short),
        rate,
    });
    Some(Judged {
        source: Source::Slo(Slo {
            objective: objective?,
            burn_rates: burn_rates.collect(),
            budget: start_above?.map(|start_above| BudgetLeft {
                period: ratio(period),
                start_above,
            }),
        }),
        // The fastest burning as a share of the rate that is too fast.
        comparison: Comparison::GreaterThan,
        threshold: 1.0,
        clear: 1.0,
    })
}

fn usual((long, short, rate): (u64, u64, f64)) -> (Span, Span, f64) {
    (Span::seconds(long), Span::seconds(short), rate)
}

fn objective(at: &Cursor<'_>) -> Option<f64> {
    let objective = at.number()?;
    if objective > 1.0 && objective < 100.0 {
        at.error(
            format!("{objective} is no share of good events"),
            format!("write {objective}%"),
        );
        return None;
    }
    if objective <= 0.0 || objective >= 1.0 {
        at.error(
            "an objective is more than 0 % and less than 100 %: it leaves a budget of errors",
            "for example 99.9%",
        );
        return None;
    }
    Some(objective)
}

fn error_ratio(at: &Cursor<'_>, arguments: &Arguments<'_>) -> Option<String> {
    let query = arguments.query(at, Asks::Everything)?;
    if !query.contains("{{") || !query.replace(' ', "").contains("{{window}}") {
        at.error(
            "without {{window}} all windows would show the same",
            "write it as the range, for example rate(http_requests_total[{{window}}])",
        );
        return None;
    }
    Some(query)
}

fn burn_rates(at: &Cursor<'_>) -> Option<Vec<(Span, Span, f64)>> {
    let items = at.list()?;
    if items.is_empty() || items.len() > BURN_RATES_MAX {
        at.error(
            format!("{} burn rates; 1 to {BURN_RATES_MAX} are watched", items.len()),
            "leave 'burnRates' out for the usual two",
        );
        return None;
    }
    let rates: Vec<_> = items.iter().map(burn_rate).collect();
    rates.into_iter().collect()
}

fn burn_rate(at: &Cursor<'_>) -> Option<(Span, Span, f64)> {
    let burn = at.mapping(&keys::BURN_RATE)?;
    let long = burn.get("long").and_then(super::window);
    let short = burn.get("short").and_then(|at| {
        let short = super::window(at)?;
        if let Some(long) = long.filter(|long| short >= *long) {
            at.error(
                format!("the short window {short} is not shorter than the long one, {long}"),
                "a twelfth of the long one is usual",
            );
            return None;
        }
        Some(short)
    });
    let rate = burn.get("rate").and_then(|at| {
        let rate = at.number()?;
        if rate <= 0.0 {
            at.error("a budget that does not burn is not bad", "for example 14.4");
            return None;
        }
        Some(rate)
    });
    Some((long?, short?, rate?))
}
