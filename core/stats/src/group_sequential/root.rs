//! Where a function that rises is zero.

/// Values this near to zero are zero: they are logarithms of chances.
const ZERO: f64 = 1e-12;
/// How often the bracket may double, and how often it may shrink.
const DOUBLINGS: u32 = 200;
const SHRINKS: u32 = 200;

/// Where `f`, which rises, is zero: near `guess`, give or take `step`. Values may be infinite. `None` if it
/// never changes its sign, or is no number.
pub(super) fn rising(mut f: impl FnMut(f64) -> f64, guess: f64, step: f64) -> Option<f64> {
    let (mut below, mut above) = bracket(&mut f, guess, step)?;
    let tolerance = 1e-11 * step;
    let (mut x, mut was_below) = (guess, None);
    for _ in 0..SHRINKS {
        let width = above.0 - below.0;
        let slope = (above.1 - below.1) / width;
        // Regula falsi where both ends are finite, else halving.
        let next = if slope.is_finite() && slope > 0.0 {
            below.0 - below.1 / slope
        } else {
            f64::midpoint(below.0, above.0)
        };
        let moved = (next - x).abs();
        x = next.clamp(below.0, above.0);
        let value = f(x);
        if value.is_nan() {
            return None;
        }
        if value.abs() <= ZERO || width <= tolerance || (moved <= tolerance && slope.is_finite()) {
            return Some(x);
        }
        let is_below = value < 0.0;
        let (moving, staying) = if is_below {
            (&mut below, &mut above)
        } else {
            (&mut above, &mut below)
        };
        // An end that stays twice counts less, so that it moves too (Anderson, Björck 1973).
        if was_below == Some(is_below) {
            let less = 1.0 - value / moving.1;
            staying.1 *= if less > 0.0 && less.is_finite() { less } else { 0.5 };
        }
        was_below = Some(is_below);
        *moving = (x, value);
    }
    Some(x)
}

/// Places with their values, at most 0 and at least 0.
fn bracket(f: &mut impl FnMut(f64) -> f64, guess: f64, step: f64) -> Option<((f64, f64), (f64, f64))> {
    let first = (guess, f(guess));
    let (mut last, mut step) = (first, step);
    for _ in 0..DOUBLINGS {
        let towards = if first.1 < 0.0 { step } else { -step };
        let next = (last.0 + towards, f(last.0 + towards));
        if next.1.is_nan() || first.1.is_nan() {
            return None;
        }
        if first.1 < 0.0 && next.1 >= 0.0 {
            return Some((last, next));
        }
        if first.1 >= 0.0 && next.1 < 0.0 {
            return Some((next, last));
        }
        last = next;
        step *= 2.0;
    }
    None
}

/// The logarithm of the odds of a chance, which is nearly straight in a drift.
pub(super) fn logit(chance: f64) -> f64 {
    (chance / (1.0 - chance).max(0.0)).ln()
}
