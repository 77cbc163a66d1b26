//! What well-formed policies mean: defaults, shorthands, expansions.

use crate::{completed, good};
use tidegate_model::access::Role;
use tidegate_model::policy::{
    Action, Audience, BlindAction, Comparison, EventAggregate, EventBase, RollbackTarget, Rule, Source, Trip,
    UnknownMeans,
};
use tidegate_model::span::Span;
use tidegate_model::verdict::UnknownReason;

const MINUTE: u64 = 60;

/// The only rule of a policy in which it stands as `keys`.
fn rule(keys: &str) -> Rule {
    let source = if keys.contains("query:") || keys.contains("events:") {
        ""
    } else {
        ", events: { metric: failed, per: exposure }"
    };
    let threshold = if keys.contains("threshold:") {
        ""
    } else {
        ", threshold: 5"
    };
    let text = format!("safety:\n  rules:\n    - {{ name: errors{threshold}{source}, {keys} }}\n");
    good(&completed(&text)).safety.rules.remove(0)
}

#[test]
fn what_is_left_out_has_a_default() {
    let policy = good(&completed(""));
    assert_eq!(policy.description, "");
    assert!(policy.arguments.is_empty());
    let stages: Vec<_> = policy
        .schedule
        .stages
        .iter()
        .map(|stage| (stage.name.as_str(), stage.percentage.percent(), stage.duration))
        .collect();
    let minutes = |minutes| Span::seconds(minutes * MINUTE);
    assert_eq!(
        stages,
        [
            ("1-percent", 1.0, minutes(15)),
            ("10-percent", 10.0, minutes(60)),
            ("50-percent", 50.0, minutes(120)),
            ("100-percent", 100.0, minutes(360)),
        ]
    );
    assert!(policy.schedule.windows.is_empty());
    assert_eq!(policy.schedule.pause_between_stages, Span::ZERO);
    assert_eq!(policy.safety.interval, Span::seconds(10));
    assert_eq!(
        (policy.blind.after, policy.blind.action),
        (minutes(5), BlindAction::Retreat)
    );
    assert_eq!(policy.rollback.to, RollbackTarget::Safe);
    assert_eq!(policy.rollback.cooldown, minutes(5));
    assert_eq!(policy.rollback.attempts, None);
    let rule = &policy.safety.rules[0];
    assert_eq!((rule.window, rule.interval), (minutes(5), Span::seconds(10)));
    assert_eq!(rule.comparison, Comparison::GreaterThan);
    assert_eq!((rule.threshold, rule.clear), (0.02, 0.02));
    assert_eq!(rule.trip, Trip { of: 1, need: 1 });
    assert_eq!((rule.minimum.clone(), rule.action), (None, Action::Rollback));
    assert_eq!(rule.unknown.default, UnknownMeans::Hold);
    assert!(rule.unknown.by_reason.is_empty());
}

#[test]
fn numbers_and_percentages_are_the_same() {
    let check = |written: &str, expected: f64| {
        assert_eq!(
            rule(&format!("threshold: {written}")).threshold,
            expected,
            "{written}"
        );
    };
    check("0.02", 0.02);
    check("2%", 0.02);
    check("2 %", 0.02);
    check("\"2%\"", 0.02);
    check("-1.5", -1.5);
    check("1e3", 1000.0);
    check("200", 200.0);
}

#[test]
fn shorthands_mean_what_they_are_short_for() {
    assert_eq!(rule("consecutive: 3").trip, rule("trip: { of: 3, need: 3 }").trip);
    assert_eq!(
        rule("unknown: breached").unknown,
        rule("unknown: { default: breached }").unknown
    );
    let named = rule("unknown: { no_series: zero, timeout: healthy }").unknown;
    let check = |reason, expected| assert_eq!(named.means(reason), expected, "{reason}");
    check(UnknownReason::NoSeries, UnknownMeans::Zero);
    check(UnknownReason::Timeout, UnknownMeans::Healthy);
    check(UnknownReason::Nan, UnknownMeans::Hold);
    let healthy = rule("unknown: healthy").unknown;
    assert_eq!(
        healthy.means(UnknownReason::WindowOverlapsStage),
        UnknownMeans::Hold
    );
}

