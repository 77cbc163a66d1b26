//! Windows: when a stage may open.
//!
//! A window starts at each minute that its cron text names in its time zone, and lasts its length
//! from there in real time. In cron text both the day of the month and the day of the week must fit.
//! Where clocks change: a start that falls into the gap happens at the first minute after it, one
//! that falls into the repeated stretch happens the first time only. Starts never coincide or go
//! back in UTC.

use tidegate_model::Timestamp;
use tidegate_model::policy::{Window, WindowEffect};
use tidegate_model::span::Span;

mod occurrence;

use occurrence::Occurrences;

/// How far ahead the next opening is searched for: a year and a bit, so that yearly windows are found.
const HORIZON: Span = Span::seconds(400 * 24 * 3600);
/// How often a search may run into another closed stretch before it gives up. Only windows that never
/// let each other open need more.
const SEARCH_STEPS_MAX: usize = 1000;

/// Whether a stage may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// Now.
    Open,
    /// Not now.
    Closed {
        /// When it may; `None` if not within the horizon that is searched.
        opens: Option<Timestamp>,
        /// The operator's words for the window that closes, if it is one.
        reason: String,
    },
}

/// Whether a stage may open at `now`: inside some `allow` window if there are any, and inside no
/// `deny` window.
pub fn opening(windows: &[Window], now: Timestamp) -> Opening {
    let windows: Vec<Reading<'_>> = match windows.iter().map(Reading::of).collect() {
        Ok(windows) => windows,
        // Policies are checked when they are read, so this is an old journal under a newer version.
        // What cannot be read cannot be open.
        Err(reason) => return Opening::Closed { opens: None, reason },
    };
    match closed_until(&windows, now) {
        None => Opening::Open,
        Some(closed) => Opening::Closed {
            reason: closed.reason.to_owned(),
            opens: first_open(&windows, closed.until, HORIZON.after(now)),
        },
    }
}

/// When the stretch ends in which stages may open and in which `now` lies; `None` if not within a year and
/// a bit, or if none may open now.
pub fn closing(windows: &[Window], now: Timestamp) -> Option<Timestamp> {
    let windows: Vec<Reading<'_>> = windows.iter().map(Reading::of).collect::<Result<_, _>>().ok()?;
    let mut at = now;
    for _ in 0..SEARCH_STEPS_MAX {
        if closed_until(&windows, at).is_some() {
            return (at > now).then_some(at);
        }
        let horizon = HORIZON.after(at);
        let turns = windows.iter().filter_map(|one| match one.window.effect {
            WindowEffect::Allow => one.in_force_until(at),
            WindowEffect::Deny => one.starts.next(at, horizon),
        });
        at = turns.min()?;
        if at > HORIZON.after(now) {
            return None;
        }
    }
    None
}

/// A window with its text read.
struct Reading<'a> {
    window: &'a Window,
    starts: Occurrences,
}

impl<'a> Reading<'a> {
    fn of(window: &'a Window) -> Result<Self, String> {
        let starts = Occurrences::new(&window.cron, &window.timezone)?;
        Ok(Self { window, starts })
    }

    /// When the window that is in force at `at` ends; `None` if none is.
    fn in_force_until(&self, at: Timestamp) -> Option<Timestamp> {
        let start = self.starts.latest(at, self.window.length.before(at))?;
        Some(self.window.length.after(start)).filter(|end| at < *end)
    }
}

struct Closed<'a> {
    /// No opening before this.
    until: Option<Timestamp>,
    reason: &'a str,
}

/// Why no stage may open at `at`, and until when at least; `None` if one may.
fn closed_until<'a>(windows: &[Reading<'a>], at: Timestamp) -> Option<Closed<'a>> {
    let of = |effect: WindowEffect| windows.iter().filter(move |one| one.window.effect == effect);
    for denied in of(WindowEffect::Deny) {
        if let Some(until) = denied.in_force_until(at) {
            return Some(Closed {
                until: Some(until),
                reason: &denied.window.reason,
            });
        }
    }
    if of(WindowEffect::Allow).next().is_none()
        || of(WindowEffect::Allow).any(|one| one.in_force_until(at).is_some())
    {
        return None;
    }
    let next = of(WindowEffect::Allow).filter_map(|one| one.starts.next(at, HORIZON.after(at)));
    Some(Closed {
        until: next.min(),
        reason: "",
    })
}

/// The first moment from `from` on at which a stage may open, if it comes before `horizon`.
fn first_open(windows: &[Reading<'_>], from: Option<Timestamp>, horizon: Timestamp) -> Option<Timestamp> {
    let mut at = from?;
    for _ in 0..SEARCH_STEPS_MAX {
        if at > horizon {
            return None;
        }
        match closed_until(windows, at) {
            None => return Some(at),
            Some(closed) => at = closed.until?,
        }
    }
    None
}
