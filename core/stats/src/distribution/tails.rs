//! The chances on both sides of a point.

/// What lies below a point and what above, with their natural logarithms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tails {
    pub(super) lower: f64,
    pub(super) ln_lower: f64,
    pub(super) upper: f64,
    pub(super) ln_upper: f64,
}

impl Tails {
    /// Below everything.
    pub(super) const START: Self = Self {
        lower: 0.0,
        ln_lower: f64::NEG_INFINITY,
        upper: 1.0,
        ln_upper: 0.0,
    };

    /// Of parameters that no distribution has.
    pub(super) const NONE: Self = Self {
        lower: f64::NAN,
        ln_lower: f64::NAN,
        upper: f64::NAN,
        ln_upper: f64::NAN,
    };

    /// From the logarithm of the lower one, which must not be so near 1 that its complement has no digits.
    pub(super) fn of_lower(ln: f64) -> Self {
        let ln_lower = ln.min(0.0);
        let lower = ln_lower.exp();
        Self {
            lower,
            ln_lower,
            upper: 1.0 - lower,
            ln_upper: (-lower).ln_1p(),
        }
    }

    /// The same point seen from the other end.
    pub(super) const fn swapped(self) -> Self {
        Self {
            lower: self.upper,
            ln_lower: self.ln_upper,
            upper: self.lower,
            ln_upper: self.ln_lower,
        }
    }
}
