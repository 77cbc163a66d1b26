//! What always holds, whatever people, time and numbers do.

use crate::world::{World, counts, flag, hand_over, pause, resume, ship, stop};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use serde_json::{Value, json};
use tidegate_model::access::Author;
use tidegate_model::change::EntityState;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::experiment::{ExperimentCommand as C, ExperimentState, Outcome, Phase};
use tidegate_model::flag::FlagState;
use tidegate_model::freeze::Frozen;
use tidegate_model::key::FlagKey;

/// Three experiments: two want one flag, and two want one part of a layer.
const KEYS: [&str; 3] = ["one", "two", "three"];

#[derive(Debug, Clone)]
enum Event {
    Tell(usize, C),
    Amend(usize, Value),
    /// Seconds pass; then it is looked at, with so many more units and events of each arm.
    Look(usize, i64, Option<[u64; 4]>),
    Freeze(bool),
    Save(&'static str, &'static str),
}

fn event() -> impl Strategy<Value = Event> {
    let key = 0..KEYS.len();
    let command = prop_oneof![
        4 => Just(C::Start), 2 => Just(C::Schedule), 1 => Just(C::Unschedule), 2 => Just(pause()), 3 => Just(resume()),
        2 => Just(stop(Outcome::Revert)), 1 => Just(ship("on")), 1 => Just(hand_over()), 1 => Just(C::Archive),
    ];
    let amended = prop_oneof![
        Just(json!({ "excluded": ["robot"] })),
        Just(json!({ "excluded": [] })),
        Just(json!({ "description": "d" })),
        Just(json!({ "alpha": 0.1 })),
        Just(json!({ "traffic": 20 })),
    ];
    let more = prop::option::weighted(0.9, [0_u64..400, 0_u64..400, 0_u64..40, 0_u64..40]);
    let seconds = prop_oneof![4 => Just(10_i64), 2 => Just(1_800), 1 => Just(86_400)];
    prop_oneof![
        6 => (key.clone(), command).prop_map(|(key, command)| Event::Tell(key, command)),
        1 => (key.clone(), amended).prop_map(|(key, more)| Event::Amend(key, more)),
        6 => (key, seconds, more).prop_map(|(key, seconds, more)| Event::Look(key, seconds, more)),
        1 => any::<bool>().prop_map(Event::Freeze),
        1 => (prop_oneof![Just("checkout"), Just("search")], prop_oneof![Just("inactive"), Just("active"), Just("archived")])
            .prop_map(|(key, status)| Event::Save(key, status)),
    ]
}

#[derive(Debug)]
struct Walk;

impl ReferenceStateMachine for Walk {
    type State = ();
    type Transition = Event;

    fn init_state() -> BoxedStrategy<()> {
        Just(()).boxed()
    }

    fn transitions(_state: &()) -> BoxedStrategy<Event> {
        event().boxed()
    }

    fn apply((): (), _event: &Event) {}
}

struct Walked {
    world: World,
    /// Of each experiment: units and events of each arm in each batch.
    seen: Vec<Vec<[u64; 4]>>,
}

fn draft(world: &mut World, place: usize) {
    let start_at = (world.now + chrono::TimeDelta::minutes(20)).to_rfc3339();
    let layer = json!({ "key": "l", "from": 0, "to": 50 });
    let guarded = json!([
        { "name": "purchase", "measure": { "kind": "conversion", "event": "purchase" }, "window": "1h" },
        { "name": "errors", "role": "guardrail", "goal": "decrease", "onBreach": if place == 1 { "stop" } else { "pause" },
            "measure": { "kind": "conversion", "event": "error" } },
    ]);
    let more = match place {
        0 => {
            json!({ "layer": layer, "metrics": guarded, "bandit": { "metric": "purchase", "every": "30m", "units": 50 } })
        }
        1 => json!({ "metrics": guarded, "duration": "2h", "startAt": start_at,
            "discipline": { "kind": "group_sequential", "units": 2_000, "looks": 4 } }),
        _ => {
            json!({ "metrics": guarded, "flag": "search", "layer": layer, "duration": "1d", "startAt": start_at })
        }
    };
    world.draft(KEYS[place], &more).unwrap();
}

impl Walked {
    fn tallies(&self, place: usize) -> Vec<Tallies> {
        let each = self.seen[place].iter().map(|[off, on, bought, failed]| {
            let both = |events: u64| [(*off, events.min(*off)), (*on, events.min(*on))];
            counts(&[
                ("purchase", both(*bought)),
                ("errors", [(*off, 0), (*on, (*failed).min(*on))]),
            ])
        });
        each.collect()
    }

