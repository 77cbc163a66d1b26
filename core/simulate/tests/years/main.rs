//! Simulated years: random policies in random worlds, with every fault that a rollout can meet, and a control plane
//! that ends on both sides of commits.
//!
//! `TIDEGATE_YEARS=500` runs that many years instead of a few. `TIDEGATE_YEAR=SEED` runs one, which is how one that
//! failed is run again.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod dice;
mod mutants;
mod policies;
mod world;

use dice::Dice;
use tidegate_decide::rollout::step;
use world::{Tally, year};

/// Years of a run that nobody asked more of.
const YEARS: u64 = 9;

#[expect(
    clippy::disallowed_methods,
    reason = "whoever wants more years, or one, says so"
)]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is a number")),
    )
}

#[test]
fn years_with_every_fault_and_a_crash_at_each_commit_keep_the_laws() {
    let one = number("TIDEGATE_YEAR");
    let seeds = match (one, number("TIDEGATE_YEARS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, years) => 0..years.unwrap_or(YEARS),
    };
    let mut all = Tally::default();
    let mut failed = Vec::new();
    for seed in seeds {
        match year(seed, step) {
            Ok(tally) => all.add(&tally),
            Err(what) => failed.push(format!(
                "year {seed}: {what}\nrun it again with: TIDEGATE_YEAR={seed} cargo test -p tidegate-simulate --test years\n"
            )),
        }
    }
    println!("{all:?}");
    assert!(failed.is_empty(), "{}", failed.concat());
    if one.is_none() {
        // A year in which nothing happens proves nothing.
        assert!(
            all.rollouts > 50 && all.completed > 5 && all.rolled_back > 5,
            "{all:?}"
        );
        assert!(
            all.advances > 50 && all.crashes > 500 && all.restarts > 20,
            "{all:?}"
        );
        assert!(all.refused > 20 && all.paused > 20, "{all:?}");
    }
}

/// Years find what a missing guard lets through: each of these is the step function without one.
#[test]
fn years_without_a_guard_are_found_out() {
    let mut unseen = Vec::new();
    for (name, without, law) in mutants::ALL {
        match (0..12).find_map(|seed| year(seed, without).err()) {
            Some(broken) if broken.contains(law) => {}
            Some(broken) => unseen.push(format!("without {name}: {broken}\n")),
            None => unseen.push(format!("nothing shows without {name}\n")),
        }
    }
    assert!(unseen.is_empty(), "{}", unseen.concat());
}

#[test]
fn the_same_seed_is_the_same_year() {
    assert_eq!(year(3, step), year(3, step));
    let mut dice = Dice::new(1);
    let drawn: Vec<u64> = (0..100).map(|_| dice.below(10)).collect();
    assert!((0..10).all(|face| drawn.contains(&face)), "{drawn:?}");
}
