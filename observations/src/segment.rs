//! One file of the log.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `tidegobs` |
//! | 8..12 | format, little endian |
//! | 12..16 | length of the rest of the head |
//! | 16..20 | CRC32C of all other bytes of the head |
//! | 20..28 | sequence of the first batch |
//! | 28..36 | when the batch before it was received, in milliseconds since 1970 |
//! | 36.. | which batches were taken in before ([`Ledger`]) |
//! | .. | frames |
//!
//! The ledger stands in each segment and in no file of its own: it cannot disagree with the log beside it, and forgetting
//! is removing files.

use crate::disk::{Disk, is_full, sync_folder};
use crate::error::LogError;
use crate::spool::Ledger;
use crate::varint::Bytes;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The newest format that this version reads, and the one that it writes.
const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"tidegobs";

/// Bytes of the head whose number is known beforehand.
const FIXED_BYTES: usize = 36;

/// What a segment says of the log before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SegmentHead {
    /// Sequence of its first batch.
    pub(crate) first: u64,
    /// When the batch before it was received, in milliseconds since 1970.
    pub(crate) received: i64,
    /// What was taken in before.
    pub(crate) ledger: Ledger,
}

/// What stands at the beginning of a file.
#[derive(Debug)]
pub(crate) enum Beginning {
    /// A head, of so many bytes.
    Head(Box<SegmentHead>, u64),
    /// Something that is none.
    NotWhole,
}

impl SegmentHead {
    fn encode(&self) -> Vec<u8> {
        let mut rest = self.first.to_le_bytes().to_vec();
        rest.extend_from_slice(&self.received.to_le_bytes());
        self.ledger.encode(&mut rest);
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(rest.len()).unwrap_or(u32::MAX).to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes), &rest);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&rest);
        bytes
    }
}

/// The head of the segment in this file.
///
/// # Errors
/// When it cannot be read, or was written by a newer version.
pub(crate) fn read_head(path: &Path) -> Result<Beginning, LogError> {
    let reading = |error| LogError::io("reading", path)(error);
    let mut file = File::open(path).map_err(reading)?;
    let all = file.metadata().map_err(reading)?.len();
    let mut bytes = Vec::new();
    (&mut file)
        .take(FIXED_BYTES as u64)
        .read_to_end(&mut bytes)
        .map_err(reading)?;
    let mut fixed = Bytes(&bytes);
    let (Ok(magic), Ok(format), Ok(length)) = (fixed.array::<8>(), fixed.array::<4>(), fixed.array::<4>())
    else {
        return Ok(Beginning::NotWhole);
    };
    let length = u64::from(u32::from_le_bytes(length)) + 20;
    if magic != *MAGIC || length > all || length < FIXED_BYTES as u64 {
        return Ok(Beginning::NotWhole);
    }
    let rest = length - bytes.len() as u64;
    file.take(rest).read_to_end(&mut bytes).map_err(reading)?;
    let found = u32::from_le_bytes(format);
    match decode(&bytes) {
        Some(_) if found > FORMAT => Err(LogError::TooNew {
            file: path.display().to_string(),
            found,
            known: FORMAT,
        }),
        Some(head) => Ok(Beginning::Head(Box::new(head), length)),
        None => Ok(Beginning::NotWhole),
    }
}

fn decode(bytes: &[u8]) -> Option<SegmentHead> {
    let (front, rest) = bytes.split_at_checked(16)?;
    let mut rest = Bytes(rest);
    let checksum = u32::from_le_bytes(rest.array().ok()?);
    if crc32c::crc32c_append(crc32c::crc32c(front), rest.0) != checksum {
        return None;
    }
    Some(SegmentHead {
        first: u64::from_le_bytes(rest.array().ok()?),
        received: i64::from_le_bytes(rest.array().ok()?),
        ledger: Ledger::decode(&mut rest).ok()?,
    })
}

