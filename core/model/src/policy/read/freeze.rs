//! Freezes: stretches of the calendar in which nothing opens.

use super::cursor::{Cursor, shown};
use super::{keys, window};
use crate::calendar::moment_of;
use crate::policy::Freeze;
use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;

/// How a moment is written, besides a date alone.
const MOMENTS: [&str; 4] = [
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
];

pub(super) fn read(at: &Cursor<'_>) -> Option<Vec<Freeze>> {
    let freezes: Vec<_> = at.list()?.iter().map(freeze).collect();
    freezes.into_iter().collect()
}

fn freeze(at: &Cursor<'_>) -> Option<Freeze> {
    let freeze = at.mapping(&keys::FREEZE)?;
    let timezone = freeze.or("timezone", window::DEFAULT_ZONE.to_owned(), window::zone);
    let zone: Option<Tz> = timezone.as_ref().and_then(|name| name.parse().ok());
    let from = freeze.get("from").and_then(|at| local(at, Edge::Begins));
    let to_at = freeze.get("to");
    let to = to_at.and_then(|at| local(at, Edge::Ends));
    let reason = freeze.get("reason").and_then(|at| {
        let reason = at.text()?;
        if reason.trim().is_empty() {
            at.error(
                "a freeze says why, for those whom it holds up",
                "for example 'end of year'",
            );
            return None;
        }
        Some(reason.to_owned())
    });
    let (from, to) = (moment_of(from?, zone?)?, moment_of(to?, zone?)?);
    if to <= from {
        to_at?.error(
            "the freeze ends before it begins",
            "write 'to' after 'from'; a date alone is over at the end of its day",
        );
        return None;
    }
    Some(Freeze {
        from,
        to,
        timezone: timezone?,
        reason: reason?,
    })
}

/// Which end of a freeze a date stands for.
enum Edge {
    /// The beginning of the day.
    Begins,
    /// The end of the day.
    Ends,
}

fn local(at: &Cursor<'_>, edge: Edge) -> Option<NaiveDateTime> {
    let text = at.text()?;
    let date = || {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        let day = match edge {
            Edge::Begins => date,
            Edge::Ends => date.checked_add_days(Days::new(1))?,
        };
        Some(day.and_time(NaiveTime::MIN))
    };
    let exact = || {
        MOMENTS
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
    };
    let found = date().or_else(exact);
    if found.is_none() {
        at.error(
            format!("{} is no date", shown(text)),
            "write a date, for example 2026-12-24, or a date and a time, for example 2026-12-24 18:00",
        );
    }
    found
}
