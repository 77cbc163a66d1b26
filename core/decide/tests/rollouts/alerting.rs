//! What alerts do to a rollout.

use crate::faults::{TWO_STAGES, is_rolled_back, run, say, waits_for, world};
use crate::simulation::{Answer, Simulation, labelled};
use tidegate_decide::alert::may_start;
use tidegate_decide::alert_out::standing;
use tidegate_model::access::Role;
use tidegate_model::alert::Alert;
use tidegate_model::because::Reason;
use tidegate_model::key::Fingerprint;
use tidegate_model::rollout::{PauseOwner, Phase, RolloutCommand};
use tidegate_model::share::Share;

const HEALTHY: &str = "rule r > 1 window 30s every 10s rollback";

fn guarded(alerts: &str) -> Simulation {
    world(&format!("{TWO_STAGES}\n{HEALTHY}\n{alerts}"))
}

fn owner(fingerprint: &str) -> PauseOwner {
    PauseOwner::Alert(Fingerprint::new(fingerprint).unwrap())
}

fn resume(world: &mut Simulation, owner: PauseOwner, reason: &str) -> bool {
    let reason = reason.to_owned();
    world
        .command(RolloutCommand::Resume { owner, reason }, "bob", Role::Operator)
        .is_ok()
}

#[test]
fn alerts_act_on_what_they_are_addressed_to() {
    for (rule, labels, acts) in [
        ("alert do pause", "tidegate_flag=checkout", true),
        ("alert do pause", "tidegate_rollout=checkout.1", true),
        (
            "alert do pause",
            "tidegate_flag=checkout tidegate_rollout=checkout.1",
            true,
        ),
        (
            "alert do pause",
            "tidegate_flag=checkout tidegate_rollout=checkout.2",
            false,
        ),
        ("alert do pause", "tidegate_flag=cart", false),
        ("alert do pause", "service=shop", false),
        ("alert service=shop do pause", "service=shop", true),
        (
            "alert service=shop do pause",
            "service=shop tidegate_flag=cart",
            false,
        ),
        ("alert service=shop do pause", "service=cart", false),
        (
            "alert service=shop severity=page,critical do pause",
            "service=shop severity=critical",
            true,
        ),
        (
            "alert service=shop severity=page,critical do pause",
            "service=shop severity=warning",
            false,
        ),
        (
            "alert service=shop severity=page,critical do pause",
            "service=shop",
            false,
        ),
        // Tidegate's own alerts come back from the Alertmanager.
        (
            "alert do pause",
            "tidegate_flag=checkout tidegate_origin=production",
            false,
        ),
        (
            "alert service=shop do pause\nwatchdog 1m",
            "service=shop alertname=Watchdog",
            false,
        ),
        ("", "tidegate_flag=checkout", false),
    ] {
        let mut world = guarded(rule);
        world.fires("a1", labelled(labels)).unwrap();
        assert_eq!(
            world.rollout.pauses.contains_key(&owner("a1")),
            acts,
            "{rule}: {labels}"
        );
        // `alert do pause` alone is a rule for the named; the action is the strongest of those that fit.
        let mut world = guarded(&format!("{rule}\nalert nothing=this do rollback"));
        world.fires("a1", labelled(labels)).unwrap();
        assert!(world.rollout.stage().is_some());
    }
    let mut world = guarded("alert service=shop do pause\nalert severity=page do rollback");
    world.fires("a1", labelled("service=shop severity=page")).unwrap();
    assert!(is_rolled_back(&world), "the strongest wins");
}

#[test]
fn each_action_is_taken_once() {
    for (action, pauses, rolled_back, wakes) in [
        ("alert", 0, false, 1),
        ("pause", 1, false, 1),
        ("retreat", 0, true, 1),
        ("rollback", 0, true, 1),
    ] {
        let mut world = guarded(&format!("alert do {action}"));
        run(&mut world, 20);
        world.fires("a1", labelled("tidegate_flag=checkout")).unwrap();
        world.fires("a1", labelled("tidegate_flag=checkout")).unwrap();
        run(&mut world, 3000);
        assert_eq!(world.rollout.pauses.len(), pauses, "{action}");
        assert_eq!(
            is_rolled_back(&world),
            rolled_back,
            "{action}: nothing was proven yet"
        );
        assert_eq!(world.alerts().len(), wakes, "{action}: {:?}", world.alerts());
        assert!(
            world.rollout.share <= Share::of_percent(1.0).unwrap(),
            "{action} lets nothing advance"
        );
        world.restart().unwrap();
        assert_eq!(world.alerts().len(), wakes, "{action}, after a restart");
    }
}

