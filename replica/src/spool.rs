//! The line in which observations wait for upstream: on disk, or in memory when there is no folder.
//!
//! Handing something in puts it into a buffer. One thread writes what is there, at once when somebody waits for it,
//! else after 50 ms or 1,000 observations; an acknowledgement comes after `write`, so a process that is killed loses
//! nothing that was acknowledged. A batch is ended and synced before it is sent: whatever happens, its number stands
//! for the same observations for ever.

mod frame;
mod line;
mod segment;
mod thread;
mod ticket;

use frame::Frame;
use line::{BATCH_BYTES_MAX, Left, Line, Written};
use segment::{Extent, Segment};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
pub use ticket::NotKept;
pub(crate) use ticket::Ticket;
use tidegate_model::observation::{OBSERVATIONS_MAX, Observation, ObservationBatch};
use tokio::sync::{oneshot, watch};

/// A line of observations.
#[derive(Debug)]
pub(crate) struct Spool {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the thread that writes.
    wake: Condvar,
    level: watch::Sender<Level>,
    bytes_max: u64,
    /// Where it is on disk.
    folder: Option<PathBuf>,
    on_loss: Box<OnLoss>,
}

/// Hears how many observations were handed in and could not be written, before those hear it who wait for them.
type OnLoss = dyn Fn(usize) + Send + Sync;

/// How much waits for upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Level {
    /// Batches that are whole.
    pub(crate) batches: usize,
    /// Observations that are in none yet.
    pub(crate) open: usize,
    /// Whether something was written that a power cut would take.
    pub(crate) unsynced: bool,
}

#[derive(Debug, Default)]
struct State {
    /// Batches that upstream did not acknowledge, in their order.
    waiting: VecDeque<Waiting>,
    segments: VecDeque<Arc<Segment>>,
    /// Everything that is kept, in bytes.
    bytes: u64,
    /// Frames to write.
    pending: Vec<Entry>,
    pending_observations: usize,
    pending_bytes: u64,
    /// Since when something is pending.
    since: Option<Instant>,
    /// Somebody waits for it.
    urgent: bool,
    /// Those who wait for the end of the batch.
    ends: Vec<oneshot::Sender<bool>>,
    unsynced: Vec<Arc<File>>,
    unsynced_folder: bool,
    /// Nothing can be written any more.
    broken: bool,
    closing: bool,
    memory: Option<Memory>,
    /// Writes that failed.
    failures: u64,
}

/// The open batch of a line in memory.
#[derive(Debug)]
struct Memory {
    name: Arc<str>,
    number: u64,
    bytes: Vec<u8>,
    observations: usize,
}

/// Something to write.
#[derive(Debug)]
struct Entry {
    frame: Option<Frame>,
    /// Who waits for it.
    then: Option<oneshot::Sender<bool>>,
}

/// A batch that waits for upstream.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) name: Arc<str>,
    pub(crate) number: u64,
    pub(crate) observations: usize,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Disk(Extent),
    Memory(Arc<[u8]>),
}

impl Spool {
    /// A line in memory.
    pub(crate) fn in_memory(bytes_max: u64) -> Self {
        let state = State {
            memory: Some(Memory {
                name: draw_name(),
                number: 1,
                bytes: Vec::new(),
                observations: 0,
            }),
            ..State::default()
        };
        Self {
            shared: Arc::new(Shared::new(state, bytes_max, None, Box::new(|_| {}))),
            writer: None,
        }
    }

