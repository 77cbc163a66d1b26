//! Bandits: weights that add up and keep their floors, and standings that a drift of the base rate does not bend.
#![expect(clippy::unwrap_used, reason = "a test that has not what it needs fails")]

use proptest::prelude::*;
use tidegate_analytics::bandit::{Standing, standing, weigh};
use tidegate_model::experiment::tally::{ArmTally, Fixed, MetricTally, Sums, Tallies};
use tidegate_model::experiment::{Dealing, Design};
use tidegate_model::flag::WeightedVariation;
use tidegate_model::share::Share;

fn design(arms: usize, floor: f64) -> Design {
    let each = 100 / arms;
    let weight = |arm: usize| if arm == 0 { 100 - each * (arms - 1) } else { each };
    let arms: Vec<serde_json::Value> = (0..arms)
        .map(|arm| serde_json::json!({ "variation": format!("v{arm}"), "weight": weight(arm) }))
        .collect();
    serde_json::from_value(serde_json::json!({
        "key": "e", "hypothesis": "h", "flag": "f", "control": "v0", "arms": arms,
        "metrics": [{ "name": "bought", "measure": { "kind": "conversion", "event": "bought" } }],
        "bandit": { "metric": "bought", "floor": floor, "units": 50 },
    }))
    .unwrap()
}

/// A batch with these weights in parts, and units and events of each arm.
fn batch(number: u32, weights: &[u32], counts: &[(u64, u64)]) -> (Dealing, Tallies) {
    let name = |arm: usize| format!("v{arm}").parse().unwrap();
    let arms = weights.iter().enumerate().map(|(arm, parts)| WeightedVariation {
        variation: name(arm),
        weight: Share::of_parts(*parts).unwrap(),
    });
    let dealing = Dealing {
        batch: number,
        from: tidegate_model::Timestamp::default(),
        arms: arms.collect(),
    };
    let one = i128::from(Fixed::ONE.millionths());
    let mut tallies = Tallies::default();
    for (arm, (units, events)) in counts.iter().enumerate() {
        let (n, y) = (*units, i128::from(*events));
        let new = Sums {
            n,
            y: y * one,
            yy: y * one * one,
            ..Sums::NONE
        };
        let metric = MetricTally {
            new,
            active: *events,
            ..MetricTally::NOBODY
        };
        let tally = ArmTally {
            units: *units,
            metrics: [("bought".parse().unwrap(), metric)].into(),
        };
        tallies.arms.insert(name(arm), tally);
    }
    (dealing, tallies)
}

fn stand(design: &Design, batches: &[(Dealing, Tallies)]) -> Standing {
    let seen: Vec<_> = batches
        .iter()
        .map(|(dealing, tallies)| (dealing, tallies))
        .collect();
    standing(design, &seen).unwrap()
}

proptest! {
    #[test]
    fn weights_add_up_exactly_and_keep_their_floor(
        counts in prop::collection::vec((50_u64..5_000, 0.0_f64..1.0), 2..20),
        share in 0.0_f64..=1.0,
    ) {
        let arms = u32::try_from(counts.len()).unwrap();
        let floor = (share * f64::from(Share::TOTAL / arms)).floor().max(1.0) / 1_000.0;
        let design = design(counts.len(), floor).checked().unwrap();
        let bandit = design.bandit.clone().unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
        let counts: Vec<(u64, u64)> = counts.iter().map(|(n, p)| (*n, (*n as f64 * p) as u64)).collect();
        let parts: Vec<u32> = design.arms.iter().map(|arm| arm.weight.parts()).collect();
        let (dealing, tallies) = batch(0, &parts, &counts);
        let weights = weigh(&design, &bandit, &[(&dealing, &tallies)]).unwrap();
        let parts: Vec<u32> = weights.iter().map(|arm| arm.weight.parts()).collect();
        prop_assert_eq!(parts.iter().sum::<u32>(), Share::TOTAL);
        prop_assert!(parts.iter().all(|one| *one >= bandit.floor.parts()), "{:?} under {}", parts, bandit.floor);
        prop_assert!(weights.iter().zip(&design.arms).all(|(one, other)| one.variation == other.variation));
    }
}

#[test]
fn floors_that_take_everything_leave_even_weights() {
    let design = design(20, 5.0).checked().unwrap();
    let counts: Vec<(u64, u64)> = (0..20).map(|arm| (1_000, 10 * arm)).collect();
    let (dealing, tallies) = batch(0, &[5_000; 20], &counts);
    let weights = weigh(&design, design.bandit.as_ref().unwrap(), &[(&dealing, &tallies)]).unwrap();
    assert!(
        weights.iter().all(|arm| arm.weight.parts() == 5_000),
        "{weights:?}"
    );
}

#[test]
fn too_few_units_give_no_weights_and_no_winner() {
    let design = design(2, 1.0);
    let one = batch(0, &[50_000, 50_000], &[(49, 10), (5_000, 4_000)]);
    assert!(weigh(&design, design.bandit.as_ref().unwrap(), &[(&one.0, &one.1)]).is_err());
    assert_eq!(stand(&design, &[one]).winner, None);
}

/// Simpson: in the second batch everybody buys more, and most come to the worse arm. By sums it looks better.
#[test]
fn a_drifting_base_rate_does_not_turn_the_arms_round() {
    let design = design(2, 1.0);
    let batches = [
        batch(0, &[50_000, 50_000], &[(10_000, 1_000), (10_000, 1_500)]),
        batch(1, &[90_000, 10_000], &[(18_000, 9_000), (2_000, 1_100)]),
    ];
    let pooled = [10_000.0 / 28_000.0, 2_600.0 / 12_000.0];
    assert!(pooled[0] > pooled[1], "sums say that the first is better");
    let standing = stand(&design, &batches);
    let mean = |arm: usize| standing.arms[arm].mean.given().unwrap().value;
    // What each would have been with all units of both batches.
    assert!((mean(0) - f64::midpoint(0.1, 0.5)).abs() < 1e-12, "{}", mean(0));
    assert!((mean(1) - f64::midpoint(0.15, 0.55)).abs() < 1e-12, "{}", mean(1));
    let difference = standing.arms[1].difference.as_ref().unwrap().given().unwrap();
    assert!((difference.value - 0.05).abs() < 1e-12);
    assert!(difference.interval.lower.unwrap() < 0.05 && difference.interval.upper.unwrap() > 0.05);
    assert!(*standing.arms[1].best.given().unwrap() > 0.9);
    assert_eq!(standing.winner.unwrap().as_str(), "v1");
}

#[test]
fn regret_is_what_the_worse_arm_took() {
    let design = design(2, 1.0);
    let one = batch(0, &[50_000, 50_000], &[(10_000, 1_000), (10_000, 2_000)]);
    let regret = |batches: &[(Dealing, Tallies)]| *stand(&design, batches).regret.given().unwrap();
    // Half of 20,000 units lost a tenth each.
    assert!((regret(std::slice::from_ref(&one)) - 1_000.0).abs() < 1.0);
    let other = batch(1, &[10_000, 90_000], &[(2_000, 200), (18_000, 3_600)]);
    assert!(
        (regret(&[one, other]) - 1_200.0).abs() < 1.0,
        "a tenth of as many lost a tenth each"
    );
}
