//! The words in which every method answers.

/// What is suspected of the treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alternative {
    /// It is larger than the control.
    Greater,
    /// It is smaller than the control.
    Less,
    /// It is larger or smaller than the control.
    TwoSided,
}

/// Which direction is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Larger is better.
    Increase,
    /// Smaller is better.
    Decrease,
}

/// Events among trials: conversions among users, errors among requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Those that had the event.
    pub events: u64,
    /// All of them; at least `events`.
    pub trials: u64,
}

/// A range of values of the parameter that the data do not speak against. An end may be infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end; `-inf` for an upper bound alone.
    pub lower: f64,
    /// The upper end; `inf` for a lower bound alone.
    pub upper: f64,
}

/// A p-value with its natural logarithm, which still has its digits where the number itself underflows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PValue {
    /// From 0 to 1; 0 only where it underflows, see [`Self::ln`].
    pub p: f64,
    /// Its natural logarithm, at most 0.
    pub ln: f64,
}

impl PValue {
    /// From the logarithm; above 0 is taken for rounding of 0.
    #[must_use]
    pub fn from_ln(ln: f64) -> Self {
        let ln = ln.min(0.0);
        Self { p: ln.exp(), ln }
    }

    /// From the number and its logarithm, each as exact as it can be had.
    #[must_use]
    pub const fn new(p: f64, ln: f64) -> Self {
        Self { p, ln }
    }
}
