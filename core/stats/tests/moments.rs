//! Moments: that adding up gives what one look at all values gives, and what is refused.

use proptest::prelude::*;
use tidegate_stats::Refusal;
use tidegate_stats::moments::{Comoments, JointMoments, Moments, PairSums};

fn near(got: f64, want: f64, scale: f64, what: &str) {
    assert!((got - want).abs() <= 1e-10 * scale, "{what}: {got} for {want}");
}

/// Means within a small part of the spread, squares within a small part of themselves.
fn same(got: &Moments, want: &Moments, digits_lost: f64) {
    assert_eq!(got.n, want.n);
    let level = want.mean.abs() + want.m2.sqrt();
    near(got.mean, want.mean, digits_lost * level.max(1e-12), "mean");
    near(
        got.m2,
        want.m2,
        digits_lost * (want.m2 + level * 1e-3).max(1e-12),
        "m2",
    );
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-1e3..1e3_f64, 1..60)
}

fn rows() -> impl Strategy<Value = Vec<[f64; 3]>> {
    prop::collection::vec(prop::array::uniform3(-50.0..50.0_f64), 2..40)
}

proptest! {
    #[test]
    fn a_merge_is_the_moments_of_all(first in values(), second in values()) {
        let all: Vec<f64> = first.iter().chain(&second).copied().collect();
        let (a, b) = (Moments::of_values(&first), Moments::of_values(&second));
        same(&a.merged(&b), &Moments::of_values(&all), 1.0);
        same(&b.merged(&a), &Moments::of_values(&all), 1.0);
    }

    #[test]
    fn one_by_one_is_all_at_once(values in values()) {
        let mut moments = Moments::default();
        for value in &values {
            moments.push(*value);
        }
        same(&moments, &Moments::of_values(&values), 1.0);
    }

    #[test]
    fn a_removal_undoes_a_push(values in values(), one in -1e3..1e3_f64) {
        let before = Moments::of_values(&values);
        let mut moments = before;
        moments.push(one);
        let with = moments;
        match moments.remove(one) {
            // The digits that a removal may lose are those by which the squares may shrink.
            Ok(()) => same(&moments, &before, 1e3),
            Err(refusal) => {
                let lost = matches!(refusal, Refusal::Undefined { .. });
                prop_assert!(lost);
                prop_assert_eq!(moments, with, "a refusal changes nothing");
            }
        }
    }

    #[test]
    fn a_replacement_is_as_if_it_had_been_so_from_the_start(
        mut values in prop::collection::vec(0.0..100.0_f64, 5..60),
        step in 0.0..500.0_f64,
    ) {
        let mut moments = Moments::of_values(&values);
        let old = values[0];
        moments.replace(old, old + step).unwrap();
        values[0] += step;
        same(&moments, &Moments::of_values(&values), 1e3);
    }

    #[test]
    fn sums_of_whole_numbers_lose_nothing(values in prop::collection::vec(-1_000_i64..1_000, 1..50), offset in -1_000_000_000_i64..1_000_000_000) {
        let shifted: Vec<i128> = values.iter().map(|value| i128::from(value + offset)).collect();
        let sum = shifted.iter().sum();
        let squares = shifted.iter().map(|value| value * value).sum();
        let got = Moments::of_sums(shifted.len() as u64, sum, squares).unwrap();
        // The squares are those of the values without the offset, which small numbers have exactly.
        let plain: Vec<f64> = values.iter().map(|value| *value as f64).collect();
        let want = Moments::of_values(&plain);
        near(got.m2, want.m2, want.m2.max(1e-12), "m2");
        near(got.mean, want.mean + offset as f64, (offset as f64).abs() + 1.0, "mean");
    }

    #[test]
    fn pairs_are_the_same_from_sums_and_from_values(pairs in prop::collection::vec((-1_000_i64..1_000, -1_000_i64..1_000), 1..50)) {
        let mut sums = PairSums { n: pairs.len() as u64, ..PairSums::default() };
        for (x, y) in &pairs {
            let (x, y) = (i128::from(*x), i128::from(*y));
            sums.x += x;
            sums.y += y;
            sums.xx += x * x;
            sums.yy += y * y;
            sums.xy += x * y;
        }
        let got = Comoments::of_sums(&sums).unwrap();
        let rows: Vec<[f64; 2]> = pairs.iter().map(|(x, y)| [*x as f64, *y as f64]).collect();
        let want = Comoments::of_values(&rows);
        near(got.c_xy, want.c_xy, (want.m2_x * want.m2_y).sqrt() + 1e-9, "c_xy");
        near(got.m2_x, want.m2_x, want.m2_x + 1e-9, "m2_x");
        near(got.mean_y, want.mean_y, 1_000.0, "mean_y");
    }

    #[test]
    fn joint_moments_merge_like_single_ones(first in rows(), second in rows()) {
        let all: Vec<[f64; 3]> = first.iter().chain(&second).copied().collect();
        let want = JointMoments::of_rows(&all);
        let mut merged = JointMoments::of_rows(&first);
        merged.merge(&JointMoments::of_rows(&second));
        let mut pushed = JointMoments::default();
        for row in &all {
            pushed.push(row);
        }
        for got in [merged, pushed] {
            prop_assert_eq!(got.n, want.n);
            for i in 0..3 {
                near(got.means[i], want.means[i], 100.0, "mean");
                for j in 0..3 {
                    near(got.products[i][j], want.products[i][j], 1e5, "product");
                    prop_assert!((got.products[i][j] - got.products[j][i]).abs() < 1e-6);
                }
            }
        }
        // The first two values alone are a pair.
        let mut pairs = Comoments::default();
        for [x, y, _] in &all {
            pairs.push(*x, *y);
        }
        near(pairs.c_xy, want.products[0][1], 1e5, "c_xy");
        near(pairs.m2_y, want.products[1][1], 1e5, "m2_y");
    }

    #[test]
    fn pairs_merge(first in rows(), second in rows()) {
        let pairs = |rows: &[[f64; 3]]| {
            let pairs: Vec<[f64; 2]> = rows.iter().map(|[x, y, _]| [*x, x + y]).collect();
            Comoments::of_values(&pairs)
        };
        let all: Vec<[f64; 3]> = first.iter().chain(&second).copied().collect();
        let (got, want) = (pairs(&first).merged(&pairs(&second)), pairs(&all));
        near(got.c_xy, want.c_xy, want.m2_x + want.m2_y, "c_xy");
        near(got.m2_x, want.m2_x, want.m2_x, "m2_x");
        near(got.mean_y, want.mean_y, 100.0, "mean_y");
        let correlation = want.correlation().unwrap();
        prop_assert!((-1.0..=1.0).contains(&correlation));
    }
}

