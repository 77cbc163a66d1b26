//! Sizes against the powers that they are for, against tables, and against what has no size.

use proptest::prelude::*;
use tidegate_stats::sample_size::{
    Design, Sides, adjusted_deviation, equivalence, means, noninferiority, proportions,
};
use tidegate_stats::{Goal, Refusal};

const EVEN: Design = Design::even(0.05);

fn kept(margin: f64, goal: Goal) -> noninferiority::Design {
    noninferiority::Design {
        alpha: 0.025,
        ratio: 1.0,
        margin,
        goal,
    }
}

/// The sizes that textbooks and calculators give for two sides, 5 % and 80 %.
#[test]
fn well_known_sizes() {
    for (control, treatment, want) in [
        (0.10, 0.12, 3841.0),
        (0.02, 0.025, 13_809.0),
        (0.30, 0.27, 3554.0),
    ] {
        let sizes = proportions::size(treatment, control, &EVEN, 0.8)
            .unwrap()
            .rounded_up();
        assert_eq!((sizes.control, sizes.treatment), (want, want));
    }
    let size = |sd: f64| means::size(0.2, sd, &EVEN, 0.8).unwrap().rounded_up().control;
    assert_eq!(size(1.0), 394.0);
    // A correlation of 0.7 with what was before halves it: 1 - 0.49.
    let sd = adjusted_deviation(1.0, 0.7).unwrap();
    assert!((size(sd) - 394.0 * 0.51).abs() < 2.0, "{}", size(sd));
}

/// (z_0.95 + z_0.9)^2 2 sd^2 / margin^2 when no difference is expected.
#[test]
fn equivalence_in_closed_form() {
    let design = equivalence::Design {
        alpha: 0.05,
        ratio: 1.0,
        margin: 0.5,
    };
    let sizes = equivalence::means(0.0, 2.0, &design, 0.8).unwrap();
    let deviations: f64 = 1.644_853_626_951_472_2 + 1.281_551_565_544_600_4;
    assert!(
        (sizes.control - deviations.powi(2) * 32.0).abs() < 1e-5,
        "{sizes:?}"
    );
    // With a real difference the nearer test needs nearly all of them.
    let near = equivalence::means(0.4, 2.0, &design, 0.8).unwrap();
    let alone = noninferiority::Design {
        alpha: 0.05,
        ..kept(0.5, Goal::Decrease)
    };
    let alone = noninferiority::means(0.4, 2.0, &alone, 0.8).unwrap();
    assert!(
        (near.control / alone.control - 1.0).abs() < 1e-6,
        "{near:?} {alone:?}"
    );
}

#[test]
fn what_has_no_size_is_refused() {
    let nan = f64::NAN;
    let undefined = |refusal: Refusal| matches!(refusal, Refusal::Undefined { .. });
    let invalid = |refusal: Refusal| matches!(refusal, Refusal::Invalid { .. });
    assert!(undefined(proportions::size(0.1, 0.1, &EVEN, 0.8).unwrap_err()));
    assert!(undefined(
        proportions::size_arcsine(0.1, 0.1, &EVEN, 0.8).unwrap_err()
    ));
    assert!(undefined(means::size(0.0, 1.0, &EVEN, 0.8).unwrap_err()));
    for (treatment, control, power) in [
        (0.0, 0.1, 0.8),
        (0.1, 1.0, 0.8),
        (nan, 0.1, 0.8),
        (0.1, 0.2, 1.0),
        (0.1, 0.2, 0.05),
        (0.1, 0.2, nan),
    ] {
        assert!(invalid(
            proportions::size(treatment, control, &EVEN, power).unwrap_err()
        ));
    }
    for (difference, sd, power) in [
        (nan, 1.0, 0.8),
        (1.0, 0.0, 0.8),
        (1.0, -1.0, 0.8),
        (1.0, 1.0, 0.01),
    ] {
        assert!(invalid(means::size(difference, sd, &EVEN, power).unwrap_err()));
        assert!(invalid(
            means::size_normal(difference, sd, &EVEN, power).unwrap_err()
        ));
    }
    for broken in [
        Design::even(0.0),
        Design::even(1.0),
        Design::even(nan),
        Design { ratio: 0.0, ..EVEN },
    ] {
        assert!(invalid(proportions::power(0.1, 0.2, &broken, 100.0).unwrap_err()));
        assert!(invalid(means::detectable(1.0, &broken, 0.8, 100.0).unwrap_err()));
    }
    assert!(invalid(proportions::power(0.1, 0.2, &EVEN, 0.0).unwrap_err()));
    assert!(matches!(
        means::power(1.0, 1.0, &EVEN, 1.0),
        Err(Refusal::TooFew { .. })
    ));
    for correlation in [1.0, -1.0, 2.0, nan] {
        assert!(invalid(adjusted_deviation(1.0, correlation).unwrap_err()));
    }
}

