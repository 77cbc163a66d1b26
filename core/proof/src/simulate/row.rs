//! What was counted, beside what it must be.

use super::draws::count;
use serde::Serialize;
use std::fmt;
use tidegate_stats::distribution::binomial;
use tidegate_stats::moments::Moments;

/// A method exactly at its limit is beyond the slack in so many of all runs, about 1 in 30,000.
const BEYOND: f64 = 3.2e-5;
/// The same for a mean, in standard errors.
const ERRORS: f64 = 4.0;

/// What a number must be. The ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Must {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
    /// From the first to the second.
    Within(f64, f64),
    /// Anything: it stands there to be compared with.
    Anything,
}

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// A share, from 0 to 1, shown in per cent.
    Share,
    /// A number.
    Number,
}

/// One number of a bar.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The name of the bar.
    pub bar: &'static str,
    /// What was measured.
    pub what: String,
    /// What came out.
    pub measured: f64,
    /// What that is.
    pub unit: Unit,
    /// How many rounds it comes from; 0 for what needs none.
    pub rounds: u64,
    /// What it must be with so many rounds.
    pub must: Must,
    /// Whether it is.
    pub met: bool,
}

/// How often something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hits {
    /// So often.
    pub hits: u64,
    /// Out of so many rounds.
    pub rounds: u64,
}

impl Hits {
    /// One more round, and whether it happened.
    pub fn add(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.rounds += 1;
    }

    /// As a share of the rounds.
    #[must_use]
    pub fn share(self) -> f64 {
        count(self.hits) / count(self.rounds)
    }
}

impl Must {
    /// Whether the number is what it must be.
    #[must_use]
    pub fn holds(self, measured: f64) -> bool {
        match self {
            Self::AtMost(limit) => measured <= limit,
            Self::AtLeast(limit) => measured >= limit,
            Self::Within(low, high) => (low..=high).contains(&measured),
            Self::Anything => true,
        }
    }

    /// What a share of this many rounds must be, if it must be this with the full number of them.
    #[must_use]
    pub fn of_share(self, rounds: u64, full: u64) -> Self {
        let missing = missing(rounds, full);
        if missing <= 0.0 {
            return self;
        }
        let above = |limit: f64| highest(limit, rounds, missing.sqrt());
        self.with_limits(|low| 1.0 - above(1.0 - low), above)
    }

    /// What the mean of this many rounds must be, if it must be this with the full number of them and the
    /// rounds vary by `deviation`.
    #[must_use]
    pub fn of_mean(self, rounds: u64, full: u64, deviation: f64) -> Self {
        let missing = missing(rounds, full);
        if missing <= 0.0 {
            return self;
        }
        let more = ERRORS * deviation * (missing / count(rounds.max(1))).sqrt();
        self.with_limits(|low| low - more, |high| high + more)
    }

    fn with_limits(self, lower: impl Fn(f64) -> f64, upper: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::AtMost(high) => Self::AtMost(upper(high)),
            Self::AtLeast(low) => Self::AtLeast(lower(low)),
            Self::Within(low, high) => Self::Within(lower(low), upper(high)),
            Self::Anything => Self::Anything,
        }
    }
}

/// The share of the rounds that are left out: so much of the variance of the first ones is how far they are from
/// all.
fn missing(rounds: u64, full: u64) -> f64 {
    1.0 - count(rounds) / count(full.max(1))
}

/// What the share of so many rounds is hardly ever above when its chance is `limit`; of the way there, this part.
fn highest(limit: f64, rounds: u64, part: f64) -> f64 {
    let (mut low, mut high) = (0, rounds);
    while low < high {
        let middle = u64::midpoint(low, high);
        if binomial::sf(middle, rounds, limit) <= BEYOND {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if low == rounds {
        // No count is out of the question.
        return 1.0;
    }
    if low == 0 {
        return limit;
    }
    // Half a count more, so that rounding does not decide whether this one belongs to it.
    limit + part * ((count(low) + 0.5) / count(rounds) - limit)
}

impl Row {
    /// A share of rounds, of which there would be `full`.
    #[must_use]
    pub fn share(bar: &'static str, what: impl Into<String>, hits: Hits, full: u64, must: Must) -> Self {
        let must = must.of_share(hits.rounds, full);
        Self::new(bar, what.into(), (hits.share(), Unit::Share), hits.rounds, must)
    }

    /// The mean of a number over rounds, of which there would be `full`.
    #[must_use]
    pub fn mean(
        bar: &'static str,
        what: impl Into<String>,
        (values, unit): (&Moments, Unit),
        full: u64,
        must: Must,
    ) -> Self {
        let deviation = values.variance().unwrap_or(0.0).sqrt();
        let must = must.of_mean(values.n, full, deviation);
        Self::new(bar, what.into(), (values.mean, unit), values.n, must)
    }

    /// A number that is the same however many rounds there are.
    #[must_use]
    pub fn number(bar: &'static str, what: impl Into<String>, measured: f64, must: Must) -> Self {
        Self::new(bar, what.into(), (measured, Unit::Number), 0, must)
    }

    pub(super) fn new(
        bar: &'static str,
        what: String,
        (measured, unit): (f64, Unit),
        rounds: u64,
        must: Must,
    ) -> Self {
        Self {
            bar,
            what,
            measured,
            unit,
            rounds,
            must,
            met: must.holds(measured),
        }
    }

    /// What was measured, as people write it.
    #[must_use]
    pub fn measured_shown(&self) -> String {
        Shown(self.measured, self.unit).to_string()
    }

    /// What it must be, as people write it; nothing for what may be anything.
    #[must_use]
    pub fn must_shown(&self) -> String {
        let shown = |value| Shown(value, self.unit);
        match self.must {
            Must::AtMost(high) => format!("at most {}", shown(high)),
            Must::AtLeast(low) => format!("at least {}", shown(low)),
            Must::Within(low, high) => format!("{} to {}", shown(low), shown(high)),
            Must::Anything => String::new(),
        }
    }
}

struct Shown(f64, Unit);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self(value, Unit::Share) if value != 0.0 && value.abs() < 0.01 => {
                write!(f, "{:.3} %", 100.0 * value)
            }
            Self(value, Unit::Share) => write!(f, "{:.2} %", 100.0 * value),
            Self(value, Unit::Number) if value.abs() >= 1000.0 => write!(f, "{value:.0}"),
            Self(value, Unit::Number) => write!(f, "{value:.1}"),
        }
    }
}
