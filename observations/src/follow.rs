//! The one thread that follows the log and folds.
//!
//! It reads the log only, live as well: what is folded is what is on disk, and a batch is neither missed nor doubled when
//! a replay ends, because nothing is switched over. Tracks are places in the log with the experiments that read along; one
//! that catches up with the next becomes one with it.

mod question;
mod watched;

pub(crate) use question::Question;
pub use question::{Folded, PeriodTallies};
use watched::Watched;

use crate::cursor::{Cursor, Step};
use crate::extent::{Extent, Shared};
use crate::lane::Lane;
use crate::status::FoldStatus;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use tidegate_analytics::fold::Period;
use tidegate_model::Timestamp;
use tidegate_model::experiment::Design;
use tidegate_model::key::ExperimentKey;

/// After so many observations another track has its turn, and questions are answered.
const TURN_OBSERVATIONS: usize = 20_000;
/// After so many batches too.
const TURN_BATCHES: usize = 256;

/// What the thread is asked for.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Something was written.
    Wake,
    /// Follow an experiment.
    Watch {
        /// Its design.
        design: Arc<Design>,
        /// All periods of it.
        periods: Vec<Period>,
    },
    /// Follow it no longer.
    Unwatch {
        /// Which.
        experiment: ExperimentKey,
    },
    /// Leave units out.
    Exclude {
        /// Of which experiment.
        experiment: ExperimentKey,
        /// Which units.
        units: BTreeSet<String>,
    },
    /// End all its periods.
    Stop {
        /// Of which experiment.
        experiment: ExperimentKey,
        /// When.
        at: Timestamp,
    },
    /// Answer, once everything up to this batch is folded.
    Question {
        /// About which experiment.
        experiment: ExperimentKey,
        /// Sequence of the batch.
        through: u64,
        /// What is asked.
        question: Question,
    },
    /// End.
    Close,
}

/// Tells the thread that something was written, unless it knows.
#[derive(Debug, Clone)]
pub(crate) struct Waker {
    asks: Sender<Ask>,
    told: Arc<AtomicBool>,
}

impl Waker {
    /// Of the thread that is asked through this.
    pub(crate) fn new(asks: Sender<Ask>) -> Self {
        Self {
            asks,
            told: Arc::new(AtomicBool::new(false)),
        }
    }

    /// What says whether it was told.
    pub(crate) fn told(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.told)
    }

    /// Tells it.
    pub(crate) fn wake(&self) {
        if !self.told.swap(true, Ordering::AcqRel) {
            // Whoever has ended needs not be told.
            let _ended = self.asks.send(Ask::Wake);
        }
    }
}

/// The state of the thread.
#[derive(Debug)]
pub(crate) struct Follower {
    asks: Receiver<Ask>,
    told: Arc<AtomicBool>,
    shared: Arc<Shared>,
    watched: BTreeMap<ExperimentKey, Watched>,
    lanes: HashMap<u64, Lane>,
    /// The one that is farthest comes first.
    tracks: Vec<Track>,
    questions: Vec<(ExperimentKey, u64, Question)>,
    /// How many lanes there have been.
    numbered: u64,
}

/// A place in the log, and who reads along.
#[derive(Debug)]
struct Track {
    cursor: Cursor,
    lanes: Vec<u64>,
}

impl Follower {
    /// Follows nothing yet.
    pub(crate) fn new(asks: Receiver<Ask>, told: Arc<AtomicBool>, shared: Arc<Shared>) -> Self {
        Self {
            asks,
            told,
            shared,
            watched: BTreeMap::new(),
            lanes: HashMap::new(),
            tracks: Vec::new(),
            questions: Vec::new(),
            numbered: 0,
        }
    }

    /// Until it is asked to close, or nobody can ask any more.
    pub(crate) fn run(mut self) {
        loop {
            let first = if self.is_behind() {
                match self.asks.try_recv() {
                    Ok(ask) => Some(ask),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => return,
                }
            } else {
                match self.asks.recv() {
                    Ok(ask) => Some(ask),
                    Err(_) => return,
                }
            };
            let mut next = first;
            while let Some(ask) = next {
                if matches!(ask, Ask::Close) {
                    return;
                }
                self.hear(ask);
                next = self.asks.try_recv().ok();
            }
            self.advance();
        }
    }

    fn is_behind(&self) -> bool {
        let sequence = self.shared.extent().sequence;
        self.tracks.iter().any(|track| track.cursor.next <= sequence)
    }

    fn hear(&mut self, ask: Ask) {
        match ask {
            Ask::Wake => self.told.store(false, Ordering::Release),
            Ask::Watch { design, periods } => self.watch(design, &periods),
            Ask::Unwatch { experiment } => {
                for slot in self
                    .watched
                    .remove(&experiment)
                    .into_iter()
                    .flat_map(|it| it.slots)
                {
                    self.drop_slot(&slot);
                }
            }
            Ask::Exclude { experiment, units } => self.exclude(&experiment, &units),
            Ask::Stop { experiment, at } => self.stop(&experiment, at),
            Ask::Question {
                experiment,
                through,
                question,
            } => self.questions.push((experiment, through, question)),
            Ask::Close => {}
        }
    }