#[test]
fn a_retreat_goes_back_once_and_waits_for_a_person() {
    let mut world = world(&format!(
        "stage a 1 for 1m\nstage b 10 for 1m\nstage c 100 for 1h\nblind 2m pause\n{HEALTHY}\nalert do retreat"
    ));
    run(&mut world, 150);
    assert_eq!(world.rollout.share.percent(), 100.0);
    world.fires("a1", labelled("tidegate_flag=checkout")).unwrap();
    run(&mut world, 60);
    assert_eq!(world.rollout.share.percent(), 10.0);
    world.over("a1").unwrap();
    run(&mut world, 600);
    assert!(
        world.rollout.pauses.contains_key(&owner("a1")),
        "the end of the alert is no all-clear"
    );
    assert!(
        !resume(&mut world, owner("a1"), ""),
        "a failure asks for a reason"
    );
    assert!(resume(&mut world, owner("a1"), "the database was full"));
    run(&mut world, 600);
    assert_eq!(world.rollout.share.percent(), 100.0);
}

#[test]
fn f25_each_alert_clears_only_its_own_pause() {
    let mut world = guarded("alert do pause");
    run(&mut world, 20);
    world.fires("a1", labelled("tidegate_flag=checkout")).unwrap();
    world.fires("a2", labelled("tidegate_flag=checkout")).unwrap();
    let reason = "lunch".to_owned();
    world
        .command(RolloutCommand::Pause { reason }, "bob", Role::Operator)
        .unwrap();
    let owners = |world: &Simulation| -> Vec<PauseOwner> { world.rollout.pauses.keys().cloned().collect() };
    assert_eq!(owners(&world), [PauseOwner::Operator, owner("a1"), owner("a2")]);
    world.over("a1").unwrap();
    assert_eq!(owners(&world), [PauseOwner::Operator, owner("a2")]);
    assert!(resume(&mut world, PauseOwner::Operator, ""));
    run(&mut world, 1000);
    assert_eq!((owners(&world), world.shares()), (vec![owner("a2")], vec![1.0]));
    world.over("a2").unwrap();
    assert_eq!(owners(&world), []);
    run(&mut world, 30);
    assert_eq!(world.shares(), [1.0, 100.0], "and then it goes on");
}

#[test]
fn f25_a_rule_is_not_cleared_by_the_end_of_an_alert() {
    let mut world = world(&format!(
        "{TWO_STAGES}\nrule r > 1 window 30s every 10s pause\nalert do pause"
    ));
    run(&mut world, 20);
    world.fires("a1", labelled("tidegate_flag=checkout")).unwrap();
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 10);
    say(&mut world, "r", Answer::Value(0.0));
    world.over("a1").unwrap();
    run(&mut world, 1000);
    let standing: Vec<String> = world.rollout.pauses.keys().map(ToString::to_string).collect();
    assert_eq!((standing, world.shares()), (vec!["rule:r".to_owned()], vec![1.0]));
}

#[test]
fn a_person_overrules_one_firing_and_not_the_next() {
    let mut world = guarded("alert do pause");
    run(&mut world, 20);
    world.fires("a1", labelled("tidegate_flag=checkout")).unwrap();
    assert!(!resume(&mut world, owner("a1"), ""));
    assert!(resume(&mut world, owner("a1"), "a known false alarm"));
    world.fires("a1", labelled("tidegate_flag=checkout")).unwrap();
    world.restart().unwrap();
    assert_eq!(world.rollout.pauses.len(), 0, "the same firing, said again");
    world.over("a1").unwrap();
    run(&mut world, 1);
    world.fires("a1", labelled("tidegate_flag=checkout")).unwrap();
    assert!(world.rollout.pauses.contains_key(&owner("a1")), "it fires anew");
    assert!(resume(&mut world, owner("a1"), "again"));
    run(&mut world, 400);
    assert_eq!(world.shares(), [1.0, 100.0], "overruled, it holds nothing up");
}

#[test]
fn f18_a_silent_watchdog_holds_and_clears_nothing() {
    let mut world = guarded("alert do pause\nwatchdog 1m");
    let silent = |reason: &Reason| matches!(reason, Reason::AlertsSilent { .. });
    run(&mut world, 100);
    assert!(waits_for(&world, silent), "never heard since the start");
    assert_eq!(world.alerts().len(), 0, "and not for long");
    world.beats(false).unwrap();
    run(&mut world, 30);
    assert!(!waits_for(&world, silent));
    world.fires("a1", labelled("tidegate_flag=checkout")).unwrap();
    run(&mut world, 91);
    assert!(waits_for(&world, silent), "two periods without a beat");
    assert_eq!(
        world.alerts().len(),
        2,
        "the alert, and that no more come: {:?}",
        world.alerts()
    );
    run(&mut world, 10_000);
    assert_eq!(world.alerts().len(), 2, "said once");
    assert!(
        world.rollout.pauses.contains_key(&owner("a1")),
        "silence clears no alert"
    );
    assert_eq!(world.shares(), [1.0]);
    world.beats(false).unwrap();
    assert!(!waits_for(&world, silent));
    assert!(
        world.rollout.pauses.contains_key(&owner("a1")),
        "nor does the watchdog's return"
    );
    world.over("a1").unwrap();
    run(&mut world, 30);
    assert_eq!(world.shares(), [1.0, 100.0]);
}

