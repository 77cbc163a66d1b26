//! Corrections for many tests against their definitions: the closure of Simes' test, the order among the
//! corrections, and decisions that agree with intervals.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tidegate_stats::multiplicity::{Adjusted, Correction, Coverage, adjust, e_benjamini_hochberg};
use tidegate_stats::{PValue, Refusal};

const ALL: [Correction; 9] = [
    Correction::Bonferroni,
    Correction::Sidak,
    Correction::Holm,
    Correction::HolmSidak,
    Correction::Hochberg,
    Correction::Hommel,
    Correction::BenjaminiHochberg,
    Correction::BenjaminiYekutieli,
    Correction::TwoStage,
];

fn given(p: f64) -> PValue {
    PValue::new(p, p.ln())
}

fn by(p: &[f64], correction: Correction, alpha: f64) -> Vec<Adjusted> {
    let p: Vec<PValue> = p.iter().copied().map(given).collect();
    adjust(&p, correction, alpha).unwrap()
}

#[test]
fn what_is_no_chance_is_refused() {
    for correction in ALL {
        assert!(matches!(
            adjust(&[], correction, 0.05),
            Err(Refusal::TooFew { .. })
        ));
        let wrong = [
            given(f64::NAN),
            given(1.5),
            given(-0.1),
            PValue::new(0.5, f64::NAN),
            PValue::new(0.5, -3.0),
            PValue::new(0.0, -1.0),
        ];
        for p in wrong {
            let refused = adjust(&[given(0.01), p, given(0.2)], correction, 0.05);
            assert!(
                matches!(refused, Err(Refusal::Invalid { .. })),
                "{p:?}: {refused:?}"
            );
        }
        for alpha in [0.0, 1.0, f64::NAN] {
            assert!(adjust(&[given(0.5)], correction, alpha).is_err());
        }
    }
    assert!(matches!(
        e_benjamini_hochberg(&[], 0.05),
        Err(Refusal::TooFew { .. })
    ));
    assert!(matches!(
        e_benjamini_hochberg(&[1.0, f64::NAN], 0.05),
        Err(Refusal::Invalid { .. })
    ));
    assert!(e_benjamini_hochberg(&[1.0], 0.0).is_err());
}

/// Numbers that all underflow to 0 keep their order and their distance.
#[test]
fn chances_that_underflow_keep_their_order() {
    let far = |ln: f64| PValue::from_ln(ln);
    let family = [far(-9000.0), given(0.3), far(-2000.0), far(-5000.0), far(-1500.0)];
    for correction in ALL {
        let said = adjust(&family, correction, 0.05).unwrap();
        let ln = |at: usize| said[at].p.ln;
        assert!(
            ln(0) < ln(3) && ln(3) < ln(2) && ln(2) < ln(4) && ln(4) < ln(1),
            "{correction:?}: {said:?}"
        );
        let rejected: Vec<bool> = said.iter().map(|one| one.rejected).collect();
        assert_eq!(rejected, [true, false, true, true, true]);
    }
    let holm = adjust(&family, Correction::Holm, 0.05).unwrap();
    assert!((holm[0].p.ln - (-9000.0 + 5.0_f64.ln())).abs() < 1e-9);
    assert!((holm[2].p.ln - (-2000.0 + 3.0_f64.ln())).abs() < 1e-9);
}

/// The three rejected of ten: their intervals are at 3 / 10 of alpha (Benjamini, Yekutieli 2005).
#[test]
fn levels_of_intervals() {
    let p = [0.001, 0.8, 0.013, 0.5, 0.004, 0.9, 0.3, 0.7, 0.6, 0.4];
    let level = |correction| by(&p, correction, 0.05)[0].level.unwrap();
    let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-15, "{got} for {want}");
    near(level(Correction::BenjaminiHochberg), 0.015);
    near(level(Correction::Bonferroni), 0.005);
    near(level(Correction::Sidak), 1.0 - 0.95_f64.powf(0.1));
    // Holm rejects the first two, at 5 % / 10 and / 9; what is kept is at the level of the third.
    let holm = by(&p, Correction::Holm, 0.05);
    let levels: Vec<f64> = holm.iter().map(|one| one.level.unwrap()).collect();
    assert_eq!(
        [levels[0], levels[4], levels[2], levels[1]],
        [0.05 / 10.0, 0.05 / 9.0, 0.05 / 8.0, 0.05 / 8.0]
    );
    assert_eq!(Correction::Bonferroni.coverage(), Some(Coverage::Simultaneous));
    assert_eq!(
        Correction::BenjaminiYekutieli.coverage(),
        Some(Coverage::FalseCoverageRate)
    );
    assert_eq!(Correction::Hommel.coverage(), Some(Coverage::Agreeing));
    assert_eq!(
        (
            Correction::TwoStage.coverage(),
            by(&p, Correction::TwoStage, 0.05)[0].level
        ),
        (None, None)
    );
}

