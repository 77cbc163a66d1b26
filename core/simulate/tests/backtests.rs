//! Rollouts on history: what is noticed, when, and what is a false alarm.
#![cfg(test)]

use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::key::RuleName;
use tidegate_model::policy::{Policy, read};
use tidegate_model::rollout::Ending;
use tidegate_model::span::Span;
use tidegate_model::verdict::UnknownReason;
use tidegate_simulate::backtest::{Backtest, Incident, Report};
use tidegate_simulate::history::{Degradation, History, Injection, Point, Record, Recorded};
use tidegate_simulate::setting::Setting;
use tidegate_simulate::story::moment;

const POLICY: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: tested
schedule:
  type: custom
  stages:
    - { name: canary, percentage: 1, duration: 1h }
    - { name: half, percentage: 50, duration: 1h, waitForApproval: { roles: [approver], expires: 45m } }
    - { name: everyone, percentage: 100, duration: 1h }
safety:
  interval: 1m
  rules:
    - name: errors
      query: sum(rate(e{flag="{{flag}}"}[{{window}}]))
      threshold: 0.02
      window: 5m
      trip: { of: 3, need: 2 }
blind: { after: 10m, do: rollback }
"#;

fn policy() -> Policy {
    let (policy, findings) = read::read(POLICY);
    policy.unwrap_or_else(|| panic!("{findings:?}"))
}

fn at(text: &str) -> Timestamp {
    moment(&format!("2026-01-05 {text}")).expect(text)
}

fn errors() -> RuleName {
    RuleName::new("errors").expect("a name")
}

/// A day in which the rule said what `say` answers for each minute.
fn day(say: impl Fn(Timestamp) -> Point) -> History {
    let minutes = (0..24 * 60).map(|minute| Span::seconds(minute * 60).after(at("00:00")));
    let recorded = Recorded {
        said: Record::Number(minutes.map(|at| (at, say(at))).collect()),
        samples: None,
    };
    History {
        recorded: BTreeMap::from([(errors(), recorded)]),
        ..History::default()
    }
}

fn incident(from: &str, until: &str) -> Incident {
    Incident {
        from: at(from),
        until: Some(at(until)),
        injected: false,
    }
}

fn run(history: &History, from: &str, every: Option<&str>, incidents: &[Incident]) -> Report {
    let policy = policy();
    let setting = Setting::of(&policy).expect("a setting");
    let trial = Backtest {
        policy: &policy,
        setting: &setting,
        from: at(from),
        to: at("23:00"),
        every: every.map(|every| every.parse().expect("a span")),
        incidents,
    };
    let mut told = 0;
    let report = trial.run(history, || told += 1).expect("it runs");
    assert_eq!(told, report.attempts.len(), "progress is told");
    report
}

#[test]
fn a_good_day_completes_every_rollout() {
    let report = run(&day(|_| Ok(0.001)), "00:00", Some("4h"), &[]);
    assert_eq!(report.attempts.len(), 6);
    // The last one has three hours until 23:00, and needs a look at the end of each.
    let completed = report
        .attempts
        .iter()
        .filter(|one| one.ending == Some(Ending::Completed));
    assert_eq!(completed.count(), 6);
    assert_eq!(
        (
            report.advances,
            report.breaches,
            report.false_alarms,
            report.missed
        ),
        (12, 0, 0, 0)
    );
    assert_eq!(report.attempts[0].ends, at("03:00"));
}