    /// The line in a folder, with everything that waits in it, and how many bytes of that are damaged; `None` when
    /// another process writes it.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(crate) fn open(
        folder: &Path,
        bytes_max: u64,
        on_loss: impl Fn(usize) + Send + Sync + 'static,
    ) -> io::Result<Option<(Self, u64)>> {
        let Some((line, left, written)) = Line::open(folder, bytes_max)? else {
            return Ok(None);
        };
        let Left {
            waiting,
            segments,
            damaged,
        } = left;
        let state = State {
            bytes: segments.iter().map(|segment| segment.bytes()).sum(),
            waiting: waiting.into(),
            segments: segments.into(),
            ..State::default()
        };
        let on_loss = Box::new(on_loss);
        let shared = Arc::new(Shared::new(state, bytes_max, Some(folder.to_owned()), on_loss));
        let mut state = shared.lock();
        shared.note(&mut state, written);
        shared.sweep(&mut state);
        drop(state);
        let writing = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("observations".to_owned());
        let writer = thread.spawn(move || writing.write_all(line))?;
        let spool = Self {
            shared,
            writer: Some(writer),
        };
        Ok(Some((spool, damaged)))
    }

    /// Puts observations into the line, all or none. Without `awaited` they are written within 50 ms, and the ticket
    /// tells nothing.
    ///
    /// # Errors
    /// When there is no room, or nothing can be written.
    pub(crate) fn hand_in(&self, observations: &[Observation], awaited: bool) -> Result<Ticket, NotKept> {
        let frame = Frame::of(observations).map_err(|_: serde_json::Error| NotKept::Disk)?;
        self.shared.take(Some(frame), awaited)
    }

    /// Waits for everything that was handed in before.
    ///
    /// # Errors
    /// When it could not be written.
    pub(crate) async fn flushed(&self) -> Result<(), NotKept> {
        self.shared.take(None, true)?.written().await
    }

    /// How much waits; wakes when that changes.
    pub(crate) fn level(&self) -> watch::Receiver<Level> {
        self.shared.level.subscribe()
    }

    /// Bytes that are kept, and observations in them.
    pub(crate) fn size(&self) -> (u64, usize) {
        let state = self.shared.lock();
        let whole: usize = state.waiting.iter().map(|batch| batch.observations).sum();
        let open = self.shared.level.borrow().open;
        (
            state.bytes + state.pending_bytes,
            whole + open + state.pending_observations,
        )
    }

    /// The oldest batch.
    pub(crate) fn front(&self) -> Option<Waiting> {
        self.shared.lock().waiting.front().cloned()
    }

    /// Ends the open batch, so that it can be sent. It has to be synced first.
    pub(crate) async fn end_batch(&self) {
        let ended = {
            let mut state = self.shared.lock();
            if let Some(memory) = state.memory.take() {
                self.shared.end_in_memory(&mut state, memory);
                return;
            }
            if state.broken || (state.pending.is_empty() && self.shared.level.borrow().open == 0) {
                return;
            }
            let (sender, ended) = oneshot::channel();
            state.ends.push(sender);
            self.shared.wake.notify_one();
            ended
        };
        // Whether it could be ended is seen by what waits.
        let _ = ended.await;
    }

    /// Syncs what was written. Blocks.
    ///
    /// # Errors
    /// When that failed. Nothing more is written then: the system may have forgotten what it should have kept, and
    /// would answer the next time that all is well.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.shared.sync()
    }

    /// Forgets the batches of that name up to a number: upstream has them.
    pub(crate) fn forget(&self, name: &str, through: u64) -> u64 {
        let mut state = self.shared.lock();
        let mut forgotten = 0;
        while let Some(batch) = state
            .waiting
            .pop_front_if(|one| *one.name == *name && one.number <= through)
        {
            match batch.place {
                Place::Disk(extent) => extent.segment.one_less_waits(),
                Place::Memory(bytes) => state.bytes = state.bytes.saturating_sub(bytes.len() as u64),
            }
            forgotten += 1;
        }
        self.shared.sweep(&mut state);
        self.shared.tell(&state);
        forgotten
    }
}

impl Drop for Spool {
    /// The thread writes what is pending, and ends; then the folder is free.
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            // It ends in any case.
            let _ = writer.join();
        }
    }
}

impl Waiting {
    /// The batch as it is sent. Blocks.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn load(&self) -> io::Result<ObservationBatch> {
        let damaged = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let observations = match &self.place {
            Place::Memory(bytes) => frame::observations(bytes),
            Place::Disk(extent) => frame::observations(&extent.read()?),
        };
        let observations = observations.map_err(damaged)?;
        if observations.len() != self.observations {
            return Err(damaged(frame::Damaged));
        }
        Ok(ObservationBatch {
            spool: self.name.to_string(),
            number: self.number,
            observations,
        })
    }
}

