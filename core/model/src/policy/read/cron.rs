//! Five-field cron, as everybody writes it.
//!
//! The crate that computes the times wants seconds in front and counts weekdays from Sunday = 1. In
//! crontabs there are no seconds, and Sunday is 0 or 7. So weekdays are turned into names here, which
//! mean the same to both.

use super::cursor::shown;
use cron::Schedule;
use std::str::FromStr;

/// What the fields are called, and what they hold.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of month", "1-31"),
    ("month", "1-12 or Jan-Dec"),
    ("weekday", "0-7 or Sun-Sat, where 0 and 7 are Sunday"),
];
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// A cron expression that will come true some day.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cron {
    /// Minute to weekday, single spaces, weekdays as names.
    pub(super) fields: String,
    /// Whether both a day of month and a weekday are asked for.
    pub(super) by_date_and_weekday: bool,
}

/// Why a text is none.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: String,
}

pub(super) fn read(text: &str) -> Result<Cron, Wrong> {
    let written: Vec<&str> = text.split_whitespace().collect();
    let Ok([minute, hour, day, month, weekday]) = <[&str; 5]>::try_from(written.as_slice()) else {
        return Err(Wrong {
            message: format!("{} has not five fields but {}", shown(text), written.len()),
            hint: "minute hour day-of-month month weekday, for example \"0 9 * * Mon-Thu\"".to_owned(),
        });
    };
    let weekday_names = weekdays(weekday).ok_or_else(|| wrong_field(4, weekday))?;
    let fields = [minute, hour, day, month, &weekday_names];
    for (index, field) in fields.into_iter().enumerate() {
        let mut alone = ["*"; 5];
        if let Some(place) = alone.get_mut(index) {
            *place = field;
        }
        if has_step_of_nothing(field) || schedule(&alone).is_none() {
            return Err(wrong_field(
                index,
                written.get(index).copied().unwrap_or_default(),
            ));
        }
    }
    let never = || Wrong {
        message: format!("{} never comes", shown(text)),
        hint: "the month has no such day".to_owned(),
    };
    let schedule = schedule(&fields).ok_or_else(never)?;
    let beginning = chrono::DateTime::UNIX_EPOCH;
    schedule.after(&beginning).next().ok_or_else(never)?;
    Ok(Cron {
        fields: fields.join(" "),
        by_date_and_weekday: !day.starts_with('*') && weekday_names != "*",
    })
}

fn schedule(fields: &[&str; 5]) -> Option<Schedule> {
    Schedule::from_str(&format!("0 {}", fields.join(" "))).ok()
}

fn wrong_field(index: usize, text: &str) -> Wrong {
    let (name, holds) = FIELDS.get(index).copied().unwrap_or(("field", "*"));
    Wrong {
        message: format!("{} is no {name}", shown(text)),
        hint: format!("write {holds}, a list like a,b, a range like a-b, a step like */n, or *"),
    }
}

fn has_step_of_nothing(field: &str) -> bool {
    let step = |item: &str| {
        item.split_once('/')
            .is_some_and(|(_, step)| step.trim_start_matches('0').is_empty())
    };
    field.split(',').any(step)
}

/// A weekday field with names only: `1-5` becomes `Mon,Tue,Wed,Thu,Fri`; names stay as they are.
fn weekdays(field: &str) -> Option<String> {
    let mut days = [false; 7];
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step.parse().ok().filter(|step| *step > 0)?)),
            None => (item, None),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (weekday(first)?, weekday(last)?),
            None if range == "*" => (0, 6),
            None => (weekday(range)?, if step.is_some() { 6 } else { weekday(range)? }),
        };
        // `5-7` and `Sat-Sun` run over the end of the week.
        let last = if last < first { last + 7 } else { last };
        for day in (first..=last).step_by(step.unwrap_or(1)) {
            *days.get_mut(day % 7)? = true;
        }
    }
    let readable =
        !field.contains(|c: char| c.is_ascii_digit()) && schedule(&["*", "*", "*", "*", field]).is_some();
    if readable {
        return Some(field.to_owned());
    }
    if days == [true; 7] {
        return Some("*".to_owned());
    }
    let chosen = WEEKDAYS.iter().zip(days).filter(|(_, chosen)| *chosen);
    Some(chosen.map(|(name, _)| *name).collect::<Vec<_>>().join(","))
}

