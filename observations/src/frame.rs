//! One batch in the log.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | `tgob`: where reading goes on behind damage |
//! | 4..8 | length of the packed batch, little endian |
//! | 8..12 | CRC32C of all other bytes of the frame but the first four |
//! | 12..20 | sequence: its place in the log, counted from 1 |
//! | 20..28 | group: sequence of the first batch of the same write |
//! | 28..36 | when it was received, in milliseconds since 1970 |
//! | 36.. | the packed batch ([`crate::pack`]) |

use crate::varint::Bytes;
use std::fmt;

/// Bytes in front of the packed batch.
pub(crate) const HEAD_BYTES: usize = 36;

/// What every frame begins with.
pub(crate) const MAGIC: [u8; 4] = *b"tgob";

/// Longest packed batch.
pub(crate) const PACKED_BYTES_MAX: usize = crate::pack::BATCH_BYTES_MAX + 16;

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    /// Its place in the log.
    pub(crate) sequence: u64,
    /// The place of the first frame of the same write. Frames of one write become durable together.
    pub(crate) group: u64,
    /// When it was received, in milliseconds since 1970; never before the frame in front of it.
    pub(crate) received: i64,
}

/// A frame whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// What it says of itself.
    pub(crate) head: FrameHead,
    /// The packed batch.
    pub(crate) packed: &'a [u8],
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// There are fewer bytes than the frame says, or than any frame has.
    Short,
    /// It does not begin like one.
    Magic,
    /// No frame is this long.
    Length,
    /// The checksum is another one.
    Checksum,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "it is cut short",
            Self::Magic => "no batch begins there",
            Self::Length => "its length is impossible",
            Self::Checksum => "its checksum does not match",
        })
    }
}

impl Frame<'_> {
    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> usize {
        HEAD_BYTES + self.packed.len()
    }

    /// Writes the frame behind what is in `buffer`. The packed batch is not longer than [`PACKED_BYTES_MAX`].
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        let length = u32::try_from(self.packed.len()).unwrap_or(u32::MAX).to_le_bytes();
        let sequence = self.head.sequence.to_le_bytes();
        let group = self.head.group.to_le_bytes();
        let received = self.head.received.to_le_bytes();
        let parts: [&[u8]; 5] = [&length, &sequence, &group, &received, self.packed];
        let checksum = parts.into_iter().fold(0, crc32c::crc32c_append);
        buffer.extend_from_slice(&MAGIC);
        buffer.extend_from_slice(&length);
        buffer.extend_from_slice(&checksum.to_le_bytes());
        for part in &parts[1..] {
            buffer.extend_from_slice(part);
        }
    }
}

/// How long a frame is by its first bytes, in bytes.
pub(crate) fn length(bytes: &[u8]) -> Result<usize, Flaw> {
    let (magic, rest) = bytes.split_first_chunk().ok_or(Flaw::Short)?;
    if *magic != MAGIC {
        return Err(Flaw::Magic);
    }
    let (length, _) = rest.split_first_chunk().ok_or(Flaw::Short)?;
    let packed = u32::from_le_bytes(*length) as usize;
    if !(1..=PACKED_BYTES_MAX).contains(&packed) {
        return Err(Flaw::Length);
    }
    Ok(HEAD_BYTES + packed)
}

/// The frame at the start of `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Frame<'_>, Flaw> {
    let length = length(bytes)?;
    let whole = bytes.get(..length).ok_or(Flaw::Short)?;
    let mut rest = Bytes(whole.get(MAGIC.len()..).unwrap_or_default());
    let short = |_| Flaw::Short;
    let length: [u8; 4] = rest.array().map_err(short)?;
    let checksum = u32::from_le_bytes(rest.array().map_err(short)?);
    if crc32c::crc32c_append(crc32c::crc32c(&length), rest.0) != checksum {
        return Err(Flaw::Checksum);
    }
    let head = FrameHead {
        sequence: u64::from_le_bytes(rest.array().map_err(short)?),
        group: u64::from_le_bytes(rest.array().map_err(short)?),
        received: i64::from_le_bytes(rest.array().map_err(short)?),
    };
    Ok(Frame { head, packed: rest.0 })
}

/// Where, behind the start of `bytes`, the next whole frame of the batch `least` or a later one begins.
pub(crate) fn next_whole(bytes: &[u8], least: u64) -> Option<(usize, Frame<'_>)> {
    let mut at = 1;
    while let Some(rest) = bytes.get(at..) {
        at += rest.windows(MAGIC.len()).position(|window| *window == MAGIC)?;
        if let Ok(frame) = decode(bytes.get(at..)?)
            && frame.head.sequence >= least
        {
            return Some((at, frame));
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(sequence: u64) -> Frame<'static> {
        Frame {
            head: FrameHead {
                sequence,
                group: 7,
                received: 1_700_000_000_000,
            },
            packed: b"a packed batch",
        }
    }

    #[test]
    fn frames_round_trip_and_every_flipped_bit_shows() {
        let mut bytes = Vec::new();
        frame(9).encode(&mut bytes);
        assert_eq!(bytes.len(), frame(9).bytes());
        assert_eq!(decode(&bytes), Ok(frame(9)));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
        for short in 0..bytes.len() {
            assert_eq!(decode(&bytes[..short]), Err(Flaw::Short), "{short} bytes");
        }
    }

    #[test]
    fn behind_damage_reading_goes_on_at_the_next_whole_frame_of_a_later_batch() {
        let mut bytes = b"tgob and something that is no frame".to_vec();
        frame(3).encode(&mut bytes);
        let later = bytes.len();
        frame(4).encode(&mut bytes);
        assert_eq!(next_whole(&bytes, 4), Some((later, frame(4))));
        assert_eq!(next_whole(&bytes, 5), None);
        assert_eq!(next_whole(&bytes[..bytes.len() - 1], 4), None);
    }
}
