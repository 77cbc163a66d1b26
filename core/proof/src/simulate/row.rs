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
        if rounds >= full {
            return self;
        }
        let above = |limit: f64| (slack(limit, rounds) - slack(limit, full)).max(0.0);
        self.widened(|low| above(1.0 - low), above)
    }

    /// What the mean of this many rounds must be, if it must be this with the full number of them and the
    /// rounds vary by `deviation`.
    #[must_use]
    pub fn of_mean(self, rounds: u64, full: u64, deviation: f64) -> Self {
        let error = |rounds: u64| ERRORS * deviation / count(rounds.max(1)).sqrt();
        let more = (error(rounds) - error(full)).max(0.0);
        self.widened(|_low| more, |_high| more)
    }

    fn widened(self, below: impl Fn(f64) -> f64, above: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::AtMost(high) => Self::AtMost(high + above(high)),
            Self::AtLeast(low) => Self::AtLeast(low - below(low)),
            Self::Within(low, high) => Self::Within(low - below(low), high + above(high)),
            Self::Anything => Self::Anything,
        }
    }
}

/// How far above its chance a share of so many rounds may lie by chance.
fn slack(chance: f64, rounds: u64) -> f64 {
    let (mut low, mut high) = (0, rounds);
    while low < high {
        let middle = u64::midpoint(low, high);
        if binomial::sf(middle, rounds, chance) <= BEYOND {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    count(low) / count(rounds) - chance
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
