//! Who may start a rollout, of what, and when.

use crate::policy_text::policy;
use crate::simulation::{Simulation, flag, monday, person, request};
use tidegate_decide::refusal::Refusal;
use tidegate_decide::start::{StartRollout, start};
use tidegate_decide::step::{Effect, Step};
use tidegate_model::Timestamp;
use tidegate_model::access::Role;
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::flag::{FlagState, Pin};
use tidegate_model::key::{EnvironmentKey, Revision, VariationKey};
use tidegate_model::policy::{Policy, RollbackTarget};
use tidegate_model::rollout::{Ending, Rollout, RolloutChange};
use tidegate_model::span::Span;

const TEXT: &str = "stage a 1 for 1h\nstage b 100 for 1h\nrule r > 1\ncooldown 1h\nattempts 3";

fn key(name: &str) -> VariationKey {
    VariationKey::new(name).unwrap()
}

fn state(json: &str) -> FlagState {
    FlagState {
        flag: serde_json::from_str(json).unwrap(),
        ..flag()
    }
}

fn try_start(
    request: &StartRollout,
    flag: &FlagState,
    policy: &Policy,
    latest: Option<&Rollout>,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let environment = EnvironmentKey::new("production").unwrap();
    let by = person("alice", Role::Operator);
    start(request, &environment, flag, policy, latest, &by, now).map(|(_, step)| step)
}

fn check_refused(request: &StartRollout, flag: &FlagState, policy: &Policy, says: &[&str]) {
    let refusal = try_start(request, flag, policy, None, monday())
        .unwrap_err()
        .to_string();
    for part in says {
        assert!(refusal.contains(part), "missing {part:?} in {refusal}");
    }
}

#[test]
fn a_start_creates_the_rollout_and_pins_the_flag_together() {
    let policy = policy(TEXT);
    let step = try_start(&request(&policy), &flag(), &policy, None, monday()).unwrap();
    let (EntityRef::Rollout(..), Change::Rollout(RolloutChange::Started(started))) = &step.changes[0] else {
        panic!("{:?}", step.changes)
    };
    assert_eq!((started.id.as_str(), started.attempt), ("checkout.1", 1));
    assert_eq!((&started.candidate, &started.safe), (&key("on"), &key("off")));
    assert_eq!(started.plan_digest, started.plan.digest());
    let Change::FlagPinned(pin) = &step.changes[1].1 else {
        panic!("{:?}", step.changes)
    };
    assert_eq!((&pin.candidate, &pin.safe), (&key("on"), &key("off")));
    assert_eq!(step.effects, [Effect::Publish]);
    assert_eq!(step.because.to_string(), "started at 1 %: alice (operator)");
}

#[test]
fn the_sides_are_named_or_plain() {
    let colours = r#"{"key":"checkout","type":"string","variations":[{"key":"red","value":"r"},
        {"key":"blue","value":"b"}],"fallback":{"variation":"red"}}"#;
    let safe = |to: &str| {
        let mut policy = policy(TEXT);
        policy.rollback.to = RollbackTarget::Variation(key(to));
        policy
    };
    let ask = |candidate: Option<&str>| StartRollout {
        candidate: candidate.map(key),
        ..request(&policy(TEXT))
    };
    check_refused(
        &ask(None),
        &state(colours),
        &policy(TEXT),
        &["no variation 'on'", "known: blue, red"],
    );
    check_refused(
        &ask(Some("bleu")),
        &state(colours),
        &policy(TEXT),
        &["candidate", "did you mean 'blue'?"],
    );
    check_refused(
        &ask(Some("red")),
        &state(colours),
        &policy(TEXT),
        &["a rollback returns to"],
    );
    check_refused(
        &ask(Some("blue")),
        &state(colours),
        &safe("blue"),
        &["a rollback returns to"],
    );
    check_refused(
        &ask(Some("x")),
        &state(colours),
        &safe("y"),
        &["candidate", "policy.rollback.to"],
    );
    assert!(try_start(&ask(Some("blue")), &state(colours), &policy(TEXT), None, monday()).is_ok());

    let split = r#"{"key":"checkout","type":"percentage","percentage":20}"#;
    check_refused(
        &ask(None),
        &state(split),
        &policy(TEXT),
        &["is a split", "known: off, on"],
    );
    assert!(try_start(&ask(None), &state(split), &safe("off"), None, monday()).is_ok());
    // Nobody has it: a split in form only.
    let closed = r#"{"key":"checkout","type":"percentage","percentage":0}"#;
    assert!(try_start(&ask(None), &state(closed), &policy(TEXT), None, monday()).is_ok());
    let bare = r#"{"key":"checkout","type":"string","variations":[{"key":"on","value":"r"},{"key":"b","value":"b"}]}"#;
    check_refused(&ask(None), &state(bare), &policy(TEXT), &["has no fallback"]);
}

/// What a start of this value does to a flag: the variation that opens, and whether it was made for it.
fn opens(flag: &FlagState, value: &str, candidate: Option<&str>) -> Result<(String, bool), String> {
    let policy = policy(TEXT);
    let request = StartRollout {
        candidate: candidate.map(key),
        value: Some(serde_json::from_str(value).unwrap()),
        ..request(&policy)
    };
    let step = try_start(&request, flag, &policy, None, monday()).map_err(|refusal| refusal.to_string())?;
    let changes: Vec<&Change> = step.changes.iter().map(|(_, change)| change).collect();
    let (saved, pin) = match changes.as_slice() {
        [Change::Rollout(_), Change::FlagPinned(pin)] => (None, pin),
        [
            Change::Rollout(_),
            Change::FlagSaved(saved),
            Change::FlagPinned(pin),
        ] => (Some(saved), pin),
        other => panic!("{other:?}"),
    };
    if let Some(saved) = saved {
        let before = &flag.flag.definition().variations;
        let (made, rest) = saved.definition().variations.split_last().unwrap();
        assert_eq!((rest, &made.key), (before.as_slice(), &pin.candidate));
        assert_eq!(saved.fallback(), flag.flag.fallback());
    }
    Ok((pin.candidate.to_string(), saved.is_some()))
}

