//! The handle that others hold.

use crate::append::Appender;
use crate::check::{check, too_large};
use crate::disk::{Disk, SystemDisk};
use crate::error::{LogError, TakeInError, TalliesError};
use crate::extent::Shared;
use crate::follow::{Ask, Folded, Follower, Question, Waker};
use crate::lane::since;
use crate::open::open;
use crate::pack::pack;
use crate::series::Series;
use crate::status::Status;
use crate::writer::{Job, Packed, Writer};
use crate::{Now, millis};
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use tidegate_analytics::fold::Period;
use tidegate_model::Timestamp;
use tidegate_model::experiment::Design;
use tidegate_model::key::{EnvironmentKey, ExperimentKey};
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Most batches that wait to be written.
const WAITING_MAX: usize = 4096;
/// Most memory that they take, in KiB.
const WAITING_KIB_MAX: u32 = 64 << 10;

/// What can be chosen.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A segment is not extended beyond this, in bytes.
    pub segment_bytes_max: u64,
    /// What may fail.
    pub disk: Arc<dyn Disk>,
}

impl Default for Settings {
    /// Segments of 64 MiB, on the disk that there is.
    fn default() -> Self {
        Self {
            segment_bytes_max: 64 << 20,
            disk: Arc::new(SystemDisk),
        }
    }
}

/// The observations of one environment: their log, and the tallies of the experiments that are watched. Cloning is cheap;
/// the threads end when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Observations(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    now: Now,
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    /// Memory that waiting batches may take, in KiB.
    room: Arc<Semaphore>,
    asks: std::sync::mpsc::Sender<Ask>,
    /// Closed once the thread has ended, for each thread.
    ends: [mpsc::Sender<()>; 2],
}

/// Where the log of an environment is, in a data folder.
#[must_use]
pub fn folder_of(data: &Path, environment: &EnvironmentKey) -> PathBuf {
    data.join("observations").join(environment.as_str())
}

impl Observations {
    /// The log in the folder `observations/<environment>` of a data folder, which is made if there is none. What a crash
    /// tore is cut off, what is damaged is set aside; [`Self::status`] tells of both.
    ///
    /// # Errors
    /// When the folder is in use, cannot be read or written, or is of a newer version.
    pub fn open(
        data: &Path,
        environment: &EnvironmentKey,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Result<Self, LogError> {
        Self::open_with(data, environment, now, Settings::default())
    }

    /// The same with other settings.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub fn open_with(
        data: &Path,
        environment: &EnvironmentKey,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        settings: Settings,
    ) -> Result<Self, LogError> {
        let folder = folder_of(data, environment);
        let lock = take(&folder)?;
        let mut opened = open(&folder)?;
        let shared = Arc::new(Shared::default());
        shared.set_extent(|extent| *extent = opened.extent.clone());
        shared.note(|status| {
            status.batches = opened.ledger.batches;
            status.observations = opened.ledger.observations;
            status.spools = opened.ledger.spools.len() as u64;
            status.missing = opened.ledger.missing;
            status.torn = opened.torn.take();
        });
        for (number, damage) in std::mem::take(&mut opened.damaged) {
            shared.damaged(number, damage);
        }
        let disk = settings.disk;
        let log = Appender::new(
            &folder,
            Arc::clone(&disk),
            Arc::clone(&shared),
            &opened,
            settings.segment_bytes_max,
        )?;
        let (asks, asked) = std::sync::mpsc::channel();
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let now = Now(Arc::new(now));
        let writer = Writer {
            jobs: waiting,
            log,
            ledger: opened.ledger,
            folder: folder.clone(),
            disk,
            now: now.clone(),
            shared: Arc::clone(&shared),
            waker: Waker::new(asks.clone()),
            lock,
        };
        let follower = Follower::new(asked, writer.waker.told(), Arc::clone(&shared));
        let named = environment.as_str();
        let written = spawn(&folder, format!("log {named}"), move || writer.run())?;
        let followed = spawn(&folder, format!("fold {named}"), move || follower.run())?;
        Ok(Self(Arc::new(Inner {
            now,
            shared,
            jobs,
            room: Arc::new(Semaphore::new(WAITING_KIB_MAX as usize)),
            asks,
            ends: [written, followed],
        })))
    }