    /// A turn of the track that is farthest, which is the live one, and one of the track that is farthest behind.
    fn advance(&mut self) {
        let extent = self.shared.extent();
        self.turn(0, u64::MAX, &extent);
        if let [.., before, _] = self.tracks.as_slice() {
            let until = before.cursor.next;
            self.turn(self.tracks.len() - 1, until, &extent);
        }
        self.join();
        self.take_over(&extent);
        self.publish(&extent);
        self.answer(&extent);
    }

    /// Lets a track go on, up to a batch.
    fn turn(&mut self, place: usize, until: u64, extent: &Extent) {
        let Some(track) = self.tracks.get_mut(place) else {
            return;
        };
        let mut observations = 0;
        let mut batches = 0;
        while track.cursor.next < until && observations < TURN_OBSERVATIONS && batches < TURN_BATCHES {
            match track.cursor.step(extent) {
                Step::End => return,
                Step::Batch { received, batch } => {
                    for lane in &track.lanes {
                        if let Some(lane) = self.lanes.get_mut(lane) {
                            lane.feed(received, &batch);
                        }
                    }
                    observations += batch.observations.len();
                    batches += 1;
                }
                Step::Damage(number, damage) => {
                    for lane in &track.lanes {
                        if let Some(lane) = self.lanes.get_mut(lane) {
                            lane.lost += damage.batches;
                        }
                    }
                    self.shared.damaged(number, damage);
                }
            }
        }
    }

    /// Makes tracks at the same place one.
    fn join(&mut self) {
        self.tracks.retain(|track| !track.lanes.is_empty());
        self.tracks.sort_by_key(|track| Reverse(track.cursor.next));
        self.tracks.dedup_by(|later, kept| {
            let same = later.cursor.next == kept.cursor.next;
            if same {
                kept.lanes.append(&mut later.lanes);
            }
            same
        });
    }

    /// What has caught up answers from now on.
    fn take_over(&mut self, extent: &Extent) {
        for track in &self.tracks {
            if track.cursor.next > extent.sequence {
                for lane in &track.lanes {
                    if let Some(lane) = self.lanes.get_mut(lane) {
                        lane.live = true;
                    }
                }
            }
        }
        let mut left = Vec::new();
        for slot in self.watched.values_mut().flat_map(|watched| &mut watched.slots) {
            if let Some(coming) = slot.coming
                && self.lanes.get(&coming).is_some_and(|lane| lane.live)
            {
                left.push(slot.now);
                (slot.now, slot.coming, slot.holds) = (coming, None, true);
            }
        }
        for lane in left {
            self.drop_lane(lane);
        }
    }

    fn drop_lane(&mut self, number: u64) {
        self.lanes.remove(&number);
        for track in &mut self.tracks {
            track.lanes.retain(|lane| *lane != number);
        }
        self.tracks.retain(|track| !track.lanes.is_empty());
    }

    /// A lane at the beginning of what it needs, on a track that comes by there.
    fn new_lane(&mut self, design: &Design, period: Period, most: i64) -> u64 {
        let extent = self.shared.extent();
        let lane = Lane::new(design, period, most, extent.received);
        let cursor = Cursor::at(&extent, extent.segment_since(lane.since));
        self.numbered += 1;
        self.lanes.insert(self.numbered, lane);
        let mut tracks = self.tracks.iter_mut();
        match tracks.find(|track| track.cursor.next <= cursor.next) {
            Some(track) => track.lanes.push(self.numbered),
            None => self.tracks.push(Track {
                cursor,
                lanes: vec![self.numbered],
            }),
        }
        self.join();
        self.numbered
    }

    /// How many batches a lane is behind.
    fn behind(&self, lane: u64, extent: &Extent) -> u64 {
        let track = self.tracks.iter().find(|track| track.lanes.contains(&lane));
        track.map_or(0, |track| (extent.sequence + 1).saturating_sub(track.cursor.next))
    }

    fn publish(&self, extent: &Extent) {
        let mut experiments = BTreeMap::new();
        for (key, watched) in &self.watched {
            let mut status = FoldStatus::default();
            for slot in &watched.slots {
                for number in [Some(slot.now), slot.coming].into_iter().flatten() {
                    if let Some(lane) = self.lanes.get(&number) {
                        status.bytes += lane.bytes();
                    }
                    status.behind = status.behind.max(self.behind(number, extent));
                }
                if let Some(lane) = self.lanes.get(&slot.now) {
                    status.participants += lane.participants();
                }
            }
            experiments.insert(key.clone(), status);
        }
        self.shared.note(|status| status.experiments = experiments);
    }
}
