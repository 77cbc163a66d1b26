//! The numbers of docs/proof/sequential-guard.md:
//!
//! ```text
//! cargo run --release -p tidegate-decide --example sequential_guard
//! ```
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a simulation is run by hand, and its numbers are small"
)]

mod guard;

use guard::{
    Against, BUDGET, Guard, History, LOOKS, RATE, Traffic, calibrated, condemned, histories, median,
};

const RUNS: usize = 10_000;
const SPLITS: [(&str, Traffic); 3] = [
    (
        "1 %",
        Traffic {
            candidate: 200,
            baseline: 19_800,
        },
    ),
    (
        "10 %",
        Traffic {
            candidate: 200,
            baseline: 1_800,
        },
    ),
    (
        "50 %",
        Traffic {
            candidate: 200,
            baseline: 200,
        },
    ),
];
const WINDOWS: [usize; 6] = [1, 3, 5, 7, 10, 25];

fn main() {
    let guard = Guard::new();
    println!("{RUNS} rollouts, {LOOKS} looks of 200 requests of the candidate, budget {BUDGET}\n");
    println!("| candidate's share | rule | threshold | healthy | doubled, all looks | median look |");
    println!("|---|---|---|---|---|---|");
    for (share, traffic) in SPLITS {
        let calibration = histories(RUNS, traffic, (RATE, RATE), 1);
        let healthy = histories(RUNS, traffic, (RATE, RATE), 2);
        let doubled = histories(RUNS, traffic, (2.0 * RATE, RATE), 3);
        row(share, "sequential", "-", &healthy, &doubled, |history| {
            guard.sequential(traffic, history)
        });
        for against in [Against::Nothing, Against::Baseline] {
            for window in WINDOWS {
                let threshold = calibrated(against, window, traffic, &calibration, BUDGET);
                let (name, shown) = match against {
                    Against::Nothing => ("threshold", format!("{:.2} %", threshold * 100.0)),
                    Against::Baseline => ("ratio", format!("{threshold:.2}")),
                };
                let name = format!("{name} over {window} looks");
                row(share, &name, &shown, &healthy, &doubled, |history| {
                    guard.fixed(against, threshold, window, traffic, history)
                });
            }
        }
    }
    drift(&guard);
}

/// The whole service has an hour in which three times as many requests fail, on both sides.
fn drift(guard: &Guard) {
    println!("\n| rule | condemned though no worse than the baseline |");
    println!("|---|---|");
    let traffic = SPLITS[1].1;
    let calm = histories(RUNS, traffic, (RATE, RATE), 4);
    let storm = histories(RUNS, traffic, (3.0 * RATE, 3.0 * RATE), 5);
    let both: Vec<History> = calm
        .iter()
        .zip(&storm)
        .map(|(calm, storm)| {
            let (before, after) = (&calm[..20], &calm[32..]);
            [before, &storm[20..32], after].concat()
        })
        .collect();
    let stops: Vec<_> = both
        .iter()
        .map(|history| guard.sequential(traffic, history))
        .collect();
    println!("| sequential | {:.2} % |", condemned(&stops) * 100.0);
    for window in WINDOWS {
        let against = Against::Nothing;
        let threshold = calibrated(against, window, traffic, &calm, BUDGET);
        let stops: Vec<_> = both
            .iter()
            .map(|history| guard.fixed(against, threshold, window, traffic, history))
            .collect();
        println!(
            "| threshold over {window} looks | {:.2} % |",
            condemned(&stops) * 100.0
        );
    }
}

fn row(
    share: &str,
    rule: &str,
    threshold: &str,
    healthy: &[History],
    doubled: &[History],
    stop: impl Fn(&History) -> Option<usize>,
) {
    let wrong: Vec<_> = healthy.iter().map(&stop).collect();
    let right: Vec<_> = doubled.iter().map(&stop).collect();
    let median = median(&right).map_or_else(|| format!("after {LOOKS}"), |look| look.to_string());
    println!(
        "| {share} | {rule} | {threshold} | {:.2} % | {:.1} % | {median} |",
        condemned(&wrong) * 100.0,
        condemned(&right) * 100.0
    );
}
