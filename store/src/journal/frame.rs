//! One record in the journal.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length of the text, little endian, 1 to 16 MiB |
//! | 4..8 | CRC32C of all other bytes of the frame |
//! | 8..16 | sequence of the first record of the same write, little endian |
//! | 16..48 | chain: SHA-256 of the chain before and the text |
//! | 48.. | text: the record as JSON |

use sha2::{Digest as _, Sha256};
use std::fmt;
use tidegate_model::snapshot::Digest;

/// Bytes in front of the text.
pub(crate) const HEAD_BYTES: usize = 48;

/// Longest text.
pub(crate) const TEXT_BYTES_MAX: usize = 16 << 20;

/// What stands for the whole journal up to a record: changing, dropping or swapping anything before
/// it changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// The same as others write it.
    pub(crate) fn digest(self) -> Digest {
        Digest::from(self.0)
    }

    /// Its first eight bytes, in hexadecimal: enough to tell two apart that nobody has forged.
    pub(crate) fn step(&self) -> String {
        self.0.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The chain one record further.
    #[must_use]
    pub(crate) fn follow(self, text: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(text);
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Chain {
    /// In hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A frame whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// Sequence of the first record of the same write. Records of one write become durable together.
    pub(crate) group: u64,
    /// The chain up to and with this record.
    pub(crate) chain: Chain,
    /// The record as JSON.
    pub(crate) text: &'a [u8],
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// There are fewer bytes than the frame says, or than any frame has.
    Short,
    /// No frame is this long.
    Length,
    /// The checksum is another one.
    Checksum,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "it is cut short",
            Self::Length => "its length is impossible",
            Self::Checksum => "its checksum does not match",
        })
    }
}

impl Frame<'_> {
    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> usize {
        HEAD_BYTES + self.text.len()
    }

    /// Writes the frame behind what is in `buffer`. The text is not longer than [`TEXT_BYTES_MAX`].
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        let length = u32::try_from(self.text.len()).unwrap_or(u32::MAX).to_le_bytes();
        let group = self.group.to_le_bytes();
        let parts: [&[u8]; 4] = [&length, &group, &self.chain.0, self.text];
        let checksum = parts.into_iter().fold(0, crc32c::crc32c_append);
        buffer.extend_from_slice(&length);
        buffer.extend_from_slice(&checksum.to_le_bytes());
        buffer.extend_from_slice(&group);
        buffer.extend_from_slice(&self.chain.0);
        buffer.extend_from_slice(self.text);
    }
}

/// How long the text is by its first four bytes, if any frame is this long.
pub(crate) fn text_bytes(length: [u8; 4]) -> Result<usize, Flaw> {
    let bytes = u32::from_le_bytes(length) as usize;
    if (1..=TEXT_BYTES_MAX).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(Flaw::Length)
    }
}

/// The frame at the start of `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Frame<'_>, Flaw> {
    let (length, rest) = bytes.split_first_chunk().ok_or(Flaw::Short)?;
    let (checksum, covered) = rest.split_first_chunk().ok_or(Flaw::Short)?;
    let text_bytes = text_bytes(*length)?;
    let covered = covered.get(..HEAD_BYTES - 8 + text_bytes).ok_or(Flaw::Short)?;
    if crc32c::crc32c_append(crc32c::crc32c(length), covered) != u32::from_le_bytes(*checksum) {
        return Err(Flaw::Checksum);
    }
    let (group, rest) = covered.split_first_chunk().ok_or(Flaw::Short)?;
    let (chain, text) = rest.split_first_chunk().ok_or(Flaw::Short)?;
    Ok(Frame {
        group: u64::from_le_bytes(*group),
        chain: Chain(*chain),
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip_and_every_flipped_bit_shows() {
        let frame = Frame {
            group: 7,
            chain: Chain::default().follow(b"before"),
            text: br#"{"sequence":9}"#,
        };
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert_eq!(bytes.len(), frame.bytes());
        assert_eq!(decode(&bytes), Ok(frame));
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
    fn an_empty_or_huge_text_is_no_frame() {
        assert_eq!(decode(&[0; 64]), Err(Flaw::Length));
        assert_eq!(decode(&[0xff; 64]), Err(Flaw::Length));
    }
}
