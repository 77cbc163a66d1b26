//! Centred sums from sums of whole numbers, without losing a digit.

/// The mean of `n` whole numbers with this sum.
pub(super) fn mean(n: u64, sum: i128) -> f64 {
    let n = i128::from(n);
    // Both parts have the same sign, so nothing cancels.
    float(sum / n) + float(sum % n) / float(n)
}

/// The sum of products of distances from the means, of `n` pairs of whole numbers with the sums `x` and `y` and
/// the sum of products `xy`. `None` when there are no pairs, or when the sums are so large that no pairs can have
/// them.
///
/// It is `xy - x y / n`, taken apart so that no intermediate result is larger than the sums of squares. Around
/// the whole numbers below the means, `a` and `b`, the sum of products is `xy - a y - b r`, where `r = x - n a`.
pub(super) fn centred(n: u64, x: i128, y: i128, xy: i128) -> Option<f64> {
    let of = i128::from(n);
    let (below_x, rest_x) = (x.checked_div_euclid(of)?, x.checked_rem_euclid(of)?);
    let (below_y, rest_y) = (y.checked_div_euclid(of)?, y.checked_rem_euclid(of)?);
    let near = xy
        .checked_sub(below_x.checked_mul(y)?)?
        .checked_sub(below_y.checked_mul(rest_x)?)?;
    // From there to the means themselves it is less by r s / n. Remainders are below 2^64.
    let product = rest_x.unsigned_abs() * rest_y.unsigned_abs();
    let (whole, rest) = (product / u128::from(n), product % u128::from(n));
    let whole = near.checked_sub(i128::try_from(whole).ok()?)?;
    let rest = float(i128::try_from(rest).ok()?);
    Some(if rest > 0.0 && whole > 0 {
        // Without a difference of numbers that may be near each other.
        float(whole - 1) + (float(of) - rest) / float(of)
    } else {
        float(whole) - rest / float(of)
    })
}

/// A whole number, rounded once.
#[expect(
    clippy::cast_precision_loss,
    reason = "rounded to 16 digits, once, at the end"
)]
pub(super) const fn float(whole: i128) -> f64 {
    whole as f64
}