/// For every hypothesis the largest of Simes' p-values of the sets that hold it.
fn closure_of_simes(p: &[f64]) -> Vec<f64> {
    let mut worst = vec![0.0_f64; p.len()];
    for set in 1_u32..1 << p.len() {
        let holds = |at: usize| set >> at & 1 == 1;
        let mut members: Vec<f64> = p
            .iter()
            .enumerate()
            .filter(|(at, _)| holds(*at))
            .map(|(_, p)| *p)
            .collect();
        members.sort_by(f64::total_cmp);
        let size = members.len() as f64;
        let simes = (1..)
            .zip(&members)
            .map(|(rank, p)| p * size / f64::from(rank))
            .fold(1.0, f64::min);
        for (_, worst) in worst.iter_mut().enumerate().filter(|(at, _)| holds(*at)) {
            *worst = worst.max(simes);
        }
    }
    worst
}

/// Small ones among large ones, and some the same.
fn family(most: usize) -> impl Strategy<Value = Vec<f64>> {
    let one = prop_oneof![
        0.0..1.0_f64,
        1e-4..0.05_f64,
        (1..20_u8).prop_map(|p| f64::from(p) / 211.0)
    ];
    prop::collection::vec(one, 1..=most)
}

proptest! {
    #[test]
    fn hommel_is_the_closure_of_simes(p in family(8)) {
        let got = by(&p, Correction::Hommel, 0.05);
        for (got, want) in got.iter().zip(closure_of_simes(&p)) {
            prop_assert!((got.p.p - want).abs() <= 1e-12 * want, "{got:?} {want}");
        }
    }

    #[test]
    fn corrections_are_ordered(p in family(30), alpha in 0.005..0.3_f64) {
        let all = ALL.map(|correction| by(&p, correction, alpha));
        let [bonferroni, sidak, holm, holm_sidak, hochberg, hommel, bh, by, _] = &all;
        for (more, less) in [
            (bonferroni, sidak), (bonferroni, holm), (holm, holm_sidak), (holm, hochberg), (hochberg, hommel),
            (hommel, bh), (by, bh), (sidak, holm_sidak),
        ] {
            for (more, less) in more.iter().zip(less) {
                prop_assert!(more.p.p >= less.p.p * (1.0 - 1e-12), "{more:?} {less:?}");
            }
        }
        for (one, raw) in all[..8].iter().flat_map(|said| said.iter().zip(&p)) {
            prop_assert!(one.p.p >= raw * (1.0 - 1e-12) && one.p.p <= 1.0);
            prop_assert!((one.p.ln.exp() - one.p.p).abs() <= 1e-9 * one.p.p);
            prop_assert_eq!(one.rejected, one.p.p <= alpha);
            // The interval leaves the null out where the p-value itself is at most its level.
            let level = one.level.unwrap();
            prop_assert!(level > 0.0 && level <= alpha * (1.0 + 1e-12));
            let on_the_edge = (raw / level - 1.0).abs() < 1e-9;
            prop_assert!(on_the_edge || one.rejected == (*raw < level), "{one:?} {raw}");
        }
    }

    /// In whatever order they come, each gets the same.
    #[test]
    fn order_does_not_matter(p in family(20), turn in 0..20_usize, alpha in 0.01..0.2_f64) {
        let turn = turn % p.len();
        let mut turned = p.clone();
        turned.rotate_left(turn);
        for correction in ALL {
            let mut got = by(&p, correction, alpha);
            got.rotate_left(turn);
            prop_assert_eq!(got, by(&turned, correction, alpha));
        }
    }

    /// The second stage rejects whatever the one stage does at alpha / (1 + alpha), and knows of fewer nulls.
    #[test]
    fn two_stages_find_more(p in family(30), alpha in 0.01..0.2_f64) {
        let one = by(&p, Correction::BenjaminiHochberg, alpha / (1.0 + alpha));
        let two = by(&p, Correction::TwoStage, alpha);
        for (one, two) in one.iter().zip(&two) {
            prop_assert!(!one.rejected || two.rejected);
        }
    }

    /// For e-values of 1 / p it decides as Benjamini and Hochberg do for p.
    #[test]
    fn e_values_of_p_values(p in family(30), alpha in 0.01..0.2_f64) {
        let ln_e: Vec<f64> = p.iter().map(|p| -p.ln()).collect();
        let family = e_benjamini_hochberg(&ln_e, alpha).unwrap();
        let want = by(&p, Correction::BenjaminiHochberg, alpha);
        for (got, want) in family.decisions.iter().zip(&want) {
            let on_the_edge = (want.p.p / alpha - 1.0).abs() < 1e-9;
            prop_assert!(on_the_edge || got.rejected == want.rejected);
            prop_assert!(on_the_edge || got.rejected == (got.ln_e >= family.ln_threshold));
            prop_assert!((got.ln_adjusted.min(0.0) - want.p.ln).abs() < 1e-9);
        }
    }
}
