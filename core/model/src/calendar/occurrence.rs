//! When the minutes that a cron text names come, in a zone whose clocks change.

use crate::Timestamp;
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use cron::{Schedule, TimeUnitSpec};

/// Longest gap that any zone's clocks have ever jumped over: a whole day, with room for one more.
const GAP_MINUTES_MAX: i64 = 48 * 60;

/// The minutes that a cron text names in a time zone, as moments that strictly increase.
///
/// The iterators of the cron crate leave out what falls into a gap, repeat what falls into a fold and
/// go back in time there, so only its reading of the text is used.
pub(super) struct Occurrences {
    schedule: Schedule,
    zone: Tz,
    hours: Vec<u32>,
    minutes: Vec<u32>,
}

impl Occurrences {
    /// Reads five-field cron text and the IANA name of a time zone.
    pub(super) fn new(cron: &str, zone: &str) -> Result<Self, String> {
        let zone: Tz = zone
            .parse()
            .map_err(|error| format!("the time zone '{zone}' of a window cannot be read: {error}"))?;
        // The crate wants seconds in front.
        let schedule: Schedule = format!("0 {cron}")
            .parse()
            .map_err(|error| format!("the start '{cron}' of a window cannot be read: {error}"))?;
        let hours = schedule.hours().iter().collect();
        let minutes = schedule.minutes().iter().collect();
        Ok(Self {
            schedule,
            zone,
            hours,
            minutes,
        })
    }

    /// The latest occurrence that is not after `at`, and after `after`.
    pub(super) fn latest(&self, at: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let first = self.local_date(after).pred_opt()?;
        // One day more: where clocks go back over midnight, tomorrow has already begun once.
        let mut date = self.local_date(at).succ_opt()?;
        while date >= first {
            if self.names(date) {
                let past = self.count_until(date, at);
                let found = past.checked_sub(1).and_then(|last| self.moment(date, last));
                if found.is_some() {
                    return found.filter(|found| *found > after);
                }
            }
            date = date.pred_opt()?;
        }
        None
    }

    /// The first occurrence after `after` that is not after `horizon`.
    pub(super) fn next(&self, after: Timestamp, horizon: Timestamp) -> Option<Timestamp> {
        let last = self.local_date(horizon);
        // Days earlier: what fell into a gap happens after it, which may be on a later day.
        let mut date = self.local_date(after).checked_sub_days(Days::new(2))?;
        while date <= last {
            if self.names(date) {
                let found = self.moment(date, self.count_until(date, after));
                if found.is_some() {
                    return found.filter(|found| *found <= horizon);
                }
            }
            date = date.succ_opt()?;
        }
        None
    }

    fn local_date(&self, at: Timestamp) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    fn names(&self, date: NaiveDate) -> bool {
        self.schedule.months().includes(date.month())
            && self.schedule.days_of_month().includes(date.day())
            && self
                .schedule
                .days_of_week()
                .includes(date.weekday().number_from_sunday())
    }

    /// How many of the minutes named on `date` have come by `at`. Binary search: along the local clock
    /// the moments never go back, whatever the zone does.
    fn count_until(&self, date: NaiveDate, at: Timestamp) -> usize {
        let (mut low, mut high) = (0, self.hours.len() * self.minutes.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.moment(date, middle).is_some_and(|moment| moment <= at) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// When the `index`-th of the minutes named on `date` comes.
    fn moment(&self, date: NaiveDate, index: usize) -> Option<Timestamp> {
        let hour = self.hours.get(index / self.minutes.len().max(1))?;
        let minute = self.minutes.get(index % self.minutes.len().max(1))?;
        let local = NaiveDateTime::new(date, NaiveTime::from_hms_opt(*hour, *minute, 0)?);
        moment_of(local, self.zone)
    }
}

/// When the clocks of a zone show `local`: the first time that they do, and where they jump over it the
/// first minute after the gap.
pub fn moment_of(local: NaiveDateTime, zone: Tz) -> Option<Timestamp> {
    let moment = (0..GAP_MINUTES_MAX).find_map(|later| {
        let existing = local.checked_add_signed(TimeDelta::minutes(later))?;
        zone.from_local_datetime(&existing).earliest()
    });
    moment.map(|moment| moment.to_utc())
}
