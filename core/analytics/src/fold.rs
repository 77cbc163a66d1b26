//! Folding: what was seen of single units in, tallies out.
//!
//! The tallies are a function of the *set* of observations, each with the time at which it was received, and of nothing
//! else: in whichever order they are handed in, in whichever portions. That holds for all orders in which nothing is
//! handed in later than [`LATENESS`] after it happened, by the latest receipt so far, as it is with observations that
//! are handed in as they are received.
//!
//! How it is done: what a unit adds to the tallies is a function of what is known of it. Each observation takes the old
//! addend away and adds the new one, in whole numbers, so that nothing is ever rounded and undoing leaves no trace.
//!
//! What a unit takes: 48 bytes, 9 to 18 in the table that finds it, and 24 for each event that some metric looks at,
//! with what the allocator adds. Of a unit with more than 16 events, those older than twice [`LATENESS`] are summed up: it
//! takes 192 bytes a metric then, 8 for each value of a percentile and for each different value that is counted, and
//! 40 for each event of those two days. Units that were never exposed are forgotten when what they did is older than the
//! history, or than those two days.

mod breakdown;
mod counts;
mod crowd;
mod event;
mod lens;
mod many;
mod meter;
mod participant;
mod percentile;
mod rank;
mod walk;
mod words;

use counts::{Counts, Extent};
use crowd::Crowd;
use event::{Event, Kinship, MOMENT_END};
use lens::{Lens, Moment};
use participant::{Participant, Seen, Standing, wide};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_model::Timestamp;
use tidegate_model::experiment::Design;
use tidegate_model::experiment::tally::{Fixed, Tallies};
use tidegate_model::key::MetricName;
use tidegate_model::observation::Observation;
use tidegate_model::span::Span;
use tidegate_model::units::UnitSet;
use words::Vocabulary;

/// How long observations are waited for. What is received later than this after it happened is left out.
pub const LATENESS: Span = Span::seconds(24 * 3600);

/// How far an observation may lie ahead of the control plane's clock: clocks are off by seconds, not by more.
pub const AHEAD: Span = Span::seconds(5 * 60);

/// So many values of a dimension are told apart, those with the most units; the others are one together.
pub const BREAKDOWN_VALUES_MAX: usize = 50;

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
#[error(
    "the stop at {at} lies before {earliest}, up to which events were summed up: fold the observations anew"
)]
pub struct TooLongAgo {
    /// The stop that was asked for.
    pub at: Timestamp,
    /// The earliest stop that can still be taken in.
    pub earliest: Timestamp,
}

/// One experiment, folded.
///
/// A unit is known by its hash ([`UnitSet::hash`]), as in lists of units. Its numbers are cut to a billion either way,
/// which is the largest value that an event may have.
#[derive(Debug)]
pub struct Fold {
    lens: Lens,
    crowd: Crowd,
    counts: Counts,
    vocabulary: Vocabulary,
    breakdown: walk::Breakdown,
    excluded: BTreeSet<u64>,
    /// The latest receipt, in milliseconds since 1970.
    now: i64,
    /// Up to when events of some unit are summed up.
    settled: Moment,
    /// From where on it is worth while to look for what can be forgotten.
    forgotten: Moment,
}

/// Why an observation is left out, before its unit is looked at.
enum Untimely {
    Late,
    FromTheFuture,
}

/// An event as it comes.
struct Measured<'a> {
    unit: &'a str,
    metric: &'a MetricName,
    value: f64,
    id: &'a str,
}

impl Fold {
    /// An experiment of which nothing was seen yet.
    #[must_use]
    pub fn new(design: &Design, period: Period) -> Self {
        let lens = Lens::of(design, &period);
        Self {
            crowd: Crowd::default(),
            counts: Counts::empty(&lens),
            vocabulary: Vocabulary::of(&lens.dimensions),
            breakdown: BTreeMap::new(),
            excluded: design.excluded.iter().map(|unit| UnitSet::hash(unit)).collect(),
            now: i64::MIN,
            settled: 0,
            forgotten: 0,
            lens,
        }
    }