#[test]
fn few_values() {
    assert_eq!(Moments::of_values(&[]), Moments::default());
    assert_eq!(Moments::default().variance(), None);
    let one = Moments::of_values(&[5.0]);
    assert_eq!((one.n, one.mean, one.m2, one.variance()), (1, 5.0, 0.0, None));
    assert_eq!(Moments::of_values(&[1.0, 3.0]).variance(), Some(2.0));
    assert_eq!(one.merged(&Moments::default()), one);
    assert_eq!(Moments::default().merged(&one), one);
    assert_eq!(Comoments::default().covariance(), None);
    assert_eq!(Comoments::of_values(&[[1.0, 2.0]]).correlation(), None);
}

#[test]
fn equal_values_do_not_vary_at_all() {
    for value in [0.1, 1.0 / 3.0, -7.7e300, 4e-310, 0.0] {
        let moments = Moments::of_values(&[value; 37]);
        assert_eq!((moments.mean, moments.m2), (value, 0.0), "{value}");
    }
}

#[test]
fn a_thousand_million_users() {
    // Half of them 1, half of them 0, and all of it 10^12 farther out.
    let n = 1_000_000_000_u64;
    let (half, far) = (500_000_000_i128, 1_000_000_000_000_i128);
    for offset in [0, far, -far] {
        let sum = half + i128::from(n) * offset;
        let squares = half * (2 * offset + 1) + i128::from(n) * offset * offset;
        let moments = Moments::of_sums(n, sum, squares).unwrap();
        near(moments.variance().unwrap(), 0.250_000_000_25, 0.25, "variance");
    }
    let twice = Moments::of_variance(n, 3.0, 0.25).merged(&Moments::of_variance(n, 3.0, 0.25));
    assert_eq!(twice.n, 2 * n);
    // The divisor is one more than that of both parts.
    near(twice.variance().unwrap(), 0.249_999_999_875, 0.25, "variance");
}

