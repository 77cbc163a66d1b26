//! What time and numbers make of an experiment.

use crate::world::{GREEN, World, bought, counts, kind, pause, resume, stop};
use serde_json::{Value, json};
use tidegate_decide::experiment::{LATE_MAX, LOOK_EVERY};
use tidegate_model::access::Author;
use tidegate_model::because::ExperimentStep as S;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::experiment::{ExperimentCommand as C, Outcome, Phase as P};
use tidegate_model::freeze::Frozen;

const EVEN: ((u64, u64), (u64, u64)) = ((500, 50), (500, 50));

fn even() -> Vec<Tallies> {
    bought(EVEN.0, EVEN.1)
}

#[test]
fn it_starts_when_its_time_has_come_and_tries_again_while_it_cannot() {
    let mut world = World::at(P::Scheduled);
    let start_at = world.green().design.start_at.unwrap();
    let step = world.look(10, None);
    assert_eq!((kind(&step), step.wake_at), (S::Watched, Some(start_at)));
    world.frozen = Some(Frozen {
        reason: "holidays".to_owned(),
        by: Author::Tidegate,
        since: world.now,
    });
    let step = world.look(3_600, None);
    assert_eq!((kind(&step), world.green().phase), (S::Waits, P::Scheduled));
    assert!(step.because.to_string().contains("holidays"), "{}", step.because);
    assert_eq!(step.wake_at, Some(world.now + chrono::TimeDelta::seconds(60)));
    world.frozen = None;
    assert_eq!(kind(&world.look(60, None)), S::Started);
    assert_eq!(world.green().started, Some(world.now));
}

#[test]
fn what_nobody_looks_after_sleeps() {
    for phase in [P::Draft, P::Archived] {
        let step = World::at(phase).look(10, Some(&even()));
        assert_eq!((step.changes.len(), step.wake_at), (0, None), "{phase}");
    }
    let mut world = World::at(P::Running);
    let step = world.look(10, None);
    assert_eq!(
        (step.changes.len(), step.wake_at),
        (0, Some(LOOK_EVERY.after(world.now))),
        "not known yet"
    );
}

#[test]
fn each_planned_look_is_counted_once() {
    let looks = json!({ "discipline": { "kind": "group_sequential", "units": 1_000, "looks": 4 } });
    let mut world = World::running(&looks);
    for (units, counted) in [
        (0, vec![]),
        (200, vec![]),
        (249, vec![]),
        (260, vec![260]),
        (260, vec![260]),
        (300, vec![260]),
        (505, vec![260, 505]),
        (760, vec![260, 505, 760]),
        (1_000, vec![260, 505, 760, 1_000]),
        (1_000, vec![260, 505, 760, 1_000]),
        (1_300, vec![260, 505, 760, 1_000]),
    ] {
        let half = units / 2;
        world.look(10, Some(&bought((half, half / 10), (units - half, half / 10))));
        let taken: Vec<u64> = world.green().looks.iter().map(|look| look.units).collect();
        assert_eq!(taken, counted, "at {units}");
    }
    assert_eq!(world.green().last_look.as_ref().unwrap().units(), 1_000);
}

#[test]
fn a_fixed_test_is_looked_at_once() {
    let mut world = World::running(&json!({ "discipline": { "kind": "fixed", "units": 1_000 } }));
    for (units, counted) in [(400, 0), (999, 0), (1_001, 1), (1_001, 1), (2_000, 1)] {
        world.look(10, Some(&bought((units / 2, 10), (units - units / 2, 10))));
        assert_eq!(world.green().looks.len(), counted, "at {units}");
    }
}

