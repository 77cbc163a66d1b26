//! One file of the journal.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `tidegate` |
//! | 8..12 | format, little endian |
//! | 12..20 | sequence of the first record, little endian |
//! | 20..52 | chain before the first record |
//! | 52..56 | CRC32C of the bytes before |
//! | 56.. | frames |

use super::append::AppendError;
use super::frame::Chain;
use crate::api::StoreError;
use crate::folder;
use crate::room;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Bytes in front of the first frame.
pub(crate) const HEADER_BYTES: u64 = 56;

const MAGIC: &[u8; 8] = b"tidegate";

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Format of the frames.
    pub(crate) format: u32,
    /// Sequence of the first record.
    pub(crate) first: u64,
    /// Chain before the first record.
    pub(crate) chain: Chain,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.format.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.chain.0);
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header at the start of `bytes`, and the frames; `None` if it is not whole.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (format, rest) = rest.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (chain, rest) = rest.split_first_chunk()?;
        let (checksum, frames) = rest.split_first_chunk()?;
        let covered = bytes.strip_suffix(rest)?;
        let whole = magic == MAGIC && crc32c::crc32c(covered) == u32::from_le_bytes(*checksum);
        whole.then_some((
            Self {
                format: u32::from_le_bytes(*format),
                first: u64::from_le_bytes(*first),
                chain: Chain(*chain),
            },
            frames,
        ))
    }
}

/// The file of segment `number`, counted from 1.
pub(crate) fn path(journal: &Path, number: u32) -> PathBuf {
    journal.join(format!("{number:08}.log"))
}

/// A segment that is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentFile {
    /// Its number.
    pub(crate) number: u32,
    /// The file.
    pub(crate) path: PathBuf,
}

/// The segments that are there, in order. The first ones may have been moved to an archive; a gap between two is damage.
pub(crate) fn list(journal: &Path) -> Result<Vec<SegmentFile>, StoreError> {
    let reading = || StoreError::io("reading", journal);
    let mut found = Vec::new();
    let entries = match fs::read_dir(journal) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(reading())?,
    };
    for entry in entries {
        let entry = entry.map_err(reading())?;
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".log"));
        let number = digits
            .filter(|digits| digits.len() == 8)
            .and_then(|digits| digits.parse().ok());
        found.extend(number.map(|number| SegmentFile {
            number,
            path: entry.path(),
        }));
    }
    found.sort_unstable();
    let first = found.first().map_or(1, |file| file.number);
    for (expected, file) in (first..).zip(&found) {
        if file.number != expected {
            let missing = path(journal, expected);
            return Err(StoreError::damaged(&missing, 0, "the file is missing"));
        }
    }
    Ok(found)
}

/// The header in front of a segment.
pub(crate) fn read_header(path: &Path) -> Result<Header, StoreError> {
    let reading = |error| StoreError::io("reading", path)(error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(reading)?;
    file.take(HEADER_BYTES).read_to_end(&mut bytes).map_err(reading)?;
    let header = Header::decode(&bytes).map(|(header, _)| header);
    header.ok_or_else(|| StoreError::damaged(path, 0, NO_HEADER))
}

/// The first record of segments that follow each other, and the chain before it.
pub(crate) fn beginning(files: &[SegmentFile]) -> Result<(u64, Chain), StoreError> {
    match files.first() {
        Some(file) if file.number > 1 => {
            let header = read_header(&file.path)?;
            match header.first {
                0 => Err(StoreError::damaged(&file.path, 0, NO_HEADER)),
                first => Ok((first, header.chain)),
            }
        }
        _ => Ok((1, Chain::default())),
    }
}

/// That a header does not match its checksum, or is cut short.
pub(crate) const NO_HEADER: &str = "the header of the segment is not whole";

/// Makes a segment whose header is on disk, and its name too, before anything is written behind it.
pub(crate) fn create(journal: &Path, number: u32, header: &Header) -> Result<File, AppendError> {
    let path = path(journal, number);
    // Appending: after a write that was cut off the next one stands where the file ends.
    let mut file = match OpenOptions::new().append(true).create_new(true).open(&path) {
        Err(error) if room::is_full(&error) => return Err(AppendError::Full),
        made => made.map_err(StoreError::io("making", &path))?,
    };
    match file.write_all(&header.encode()) {
        Err(error) if room::is_full(&error) => {
            fs::remove_file(&path).map_err(StoreError::io("removing", &path))?;
            return Err(AppendError::Full);
        }
        written => written.map_err(StoreError::io("writing", &path))?,
    }
    file.sync_all().map_err(StoreError::io("syncing", &path))?;
    folder::sync(journal)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_every_flipped_bit_shows() {
        let header = Header {
            format: 1,
            first: 42,
            chain: Chain::default().follow(b"before"),
        };
        let bytes = header.encode();
        assert_eq!(bytes.len() as u64, HEADER_BYTES);
        assert_eq!(Header::decode(&bytes), Some((header, &[][..])));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&flipped), None, "bit {bit}");
        }
    }
}
