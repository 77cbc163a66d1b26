//! How the tallies went: samples evenly spaced in the time of receipt.

use crate::{at_millis, millis};
use std::sync::Arc;
use tidegate_analytics::fold::{AHEAD, Period};
use tidegate_model::Timestamp;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::span::Span;

/// Most samples of one experiment, of all its periods together, unless it has very many periods.
const SAMPLES_MAX: i64 = 200;
/// Each period has at least so many.
const SAMPLES_LEAST: i64 = 10;
/// How far apart samples are at first, in milliseconds.
const INTERVAL: i64 = 60_000;

/// The tallies at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Everything that was received up to here is in them.
    pub at: Timestamp,
    /// Without the breakdown by dimensions.
    pub tallies: Arc<Tallies>,
}

/// The samples of one period: a function of the log and the experiment, the same after every restart.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Of which period.
    pub period: Period,
    /// How far the samples are apart. It starts with a minute, and doubles when there are too many.
    pub interval: Span,
    /// In the order of time. None lies behind the end of what was received, nor within five minutes before the end of the
    /// period: from then on a stop changes what counts.
    pub samples: Vec<Sample>,
}

/// Takes the samples of one period.
#[derive(Debug)]
pub(crate) struct Sampler {
    from: i64,
    until: i64,
    /// Most samples.
    pub(crate) most: i64,
    interval: i64,
    /// Up to when it is known that something was received.
    reached: i64,
    samples: Vec<Sample>,
}

/// Most samples of each of so many periods.
pub(crate) fn most(periods: usize) -> i64 {
    let periods = i64::try_from(periods).unwrap_or(i64::MAX).max(1);
    (SAMPLES_MAX / periods).max(SAMPLES_LEAST)
}

impl Sampler {
    /// Of a period, at most so many.
    pub(crate) fn new(period: &Period, most: i64) -> Self {
        Self {
            from: millis(period.from),
            until: period.until.map_or(i64::MAX, millis),
            most,
            interval: INTERVAL,
            reached: i64::MIN,
            samples: Vec::new(),
        }
    }

    /// The period ends here. It is not before anything that was [reached](Self::reach).
    pub(crate) fn stop(&mut self, at: Timestamp) {
        self.until = self.until.min(millis(at));
        let last = self.last_allowed();
        self.samples.retain(|sample| millis(sample.at) < last);
    }

    /// At most so many from now on, which are not more than before.
    pub(crate) fn thin(&mut self, most: i64) {
        self.most = self.most.min(most);
        self.reach(self.reached);
    }

    /// Something was received at this time, or is known to have been: sets the interval with which there are not too many.
    pub(crate) fn reach(&mut self, received: i64) {
        self.reached = self.reached.max(received);
        let length = self.reached.min(self.until).saturating_sub(self.from);
        let before = self.interval;
        while length / self.interval > self.most {
            self.interval *= 2;
        }
        if self.interval != before {
            let (from, interval) = (self.from, self.interval);
            self.samples
                .retain(|sample| (millis(sample.at) - from) % interval == 0);
        }
    }

    /// Takes the samples that are due before something is folded that was received at this time.
    pub(crate) fn pass(&mut self, received: i64, mut look: impl FnMut() -> Arc<Tallies>) {
        self.reach(received);
        let last = received.min(self.last_allowed());
        let mut taken = None;
        loop {
            let before = self.samples.last().map_or(self.from, |sample| millis(sample.at));
            let at = before.saturating_add(self.interval);
            if at >= last {
                return;
            }
            let tallies = Arc::clone(taken.get_or_insert_with(&mut look));
            self.samples.push(Sample {
                at: at_millis(at),
                tallies,
            });
        }
    }

    /// The samples so far.
    pub(crate) fn series(&self, period: Period) -> Series {
        Series {
            period,
            interval: Span::millis(self.interval.unsigned_abs()),
            samples: self.samples.clone(),
        }
    }

    fn last_allowed(&self) -> i64 {
        let ahead = i64::try_from(AHEAD.duration().as_millis()).unwrap_or(i64::MAX);
        self.until.saturating_sub(ahead)
    }
}