    /// Takes in what was seen of a unit. `received` is when the control plane got it, by its own clock.
    ///
    /// Exposures of other experiments and of other dealings are none of its business. All else that does not count is
    /// counted in [`Tallies::left_out`] under the first cause that holds: an arm or an event that is unknown, a value
    /// that cannot be counted, a time in the future, too late, before the start, after the stop, an excluded unit, and a
    /// duplicate. An event is a duplicate when one of the unit with the same id happened before it, within
    /// [`LATENESS`]; of those at the same time the first one by its content counts. More exposures to the same arm
    /// change nothing, and are not counted anywhere.
    pub fn observe(&mut self, observation: &Observation, received: Timestamp) {
        let received = received.timestamp_millis();
        self.now = self.now.max(received);
        let at = observation.at().timestamp_millis();
        match observation {
            Observation::Exposure {
                experiment,
                batch,
                unit,
                arm,
                dimensions,
                ..
            } => {
                if *experiment != self.lens.experiment || *batch != self.lens.batch {
                    return;
                }
                let Some(arm) = self.lens.arm(arm) else {
                    self.counts.left_out.unknown_arm += 1;
                    return;
                };
                if let Some(at) = self.timely(at, received) {
                    self.expose(unit, arm, at, dimensions);
                }
            }
            Observation::Event {
                unit,
                metric,
                value,
                id,
                ..
            } => self.measure(
                &Measured {
                    unit,
                    metric,
                    value: *value,
                    id,
                },
                at,
                received,
            ),
        }
    }

    /// From this moment on nothing counts, not even what was taken in before. Of several stops the earliest holds.
    ///
    /// # Errors
    ///
    /// [`TooLongAgo`] when events have been summed up past that moment, which are older than twice [`LATENESS`]; the fold
    /// is as before then.
    pub fn stop(&mut self, at: Timestamp) -> Result<(), TooLongAgo> {
        let stop = self.lens.moment(at.timestamp_millis()).unwrap_or(0);
        if stop >= self.lens.stop {
            return Ok(());
        }
        if stop < self.settled {
            return Err(TooLongAgo {
                at,
                earliest: self.lens.time(self.settled),
            });
        }
        let before = std::mem::replace(&mut self.lens.stop, stop);
        let Self {
            lens, crowd, counts, ..
        } = self;
        let mut heap = 0;
        for one in crowd.iter_mut() {
            counts.count(lens, one, before, Extent::Whole, false);
            let (observations, duplicates) = one.cut(stop);
            counts.left_out.after_stop += observations;
            if one.excluded {
                counts.left_out.excluded -= observations;
            } else {
                counts.left_out.duplicate -= duplicates;
            }
            one.reread(lens, stop);
            counts.count(lens, one, stop, Extent::Whole, true);
            heap += one.heap();
        }
        crowd.heap = heap;
        Ok(())
    }