#[test]
fn at_its_planned_end_it_looks_once_more_and_lets_go() {
    for phase in [P::Running, P::Paused] {
        let more = json!({ "duration": "1h", "discipline": { "kind": "group_sequential", "units": 10_000 } });
        let mut world = World::running(&more);
        if phase == P::Paused {
            world.tell(&pause()).unwrap();
        }
        let ends = world.now + chrono::TimeDelta::hours(1);
        let step = world.look(3_595, Some(&even()));
        assert_eq!(step.wake_at, Some(ends), "not a look later");
        assert_eq!(world.green().looks.len(), 0);
        assert_eq!(kind(&world.look(5, Some(&even()))), S::Stopped);
        let state = world.green();
        let ended = state.ended.as_ref().unwrap();
        assert_eq!(
            (ended.at, &ended.outcome, ended.as_planned),
            (ends, &Outcome::Revert, true)
        );
        assert_eq!((state.looks[0].at, state.looks[0].units), (ends, 1_000));
        assert_eq!(world.flag("checkout").held, None);
    }
}

/// More errors in the arm `on`, and no purchases.
fn broken(units: u64, off: u64, on: u64) -> Vec<Tallies> {
    vec![counts(&[
        ("purchase", [(units, 10), (units, 10)]),
        ("errors", [(units, off), (units, on)]),
    ])]
}

fn guarded(on_breach: &str) -> Value {
    json!({ "metrics": [
        { "name": "purchase", "measure": { "kind": "conversion", "event": "purchase" } },
        { "name": "errors", "role": "guardrail", "goal": "decrease", "onBreach": on_breach,
            "measure": { "kind": "conversion", "event": "error" } },
    ] })
}

#[test]
fn a_broken_guardrail_does_what_its_design_says() {
    for (on_breach, told, phase) in [
        ("alert", S::Advised, P::Running),
        ("pause", S::Paused, P::Paused),
        ("stop", S::Stopped, P::Stopped),
    ] {
        let mut world = World::running(&guarded(on_breach));
        world.look(10, Some(&broken(1_000, 50, 50)));
        assert_eq!(world.green().phase, P::Running, "nothing is broken");
        let step = world.look(10, Some(&broken(2_000, 100, 400)));
        assert_eq!(world.green().phase, phase, "{on_breach}: {}", step.because);
        if on_breach != "alert" {
            assert_eq!(kind(&step), told);
            assert!(step.because.to_string().contains("errors"), "{}", step.because);
        }
        assert_eq!(
            world.flag("checkout").flag.running_experiment().is_some(),
            phase == P::Running
        );
        if let Some(ended) = &world.green().ended {
            assert_eq!(
                (&ended.outcome, ended.as_planned, &ended.by),
                (&Outcome::Revert, false, &Author::Tidegate)
            );
        }
        assert!(!world.green().advice.as_ref().unwrap().because.is_empty());
    }
}

#[test]
fn a_person_who_resumes_knows_what_is_broken() {
    let mut world = World::running(&guarded("pause"));
    let bad = broken(2_000, 100, 400);
    world.look(10, Some(&bad));
    assert_eq!(world.green().phase, P::Paused);
    assert_eq!(world.look(10, Some(&bad)).changes.len(), 0, "told once");
    world.tell(&resume()).unwrap();
    world.look(10, Some(&bad));
    assert_eq!(world.green().phase, P::Running, "the same numbers were known");
    world.look(10, Some(&broken(4_000, 200, 200)));
    assert_ne!(
        world.green().advice.as_ref().unwrap().action,
        "pause",
        "it is over"
    );
    world.look(10, Some(&broken(8_000, 400, 1_600)));
    assert_eq!(world.green().phase, P::Paused, "it is broken anew");
}

#[test]
fn while_units_are_missing_nothing_is_said() {
    let mut world = World::running(&json!({}));
    world.look(10, Some(&bought((5_000, 500), (4_000, 800))));
    let advice = world.green().advice.clone().unwrap();
    assert_eq!(advice.action, "cannot_say");
    world.look(10, Some(&bought((5_000, 500), (5_000, 1_000))));
    let advice = world.green().advice.clone().unwrap();
    assert_eq!(
        (advice.action.as_str(), advice.arm.unwrap().as_str()),
        ("ship", "on")
    );
    assert_eq!(world.green().phase, P::Running, "a person ships");
}

