//! Rollouts whose actor failed too often: what is still done for them.

use crate::faults::world;
use crate::no_return::in_stage;
use crate::simulation::{Simulation, labelled, person};
use tidegate_decide::quarantine::{Seen, step};
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::Fleet;
use tidegate_decide::step::Step;
use tidegate_model::access::{Author, Role};
use tidegate_model::alert::{Alert, Firing};
use tidegate_model::because::Decision;
use tidegate_model::change::Change;
use tidegate_model::key::{Fingerprint, NodeName, Revision};
use tidegate_model::policy::Action;
use tidegate_model::rollout::{PauseOwner, Phase, Rollout, RolloutChange, RolloutCommand};
use tidegate_model::share::Share;

fn seen(world: &Simulation, seen: &Seen) -> Option<Step> {
    step(&world.rollout, seen, &Author::Tidegate, world.now).unwrap()
}

fn commanded(world: &Simulation, command: RolloutCommand) -> Result<Option<Step>, Refusal> {
    let by = person("bob", Role::Operator);
    step(&world.rollout, &Seen::Command(command), &by, world.now)
}

fn decision(step: Option<Step>) -> Decision {
    step.unwrap().because.decision
}

/// The rollout once these changes of it are stored.
fn after(world: &Simulation, step: &Step) -> Rollout {
    let changes = step.changes.iter().filter_map(|(_, change)| match change {
        Change::Rollout(change) => Some(change),
        _ => None,
    });
    changes.fold(world.rollout.clone(), |rollout, change| {
        let revision = rollout.split_revision.next();
        Rollout::apply(Some(rollout), change, world.now, revision).unwrap()
    })
}

fn firing(alerts: &[(&str, Action)]) -> Seen {
    let alert = |(fingerprint, action): &(&str, Action)| {
        let fingerprint = Fingerprint::new(fingerprint).unwrap();
        let alert = Alert {
            fingerprint: fingerprint.clone(),
            starts: tidegate_model::Timestamp::default(),
            labels: labelled("alertname=High"),
            summary: String::new(),
            source: String::new(),
        };
        (fingerprint, (alert, *action))
    };
    Seen::Alerts(Firing {
        alerts: alerts.iter().map(alert).collect(),
        ..Firing::default()
    })
}

fn share(percent: f64) -> Share {
    Share::of_percent(percent).unwrap()
}

#[test]
fn f57_blindness_and_people_go_back_as_far_as_the_point_of_no_return() {
    let rollback = |reason: &str, past_no_return| RolloutCommand::Rollback {
        reason: reason.to_owned(),
        past_no_return,
    };
    let at_the_point = in_stage("rollback", 20.0);
    assert!(matches!(
        decision(seen(&at_the_point, &Seen::Blind)),
        Decision::Paused { .. }
    ));
    assert!(commanded(&at_the_point, rollback("", false)).is_err());
    let meant = commanded(&at_the_point, rollback("why", true)).unwrap();
    assert_eq!(decision(meant), Decision::RollingBack);
    let pause = RolloutCommand::Pause {
        reason: "why".to_owned(),
    };
    assert!(commanded(&at_the_point, pause).is_err());

    let behind_it = in_stage("rollback", 50.0);
    let retreated = Decision::Retreated { share: share(20.0) };
    assert_eq!(decision(seen(&behind_it, &Seen::Blind)), retreated);
    let before_it = in_stage("rollback", 1.0);
    assert_eq!(decision(seen(&before_it, &Seen::Blind)), Decision::RollingBack);
}

#[test]
fn alerts_are_heard_once_and_the_strongest_acts() {
    let one = share(1.0);
    let behind = share(50.0);
    let back = share(20.0);
    for (at, alerts, decided) in [
        (1.0, vec![("a1", Action::Alert)], Decision::Alerted { share: one }),
        (1.0, vec![("a1", Action::Pause)], Decision::Paused { share: one }),
        (1.0, vec![("a1", Action::Retreat)], Decision::RollingBack),
        (
            1.0,
            vec![("a1", Action::Pause), ("a2", Action::Rollback)],
            Decision::RollingBack,
        ),
        (
            50.0,
            vec![("a1", Action::Alert)],
            Decision::Alerted { share: behind },
        ),
        (
            50.0,
            vec![("a1", Action::Rollback)],
            Decision::Retreated { share: back },
        ),
    ] {
        let mut world = in_stage("rollback", at);
        let heard = firing(&alerts);
        let step = seen(&world, &heard).unwrap();
        assert_eq!(step.because.decision, decided, "{alerts:?} at {at} %");
        world.rollout = after(&world, &step);
        assert_eq!(seen(&world, &heard), None, "{alerts:?} at {at} % again");
        let paused = |fingerprint: &str| {
            let owner = PauseOwner::Alert(Fingerprint::new(fingerprint).unwrap());
            world.rollout.pauses.contains_key(&owner)
        };
        let goes_back = decided == Decision::RollingBack;
        for (fingerprint, action) in alerts {
            let pauses = action >= Action::Pause && !goes_back;
            assert_eq!(paused(fingerprint), pauses, "{fingerprint} at {at} %");
        }
    }
}

#[test]
fn f44_a_rollback_is_final_once_every_node_confirmed() {
    let mut world = world(
        "stage a 1 for 1m\nstage b 100 for 1m\nblind 1m rollback\nrule r > 1 window 10s every 10s rollback",
    );
    let step = seen(&world, &Seen::Blind).unwrap();
    world.rollout = after(&world, &step);
    let wanted = world.rollout.split_revision;
    let fleet = |published, serves, all_heard| {
        Seen::Fleet(Fleet {
            published,
            live: [(NodeName::new("n1").unwrap(), serves)].into(),
            all_heard,
            ..Fleet::default()
        })
    };
    for (published, serves, all_heard) in [
        (Revision::ABSENT, wanted, true),
        (wanted, Revision::ABSENT, true),
        (wanted, wanted, false),
    ] {
        assert_eq!(seen(&world, &fleet(published, serves, all_heard)), None);
    }
    let step = seen(&world, &fleet(wanted, wanted, true)).unwrap();
    let settles = |change: &Change| matches!(change, Change::FlagSettled { fallback } if *fallback == world.rollout.start.safe);
    assert!(step.changes.iter().any(|(_, change)| settles(change)), "{step:?}");
    assert!(matches!(step.because.decision, Decision::RolledBack { .. }));
    assert!(matches!(
        step.changes[0].1,
        Change::Rollout(RolloutChange::Ended { .. })
    ));
    assert!(matches!(after(&world, &step).phase, Phase::Ended { .. }));
}
