//! The state as of one record, in a file of its own: what a start goes on from when the journal before it is in an archive.
//!
//! `checkpoint/<sequence>`, all integers little endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `tgstate1` |
//! | 8..16 | sequence of the record |
//! | 16..48 | chain up to and with that record |
//! | 48..64 | fingerprint of all names and revisions |
//! | 64..72 | count of slots |
//! | 72..len-32 | slots: length of the name, length of the value, four bytes each; then both as in the view |
//! | len-32.. | SHA-256 of all bytes before |

use crate::api::StoreError;
use crate::folder::{UNFINISHED, put_file, sync};
use crate::journal::Chain;
use crate::table::{Slot, Table};
use crate::view::{decode_slot, encode_slot};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tidegate_model::change::EntityRef;

const MAGIC: &[u8; 8] = b"tgstate1";

/// Bytes of the SHA-256 at the end.
const SEAL_BYTES: usize = 32;

/// The state as of one record.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Checkpoint {
    /// The chain up to and with that record.
    pub(crate) chain: Chain,
    /// All slots, those of deleted things too. Its head is the record.
    pub(crate) table: Table,
}

/// The folder of the checkpoints of the store at `root`.
pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join("checkpoint")
}

/// The file of the checkpoint as of this record.
pub(crate) fn path(root: &Path, sequence: u64) -> PathBuf {
    folder(root).join(sequence.to_string())
}

/// The records that there are checkpoints of, in order.
pub(crate) fn list(root: &Path) -> Result<Vec<u64>, StoreError> {
    let folder = folder(root);
    let reading = || StoreError::io("reading", &folder);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(reading())?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(reading())?.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        // `007` or `+7` is nobody's name.
        found.extend(number.filter(|number: &u64| name.to_str() == Some(number.to_string().as_str())));
    }
    found.sort_unstable();
    Ok(found)
}

/// Keeps the state. When this returns, it survives a power cut; before, there is no such file.
pub(crate) fn write(root: &Path, checkpoint: &Checkpoint) -> Result<(), StoreError> {
    let name = checkpoint.table.head().to_string();
    let file = path(root, checkpoint.table.head());
    let bytes = encode(checkpoint).map_err(|cause| StoreError::Io {
        operation: format!("writing {}", file.display()),
        cause,
    })?;
    let folder = folder(root);
    put_file(&folder, &name, 0, &bytes)?;
    sync(&folder)?;
    sync(root)
}

/// The state as of this record.
///
/// # Errors
/// [`StoreError::Damaged`] when any byte is not as it was written.
pub(crate) fn read(root: &Path, sequence: u64) -> Result<Checkpoint, StoreError> {
    let path = path(root, sequence);
    let bytes = fs::read(&path).map_err(StoreError::io("reading", &path))?;
    let checkpoint = decode(&bytes).and_then(|checkpoint| match checkpoint.table.head() {
        head if head == sequence => Ok(checkpoint),
        head => Err(format!("it is the state as of record {head}")),
    });
    checkpoint.map_err(|what| StoreError::damaged(&path, 0, what))
}

/// Removes what is of no use any more: checkpoints before this record, and what was never finished.
pub(crate) fn tidy(root: &Path, before: u64) -> Result<(), StoreError> {
    let folder = folder(root);
    let reading = || StoreError::io("reading", &folder);
    for entry in fs::read_dir(&folder).map_err(reading())? {
        let entry = entry.map_err(reading())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(UNFINISHED) || name.parse::<u64>().is_ok_and(|sequence| sequence < before) {
            let path = entry.path();
            fs::remove_file(&path).map_err(StoreError::io("removing", &path))?;
        }
    }
    sync(&folder)
}

