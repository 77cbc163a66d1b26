//! What is seen of single units: handed in here, kept in the line, told upstream.

use crate::metrics::{Counters, ObservationCounters};
use crate::seen::{Mark, Seen};
use crate::spool::{NotKept, Spool};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tidegate_eval::{Dealt, PreparedContext};
use tidegate_model::Timestamp;
use tidegate_model::key::{ExperimentKey, VariationKey};
use tidegate_model::observation::{NAME_BYTES_MAX, Observation};

/// How much may wait for upstream on disk, in bytes, unless somebody says otherwise.
pub const SPOOL_BYTES_DEFAULT: u64 = 256 << 20;

/// How much may wait at most in memory, whatever somebody says, in bytes.
const MEMORY_BYTES_MAX: u64 = 32 << 20;

/// Where it is in the node's folder.
const FOLDER: &str = "observations";

/// Takes in what is seen of single units.
#[derive(Debug)]
pub struct Observations {
    spool: Spool,
    seen: Arc<Seen>,
    counters: Arc<Counters>,
    complained: [Complaint; 3],
}

/// When something was logged last: once a minute is enough.
#[derive(Debug)]
struct Complaint(AtomicI64);

/// Why a unit that was dealt an arm is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// Its exposure was not kept.
    #[error(transparent)]
    NotKept(#[from] NotKept),
    /// Its name is longer than [`NAME_BYTES_MAX`].
    #[error("the name of the unit has more than {NAME_BYTES_MAX} bytes")]
    UnitTooLong,
}

impl NotRecorded {
    /// The cause, as the label of `tidegate_node_lost_observations_total`.
    pub fn cause(self) -> &'static str {
        match self {
            Self::NotKept(why) => why.cause(),
            Self::UnitTooLong => "unit_too_long",
        }
    }

    fn complaint(self) -> usize {
        match self {
            Self::NotKept(NotKept::Full) => 0,
            Self::NotKept(NotKept::Disk) => 1,
            Self::UnitTooLong => 2,
        }
    }
}

/// A unit that was dealt an arm, to be recorded.
#[derive(Debug, Clone)]
pub struct Exposure {
    experiment: ExperimentKey,
    batch: u32,
    unit: String,
    arm: VariationKey,
    at: Timestamp,
    dimensions: BTreeMap<String, String>,
    mark: Mark,
}

impl Exposure {
    /// What there is to record of a unit that was dealt an arm.
    ///
    /// # Errors
    /// When the unit's name is too long.
    pub fn of(dealt: &Dealt<'_>, context: &PreparedContext<'_>) -> Result<Self, NotRecorded> {
        let (unit, arm, trace) = match (dealt.unit(context), dealt.arm(), dealt.trace(context)) {
            (Some(unit), Some(arm), Some(trace)) if unit.len() <= NAME_BYTES_MAX => (unit, arm, trace),
            _ => return Err(NotRecorded::UnitTooLong),
        };
        Ok(Self {
            experiment: dealt.experiment().clone(),
            batch: dealt.batch(),
            unit,
            arm: arm.clone(),
            at: context.at(),
            dimensions: dealt.dimensions(context),
            mark: Mark::new(trace, context.at()),
        })
    }

    /// The same at another moment.
    #[must_use]
    pub fn at(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    fn observation(self) -> Observation {
        Observation::Exposure {
            experiment: self.experiment,
            batch: self.batch,
            unit: self.unit,
            arm: self.arm,
            at: self.at,
            dimensions: self.dimensions,
        }
    }
}

impl Observations {
    /// Where the line is in a replica's folder.
    pub(crate) fn folder_in(folder: &Path) -> PathBuf {
        folder.join(FOLDER)
    }

    /// The line in this folder; in memory when there is none, or another process has it.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(crate) fn open(
        folder: Option<&Path>,
        bytes_max: u64,
        counters: &Arc<Counters>,
    ) -> std::io::Result<Self> {
        let seen = Arc::new(Seen::default());
        let in_memory = || Spool::in_memory(bytes_max.min(MEMORY_BYTES_MAX));
        let spool = match folder {
            None => in_memory(),
            Some(folder) => {
                let (seen, counters) = (Arc::clone(&seen), Arc::clone(counters));
                let on_loss = move |lost: usize| {
                    seen.clear();
                    counters.observations().lost("disk", lost as u64);
                };
                match Spool::open(folder, bytes_max, on_loss)? {
                    Some((spool, damaged)) => {
                        told_of_damage(folder, damaged);
                        spool
                    }
                    None => {
                        tracing::error!(folder = %folder.display(),
                            "another process keeps its observations there; those of this one wait in memory and are lost \
                             with it: give each node a folder of its own");
                        in_memory()
                    }
                }
            }
        };
        Ok(Self {
            spool,
            seen,
            counters: Arc::clone(counters),
            complained: [const { Complaint(AtomicI64::new(i64::MIN)) }; 3],
        })
    }

