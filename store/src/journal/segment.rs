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
use std::io::{self, Write as _};
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

/// The numbers of the segments that are there, in order. A gap is damage.
pub(crate) fn numbers(journal: &Path) -> Result<Vec<u32>, StoreError> {
    let reading = || StoreError::io("reading", journal);
    let mut found = Vec::new();
    let entries = match fs::read_dir(journal) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(reading())?,
    };
    for entry in entries {
        let name = entry.map_err(reading())?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".log"));
        found.extend(
            digits
                .filter(|digits| digits.len() == 8)
                .and_then(|digits| digits.parse::<u32>().ok()),
        );
    }
    found.sort_unstable();
    for (expected, number) in (1..).zip(&found) {
        if *number != expected {
            return Err(StoreError::damaged(
                &path(journal, expected),
                0,
                "the file is missing",
            ));
        }
    }
    Ok(found)
}

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