/// A segment that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// The file.
    pub(crate) path: PathBuf,
    /// Sequence of its first batch, or less.
    pub(crate) first: u64,
    /// No batch of it was received before, in milliseconds since 1970.
    pub(crate) since: i64,
    /// Where its first frame begins, in bytes; 0 when its head is damaged, and reading begins with looking for one.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) bytes: u64,
    /// Whether it was set aside: nothing is written to it, and it is read as far as it can be.
    pub(crate) aside: bool,
}

impl Segment {
    /// The same under the name of those that are set aside.
    pub(crate) fn aside(&self) -> Self {
        Self {
            path: self.path.with_extension("damaged"),
            aside: true,
            ..self.clone()
        }
    }
}

/// The files of segments in the folder, in order: number, path, whether it was set aside.
pub(crate) fn list(folder: &Path) -> Result<Vec<(u64, PathBuf, bool)>, LogError> {
    let reading = || LogError::io("reading", folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(reading())? {
        let path = entry.map_err(reading())?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let aside = match extension {
            Some("log") => false,
            Some("damaged") => true,
            _ => continue,
        };
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let number = stem
            .filter(|stem| stem.len() == 8)
            .and_then(|stem| stem.parse().ok());
        if let Some(number) = number {
            found.push((number, path, aside));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Why no segment was begun.
#[derive(Debug)]
pub(crate) enum CreateError {
    /// There is no room, and nothing is left behind.
    Full,
    /// What is on disk is not known any more.
    Broken(LogError),
}

impl From<LogError> for CreateError {
    fn from(error: LogError) -> Self {
        Self::Broken(error)
    }
}

/// Makes a segment whose head is on disk, and its name too, before anything is written behind it.
pub(crate) fn create(
    disk: &dyn Disk,
    folder: &Path,
    number: u64,
    head: &SegmentHead,
) -> Result<(File, Segment), CreateError> {
    let path = folder.join(format!("{number:08}.log"));
    let file = match OpenOptions::new().append(true).create_new(true).open(&path) {
        Err(error) if is_full(&error) => return Err(CreateError::Full),
        made => made.map_err(LogError::io("making", &path))?,
    };
    let bytes = head.encode();
    if let Err(error) = disk.write(&file, &bytes) {
        if is_full(&error) {
            fs::remove_file(&path).map_err(LogError::io("removing", &path))?;
            return Err(CreateError::Full);
        }
        return Err(LogError::io("writing", &path)(error).into());
    }
    disk.sync(&file).map_err(LogError::io("syncing", &path))?;
    sync_folder(folder).map_err(LogError::io("syncing", folder))?;
    let start = bytes.len() as u64;
    let segment = Segment {
        number,
        path,
        first: head.first,
        since: head.received,
        start,
        bytes: start,
        aside: false,
    };
    Ok((file, segment))
}

/// Whether a file is absent.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SystemDisk;

    #[test]
    fn heads_come_back_and_every_flipped_bit_shows() {
        let mut head = SegmentHead {
            first: 42,
            received: 1_700_000_000_000,
            ..SegmentHead::default()
        };
        head.ledger.adopt("a", 3, 1, 9);
        let folder = tempfile::tempdir().unwrap();
        let (_, segment) = create(&SystemDisk, folder.path(), 1, &head).unwrap();
        let bytes = fs::read(&segment.path).unwrap();
        assert_eq!(bytes.len() as u64, segment.start);
        let found = read_head(&segment.path).unwrap();
        assert!(matches!(found, Beginning::Head(found, start) if *found == head && start == segment.start));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&segment.path, flipped).unwrap();
            assert!(
                matches!(read_head(&segment.path), Ok(Beginning::NotWhole)),
                "bit {bit}"
            );
        }
        for short in 0..bytes.len() {
            fs::write(&segment.path, &bytes[..short]).unwrap();
            assert!(
                matches!(read_head(&segment.path), Ok(Beginning::NotWhole)),
                "{short} bytes"
            );
        }
    }
}
