//! Several groups: that two groups give what the tests of two give, and what is refused.

use proptest::prelude::*;
use tidegate_stats::anova::{FTest, brown_forsythe, classic, kruskal_wallis, welch};
use tidegate_stats::mean::{student_t, welch_t};
use tidegate_stats::moments::Moments;
use tidegate_stats::rank::{Method, Pooled, mann_whitney};
use tidegate_stats::{Alternative, Refusal};

type Test = fn(&[Moments]) -> Result<FTest, Refusal>;

const TESTS: [Test; 3] = [classic, welch, brown_forsythe];

fn close(got: f64, want: f64) -> bool {
    (got - want).abs() <= 1e-8 * want.abs()
}

fn group() -> impl Strategy<Value = Moments> {
    (2_u64..5_000, -3.0..3.0_f64, 0.5..50.0_f64)
        .prop_map(|(n, mean, variance)| Moments::of_variance(n, mean, variance))
}

proptest! {
    #[test]
    fn two_groups_are_a_t_test(a in group(), b in group()) {
        let side = Alternative::TwoSided;
        let pairs = [
            (classic(&[a, b]).unwrap(), student_t(&a, &b, side, 0.05).unwrap()),
            (welch(&[a, b]).unwrap(), welch_t(&a, &b, side, 0.05).unwrap()),
            (brown_forsythe(&[a, b]).unwrap(), welch_t(&a, &b, side, 0.05).unwrap()),
        ];
        for (f, t) in pairs {
            prop_assert!(close(f.f, t.statistic * t.statistic) || f.f < 1e-12, "{:?} {:?}", f, t);
            prop_assert!(close(f.df1, 1.0) && close(f.df2, t.df.unwrap()), "{:?} {:?}", f, t);
            prop_assert!((f.p.p - t.p.p).abs() <= 1e-6 * t.p.p || t.p.p < 1e-12, "{:?} {:?}", f, t);
        }
    }

    #[test]
    fn neither_order_nor_unit_nor_origin_matters(groups in prop::collection::vec(group(), 2..7), unit in 0.001..1000.0_f64, origin in -100.0..100.0_f64) {
        let changed: Vec<Moments> = groups
            .iter()
            .rev()
            .map(|group| Moments { n: group.n, mean: group.mean * unit + origin * unit, m2: group.m2 * unit * unit })
            .collect();
        for test in TESTS {
            let (plain, changed) = (test(&groups).unwrap(), test(&changed).unwrap());
            prop_assert!((changed.f - plain.f).abs() <= 1e-8 * plain.f + 1e-8, "{:?} {:?}", plain, changed);
            prop_assert!(close(changed.df1, plain.df1) && close(changed.df2, plain.df2));
        }
    }

    #[test]
    fn ranks_of_two_groups_are_the_rank_sum_test(a in prop::collection::vec(-9..9_i8, 1..30), b in prop::collection::vec(-9..9_i8, 1..30)) {
        let [a, b] = [a, b].map(|group| group.into_iter().map(f64::from).collect::<Vec<f64>>());
        let method = Method::Asymptotic { continuity: false };
        let pooled = Pooled::of_values(&a, &b).unwrap();
        let ranks = mann_whitney(&pooled, Alternative::TwoSided, method).unwrap();
        match kruskal_wallis(&[&a, &b]) {
            Ok(test) => prop_assert!((test.p.p - ranks.p.unwrap().p).abs() < 1e-9, "{:?} {:?}", test, ranks),
            Err(refusal) => {
                prop_assert_eq!(refusal, Refusal::NoVariance);
                prop_assert_eq!(ranks.p, Err(Refusal::NoVariance));
            }
        }
    }

    #[test]
    fn ranks_do_not_see_the_scale(groups in prop::collection::vec(prop::collection::vec(-20..20_i8, 1..12), 2..5)) {
        let plain: Vec<Vec<f64>> = groups.iter().map(|group| group.iter().map(|value| f64::from(*value)).collect()).collect();
        let curved: Vec<Vec<f64>> = plain.iter().map(|group| group.iter().map(|value| (value / 7.0).exp() * 1e6).collect()).collect();
        prop_assert_eq!(kruskal_wallis(&plain), kruskal_wallis(&curved));
    }
}

#[test]
fn farther_means_are_stronger_evidence() {
    for test in TESTS {
        let at = |apart: f64| {
            let groups = [0.0, 1.0, 2.0].map(|step| Moments::of_variance(40, apart * step, 4.0));
            test(&groups).unwrap()
        };
        assert_eq!(at(0.0).p.p, 1.0);
        for (near, far) in [(0.0, 0.2), (0.2, 0.5), (0.5, 2.0)] {
            assert!(at(far).f > at(near).f && at(far).p.p < at(near).p.p);
        }
    }
}

#[test]
fn a_thousand_million_values_a_group() {
    let groups = [1.0, 1.0001, 1.0002].map(|mean| Moments::of_variance(1_000_000_000, mean, 4.0));
    for test in TESTS {
        let answer = test(&groups).unwrap();
        assert!((answer.f - 2.5).abs() < 1e-6, "{answer:?}");
        assert!(answer.p.p > 0.08 && answer.p.p < 0.0822, "{answer:?}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let good = Moments::of_variance(10, 5.0, 2.0);
    let constant = Moments::of_values(&[0.1; 12]);
    for test in TESTS {
        for groups in [&[][..], &[good][..]] {
            assert!(matches!(
                test(groups),
                Err(Refusal::TooFew { what: "groups", .. })
            ));
        }
        for few in [Moments::default(), Moments::of_values(&[1.0])] {
            assert!(matches!(test(&[good, few, good]), Err(Refusal::TooFew { .. })));
        }
        for wrong in [
            Moments::of_variance(9, f64::NAN, 1.0),
            Moments::of_variance(9, 1.0, -1.0),
        ] {
            assert!(matches!(test(&[good, wrong]), Err(Refusal::Invalid { .. })));
        }
        assert_eq!(test(&[constant, constant]), Err(Refusal::NoVariance));
    }
    assert_eq!(welch(&[good, constant]), Err(Refusal::NoVariance));
    assert!(classic(&[good, constant]).is_ok() && brown_forsythe(&[good, constant]).is_ok());
}

#[test]
fn ranks_that_say_nothing_are_refused() {
    let none: [Vec<f64>; 0] = [];
    assert!(matches!(kruskal_wallis(&none), Err(Refusal::TooFew { .. })));
    assert!(matches!(
        kruskal_wallis(&[vec![1.0, 2.0]]),
        Err(Refusal::TooFew { .. })
    ));
    assert!(matches!(
        kruskal_wallis(&[vec![1.0, 2.0], vec![]]),
        Err(Refusal::TooFew { .. })
    ));
    assert!(matches!(
        kruskal_wallis(&[vec![1.0, f64::NAN], vec![2.0]]),
        Err(Refusal::Invalid { .. })
    ));
    assert_eq!(
        kruskal_wallis(&[vec![0.0, -0.0], vec![0.0]]),
        Err(Refusal::NoVariance)
    );
}
