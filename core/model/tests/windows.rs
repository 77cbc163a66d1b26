//! Windows, and what clocks that change do to them.
#![cfg(test)]

use chrono::{NaiveDateTime, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;
use proptest::prelude::*;
use std::collections::BTreeSet;
use tidegate_model::Timestamp;
use tidegate_model::calendar::{Opening, longest_opening};
use tidegate_model::policy::{Freeze, Schedule, Window, WindowEffect};
use tidegate_model::span::Span;

fn window(effect: WindowEffect, cron: &str, length: &str, timezone: &str, reason: &str) -> Window {
    Window {
        effect,
        cron: cron.to_owned(),
        length: length.parse().unwrap(),
        timezone: timezone.to_owned(),
        reason: reason.to_owned(),
    }
}

/// A schedule of these windows, in which nothing has to fit.
fn by(windows: &[Window]) -> Schedule {
    Schedule {
        windows: windows.to_vec(),
        ..Schedule::default()
    }
}

/// Whether a stage may open by these windows alone.
fn opening(windows: &[Window], at: Timestamp) -> Opening {
    tidegate_model::calendar::opening(&by(windows), Span::seconds(86_400), at)
}

/// When the stretch ends in which `at` lies, by these windows alone.
fn closing(windows: &[Window], at: Timestamp) -> Option<Timestamp> {
    tidegate_model::calendar::closing(&by(windows), at)
}

fn allow(cron: &str, length: &str, timezone: &str) -> Window {
    window(WindowEffect::Allow, cron, length, timezone, "")
}

fn deny(cron: &str, length: &str, timezone: &str) -> Window {
    window(WindowEffect::Deny, cron, length, timezone, "closed")
}

/// `open`, or the time at which it opens and why it is closed.
fn check(windows: &[Window], at: &str, expected: &str) {
    let told = match opening(windows, at.parse().unwrap()) {
        Opening::Open => "open".to_owned(),
        Opening::Closed { opens, reason } => {
            let opens = opens.map_or("never".to_owned(), |opens| opens.format("%FT%RZ").to_string());
            format!("{opens} {reason}").trim().to_owned()
        }
        Opening::TooShort { .. } => panic!("nothing has to fit"),
    };
    assert_eq!(told, expected, "{windows:?} at {at}");
}

#[test]
fn stages_open_inside_an_allow_window_and_outside_every_deny_window() {
    let office = allow("0 9 * * Mon-Thu", "8h", "Europe/Paris");
    let holidays = deny("0 0 24 12 *", "10d", "Europe/Paris");
    check(&[], "2026-01-05T03:00:00Z", "open");
    for (at, expected) in [
        ("2026-01-05T07:59:59Z", "2026-01-05T08:00Z"),
        ("2026-01-05T08:00:00Z", "open"),
        ("2026-01-05T15:59:59Z", "open"),
        ("2026-01-05T16:00:00Z", "2026-01-06T08:00Z"),
        ("2026-01-08T16:00:00Z", "2026-01-12T08:00Z"),
        ("2026-07-06T07:00:00Z", "open"),
    ] {
        check(std::slice::from_ref(&office), at, expected);
    }
    for (at, expected) in [
        ("2026-12-23T22:59:00Z", "open"),
        ("2026-12-23T23:00:00Z", "2027-01-02T23:00Z closed"),
        ("2027-01-02T22:59:00Z", "2027-01-02T23:00Z closed"),
        ("2027-01-02T23:00:00Z", "open"),
    ] {
        check(std::slice::from_ref(&holidays), at, expected);
    }
    // Deny is stronger, whichever comes first.
    for windows in [[office.clone(), holidays.clone()], [holidays, office]] {
        check(&windows, "2026-12-24T10:00:00Z", "2027-01-04T08:00Z closed");
        check(&windows, "2026-12-23T18:00:00Z", "2027-01-04T08:00Z");
    }
}

#[test]
fn windows_that_never_open_say_so() {
    check(
        &[allow("0 9 30 2 *", "8h", "UTC")],
        "2026-01-05T00:00:00Z",
        "never",
    );
    check(
        &[deny("* * * * *", "1h", "UTC")],
        "2026-01-05T00:00:00Z",
        "never closed",
    );
    // The next leap year is beyond the horizon.
    check(
        &[allow("0 9 29 2 *", "8h", "UTC")],
        "2026-01-05T00:00:00Z",
        "never",
    );
    check(
        &[allow("0 9 29 2 *", "8h", "UTC")],
        "2027-12-05T00:00:00Z",
        "2028-02-29T09:00Z",
    );
    // One that cannot be read is never open.
    let Opening::Closed { opens: None, reason } =
        opening(&[allow("often", "8h", "UTC")], Timestamp::default())
    else {
        panic!("it opened")
    };
    assert!(reason.contains("'often'"), "{reason}");
    assert!(matches!(
        opening(&[deny("0 9 * * *", "8h", "Mars/Olympus")], Timestamp::default()),
        Opening::Closed { opens: None, .. }
    ));
}

#[test]
fn f40_a_start_in_the_gap_happens_at_the_first_minute_after_it() {
    // Paris, 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC.
    let paris = [allow("30 2 * * *", "1h", "Europe/Paris")];
    check(&paris, "2026-03-29T00:59:00Z", "2026-03-29T01:00Z");
    check(&paris, "2026-03-29T01:59:00Z", "open");
    check(&paris, "2026-03-29T02:00:00Z", "2026-03-30T00:30Z");
    // New York, 8 March 2026: 02:00 becomes 03:00 at 07:00 UTC.
    check(
        &[allow("15 2 8 3 *", "10m", "America/New_York")],
        "2026-03-01T00:00:00Z",
        "2026-03-08T07:00Z",
    );
    // Lord Howe moves by half an hour: 02:00 becomes 02:30 on 4 October 2026 at 15:30 UTC the day before.
    let howe = [allow("15 2 * * *", "10m", "Australia/Lord_Howe")];
    check(&howe, "2026-10-03T15:00:00Z", "2026-10-03T15:30Z");
    check(&howe, "2026-10-03T15:40:00Z", "2026-10-04T15:15Z");
    // Samoa had no 30 December 2011 at all.
    check(
        &[allow("0 12 30 12 *", "1h", "Pacific/Apia")],
        "2011-12-30T00:00:00Z",
        "2011-12-30T10:00Z",
    );
}

#[test]
fn f40_a_start_in_the_fold_happens_once_the_first_time() {
    // Paris, 25 October 2026: 03:00 becomes 02:00 at 01:00 UTC.
    let paris = [allow("30 2 * * *", "10m", "Europe/Paris")];
    check(&paris, "2026-10-25T00:00:00Z", "2026-10-25T00:30Z");
    check(&paris, "2026-10-25T00:35:00Z", "open");
    check(&paris, "2026-10-25T01:35:00Z", "2026-10-26T01:30Z");
    let york = [allow("30 1 * * *", "10m", "America/New_York")];
    check(&york, "2026-11-01T05:35:00Z", "open");
    check(&york, "2026-11-01T06:35:00Z", "2026-11-02T06:30Z");
    let howe = [allow("45 1 * * *", "10m", "Australia/Lord_Howe")];
    check(&howe, "2026-04-04T14:50:00Z", "open");
    check(&howe, "2026-04-04T15:20:00Z", "2026-04-05T15:15Z");
}

#[test]
fn f41_a_window_lasts_its_length_in_real_time() {
    // Eight hours from 22:00 on the night that has twenty-five hours.
    let night = [allow("0 22 24 10 *", "8h", "Europe/Paris")];
    check(&night, "2026-10-25T03:59:00Z", "open");
    check(&night, "2026-10-25T04:00:00Z", "2027-10-24T20:00Z");
}

const ZONES: [&str; 8] = [
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Beirut",
    "Africa/Cairo",
    "America/Sao_Paulo",
    "UTC",
];

/// The starts in `minutes` from `from` on, found by walking every minute: what the local clock shows
/// for the first time, and what it jumped over.
fn walk(cron: &str, zone: Tz, from: Timestamp, minutes: i64) -> BTreeSet<Timestamp> {
    let schedule: cron::Schedule = format!("0 {cron}").parse().unwrap();
    let named = |local: NaiveDateTime| schedule.includes(local.and_utc());
    let mut starts = BTreeSet::new();
    for minute in 0..minutes {
        let at = from + TimeDelta::minutes(minute);
        let shows = at.with_timezone(&zone).naive_local();
        let showed = (at - TimeDelta::minutes(1)).with_timezone(&zone).naive_local();
        let first_time = zone.from_local_datetime(&shows).earliest().unwrap() == at;
        let mut skipped = showed + TimeDelta::minutes(1);
        let mut starts_now = first_time && named(shows);
        while skipped < shows {
            starts_now |= named(skipped);
            skipped += TimeDelta::minutes(1);
        }
        if starts_now {
            starts.insert(at);
        }
    }
    starts
}

fn field(max: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        (0..=max).prop_map(|value| value.to_string()),
        (0..=max, 0..=max).prop_map(|(one, other)| format!("{}-{}", one.min(other), one.max(other))),
        (2u32..20).prop_map(|step| format!("*/{step}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    /// F40, against a walk through every minute of three days around changes of clocks.
    #[test]
    fn f40_windows_open_when_a_walk_through_every_minute_says(
        minute in field(59),
        hour in field(23),
        weekday in prop_oneof![Just("*"), Just("Sun"), Just("Sun,Sat"), Just("Mon-Fri")],
        zone in prop::sample::select(ZONES.to_vec()),
        day in prop::sample::select(vec![
            "2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-04-04", "2026-10-03",
            "2026-04-24", "2026-10-29", "2018-11-03", "2018-02-17", "2026-06-10",
        ]),
        length in 1i64..200,
        probes in prop::collection::vec(0i64..2 * 1440, 1..30),
    ) {
        let cron = format!("{minute} {hour} * * {weekday}");
        let from: Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
        let starts = walk(&cron, zone.parse().unwrap(), from - TimeDelta::minutes(200), 4 * 1440);
        let windows = [allow(&cron, &Span::seconds(length.unsigned_abs() * 60).to_string(), zone)];
        for probe in probes {
            let at = from + TimeDelta::minutes(probe);
            let in_force = starts.range(at - TimeDelta::minutes(length - 1)..=at).next().is_some();
            match opening(&windows, at) {
                Opening::Open => prop_assert!(in_force, "{cron} {zone} open at {at}"),
                Opening::Closed { opens, .. } => {
                    prop_assert!(!in_force, "{cron} {zone} closed at {at}");
                    if let Some(next) = starts.range(at..).next() {
                        prop_assert_eq!(opens, Some(*next), "{} {} from {}", cron, zone, at);
                    }
                    prop_assert!(opens.is_none_or(|opens| opens > at && opens.second() == 0));
                }
                Opening::TooShort { .. } => prop_assert!(false, "nothing has to fit"),
            }
        }
    }
}

#[test]
fn an_open_stretch_ends_where_its_windows_say() {
    let check = |windows: &[Window], at: &str, expected: &str| {
        let ends = closing(windows, at.parse().unwrap());
        let told = ends.map_or("never".to_owned(), |ends| ends.format("%FT%RZ").to_string());
        assert_eq!(told, expected, "{windows:?} at {at}");
    };
    let office = allow("0 9 * * Mon-Thu", "8h", "Europe/Paris");
    let late = allow("0 15 * * Mon", "4h", "Europe/Paris");
    let lunch = deny("0 12 * * *", "1h", "Europe/Paris");
    check(&[], "2026-01-05T09:00:00Z", "never");
    check(
        std::slice::from_ref(&office),
        "2026-01-05T08:00:00Z",
        "2026-01-05T16:00Z",
    );
    check(std::slice::from_ref(&office), "2026-01-05T07:59:00Z", "never");
    check(
        &[office.clone(), late.clone()],
        "2026-01-05T08:00:00Z",
        "2026-01-05T18:00Z",
    );
    check(
        &[office, late, lunch.clone()],
        "2026-01-05T08:00:00Z",
        "2026-01-05T11:00Z",
    );
    check(&[lunch], "2026-01-05T12:00:00Z", "2026-01-06T11:00Z");
    // Around the clock, each day's window meets the next.
    check(
        &[allow("0 0 * * *", "24h", "Europe/Paris")],
        "2026-03-20T12:00:00Z",
        "2026-10-25T22:00Z",
    );
}

/// What a stage of `bake` hears at `at`: open, when it opens, or when what is left ends and when it is
/// long enough.
fn fits(schedule: &Schedule, bake: &str, at: &str) -> String {
    let at = at.parse().unwrap();
    let told = |opens: Option<Timestamp>| {
        opens.map_or("never".to_owned(), |opens| opens.format("%FT%RZ").to_string())
    };
    match tidegate_model::calendar::opening(schedule, bake.parse().unwrap(), at) {
        Opening::Open => "open".to_owned(),
        Opening::Closed { opens, reason } => format!("{} {reason}", told(opens)).trim().to_owned(),
        Opening::TooShort { closes, opens } => format!("closes {}, fits {}", told(Some(closes)), told(opens)),
    }
}

#[test]
fn f41_a_stage_opens_only_if_it_can_last() {
    let freeze = |from: &str, to: &str, reason: &str| Freeze {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        timezone: "UTC".to_owned(),
        reason: reason.to_owned(),
    };
    let schedule = Schedule {
        windows: vec![
            allow("0 9 * * Mon-Thu", "8h", "UTC"),
            // Together with the one above: 9 to 20 on Wednesdays.
            allow("0 17 * * Wed", "3h", "UTC"),
            deny("0 12 * * Tue", "1h", "UTC"),
        ],
        freezes: vec![freeze("2026-01-15T11:00:00Z", "2026-01-19T00:00:00Z", "audit")],
        bake_must_fit: true,
        ..Schedule::default()
    };
    // 5 January 2026 is a Monday.
    for (bake, at, expected) in [
        ("8h", "2026-01-05T09:00:00Z", "open"),
        (
            "8h",
            "2026-01-05T09:01:00Z",
            "closes 2026-01-05T17:00Z, fits 2026-01-07T09:00Z",
        ),
        ("1h", "2026-01-05T16:00:00Z", "open"),
        (
            "1h",
            "2026-01-05T16:00:01Z",
            "closes 2026-01-05T17:00Z, fits 2026-01-06T09:00Z",
        ),
        // A deny window and a freeze end what is left, too.
        (
            "4h",
            "2026-01-06T09:00:00Z",
            "closes 2026-01-06T12:00Z, fits 2026-01-06T13:00Z",
        ),
        (
            "3h",
            "2026-01-15T09:00:00Z",
            "closes 2026-01-15T11:00Z, fits 2026-01-19T09:00Z",
        ),
        ("2h", "2026-01-15T09:00:00Z", "open"),
        ("1m", "2026-01-15T11:00:00Z", "2026-01-19T09:00Z audit"),
        // Windows that touch are one.
        ("11h", "2026-01-07T09:00:00Z", "open"),
        ("11h", "2026-01-05T08:00:00Z", "2026-01-07T09:00Z"),
        (
            "12h",
            "2026-01-07T09:00:00Z",
            "closes 2026-01-07T20:00Z, fits never",
        ),
    ] {
        assert_eq!(fits(&schedule, bake, at), expected, "{bake} at {at}");
    }
    // Unless it must fit, only the beginning counts.
    let loose = Schedule {
        bake_must_fit: false,
        ..schedule.clone()
    };
    assert_eq!(fits(&loose, "12h", "2026-01-05T16:59:59Z"), "open");
}

#[test]
fn f41_the_longest_opening_is_found() {
    let windows = [
        allow("0 9 * * Mon-Thu", "8h", "UTC"),
        allow("0 17 * * Wed", "3h", "UTC"),
        deny("0 12 * * Tue", "1h", "UTC"),
    ];
    let from = "2026-01-01T00:00:00Z".parse().unwrap();
    for (enough, longest) in [("4h", Some("4h")), ("5d", Some("11h"))] {
        let longest = longest.map(|longest| longest.parse().unwrap());
        assert_eq!(longest_opening(&windows, from, enough.parse().unwrap()), longest);
    }
    let shut = [
        allow("0 9 * * Mon", "1h", "UTC"),
        deny("0 0 * * Mon", "1d", "UTC"),
    ];
    assert_eq!(longest_opening(&shut, from, Span::seconds(60)), None);
    assert_eq!(
        longest_opening(&[], from, Span::seconds(60)),
        Some(Span::seconds(60))
    );
}

#[test]
fn f41_windows_that_follow_each_other_all_year_long_never_close() {
    let hourly = [allow("0 * * * *", "1h", "UTC")];
    let schedule = Schedule {
        windows: hourly.to_vec(),
        bake_must_fit: true,
        ..Schedule::default()
    };
    assert_eq!(fits(&schedule, "200d", "2026-01-05T09:30:00Z"), "open");
    assert_eq!(closing(&hourly, "2026-01-05T09:30:00Z".parse().unwrap()), None);
}
