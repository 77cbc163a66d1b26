//! The calendar that is worked out is the one that happens.
#![cfg(test)]

use proptest::prelude::*;
use std::fmt::Write as _;
use tidegate_model::Timestamp;
use tidegate_model::because::Decision;
use tidegate_model::policy::{Policy, read};
use tidegate_simulate::calendar::Calendar;
use tidegate_simulate::simulation::Simulation;
use tidegate_simulate::story::moment;
use tidegate_simulate::telling::Teller;

fn policy(schedule: &str, rules: &str) -> Policy {
    let text = format!(
        "apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: tested\nschedule:\n  type: custom\n{schedule}\
         safety:\n  rules:\n{rules}"
    );
    let (policy, findings) = read::read(&text);
    policy.unwrap_or_else(|| panic!("{findings:?}\n{text}"))
}

fn rule(name: &str, window: u64, interval: u64) -> String {
    rule_with(name, window, interval, "")
}

fn rule_with(name: &str, window: u64, interval: u64, more: &str) -> String {
    format!(
        "    - {{ name: {name}, query: 'sum(rate(x{{flag=\"{{{{flag}}}}\"}}[{{{{window}}}}]))', threshold: 1, \
         window: {window}s, interval: {interval}s{more} }}\n"
    )
}

fn at(text: &str) -> Timestamp {
    moment(text).expect(text)
}

/// When stages opened, and when it was completed.
fn happened(policy: &Policy, starts: Timestamp) -> Vec<Timestamp> {
    let simulation = Simulation::start(policy, starts)
        .expect("it starts")
        .forgetting_holds();
    let mut teller = Teller::new(simulation);
    let told = teller.go_well().expect("told");
    let decisions = told.iter().flat_map(|told| &told.decisions);
    let moves = decisions.filter(|entry| {
        matches!(
            entry.because.decision,
            Decision::Advanced { .. } | Decision::Completed
        )
    });
    moves.map(|entry| entry.at).collect()
}

fn planned(calendar: &Calendar) -> Vec<Timestamp> {
    let stays = calendar.stages.iter().filter_map(|stage| stage.best);
    stays.filter_map(|stay| stay.left).collect()
}

const WEEKDAYS: &str = "  windows: [{ allow: '0 9 * * Mon-Fri', for: 8h, timezone: Europe/Paris }]\n";

#[test]
fn a_weekend_holds_a_rollout_and_a_missed_window_costs_another_night() {
    let stages = "  stages:\n    - { name: a, percentage: 1, duration: 3h }\n    - { name: b, percentage: 30, \
                  duration: 5h }\n    - { name: c, percentage: 100, duration: 1h }\n";
    let policy = policy(&format!("{stages}{WEEKDAYS}"), &rule("errors", 300, 60));
    // A Saturday; Paris is an hour ahead in January.
    let calendar = Calendar::of(&policy, at("2026-01-10 12:00"), Some(1_001));
    assert_eq!(calendar.starts, Some(at("2026-01-12 08:00")));
    assert_eq!(
        planned(&calendar),
        [
            at("2026-01-12 11:00"),
            at("2026-01-13 08:00"),
            at("2026-01-13 09:00")
        ]
    );
    assert_eq!(calendar.best.held.to_string(), "16h");
    let worst: Vec<_> = calendar
        .stages
        .iter()
        .map(|stage| stage.worst.expect("reached").opens)
        .collect();
    assert_eq!(
        worst,
        [
            at("2026-01-12 08:00"),
            at("2026-01-13 08:00"),
            at("2026-01-14 08:00")
        ]
    );
    assert_eq!(calendar.worst.finish, Some(at("2026-01-14 09:00")));
    let users: Vec<_> = calendar.stages.iter().filter_map(|stage| stage.users).collect();
    assert_eq!(users, [10, 300, 1_001]);
    assert_eq!(calendar.shown(at("2026-01-12 08:00")), "Mon 2026-01-12 09:00 CET");
    assert_eq!(happened(&policy, at("2026-01-12 08:00")), planned(&calendar));
}

#[test]
fn clocks_that_change_are_followed() {
    let stages = "  stages:\n    - { name: a, percentage: 1, duration: 50h }\n    - { name: b, percentage: 100, \
                  duration: 1h }\n";
    let policy = policy(&format!("{stages}{WEEKDAYS}"), &rule("errors", 300, 60));
    // From Friday to Monday, and clocks go forward on Sunday.
    let calendar = Calendar::of(&policy, at("2026-03-27 09:00"), None);
    assert_eq!(planned(&calendar)[0], at("2026-03-30 07:00"));
    assert_eq!(
        calendar.shown(at("2026-03-30 07:00")),
        "Mon 2026-03-30 09:00 CEST"
    );
    assert_eq!(happened(&policy, at("2026-03-27 09:00")), planned(&calendar));
}

