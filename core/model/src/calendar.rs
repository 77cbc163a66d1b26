//! When a stage may open: windows and freezes.
//!
//! A window starts at each minute that its cron text names in its time zone, and lasts its length
//! from there in real time. In cron text both the day of the month and the day of the week must fit.
//! Where clocks change: a start that falls into the gap happens at the first minute after it, one
//! that falls into the repeated stretch happens the first time only. Starts never coincide or go
//! back in UTC.

use crate::Timestamp;
use crate::policy::{Freeze, Schedule, Window, WindowEffect};
use crate::span::Span;

mod occurrence;

use occurrence::Occurrences;
pub use occurrence::moment_of;

/// The version of the time zone data that calendars are reckoned by, as IANA names it: for example `2025b`.
pub const ZONE_DATA: &str = chrono_tz::IANA_TZDB_VERSION;

/// How far ahead the next opening is searched for: a year and a bit, so that yearly windows are found.
const HORIZON: Span = Span::seconds(400 * 24 * 3600);
/// How often a search may run into another closed stretch before it gives up. Only windows that never
/// let each other open need more.
const SEARCH_STEPS_MAX: usize = 1000;
/// How many openings that are too short are passed by in search of one that is not: this is asked at
/// every look of a rollout that waits.
const OPENINGS_PASSED_MAX: usize = 100;

/// Whether a stage may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// Now.
    Open,
    /// Not now.
    Closed {
        /// When it may; `None` if not within the horizon that is searched.
        opens: Option<Timestamp>,
        /// The operator's words for the window or freeze that closes, if it is one.
        reason: String,
    },
    /// It may, but what is left is shorter than the stage lasts.
    TooShort {
        /// When what is left ends.
        closes: Timestamp,
        /// When it may with time enough; `None` if not within the horizon that is searched.
        opens: Option<Timestamp>,
    },
}

/// Whether a stage that lasts `bake` may open at `now`: inside some `allow` window if there are any,
/// inside no `deny` window and no freeze, and with as much time left as it needs if it must fit.
pub fn opening(schedule: &Schedule, bake: Span, now: Timestamp) -> Opening {
    let calendar = match Calendar::of(&schedule.windows, &schedule.freezes) {
        Ok(calendar) => calendar,
        // Policies are checked when they are read, so this is an old journal under a newer version.
        // What cannot be read cannot be open.
        Err(reason) => return Opening::Closed { opens: None, reason },
    };
    let needs = if schedule.bake_must_fit { bake } else { Span::ZERO };
    if let Some(closed) = calendar.closed_until(now) {
        return Opening::Closed {
            reason: closed.reason.to_owned(),
            opens: calendar.first_fit(closed.until, needs, HORIZON.after(now)),
        };
    }
    match calendar.closes(now, needs.after(now)) {
        None => Opening::Open,
        Some(closes) => Opening::TooShort {
            closes,
            opens: calendar.first_fit(Some(closes), needs, HORIZON.after(now)),
        },
    }
}

/// When the stretch ends in which stages may open and in which `now` lies; `None` if not within a year and
/// a bit, or if none may open now.
pub fn closing(schedule: &Schedule, now: Timestamp) -> Option<Timestamp> {
    let calendar = Calendar::of(&schedule.windows, &schedule.freezes).ok()?;
    let is_open = calendar.closed_until(now).is_none();
    is_open.then(|| calendar.closes(now, HORIZON.after(now)))?
}

/// The longest time that the windows stay open without a break within a year and a bit from `from`;
/// `enough` if that is as long, and `None` if they never open.
pub fn longest_opening(windows: &[Window], from: Timestamp, enough: Span) -> Option<Span> {
    let calendar = Calendar::of(windows, &[]).ok()?;
    let (mut at, mut longest) = (Some(from), None);
    for _ in 0..SEARCH_STEPS_MAX {
        let Some(open) = calendar.first_open(at, HORIZON.after(from)) else {
            break;
        };
        let Some(closes) = calendar.closes(open, enough.after(open)) else {
            return Some(enough);
        };
        longest = longest.max(Some(Span::between(open, closes)));
        at = Some(closes);
    }
    longest
}

