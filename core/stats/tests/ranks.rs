//! Rank tests against the numbers of R, scipy and pingouin, and against counting by hand.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use serde::Deserialize;
use tidegate_stats::Alternative;
use tidegate_stats::rank::{Method, mann_whitney, mann_whitney_by};

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    #[serde(rename = "fn")]
    method: String,
    #[serde(rename = "in")]
    given: Given,
    out: Expected,
    #[serde(default)]
    tol: Tolerance,
}

#[derive(Deserialize)]
struct Given {
    control: Vec<f64>,
    treatment: Vec<f64>,
    alternative: Option<String>,
    continuity: Option<bool>,
}

#[derive(Deserialize)]
struct Expected {
    u: Option<f64>,
    p: Option<f64>,
    value: Option<f64>,
}

#[derive(Deserialize)]
struct Tolerance {
    rel: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { rel: 1e-9 }
    }
}

fn alternative(name: Option<&str>) -> Alternative {
    match name {
        Some("greater") => Alternative::Greater,
        Some("less") => Alternative::Less,
        _ => Alternative::TwoSided,
    }
}

#[test]
fn vectors() {
    let vectors: Vectors = serde_json::from_str(include_str!("vectors/ranks.json")).unwrap();
    assert!(vectors.cases.len() > 70);
    for case in vectors.cases {
        let given = &case.given;
        let method = match case.method.as_str() {
            "mann_whitney_exact" => Method::Exact,
            _ => Method::Normal {
                continuity: given.continuity.unwrap_or_default(),
            },
        };
        let alternative = alternative(given.alternative.as_deref());
        let got = mann_whitney_by(&given.treatment, &given.control, alternative, method).unwrap();
        let near =
            |got: f64, want: f64, floor: f64| (got - want).abs() <= (case.tol.rel * want.abs()).max(floor);
        if let Some(value) = case.out.value {
            assert!(near(got.superiority(), value, 0.0), "{}: {got:?}", case.id);
            assert!(near(got.cliffs_delta(), 2.0 * value - 1.0, 1e-12), "{}", case.id);
            continue;
        }
        assert!(near(got.u, case.out.u.unwrap(), 1e-12), "{}: {got:?}", case.id);
        match (got.p, case.out.p) {
            (Some(got), Some(want)) => assert!(near(got, want, 1e-300), "{}: {got} for {want}", case.id),
            (got, want) => assert_eq!(got, want, "{}", case.id),
        }
    }
}

#[test]
fn nothing_is_computed_of_nothing() {
    let both = |a: &[f64], b: &[f64]| mann_whitney(a, b, Alternative::Greater);
    assert_eq!(both(&[], &[1.0]), None);
    assert_eq!(both(&[1.0], &[]), None);
    assert_eq!(both(&[f64::NAN], &[1.0]), None);
    assert_eq!(both(&[2.0, 2.0], &[2.0]).unwrap().p, None);
}

/// The chance to draw a sample whose U is at least as large, by drawing every possible one.
fn counted(treatment: &[f64], control: &[f64]) -> f64 {
    let all: Vec<f64> = treatment.iter().chain(control).copied().collect();
    let u = |drawn: u32| {
        let side = |wanted: bool| {
            all.iter()
                .enumerate()
                .filter(move |(at, _)| (drawn >> at & 1 == 1) == wanted)
                .map(|(_, value)| *value)
        };
        let pair = |(a, b): (f64, f64)| match a.partial_cmp(&b).unwrap() {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        };
        side(true)
            .flat_map(|a| side(false).map(move |b| (a, b)))
            .map(pair)
            .sum::<f64>()
    };
    let observed = u((1 << treatment.len()) - 1);
    let drawn: Vec<u32> = (0..1_u32 << all.len())
        .filter(|drawn| drawn.count_ones() as usize == treatment.len())
        .collect();
    let as_far = drawn.iter().filter(|one| u(**one) >= observed).count();
    as_far as f64 / drawn.len() as f64
}

fn sample(most: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((0..6_u8).prop_map(f64::from), 1..=most)
}

proptest! {
    /// Few different values, so that there are many ties.
    #[test]
    fn exact_is_counting(treatment in sample(5), control in sample(6)) {
        let got = mann_whitney(&treatment, &control, Alternative::Greater).unwrap();
        prop_assert!(got.exact);
        if let Some(p) = got.p {
            prop_assert!((p - counted(&treatment, &control)).abs() < 1e-12);
        }
    }

    #[test]
    fn sides_mirror_each_other(treatment in sample(40), control in sample(40)) {
        let ours = mann_whitney(&treatment, &control, Alternative::Greater).unwrap();
        let theirs = mann_whitney(&control, &treatment, Alternative::Less).unwrap();
        prop_assert!((ours.superiority() + theirs.superiority() - 1.0).abs() < 1e-12);
        prop_assert!((ours.cliffs_delta() + theirs.cliffs_delta()).abs() < 1e-12);
        match (ours.p, theirs.p) {
            (Some(ours), Some(theirs)) => prop_assert!((ours - theirs).abs() < 1e-12),
            (ours, theirs) => prop_assert_eq!(ours, theirs),
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Around the size from which the normal distribution is used, both say nearly the same.
    #[test]
    fn methods_meet(treatment in prop::collection::vec(0.0..1.0, 20), control in prop::collection::vec(0.0..1.0, 20)) {
        let by = |method| mann_whitney_by(&treatment, &control, Alternative::Greater, method).unwrap().p.unwrap();
        let (exact, normal) = (by(Method::Exact), by(Method::Normal { continuity: true }));
        prop_assert!((exact - normal).abs() < 0.003, "{exact} {normal}");
    }
}
