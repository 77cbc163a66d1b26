//! Large lists of units: reading a file of a million, and looking units up.
//!
//! `cargo bench -p tidegate-bench --bench lists`. Medians of several rounds; every answer is checked.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot be run may panic"
)]

use serde_json::json;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_eval::CompiledSnapshot;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{Digest, SnapshotContent, Version};
use tidegate_model::units::reader::{ListFormat, ListRead, ListReader};
use tidegate_model::units::{Lists, UnitSet};

const UNITS: u32 = 1_000_000;
/// What a socket gives at once, more or less.
const PIECE_BYTES: usize = 64 * 1024;
const ROUNDS: usize = 15;

fn unit(i: u32) -> String {
    format!("user-{:08x}", i.wrapping_mul(2_654_435_761))
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut took: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[ROUNDS / 2]
}

fn read(format: &ListFormat, text: &str) -> ListRead {
    let mut reader = ListReader::new(format.clone());
    for piece in text.as_bytes().chunks(PIECE_BYTES) {
        reader.feed(piece);
    }
    let read = reader.finish().unwrap();
    assert_eq!(read.set.len(), UNITS as usize);
    read
}

fn main() {
    let mut csv = String::new();
    let mut ndjson = String::new();
    for i in 0..UNITS {
        writeln!(csv, "{}", unit(i)).unwrap();
        writeln!(ndjson, "{{\"id\":\"{}\"}}", unit(i)).unwrap();
    }
    let formats = [
        (
            "CSV",
            ListFormat::Csv {
                column: None,
                header: false,
            },
            &csv,
        ),
        (
            "NDJSON objects",
            ListFormat::Ndjson {
                field: Some("id".to_owned()),
            },
            &ndjson,
        ),
    ];
    for (name, format, text) in formats {
        let took = median(|| drop(black_box(read(&format, text))));
        println!(
            "reading {UNITS} units as {name} ({} bytes): {took:.0?}",
            text.len()
        );
    }
    let set = read(
        &ListFormat::Csv {
            column: None,
            header: false,
        },
        &csv,
    )
    .set;
    let bytes = set.to_bytes();
    let took = median(|| drop(black_box(UnitSet::from_bytes(black_box(&bytes)).unwrap())));
    println!("taking a list of {} bytes: {took:.1?}", bytes.len());
    let took = median(|| drop(black_box(Digest::of(black_box(&bytes)))));
    println!("its digest: {took:.1?}");

    // Far apart, so that nothing of the list is in a cache by chance.
    let far_apart = |i: u32| i.wrapping_mul(2_654_435_761) % UNITS;
    let inside: Vec<String> = (0..UNITS).map(|i| unit(far_apart(i))).collect();
    let outside: Vec<String> = (0..UNITS)
        .map(|i| format!("nobody-{:08x}", far_apart(i)))
        .collect();
    for (name, units, expected) in [("in", &inside, UNITS), ("not in", &outside, 0)] {
        let took = median(|| {
            let found = units.iter().filter(|unit| set.contains(black_box(unit))).count();
            assert_eq!(found, expected as usize);
        });
        println!(
            "looking up {UNITS} units that are {name} it: {:.1} ns each",
            took.as_nanos() as f64 / f64::from(UNITS)
        );
    }
    evaluate(set, &inside);
}

/// A flag whose only rule is the segment, 1,024 prepared contexts in turn. What a context remembers of
/// segments is made anew each round.
fn evaluate(set: UnitSet, units: &[String]) {
    let digest = Digest::of(&set.to_bytes());
    let rule = json!({"name": "in", "when": {"segment": "s"}, "serve": {"variation": "on"}});
    let content: SnapshotContent = serde_json::from_value(json!({
        "environment": "production",
        "segments": [{"key": "s", "list": {"digest": digest, "count": UNITS}}],
        "flags": [{"flag": {"key": "f", "type": "boolean", "rules": [rule]}}],
    }))
    .unwrap();
    let lists = Lists::from([(digest, Arc::new(set))]);
    let snapshot = CompiledSnapshot::compile_with(&content, Version::default(), &lists).unwrap();
    let mut took: Vec<f64> = units
        .chunks(1024)
        .take(200)
        .map(|units| {
            let contexts: Vec<Context> = units.iter().map(|unit| Context::of_unit(unit.as_str())).collect();
            let prepared: Vec<_> = contexts
                .iter()
                .map(|context| snapshot.prepare(context, Timestamp::default()))
                .collect();
            let started = Instant::now();
            for context in &prepared {
                assert_eq!(black_box(snapshot.evaluate("f", context)).variation(), "on");
            }
            started.elapsed().as_nanos() as f64 / prepared.len() as f64
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!(
        "evaluating a flag behind it, the first time for a context: {:.1} ns",
        took[took.len() / 2]
    );
}
