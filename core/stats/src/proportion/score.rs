//! The score test of a difference of two proportions, and the interval of what it does not reject.
//!
//! The rates are those most likely among all that differ by exactly the tested difference (Miettinen,
//! Nurminen 1985, Statistics in Medicine 4:213; Farrington, Manning 1990, Statistics in Medicine 9:1447,
//! section 2). Their equation is cubic. Its closed form loses digits where rates are rare, so it is only where
//! the search begins.

use super::Arms;
use crate::Interval;
use std::f64::consts::PI;

/// Steps until a root is found; a handful are needed.
const STEPS: u32 = 100;
/// How close two steps are when the root is found, as a share of it.
const CLOSE: f64 = 4.0 * f64::EPSILON;

/// Two arms as the score test takes them. What is rarer, events or non-events, is what is counted: rates close
/// to 1 would lose the digits of their distance from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Score {
    control: Tally,
    treatment: Tally,
    difference: f64,
    /// Whether non-events are counted, and all differences are the other way around.
    swapped: bool,
    /// What the variance is multiplied by.
    inflation: f64,
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    x: f64,
    others: f64,
}

impl Tally {
    fn n(self) -> f64 {
        self.x + self.others
    }

    /// How the logarithm of the likelihood rises with the rate, and how that falls, at this rate and its
    /// distance from 1. Without events there is no pole at the rate 0, nor without others at 1.
    fn slope(self, rate: f64, rest: f64) -> (f64, f64) {
        let share = |count: f64, of: f64| if count > 0.0 { count / of } else { 0.0 };
        let (up, down) = (share(self.x, rate), share(self.others, rest));
        (up - down, share(up, rate) + share(down, rest))
    }
}

impl Score {
    /// With the variance of Farrington and Manning.
    pub(crate) fn new(arms: &Arms) -> Self {
        let (events, others) = arms.pooled();
        let swapped = events > others;
        let tally = |arm: &super::Arm| {
            if swapped {
                Tally {
                    x: arm.others,
                    others: arm.x,
                }
            } else {
                Tally {
                    x: arm.x,
                    others: arm.others,
                }
            }
        };
        Self {
            control: tally(&arms.control),
            treatment: tally(&arms.treatment),
            difference: if swapped {
                -arms.difference
            } else {
                arms.difference
            },
            swapped,
            inflation: 1.0,
        }
    }

    /// With the variance of Miettinen and Nurminen, which is N / (N - 1) times that.
    pub(crate) fn sampled(arms: &Arms) -> Self {
        let n = arms.control.n + arms.treatment.n;
        Self {
            inflation: n / (n - 1.0),
            ..Self::new(arms)
        }
    }

    /// The standard error of the difference if it is truly `delta`, which lies between -1 and 1.
    pub(crate) fn standard_error(&self, delta: f64) -> f64 {
        let delta = if self.swapped { -delta } else { delta };
        self.variance(delta).sqrt()
    }

    /// All differences that are at most `z` standard errors away.
    pub(crate) fn interval(&self, z: f64) -> Interval {
        let up = self.limit(z, 1.0);
        let down = self.limit(z, -1.0);
        if self.swapped {
            Interval {
                lower: -up,
                upper: -down,
            }
        } else {
            Interval {
                lower: down,
                upper: up,
            }
        }
    }

    /// The difference farthest to this side (1 or -1) that is not rejected.
    fn limit(&self, z: f64, side: f64) -> f64 {
        let most = 1.0 - side * self.difference;
        if most <= 0.0 {
            return side;
        }
        // How far a distance is beyond the reach. It rises nearly in a straight line.
        let beyond = |distance: f64| distance - z * self.variance(self.difference + side * distance).sqrt();
        let guess = z * (0.25 / self.control.n() + 0.25 / self.treatment.n()).sqrt();
        let mut far = guess.min(most);
        let mut far_value = beyond(far);
        while far_value <= 0.0 && far < most {
            far = (2.0 * far).min(most);
            far_value = beyond(far);
        }
        if far_value <= 0.0 {
            return side;
        }
        let mut near = far / 2.0;
        let mut near_value = beyond(near);
        while near_value >= 0.0 && near > f64::MIN_POSITIVE {
            (far, far_value) = (near, near_value);
            near /= 2.0;
            near_value = beyond(near);
        }
        self.difference + side * ridders(beyond, (near, near_value), (far, far_value))
    }

