//! Gates: only a pass opens, nothing makes them pass by itself, and nothing waits for them that must not.

use crate::faults::{run, say, waits_for, world};
use crate::simulation::{Answer, Simulation, gate, json, pass};
use tidegate_decide::rollout::Input;
use tidegate_decide::step::Effect;
use tidegate_model::access::Role;
use tidegate_model::because::Reason;
use tidegate_model::rollout::{PauseOwner, Phase, RolloutCommand};
use tidegate_model::span::Span;

fn gated(stage: &str) -> Simulation {
    world(&format!(
        "stage a 1 for 1m\nstage b 50 for 1m {stage}\nstage c 100 for 1h\nblind 5m hold\n\
         rule r > 1 window 30s every 10s rollback"
    ))
}

fn asked(world: &Simulation) -> usize {
    world.questions.len()
}

fn resume(world: &mut Simulation, reason: &str) -> bool {
    let owner = "gate:change".to_owned().try_into().unwrap();
    let reason = reason.to_owned();
    world
        .command(RolloutCommand::Resume { owner, reason }, "bob", Role::Operator)
        .is_ok()
}

#[test]
fn a_gate_is_asked_when_nothing_else_is_waited_for() {
    let mut world = gated("gate change 5m");
    gate(&mut world, "change", "pass");
    run(&mut world, 59);
    assert_eq!((asked(&world), world.shares()), (0, vec![1.0]));
    run(&mut world, 11);
    assert_eq!((asked(&world), world.shares()), (1, vec![1.0, 50.0]));
    run(&mut world, 1000);
    assert_eq!(
        (asked(&world), world.shares()),
        (1, vec![1.0, 50.0, 100.0]),
        "the next stage has no gate"
    );

    let mut paused = gated("gate change 5m");
    gate(&mut paused, "change", "pass");
    let reason = "lunch".to_owned();
    paused
        .command(RolloutCommand::Pause { reason }, "bob", Role::Operator)
        .unwrap();
    run(&mut paused, 600);
    assert_eq!(asked(&paused), 0);
}

#[test]
fn all_gates_must_pass_and_a_pass_may_expire() {
    let mut world = gated("gate change 5m gate tests 5m");
    gate(&mut world, "change", "pass");
    gate(&mut world, "tests", "hold 3 of 5 are done");
    run(&mut world, 600);
    assert_eq!(world.shares(), [1.0]);
    gate(&mut world, "tests", "pass");
    run(&mut world, 30);
    assert_eq!(world.shares(), [1.0, 50.0]);

    // A pass that nobody used in time is asked for again.
    let mut world = gated("gate change 5m passes 1m gate tests 5m");
    gate(&mut world, "change", "pass");
    gate(&mut world, "tests", "hold");
    run(&mut world, 100);
    gate(&mut world, "change", "hold again");
    run(&mut world, 120);
    gate(&mut world, "tests", "pass");
    run(&mut world, 120);
    assert_eq!(world.shares(), [1.0], "the first pass has expired");
    gate(&mut world, "change", "pass");
    run(&mut world, 40);
    assert_eq!(world.shares(), [1.0, 50.0]);
}

#[test]
fn f24_a_gate_that_is_down_or_talks_nonsense_is_waited_for() {
    for says in ["gone", "html", "error", "huge", "wrong", "hold", "PASS", "passed"] {
        let mut world = gated("gate change 5m");
        gate(&mut world, "change", says);
        run(&mut world, 359);
        assert_eq!(world.alerts().len(), 0, "{says}");
        run(&mut world, 10);
        assert_eq!(
            world.alerts().len(),
            1,
            "{says}: a person hears of it at the deadline"
        );
        let asked_then = asked(&world);
        run(&mut world, 3600);
        assert_eq!(
            (world.shares(), world.alerts().len()),
            (vec![1.0], 1),
            "{says}: once, and it never passes"
        );
        assert!(
            asked(&world) > asked_then + 50,
            "{says}: it is asked again and again"
        );
        assert!(asked(&world) < 250, "{says}: but not more often than it should");
        assert!(
            waits_for(&world, |reason| matches!(reason, Reason::Gate { .. })),
            "{says}"
        );
        world.restart().unwrap();
        run(&mut world, 600);
        assert_eq!(
            (world.shares(), world.alerts().len()),
            (vec![1.0], 1),
            "{says}, after a restart"
        );
        gate(&mut world, "change", "pass");
        run(&mut world, 60);
        assert_eq!(world.shares(), [1.0, 50.0], "{says}: and then it passes");
    }
}