    fn happen(&mut self, event: &Event) {
        let world = &mut self.world;
        match event {
            Event::Tell(place, command) => {
                let before = world.experiment(KEYS[*place]).unwrap().phase;
                let tallies = self.tallies(*place);
                let answer = self.world.tell_to(KEYS[*place], command, Some(&tallies));
                let shuts = match command {
                    C::Pause { .. } => before == Phase::Running,
                    C::Stop {
                        outcome: Outcome::Revert,
                        ..
                    } => before.holds(),
                    _ => false,
                };
                assert!(answer.is_ok() || !shuts, "what shuts was refused: {answer:?}");
            }
            Event::Amend(place, more) => {
                let mut written =
                    serde_json::to_value(&world.experiment(KEYS[*place]).unwrap().design).unwrap();
                for (name, value) in more.as_object().unwrap() {
                    written[name] = value.clone();
                }
                let _refused = world.amend(serde_json::from_value(written).unwrap());
            }
            Event::Look(place, seconds, more) => {
                let batches = world.experiment(KEYS[*place]).unwrap().dealings.len();
                let seen = &mut self.seen[*place];
                seen.resize(batches, [0; 4]);
                if let (Some(last), Some(more)) = (seen.last_mut(), more) {
                    for (number, more) in last.iter_mut().zip(more) {
                        *number += more;
                    }
                }
                let tallies = more.map(|_| self.tallies(*place));
                self.world.look_at(KEYS[*place], *seconds, tallies.as_deref());
            }
            Event::Freeze(yes) => {
                let frozen = Frozen {
                    reason: "holidays".to_owned(),
                    by: Author::Tidegate,
                    since: world.now,
                };
                world.frozen = yes.then_some(frozen);
            }
            Event::Save(key, status) => {
                // A held flag is not saved by hand but to be switched off, and that is the definition's own law.
                if world.flag(key).held.is_none() {
                    world.save(flag(key, &json!({ "status": status })));
                }
            }
        }
    }

    fn experiments(&self) -> impl Iterator<Item = &ExperimentState> {
        self.world.entities.values().filter_map(|state| match state {
            EntityState::Experiment(state) => Some(&**state),
            _ => None,
        })
    }

    fn check(&self) {
        for key in ["checkout", "search"] {
            let state: &FlagState = self.world.flag(key);
            let name: FlagKey = key.parse().unwrap();
            let holders: Vec<&ExperimentState> = self
                .experiments()
                .filter(|one| one.design.flag == name && one.phase.holds())
                .collect();
            assert!(holders.len() <= 1, "two hold {key}");
            let holder = holders.first();
            assert_eq!(state.held.as_ref(), holder.map(|one| &one.design.key), "{key}");
            let deals = state.flag.definition().experiment.as_deref().cloned();
            let expected = holder
                .filter(|one| one.phase == Phase::Running)
                .map(|one| one.dealing(state.unit()));
            assert_eq!(deals, expected, "{key} deals what its experiment deals");
        }
        let running: Vec<&ExperimentState> = self
            .experiments()
            .filter(|one| one.phase == Phase::Running)
            .collect();
        for (place, one) in running.iter().enumerate() {
            for other in &running[..place] {
                let (one, other) = (one.dealing("unit"), other.dealing("unit"));
                assert!(
                    !one.collides_with(&other),
                    "{} and {} share units",
                    one.key,
                    other.key
                );
            }
        }
        for one in self.experiments() {
            assert!(
                one.looks.windows(2).all(|pair| pair[0].units < pair[1].units),
                "{:?}",
                one.looks
            );
            assert_eq!(one.pause.is_some(), one.phase == Phase::Paused);
            assert!(one.ended.is_none() || !one.phase.holds());
            let batches = one.dealings.iter().map(|dealing| dealing.batch);
            assert!(batches.eq(0..u32::try_from(one.dealings.len()).unwrap()));
            for dealing in &one.dealings {
                assert_eq!(
                    dealing.arms.iter().map(|arm| arm.weight.parts()).sum::<u32>(),
                    100_000
                );
            }
        }
    }
}

impl StateMachineTest for Walked {
    type SystemUnderTest = Self;
    type Reference = Walk;

    fn init_test((): &()) -> Self {
        let mut world = World::new();
        for place in 0..KEYS.len() {
            draft(&mut world, place);
        }
        Self {
            world,
            seen: vec![Vec::new(); KEYS.len()],
        }
    }

    fn apply(mut walked: Self, (): &(), event: Event) -> Self {
        walked.happen(&event);
        walked.check();
        walked
    }

    fn teardown(walked: Self, (): ()) {
        assert_eq!(
            walked.world.replayed(),
            walked.world.entities,
            "replay tells another story"
        );
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 500, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_on_a_random_walk(sequential 1..50 => Walked);
}