#[test]
fn events_are_counted_in_several_ways() {
    let check =
        |written: &str, aggregate: EventAggregate, per: &EventBase| match rule(&format!("events: {written}"))
            .source
        {
            Source::Events(events) => {
                assert_eq!((events.aggregate, &events.per), (aggregate, per), "{written}")
            }
            other => panic!("{other:?}"),
        };
    check("{ metric: m }", EventAggregate::Count, &EventBase::Nothing);
    check(
        "{ metric: m, per: second }",
        EventAggregate::Count,
        &EventBase::Second,
    );
    check(
        "{ metric: m, aggregate: sum, per: exposure }",
        EventAggregate::Sum,
        &EventBase::Exposure,
    );
    let metric = EventBase::Metric("m".parse().unwrap());
    check(
        "{ metric: m, aggregate: sum, per: { metric: m } }",
        EventAggregate::Sum,
        &metric,
    );
}

#[test]
fn ramps_end_exactly_where_they_should() {
    let check = |schedule: &str, expected: &[&str]| {
        let policy = good(&completed(&format!("schedule: {{ {schedule}, duration: 5m }}")));
        let stages = &policy.schedule.stages;
        let names: Vec<_> = stages.iter().map(|stage| stage.name.as_str()).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|percent| format!("{percent}-percent"))
            .collect();
        assert_eq!(names, expected, "{schedule}");
        assert!(stages.is_sorted_by(|a, b| a.percentage < b.percentage));
        assert!(
            stages
                .iter()
                .all(|stage| stage.duration == Span::seconds(5 * MINUTE))
        );
    };
    check("type: linear, from: 25, step: 25", &["25", "50", "75", "100"]);
    check("type: linear, from: 10, step: 40", &["10", "50", "90", "100"]);
    check(
        "type: linear, from: 99.7, step: 0.1",
        &["99.7", "99.8", "99.9", "100"],
    );
    check("type: linear, from: 100, step: 10", &["100"]);
    check(
        "type: exponential, from: 1",
        &["1", "2", "4", "8", "16", "32", "64", "100"],
    );
    check("type: exponential, from: 1, factor: 10", &["1", "10", "100"]);
    check(
        "type: exponential, from: 30%, factor: 1.5",
        &["30", "45", "67.5", "100"],
    );
    check(
        "type: exponential, from: 99.999, factor: 1.000001",
        &["99.999", "100"],
    );
}

#[test]
fn approvals_have_three_forms() {
    let approval = |written: &str| {
        let text = format!(
            "schedule:\n  stages:\n    - {{ percentage: 5, duration: 1m }}\n    \
             - {{ percentage: 100, duration: 1m, waitForApproval: {written} }}\n"
        );
        good(&completed(&text))
            .schedule
            .stages
            .remove(1)
            .wait_for_approval
    };
    assert_eq!(approval("false"), None);
    let usual = approval("true").unwrap();
    assert_eq!(
        (usual.roles, usual.expires),
        ([Role::Approver, Role::Admin].into(), None)
    );
    let own = approval("{ roles: [admin], expires: 8h }").unwrap();
    assert_eq!(
        (own.roles, own.expires),
        ([Role::Admin].into(), Some(Span::seconds(8 * 3600)))
    );
    assert_eq!(
        approval("{ expires: 8h }").unwrap().roles,
        [Role::Approver, Role::Admin].into()
    );
}