fn encode(Checkpoint { chain, table }: &Checkpoint) -> Result<Vec<u8>, String> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&table.head().to_le_bytes());
    bytes.extend_from_slice(&chain.0);
    bytes.extend_from_slice(&table.fingerprint().to_le_bytes());
    bytes.extend_from_slice(&(table.slots().len() as u64).to_le_bytes());
    for (entity, slot) in table.slots() {
        let (name, value) = (entity.to_string(), encode_slot(entity, slot)?);
        for length in [name.len(), value.len()] {
            let length = u32::try_from(length).map_err(|_| format!("{entity} is too large"))?;
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&value);
    }
    let seal = Sha256::digest(&bytes);
    bytes.extend_from_slice(&seal);
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<Checkpoint, String> {
    let short = || "it is cut short".to_owned();
    let (covered, seal) = bytes
        .len()
        .checked_sub(SEAL_BYTES)
        .and_then(|at| bytes.split_at_checked(at))
        .ok_or_else(short)?;
    if Sha256::digest(covered).as_slice() != seal {
        return Err("its checksum does not match".to_owned());
    }
    let mut rest = covered;
    if take::<8>(&mut rest) != Some(*MAGIC) {
        return Err("it is no checkpoint that this version reads".to_owned());
    }
    let head = u64::from_le_bytes(take(&mut rest).ok_or_else(short)?);
    let chain = Chain(take(&mut rest).ok_or_else(short)?);
    let fingerprint = u128::from_le_bytes(take(&mut rest).ok_or_else(short)?);
    let count = u64::from_le_bytes(take(&mut rest).ok_or_else(short)?);
    let mut slots = Vec::new();
    while !rest.is_empty() {
        slots.push(slot(&mut rest)?);
    }
    if slots.len() as u64 != count || slots.iter().any(|(_, slot)| slot.sequence > head) {
        return Err(format!("its slots are not those of record {head}"));
    }
    let mut table = Table::default();
    table.adopt(slots.into_iter().collect(), head);
    if table.fingerprint() != fingerprint {
        return Err(format!("its slots are not those of record {head}"));
    }
    Ok(Checkpoint { chain, table })
}

fn slot(rest: &mut &[u8]) -> Result<(EntityRef, Slot), String> {
    let mut length = || take(rest).map(|bytes| u32::from_le_bytes(bytes) as usize);
    let lengths = length().zip(length());
    let (name, value) = lengths
        .and_then(|(name, value)| Some((cut(rest, name)?, cut(rest, value)?)))
        .ok_or("it is cut short")?;
    decode_slot(name, value)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

fn cut<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tidegate_model::key::Revision;

    fn checkpoint() -> Checkpoint {
        let state =
            serde_json::from_str(r#"{"segment":{"segment":{"key":"staff","included":["u1"]}}}"#).unwrap();
        let slot = |revision, sequence, state| Slot {
            revision: Revision(revision),
            sequence,
            state,
        };
        let mut table = Table::default();
        let slots = [
            ("segment/production/staff", slot(3, 40, Some(Arc::new(state)))),
            ("segment/production/gone", slot(7, 41, None)),
        ];
        let slots = slots.map(|(name, slot)| (name.parse().unwrap(), slot));
        table.adopt(slots.into_iter().collect(), 42);
        Checkpoint {
            chain: Chain::default().follow(b"x"),
            table,
        }
    }

    #[test]
    fn checkpoints_round_trip_and_every_flipped_bit_and_cut_shows() {
        let checkpoint = checkpoint();
        let bytes = encode(&checkpoint).unwrap();
        assert_eq!(decode(&bytes).unwrap(), checkpoint);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
        for short in 0..bytes.len() {
            assert!(decode(&bytes[..short]).is_err(), "{short} bytes");
        }
    }

    #[test]
    fn a_file_with_another_name_is_refused_and_unfinished_ones_are_none() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &checkpoint()).unwrap();
        assert_eq!(list(root.path()).unwrap(), [42]);
        assert_eq!(read(root.path(), 42).unwrap(), checkpoint());
        fs::copy(path(root.path(), 42), path(root.path(), 43)).unwrap();
        let refused = read(root.path(), 43).unwrap_err().to_string();
        assert!(refused.contains("as of record 42"), "{refused}");
        fs::write(folder(root.path()).join("44.0.unfinished"), "half").unwrap();
        fs::write(folder(root.path()).join("0045"), "whose").unwrap();
        assert_eq!(list(root.path()).unwrap(), [42, 43]);
        tidy(root.path(), 43).unwrap();
        assert_eq!(list(root.path()).unwrap(), [43]);
        assert!(!folder(root.path()).join("44.0.unfinished").exists());
    }
}
