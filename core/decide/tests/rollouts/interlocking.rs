//! Rollouts that share something: one advances at a time, and the newest advance is undone first.

use crate::simulation::Answer;
use crate::street::Street;
use tidegate_model::rollout::{Ending, PauseOwner, Phase};

const SHARED: &str = "rule errors > 1 window 20s every 10s rollback";
const OWN: &str = "rule errors > 1 window 20s every 10s own rollback";

fn plan(rule: &str) -> String {
    format!(
        "stage a 1 for 1m\nstage b 20 for 10m\nstage c 50 for 10m\nstage d 100 for 10m\nblind 5m hold\n\
         interlock service=shop\n{rule}"
    )
}

/// Two rollouts, each in its second stage; the second one advanced last.
fn both_at_20(rule: &str) -> Street {
    let mut street = Street::new();
    street.start("one", &plan(rule)).unwrap();
    street.start("two", &plan(rule)).unwrap();
    street.until(|street| street.shares() == [20.0, 20.0]);
    street.run(60);
    assert!(street.rollout(0).opened[1] < street.rollout(1).opened[1]);
    street
}

fn interlock(name: &str) -> PauseOwner {
    format!("interlock:{name}").try_into().unwrap()
}

fn is_shut(street: &Street, index: usize) -> bool {
    matches!(
        street.rollout(index).phase,
        Phase::RollingBack { .. }
            | Phase::Ended {
                ending: Ending::RolledBack,
                ..
            }
    )
}

#[test]
fn one_advances_at_a_time() {
    let mut street = Street::new();
    for flag in ["one", "two", "three"] {
        street.start(flag, &plan(SHARED)).unwrap();
    }
    assert_eq!(street.shares(), [1.0, 0.0, 0.0]);
    assert!(
        street.says(1).contains("interlocked with one.1"),
        "{}",
        street.says(1)
    );
    street.until(|street| street.shares() == [100.0; 3]);
    let worlds = street.worlds.iter();
    let mut opened: Vec<_> = worlds.flat_map(|world| world.rollout.opened.clone()).collect();
    opened.sort_unstable();
    assert_eq!(opened.len(), 12);
    for pair in opened.windows(2) {
        let apart = (pair[1] - pair[0]).num_seconds();
        assert!(apart >= 20, "{apart} s apart: the window of the rule is 20 s");
    }
}

#[test]
fn those_that_share_nothing_do_not_wait_for_each_other() {
    let mut street = Street::new();
    street.start("one", &plan(SHARED)).unwrap();
    street
        .start("two", &plan(SHARED).replace("service=shop", "service=search"))
        .unwrap();
    assert_eq!(street.shares(), [1.0, 1.0]);
}

#[test]
fn a_breach_undoes_the_newest_advance_first_and_no_other_if_that_helps() {
    let mut street = both_at_20(SHARED);
    street.say(0, "errors", Answer::Value(2.0));
    street.run(10);
    assert_eq!(street.shares(), [20.0, 1.0], "the other one's advance is newer");
    assert!(street.rollout(1).pauses.contains_key(&interlock("one.1")));
    assert_eq!(street.worlds[1].alerts().len(), 1);
    assert!(street.worlds[1].alerts()[0].contains("breaches errors"));
    assert!(
        street.says(0).contains("may be the fault of two.1"),
        "{}",
        street.says(0)
    );
    street.say(0, "errors", Answer::Value(0.0));
    street.run(120);
    assert_eq!(street.rollout(0).gives_way, None);
    assert_eq!(street.shares(), [20.0, 1.0]);
    street.until(|street| street.shares()[0] == 100.0);
}

#[test]
fn if_the_breach_goes_on_the_next_newest_is_undone() {
    let mut street = both_at_20(SHARED);
    street.say(0, "errors", Answer::Value(2.0));
    street.run(10);
    assert_eq!(street.shares(), [20.0, 1.0]);
    street.run(50);
    // One window after the other was undone: its own advance is the newest now.
    assert!(is_shut(&street, 0), "{}", street.says(0));
    assert_eq!(street.shares(), [0.0, 1.0]);
}

#[test]
fn a_rule_that_names_its_flag_acts_at_once() {
    let mut street = both_at_20(OWN);
    street.say(0, "errors", Answer::Value(2.0));
    street.run(10);
    assert_eq!(street.shares(), [0.0, 20.0]);
}

#[test]
fn a_breach_that_everybody_sees_undoes_one_advance() {
    let mut street = both_at_20(SHARED);
    for index in [0, 1] {
        street.say(index, "errors", Answer::Value(2.0));
    }
    street.run(15);
    assert_eq!(street.shares(), [20.0, 1.0]);
    for index in [0, 1] {
        street.say(index, "errors", Answer::Value(0.0));
    }
    street.run(120);
    assert_eq!(
        street.shares(),
        [20.0, 1.0],
        "nobody is blamed for what is undone"
    );
    assert_eq!(street.rollout(0).gives_way, None);
}

#[test]
fn one_that_undoes_nothing_is_waited_for_no_longer_than_a_lease_and_a_half() {
    let mut street = both_at_20(SHARED);
    // Nobody tells the newer one: its actor hangs.
    let two = street.worlds.pop().unwrap();
    let world = &mut street.worlds[0];
    let since = world.now;
    street.say(0, "errors", Answer::Value(2.0));
    let world = &mut street.worlds[0];
    while world.rollout.stage().is_some() {
        world.run(tidegate_model::span::Span::seconds(5)).unwrap();
        let waited = (world.now - since).num_seconds();
        assert!(waited <= 110, "{waited} s");
    }
    drop(two);
    assert!(is_shut(&street, 0));
}

#[test]
fn in_its_first_stage_the_newest_is_rolled_back() {
    let mut street = Street::new();
    street.start("one", &plan(SHARED)).unwrap();
    street.until(|street| street.shares()[0] == 20.0);
    street.run(60);
    street.start("two", &plan(SHARED)).unwrap();
    street.until(|street| street.shares()[1] == 1.0);
    street.run(30);
    street.say(0, "errors", Answer::Value(2.0));
    street.run(10);
    assert_eq!(street.shares(), [20.0, 0.0]);
    assert!(is_shut(&street, 1));
    let cause = street.rollout(1).cause[0].to_string();
    assert!(cause.contains("one.1"), "{cause}");
}

#[test]
fn giving_way_survives_a_restart() {
    let mut street = both_at_20(SHARED);
    street.say(0, "errors", Answer::Value(2.0));
    street.run(10);
    let before = street.rollout(0).gives_way.clone();
    assert!(before.is_some());
    street.worlds[0].restart().unwrap();
    assert_eq!(street.rollout(0).gives_way, before);
    street.run(50);
    assert!(is_shut(&street, 0));
}
