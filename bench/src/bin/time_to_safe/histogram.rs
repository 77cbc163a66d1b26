//! Durations as people read them.

use std::time::Duration;

/// Upper ends of the rows, in milliseconds.
const ENDS: [u64; 10] = [5, 10, 20, 50, 100, 200, 300, 500, 750, 1000];

/// Prints percentiles, and how many took how long.
pub(crate) fn tell(what: &str, mut times: Vec<Duration>) {
    if times.is_empty() {
        return;
    }
    times.sort_unstable();
    let at = |part: usize| times.get((times.len() * part / 1000).min(times.len() - 1));
    let [half, most, last] = [500, 990, 1000].map(|part| at(part).copied().unwrap_or_default());
    println!(
        "{what}: p50 {half:.1?}, p99 {most:.1?}, max {last:.1?} ({} runs)\n",
        times.len()
    );
    println!("| up to | runs |\n|---|---|");
    let mut before = 0;
    for end in ENDS {
        let within = times.partition_point(|time| *time <= Duration::from_millis(end));
        println!("| {end} ms | {} |", within - before);
        before = within;
    }
    println!("| longer | {} |\n", times.len() - before);
}
