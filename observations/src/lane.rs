//! One period of an experiment on its way through the log.

use crate::series::{Sampler, Series};
use crate::{at_millis, millis};
use std::sync::Arc;
use tidegate_analytics::fold::{Fold, LATENESS, Period, TooLongAgo};
use tidegate_model::Timestamp;
use tidegate_model::experiment::Design;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::observation::ObservationBatch;

/// Follows the log for one period.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Which period.
    pub(crate) period: Period,
    /// `None` once nothing can change any more; then `looked` is what it said last.
    fold: Option<Fold>,
    sampler: Sampler,
    /// What was received before does not matter, in milliseconds since 1970.
    pub(crate) since: i64,
    /// When the last batch was received that it was given.
    received: i64,
    /// Batches that could not be read where it needed them.
    pub(crate) lost: u64,
    /// Whether it has caught up with the log once.
    pub(crate) live: bool,
    looked: Option<Arc<Tallies>>,
    /// Of the fold that is gone.
    participants: u64,
}

/// Nothing that was received before matters to a period, in milliseconds since 1970.
pub(crate) fn since(design: &Design, period: &Period) -> i64 {
    millis(Fold::new(design, *period).reaches_back())
}

impl Lane {
    /// At the beginning of what it needs. `reached` is when the last batch of the log was received: the samples that will
    /// be dropped by then need not be taken.
    pub(crate) fn new(design: &Design, period: Period, most: i64, reached: i64) -> Self {
        let mut sampler = Sampler::new(&period, most);
        sampler.reach(reached);
        let fold = Fold::new(design, period);
        Self {
            period,
            since: millis(fold.reaches_back()),
            fold: Some(fold),
            participants: 0,
            sampler,
            received: i64::MIN,
            lost: 0,
            live: false,
            looked: None,
        }
    }

    /// Takes in a batch of the log, in its order. What is received later than it is waited for after the end of the period is
    /// none of its business: the fold is given up then, and with it the memory that it took.
    pub(crate) fn feed(&mut self, received: i64, batch: &ObservationBatch) {
        let Some(fold) = self.fold.as_mut().filter(|_| received >= self.since) else {
            return;
        };
        let looked = &mut self.looked;
        self.sampler.pass(received, || {
            let tallies = looked.take().unwrap_or_else(|| Arc::new(fold.look()));
            if tallies.breakdown.is_empty() {
                return tallies;
            }
            let mut tallies = Arc::unwrap_or_clone(tallies);
            tallies.breakdown.clear();
            Arc::new(tallies)
        });
        self.received = received;
        let at = at_millis(received);
        if self.period.until.is_some_and(|until| at > LATENESS.after(until)) {
            self.participants = fold.participants();
            self.looked = Some(Arc::new(fold.look()));
            self.fold = None;
            return;
        }
        self.looked = None;
        for observation in &batch.observations {
            fold.observe(observation, at);
        }
    }

    /// Ends the period. Whether the samples are right too; where they are not, some lie behind the end.
    ///
    /// # Errors
    /// When all of it has to be folded anew.
    pub(crate) fn stop(&mut self, at: Timestamp) -> Result<bool, TooLongAgo> {
        let Some(fold) = &mut self.fold else {
            let until = self.period.until.unwrap_or(at);
            return match at < until {
                true => Err(TooLongAgo { at, earliest: until }),
                false => Ok(true),
            };
        };
        fold.stop(at)?;
        self.period.until = Some(self.period.until.map_or(at, |until| until.min(at)));
        self.sampler.stop(at);
        self.looked = None;
        Ok(millis(at) >= self.received)
    }

    /// Leaves units out. The samples stay as they are: those are right once it is folded anew. Whether the tallies are right.
    pub(crate) fn exclude<'a>(&mut self, units: impl IntoIterator<Item = &'a str>) -> bool {
        let Some(fold) = &mut self.fold else { return false };
        fold.exclude(units);
        self.looked = None;
        true
    }

    /// Most samples.
    pub(crate) fn most(&self) -> i64 {
        self.sampler.most
    }

    /// Keeps fewer samples.
    pub(crate) fn thin(&mut self, most: i64) {
        self.sampler.thin(most);
    }

    /// The tallies, complete. They are looked for once for as long as nothing changes.
    pub(crate) fn tallies(&mut self) -> Arc<Tallies> {
        let fold = &mut self.fold;
        let look = || Arc::new(fold.as_mut().map(Fold::look).unwrap_or_default());
        Arc::clone(self.looked.get_or_insert_with(look))
    }

    /// The samples so far.
    pub(crate) fn series(&self) -> Series {
        self.sampler.series(self.period)
    }

    /// How many units are held.
    pub(crate) fn participants(&self) -> u64 {
        self.fold.as_ref().map_or(self.participants, Fold::participants)
    }

    /// How much memory they take.
    pub(crate) fn bytes(&self) -> u64 {
        self.fold.as_ref().map_or(0, Fold::bytes)
    }
}