#[test]
fn what_cannot_be_proven_is_refused() {
    let undefined = |refusal: Refusal| matches!(refusal, Refusal::Undefined { .. });
    let invalid = |refusal: Refusal| matches!(refusal, Refusal::Invalid { .. });
    // Expected to be worse by the margin, or by more.
    for (treatment, goal) in [
        (0.09, Goal::Increase),
        (0.08, Goal::Increase),
        (0.11, Goal::Decrease),
    ] {
        let design = kept(0.01 - 1e-15, goal);
        assert!(undefined(
            noninferiority::proportions(treatment, 0.1, &design, 0.8).unwrap_err()
        ));
        assert!(undefined(
            noninferiority::proportions_score(treatment, 0.1, &design, 0.8).unwrap_err()
        ));
        assert!(undefined(
            noninferiority::means(treatment - 0.1, 1.0, &design, 0.8).unwrap_err()
        ));
    }
    assert!(invalid(
        noninferiority::means(0.0, 1.0, &kept(0.0, Goal::Increase), 0.8).unwrap_err()
    ));
    let design = equivalence::Design {
        alpha: 0.05,
        ratio: 1.0,
        margin: 0.1,
    };
    assert!(undefined(
        equivalence::means(-0.1, 1.0, &design, 0.8).unwrap_err()
    ));
    assert!(invalid(
        equivalence::means(f64::INFINITY, 1.0, &design, 0.8).unwrap_err()
    ));
}

/// Nine users find nothing in 95 %, and it is said how many would.
#[test]
fn too_few_units_find_nothing() {
    let Err(Refusal::TooFew { have, need, .. }) =
        proportions::detectable(0.95, &EVEN, 0.8, 9.0, Goal::Increase)
    else {
        panic!("nothing can be found");
    };
    assert_eq!(have, 9.0);
    assert!(proportions::detectable(0.95, &EVEN, 0.8, need - 1.0, Goal::Increase).is_err());
    assert!(proportions::detectable(0.95, &EVEN, 0.8, need, Goal::Increase).is_ok());
    let found = proportions::detectable(0.95, &EVEN, 0.8, 9.0, Goal::Decrease).unwrap();
    assert!(found.treatment < 0.95 && found.lift < 0.0, "{found:?}");
}