#[test]
fn stages_behind_windows_that_never_open_are_named() {
    let stages = "  stages:\n    - { name: a, percentage: 1, duration: 1h }\n    - { name: b, percentage: 50, \
                  duration: 1h }\n    - { name: c, percentage: 100, duration: 1h }\n";
    let shut = "  freezes: [{ from: 2026-01-01, to: 2028-01-01, reason: closed }]\n";
    let never = Calendar::of(
        &policy(&format!("{stages}{shut}"), &rule("errors", 300, 60)),
        at("2026-01-05"),
        None,
    );
    assert_eq!(
        (never.starts, never.best.finish, never.worst.finish),
        (None, None, None)
    );
    assert_eq!(never.unreachable().len(), 3);
    let once = "  windows: [{ allow: '0 9 29 2 *', for: 90m }]\n";
    let policy = policy(&format!("{stages}{once}"), &rule("errors", 300, 60));
    let calendar = Calendar::of(&policy, at("2028-02-29 09:00"), None);
    let names: Vec<_> = calendar.unreachable().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["c"], "the next leap day is too far");
    assert_eq!(calendar.stages[1].best.expect("reached").left, None);
    assert_eq!(calendar.best.finish, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_planned_happens(
        stages in prop::collection::vec((1u64..90, prop::option::of(1u64..40), any::<bool>()), 1..4),
        rules in prop::collection::vec((5u64..400, 30u64..300, any::<bool>()), 1..4),
        score in prop::option::of((1u32..4, 20u32..100)),
        between in 0u64..300,
        windows in prop::option::of((0u32..24, 1u32..12, prop::sample::select(vec!["UTC", "America/New_York", "Asia/Kathmandu"]))),
        (fit, monitor, frozen) in (any::<bool>(), 0u64..120, prop::option::of((2u32..7, 0u32..24))),
        minutes in 0i64..(7 * 24 * 60),
    ) {
        let mut schedule = format!("  pauseBetweenStages: {between}s\n  bakeMustFit: {fit}\n  monitorAfter: {monitor}m\n");
        if let Some((day, hour)) = frozen {
            writeln!(schedule, "  freezes: [{{ from: 2026-03-0{day} {hour:02}:30, to: 2026-03-0{}, reason: audit }}]", day + 1)
                .expect("text");
        }
        schedule.push_str("  stages:\n");
        for (index, (duration, healthy, gate)) in stages.iter().enumerate() {
            let share = 100 * (index + 1) / stages.len();
            let criteria = healthy.map_or(String::new(), |minutes| {
                format!(", successCriteria: [{{ rule: r0, healthyFor: {minutes}m }}]")
            });
            let gate = if *gate && index > 0 { ", gate: { target: change }" } else { "" };
            writeln!(schedule, "    - {{ name: s{index}, percentage: {share}, duration: {duration}m{criteria}{gate} }}")
                .expect("text");
        }
        if let Some((hour, hours, zone)) = windows {
            writeln!(schedule, "  windows: [{{ allow: '0 {hour} * * *', for: {hours}h, timezone: {zone} }}]")
                .expect("text");
        }
        let names: Vec<String> = (0..rules.len()).map(|index| format!("r{index}")).collect();
        let mut rules: String = rules
            .iter()
            .zip(&names)
            .map(|((window, interval, dry), name)| {
                let more = if *dry && name != "r0" { ", dryRun: true" } else { "" };
                rule_with(name, *window, *interval, more)
            })
            .collect();
        if let Some((weight, pass)) = score {
            let parts: Vec<String> = names.iter().enumerate().map(|(index, name)| format!("{{ rule: {name}, weight: {} }}", if index == 0 { weight } else { 1 })).collect();
            writeln!(rules, "    - {{ name: all, score: {{ of: [{}], pass: {pass}% }} }}", parts.join(", "))
                .expect("text");
        }
        let text = format!(
            "apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: t\nschedule:\n  type: custom\n{schedule}safety:\n  rules:\n{rules}"
        );
        // Stages that are shorter than a window, and the like, are refused by the reader.
        let (Some(policy), _) = read::read(&text) else {
            return Ok(());
        };
        let asked = at("2026-03-02") + chrono::TimeDelta::minutes(minutes);
        let calendar = Calendar::of(&policy, asked, None);
        let starts = calendar.starts.expect("these windows open every day");
        prop_assert_eq!(happened(&policy, starts), planned(&calendar));
        prop_assert!(calendar.worst.finish >= calendar.best.finish);
    }
}