    /// The variance of the difference at the most likely rates that differ by `delta`.
    fn variance(&self, delta: f64) -> f64 {
        // Both rates are their least possible value and what they have in common above it.
        let (control_base, treatment_base) = ((-delta).max(0.0), delta.max(0.0));
        let room = (1.0 - delta.abs()).max(0.0);
        let common = self.common(delta, room);
        let rest = room - common;
        let spread = |base: f64, top: f64, tally: Tally| (base + common) * (top + rest) / tally.n();
        let control = spread(control_base, treatment_base, self.control);
        let treatment = spread(treatment_base, control_base, self.treatment);
        self.inflation * (control + treatment)
    }

    /// What both most likely rates have in common above their least possible values: from 0 to `room`.
    fn common(&self, delta: f64, room: f64) -> f64 {
        let (control_base, treatment_base) = ((-delta).max(0.0), delta.max(0.0));
        let slope = |common: f64| {
            let rest = room - common;
            let control = self.control.slope(control_base + common, treatment_base + rest);
            let treatment = self.treatment.slope(treatment_base + common, control_base + rest);
            (control.0 + treatment.0, control.1 + treatment.1)
        };
        if room <= 0.0 || slope(0.0).0 <= 0.0 {
            return 0.0;
        }
        if slope(room).0 >= 0.0 {
            return room;
        }
        let (mut low, mut high) = (0.0, room);
        let mut at = self.closed_form(delta) - control_base;
        for _ in 0..STEPS {
            if !(at > low && at < high) {
                at = f64::midpoint(low, high);
            }
            let (rise, fall) = slope(at);
            if rise > 0.0 {
                low = at;
            } else {
                high = at;
            }
            let next = at + rise / fall;
            let done = (next - at).abs() <= CLOSE * at;
            at = next;
            if done {
                break;
            }
        }
        at.clamp(0.0, room)
    }

    /// The control's rate by the closed form of the cubic (Miettinen, Nurminen 1985, appendix 1).
    fn closed_form(&self, delta: f64) -> f64 {
        let (control, treatment) = (self.control, self.treatment);
        let n = control.n() + treatment.n();
        let events = control.x + treatment.x;
        let third = n;
        let second = (treatment.n() + 2.0 * control.n()) * delta - n - events;
        let first = (control.n() * delta - n - 2.0 * control.x) * delta + events;
        let constant = control.x * delta * (1.0 - delta);
        let middle = second / (3.0 * third);
        let q = middle.powi(3) - first * second / (6.0 * third * third) + constant / (2.0 * third);
        let p = (middle * middle - first / (3.0 * third))
            .max(0.0)
            .sqrt()
            .copysign(q);
        let angle = (PI + (q / p.powi(3)).clamp(-1.0, 1.0).acos()) / 3.0;
        2.0 * p * angle.cos() - middle
    }
}

/// The root between two points of which one lies on either side (Ridders 1979, IEEE Transactions on Circuits
/// and Systems 26:979).
pub(super) fn ridders(value: impl Fn(f64) -> f64, near: (f64, f64), far: (f64, f64)) -> f64 {
    let (mut near, mut far) = (near, far);
    let mut root = far.0;
    for _ in 0..STEPS {
        let middle = f64::midpoint(near.0, far.0);
        let at_middle = value(middle);
        let scale = (at_middle * at_middle - near.1 * far.1).sqrt();
        if scale <= 0.0 {
            return middle;
        }
        // The value rises from near to far.
        let next = middle - (middle - near.0) * at_middle / scale;
        let done = (next - root).abs() <= CLOSE * next;
        root = next;
        if done {
            break;
        }
        let at_next = value(next);
        for point in [(middle, at_middle), (next, at_next)] {
            if point.1 <= 0.0 && point.0 > near.0 {
                near = point;
            } else if point.1 > 0.0 && point.0 < far.0 {
                far = point;
            }
        }
        if (far.0 - near.0) <= CLOSE * far.0 {
            break;
        }
    }
    root
}
