//! What stands in sled.
//!
//! Keys are names of entities, such as `flag/production/new-checkout`. A value:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | format, 2 |
//! | 1..9 | revision, little endian |
//! | 9..13 | CRC32C of the key and all other bytes of the value |
//! | 13..21 | sequence of the record that changed it last, little endian |
//! | 21.. | the state as JSON; nothing when the entity was deleted |
//!
//! Under the key `applied`:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | format, 2 |
//! | 1..9 | sequence of the last record that is in the view, little endian |
//! | 9..13 | CRC32C of the key and all other bytes of the value |
//! | 13..45 | chain up to that record |
//! | 45..61 | fingerprint of all names and revisions |

use crate::journal::Chain;
use crate::table::Slot;
use std::sync::Arc;
use tidegate_model::change::EntityRef;
use tidegate_model::key::Revision;

/// The key that says how far the view goes. Names of entities contain a slash.
pub(crate) const APPLIED: &[u8] = b"applied";

const FORMAT: u8 = 2;

/// How far the view goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Sequence of the last record that is in it.
    pub(crate) sequence: u64,
    /// The chain up to that record: which journal it is a view of.
    pub(crate) chain: Chain,
    /// Of all names and revisions.
    pub(crate) fingerprint: u128,
}

impl Applied {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = self.chain.0.to_vec();
        body.extend_from_slice(&self.fingerprint.to_le_bytes());
        seal(APPLIED, self.sequence, &body)
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self, String> {
        let (sequence, body) = open(APPLIED, value)?;
        let parts = body
            .split_first_chunk()
            .and_then(|(chain, rest)| Some((*chain, *rest.as_array()?)));
        let (chain, fingerprint) = parts.ok_or("'applied' is cut short")?;
        Ok(Self {
            sequence,
            chain: Chain(chain),
            fingerprint: u128::from_le_bytes(fingerprint),
        })
    }
}

pub(crate) fn encode(entity: &EntityRef, slot: &Slot) -> Result<Vec<u8>, String> {
    let mut body = slot.sequence.to_le_bytes().to_vec();
    if let Some(state) = &slot.state {
        serde_json::to_writer(&mut body, state)
            .map_err(|error| format!("{entity} cannot be written: {error}"))?;
    }
    let key = entity.to_string();
    Ok(seal(key.as_bytes(), slot.revision.0, &body))
}

pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<(EntityRef, Slot), String> {
    let (revision, body) = open(key, value)?;
    let entity: EntityRef = String::from_utf8_lossy(key).parse()?;
    let (sequence, text) = body
        .split_first_chunk()
        .ok_or_else(|| format!("the value of {entity} is cut short"))?;
    let sequence = u64::from_le_bytes(*sequence);
    let state = if text.is_empty() {
        None
    } else {
        let state = serde_json::from_slice(text);
        Some(Arc::new(
            state.map_err(|error| format!("{entity} cannot be read: {error}"))?,
        ))
    };
    let slot = Slot {
        revision: Revision(revision),
        sequence,
        state,
    };
    Ok((entity, slot))
}

fn seal(key: &[u8], number: u64, body: &[u8]) -> Vec<u8> {
    let mut value = vec![FORMAT];
    value.extend_from_slice(&number.to_le_bytes());
    value.extend_from_slice(&checksum(key, number, body).to_le_bytes());
    value.extend_from_slice(body);
    value
}

fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<(u64, &'a [u8]), String> {
    let odd = |what: &str| format!("the value of {} {what}", String::from_utf8_lossy(key));
    let (format, rest) = value.split_first().ok_or_else(|| odd("is empty"))?;
    if *format != FORMAT {
        return Err(odd(&format!("has format {format}")));
    }
    let (number, rest) = rest.split_first_chunk().ok_or_else(|| odd("is cut short"))?;
    let (expected, body) = rest.split_first_chunk().ok_or_else(|| odd("is cut short"))?;
    let number = u64::from_le_bytes(*number);
    if checksum(key, number, body) != u32::from_le_bytes(*expected) {
        return Err(odd("does not match its checksum"));
    }
    Ok((number, body))
}

fn checksum(key: &[u8], number: u64, body: &[u8]) -> u32 {
    let number = number.to_le_bytes();
    let parts: [&[u8]; 4] = [key, &[FORMAT], &number, body];
    parts.into_iter().fold(0, crc32c::crc32c_append)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_trip_and_every_flipped_bit_shows() {
        let entity: EntityRef = "segment/production/staff".parse().unwrap();
        let state =
            serde_json::from_str(r#"{"segment":{"segment":{"key":"staff","included":["u1"]}}}"#).unwrap();
        for state in [Some(Arc::new(state)), None] {
            let revision = Revision(7);
            let slot = Slot {
                revision,
                sequence: 9,
                state,
            };
            let key = entity.to_string();
            let value = encode(&entity, &slot).unwrap();
            assert_eq!(decode(key.as_bytes(), &value).unwrap(), (entity.clone(), slot));
            for bit in 0..value.len() * 8 {
                let mut flipped = value.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(decode(key.as_bytes(), &flipped).is_err(), "bit {bit}");
            }
            assert!(decode(b"segment/production/other", &value).is_err());
        }
    }

    #[test]
    fn how_far_it_goes_round_trips() {
        let applied = Applied {
            sequence: 12,
            chain: Chain::default().follow(b"x"),
            fingerprint: u128::MAX - 5,
        };
        let value = applied.encode();
        assert_eq!(Applied::decode(&value), Ok(applied));
        assert!(Applied::decode(&value[..value.len() - 1]).is_err());
    }
}