#[test]
fn a_known_incident_is_noticed_after_its_second_bad_look() {
    let bad = |now: Timestamp| {
        Ok(if now >= at("10:00") && now < at("10:30") {
            0.05
        } else {
            0.001
        })
    };
    let known = [incident("10:00", "10:30")];
    let report = run(&day(bad), "09:30", None, &known);
    let attempt = &report.attempts[0];
    assert_eq!(attempt.ending, Some(Ending::RolledBack));
    assert_eq!((attempt.alarms.len(), attempt.alarms[0].incident), (1, Some(0)));
    assert_eq!(attempt.alarms[0].at, at("10:01"));
    assert_eq!(report.delays, [Span::seconds(60)]);
    assert_eq!((attempt.breaches.len(), attempt.breaches[0].at), (1, at("10:00")));
    assert_eq!((report.false_alarms, report.missed), (0, 0));
    // The same without being told of the incident is a false alarm, and a rollback.
    let untold = run(&day(bad), "09:30", None, &[]);
    assert_eq!(
        (untold.false_alarms, untold.false_rollbacks, untold.delays.len()),
        (1, 1, 0)
    );
    // A rollout that started in it is late by its own start, not by that of the incident.
    let late = run(&day(bad), "10:10", None, &known);
    assert_eq!(late.delays, [Span::seconds(60)]);
    // Who had completed before saw nothing, and missed nothing.
    let before = run(&day(bad), "06:00", None, &known);
    assert_eq!((before.false_alarms, before.missed), (0, 0));
}

#[test]
fn an_incident_below_the_threshold_is_missed() {
    let slight = |now: Timestamp| Ok(if now >= at("10:00") { 0.015 } else { 0.001 });
    let report = run(&day(slight), "09:30", None, &[incident("10:00", "10:30")]);
    assert_eq!((report.missed, report.false_alarms), (1, 0));
    assert_eq!(report.attempts[0].missed, [0]);
}

#[test]
fn injected_degradations_begin_and_end_when_they_say() {
    let mut history = day(|_| Ok(0.001));
    for (does, noticed) in [
        (Degradation::Value(0.5), true),
        (Degradation::Factor(30.0), true),
        (Degradation::Factor(3.0), false),
    ] {
        history.injections = vec![Injection {
            rule: errors(),
            from: at("10:00"),
            until: Some(at("10:30")),
            does,
        }];
        let injected = Incident {
            injected: true,
            ..incident("10:00", "10:30")
        };
        let report = run(&history, "09:30", None, std::slice::from_ref(&injected));
        assert_eq!(
            (report.delays.len(), report.missed),
            (usize::from(noticed), usize::from(!noticed)),
            "{does:?}"
        );
        let after = run(&history, "10:30", None, &[injected]);
        assert_eq!(
            (after.breaches, after.false_alarms, after.missed),
            (0, 0, 0),
            "{does:?}"
        );
    }
}

#[test]
fn a_hole_in_history_is_blindness_and_not_health() {
    let hole = |now: Timestamp| {
        if now >= at("10:00") && now < at("10:30") {
            Err(UnknownReason::NoSeries)
        } else {
            Ok(0.001)
        }
    };
    let report = run(&day(hole), "09:30", None, &[]);
    let alarm = &report.attempts[0].alarms[0];
    assert_eq!((alarm.at, alarm.decision.as_str()), (at("10:10"), "rolling_back"));
    assert!(
        alarm.because.contains("could not be judged (no_series)"),
        "{}",
        alarm.because
    );
    assert_eq!(
        run(&day(|_| Err(UnknownReason::NoSeries)), "00:00", None, &[]).advances,
        0
    );
    // A rule that is assumed to be well needs no record.
    let assumed = History {
        assumed: [errors()].into(),
        ..History::default()
    };
    assert_eq!(
        run(&assumed, "00:00", None, &[]).attempts[0].ending,
        Some(Ending::Completed)
    );
}

#[test]
fn the_same_history_gives_the_same_report() {
    let wild = |now: Timestamp| {
        let minute = now.timestamp() / 60;
        match minute * 7919 % 23 {
            0 => Ok(0.5),
            1 | 2 => Err(UnknownReason::Nan),
            _ => Ok(0.001),
        }
    };
    let once = run(&day(wild), "00:00", Some("30m"), &[incident("10:00", "10:30")]);
    assert_eq!(
        once,
        run(&day(wild), "00:00", Some("30m"), &[incident("10:00", "10:30")])
    );
    assert_eq!(once.attempts.len(), 46);
}