    /// Records that a unit met its arm, soon: without waiting, and without a word when that is not possible, which is
    /// counted. What was recorded in the last hour is not recorded again; finding that out allocates nothing.
    #[inline]
    pub fn expose(&self, dealt: &Dealt<'_>, context: &PreparedContext<'_>) {
        let mark = dealt.trace(context).map(|trace| Mark::new(trace, context.at()));
        if mark.is_some_and(|mark| !self.seen.has(mark)) {
            self.expose_anew(dealt, context);
        }
    }

    #[cold]
    fn expose_anew(&self, dealt: &Dealt<'_>, context: &PreparedContext<'_>) {
        let exposed = Exposure::of(dealt, context).and_then(|exposure| {
            let mark = exposure.mark;
            // Nobody waits for it.
            let _ticket = self.spool.hand_in(&[exposure.observation()], false)?;
            self.seen.note(mark);
            Ok(())
        });
        match exposed {
            Ok(()) => self.counters().taken("exposure", 1),
            Err(why) => self.lose(why, 1, context.at()),
        }
    }

    /// Records exposures, all or none. When this returns they are written, and survive the end of the process.
    ///
    /// # Errors
    /// When they were not recorded: then none of the units may be treated as if it took part.
    pub async fn record(&self, exposures: Vec<Exposure>, now: Timestamp) -> Result<(), NotKept> {
        if exposures.is_empty() {
            return Ok(());
        }
        let is_known = || exposures.iter().all(|exposure| self.seen.has(exposure.mark));
        if is_known() {
            self.spool.flushed().await?;
            // What was known may have been lost meanwhile.
            if is_known() {
                return Ok(());
            }
        }
        let marks: Vec<Mark> = exposures.iter().map(|exposure| exposure.mark).collect();
        let observations: Vec<Observation> = exposures.into_iter().map(Exposure::observation).collect();
        self.hand_in(&observations, now).await?;
        for mark in marks {
            self.seen.note(mark);
        }
        Ok(())
    }

    /// Hands in observations, all or none. When this returns they are written, and survive the end of the process.
    ///
    /// # Errors
    /// When they are not kept.
    pub async fn hand_in(&self, observations: &[Observation], now: Timestamp) -> Result<(), NotKept> {
        if observations.is_empty() {
            return Ok(());
        }
        match self.spool.hand_in(observations, true) {
            Ok(ticket) => ticket.written().await?,
            Err(why) => {
                self.lose(why.into(), observations.len(), now);
                return Err(why);
            }
        }
        let is_exposure = |one: &&Observation| matches!(one, Observation::Exposure { .. });
        let exposures = observations.iter().filter(is_exposure).count();
        self.counters().taken("exposure", exposures);
        self.counters().taken("event", observations.len() - exposures);
        Ok(())
    }

    /// Counts observations that are not kept, and says so in the log, once a minute.
    pub fn lose(&self, why: NotRecorded, many: usize, now: Timestamp) {
        self.counters().lost(why.cause(), many as u64);
        let minute = now.timestamp() / 60;
        let complaint = self.complained.get(why.complaint());
        if complaint.is_some_and(|Complaint(last)| last.swap(minute, Ordering::Relaxed) != minute) {
            tracing::warn!(
                error = &why as &dyn std::error::Error,
                many,
                "observations are not kept, and the units left out of experiments; evaluation goes on"
            );
        }
    }

    /// Something that was recorded is lost: all units come again.
    pub(crate) fn forget_seen(&self) {
        self.seen.clear();
    }

    pub(crate) fn spool(&self) -> &Spool {
        &self.spool
    }

    fn counters(&self) -> &ObservationCounters {
        self.counters.observations()
    }
}

fn told_of_damage(folder: &Path, damaged: u64) {
    if damaged > 0 {
        tracing::error!(folder = %folder.display(), bytes = damaged,
            "some of the observations that waited there cannot be read: a write was cut short, or the disk is damaged");
    }
}
