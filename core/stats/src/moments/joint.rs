//! Moments of several values of the same user.

use super::accurate::Sum;
use super::{Apart, at_least_zero, count, size};
use crate::Refusal;

/// Count, means and centred sums of products of `K` values of the same user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JointMoments<const K: usize> {
    /// How many users.
    pub n: u64,
    /// The mean of each value; 0 while there is none.
    pub means: [f64; K],
    /// For each two values the sum of products of their distances from their means; symmetric, with sums of
    /// squares on the diagonal.
    pub products: [[f64; K]; K],
}

impl<const K: usize> Default for JointMoments<K> {
    fn default() -> Self {
        Self {
            n: 0,
            means: [0.0; K],
            products: [[0.0; K]; K],
        }
    }
}

impl<const K: usize> JointMoments<K> {
    /// Of all users at once, as exactly as [`super::Moments::of_values`].
    #[must_use]
    pub fn of_rows(rows: &[[f64; K]]) -> Self {
        if rows.is_empty() {
            return Self::default();
        }
        let n = size(rows.len());
        let mut totals = [Sum::default(); K];
        for row in rows {
            add(&mut totals, row);
        }
        let means = totals.map(|total| total.mean(count(n)));
        let mut products = [[Sum::default(); K]; K];
        let mut off = [Sum::default(); K];
        for row in rows {
            let away = less(row, &means);
            add(&mut off, &away);
            for (line, first) in products.iter_mut().zip(&away) {
                add(line, &away.map(|second| first * second));
            }
        }
        // What the rounding of the means added to the products.
        let off = off.map(Sum::total);
        let mut joint = Self {
            n,
            means,
            products: products.map(|line| line.map(Sum::total)),
        };
        joint.add_products(&off, -1.0 / count(n));
        joint.clear_rounding();
        joint
    }

    /// Takes in one more user.
    pub fn push(&mut self, row: &[f64; K]) {
        let one = Self {
            n: 1,
            means: *row,
            products: [[0.0; K]; K],
        };
        self.merge(&one);
    }

    /// Takes in all that the other has seen: the result is that of all users together (Chan, Golub, LeVeque
    /// 1983, The American Statistician 37:242, equation 2.1, and the same for products).
    pub fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        if self.n == 0 {
            *self = *other;
            return;
        }
        let apart = Apart::of(self.n, other.n);
        let away = less(&other.means, &self.means);
        self.n = apart.n;
        for (mean, away) in self.means.iter_mut().zip(&away) {
            *mean += away * apart.share;
        }
        for (line, more) in self.products.iter_mut().zip(&other.products) {
            for (product, more) in line.iter_mut().zip(more) {
                *product += more;
            }
        }
        self.add_products(&away, apart.weight);
    }

    fn add_products(&mut self, away: &[f64; K], weight: f64) {
        for (line, first) in self.products.iter_mut().zip(away) {
            for (product, second) in line.iter_mut().zip(away) {
                *product += first * second * weight;
            }
        }
    }

    fn clear_rounding(&mut self) {
        for (at, line) in self.products.iter_mut().enumerate() {
            if let Some(squares) = line.get_mut(at) {
                *squares = at_least_zero(*squares);
            }
        }
    }

    /// The sample covariance of two weighted sums of a user's values, with the divisor n - 1.
    pub(crate) fn covariance_along(&self, first: &[f64; K], second: &[f64; K]) -> f64 {
        let lines = self.products.iter().zip(first);
        let sum: f64 = lines.map(|(line, weight)| weight * dot(line, second)).sum();
        sum / (count(self.n) - 1.0)
    }

    /// The sample variance of a weighted sum of a user's values, with the divisor n - 1. What is no more than
    /// rounding of its parts is 0.
    pub(crate) fn variance_along(&self, weights: &[f64; K]) -> f64 {
        let variance = self.covariance_along(weights, weights);
        let lines = self.products.iter().zip(weights);
        let parts: f64 = lines
            .map(|(line, weight)| weight.abs() * dot(&line.map(f64::abs), &weights.map(f64::abs)))
            .sum();
        let rounding = 32.0 * f64::EPSILON * parts / (count(self.n) - 1.0);
        if variance <= rounding { 0.0 } else { variance }
    }

    /// # Errors
    ///
    /// Below two users, and for what is no moments.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        for (at, (mean, line)) in self.means.iter().zip(&self.products).enumerate() {
            if !mean.is_finite() {
                return Err(Refusal::Invalid {
                    field: "mean",
                    value: *mean,
                    rule: "be finite",
                });
            }
            for (across, product) in line.iter().enumerate() {
                if !product.is_finite() || (across == at && *product < 0.0) {
                    return Err(Refusal::Invalid {
                        field: "product",
                        value: *product,
                        rule: "be finite, and not negative with itself",
                    });
                }
            }
        }
        if self.n < 2 {
            return Err(Refusal::TooFew {
                what: "users",
                have: count(self.n),
                need: 2.0,
            });
        }
        Ok(())
    }
}

fn add<const K: usize>(sums: &mut [Sum; K], values: &[f64; K]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.plus(*value);
    }
}

fn less<const K: usize>(values: &[f64; K], others: &[f64; K]) -> [f64; K] {
    let mut away = *values;
    for (value, other) in away.iter_mut().zip(others) {
        *value -= other;
    }
    away
}

fn dot<const K: usize>(values: &[f64; K], weights: &[f64; K]) -> f64 {
    values
        .iter()
        .zip(weights)
        .map(|(value, weight)| value * weight)
        .sum()
}
