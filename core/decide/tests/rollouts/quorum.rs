//! When the clock of a stage starts: at a quorum of nodes, or of what they carry.

use crate::faults::{run, say, waits_for, world};
use crate::simulation::{Answer, Simulation};
use tidegate_decide::rollout::Input;
use tidegate_model::because::Reason;
use tidegate_model::rollout::Phase;

const PLAN: &str =
    "stage a 1 for 1m\nstage b 100 for 1m\nblind 5m hold\nrule r > 1 window 10s every 10s rollback";

fn took_effect(world: &Simulation) -> bool {
    matches!(
        world.rollout.phase,
        Phase::Running {
            effective: Some(_),
            ..
        }
    )
}

/// What a node carries, and whether it serves the stage.
type Node = (u64, bool);

/// A line of the policy, nodes, and whether the stage's clock starts.
const CASES: &[(&str, &[Node], bool)] = &[
    ("", &[(0, true)], true),
    ("", &[(0, true), (0, false)], false),
    ("", &[(1000, true), (1, false)], false),
    ("quorum 50 nodes", &[(0, true), (0, false)], true),
    ("quorum 100 nodes", &[(0, true), (0, true), (0, false)], false),
    ("quorum 95 requests", &[(960, true), (40, false)], true),
    ("quorum 95 requests", &[(940, true), (60, false)], false),
    // Nodes without any traffic are not waited for, and nobody's traffic is everybody's.
    ("quorum 100 requests", &[(10, true), (0, false)], true),
    ("quorum 95 requests", &[(0, true), (0, false)], false),
    ("quorum 50 requests", &[(0, true), (0, false)], true),
    ("quorum 95 requests", &[], false),
];

#[test]
fn the_clock_starts_at_the_quorum() {
    for (line, nodes, starts) in CASES {
        let mut world = world(&format!("{PLAN}\n{line}"));
        world.nodes.clear();
        for (index, (requests, follows)) in nodes.iter().enumerate() {
            let name = format!("n{index}");
            world.join(&name).unwrap();
            let node = world.nodes.get_mut(name.as_str()).unwrap();
            node.requests = *requests;
            node.follows = *follows;
            if !follows {
                node.serves = tidegate_model::key::Revision::ABSENT;
            }
        }
        run(&mut world, 5);
        assert_eq!(took_effect(&world), *starts, "{line}: {nodes:?}");
    }
}

#[test]
fn a_rollback_waits_for_every_node_whatever_the_quorum() {
    let mut world = world(&format!("{PLAN}\nquorum 50 requests"));
    world.nodes.get_mut("n1").unwrap().requests = 1000;
    run(&mut world, 5);
    assert!(took_effect(&world));
    world.nodes.get_mut("n2").unwrap().follows = false;
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 60);
    assert!(matches!(world.rollout.phase, Phase::RollingBack { .. }));
    world.nodes.get_mut("n2").unwrap().follows = true;
    world.publish();
    let fleet = world.fleet();
    world.feed(Input::Fleet(fleet)).unwrap();
    assert!(world.rollout.has_ended());
}

#[test]
fn what_is_missing_is_said_in_what_is_weighed() {
    let mut world = world(&format!("{PLAN}\nquorum 95 requests"));
    for (node, requests) in [("n1", 400), ("n2", 600)] {
        let node = world.nodes.get_mut(node).unwrap();
        node.requests = requests;
    }
    let node = world.nodes.get_mut("n2").unwrap();
    node.serves = tidegate_model::key::Revision::ABSENT;
    run(&mut world, 5);
    let said = |reason: &Reason| {
        reason.to_string()
            == "confirmed by 1 of 2 nodes (40 % of the requests, 95 % is enough), waiting for n2"
    };
    assert!(
        waits_for(&world, said),
        "{}",
        world.taken.last().unwrap().step.because
    );
}
