//! What an evaluation costs. `docs/benchmarks.md` has the numbers and how they were taken.
//!
//! Contexts are prepared outside the measured part, as a node does for a bulk request, unless the name
//! says `raw`. Every benchmark first checks that it measures what it claims to.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has to stop")]

mod workload;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use tidegate_eval::{CompiledSnapshot, PreparedContext, Reason};
use workload::{CONTEXTS, context, contexts, snapshot};

/// Evaluations per sample: many, because the clock reads no finer than one of them takes.
const SAMPLE: u32 = 1000;

fn main() {
    divan::main();
}

/// Evaluates one flag for one context, again and again.
fn measure(bencher: Bencher<'_, '_>, flag: &str, prepared: &PreparedContext, snapshot: &CompiledSnapshot) {
    bencher.bench(|| black_box(snapshot).evaluate(black_box(flag), black_box(prepared)));
}

#[divan::bench(sample_size = SAMPLE)]
fn boolean_without_rules(bencher: Bencher<'_, '_>) {
    let snapshot = snapshot();
    let prepared = snapshot.prepare(&context(7));
    assert_eq!(snapshot.evaluate("plain", &prepared).reason, Reason::Static);
    measure(bencher, "plain", &prepared, &snapshot);
}

#[divan::bench(sample_size = SAMPLE)]
fn five_rules_fourth_matches(bencher: Bencher<'_, '_>) {
    let snapshot = snapshot();
    let prepared = snapshot.prepare(&context(7));
    let fourth = Reason::TargetingMatch {
        rule: "fourth",
        split: false,
    };
    assert_eq!(snapshot.evaluate("five-rules", &prepared).reason, fourth);
    measure(bencher, "five-rules", &prepared, &snapshot);
}

#[divan::bench(sample_size = SAMPLE)]
fn five_rules_only_the_regex_matches(bencher: Bencher<'_, '_>) {
    let snapshot = snapshot();
    let prepared = snapshot.prepare(&context(7).with("age", 7));
    let fifth = Reason::TargetingMatch {
        rule: "fifth",
        split: false,
    };
    assert_eq!(snapshot.evaluate("five-rules", &prepared).reason, fifth);
    measure(bencher, "five-rules", &prepared, &snapshot);
}

#[divan::bench(sample_size = SAMPLE)]
fn quarter_split(bencher: Bencher<'_, '_>) {
    let snapshot = snapshot();
    let prepared = snapshot.prepare(&context(7));
    let split = Reason::Fallback { split: true };
    assert_eq!(snapshot.evaluate("quarter", &prepared).reason, split);
    measure(bencher, "quarter", &prepared, &snapshot);
}

#[divan::bench(sample_size = SAMPLE)]
fn four_way_split_behind_a_segment(bencher: Bencher<'_, '_>) {
    let snapshot = snapshot();
    let prepared = snapshot.prepare(&context(7));
    let split = Reason::TargetingMatch {
        rule: "beta",
        split: true,
    };
    assert_eq!(snapshot.evaluate("four-way", &prepared).reason, split);
    measure(bencher, "four-way", &prepared, &snapshot);
}

#[divan::bench(sample_size = SAMPLE, args = ["city-9999", "nowhere"])]
fn list_of_ten_thousand(bencher: Bencher<'_, '_>, city: &str) {
    let snapshot = snapshot();
    let prepared = snapshot.prepare(&context(7).with("city", city));
    let expected = if city == "nowhere" { "off" } else { "on" };
    assert_eq!(snapshot.evaluate("long-list", &prepared).variation, expected);
    measure(bencher, "long-list", &prepared, &snapshot);
}

/// The time is for all 500 flags.
#[divan::bench]
fn five_hundred_flags(bencher: Bencher<'_, '_>) {
    let snapshot = snapshot();
    let prepared = snapshot.prepare(&context(7));
    let keys: Vec<String> = (0..500).map(|i| format!("flag-{i}")).collect();
    assert!(
        keys.iter()
            .all(|key| snapshot.evaluate(key, &prepared).value.is_some())
    );
    bencher.counter(ItemsCount::new(keys.len())).bench(|| {
        for key in &keys {
            black_box(black_box(&snapshot).evaluate(black_box(key), black_box(&prepared)));
        }
    });
}

/// The time is for preparing the context and evaluating all 500 flags.
#[divan::bench]
fn five_hundred_flags_raw(bencher: Bencher<'_, '_>) {
    let snapshot = snapshot();
    let context = context(7);
    let keys: Vec<String> = (0..500).map(|i| format!("flag-{i}")).collect();
    bencher.counter(ItemsCount::new(keys.len())).bench(|| {
        let prepared = snapshot.prepare(black_box(&context));
        for key in &keys {
            black_box(black_box(&snapshot).evaluate(black_box(key), black_box(&prepared)));
        }
    });
}

/// A different context each time: neither the branch predictor nor the nearest cache knows it.
#[divan::bench(sample_size = SAMPLE, args = ["five-rules", "quarter", "four-way"])]
fn rotating_contexts(bencher: Bencher<'_, '_>, flag: &str) {
    let snapshot = snapshot();
    let prepared: Vec<PreparedContext> = contexts().iter().map(|one| snapshot.prepare(one)).collect();
    let mut turn = 0;
    bencher.bench_local(|| {
        turn = (turn + 1) % CONTEXTS;
        snapshot.evaluate(black_box(flag), prepared.get(turn).unwrap())
    });
}

/// The same, prepared from attributes each time: what one request for one flag costs.
#[divan::bench(sample_size = SAMPLE, args = ["five-rules", "quarter", "four-way"])]
fn rotating_contexts_raw(bencher: Bencher<'_, '_>, flag: &str) {
    let snapshot = snapshot();
    let contexts = contexts();
    let mut turn = 0;
    bencher.bench_local(|| {
        turn = (turn + 1) % CONTEXTS;
        let prepared = snapshot.prepare(contexts.get(turn).unwrap());
        snapshot.evaluate(black_box(flag), &prepared).variation.len()
    });
}

#[divan::bench(sample_size = SAMPLE)]
fn prepare(bencher: Bencher<'_, '_>) {
    let snapshot = snapshot();
    let context = context(7);
    bencher.bench(|| black_box(&snapshot).prepare(black_box(&context)));
}

#[divan::bench]
fn compile(bencher: Bencher<'_, '_>) {
    let content = workload::content();
    bencher.bench(|| CompiledSnapshot::compile(black_box(&content), Default::default()).unwrap());
}
