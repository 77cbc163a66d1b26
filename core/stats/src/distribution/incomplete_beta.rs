//! The regularised incomplete beta function: the beta distribution, and with it the binomial, Student's and
//! Fisher's.
//!
//! Near and below the mean the lower tail is the density at its end times a factor of the size of Mills' ratio.
//! That factor is a continued fraction while a shape is moderate, and an integral when both are large.

use super::deviance::{exp_m1_minus, half_deviance, ln_1p_minus, ln_beta_at_mean};
use super::quadrature;
use super::quantile::{self, Point};
use super::tails::Tails;

/// Up to this smaller shape the continued fraction takes fewer steps than the integral has nodes.
const FRACTION_MAX: f64 = 1_000.0;
/// More steps than the fraction ever takes.
const STEPS_MAX: u32 = 10_000;
/// Below this logarithm of the odds the first term of the power series is exact for all shapes.
const POWER_LAW: f64 = -200.0;

/// The shares below and above `x` when the shapes are `a` and `b`; `y` is `1 - x`, which the caller may know
/// better than this subtraction.
pub(super) fn tails(x: f64, y: f64, a: f64, b: f64) -> Tails {
    if !(a > 0.0 && b > 0.0 && a + b < f64::INFINITY) || x.is_nan() || y.is_nan() {
        Tails::NONE
    } else if x <= 0.0 {
        Tails::START
    } else if y <= 0.0 {
        Tails::START.swapped()
    } else if x * (a + b + 2.0) < a + 1.0 {
        Tails::of_lower(lower(x, y, a, b).ln_chance)
    } else {
        Tails::of_lower(lower(y, x, b, a).ln_chance).swapped()
    }
}

/// The logarithm of the odds `x / (1 - x)` of the point with the chances `lower` below it and `upper` above.
/// Each is given because one less the other has no digits left where it is small.
pub(super) fn ln_odds(lower: f64, upper: f64, a: f64, b: f64) -> f64 {
    if !(a > 0.0 && b > 0.0 && a + b < f64::INFINITY && lower >= 0.0 && upper >= 0.0) {
        f64::NAN
    } else if lower <= upper {
        ln_odds_of_lower(lower, a, b)
    } else {
        -ln_odds_of_lower(upper, b, a)
    }
}

/// The tails so near 0 that the first term of the power series is exact, and `x` may underflow.
pub(super) fn tails_near_zero(ln_x: f64, a: f64, b: f64) -> Tails {
    Tails::of_lower(a * ln_x - ln_scale(a, b))
}

/// `ln(a B(a, b))`, from the density at the mean.
fn ln_scale(a: f64, b: f64) -> f64 {
    let n = a + b;
    a * (a / n).ln() + b * (b / n).ln() + a.ln() - ln_beta_at_mean(a, b)
}

fn ln_odds_of_lower(p: f64, a: f64, b: f64) -> f64 {
    let ln_p = p.ln();
    let n = a + b;
    let power_law = (ln_p + ln_scale(a, b)) / a;
    if p <= 0.0 || power_law < POWER_LAW {
        return power_law;
    }
    let normal = (a / b).ln() - super::normal::isf(p) * (a.recip() + b.recip()).sqrt();
    let start = if a.min(b) < 1.0 {
        power_law.min((a / b).ln())
    } else {
        normal
    };
    quantile::solve(start, ln_p, |ln_odds| {
        // Both shares keep their digits.
        let (x, y) = ((1.0 + (-ln_odds).exp()).recip(), (1.0 + ln_odds.exp()).recip());
        if x * (n + 2.0) < a + 1.0 {
            lower(x, y, a, b)
        } else {
            let upper = lower(y, x, b, a);
            Point {
                ln_chance: (-upper.ln_chance.exp()).ln_1p(),
                ln_density: upper.ln_density,
                slope: -upper.slope,
            }
        }
    })
}

/// The lower tail at and below the mean, as a function of the logarithm of the odds.
fn lower(x: f64, y: f64, a: f64, b: f64) -> Point {
    let n = a + b;
    // a - n x, and the same as n y - b.
    let slope = a * y - b * x;
    let ln_density = ln_beta_at_mean(a, b) - half_deviance(a, n * x, -slope) - half_deviance(b, n * y, slope);
    let factor = if a.min(b) < FRACTION_MAX {
        fraction(x, y, a, b, slope)
    } else {
        integral(x, y, a, b, slope)
    };
    Point {
        ln_chance: ln_density + factor.ln(),
        ln_density,
        slope,
    }
}

/// The continued fraction of Didonato and Morris (1992), ACM Transactions on Mathematical Software 18:360,
/// equation 9, by Lentz's method.
fn fraction(x: f64, y: f64, a: f64, b: f64, slope: f64) -> f64 {
    let n = a + b;
    let mut value = a / (a + 1.0) * (slope + 1.0);
    let (mut above, mut below) = (value, 0.0);
    for step in 1..STEPS_MAX {
        let m = f64::from(step);
        let before = a + 2.0 * m - 1.0;
        let share = x / before;
        let alpha = (a + m - 1.0) * share * ((n + m - 1.0) * share) * (m * (b - m));
        let beta = m + m * (b - m) * share + (a + m) / (before + 2.0) * (slope + 1.0 + m * (1.0 + y));
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

/// The integral of the density from the point downwards, as a share of the density there, over the logarithm of
/// the odds.
fn integral(x: f64, y: f64, a: f64, b: f64, slope: f64) -> f64 {
    let n = a + b;
    let derivative = |s: f64| {
        let left = x * (-s).exp();
        a - n * left / (y + left)
    };
    if x <= y {
        let g = |s: f64| {
            let bent = exp_m1_minus(-s);
            slope * s + n * (x * bent + ln_1p_minus(x * (bent - s)))
        };
        quadrature::tail(slope, n * x * y, g, derivative)
    } else {
        let g = |s: f64| {
            let bent = exp_m1_minus(s);
            slope * s + n * (y * bent + ln_1p_minus(y * (bent + s)))
        };
        quadrature::tail(slope, n * x * y, g, derivative)
    }
}
