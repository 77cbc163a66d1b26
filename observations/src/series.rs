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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;

    const FROM: i64 = 1_767_603_600_000;

    fn period(until: Option<i64>) -> Period {
        Period {
            from: at_millis(FROM),
            until: until.map(|until| at_millis(FROM + until)),
            batch: 0,
        }
    }

    /// Tallies that say how much was received before.
    fn so_many(count: u64) -> Arc<Tallies> {
        let mut tallies = Tallies::default();
        tallies.left_out.late = count;
        Arc::new(tallies)
    }

    /// After so long each, in milliseconds since the start of the period.
    fn receipts(steps: &[i64]) -> Vec<i64> {
        let sum = |at: &mut i64, step: &i64| {
            *at += step;
            Some(FROM + *at)
        };
        steps.iter().scan(-3_600_000, sum).collect()
    }

    fn pass(sampler: &mut Sampler, receipts: &[i64], before: u64) {
        for (count, received) in (before..).zip(receipts) {
            sampler.pass(*received, || so_many(count));
        }
    }

    proptest::proptest! {
        #[test]
        fn samples_are_what_was_received_by_then_evenly_and_not_too_many(steps in vec(0..4_000_000_i64, 1..300)) {
            let receipts = receipts(&steps);
            let mut sampler = Sampler::new(&period(None), 20);
            pass(&mut sampler, &receipts, 0);
            let series = sampler.series(period(None));
            let last = *receipts.last().unwrap();
            assert!(series.samples.len() <= 20);
            let interval = sampler.interval;
            let fits = |interval: i64| (last - FROM) / interval <= 20;
            assert!(fits(interval) && (interval == INTERVAL || !fits(interval / 2)));
            let due = (1..).map(|n| FROM + n * interval).take_while(|at| *at < last);
            assert!(series.samples.iter().map(|sample| millis(sample.at)).eq(due));
            for sample in &series.samples {
                let by_then = receipts.iter().filter(|received| **received <= millis(sample.at)).count();
                assert_eq!(sample.tallies.left_out.late, by_then as u64);
            }
        }

        #[test]
        fn knowing_the_end_keeping_fewer_and_stopping_later_give_the_same(
            steps in vec(0..4_000_000_i64, 2..300),
            cut in 0..300_usize,
            stopped: bool,
        ) {
            let receipts = receipts(&steps);
            let last = *receipts.last().unwrap();
            let (early, late) = receipts.split_at(cut.min(receipts.len()));
            // Not before what was received by then.
            let stop = early.last().copied().unwrap_or(FROM).max(FROM + 1);
            let ends = period(stopped.then_some(stop - FROM));
            let mut knowing = Sampler::new(&ends, 10);
            knowing.reach(last);
            pass(&mut knowing, &receipts, 0);
            let mut learning = Sampler::new(&period(None), 20);
            pass(&mut learning, early, 0);
            if stopped {
                learning.stop(at_millis(stop));
            }
            learning.thin(10);
            pass(&mut learning, late, early.len() as u64);
            assert_eq!(knowing.series(ends), learning.series(ends));
        }
    }
}
