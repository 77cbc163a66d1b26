//! Proofs that expected numbers of a reference case cannot be right, by means of their own.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use serde_json::Value;
use std::path::Path;

fn case(topic: &str, id: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stats/tests/reference");
    let text =
        std::fs::read_to_string(folder.join(topic).with_extension("json")).expect("the vectors are here");
    let vectors: Value = serde_json::from_str(&text).expect("the vectors can be read");
    let cases = vectors["cases"].as_array().expect("there are cases");
    cases
        .iter()
        .find(|case| case["id"] == id)
        .expect("the case is there")
        .clone()
}

/// The logarithm of an upper bound of the chance that a standard normal number is more than `z`: its
/// density over `z` (Mills' ratio is less than 1 / z).
fn ln_tail_at_most(z: f64) -> f64 {
    -0.5 * z * z - (z * std::f64::consts::TAU.sqrt()).ln()
}

/// The same from below: Mills' ratio is more than z / (1 + z^2).
fn ln_tail_at_least(z: f64) -> f64 {
    ln_tail_at_most(z) + (z * z / (1.0 + z * z)).ln()
}

/// Arms around 1, 1.1 and 1.05, each mean with the variance 1e-6. Who is the best of three has beaten each
/// of the others, so the third arm is the best at most as often as it beats the second alone. That chance
/// is a normal tail. The reference gives the third arm 3.8 times as much.
#[test]
fn bandits_d013_gives_an_arm_more_than_it_can_have() {
    let case = case("bandits", "bandits/d013");
    let arms = case["in"]["arms"].as_array().expect("there are arms");
    let number = |arm: usize, field: &str| arms[arm][field].as_f64().expect("a number");
    let variance = |arm: usize| number(arm, "var") / number(arm, "n");
    let z = |low: usize, high: usize| {
        (number(high, "mean") - number(low, "mean")) / (variance(low) + variance(high)).sqrt()
    };
    let given = case["out"]["chance_best"][2].as_f64().expect("a number");
    let most = ln_tail_at_most(z(2, 1)).exp();
    assert!(
        given > 3.7 * most,
        "the reference has {given}, and at most {most} is possible"
    );

    // What the third arm misses of that bound is at most the chance that the first beats the second: less
    // than any number.
    assert!(ln_tail_at_most(z(0, 1)) < -2000.0);
    let least = ln_tail_at_least(z(2, 1)).exp();
    assert!(least > 0.999 * most);
    assert!((4.14e-274..4.16e-274).contains(&least), "{least}");
}