#[test]
fn a_value_gets_a_variation_in_the_same_step() {
    let prices = state(
        r#"{"key":"checkout","type":"json","variations":[{"key":"v1","value":{"tax":0.1}},{"key":"v2","value":{"tax":0.2}}],"fallback":{"variation":"v1"}}"#,
    );
    let tenths = state(
        r#"{"key":"checkout","type":"number","variations":[{"key":"low","value":0.5},{"key":"high","value":10}],"fallback":{"variation":"low"}}"#,
    );
    let made = |name: &str| Ok((name.to_owned(), true));
    let there = |name: &str| Ok((name.to_owned(), false));
    assert_eq!(opens(&prices, r#"{"tax":0.15}"#, None), made("v3"));
    assert_eq!(opens(&prices, r#"[1]"#, Some("list")), made("list"));
    // What was opened before and rolled back has a variation already.
    assert_eq!(opens(&prices, r#"{"tax":0.2}"#, None), there("v2"));
    assert_eq!(opens(&prices, r#"{"tax":0.2}"#, Some("v2")), there("v2"));
    assert_eq!(opens(&prices, r#"{"tax":0.2}"#, Some("copy")), made("copy"));
    assert_eq!(opens(&tenths, "7", None), made("v2"));
    assert_eq!(opens(&tenths, "10", None), there("high"));
    assert_eq!(opens(&flag(), "true", None), there("on"));
    for (flag, value, candidate, says) in [
        (
            &prices,
            "1",
            None,
            "value: a value of this flag is an object or a list (\"1\"); give a value of the type",
        ),
        (
            &prices,
            r#"{"tax":0.15}"#,
            Some("v2"),
            "candidate: the flag has this variation already, and it has another value",
        ),
        (
            &prices,
            r#"{"tax":0.1}"#,
            None,
            "value: a rollback returns to this value already, as variation 'v1'",
        ),
        (&tenths, r#""7""#, None, "value: a value of this flag is a number"),
        (&flag(), "1", None, "value: a value of this flag is true or false"),
        (
            &state(r#"{"key":"checkout","type":"percentage","percentage":0}"#),
            "true",
            Some("yes"),
            "value: a percentage flag has one variation for true and one for false",
        ),
    ] {
        let refusal = opens(flag, value, candidate).unwrap_err();
        assert!(refusal.contains(says), "{value}: {refusal}");
    }
}

#[test]
fn what_no_rollout_can_do_is_refused_at_once() {
    let partial = policy("stage a 1 for 1h approval approver\nstage b 50 for 1h\nrule r > 1");
    check_refused(
        &request(&partial),
        &flag(),
        &partial,
        &["stages[1].percentage", "opens 100 %", "stages[0].waitForApproval"],
    );
    let windowed = policy(&format!("{TEXT}\nallow \"0 9 * * Mon\" for 8h Europe/Paris"));
    check_refused(
        &request(&windowed),
        &flag(),
        &windowed,
        &["start from 2026-01-05 08:00 UTC on"],
    );
}

#[test]
fn f50_one_rollout_at_a_time() {
    let policy = policy(TEXT);
    let held = FlagState {
        pin: Some(Pin {
            rollout: "checkout.7".parse().unwrap(),
            candidate: key("on"),
            safe: key("off"),
        }),
        attempts: 1,
        ..flag()
    };
    check_refused(
        &request(&policy),
        &held,
        &policy,
        &["held by rollout checkout.7", "abort"],
    );
    for (status, says) in [
        ("experiment", "in an experiment"),
        ("inactive", "is inactive"),
        ("archived", "is archived"),
    ] {
        let other = state(&format!(
            r#"{{"key":"checkout","type":"boolean","status":"{status}","experiment":{{"key":"e","arms":[{{"variation":"on","weight":100}}]}}}}"#
        ));
        check_refused(&request(&policy), &other, &policy, &[says]);
    }
}

#[test]
fn f26_a_new_attempt_needs_a_command_an_attempt_left_and_a_cool_head() {
    let policy = policy(TEXT);
    let spent = FlagState {
        attempts: 3,
        ..flag()
    };
    check_refused(
        &request(&policy),
        &spent,
        &policy,
        &["3 of the 3 attempts", "rollback.attempts"],
    );

    let mut latest = Simulation::start(&policy, monday()).unwrap().rollout;
    for change in [
        RolloutChange::RollingBack {
            ending: Ending::RolledBack,
            cause: Vec::new(),
        },
        RolloutChange::Ended {
            ending: Ending::RolledBack,
        },
    ] {
        latest = Rollout::apply(Some(latest), &change, monday(), Revision(2)).unwrap();
    }
    let again = |minutes: u64| {
        let now = Span::seconds(minutes * 60).after(monday());
        try_start(
            &request(&policy),
            &FlagState {
                attempts: 1,
                ..flag()
            },
            &policy,
            Some(&latest),
            now,
        )
    };
    let refusal = again(59).unwrap_err().to_string();
    assert!(
        refusal.contains("checkout.1 was rolled back less than 1h ago"),
        "{refusal}"
    );
    assert!(
        refusal.contains("start again from 2026-01-05 01:00:00 UTC on"),
        "{refusal}"
    );
    let step = again(60).unwrap();
    assert_eq!(step.changes[0].0.to_string(), "rollout/production/checkout.2");
}