    /// Leaves these units out, with all that they did before. What they did and was forgotten, because they were never
    /// exposed, is not counted.
    pub fn exclude<'a>(&mut self, units: impl IntoIterator<Item = &'a str>) {
        let Self {
            lens,
            crowd,
            counts,
            excluded,
            ..
        } = self;
        for unit in units {
            let unit = UnitSet::hash(unit);
            if !excluded.insert(unit) {
                continue;
            }
            let Some(one) = crowd.find(unit) else { continue };
            counts.count(lens, one, lens.stop, Extent::Whole, false);
            let (observations, duplicates) = one.observations();
            counts.left_out.duplicate -= duplicates;
            counts.left_out.excluded += observations;
            one.excluded = true;
            counts.count(lens, one, lens.stop, Extent::Whole, true);
        }
    }

    /// The tallies without a walk: caps that are quantiles, percentiles, ranks and breakdowns are those of the last
    /// [`Self::look`].
    #[must_use]
    pub fn tallies(&self) -> Tallies {
        let arms = self.lens.arms.iter().cloned();
        let tallies = self.counts.arms.iter().map(|arm| arm.tally(&self.lens));
        Tallies {
            arms: arms.zip(tallies).collect(),
            left_out: self.counts.left_out,
            breakdown: self.breakdown.clone(),
        }
    }

    /// Nothing that was received before this moment matters: where to begin when observations are read again.
    #[must_use]
    pub fn reaches_back(&self) -> Timestamp {
        self.lens.reaches_back()
    }

    /// How many units are held, those among them that have not been exposed.
    #[must_use]
    pub fn participants(&self) -> u64 {
        self.crowd.len()
    }

    /// How many bytes of memory all of it takes, with what an allocator adds to each piece. A walk needs more while it goes:
    /// 8 for each value that is put in order, and 16 for each unit while a metric is put into ranks, one metric after another.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let excluded = self.excluded.len() * 2 * size_of::<u64>();
        wide(size_of::<Self>() + self.crowd.bytes() + self.vocabulary.bytes() + excluded)
    }

    /// When it was, if it was neither too late nor too early; `None` of what is left out, which is counted.
    fn timely(&mut self, at: i64, received: i64) -> Option<i64> {
        let untimely = if at > received.saturating_add_unsigned(lens::millis(AHEAD)) {
            Untimely::FromTheFuture
        } else if at < received.saturating_sub_unsigned(lens::millis(LATENESS)) {
            Untimely::Late
        } else {
            match self.lens.moment(at) {
                Some(moment) if moment >= MOMENT_END => Untimely::FromTheFuture,
                _ => return Some(at),
            }
        };
        let left_out = &mut self.counts.left_out;
        match untimely {
            Untimely::Late => left_out.late += 1,
            Untimely::FromTheFuture => left_out.from_the_future += 1,
        }
        None
    }

    fn expose(&mut self, unit: &str, arm: u8, at: i64, says: &BTreeMap<String, String>) {
        let Some(at) = self.lens.moment(at).filter(|at| *at >= self.lens.from) else {
            self.counts.left_out.before_start += 1;
            return;
        };
        let unit = UnitSet::hash(unit);
        let excluded = &self.excluded;
        let make = || Participant::new(unit, excluded.contains(&unit));
        let Some(one) = self.crowd.find_or_make(unit, make) else {
            return;
        };
        let before = one.seen(arm);
        if before.is_some_and(|before| before.at < at) {
            return;
        }
        let seen = Seen {
            at,
            arm,
            words: self.vocabulary.number(says),
        };
        let is_news = before.is_none_or(|before| {
            seen.at < before.at || self.vocabulary.compare(seen.words, before.words).is_lt()
        });
        if !is_news {
            return;
        }
        if at < one.until() {
            self.counts.left_out.late += 1;
            return;
        }
        let heap = one.heap();
        let stop = self.lens.stop;
        self.counts.count(&self.lens, one, stop, Extent::Whole, false);
        one.expose(seen);
        one.reread(&self.lens, stop);
        self.counts.count(&self.lens, one, stop, Extent::Whole, true);
        let grown = one.heap();
        self.crowd.heap = self.crowd.heap - heap + grown;
    }

    fn measure(&mut self, measured: &Measured<'_>, at: i64, received: i64) {
        let Some(number) = self.lens.event(measured.metric) else {
            self.counts.left_out.unknown_event += 1;
            return;
        };
        let Ok(value) = Fixed::of(measured.value) else {
            self.counts.left_out.bad_value += 1;
            return;
        };
        // What happened before the history of the start is nothing to anybody.
        let Some(at) = self.timely(at, received).and_then(|at| self.lens.moment(at)) else {
            return;
        };
        if at >= self.lens.stop {
            self.counts.left_out.after_stop += 1;
            return;
        }
        let event = Event::new(at, number, value, UnitSet::hash(measured.id));
        self.add(UnitSet::hash(measured.unit), event);
    }

    fn add(&mut self, unit: u64, event: Event) {
        let horizon = self.horizon();
        let Self {
            lens,
            crowd,
            counts,
            excluded,
            ..
        } = self;
        let make = || Participant::new(unit, excluded.contains(&unit));
        let Some(one) = crowd.find_or_make(unit, make) else {
            return;
        };
        if event.at() < one.until() {
            counts.left_out.late += 1;
            return;
        }
        let kinship = one.kinship(&event, lens);
        if one.excluded {
            counts.left_out.excluded += 1;
        } else {
            counts.left_out.duplicate += kinship.duplicates();
        }
        let standing = one.standing(lens.stop);
        let changed: &[u16] = match standing {
            Standing::In(seen) if kinship == Kinship::NEW && event.at() >= seen.at => {
                lens.readers(event.number())
            }
            // Whether the unit has a history is asked by all metrics.
            Standing::In(_) if kinship.matters() => &lens.all,
            _ => &[],
        };
        let heap = one.heap();
        let extent = Extent::Metrics(changed);
        counts.count(lens, one, lens.stop, extent, false);
        one.insert(event, kinship, lens, standing.exposed());
        counts.count(lens, one, lens.stop, extent, true);
        if one.is_due() {
            self.settled = self.settled.max(one.settle(lens, horizon));
        }
        let grown = one.heap();
        crowd.heap = crowd.heap - heap + grown;
    }

    /// Nothing can come any more that happened before this.
    fn horizon(&self) -> Moment {
        let horizon = self.now.saturating_sub_unsigned(lens::millis(LATENESS));
        self.lens.moment(horizon).unwrap_or(0)
    }
}