#[test]
fn f18_after_a_restart_the_watchdog_must_be_heard_again() {
    let mut world = guarded("watchdog 1m");
    for _ in 0..4 {
        world.beats(false).unwrap();
        run(&mut world, 60);
    }
    world.restart().unwrap();
    world.deaf().unwrap();
    run(&mut world, 100);
    assert_eq!(
        world.shares(),
        [1.0],
        "what was heard before the restart is not heard now"
    );
    world.beats(false).unwrap();
    run(&mut world, 60);
    assert_eq!(world.shares(), [1.0, 100.0]);
}

#[test]
fn f19_nothing_stands_in_front_of_an_alert() {
    for (stages, prepare) in [
        ("stage a 1 for 1m\nstage b 100 for 1d approval approver", None),
        ("stage a 1 for 1m\nstage b 100 for 1d", Some("lunch")),
        (
            "allow \"0 0 * * *\" for 1m UTC\nstage a 1 for 5m\nstage b 100 for 1d",
            None,
        ),
    ] {
        let mut world = world(&format!("{stages}\nblind 5m hold\n{HEALTHY}\nalert do rollback"));
        run(&mut world, 10);
        if let Some(reason) = prepare {
            let reason = reason.to_owned();
            world
                .command(RolloutCommand::Pause { reason }, "bob", Role::Operator)
                .unwrap();
        }
        run(&mut world, 600);
        for node in world.nodes.values_mut() {
            node.follows = false;
        }
        world.fires("a1", labelled("tidegate_flag=checkout")).unwrap();
        assert!(
            matches!(world.rollout.phase, Phase::RollingBack { .. }),
            "{stages}"
        );
        world.over("a1").unwrap();
        assert!(
            matches!(world.rollout.phase, Phase::RollingBack { .. }),
            "nothing takes it back"
        );
    }
}

#[test]
fn a_rollout_does_not_start_into_an_alert() {
    let start = |rule: &str| {
        let world = guarded(rule);
        let alert: Alert = serde_json::from_str(
            r#"{"fingerprint":"a1","starts":"2026-01-05T00:00:00Z","labels":{"tidegate_flag":"checkout","alertname":"HighErrors"}}"#,
        )
        .unwrap();
        let changes: Vec<_> = world.taken[0].step.changes.clone();
        may_start(&changes, &[alert]).map_err(|refusal| refusal.to_string())
    };
    for action in ["pause", "retreat", "rollback"] {
        let refused = start(&format!("alert do {action}")).unwrap_err();
        assert!(refused.contains("HighErrors (alert:a1)"), "{refused}");
    }
    assert_eq!(start("alert do alert"), Ok(()));
    assert_eq!(start("alert service=other do rollback"), Ok(()));
}

#[test]
fn what_wants_a_person_stands_until_it_is_over() {
    let names = |world: &Simulation| -> Vec<String> {
        let all = standing(&world.rollout, world.now);
        assert!(
            all.iter()
                .all(|one| one.labels["tidegate_origin"] == "production" && one.since <= world.now)
        );
        all.iter().map(|one| one.labels["alertname"].clone()).collect()
    };
    let mut world = world(
        "stage a 1 for 1m\nstage b 100 for 1h gate change 2m\nblind 2m pause\n\
         rule r > 1 window 30s every 10s pause\nrule s > 1 window 30s every 10s alert\nalert do pause",
    );
    run(&mut world, 20);
    assert_eq!(names(&world), [""; 0]);
    world.fires("a1", labelled("tidegate_flag=checkout")).unwrap();
    assert_eq!(names(&world), [""; 0], "the Alertmanager's own to tell");
    world.over("a1").unwrap();
    say(&mut world, "r", Answer::Value(2.0));
    say(&mut world, "s", Answer::Value(2.0));
    run(&mut world, 10);
    assert_eq!(names(&world), ["TidegateRolloutPaused", "TidegateRule"]);
    say(&mut world, "r", Answer::Value(0.0));
    say(&mut world, "s", Answer::Value(0.0));
    let owner: PauseOwner = "rule:r".to_owned().try_into().unwrap();
    assert!(resume(&mut world, owner, "mended"));
    run(&mut world, 60);
    assert_eq!(names(&world), [""; 0]);
    run(&mut world, 200);
    assert_eq!(names(&world), ["TidegateGateOverdue"]);
    for node in world.nodes.values_mut() {
        node.follows = false;
    }
    let reason = "enough".to_owned();
    world
        .command(
            RolloutCommand::Rollback {
                reason,
                past_no_return: false,
            },
            "bob",
            Role::Operator,
        )
        .unwrap();
    assert_eq!(names(&world), ["TidegateRollingBack"]);
    world.nodes.clear();
    run(&mut world, 10);
    assert_eq!(names(&world), ["TidegateRolledBack"]);
    run(&mut world, 899);
    assert_eq!(names(&world), [""; 0], "a quarter of an hour later");
}
