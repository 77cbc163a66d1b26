//! Where the product of densities and chances of independent numbers is not negligible.
//!
//! Every factor is log-concave, so the product has one peak and falls on both sides of it.

use super::density::{Density, Local, Way};

/// A peak below this logarithm is none: the number underflows.
const UNDERFLOW: f64 = -760.0;

/// What one number does in an integral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Absent,
    /// It has the value.
    At,
    /// It is at most the value.
    Below,
    /// It is more than the value.
    Above,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) from: f64,
    pub(super) to: f64,
}

/// An integrand: the numbers and the role of each.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) numbers: &'a [Density],
    pub(super) roles: &'a [Role],
}

impl Product<'_> {
    /// The range that holds all but what is `depth` natural logarithms below the peak. `None` if the
    /// product underflows everywhere.
    pub(super) fn bracket(&self, depth: f64) -> Option<Range> {
        let peak = self.peak();
        let top = self.bound(peak);
        if top.ln < UNDERFLOW {
            return None;
        }
        let guess = (2.0 * depth / top.curvature).sqrt();
        Some(Range {
            from: self.edge(peak, top.ln, depth, guess, Way::Down),
            to: self.edge(peak, top.ln, depth, guess, Way::Up),
        })
    }

    /// An upper bound of the logarithm of the product, up to constants: the chance of a tail is less than
    /// the density at its end relative to the peak, times what changes slowly.
    fn bound(&self, t: f64) -> Local {
        let mut sum = Local::default();
        for (number, role) in self.numbers.iter().zip(self.roles) {
            let matters = match role {
                Role::Absent => false,
                Role::At => true,
                Role::Below => t <= number.centre(),
                Role::Above => t >= number.centre(),
            };
            if matters {
                let local = number.local(t);
                sum.ln += local.ln;
                sum.slope += local.slope;
                sum.curvature += local.curvature;
            }
        }
        sum
    }

    /// The peak of the bound, which is concave, by Newton's method kept between the outermost centres.
    fn peak(&self) -> f64 {
        let present = || {
            self.numbers
                .iter()
                .zip(self.roles)
                .filter(|(_, role)| **role != Role::Absent)
        };
        let centres = || present().map(|(number, _)| number.centre());
        let mut left = centres().fold(f64::INFINITY, f64::min);
        let mut right = centres().fold(f64::NEG_INFINITY, f64::max);
        let mut at = f64::midpoint(left, right);
        for step in 0..200_u32 {
            let here = self.bound(at);
            if here.slope > 0.0 {
                left = at;
            } else {
                right = at;
            }
            if right - left <= 4.0 * f64::EPSILON * at.abs() {
                break;
            }
            if here.slope * here.slope <= 0.1 * here.curvature {
                // What a step can gain is far less than the depth, unless the curve is flatter ahead.
                let ahead = at + 2.0 * here.slope / here.curvature;
                if self.bound(ahead).slope * here.slope <= 0.0 || ahead <= left || ahead >= right {
                    break;
                }
                at = ahead;
                continue;
            }
            let newton = at + here.slope / here.curvature;
            let inside = newton > left && newton < right;
            // Every third step halves, so that slow progress ends.
            let halve = !inside || step % 3 == 2;
            at = if halve { f64::midpoint(left, right) } else { newton };
        }
        at
    }

    /// A point where the bound has fallen by `depth` or a little more from the `top`.
    fn edge(&self, peak: f64, top: f64, depth: f64, guess: f64, way: Way) -> f64 {
        let (mut near, mut far) = (0.0, f64::INFINITY);
        let mut step = if guess.is_finite() { guess } else { 1.0 };
        for attempt in 0..200_u32 {
            let fallen = top - self.bound(peak + way.sign() * step).ln;
            if fallen >= depth && fallen <= 1.3 * depth {
                return peak + way.sign() * step;
            }
            if fallen < depth {
                near = step;
            } else {
                far = step;
            }
            // As on a parabola, if the curve is like one; every other time by halves, so that it ends.
            let parabola = step * (1.1 * depth / fallen).sqrt();
            let inside = parabola > near && parabola < far && parabola < 4.0 * step;
            step = if inside && attempt % 2 == 0 {
                parabola
            } else if far.is_finite() {
                f64::midpoint(near, far)
            } else {
                2.0 * step
            };
            if step <= near || step >= far {
                break;
            }
        }
        // Nothing is lost if it has fallen by more.
        peak + way.sign() * if far.is_finite() { far } else { step }
    }
}

/// The range outside of which a number has no mass to speak of.
pub(super) fn span(number: &Density, depth: f64) -> Range {
    let product = Product {
        numbers: std::slice::from_ref(number),
        roles: &[Role::At],
    };
    product.bracket(depth).unwrap_or(Range {
        from: number.centre(),
        to: number.centre(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reaches_as_deep_as_asked() {
        for exponent in -1..10_i32 {
            for other in -1..10_i32 {
                let (a, b) = (0.5 * 10.0_f64.powi(exponent), 1.13 * 10.0_f64.powi(other));
                let density = Density::logit_beta(a, b);
                let Range { from, to } = span(&density, 42.0);
                for end in [from, to] {
                    let fallen = -density.ln(end);
                    assert!((42.0..55.0).contains(&fallen), "{a} {b}: {fallen} at {end}");
                }
            }
        }
    }
}