/// Windows and freezes with their text read.
struct Calendar<'a> {
    windows: Vec<Reading<'a>>,
    freezes: &'a [Freeze],
}

struct Closed<'a> {
    /// No opening before this.
    until: Option<Timestamp>,
    reason: &'a str,
}

impl<'a> Calendar<'a> {
    fn of(windows: &'a [Window], freezes: &'a [Freeze]) -> Result<Self, String> {
        let windows: Result<_, String> = windows.iter().map(Reading::of).collect();
        Ok(Self {
            windows: windows?,
            freezes,
        })
    }

    fn of_effect(&self, effect: WindowEffect) -> impl Iterator<Item = &Reading<'a>> {
        self.windows.iter().filter(move |one| one.window.effect == effect)
    }

    /// Why no stage may open at `at`, and until when at least; `None` if one may.
    fn closed_until(&self, at: Timestamp) -> Option<Closed<'_>> {
        if let Some(freeze) = in_force(self.freezes, at) {
            return Some(Closed {
                until: Some(freeze.to),
                reason: &freeze.reason,
            });
        }
        for denied in self.of_effect(WindowEffect::Deny) {
            if let Some(until) = denied.in_force_until(at) {
                return Some(Closed {
                    until: Some(until),
                    reason: &denied.window.reason,
                });
            }
        }
        let allowed = || self.of_effect(WindowEffect::Allow);
        if allowed().next().is_none() || allowed().any(|one| one.in_force_until(at).is_some()) {
            return None;
        }
        let next = allowed().filter_map(|one| one.starts.next(at, HORIZON.after(at)));
        Some(Closed {
            until: next.min(),
            reason: "",
        })
    }

    /// When it closes next after `from`, at which it is open; `None` if not before `until`.
    fn closes(&self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let freezes = self.freezes.iter().map(|freeze| freeze.from);
        let denied = self.of_effect(WindowEffect::Deny);
        let denied = denied.filter_map(|one| one.starts.next(from, until));
        let next = freezes.filter(|freeze| *freeze > from).chain(denied).min();
        let next = next.into_iter().chain(self.allowed_until(from, until)).min();
        next.filter(|closes| *closes < until)
    }

    /// When the last of the `allow` windows ends that follow each other without a gap; `None` if there
    /// are none, or not before `until`.
    fn allowed_until(&self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        self.of_effect(WindowEffect::Allow).next()?;
        let mut at = from;
        for _ in 0..SEARCH_STEPS_MAX {
            let ends = self.of_effect(WindowEffect::Allow);
            match ends.filter_map(|one| one.in_force_until(at)).max() {
                Some(end) if end < until => at = end,
                Some(_) => return None,
                None => return Some(at),
            }
        }
        None
    }

    /// The first moment from `from` on at which a stage may open, if it comes before `horizon`.
    fn first_open(&self, from: Option<Timestamp>, horizon: Timestamp) -> Option<Timestamp> {
        let mut at = from?;
        for _ in 0..SEARCH_STEPS_MAX {
            if at > horizon {
                return None;
            }
            match self.closed_until(at) {
                None => return Some(at),
                Some(closed) => at = closed.until?,
            }
        }
        None
    }

    /// The same, of those that are followed by so much time.
    fn first_fit(&self, from: Option<Timestamp>, needs: Span, horizon: Timestamp) -> Option<Timestamp> {
        let mut at = from;
        for _ in 0..OPENINGS_PASSED_MAX {
            let open = self.first_open(at, horizon)?;
            match self.closes(open, needs.after(open)) {
                None => return Some(open),
                Some(closes) => at = Some(closes),
            }
        }
        None
    }
}

/// The freeze that is in force at `at`; of several the one that lasts longest.
pub fn in_force(freezes: &[Freeze], at: Timestamp) -> Option<&Freeze> {
    let frozen = freezes
        .iter()
        .filter(|freeze| freeze.from <= at && at < freeze.to);
    frozen.max_by_key(|freeze| freeze.to)
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