/// 0 for Sunday to 7 for Sunday.
fn weekday(text: &str) -> Option<usize> {
    if let Ok(number) = text.parse() {
        return Some(number).filter(|number| *number <= 7);
    }
    let full = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    let lower = text.to_ascii_lowercase();
    full.iter()
        .position(|name| lower.len() >= 3 && name.starts_with(&lower))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Datelike;
    use proptest::prelude::*;

    #[test]
    fn weekdays_mean_what_crontabs_mean() {
        let check = |field: &str, expected: &[u32]| {
            let cron = read(&format!("0 0 * * {field}")).unwrap();
            let schedule = Schedule::from_str(&format!("0 {}", cron.fields)).unwrap();
            let from = "2026-11-01T00:00:00Z".parse::<crate::Timestamp>().unwrap();
            let mut days: Vec<u32> = schedule
                .after(&from)
                .take(14)
                .map(|at| at.weekday().num_days_from_sunday())
                .collect();
            days.sort_unstable();
            days.dedup();
            assert_eq!(days, expected, "{field} as {}", cron.fields);
        };
        check("*", &[0, 1, 2, 3, 4, 5, 6]);
        check("0", &[0]);
        check("7", &[0]);
        check("1", &[1]);
        check("1-5", &[1, 2, 3, 4, 5]);
        check("Mon-Fri", &[1, 2, 3, 4, 5]);
        check("mon,THURSDAY", &[1, 4]);
        check("0-6", &[0, 1, 2, 3, 4, 5, 6]);
        check("5-7", &[0, 5, 6]);
        check("Sat-Sun", &[0, 6]);
        check("Fri-Mon", &[0, 1, 5, 6]);
        check("1-5/2", &[1, 3, 5]);
        check("*/2", &[0, 2, 4, 6]);
        check("1,3-4", &[1, 3, 4]);
    }

    #[test]
    fn wrong_expressions_name_their_field() {
        let check = |text: &str, message: &str| assert_eq!(read(text).unwrap_err().message, message);
        check("", "'' has not five fields but 0");
        check("@daily", "'@daily' has not five fields but 1");
        check("0 0 9 * * Mon", "'0 0 9 * * Mon' has not five fields but 6");
        check("60 9 * * *", "'60' is no minute");
        check("0 24 * * *", "'24' is no hour");
        check("0 9 32 * *", "'32' is no day of month");
        check("0 9 * 13 *", "'13' is no month");
        check("0 9 * * 8", "'8' is no weekday");
        check("0 9 * * Mo", "'Mo' is no weekday");
        check("*/0 9 * * *", "'*/0' is no minute");
        check("0 9 * * */0", "'*/0' is no weekday");
        check("0 0 30 2 *", "'0 0 30 2 *' never comes");
    }

    #[test]
    fn date_and_weekday_together_are_noticed() {
        assert!(read("0 9 1-7 * Mon").unwrap().by_date_and_weekday);
        assert!(!read("0 9 1 * *").unwrap().by_date_and_weekday);
        assert!(!read("0 9 * * 0-6").unwrap().by_date_and_weekday);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in any::<String>(), cronish in "([0-9*/,a-zA-Z?-]{1,6} ){4}[0-9*/,a-zA-Z?-]{1,6}") {
            let _ = read(&text);
            if let Ok(cron) = read(&cronish) {
                prop_assert_eq!(read(&cron.fields).map(|again| again.fields).ok(), Some(cron.fields));
            }
        }
    }
}
