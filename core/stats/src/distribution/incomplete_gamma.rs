//! The regularised incomplete gamma functions: the chi-squared and the Poisson distribution.
//!
//! Each tail is the density at its end times a factor of the size of Mills' ratio: a continued fraction while the
//! shape is moderate, and an integral when it is large.

use super::deviance::{exp_m1_minus, half_deviance, ln_gamma_at_mean};
use super::quadrature;
use super::quantile::{self, Point};
use super::tails::Tails;

/// Up to this shape the continued fraction takes fewer steps than the integral has nodes.
const FRACTION_MAX: f64 = 1_000.0;
/// More steps than the fractions ever take.
const STEPS_MAX: u32 = 10_000;
/// Below this logarithm of the value the first term of the power series is exact for all shapes.
const POWER_LAW: f64 = -200.0;

/// The shares below and above `x` when the shape is `a` and the scale 1.
pub(super) fn tails(x: f64, a: f64) -> Tails {
    if !(a > 0.0 && a < f64::INFINITY) || x.is_nan() {
        Tails::NONE
    } else if x <= 0.0 {
        Tails::START
    } else if x == f64::INFINITY {
        Tails::START.swapped()
    } else if x < a + 1.0 {
        Tails::of_lower(ln_lower(x, a))
    } else {
        Tails::of_lower(ln_upper(x, a)).swapped()
    }
}

/// The point with the chances `lower` below it and `upper` above. Each is given because one less the other has
/// no digits left where it is small.
pub(super) fn value(lower: f64, upper: f64, a: f64) -> f64 {
    if !(a > 0.0 && a < f64::INFINITY && lower >= 0.0 && upper >= 0.0) {
        f64::NAN
    } else if lower <= upper {
        value_of_lower(lower, a)
    } else {
        value_of_upper(upper, a)
    }
}

/// The logarithm of the value below which the first term of the power series has the chance with this logarithm. It
/// is never above the value itself.
fn power_law(ln_p: f64, a: f64) -> f64 {
    // a Gamma(a), from the density at the mean.
    let ln_scale = a * a.ln() - a + a.ln() - ln_gamma_at_mean(a);
    (ln_p + ln_scale) / a
}

fn value_of_lower(p: f64, a: f64) -> f64 {
    let power_law = power_law(p.ln(), a);
    if p <= 0.0 || power_law < POWER_LAW {
        return power_law.exp();
    }
    let start = wilson_hilferty(-super::normal::isf(p), a).max(power_law.exp());
    quantile::solve(start.ln(), p.ln(), |ln_x| {
        let x = ln_x.exp();
        Point {
            ln_chance: tails(x, a).ln_lower,
            ln_density: ln_density(x, a),
            slope: a - x,
        }
    })
    .exp()
}

fn value_of_upper(p: f64, a: f64) -> f64 {
    if p <= 0.0 {
        return f64::INFINITY;
    }
    let start = wilson_hilferty(super::normal::isf(p), a)
        .ln()
        .max(power_law((-p).ln_1p(), a));
    if start < POWER_LAW {
        return start.exp();
    }
    // Downwards, so that the chance rises.
    let solution = quantile::solve(-start, p.ln(), |minus_ln_x| {
        let x = (-minus_ln_x).exp();
        Point {
            ln_chance: tails(x, a).ln_upper,
            ln_density: ln_density(x, a),
            slope: x - a,
        }
    });
    (-solution).exp()
}

/// Where a gamma variable is about `z` deviations from its middle: its cube root is nearly normal (Wilson and
/// Hilferty 1931).
fn wilson_hilferty(z: f64, a: f64) -> f64 {
    let ninth = 1.0 / (9.0 * a);
    a * (1.0 - ninth + z * ninth.sqrt()).max(0.0).powi(3)
}

/// The density of the logarithm.
fn ln_density(x: f64, a: f64) -> f64 {
    ln_gamma_at_mean(a) - half_deviance(a, x, x - a)
}

fn ln_lower(x: f64, a: f64) -> f64 {
    let slope = a - x;
    let factor = if a < FRACTION_MAX {
        lower_fraction(x, a)
    } else {
        let g = |s: f64| slope * s + x * exp_m1_minus(-s);
        quadrature::tail(slope, x, g, |s| a - x * (-s).exp())
    };
    ln_density(x, a) + factor.ln()
}

fn ln_upper(x: f64, a: f64) -> f64 {
    let slope = x - a;
    let factor = if a < FRACTION_MAX {
        upper_fraction(x, a)
    } else {
        let g = |s: f64| slope * s + x * exp_m1_minus(s);
        quadrature::tail(slope, x, g, |s| x * s.exp() - a)
    };
    ln_density(x, a) + factor.ln()
}

/// The limit of the fraction of the incomplete beta function when the other shape grows without end.
fn lower_fraction(x: f64, a: f64) -> f64 {
    let first = a / (a + 1.0) * (a - x + 1.0);
    continued(first, |m| {
        let before = a + 2.0 * m - 1.0;
        let share = x / before;
        let alpha = (a + m - 1.0) * m * share * share;
        let beta = m + m * share + (a + m) / (before + 2.0) * (a - x + 1.0 + 2.0 * m);
        (alpha, beta)
    })
}

/// Legendre's fraction (NIST Digital Library of Mathematical Functions, 8.9.2, contracted).
fn upper_fraction(x: f64, a: f64) -> f64 {
    continued(x - a + 1.0, |m| (m * (a - m), x - a + 1.0 + 2.0 * m))
}

/// `1 / (first + alpha_1 / (beta_1 + alpha_2 / (beta_2 + ...)))` by Lentz's method.
fn continued(first: f64, terms: impl Fn(f64) -> (f64, f64)) -> f64 {
    let mut value = first;
    let (mut above, mut below) = (value, 0.0);
    for step in 1..STEPS_MAX {
        let (alpha, beta) = terms(f64::from(step));
        below = (beta + alpha * below).recip();
        above = beta + alpha / above;
        let factor = above * below;
        value *= factor;
        if (factor - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    value.recip()
}
