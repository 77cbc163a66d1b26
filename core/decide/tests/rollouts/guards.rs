//! The sequential guard on simulated rollouts: a small run of what docs/proof/sequential-guard.md shows.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a simulation's numbers are small"
)]

#[path = "../../examples/sequential_guard/guard.rs"]
mod guard;

use guard::{Against, BUDGET, Guard, RATE, Traffic, calibrated, condemned, histories, median};

const CANARY: Traffic = Traffic {
    candidate: 200,
    baseline: 1800,
};

#[test]
fn healthy_rollouts_are_condemned_within_the_budget() {
    let guard = Guard::new();
    let healthy = histories(2000, CANARY, (RATE, RATE), 11);
    let stops: Vec<_> = (healthy.iter())
        .map(|history| guard.sequential(CANARY, history))
        .collect();
    assert!(condemned(&stops) <= BUDGET, "{}", condemned(&stops));
}

#[test]
fn doubled_errors_are_found_sooner_than_by_a_threshold_with_the_same_budget() {
    let guard = Guard::new();
    let calibration = histories(1000, CANARY, (RATE, RATE), 12);
    let doubled = histories(1000, CANARY, (2.0 * RATE, RATE), 13);
    let look = |stops: Vec<Option<usize>>| median(&stops).unwrap_or(usize::MAX);
    let sequential = look(
        (doubled.iter())
            .map(|history| guard.sequential(CANARY, history))
            .collect(),
    );
    for against in [Against::Nothing, Against::Baseline] {
        for window in [1, 5, 10] {
            let threshold = calibrated(against, window, CANARY, &calibration, BUDGET);
            let fixed = doubled
                .iter()
                .map(|history| guard.fixed(against, threshold, window, CANARY, history));
            let fixed = look(fixed.collect());
            assert!(
                sequential < fixed,
                "{sequential} against {fixed}, {against:?} over {window}"
            );
        }
    }
}
