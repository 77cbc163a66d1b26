//! The one fold: which change may follow in which phase, and what it leaves.

use crate::make::{at, design};
use serde_json::json;
use tidegate_model::access::Author;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::experiment::{Advice, ExperimentChange as C, ExperimentState, Outcome, Phase};
use tidegate_model::flag::WeightedVariation;

fn designed() -> C {
    C::Designed {
        design: Box::new(design(&json!({ "duration": "14d" }))),
        by: Author::Tidegate,
    }
}

fn paused() -> C {
    C::Paused {
        by: Author::Tidegate,
        why: "a guardrail".to_owned(),
    }
}

fn stopped() -> C {
    C::Stopped {
        outcome: Outcome::Revert,
        as_planned: true,
        by: Author::Tidegate,
        why: "its time is over".to_owned(),
    }
}

fn dealt(batch: u32) -> C {
    let mut arms: Vec<WeightedVariation> = design(&json!({})).arms;
    arms.reverse();
    C::Dealt { batch, arms }
}

fn advised() -> C {
    C::Advised(Advice {
        at: at(9),
        action: "keep_running".to_owned(),
        arm: None,
        because: vec!["it is early".to_owned()],
    })
}

fn looked() -> C {
    C::Looked {
        units: 7,
        tallies: Box::default(),
    }
}

fn settled() -> C {
    C::Settled {
        outcome: Outcome::Ship {
            variation: "on".parse().unwrap(),
        },
        by: Author::Tidegate,
        why: "seen later".to_owned(),
    }
}

fn concluded() -> C {
    C::Concluded {
        tallies: vec![Tallies::default()],
    }
}

/// Each change a second after the one before.
fn fold(changes: &[C]) -> ExperimentState {
    let mut state = None;
    for (second, change) in (0..).zip(changes) {
        state = Some(ExperimentState::apply(state, change, at(second)).unwrap());
    }
    state.unwrap()
}

/// How each phase is reached.
fn reached(phase: Phase) -> ExperimentState {
    let life = match phase {
        Phase::Draft => vec![designed()],
        Phase::Scheduled => vec![designed(), C::Scheduled],
        Phase::Running => vec![designed(), C::Started],
        Phase::Paused => vec![designed(), C::Started, paused()],
        Phase::Stopped => vec![designed(), C::Started, stopped()],
        Phase::Archived => vec![designed(), C::Started, stopped(), concluded(), C::Archived],
    };
    let state = fold(&life);
    assert_eq!(state.phase, phase);
    state
}

#[test]
fn each_change_follows_where_it_may_and_nowhere_else() {
    use Phase as P;
    let table: Vec<(C, Vec<(Phase, Phase)>)> = vec![
        (
            designed(),
            vec![
                (P::Draft, P::Draft),
                (P::Scheduled, P::Scheduled),
                (P::Running, P::Running),
                (P::Paused, P::Paused),
                (P::Stopped, P::Stopped),
            ],
        ),
        (C::Scheduled, vec![(P::Draft, P::Scheduled)]),
        (C::Unscheduled, vec![(P::Scheduled, P::Draft)]),
        (
            C::Started,
            vec![(P::Draft, P::Running), (P::Scheduled, P::Running)],
        ),
        (paused(), vec![(P::Running, P::Paused)]),
        (C::Resumed, vec![(P::Paused, P::Running)]),
        (looked(), vec![(P::Running, P::Running), (P::Paused, P::Paused)]),
        (advised(), vec![(P::Running, P::Running), (P::Paused, P::Paused)]),
        (dealt(1), vec![(P::Running, P::Running)]),
        (stopped(), vec![(P::Running, P::Stopped), (P::Paused, P::Stopped)]),
        (settled(), vec![(P::Stopped, P::Stopped)]),
        (concluded(), vec![(P::Stopped, P::Stopped)]),
        (
            C::Archived,
            vec![
                (P::Draft, P::Archived),
                (P::Scheduled, P::Archived),
                (P::Stopped, P::Archived),
            ],
        ),
    ];
    for (change, moves) in table {
        for phase in Phase::ALL {
            let before = reached(phase);
            let after = ExperimentState::apply(Some(before), &change, at(100));
            let expected = moves.iter().find(|(from, _)| *from == phase).map(|(_, to)| *to);
            match (after, expected) {
                (Ok(after), Some(to)) => assert_eq!(after.phase, to, "{change:?} in {phase}"),
                (Err(error), None) => {
                    assert_eq!(error.state, phase.name());
                    assert_eq!(error.change, format!("{change:?}"));
                }
                (after, expected) => panic!("{change:?} in {phase}: {after:?}, and not {expected:?}"),
            }
        }
        let first = ExperimentState::apply(None, &change, at(0));
        assert_eq!(
            first.is_ok(),
            matches!(change, C::Designed { .. }),
            "{change:?} of nothing"
        );
    }
}

