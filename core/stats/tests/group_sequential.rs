//! Group sequential designs: against integrals of their own making, published constants, and laws.

use proptest::prelude::*;
use tidegate_stats::distribution::normal;
use tidegate_stats::group_sequential::{Boundary, Design, Plan, Spending};
use tidegate_stats::{Alternative, Refusal};

const FUNCTIONS: [Spending; 4] = [
    Spending::OBrienFleming,
    Spending::Pocock,
    Spending::Power { exponent: 2.0 },
    Spending::HwangShihDeCani { gamma: -4.0 },
];

fn plan(alternative: Alternative, alpha: f64, spending: Spending) -> Plan {
    Plan {
        alternative,
        alpha,
        boundary: Boundary::Spending(spending),
    }
}

fn near(found: f64, expected: f64, relative: f64) {
    assert!(
        (found - expected).abs() <= relative * expected.abs(),
        "{found} is not {expected}"
    );
}

/// Simpson's rule, coarse and independent of how the designs integrate.
fn simpson(from: f64, to: f64, f: impl Fn(f64) -> f64) -> f64 {
    let panels = 40_000_u32;
    let h = (to - from) / f64::from(panels);
    let weighed = (0..=panels).map(|i| {
        let weight = match i {
            0 => 1.0,
            _ if i == panels => 1.0,
            _ if i % 2 == 1 => 4.0,
            _ => 2.0,
        };
        weight * f(h.mul_add(f64::from(i), from))
    });
    weighed.sum::<f64>() * h / 3.0
}

/// The chance not to end at the information `t` within `lower` and `upper` (of z), and to be above `z` at
/// `then`, under a drift.
fn second_look(t: f64, (lower, upper): (f64, f64), then: f64, z: f64, drift: f64) -> f64 {
    let density = |s: f64| (-(s - drift * t).powi(2) / (2.0 * t)).exp() / (std::f64::consts::TAU * t).sqrt();
    let sd = (then - t).sqrt();
    let above = |s: f64| normal::sf((z * then.sqrt() - s - drift * (then - t)) / sd);
    // What adds to a far tail lies around the straight line to it.
    let (middle, width) = (z * t / then.sqrt(), (t * (then - t) / then).sqrt());
    let from = (lower * t.sqrt()).max((middle - 12.0 * width).min(drift * t - 12.0 * t.sqrt()));
    let to = (upper * t.sqrt()).min((middle + 12.0 * width).max(drift * t + 12.0 * t.sqrt()));
    simpson(from, to, |s| density(s) * above(s))
}

