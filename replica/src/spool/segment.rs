//! The files of a line: each begins with a line of text that says whose it is, and goes on in frames.

use super::frame::{self, Read};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What the first line begins with.
const TITLE: &str = "tidegate observations 1";

/// The first line of a file is not longer.
const TITLE_BYTES_MAX: usize = 128;

/// How the names of the files end.
const ENDING: &str = "observations";

/// A file, and how much of it upstream has not got yet.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    bytes: AtomicU64,
    /// Batches that wait.
    waiting: AtomicUsize,
}

/// A batch in a file.
#[derive(Debug, Clone)]
pub(super) struct Extent {
    pub(super) segment: Arc<Segment>,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// What a file was found to hold.
#[derive(Debug)]
pub(super) struct Contents {
    /// The line that its batches belong to.
    pub(super) name: String,
    /// The number of its first batch.
    pub(super) first: u64,
    /// Number, observations, and where they lie, in their order.
    pub(super) batches: Vec<(u64, usize, u64, u64)>,
    /// Frames behind the last batch: how many observations, and their text.
    pub(super) rest: Vec<(usize, Vec<u8>)>,
    /// Where the last batch ends.
    pub(super) end: u64,
    /// Bytes at the end that are no frame.
    pub(super) damaged: u64,
}

impl Segment {
    /// A new file, with its first line written.
    pub(super) fn create(
        folder: &Path,
        sequence: u64,
        name: &str,
        first: u64,
    ) -> io::Result<(Arc<Self>, File)> {
        let path = folder.join(format!("{sequence:020}.{ENDING}"));
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        // Only for the node's own eyes: units are people.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        let title = format!("{TITLE} {name} {first}\n");
        if let Err(error) = file.write_all(title.as_bytes()) {
            fs::remove_file(&path)?;
            return Err(error);
        }
        Ok((Self::known(path, title.len() as u64), file))
    }

    fn known(path: PathBuf, bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            path,
            bytes: AtomicU64::new(bytes),
            waiting: AtomicUsize::new(0),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn one_more_waits(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn one_less_waits(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn is_done(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// The files of a folder with their sequences, the oldest first.
    pub(super) fn all(folder: &Path) -> io::Result<Vec<(u64, Arc<Self>)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .and_then(|name| name.strip_suffix(ENDING)?.strip_suffix('.'));
            if let Some(sequence) = name.and_then(|name| name.parse().ok()) {
                found.push((sequence, Self::known(entry.path(), entry.metadata()?.len())));
            }
        }
        found.sort_by_key(|(sequence, _)| *sequence);
        Ok(found)
    }

    /// What is in the file; `None` when its first line is none.
    pub(super) fn contents(&self) -> io::Result<Option<Contents>> {
        Ok(Contents::of(&fs::read(&self.path)?))
    }

    /// Puts the file out of the way, for somebody to look at.
    pub(super) fn set_aside(&self) -> io::Result<()> {
        fs::rename(&self.path, self.path.with_extension("damaged"))
    }

    /// Forgets what is behind `end`.
    pub(super) fn cut(&self, end: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(end)?;
        self.set_bytes(end);
        file.sync_data()
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

impl Extent {
    /// The bytes there.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.segment.path)?;
        file.seek(SeekFrom::Start(self.from))?;
        let mut bytes = Vec::new();
        file.take(self.to.saturating_sub(self.from))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Contents {
    fn of(file: &[u8]) -> Option<Self> {
        let title = file.get(..TITLE_BYTES_MAX.min(file.len()))?;
        let length = title.iter().position(|byte| *byte == b'\n')?;
        let title = std::str::from_utf8(title.get(..length)?).ok()?;
        let (name, first) = title.strip_prefix(TITLE)?.trim_start().split_once(' ')?;
        let mut place = length + 1;
        let mut contents = Self {
            name: name.to_owned(),
            first: first.parse().ok()?,
            batches: Vec::new(),
            rest: Vec::new(),
            end: place as u64,
            damaged: 0,
        };
        let mut observations = 0;
        while let Some((read, bytes)) = file.get(place..).and_then(frame::read) {
            let behind = (place + bytes) as u64;
            match read {
                Read::Observations(count, text) => {
                    observations += count;
                    contents.rest.push((count, text.to_vec()));
                }
                Read::End(number) => {
                    contents
                        .batches
                        .push((number, observations, contents.end, behind));
                    contents.rest.clear();
                    observations = 0;
                    contents.end = behind;
                }
            }
            place += bytes;
        }
        contents.damaged = (file.len() - place) as u64;
        Some(contents)
    }
}