#[test]
fn nothing_is_dealt_or_concluded_twice() {
    let running = fold(&[designed(), C::Started, dealt(1)]);
    for batch in [0, 1, 3, u32::MAX] {
        assert!(
            ExperimentState::apply(Some(running.clone()), &dealt(batch), at(9)).is_err(),
            "{batch}"
        );
    }
    let running = ExperimentState::apply(Some(running), &dealt(2), at(9)).unwrap();
    let batches: Vec<(u32, i64)> = running
        .dealings
        .iter()
        .map(|one| (one.batch, one.from.timestamp()))
        .collect();
    assert_eq!(batches, [(0, 1), (1, 2), (2, 9)]);
    let over = fold(&[designed(), C::Started, stopped(), concluded()]);
    assert!(ExperimentState::apply(Some(over), &concluded(), at(9)).is_err());
}

#[test]
fn a_life_leaves_what_happened() {
    let state = fold(&[
        designed(),
        C::Scheduled,
        C::Started,
        advised(),
        looked(),
        paused(),
    ]);
    assert_eq!((state.created, state.started), (at(0), Some(at(2))));
    assert_eq!((state.looks[0].at, state.looks[0].units), (at(4), 7));
    assert_eq!(state.last_look, Some(Box::default()));
    assert_eq!(state.pause.as_ref().unwrap().since, at(5));
    assert_eq!(state.advice.as_ref().unwrap().action, "keep_running");
    let resumed = ExperimentState::apply(Some(state.clone()), &C::Resumed, at(6)).unwrap();
    assert_eq!(resumed.pause, None);
    let over = ExperimentState::apply(Some(state), &stopped(), at(7)).unwrap();
    assert_eq!(over.pause, None, "what is over is not paused");
    let ended = over.ended.clone().unwrap();
    assert_eq!(
        (ended.at, ended.outcome, ended.as_planned),
        (at(7), Outcome::Revert, true)
    );
    assert!(over.is_watched(), "late events are waited for");
    let settled = ExperimentState::apply(Some(over), &settled(), at(8)).unwrap();
    let ended = settled.ended.clone().unwrap();
    assert_eq!(
        (ended.at, ended.as_planned, ended.why.as_str()),
        (at(7), true, "seen later")
    );
    assert!(matches!(ended.outcome, Outcome::Ship { .. }));
    let known = ExperimentState::apply(Some(settled), &concluded(), at(9)).unwrap();
    assert!(!known.is_watched());
}

#[test]
fn events_count_until_the_longest_window_is_over() {
    let windows = json!([
        { "name": "a", "measure": { "kind": "conversion", "event": "a" }, "window": "1h" },
        { "name": "b", "measure": { "kind": "conversion", "event": "b" }, "window": "2h" },
        { "name": "c", "measure": { "kind": "conversion", "event": "c" } },
    ]);
    let mut state = reached(Phase::Stopped);
    assert_eq!(
        state.counts_until(),
        Some(at(2)),
        "no window is longer than the experiment"
    );
    state.design = design(&json!({ "metrics": windows }));
    assert_eq!(state.counts_until(), Some(at(2 + 7_200)));
    assert_eq!(reached(Phase::Running).counts_until(), None);
}

#[test]
fn what_is_dealt_is_what_was_dealt_last() {
    let more = json!({ "excluded": ["robot", "tester"], "traffic": 25, "dimensions": ["country"],
        "audience": { "attribute": "country", "operator": "in", "value": ["DE"] } });
    let mut state = fold(&[designed(), C::Started, dealt(1)]);
    state.design = design(&more);
    let dealing = state.dealing("account");
    assert_eq!(dealing.batch, 1);
    assert_eq!(dealing.arms[0].variation.as_str(), "on");
    assert_eq!(dealing.allocation.percent(), 25.0);
    assert_eq!(dealing.dimensions, ["country"]);
    let audience = serde_json::to_value(&dealing.audience).unwrap();
    assert_eq!(audience["all"][0]["attribute"], "account", "{audience}");
    assert_eq!(audience["all"][0]["value"], json!(["robot", "tester"]));
    assert_eq!(audience["all"][1]["attribute"], "country");
    assert_eq!(reached(Phase::Draft).dealing("account").batch, 0);
}

#[test]
fn changes_and_states_come_back_as_they_were_written() {
    for change in [
        designed(),
        C::Scheduled,
        C::Unscheduled,
        C::Started,
        paused(),
        C::Resumed,
        looked(),
        advised(),
        dealt(1),
        stopped(),
        settled(),
        concluded(),
        C::Archived,
    ] {
        let text = serde_json::to_string(&change).unwrap();
        assert_eq!(serde_json::from_str::<C>(&text).unwrap(), change, "{text}");
    }
    for phase in Phase::ALL {
        let state = reached(phase);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(
            serde_json::from_str::<ExperimentState>(&text).unwrap(),
            state,
            "{text}"
        );
        assert_eq!(phase.holds(), matches!(phase, Phase::Running | Phase::Paused));
        assert_eq!(json!(phase), phase.to_string());
    }
}
