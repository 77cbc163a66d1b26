//! What an experiment stands on.

use crate::world::{GREEN, World, designed, flag, green, hand_over, pause, resume, ship, stop};
use serde_json::{Value, json};
use tidegate_decide::refusal::Refusal;
use tidegate_model::access::Author;
use tidegate_model::change::{EntityRef, EntityState};
use tidegate_model::experiment::{ExperimentCommand as C, Outcome, Phase as P};
use tidegate_model::flag::{FlagState, Pin};
use tidegate_model::freeze::Frozen;

fn fields<T: std::fmt::Debug>(refused: Result<T, Refusal>) -> Vec<(String, String)> {
    match refused {
        Err(Refusal::Invalid(invalid)) => {
            let each = invalid.into_violations().into_iter();
            each.map(|one| (one.field, one.fix)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn frozen(world: &mut World) {
    world.frozen = Some(Frozen {
        reason: "holidays".to_owned(),
        by: Author::Tidegate,
        since: world.now,
    });
}

fn put(world: &mut World, key: &str, change: impl FnOnce(&mut FlagState)) {
    let entity = EntityRef::Flag(world.environment.clone(), key.parse().unwrap());
    let Some(EntityState::Flag(state)) = world.entities.get_mut(&entity) else {
        panic!("{key}")
    };
    change(state);
}

#[test]
fn a_flag_that_is_not_there_is_named_with_the_one_that_was_meant() {
    let mut world = World::new();
    let near = fields(world.draft(GREEN, &json!({ "flag": "chekout" })));
    assert_eq!(
        near,
        [("flag".to_owned(), "did you mean \"checkout\"?".to_owned())]
    );
    let far = fields(world.draft(GREEN, &json!({ "flag": "something-else" })));
    assert!(far[0].1.contains("create the flag first"), "{far:?}");
    let arms =
        json!({ "arms": [{ "variation": "off", "weight": 50 }, { "variation": "green", "weight": 50 }] });
    assert_eq!(fields(world.draft(GREEN, &arms))[0].0, "arms[1].variation");
}

#[test]
fn what_is_wrong_beside_it_is_told_in_the_words_of_the_design() {
    let mut world = World::new();
    let audience = json!({ "audience": { "segment": "stuff" } });
    assert_eq!(fields(world.draft(GREEN, &audience))[0].0, "audience");
    let layer = |from: u32, to: u32| json!({ "layer": { "key": "l", "from": from, "to": to } });
    let other = |from, to| {
        let mut more: Value = layer(from, to);
        more["flag"] = json!("search");
        more
    };
    world.draft("other", &other(0, 50)).unwrap();
    world.tell_to("other", &C::Start, None).unwrap();
    assert_eq!(fields(world.draft(GREEN, &layer(49, 100)))[0].0, "layer");
    world.draft(GREEN, &layer(50, 100)).unwrap();
    world.tell(&C::Start).unwrap();
}

#[test]
fn what_was_taken_while_it_was_paused_is_not_shared() {
    let mut world = World::new();
    let layer = json!({ "layer": { "key": "l", "from": 0, "to": 50 } });
    world.draft(GREEN, &layer).unwrap();
    world.tell(&C::Start).unwrap();
    world.tell(&pause()).unwrap();
    let mut other = layer;
    other["flag"] = json!("search");
    world.draft("other", &other).unwrap();
    world.tell_to("other", &C::Start, None).unwrap();
    assert_eq!(fields(world.tell(&resume()))[0].0, "layer");
    world.tell_to("other", &stop(Outcome::Revert), None).unwrap();
    world.tell(&resume()).unwrap();
}

#[test]
fn a_segment_that_went_while_it_was_paused_is_missed() {
    let mut world = World::new();
    let when = json!({ "attribute": "email", "operator": "contains", "value": "corp" });
    world.segments = vec![serde_json::from_value(json!({ "key": "staff", "when": when })).unwrap()];
    world
        .draft(GREEN, &json!({ "audience": { "segment": "staff" } }))
        .unwrap();
    world.tell(&C::Start).unwrap();
    world.tell(&pause()).unwrap();
    world.segments.clear();
    assert_eq!(fields(world.tell(&resume()))[0].0, "audience");
    world.tell(&stop(Outcome::Revert)).unwrap();
}

#[test]
fn a_flag_that_is_not_free_is_not_taken() {
    let own = json!({ "key": "own", "arms": [{ "variation": "on", "weight": 50 }, { "variation": "off", "weight": 50 }] });
    for (more, why) in [
        (json!({ "status": "inactive" }), "is inactive"),
        (json!({ "status": "archived" }), "is archived"),
        (
            json!({ "status": "experiment", "experiment": own }),
            "written into its definition",
        ),
        (json!({ "experiment": own }), "written into its definition"),
    ] {
        let mut world = World::at(P::Draft);
        world.save(flag("checkout", &more));
        let refused = world.tell(&C::Start).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
        let refused = world.tell(&C::Schedule).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    let mut world = World::at(P::Draft);
    put(&mut world, "checkout", |state| {
        state.held = Some("other".parse().unwrap())
    });
    let refused = world.tell(&C::Start).unwrap_err().to_string();
    assert!(
        refused.contains("held by experiment other") && refused.contains("stop other"),
        "{refused}"
    );
    for (phase, command) in [
        (P::Draft, C::Start),
        (P::Stopped, ship("on")),
        (P::Stopped, hand_over()),
    ] {
        let mut world = World::at(phase);
        put(&mut world, "checkout", |state| {
            state.pin = Some(Pin {
                rollout: "checkout-1".parse().unwrap(),
                candidate: "on".parse().unwrap(),
                safe: "off".parse().unwrap(),
            });
        });
        let refused = world.tell(&command).unwrap_err().to_string();
        assert!(refused.contains("held by rollout checkout-1"), "{refused}");
    }
}

#[test]
fn two_experiments_take_turns_on_one_flag() {
    let mut world = World::running(&json!({}));
    world.draft("blue-button", &json!({})).unwrap();
    let refused = world.tell_to("blue-button", &C::Start, None).unwrap_err();
    assert!(refused.to_string().contains("experiment"), "{refused}");
    world.tell(&stop(Outcome::Revert)).unwrap();
    world.tell_to("blue-button", &C::Start, None).unwrap();
    assert_eq!(
        world.flag("checkout").held.as_ref().unwrap().as_str(),
        "blue-button"
    );
    let late = world.tell(&ship("on")).unwrap_err().to_string();
    assert!(late.contains("held by experiment blue-button"), "{late}");
}

#[test]
fn nothing_opens_while_the_environment_is_frozen_and_everything_shuts() {
    for (phase, command) in [
        (P::Draft, C::Start),
        (P::Paused, resume()),
        (P::Running, ship("on")),
        (P::Running, hand_over()),
        (P::Stopped, ship("on")),
    ] {
        let mut world = World::at(phase);
        frozen(&mut world);
        let refused = world.tell(&command).unwrap_err().to_string();
        assert!(refused.contains("holidays"), "{refused}");
    }
    for (phase, command) in [
        (P::Running, pause()),
        (P::Running, stop(Outcome::Revert)),
        (P::Paused, stop(Outcome::Revert)),
        (P::Scheduled, C::Unschedule),
        (P::Stopped, C::Archive),
    ] {
        let mut world = World::at(phase);
        frozen(&mut world);
        world.tell(&command).unwrap();
    }
}

#[test]
fn what_flagd_cannot_say_is_not_dealt_where_it_must_get_everything() {
    let mut world = World::new();
    world.settings = serde_json::from_value(json!({ "flagd": "require" })).unwrap();
    let audience = json!({ "audience": { "attribute": "email", "operator": "regex", "value": "x" } });
    world.draft(GREEN, &audience).unwrap();
    let refused = world.tell(&C::Start);
    assert!(matches!(refused, Err(Refusal::Invalid(_))), "{refused:?}");
    assert_eq!(world.green().phase, P::Draft);
    assert_eq!(world.flag("checkout").held, None);
}

#[test]
fn what_shuts_is_refused_by_no_ground() {
    for phase in [P::Running, P::Paused] {
        let mut world = World::at(phase);
        frozen(&mut world);
        world.settings = serde_json::from_value(json!({ "flagd": "require" })).unwrap();
        put(&mut world, "checkout", |state| state.held = Some(green()));
        world.tell(&stop(Outcome::Revert)).unwrap();
        assert_eq!(world.flag("checkout").held, None);
    }
    assert_eq!(designed(GREEN, &json!({})).key, green());
}