impl Shared {
    fn new(state: State, bytes_max: u64, folder: Option<PathBuf>, on_loss: Box<OnLoss>) -> Self {
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            level: watch::Sender::new(Level::default()),
            bytes_max,
            folder,
            on_loss,
        }
    }

    /// A panic while writing leaves what waits as it was: it is changed after the write, at once.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, frame: Option<Frame>, awaited: bool) -> Result<Ticket, NotKept> {
        let mut state = self.lock();
        if state.broken {
            return Err(NotKept::Disk);
        }
        let bytes = frame.as_ref().map_or(0, |frame| frame.bytes.len() as u64);
        if bytes > 0 && state.bytes + state.pending_bytes + bytes > self.bytes_max {
            return Err(NotKept::Full);
        }
        if let Some(memory) = state.memory.take() {
            let Some(frame) = frame else {
                state.memory = Some(memory);
                return Ok(Ticket::of_nothing());
            };
            self.put_in_memory(&mut state, memory, &frame);
            return Ok(Ticket::of_nothing());
        }
        let observations = frame.as_ref().map_or(0, |frame| frame.observations);
        let (then, ticket) = match awaited {
            true => Some(oneshot::channel()).unzip(),
            false => (None, None),
        };
        state.pending_observations += observations;
        state.pending_bytes += bytes;
        state.pending.push(Entry { frame, then });
        state.urgent |= awaited;
        let begins = state.since.is_none();
        state.since.get_or_insert_with(Instant::now);
        if begins || awaited || state.pending_observations >= thread::OBSERVATIONS_AT_ONCE {
            self.wake.notify_one();
        }
        Ok(Ticket::new(ticket))
    }

    fn put_in_memory(&self, state: &mut State, mut memory: Memory, frame: &Frame) {
        let too_many = memory.observations + frame.observations > OBSERVATIONS_MAX;
        if too_many || memory.bytes.len() + frame.bytes.len() > BATCH_BYTES_MAX {
            self.end_in_memory(state, memory);
            match state.memory.take() {
                Some(next) => memory = next,
                None => return,
            }
        }
        memory.bytes.extend_from_slice(&frame.bytes);
        memory.observations += frame.observations;
        state.bytes += frame.bytes.len() as u64;
        state.memory = Some(memory);
        self.tell(state);
    }

    fn end_in_memory(&self, state: &mut State, memory: Memory) {
        let Memory {
            name,
            number,
            bytes,
            observations,
        } = memory;
        let is_empty = observations == 0;
        if !is_empty {
            state.waiting.push_back(Waiting {
                name: Arc::clone(&name),
                number,
                observations,
                place: Place::Memory(bytes.into()),
            });
        }
        state.memory = Some(Memory {
            name,
            number: number + u64::from(!is_empty),
            bytes: Vec::new(),
            observations: 0,
        });
        self.tell(state);
    }

    /// Notes what was written.
    fn note(&self, state: &mut State, written: Written) {
        state.bytes += written.bytes;
        state.waiting.extend(written.ended);
        if let Some(segment) = written.begun {
            state.segments.push_back(segment);
            state.unsynced_folder = true;
        }
        if let Some(file) = written.file
            && !state.unsynced.iter().any(|known| Arc::ptr_eq(known, &file))
        {
            state.unsynced.push(file);
        }
        self.level.send_modify(|level| level.open = written.open);
        self.tell(state);
    }

    /// Says how much waits, to those who wait for that.
    fn tell(&self, state: &State) {
        self.level.send_if_modified(|level| {
            let now = Level {
                batches: state.waiting.len(),
                open: state
                    .memory
                    .as_ref()
                    .map_or(level.open, |memory| memory.observations),
                unsynced: !state.unsynced.is_empty(),
            };
            std::mem::replace(level, now) != now
        });
    }

    /// Removes the files of which upstream has everything; never the newest, which says how the line is called and
    /// where it goes on.
    fn sweep(&self, state: &mut State) {
        while state.segments.len() > 1
            && let Some(segment) = state.segments.pop_front_if(|segment| segment.is_done())
        {
            state.bytes = state.bytes.saturating_sub(segment.bytes());
            if let Err(error) = segment.remove() {
                tracing::warn!(file = %segment.path().display(), error = &error as &dyn std::error::Error,
                    "observations that upstream has cannot be removed from the disk; they will be sent again after a restart");
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        let (files, folder) = {
            let mut state = self.lock();
            let folder = std::mem::take(&mut state.unsynced_folder);
            (std::mem::take(&mut state.unsynced), folder)
        };
        let synced = files.iter().try_for_each(|file| file.sync_data());
        let synced = match (&self.folder, folder) {
            (Some(folder), true) => synced.and_then(|()| line::sync_folder(folder)),
            _ => synced,
        };
        let mut state = self.lock();
        state.broken |= synced.is_err();
        self.tell(&state);
        synced
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// A name for a line that nobody else has.
fn draw_name() -> Arc<str> {
    // Two that could not be drawn are told apart by the process.
    let draw = || getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    format!("{:016x}{:016x}", draw(), draw()).into()
}

#[cfg(test)]
mod tests;