#[test]
fn f40_freezes_are_read_in_their_zone() {
    let text = "schedule:\n  bakeMustFit: true\n  freezes:\n    \
                - { from: 2026-12-24, to: 2027-01-02, timezone: Europe/Paris, reason: end of year }\n    \
                - { from: 2026-11-27T18:00, to: 2026-11-30 08:00:30, reason: sales }\n    \
                - { from: 2026-03-29 02:30, to: 2026-10-25 02:30, timezone: Europe/Paris, reason: summer }\n    \
                - { from: 2026-12-24, to: 2026-12-24, reason: a day }\n";
    let policy = good(&completed(text));
    assert!(policy.schedule.bake_must_fit);
    let told: Vec<String> = (policy.schedule.freezes.iter())
        .map(|freeze| {
            format!(
                "{} {} {}",
                freeze.from.to_rfc3339(),
                freeze.to.to_rfc3339(),
                freeze.reason
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            // A date alone is over at the end of its day.
            "2026-12-23T23:00:00+00:00 2027-01-02T23:00:00+00:00 end of year",
            "2026-11-27T18:00:00+00:00 2026-11-30T08:00:30+00:00 sales",
            // The hour that is skipped, and the first of the two that are repeated.
            "2026-03-29T01:00:00+00:00 2026-10-25T00:30:00+00:00 summer",
            "2026-12-24T00:00:00+00:00 2026-12-25T00:00:00+00:00 a day",
        ]
    );
    assert!(!good(&completed("")).schedule.bake_must_fit);
}

#[test]
fn windows_are_read_as_crontabs_are() {
    let policy = good(&completed(
        "schedule:\n  windows:\n    - { allow: \"0  9 * * 1-4\", for: 8h, timezone: Europe/Paris, reason: office }\n    - { deny: \"0 0 24 12 *\", for: 10d }\n",
    ));
    let windows: Vec<_> = policy
        .schedule
        .windows
        .iter()
        .map(|window| {
            (
                window.cron.as_str(),
                window.timezone.as_str(),
                window.reason.as_str(),
            )
        })
        .collect();
    assert_eq!(
        windows,
        [
            ("0 9 * * Mon,Tue,Wed,Thu", "Europe/Paris", "office"),
            ("0 0 24 12 *", "UTC", "")
        ]
    );
}

#[test]
fn defaults_follow_the_rules() {
    let policy = good(&completed(
        "safety:\n  interval: 1m\n  rules:\n    - { name: a, threshold: 1, events: { metric: m }, window: 30m, interval: 10m }\n    - { name: b, threshold: 1, events: { metric: m } }\n",
    ));
    assert_eq!(policy.blind.after, Span::seconds(600));
    assert_eq!(policy.rollback.cooldown, Span::seconds(1800));
    assert_eq!(policy.safety.rules[1].interval, Span::seconds(60));
    let to = good(&completed("rollback: { to: { variation: old }, attempts: 3 }")).rollback;
    assert_eq!(
        (to.to, to.attempts),
        (RollbackTarget::Variation("old".parse().unwrap()), Some(3))
    );
    assert_eq!(
        good(&completed("rollback: { attempts: unlimited }"))
            .rollback
            .attempts,
        None
    );
}

#[test]
fn anchors_stand_for_what_they_name() {
    let policy = good(&completed(
        "safety:\n  rules:\n    - { name: a, threshold: 1, events: &e { metric: m, per: exposure }, minimum: &m { atLeast: 5 } }\n    - { name: b, threshold: 2, events: *e, minimum: *m }\n",
    ));
    assert_eq!(policy.safety.rules[0].source, policy.safety.rules[1].source);
}

#[test]
fn byte_order_marks_and_carriage_returns_are_harmless() {
    let text = completed("description: \"from an editor\"\n").replace('\n', "\r\n");
    assert_eq!(good(&text).description, "from an editor");
    good(&format!("\u{feff}{text}"));
}

#[test]
fn waves_open_to_segments_before_anybody() {
    let policy = good(&completed(
        "schedule:\n  stages:\n    - { segment: staff, percentage: 0.2, duration: 1h }\n    - { segment: kiwis, of: 25, \
         percentage: 1, duration: 1h }\n    - { segment: kiwis, percentage: 2, duration: 1h }\n    - { percentage: 5, \
         duration: 1h }\n    - { percentage: 100, duration: 1h }\n",
    ));
    let names: Vec<_> = policy
        .schedule
        .stages
        .iter()
        .map(|stage| stage.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["staff", "kiwis-25-percent", "kiwis", "5-percent", "100-percent"]
    );
    let audience = |index| {
        let Audience { share, waves } = policy.audience(index);
        let waves = waves
            .iter()
            .map(|wave| format!("{} {}", wave.segment, wave.share.percent()));
        format!("{} {:?}", share.percent(), waves.collect::<Vec<_>>())
    };
    assert_eq!(audience(0), r#"0 ["staff 100"]"#);
    assert_eq!(audience(1), r#"0 ["staff 100", "kiwis 25"]"#);
    assert_eq!(audience(2), r#"0 ["kiwis 100", "staff 100"]"#);
    assert_eq!(audience(3), r#"5 ["kiwis 100", "staff 100"]"#);
    assert_eq!(audience(4), "100 []");
}
