//! Folding: what was seen of single units in, tallies out.
//!
//! The tallies are a function of the *set* of observations, each with the time at which it was received, and of nothing
//! else: in whichever order they are handed in, in whichever portions, once or many times. That holds for all orders in
//! which nothing is handed in later than [`LATENESS`] after it happened, by the latest receipt so far.

use tidegate_model::Timestamp;
use tidegate_model::experiment::Design;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::observation::Observation;
use tidegate_model::span::Span;

/// How long observations are waited for. What is received later than this after it happened is left out.
pub const LATENESS: Span = Span::seconds(24 * 3600);

/// How far an observation may lie ahead of the control plane's clock.
pub const AHEAD: Span = Span::seconds(5 * 60);

/// Which part of an experiment is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Exposures count from this moment on.
    pub from: Timestamp,
    /// From this moment on nothing counts any more; `None` while that is open.
    pub until: Option<Timestamp>,
    /// The dealing of which exposures count: [`tidegate_model::experiment::Experiment::batch`].
    pub batch: u32,
}

/// A stop that lies so far back that the fold has forgotten what it would have to take out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stop at {at} lies before {earliest}, up to which units were summed up: fold the observations anew")]
pub struct TooLongAgo {
    /// The stop that was asked for.
    pub at: Timestamp,
    /// The earliest stop that can still be taken in.
    pub earliest: Timestamp,
}

/// One experiment, folded.
#[derive(Debug)]
pub struct Fold {
    tallies: Tallies,
    reaches_back: Timestamp,
}

impl Fold {
    /// An experiment of which nothing was seen yet.
    #[must_use]
    pub fn new(design: &Design, period: Period) -> Self {
        let _ = design;
        Self {
            tallies: Tallies::default(),
            reaches_back: AHEAD.before(design.history.before(period.from)),
        }
    }

    /// Takes in what was seen of a unit. `received` is when the control plane got it, by its own clock.
    pub fn observe(&mut self, observation: &Observation, received: Timestamp) {
        let _ = (observation, received);
    }

    /// From this moment on nothing counts, not even what was taken in before. Of several stops the earliest holds.
    ///
    /// # Errors
    ///
    /// [`TooLongAgo`] when units have been summed up past that moment; the fold is as before then.
    pub fn stop(&mut self, at: Timestamp) -> Result<(), TooLongAgo> {
        let _ = at;
        Ok(())
    }

    /// Leaves these units out, with all that they did before.
    pub fn exclude<'a>(&mut self, units: impl IntoIterator<Item = &'a str>) {
        for unit in units {
            let _ = unit;
        }
    }

    /// The tallies in every part. Caps that are quantiles, percentiles and breakdowns need a walk over all units, whose time
    /// grows with them.
    pub fn look(&mut self) -> Tallies {
        self.tallies()
    }

    /// The tallies without a walk: caps that are quantiles, percentiles and breakdowns are those of the last
    /// [`Self::look`].
    #[must_use]
    pub fn tallies(&self) -> Tallies {
        self.tallies.clone()
    }

    /// Whether [`Self::look`] has to walk over all units to be complete.
    #[must_use]
    pub fn walks(&self) -> bool {
        false
    }

    /// Nothing that was received before this moment matters: where to begin when observations are read again.
    #[must_use]
    pub fn reaches_back(&self) -> Timestamp {
        self.reaches_back
    }

    /// How many units are held, those among them that have not been exposed.
    #[must_use]
    pub fn participants(&self) -> u64 {
        0
    }

    /// How many bytes of memory all of it takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        0
    }
}
