//! The interval of the ratio of two proportions that belongs to the pooled z test.

use super::score::ridders;
use super::{Arms, reach};
use crate::{Counts, Interval, Refusal};

/// Doublings until a limit lies between two points.
const DOUBLINGS: u32 = 1100;

/// The treatment's share as a multiple of the control's: all multiples that the score test does not reject, with
/// the coverage 1 - `alpha` (Koopman 1984, Biometrics 40:513; Miettinen, Nurminen 1985, Statistics in Medicine
/// 4:213, without their factor N / (N - 1)).
///
/// At the multiple 1 the score test is the pooled z test: so it leaves 1 out exactly when that is significant, and
/// exactly when [`DifferenceMethod::Score`](super::DifferenceMethod::Score) leaves 0 out.
///
/// # Errors
///
/// [`Refusal::ZeroBaseline`] when nothing happened in the control, [`Refusal::NoVariance`] when everything happened in
/// both arms, [`Refusal::TooFew`] without trials, [`Refusal::Invalid`] with more events than trials or an `alpha` not
/// between 0 and 1.
pub fn ratio_score(control: Counts, treatment: Counts, alpha: f64) -> Result<Interval, Refusal> {
    let arms = Arms::new(control, treatment)?;
    let z = reach(alpha)?;
    if arms.control.x <= 0.0 {
        return Err(Refusal::ZeroBaseline);
    }
    if arms.pooled().1 <= 0.0 {
        return Err(Refusal::NoVariance);
    }
    let score = RatioScore(arms);
    Ok(Interval {
        lower: if arms.treatment.x > 0.0 {
            score.limit(z, -1.0)
        } else {
            0.0
        },
        upper: score.limit(z, 1.0),
    })
}

struct RatioScore(Arms);

impl RatioScore {
    /// How many standard errors the treatment's share is above `multiple` times the control's.
    fn z(&self, multiple: f64) -> f64 {
        let Arms {
            control: c,
            treatment: t,
            ..
        } = self.0;
        let distance = t.rate() - multiple * c.rate();
        let control = self.likeliest(multiple);
        let treatment = (multiple * control).min(1.0);
        let variance =
            treatment * (1.0 - treatment) / t.n + multiple * multiple * control * (1.0 - control) / c.n;
        if variance > 0.0 {
            distance / variance.sqrt()
        } else {
            distance * f64::INFINITY
        }
    }

    /// The likeliest share of the control when the treatment's is that multiple of it: the smaller root of a
    /// quadratic equation, written so that nothing is subtracted.
    fn likeliest(&self, multiple: f64) -> f64 {
        let Arms {
            control: c,
            treatment: t,
            ..
        } = self.0;
        let second = multiple * (t.n + c.n);
        let first = multiple * (t.n + c.x) + t.x + c.n;
        let events = t.x + c.x;
        let root = (first * first - 4.0 * second * events).max(0.0).sqrt();
        2.0 * events / (first + root)
    }

    /// The multiple farthest up (1) or down (-1) that is not rejected.
    fn limit(&self, z: f64, side: f64) -> f64 {
        let Arms {
            control: c,
            treatment: t,
            ..
        } = self.0;
        // Nothing happened in the treatment: the search begins where half an event would be.
        let start = t.x.max(0.5) / t.n / c.rate();
        let beyond = |distance: f64| -side * self.z(start * (side * distance).exp()) - z;
        let mut far = z * (1.0 / t.x.max(0.5) + 1.0 / c.x).sqrt();
        let mut far_value = beyond(far);
        for _ in 0..DOUBLINGS {
            if far_value > 0.0 {
                break;
            }
            far *= 2.0;
            far_value = beyond(far);
        }
        let mut near = far / 2.0;
        let mut near_value = beyond(near);
        while near_value >= 0.0 && near > f64::MIN_POSITIVE {
            (far, far_value) = (near, near_value);
            near /= 2.0;
            near_value = beyond(near);
        }
        start * (side * ridders(beyond, (near, near_value), (far, far_value))).exp()
    }
}
