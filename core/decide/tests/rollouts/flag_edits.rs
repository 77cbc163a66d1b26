//! F47: an edit of the flag while it is rolled out.

use crate::faults::{is_rolled_back, run, say, world};
use crate::simulation::{Answer, Simulation, person};
use tidegate_decide::rollout::Input;
use tidegate_model::access::Role;
use tidegate_model::flag::{Flag, FlagDefinition};
use tidegate_model::rollout::{Phase, RolloutCommand};
use tidegate_simulate::fault::Fault;

const TEXT: &str = "stage a 1 for 5m\nstage b 20 for 5m approval approver\nstage c 100 for 5m\nblind 5m hold\n\
                    rule r > 1 window 10s every 10s trip 2/3 rollback";

fn edited(world: &Simulation, edit: impl Fn(&mut FlagDefinition)) -> Flag {
    let mut definition = world.flag.flag.definition().clone();
    edit(&mut definition);
    Flag::new(definition).unwrap()
}

fn edit(world: &mut Simulation, edit: impl Fn(&mut FlagDefinition)) -> Result<(), Fault> {
    let (before, after) = (world.flag.flag.clone(), edited(world, edit));
    let by = person("erin", Role::Editor);
    world.feed(Input::FlagEdited { before, after, by })
}

/// Somebody else gets the candidate now.
fn add_rule(definition: &mut FlagDefinition) {
    let rule = r#"{"name":"staff","when":{"attribute":"plan","operator":"equals","value":"staff"},"serve":{"variation":"on"}}"#;
    definition.rules.push(serde_json::from_str(rule).unwrap());
}

fn in_stage_b() -> Simulation {
    let mut world = world(TEXT);
    let (stage, plan) = ("b".parse().unwrap(), None);
    let approve = RolloutCommand::Approve { stage, plan };
    world.command(approve, "carol", Role::Approver).unwrap();
    run(&mut world, 400);
    assert_eq!(world.shares(), [1.0, 20.0]);
    world
}

#[test]
fn f47_an_edit_has_the_rollout_begin_again_without_evidence() {
    let mut world = in_stage_b();
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 10);
    say(&mut world, "r", Answer::Value(0.0));
    run(&mut world, 10);
    assert_eq!(world.rollout.rules["r"].bad(), 1);
    let (safe, pin) = (world.rollout.start.safe.clone(), world.flag.pin.clone());
    edit(&mut world, add_rule).unwrap();
    assert_eq!(world.rollout.share.percent(), 1.0);
    assert_eq!(
        (world.rollout.proven_stage, world.rollout.way_back()),
        (None, None)
    );
    assert_eq!((&world.rollout.start.safe, &world.flag.pin), (&safe, &pin));
    assert_eq!(world.flag.flag.definition().rules.len(), 1);
    assert!(
        world
            .rollout
            .rules
            .get("r")
            .is_none_or(|memory| memory.bad() == 0)
    );
    run(&mut world, 280);
    assert_eq!(
        world.rollout.share.percent(),
        1.0,
        "its first stage lasts 5m again"
    );
    run(&mut world, 600);
    assert_eq!(
        world.rollout.share.percent(),
        1.0,
        "the word for b was for another flag"
    );
    assert_eq!(world.replay().unwrap(), world.rollout);
}

#[test]
fn f47_a_policy_may_refuse_edits() {
    let mut world = world(&format!("{TEXT}\nedits refuse"));
    run(&mut world, 60);
    let before = (world.rollout.clone(), world.flag.clone());
    let refused = edit(&mut world, add_rule).unwrap_err();
    assert!(
        refused.to_string().contains("lets nobody edit its flag"),
        "{refused}"
    );
    assert_eq!((world.rollout.clone(), world.flag.clone()), before);
    edit(&mut world, |flag| flag.description = "new words".to_owned()).unwrap();
    assert_eq!(world.flag.flag.definition().description, "new words");
}

#[test]
fn f47_words_change_nothing_of_the_rollout() {
    let mut world = in_stage_b();
    let before = world.rollout.clone();
    edit(&mut world, |flag| flag.description = "new words".to_owned()).unwrap();
    assert_eq!(world.rollout, before);
}

#[test]
fn f47_a_point_of_no_return_stays_one() {
    let mut world = world(&TEXT.replace(" approval approver", " no-return"));
    run(&mut world, 700);
    assert_eq!(world.shares(), [1.0, 20.0, 100.0]);
    edit(&mut world, add_rule).unwrap();
    assert_eq!(world.rollout.share.percent(), 20.0, "no further back than that");
    assert_eq!(world.rollout.no_return, Some(1));
    run(&mut world, 320);
    assert_eq!(world.rollout.share.percent(), 100.0);
}

#[test]
fn f47_an_edit_stops_no_rollback_and_brings_nothing_back() {
    let mut world = in_stage_b();
    for node in world.nodes.values_mut() {
        node.follows = false;
    }
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 20);
    assert!(matches!(world.rollout.phase, Phase::RollingBack { .. }));
    edit(&mut world, add_rule).unwrap();
    assert!(matches!(world.rollout.phase, Phase::RollingBack { .. }));
    for node in world.nodes.values_mut() {
        node.follows = true;
    }
    world.publish();
    run(&mut world, 20);
    assert!(is_rolled_back(&world));
    assert_eq!(world.flag.flag.definition().rules.len(), 1, "the edit was saved");
    assert!(
        edit(&mut world, |flag| flag.description = "late".to_owned()).is_err(),
        "it has ended, and holds the flag no more"
    );
}
