//! Every fault of rollouts and safety has a named test, in the crate that owns the behaviour.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Faults of metrics (F1 to F18), of the order of powers (F19 to F26), of restarts and schedules (F27 to F43), and
/// of doing what was said (F44 to F50), and of the store and the process (F51 to F61).
const FAULTS: std::ops::RangeInclusive<u32> = 1..=61;

/// Faults that cannot happen, each with the reason.
const IMPOSSIBLE: [(u32, &str); 3] = [
    (
        32,
        "a data folder has one control plane: a second one is refused (F56), so no old leader wakes",
    ),
    (33, "and therefore no lease of leadership is renewed late"),
    (
        34,
        "the store is in the same process: a commit's outcome is never lost on a connection",
    ),
];

/// Names of tests by the numbers of the faults that they begin with: `f02_f03_…` is of two.
fn tests() -> BTreeMap<u32, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listing = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .current_dir(root)
        .output()
        .expect("git lists the files");
    let listing = String::from_utf8(listing.stdout).expect("paths are text");
    let mut found: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for path in listing.lines() {
        let text = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if let Some(name) = line
                .trim_start_matches("pub ")
                .trim_start_matches("async ")
                .strip_prefix("fn ")
            {
                let name = name.split('(').next().unwrap_or_default();
                let numbers = name
                    .split('_')
                    .map_while(|part| part.strip_prefix('f')?.parse().ok());
                for number in numbers.filter(|_| is_test) {
                    found.entry(number).or_default().push(format!("{path}: {name}"));
                }
            }
            is_test = line.contains("test]") || (is_test && line.starts_with("#["));
        }
    }
    found
}

#[test]
fn every_fault_has_a_named_test_or_cannot_happen() {
    let tests = tests();
    let excused: BTreeMap<u32, &str> = IMPOSSIBLE.into_iter().collect();
    let missing: Vec<u32> = FAULTS
        .filter(|number| !tests.contains_key(number) && !excused.contains_key(number))
        .collect();
    assert!(missing.is_empty(), "faults without a test: {missing:?}");
    let both: Vec<_> = excused.keys().filter_map(|number| tests.get(number)).collect();
    assert!(
        both.is_empty(),
        "faults that are said to be impossible are tested: {both:?}"
    );
}
