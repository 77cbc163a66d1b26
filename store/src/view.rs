//! sled as a view of the journal: what makes a start fast, and never what is true.
//!
//! sled 0.34.7 can lose what it was told, can return an old value without an error, and can refuse
//! to open. So everything read from it is checked, and anything odd means that it is put aside and
//! made again from the journal.

mod value;
mod write;

use crate::api::StoreError;
use crate::table::Table;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use value::APPLIED;
pub(crate) use value::{Applied, decode as decode_slot, encode as encode_slot};
pub(crate) use write::{Progress, Snapshot, ViewWriter};

/// How long opening and reading may take before the view counts as odd.
const OPEN_SECONDS_MAX: u64 = 30;

/// How long a lock on the database is waited for.
const LOCK_SECONDS_MAX: u64 = 5;

/// Memory that sled may use for pages, in bytes. It is read once, at start.
const CACHE_BYTES: u64 = 16 << 20;

/// A view that holds together.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// The database; `None` when there was no room to make one.
    pub(crate) sled: Option<sled::Db>,
    /// How far it goes.
    pub(crate) applied: Applied,
    /// What it says.
    pub(crate) table: Table,
    /// Bytes of what it says, names included.
    pub(crate) state_bytes: u64,
}

/// How large a view may be that says so many bytes, when nobody chooses: eight times as many and 64 MiB. sled never makes
/// its file smaller.
#[must_use]
pub fn view_bytes_max(state_bytes: u64) -> u64 {
    state_bytes.saturating_mul(8).saturating_add(64 << 20)
}

/// Opens the view and reads all of it, making an empty one if there is none.
///
/// # Errors
/// In words, what is odd about it. It may then still be held open by a thread that hangs.
pub(crate) fn open(folder: &Path) -> Result<View, String> {
    let (sender, receiver) = mpsc::channel();
    let folder = folder.to_owned();
    let opening = thread::Builder::new().name("view-open".to_owned());
    opening
        .spawn(move || {
            let view = catch_unwind(AssertUnwindSafe(|| read(&folder)));
            let view = view.unwrap_or_else(|panic| Err(format!("sled panicked: {}", words(&*panic))));
            // Nobody listens any more when it took too long.
            let _ = sender.send(view);
        })
        .map_err(|error| format!("no thread to open it: {error}"))?;
    receiver
        .recv_timeout(Duration::from_secs(OPEN_SECONDS_MAX))
        .unwrap_or_else(|_| Err(format!("it did not open in {OPEN_SECONDS_MAX} s")))
}

fn read(folder: &Path) -> Result<View, String> {
    let sled = open_sled(folder).map_err(|error| error.to_string())?;
    let mut slots = Vec::new();
    let mut applied = None;
    let mut state_bytes = 0;
    for pair in sled.iter() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        if key == APPLIED {
            applied = Some(Applied::decode(&value)?);
        } else {
            slots.push(value::decode(&key, &value)?);
            state_bytes += (key.len() + value.len()) as u64;
        }
    }
    let applied = match applied {
        Some(applied) => applied,
        None if slots.is_empty() => Applied::default(),
        None => return Err("it does not say how far it goes".to_owned()),
    };
    let mut table = Table::default();
    table.adopt(slots.into_iter().collect(), applied.sequence);
    if table.fingerprint() != applied.fingerprint {
        return Err(format!("it is not what it was at record {}", applied.sequence));
    }
    Ok(View {
        sled: Some(sled),
        applied,
        table,
        state_bytes,
    })
}

/// Bytes of what a view of these slots says, names included; a slot that cannot be written counts for nothing.
pub(crate) fn state_bytes(table: &Table) -> u64 {
    let sizes = table.slots().iter().map(|(entity, slot)| {
        let value = value::encode(entity, slot).map_or(0, |value| value.len());
        (entity.to_string().len() + value) as u64
    });
    sizes.sum()
}

/// Closes a view and waits until sled has let go of its folder, so that nothing is written there any more.
pub(crate) fn close(view: View, folder: &Path) -> Result<(), StoreError> {
    drop(view);
    let path = folder.join("db");
    let file = File::open(&path).map_err(StoreError::io("opening", &path))?;
    let begun = Instant::now();
    while file.try_lock().is_err() && begun.elapsed().as_secs() < LOCK_SECONDS_MAX {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A sled that this process has just closed holds its lock until its own threads have noticed.
/// Nobody else can hold it: the store's folder is ours.
fn open_sled(folder: &Path) -> sled::Result<sled::Db> {
    let config = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES);
    let config = config.flush_every_ms(None);
    let begun = Instant::now();
    loop {
        match config.open() {
            Err(sled::Error::Io(error))
                if error.to_string().contains("could not acquire lock")
                    && begun.elapsed().as_secs() < LOCK_SECONDS_MAX =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            opened => return opened,
        }
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no words").to_owned()
}