fn designs() -> impl Strategy<Value = Design> {
    (0.001..0.2_f64, any::<bool>(), 0.1..10.0_f64).prop_map(|(alpha, two, ratio)| Design {
        alpha,
        sides: if two { Sides::Two } else { Sides::One },
        ratio,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The size has the power, what is detectable with it is the difference, and the mirror image is the same.
    #[test]
    fn proportions_come_full_circle(
        design in designs(), control in 0.05..0.95_f64, treatment in 0.05..0.95_f64, power in 0.5..0.99_f64,
    ) {
        prop_assume!((treatment - control).abs() > 0.01);
        let sizes = proportions::size(treatment, control, &design, power).unwrap();
        prop_assert!((sizes.treatment / sizes.control - design.ratio).abs() < 1e-9);
        let had = proportions::power(treatment, control, &design, sizes.control).unwrap();
        // The wrong side is in the power and not in the size.
        let wrong_side = if design.sides == Sides::Two { design.alpha / 2.0 } else { 0.0 };
        prop_assert!(had > power - 1e-7 && had < power + wrong_side + 1e-7, "{had}");
        let goal = if treatment > control { Goal::Increase } else { Goal::Decrease };
        let found = proportions::detectable(control, &design, power, sizes.control, goal).unwrap();
        prop_assert!((found.treatment - treatment).abs() < 1e-6, "{found:?}");
        prop_assert!((found.lift - (treatment / control - 1.0)).abs() < 1e-5);
        let mirrored = proportions::size(1.0 - treatment, 1.0 - control, &design, power).unwrap();
        prop_assert!((mirrored.control / sizes.control - 1.0).abs() < 1e-9);
        let h = proportions::effect_h(treatment, control).unwrap();
        prop_assert!((h - 2.0 * (treatment.sqrt().asin() - control.sqrt().asin())).abs() < 1e-12);
    }

    #[test]
    fn means_come_full_circle(
        design in designs(), difference in 0.02..1.5_f64, sd in 0.5..2.0_f64, power in 0.5..0.99_f64,
    ) {
        let sizes = means::size(difference, sd, &design, power).unwrap();
        let had = means::power(-difference, sd, &design, sizes.control).unwrap();
        let fewest = sizes.control + sizes.treatment < 3.0 + 1e-9;
        prop_assert!((had - power).abs() < 1e-6 || (fewest && had > power), "{had}");
        let found = means::detectable(sd, &design, power, sizes.control * (1.0 + 1e-12)).unwrap();
        prop_assert!((found / difference - 1.0).abs() < 1e-5 || (fewest && found < difference), "{found}");
        // The t test pays for the deviation that it does not know; the wrong side helps it a little.
        let design_of_one = Design { sides: Sides::One, ..design };
        let known = means::size_normal(difference, sd, &design_of_one, power).unwrap();
        let unknown = means::size(difference, sd, &design_of_one, power).unwrap();
        prop_assert!(unknown.control > known.control * (1.0 - 1e-6), "{unknown:?} {known:?}");
        let nothing = means::power(0.0, sd, &design, 50.0).unwrap();
        prop_assert!((nothing - design.alpha).abs() < 1e-6, "{nothing}");
        let normal = means::detectable_normal(sd, &design, power, 50_000.0).unwrap();
        let student = means::detectable(sd, &design, power, 50_000.0).unwrap();
        prop_assert!((student / normal - 1.0).abs() < 1e-3, "{student} {normal}");
    }

    /// What is good one way is good the other way with the goal turned.
    #[test]
    fn goals_mirror_each_other(
        control in 0.1..0.9_f64, treatment in 0.1..0.9_f64, margin in 0.01..0.2_f64, power in 0.5..0.99_f64,
    ) {
        prop_assume!(treatment - control + margin > 1e-3);
        for size in [noninferiority::proportions, noninferiority::proportions_score] {
            let more = size(treatment, control, &kept(margin, Goal::Increase), power);
            let less = size(1.0 - treatment, 1.0 - control, &kept(margin, Goal::Decrease), power);
            match (more, less) {
                (Ok(more), Ok(less)) => prop_assert!((more.control / less.control - 1.0).abs() < 1e-8),
                (more, less) => prop_assert_eq!(more, less),
            }
        }
        // A wider margin is easier to keep.
        let at = |margin| noninferiority::means(treatment - control, 1.0, &kept(margin, Goal::Increase), power);
        prop_assert!(at(margin * 1.1).unwrap().control < at(margin).unwrap().control);
    }

    /// Both tests together miss as often as they may.
    #[test]
    fn equivalence_has_its_power(difference in -0.9..0.9_f64, power in 0.5..0.99_f64, ratio in 0.2..5.0_f64) {
        let design = equivalence::Design { alpha: 0.05, ratio, margin: 1.0 };
        let sizes = equivalence::means(difference, 3.0, &design, power).unwrap();
        let turned = equivalence::means(-difference, 3.0, &design, power).unwrap();
        prop_assert!((sizes.control / turned.control - 1.0).abs() < 1e-9);
        let error = 3.0 * (1.0 / sizes.control + 1.0 / sizes.treatment).sqrt();
        let missed = |room: f64| tidegate_stats::distribution::normal::sf(room / error - 1.644_853_626_951_472_2);
        let had = 1.0 - missed(1.0 - difference) - missed(1.0 + difference);
        prop_assert!((had - power).abs() < 1e-7, "{had}");
    }
}
