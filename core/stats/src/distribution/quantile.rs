//! The point of a distribution that has a given chance below it.

/// What is known of one point of a distribution whose density is logarithmically concave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    /// The logarithm of the chance below it.
    pub(super) ln_chance: f64,
    /// The logarithm of the density.
    pub(super) ln_density: f64,
    /// The derivative of the logarithm of the density.
    pub(super) slope: f64,
}

/// More steps than it ever takes.
const STEPS_MAX: u32 = 200;
/// The error after a step is about the square of this.
const CLOSE: f64 = 1e-9;
/// One step moves at most so many times further than Newton's, and at least as much less.
const BENT_MAX: f64 = 2.0;

/// Finds the point whose logarithm of the chance is `ln_p` from a rough `start`.
///
/// The logarithm of the chance is concave, so Newton's method comes from one side after its first step, wherever
/// it starts. Halley's correction saves steps.
pub(super) fn solve(start: f64, ln_p: f64, at: impl Fn(f64) -> Point) -> f64 {
    let (mut point, mut before) = (start, start);
    for _ in 0..STEPS_MAX {
        let here = at(point);
        if !(here.ln_chance.is_finite() && here.ln_density.is_finite()) {
            // Out of the range of numbers: half the step was enough.
            point = f64::midpoint(point, before);
            continue;
        }
        before = point;
        let rate = (here.ln_density - here.ln_chance).exp();
        let newton = (ln_p - here.ln_chance) / rate;
        // Half the second derivative as a share of the first.
        let bend = (here.slope - rate) / 2.0;
        let step = newton / (1.0 + newton * bend).clamp(1.0 / BENT_MAX, BENT_MAX);
        if step.is_nan() {
            break;
        }
        point += step;
        if step.abs() * bend.abs().max(1.0) <= CLOSE {
            break;
        }
    }
    point
}