#[test]
fn its_numbers_are_final_a_day_after_its_windows() {
    let metrics = json!([{ "name": "purchase", "window": "2h", "measure": { "kind": "conversion", "event": "purchase" } }]);
    let mut world = World::running(&json!({ "metrics": metrics }));
    world.tell(&stop(Outcome::Revert)).unwrap();
    let due = LATE_MAX.after(world.now) + chrono::TimeDelta::hours(2);
    let step = world.look(10, Some(&even()));
    assert_eq!((step.changes.len(), step.wake_at), (0, Some(due)));
    let left = (due - world.now).num_seconds();
    assert_eq!(world.look(left - 1, Some(&even())).changes.len(), 0);
    let step = world.look(1, None);
    assert_eq!(
        (step.changes.len(), step.wake_at),
        (0, Some(LOOK_EVERY.after(world.now))),
        "not known"
    );
    assert_eq!(kind(&world.look(10, Some(&even()))), S::Concluded);
    assert_eq!(world.green().tallies, Some(even()));
    let step = world.look(10, Some(&even()));
    assert_eq!((step.changes.len(), step.wake_at), (0, None));
}

fn weights(world: &World) -> Vec<u32> {
    let flag = &world.flag("checkout").flag;
    flag.running_experiment()
        .unwrap()
        .arms
        .iter()
        .map(|arm| arm.weight.parts())
        .collect()
}

#[test]
fn a_bandit_is_dealt_anew_once_a_batch_is_over() {
    let mut world =
        World::running(&json!({ "bandit": { "metric": "purchase", "every": "1h", "units": 100 } }));
    let first = bought((500, 50), (500, 65));
    world.look(3_590, Some(&first));
    assert_eq!(weights(&world), [50_000, 50_000], "too early");
    world.frozen = Some(Frozen {
        reason: "holidays".to_owned(),
        by: Author::Tidegate,
        since: world.now,
    });
    world.look(10, Some(&first));
    assert_eq!(weights(&world), [50_000, 50_000], "frozen");
    world.frozen = None;
    assert_eq!(kind(&world.look(10, Some(&first))), S::Dealt);
    let dealt = weights(&world);
    assert_eq!(dealt.iter().sum::<u32>(), 100_000);
    assert!(dealt[1] > 85_000 && dealt[0] >= 1_000, "{dealt:?}");
    let batch = world.flag("checkout").flag.running_experiment().unwrap().batch;
    assert_eq!((batch, world.green().dealings.len()), (1, 2));
    let mut both = first;
    both.extend(bought((100, 10), (900, 130)));
    world.look(10, Some(&both));
    assert_eq!(weights(&world), dealt, "they stay for a batch");
    assert_ne!(
        world.green().advice.as_ref().unwrap().action,
        "cannot_say",
        "no unit is missing by the weights in force"
    );
    world.tell(&pause()).unwrap();
    world.look(4_000, Some(&both));
    assert_eq!(world.green().dealings.len(), 2, "paused");
    world.tell(&resume()).unwrap();
    assert_eq!(weights(&world), dealt, "as it was");
    world.look(10, Some(&both));
    assert_eq!(world.green().dealings.len(), 3);
}

#[test]
fn too_few_units_change_no_weights() {
    let mut world =
        World::running(&json!({ "bandit": { "metric": "purchase", "every": "1h", "units": 100 } }));
    world.look(4_000, Some(&bought((99, 1), (500, 65))));
    assert_eq!(world.green().dealings.len(), 1);
    world
        .tell_to(
            GREEN,
            &C::Stop {
                outcome: Outcome::Revert,
                reason: "enough".to_owned(),
            },
            None,
        )
        .unwrap();
}