/// Two looks can be integrated in one line, which knows nothing of densities on panels.
#[test]
fn the_second_look_spends_what_is_left() {
    let cases = [
        (0.5, 1.0, 0.05),
        (0.01, 1.0, 0.05),
        (0.5, 0.501, 0.05),
        (0.9, 1.0, 0.2),
        (0.3, 0.35, 1e-6),
        (0.1, 0.12, 1e-3),
    ];
    for spending in FUNCTIONS {
        for alternative in [Alternative::Greater, Alternative::TwoSided] {
            for (t, then, alpha) in cases {
                let side = if alternative == Alternative::TwoSided {
                    alpha / 2.0
                } else {
                    alpha
                };
                let design = Design::new(plan(alternative, alpha, spending), &[t, then]).unwrap();
                let [first, second] = [design.looks()[0], design.looks()[1]];
                near(normal::sf(first.bound), spending.spent(t, side), 1e-7);
                let lower = if alternative == Alternative::TwoSided {
                    -first.bound
                } else {
                    -40.0
                };
                let spent = second_look(t, (lower, first.bound), then, second.bound, 0.0);
                near(spent, spending.spent(then, side) - spending.spent(t, side), 1e-6);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whenever one looks, however early and however close, there are bounds, and they spend what they say
    /// and never more than planned.
    #[test]
    fn any_looks_have_bounds(
        ln_alpha in -13.8..-1.61_f64,
        start in 0.01..0.5_f64,
        steps in prop::collection::vec(prop_oneof![Just(0.001), 0.001..0.01_f64, 0.01..0.3_f64], 1..6),
        sides in prop_oneof![Just(Alternative::Greater), Just(Alternative::TwoSided)],
    ) {
        let alpha = ln_alpha.exp();
        let looks: Vec<f64> = std::iter::once(start)
            .chain(steps.iter().scan(start, |at, step| { *at += step; Some(*at) }))
            .collect();
        for spending in FUNCTIONS {
            let design = Design::new(plan(sides, alpha, spending), &looks).unwrap();
            let per_side = if sides == Alternative::TwoSided { 2.0 } else { 1.0 };
            let exits = design.exits(0.0);
            let mut sum = 0.0;
            for ((look, t), exit) in design.looks().iter().zip(&looks).zip(&exits.above) {
                prop_assert!(look.bound > 0.0, "{look:?}");
                sum += exit * per_side;
                prop_assert!((sum - look.spent).abs() <= 1e-9 * look.spent, "{sum} {look:?}");
                let planned = per_side * spending.spent(*t, alpha / per_side);
                prop_assert!(look.spent <= planned && sum <= planned * (1.0 + 1e-9), "{planned} {look:?}");
                // Nothing of what could be resolved is held back.
                prop_assert!(look.spent >= planned - 1e-290, "{planned} {look:?}");
            }
        }
    }

    /// What is spent is met exactly at the bound, and zero is left out of the interval exactly when the
    /// p-value is below alpha.
    #[test]
    fn standing_agrees_with_the_bounds(
        z in -6.0..6.0_f64,
        look in 0..4_usize,
        which in 0..4_usize,
        sides in prop_oneof![
            Just(Alternative::Greater), Just(Alternative::Less), Just(Alternative::TwoSided)
        ],
    ) {
        let design = Design::new(plan(sides, 0.05, FUNCTIONS[which]), &[0.2, 0.25, 0.6, 1.0]).unwrap();
        let standing = design.standing(look, 0.5 * z, 0.5).unwrap();
        let at = design.looks()[look];
        prop_assert_eq!(standing.rejects, standing.p.p <= at.spent);
        prop_assert!((standing.p.p.ln() - standing.p.ln).abs() < 1e-9);
        let holds = |interval: tidegate_stats::Interval| interval.lower <= 0.0 && interval.upper >= 0.0;
        prop_assert_eq!(holds(standing.interval), standing.p.p > 0.05);
        prop_assert_eq!(holds(standing.repeated), !standing.rejects);
        prop_assert!(standing.interval.lower < standing.estimate && standing.estimate < standing.interval.upper);
    }

    /// What is seen in a mirror says the same in the mirror.
    #[test]
    fn the_sides_are_alike(z in -9.0..9.0_f64, look in 0..3_usize) {
        let of = |sides| Design::new(plan(sides, 0.03, Spending::Pocock), &[0.3, 0.6, 1.0]).unwrap();
        let pairs = [
            (of(Alternative::Greater), of(Alternative::Less)),
            (of(Alternative::TwoSided), of(Alternative::TwoSided)),
        ];
        for (one, other) in pairs {
            let (one, other) = (one.standing(look, z, 1.0).unwrap(), other.standing(look, -z, 1.0).unwrap());
            prop_assert_eq!(one.p, other.p);
            prop_assert_eq!(one.estimate, -other.estimate);
            prop_assert_eq!(one.interval.lower, -other.interval.upper);
            prop_assert_eq!(one.repeated.upper, -other.repeated.lower);
        }
    }

    /// More is never less.
    #[test]
    fn a_larger_estimate_is_more_evidence(z in -5.0..5.0_f64, more in 0.01..2.0_f64, look in 0..3_usize) {
        let design = Design::new(plan(Alternative::Greater, 0.025, Spending::Pocock), &[0.1, 0.5, 1.0]).unwrap();
        let (one, other) =
            (design.standing(look, z, 1.0).unwrap(), design.standing(look, z + more, 1.0).unwrap());
        prop_assert!(other.p.ln < one.p.ln);
        prop_assert!(other.estimate > one.estimate);
        prop_assert!(other.interval.lower > one.interval.lower);
    }
}

/// Looks that come when they come have the bounds of a design that knew them.
#[test]
fn looks_need_not_be_planned() {
    let plan = plan(Alternative::TwoSided, 0.05, Spending::OBrienFleming);
    let planned = Design::new(plan, &[0.21, 0.22, 0.7, 1.0]).unwrap();
    let mut grown = Design::new(plan, &[]).unwrap();
    for information in [0.21, 0.22, 0.7, 1.0] {
        grown.look(information).unwrap();
    }
    assert_eq!(planned.looks(), grown.looks());
    // More than planned: all was spent, and nothing is left.
    let beyond = grown.look(1.2).unwrap();
    assert_eq!(beyond.bound, f64::INFINITY);
    near(beyond.spent, 0.05, 1e-12);
    // The end comes early: the rest is spent.
    let mut early = Design::new(plan, &[0.21]).unwrap();
    near(early.last_look(0.8).unwrap().spent, 0.05, 1e-12);
    near(early.exits(0.0).above.iter().sum::<f64>(), 0.025, 1e-9);
}

/// A look that can spend nothing that could be told from nothing leaves it to the next.
#[test]
fn what_cannot_be_resolved_is_left_to_the_next_look() {
    let plan = plan(Alternative::TwoSided, 1e-6, Spending::OBrienFleming);
    let looks = [0.005, 0.1017, 0.1026, 0.102_600_1, 1.0];
    let design = Design::new(plan, &looks).unwrap();
    let bounds: Vec<f64> = design.looks().iter().map(|look| look.bound).collect();
    assert_eq!((bounds[0], bounds[3]), (f64::INFINITY, f64::INFINITY));
    assert!(bounds[1] > 15.0 && bounds[1].is_finite() && bounds[2].is_finite());
    assert_eq!(design.looks()[0].spent, 0.0);
    assert_eq!(design.looks()[3].spent, design.looks()[2].spent);
    near(design.looks()[4].spent, 1e-6, 1e-12);
    near(design.exits(0.0).above.iter().sum::<f64>(), 5e-7, 1e-9);
    // Such a look still says where the test stands, and cannot reject.
    for look in [0, 3] {
        let standing = design.standing(look, 30.0, 1.0).unwrap();
        assert!(
            !standing.rejects && standing.p.ln < -120.0 && standing.estimate > 15.0,
            "{standing:?}"
        );
        assert_eq!(standing.repeated.lower, f64::NEG_INFINITY);
    }
    near(design.standing(0, 30.0, 1.0).unwrap().estimate, 30.0, 1e-9);
}

/// Jennison, Turnbull (2000), tables 2.1 and 2.3: two-sided, alpha 0.05.
#[test]
fn classical_constants_are_those_of_the_tables() {
    let tables = [
        (2, 2.178, 1.977),
        (5, 2.413, 2.040),
        (10, 2.555, 2.087),
        (20, 2.672, 2.126),
    ];
    for (looks, pocock, obrien_fleming) in tables {
        let information: Vec<f64> = (1..=looks).map(|k| f64::from(k) / f64::from(looks)).collect();
        for (boundary, constant) in [
            (Boundary::Pocock, pocock),
            (Boundary::OBrienFleming, obrien_fleming),
        ] {
            let plan = Plan {
                alternative: Alternative::TwoSided,
                alpha: 0.05,
                boundary,
            };
            let design = Design::new(plan, &information).unwrap();
            let last = design.looks().last().unwrap();
            assert!(
                (last.bound - constant).abs() < 6e-4,
                "{looks} {boundary:?} {last:?}"
            );
            near(last.spent, 0.05, 1e-9);
            let mut longer = design.clone();
            assert!(matches!(longer.look(2.0), Err(Refusal::Undefined { .. })));
        }
    }
}

/// The default design of the package gsDesign: alpha 0.025, power 0.9, Hwang-Shih-DeCani -4 and -2.
#[test]
fn futility_is_that_of_a_known_design() {
    let plan = plan(
        Alternative::Greater,
        0.025,
        Spending::HwangShihDeCani { gamma: -4.0 },
    );
    let design = Design::new(plan, &[1.0 / 3.0, 2.0 / 3.0, 1.0]).unwrap();
    let futility = design
        .futility(Spending::HwangShihDeCani { gamma: -2.0 }, 0.9)
        .unwrap();
    let bounds = [(-0.2387, 3.0107), (0.9411, 2.5465), (1.9992, 1.9992)];
    for ((lower, upper), (found, look)) in bounds.iter().zip(futility.bounds.iter().zip(design.looks())) {
        assert!(
            (found - lower).abs() < 1e-4 && (look.bound - upper).abs() < 1e-4,
            "{futility:?}"
        );
    }
    near(futility.inflation_factor, 1.0699, 1e-4);
    // Giving up early saves without an effect, and costs a little with one.
    let without = design.characteristics(0.9).unwrap();
    assert!(futility.expected_h0 < without.expected_h0);
    assert!(futility.inflation_factor > without.inflation_factor);
}

/// At its first look a test is an ordinary one.
#[test]
fn the_first_look_is_an_ordinary_test() {
    let design = Design::new(plan(Alternative::TwoSided, 0.05, Spending::Pocock), &[0.4, 1.0]).unwrap();
    for z in [-50.0, -2.0, 0.0, 0.3, 7.0, 50.0] {
        let standing = design.standing(0, 3.0 * z, 3.0).unwrap();
        let z = f64::abs(z);
        let ln_p = normal::ln_sf(z) + 2.0_f64.ln();
        assert!(
            (standing.p.ln - ln_p).abs() <= 1e-9 * ln_p.abs() + 1e-12,
            "{standing:?}"
        );
        assert!((standing.estimate.abs() - 3.0 * z).abs() < 1e-8, "{standing:?}");
        let width = standing.interval.upper - standing.interval.lower;
        near(width, 6.0 * normal::isf(0.025), 1e-8);
    }
}

/// With the median-unbiased effect, what was seen is as likely to be exceeded as not.
#[test]
fn the_estimate_is_too_high_as_often_as_too_low() {
    let (t, then) = (0.3, 0.8);
    for sides in [Alternative::Greater, Alternative::TwoSided] {
        let design = Design::new(plan(sides, 0.05, Spending::Pocock), &[t, then]).unwrap();
        let bound = design.looks()[0].bound;
        let lower = if sides == Alternative::TwoSided {
            -bound
        } else {
            -60.0
        };
        for z in [-25.0, -4.0, -1.0, 0.5, 2.0, 3.5, 8.0] {
            let z = if sides == Alternative::TwoSided {
                f64::abs(z)
            } else {
                z
            };
            let standing = design.standing(1, z, 1.0).unwrap();
            for (effect, chance) in [
                (standing.estimate, 0.5),
                (standing.interval.lower, sides_alpha(sides)),
            ] {
                let drift = effect / then.sqrt();
                let first = normal::sf(bound - drift * t.sqrt());
                let found = first + second_look(t, (lower, bound), then, z, drift);
                assert!((found - chance).abs() < 1e-7, "{sides:?} {z} {effect}: {found}");
            }
        }
    }
}

fn sides_alpha(sides: Alternative) -> f64 {
    if sides == Alternative::TwoSided {
        0.025
    } else {
        0.05
    }
}

/// Numbers so far out that plain chances underflow, on either side.
#[test]
fn extreme_estimates_have_a_standing() {
    for sides in [Alternative::Greater, Alternative::Less, Alternative::TwoSided] {
        let design = Design::new(plan(sides, 0.01, Spending::OBrienFleming), &[0.1, 0.5, 1.0]).unwrap();
        for z in [-1e6, -60.0, -37.0, -12.0, 12.0, 37.0, 60.0, 1e6] {
            let standing = design.standing(2, z, 1.0).unwrap();
            let finite = [standing.p.ln, standing.estimate];
            assert!(finite.iter().all(|number| number.is_finite()), "{z} {standing:?}");
            assert_eq!(standing.estimate > 0.0, z > 0.0, "{z} {standing:?}");
            assert!(!standing.interval.lower.is_nan() && !standing.interval.upper.is_nan());
            // A test that went past its bounds before is the only one that could be this far out.
            assert!(standing.p.ln >= design.looks()[1].spent.ln() - 1e-9);
        }
    }
}

#[test]
fn a_single_look_costs_nothing() {
    let design = Design::new(plan(Alternative::TwoSided, 0.05, Spending::Pocock), &[1.0]).unwrap();
    let found = design.characteristics(0.8).unwrap();
    near(found.inflation_factor, 1.0, 1e-9);
    near(found.expected_h1, 1.0, 1e-9);
    near(found.cumulative_power[0], 0.8, 1e-9);
    // Fleiss, Levin, Paik: 3,841 an arm.
    let size = design.sample_size_proportions(0.8, 0.1, 0.12, 1.0).unwrap();
    assert!((size.max_control - 3840.85).abs() < 0.01, "{size:?}");
    assert_eq!(size.max_control, size.max_treatment);
    // Unequal arms cost users.
    let unequal = design.sample_size_proportions(0.8, 0.1, 0.12, 3.0).unwrap();
    assert!(unequal.max_total > 1.3 * size.max_total);
    near(unequal.max_treatment, 3.0 * unequal.max_control, 1e-12);
}

#[test]
fn a_hundred_looks_are_looks() {
    let looks: Vec<f64> = (1..=100).map(|k| f64::from(k) / 100.0).collect();
    let design = Design::new(plan(Alternative::TwoSided, 0.05, Spending::OBrienFleming), &looks).unwrap();
    near(design.exits(0.0).above.iter().sum::<f64>(), 0.025, 1e-9);
    near(design.exits(0.0).below.iter().sum::<f64>(), 0.025, 1e-9);
    let found = design.characteristics(0.8).unwrap();
    assert!(
        found.inflation_factor < 1.06 && found.expected_h1 < 0.8,
        "{found:?}"
    );
}

#[test]
fn nonsense_is_refused() {
    let two = Alternative::TwoSided;
    let invalid = |refusal: Refusal, name| matches!(refusal, Refusal::Invalid { field, .. } if field == name);
    for alpha in [0.0, -0.1, 1.0, f64::NAN, f64::INFINITY] {
        let refused = Design::new(plan(two, alpha, Spending::Pocock), &[1.0]).unwrap_err();
        assert!(invalid(refused, "alpha"), "{alpha}");
    }
    assert!(Design::new(plan(Alternative::Less, 0.5, Spending::Pocock), &[1.0]).is_err());
    for information in [
        &[0.0][..],
        &[-1.0],
        &[f64::NAN],
        &[f64::INFINITY],
        &[0.5, 0.5],
        &[0.5, 0.4],
    ] {
        let refused = Design::new(plan(two, 0.05, Spending::Pocock), information).unwrap_err();
        assert!(invalid(refused, "information"), "{information:?}");
    }
    for spending in [
        Spending::Power { exponent: 0.0 },
        Spending::Power { exponent: f64::NAN },
        Spending::HwangShihDeCani { gamma: f64::INFINITY },
    ] {
        assert!(Design::new(plan(two, 0.05, spending), &[1.0]).is_err());
    }
    let classical = Plan {
        alternative: two,
        alpha: 0.05,
        boundary: Boundary::Pocock,
    };
    assert!(matches!(Design::new(classical, &[]), Err(Refusal::TooFew { .. })));
    assert!(Design::new(classical, &[0.5, 0.500_001]).is_err());

    let design = Design::new(plan(two, 0.05, Spending::Pocock), &[0.5, 1.0]).unwrap();
    assert!(invalid(design.standing(2, 1.0, 1.0).unwrap_err(), "look"));
    assert_eq!(design.standing(0, 1.0, 0.0).unwrap_err(), Refusal::NoVariance);
    for (estimate, error) in [
        (f64::NAN, 1.0),
        (f64::INFINITY, 1.0),
        (1.0, -1.0),
        (1.0, f64::NAN),
    ] {
        assert!(design.standing(0, estimate, error).is_err());
    }
    for power in [0.0, 0.025, 1.0, f64::NAN] {
        assert!(invalid(design.characteristics(power).unwrap_err(), "power"));
    }
    for (control, treatment) in [(0.0, 0.1), (0.1, 1.0), (0.1, 0.1), (f64::NAN, 0.1)] {
        assert!(
            design
                .sample_size_proportions(0.8, control, treatment, 1.0)
                .is_err()
        );
    }
    assert!(design.sample_size_proportions(0.8, 0.1, 0.2, 0.0).is_err());
    assert!(matches!(
        design.futility(Spending::Pocock, 0.8),
        Err(Refusal::Undefined { .. })
    ));
    let nothing = Design::new(plan(two, 0.05, Spending::Pocock), &[]).unwrap();
    assert!(matches!(
        nothing.characteristics(0.8),
        Err(Refusal::TooFew { .. })
    ));
}