#[test]
fn winsorised_values() {
    let values = [1.0, 2.0, 3.0, 1e9, -1e9];
    let capped = Moments::of_winsorised(&values, 0.0, 10.0).unwrap();
    assert_eq!(capped, Moments::of_values(&[1.0, 2.0, 3.0, 10.0, 0.0]));
    let free = Moments::of_winsorised(&values, f64::NEG_INFINITY, f64::INFINITY).unwrap();
    assert_eq!(free, Moments::of_values(&values));
    for (lower, upper) in [(2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::NAN)] {
        assert!(Moments::of_winsorised(&values, lower, upper).is_err());
    }
}

#[test]
fn what_cannot_be_taken_out() {
    assert!(matches!(
        Moments::default().remove(1.0),
        Err(Refusal::TooFew { .. })
    ));
    assert!(matches!(
        Moments::default().replace(1.0, 2.0),
        Err(Refusal::TooFew { .. })
    ));
    let mut alone = Moments::of_values(&[3.0]);
    alone.replace(3.0, 4.0).unwrap();
    assert_eq!(alone, Moments::of_values(&[4.0]));
    alone.remove(4.0).unwrap();
    assert_eq!(alone, Moments::default());
    // Beside one huge value the others have left no digits.
    for others in [&[1.0][..], &[1.0, 2.0, 4.0][..]] {
        let mut values = others.to_vec();
        values.push(1e16);
        let mut moments = Moments::of_values(&values);
        let before = moments;
        assert!(matches!(moments.remove(1e16), Err(Refusal::Undefined { .. })));
        assert!(moments.n < 3 || moments.replace(1e16, 3.0).is_err());
        assert_eq!(moments, before);
    }
}

#[test]
fn sums_that_no_values_have() {
    for (n, sum, squares) in [
        (0, 1, 1),
        (0, 0, 1),
        (2, 4, 7),
        (1, 3, 10 - 2),
        (3, 0, -1),
        (2, i128::MAX, 1),
        (2, 1, i128::MIN),
    ] {
        assert!(
            matches!(Moments::of_sums(n, sum, squares), Err(Refusal::Invalid { .. })),
            "{n} {sum} {squares}"
        );
    }
    let impossible = PairSums {
        n: 4,
        x: 2,
        y: 2,
        xx: 2,
        yy: 2,
        xy: 4,
    };
    assert!(Comoments::of_sums(&impossible).is_err());
    assert_eq!(Comoments::of_sums(&PairSums::default()), Ok(Comoments::default()));
    let (x, y) = (Moments::of_values(&[1.0, 2.0]), Moments::of_values(&[1.0]));
    assert!(Comoments::of_covariance(&x, &y, 0.0).is_err());
}

#[test]
fn what_is_no_number_stays_visible() {
    for wrong in [f64::NAN, f64::INFINITY] {
        let moments = Moments::of_values(&[1.0, wrong, 2.0]);
        assert_eq!(moments.variance(), None);
        let all = Moments::of_values(&[1.0, 2.0, 3.0]).merged(&moments);
        assert_eq!(all.variance(), None);
        let mut pushed = Moments::of_values(&[1.0, 2.0]);
        pushed.push(wrong);
        assert_eq!(pushed.variance(), None);
    }
}
