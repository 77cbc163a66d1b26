//! Simulations: how often the tests are wrong, how often they find what is there, and what that costs.
//!
//! Each [`Bar`] makes up thousands of experiments whose truth is known, lets the methods of `tidegate-stats`
//! judge their sufficient statistics, and counts. A [`Row`] is one count beside what it [`Must`] be. The same
//! seed gives the same numbers, whichever bars run with it.
//!
//! A smaller [`Scale`] takes n of all N rounds, and what a row must be is widened by the error that this
//! adds. For a share that is the distance beyond which a method exactly at the limit would be in 1 of 30,000
//! runs, by the binomial distribution of n rounds, times `sqrt(1 - n/N)`: what the first n rounds are off all N.
//! For a mean it is four standard errors times the same. At the full scale nothing is widened.
//!
//! [`trial`] is there for methods that are not ours: a test of one's own, on traffic of one's own.

mod bandits;
mod calibration;
mod canaries;
mod coverage;
mod discipline;
mod draws;
mod families;
mod histories;
mod peeking;
mod percentiles;
mod power;
mod price;
mod row;
pub mod trial;

pub use draws::Draws;
pub use row::{Hits, Must, Row, Unit};

use tidegate_stats::Refusal;

/// The fewest rounds of any scale: below, a share says nothing.
const ROUNDS_MIN: u64 = 100;
/// How often a bar reports its progress.
const REPORTS: u64 = 200;
/// The total error of every test that is judged.
const ALPHA: f64 = 0.05;

/// What is called as a bar goes on: rounds done, and all of them.
pub type Progress<'a> = dyn FnMut(u64, u64) + 'a;

/// One simulation with what its numbers must be.
#[derive(Debug, Clone, Copy)]
pub struct Bar {
    /// `S1` to `S10`.
    pub name: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// What is simulated.
    pub setting: &'static str,
    /// The rounds of its parts at the full scale.
    rounds: &'static [u64],
    /// Tells its random numbers from those of the other bars.
    number: u64,
    simulate: fn(&mut Course<'_>) -> Result<Vec<Row>, Refusal>,
}

/// Which share of the rounds is simulated.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Scale(f64);

impl Scale {
    /// All rounds.
    pub const FULL: Self = Self(1.0);

    /// More than 0 and at most 1, else `None`. No part of a bar has fewer than 100 rounds.
    #[must_use]
    pub fn new(share: f64) -> Option<Self> {
        (share > 0.0 && share <= 1.0).then_some(Self(share))
    }
}

/// All bars.
#[must_use]
pub const fn bars() -> &'static [Bar] {
    &BARS
}

/// The bar with this name, in upper or lower case.
#[must_use]
pub fn bar(name: &str) -> Option<&'static Bar> {
    BARS.iter().find(|bar| bar.name.eq_ignore_ascii_case(name))
}

/// Simulates one bar.
///
/// # Errors
///
/// When a method refuses what no method should refuse: the design of a test, not the data of one round. Data that are
/// refused count as nothing found, and as an interval that does not cover.
pub fn run(bar: &Bar, seed: u64, scale: Scale, progress: &mut Progress<'_>) -> Result<Vec<Row>, Refusal> {
    let mut course = Course {
        bar,
        seed,
        scale,
        done: 0,
        all: 0,
        told: 0,
        progress,
    };
    course.all = bar.rounds.iter().map(|full| course.scaled(*full)).sum();
    let rows = (bar.simulate)(&mut course)?;
    (course.progress)(course.all, course.all);
    Ok(rows)
}

/// One bar as it is being simulated.
struct Course<'a> {
    bar: &'a Bar,
    seed: u64,
    scale: Scale,
    done: u64,
    all: u64,
    told: u64,
    progress: &'a mut Progress<'a>,
}

/// One part of a bar: its rounds and its random numbers.
struct Part {
    rounds: u64,
    full: u64,
    draws: Draws,
}

impl Course<'_> {
    fn scaled(&self, full: u64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a number of rounds"
        )]
        let rounds = (draws::count(full) * self.scale.0).ceil() as u64;
        rounds.clamp(ROUNDS_MIN.min(full), full)
    }

    /// The parts of the bar, with random numbers that are independent of each other.
    fn parts(&self) -> Vec<Part> {
        let parts = self.bar.rounds.iter().zip(0..);
        parts
            .map(|(full, number)| Part {
                rounds: self.scaled(*full),
                full: *full,
                draws: self.draws(number),
            })
            .collect()
    }

    fn draws(&self, part: u64) -> Draws {
        Draws::new(self.seed, self.bar.number * 1000 + part)
    }

    /// One more round is done.
    fn tick(&mut self) {
        self.done = (self.done + 1).min(self.all);
        if self.done * REPORTS >= (self.told + 1) * self.all {
            self.told = self.done * REPORTS / self.all;
            (self.progress)(self.done, self.all);
        }
    }
}

const BARS: [Bar; 10] = [
    Bar {
        name: "S1",
        title: "A/A tests under peeking",
        setting: "50 looks of 200 users an arm, no effect; 10 % convert, or 5 % buy for lognormal(3, 1.2)",
        rounds: &peeking::ROUNDS,
        number: 1,
        simulate: peeking::simulate,
    },
    Bar {
        name: "S2",
        title: "power at the size that was computed",
        setting: "sizes for a power of 80 % at alpha 5 %, and the effect they are for",
        rounds: &power::ROUNDS,
        number: 2,
        simulate: power::simulate,
    },
    Bar {
        name: "S3",
        title: "CUPED",
        setting: "2 x 500 users, correlation with history 0.7, an effect of 5 %",
        rounds: &histories::ROUNDS,
        number: 3,
        simulate: histories::simulate,
    },
    Bar {
        name: "S4",
        title: "bandits",
        setting: "rates .10 .11 .12 .15, 20 batches of 1,000 users; conversions lost against always the best arm",
        rounds: &bandits::ROUNDS,
        number: 4,
        simulate: bandits::simulate,
    },
    Bar {
        name: "S5",
        title: "many metrics",
        setting: "100 metrics, 20 of them with an effect of 3 standard errors",
        rounds: &families::ROUNDS,
        number: 5,
        simulate: families::simulate,
    },
    Bar {
        name: "S6",
        title: "coverage of differences and lifts",
        setting: "95 % intervals: of two proportions, in four shapes, and of revenue as in S1",
        rounds: &coverage::ROUNDS,
        number: 6,
        simulate: coverage::simulate,
    },
    Bar {
        name: "S7",
        title: "calibration of Bayes, alarms of the sample ratio",
        setting: "lifts drawn from the prior N(0, 0.1^2), 2 x 5,000 users at 10 %; 200,000 users divided 50/50 and 50.5/49.5",
        rounds: &calibration::ROUNDS,
        number: 7,
        simulate: calibration::simulate,
    },
    Bar {
        name: "S8",
        title: "percentiles of users with several events",
        setting: "no effect, 2 x 400 users with 5 lognormal events each, correlated by 0.64 on the logarithm",
        rounds: &percentiles::ROUNDS,
        number: 8,
        simulate: percentiles::simulate,
    },
    Bar {
        name: "S9",
        title: "the price of looking",
        setting: "10 % against 12 %, at most 3,860 users an arm, 20 looks",
        rounds: &price::ROUNDS,
        number: 9,
        simulate: price::simulate,
    },
    Bar {
        name: "S10",
        title: "rare errors of a canary",
        setting: "50 looks of 200 users an arm, one-sided; 0.1 % and 0.5 % fail, or ten times as many",
        rounds: &canaries::ROUNDS,
        number: 10,
        simulate: canaries::simulate,
    },
];