    /// Takes a batch in. When this returns, the batch survives a power cut, and will be in the tallies once. A repeat is
    /// acknowledged, and not taken in again.
    ///
    /// Dropping the future does not take the batch back: it may still be taken in.
    ///
    /// # Errors
    /// When something is wrong with the batch, the disk is nearly full, or the log has stopped.
    pub async fn take_in(&self, batch: &ObservationBatch) -> Result<ObservationReceipt, TakeInError> {
        check(batch, (self.0.now.0)())?;
        let bytes = pack(batch).map_err(too_large)?;
        let kib = u32::try_from(bytes.len() / 1024 + 1).unwrap_or(WAITING_KIB_MAX);
        let room = Arc::clone(&self.0.room).acquire_many_owned(kib.min(WAITING_KIB_MAX));
        let Ok(room) = room.await else {
            return Err(self.stopped());
        };
        let (reply, answer) = oneshot::channel();
        let packed = Packed {
            spool: batch.spool.clone(),
            number: batch.number,
            observations: batch.observations.len() as u64,
            bytes,
            room,
        };
        let job = Job::TakeIn { batch: packed, reply };
        if self.0.jobs.send(job).await.is_err() {
            return Err(self.stopped());
        }
        answer.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    /// Follows an experiment from now on, reading again what it needs of the log. `periods` are all periods of it; those
    /// that are folded already stay, one whose end is new is stopped there, those that are not among them any more go. A
    /// period whose design is another one is folded anew, and the one before answers until that is done.
    pub fn watch(&self, design: &Design, periods: &[Period]) {
        let needed = periods.iter().map(|period| since(design, period)).min();
        self.0.shared.need(&design.key, needed);
        self.ask(Ask::Watch {
            design: Arc::new(design.clone()),
            periods: periods.to_vec(),
        });
    }

    /// Follows an experiment no longer.
    pub fn unwatch(&self, experiment: &ExperimentKey) {
        self.0.shared.need(experiment, None);
        self.ask(Ask::Unwatch {
            experiment: experiment.clone(),
        });
    }

    /// Leaves units out of an experiment that is watched: at once out of its tallies, and out of its samples when it has been
    /// folded anew, which begins now.
    pub fn exclude(&self, experiment: &ExperimentKey, units: BTreeSet<String>) {
        self.ask(Ask::Exclude {
            experiment: experiment.clone(),
            units,
        });
    }

    /// Ends every period of an experiment here that has no earlier end: nothing counts from this moment on.
    pub fn stop(&self, experiment: &ExperimentKey, at: Timestamp) {
        self.ask(Ask::Stop {
            experiment: experiment.clone(),
            at,
        });
    }

    /// The tallies of an experiment: everything is in them that was acknowledged before this was called.
    ///
    /// # Errors
    /// When it is not watched, or the log is still being read for it.
    pub async fn tallies(&self, experiment: &ExperimentKey) -> Result<Arc<Folded>, TalliesError> {
        self.question(experiment, Question::Tallies).await
    }

    /// How the tallies of an experiment went: of each period, in their order.
    ///
    /// # Errors
    /// When it is not watched, or the log is still being read for it.
    pub async fn series(&self, experiment: &ExperimentKey) -> Result<Vec<Series>, TalliesError> {
        self.question(experiment, Question::Series).await
    }

    /// Waits until the log has been read for an experiment, all of it that was there when this was called, and what is to be
    /// folded anew has been.
    ///
    /// # Errors
    /// When it is not watched.
    pub async fn caught_up(&self, experiment: &ExperimentKey) -> Result<(), TalliesError> {
        self.question(experiment, Question::CaughtUp).await
    }

    /// Removes the segments in which everything was received before this moment, and that no watched experiment needs. Whoever
    /// starts an experiment with a history needs as much of the log: thirty days are usual. How many bytes became free.
    ///
    /// # Errors
    /// When a segment cannot be removed, or the log has stopped.
    pub async fn forget(&self, before: Timestamp) -> Result<u64, LogError> {
        let (reply, answer) = oneshot::channel();
        let before = millis(before);
        let job = Job::Forget { before, reply };
        let stopped = || LogError::Stopped { why: self.why() };
        self.0.jobs.send(job).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// How everything is.
    pub fn status(&self) -> Status {
        self.0.shared.status()
    }

    /// Finishes what was begun, and ends the threads. What is asked of any clone afterwards is refused.
    pub async fn close(&self) {
        // Whoever has ended needs not be told.
        let _ended = self.0.jobs.send(Job::Close).await;
        self.ask(Ask::Close);
        for end in &self.0.ends {
            end.closed().await;
        }
    }

    /// Asks about everything that is acknowledged by now.
    async fn question<T>(
        &self,
        experiment: &ExperimentKey,
        question: impl FnOnce(oneshot::Sender<Result<T, TalliesError>>) -> Question,
    ) -> Result<T, TalliesError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Question {
            experiment: experiment.clone(),
            through: self.0.shared.extent().sequence,
            question: question(reply),
        });
        answer.await.unwrap_or(Err(TalliesError::Stopped))
    }

    fn ask(&self, ask: Ask) {
        // Whoever waits for an answer hears that there is none.
        let _ended = self.0.asks.send(ask);
    }

    fn why(&self) -> String {
        let why = self.0.shared.stopped();
        why.unwrap_or_else(|| "its thread has ended".to_owned())
    }

    fn stopped(&self) -> TakeInError {
        TakeInError::Stopped { why: self.why() }
    }
}

/// Makes the folder, and locks it: the system takes the lock back when the process ends, however it does.
fn take(folder: &Path) -> Result<File, LogError> {
    fs::create_dir_all(folder).map_err(LogError::io("making", folder))?;
    // The names of new folders have to survive too, that of the environment and that above it.
    for parent in folder.ancestors().skip(1).take(2) {
        crate::disk::sync_folder(parent).map_err(LogError::io("syncing", parent))?;
    }
    let lock = File::open(folder).map_err(LogError::io("opening", folder))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(LogError::InUse {
            folder: folder.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(LogError::io("locking", folder)(error)),
    }
}

/// Starts a thread. What is returned is closed once it has ended.
fn spawn(
    folder: &Path,
    name: String,
    run: impl FnOnce() + Send + 'static,
) -> Result<mpsc::Sender<()>, LogError> {
    let (alive, ended) = mpsc::channel(1);
    let body = move || {
        let _ended = ended;
        run();
    };
    let spawned = thread::Builder::new().name(name).spawn(body);
    spawned.map_err(LogError::io("starting a thread for", folder))?;
    Ok(alive)
}