#[test]
fn f24_the_deadline_survives_a_restart() {
    let mut world = gated("gate change 5m");
    run(&mut world, 100);
    world.now = Span::seconds(1000).after(world.now);
    world.restart().unwrap();
    assert_eq!(world.alerts().len(), 1);
}

#[test]
fn f24_a_late_answer_for_an_older_stage_is_ignored() {
    let mut world = world(
        "stage a 1 for 1m\nstage b 50 for 1m gate change 5m\nstage c 100 for 1h gate change 5m\nblind 5m hold\n\
         rule r > 1 window 30s every 10s rollback",
    );
    run(&mut world, 70);
    let first = world.questions[0].clone();
    gate(&mut world, "change", "pass");
    run(&mut world, 30);
    assert_eq!(world.shares(), [1.0, 50.0]);
    gate(&mut world, "change", "hold");
    run(&mut world, 120);
    assert!(world.questions.iter().any(|question| question.stage == 2));
    let before = world.rollout.clone();
    let late = world.answered(&first, &pass());
    world.feed(late).unwrap();
    assert_eq!(world.rollout, before);
    // The same stage, asked about before a retreat.
    let reason = "a look".to_owned();
    let second = world.questions.last().unwrap().clone();
    gate(&mut world, "change", "pass");
    run(&mut world, 40);
    gate(&mut world, "change", "gone");
    world
        .command(RolloutCommand::Retreat { reason }, "bob", Role::Operator)
        .unwrap();
    let before = world.rollout.clone();
    assert_eq!(before.next_stage(), Some(second.stage));
    let late = world.answered(&second, &pass());
    world.feed(late).unwrap();
    assert_eq!(world.rollout, before);
    // An answer that names another question is none.
    let id = second.id(&world.rollout);
    assert!(id.starts_with("checkout.1/2/"), "{id}");
}

#[test]
fn a_gate_that_fails_needs_a_person_and_is_then_asked_anew() {
    let mut world = gated("gate change 5m");
    gate(&mut world, "change", "fail CHG-7 was rejected");
    run(&mut world, 600);
    let owner: PauseOwner = "gate:change".to_owned().try_into().unwrap();
    assert_eq!(world.rollout.pauses[&owner].reason, "CHG-7 was rejected");
    assert_eq!(
        (asked(&world), world.alerts().len()),
        (1, 1),
        "said once, asked no more"
    );
    gate(&mut world, "change", "pass");
    run(&mut world, 600);
    assert_eq!(world.shares(), [1.0], "a pass that nobody asked for");
    assert!(!resume(&mut world, ""));
    gate(&mut world, "change", "hold");
    assert!(resume(&mut world, "they will look again"));
    run(&mut world, 100);
    assert!(asked(&world) > 1);
    assert_eq!(world.shares(), [1.0], "a person's word is not the gate's");
    gate(&mut world, "change", "pass");
    run(&mut world, 40);
    assert_eq!(world.shares(), [1.0, 50.0]);
}

#[test]
fn f19_a_rollback_never_waits_for_a_gate() {
    for says in ["gone", "hold", "fail no", "html"] {
        let mut world = gated("gate change 1d");
        gate(&mut world, "change", says);
        run(&mut world, 300);
        say(&mut world, "r", Answer::Value(2.0));
        run(&mut world, 10);
        assert_eq!(world.rollout.share.parts(), 0, "{says}");
        assert!(matches!(
            world.rollout.phase,
            Phase::RollingBack { .. } | Phase::Ended { .. }
        ));
        let question = world.questions.last().unwrap().clone();
        let before = world.rollout.clone();
        let late = world.answered(&question, &pass());
        world.feed(late).unwrap();
        assert_eq!(world.rollout, before, "{says}: and nothing brings it back");
    }
}

#[test]
fn a_gate_may_say_when_it_wants_to_be_asked_again() {
    let mut world = gated("gate change 1h");
    run(&mut world, 60);
    let question = world.questions[0].clone();
    let body = r#"{"verdict":"hold","reason":"","retryAfterSeconds":600}"#;
    let later = world.answered(&question, &json(body));
    world.feed(later).unwrap();
    run(&mut world, 590);
    assert_eq!(asked(&world), 1);
    run(&mut world, 30);
    assert_eq!(asked(&world), 2);
    let asks = world.taken.iter().flat_map(|taken| &taken.step.effects);
    let asks = asks.filter(|effect| matches!(effect, Effect::Ask(_))).count();
    assert_eq!(asks, 2);
    assert!(
        world
            .taken
            .iter()
            .any(|taken| matches!(taken.input, Input::Answered { .. }))
    );
}
