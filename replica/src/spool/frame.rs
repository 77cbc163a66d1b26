//! One write of a line of observations: those that were handed in together, or the end of a batch.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length of the text, little endian |
//! | 4..8 | CRC32C of all other bytes of the frame |
//! | 8..12 | how many observations, little endian; 0 is the end of a batch |
//! | 12.. | the observations as JSON, with commas between them; at the end of a batch its number, 8 bytes |

use tidegate_model::observation::Observation;

/// Bytes in front of the text.
const HEAD_BYTES: usize = 12;

/// Longest text: far more than the largest request can be turned into.
const TEXT_BYTES_MAX: usize = 32 << 20;

/// Several observations that are kept together or not at all.
#[derive(Debug)]
pub(super) struct Frame {
    /// As it is written.
    pub(super) bytes: Vec<u8>,
    /// How many observations are in it.
    pub(super) observations: usize,
}

/// A frame as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    /// So many observations.
    Observations(usize, &'a [u8]),
    /// Everything since the end before is the batch of this number.
    End(u64),
}

impl Frame {
    /// The frame of these observations.
    ///
    /// # Errors
    /// When they cannot be written as JSON, which no observation is known for.
    pub(super) fn of(observations: &[Observation]) -> serde_json::Result<Self> {
        let mut bytes = vec![0; HEAD_BYTES];
        bytes.reserve(observations.len() * 160);
        for (place, observation) in observations.iter().enumerate() {
            if place > 0 {
                bytes.push(b',');
            }
            serde_json::to_writer(&mut bytes, observation)?;
        }
        Ok(Self::sealed(bytes, observations.len()))
    }

    /// A frame of observations that were read from another one.
    pub(super) fn again(observations: usize, text: &[u8]) -> Self {
        let mut bytes = vec![0; HEAD_BYTES];
        bytes.extend_from_slice(text);
        Self::sealed(bytes, observations)
    }

    /// The frame that ends a batch.
    pub(super) fn end(number: u64) -> Self {
        let mut bytes = vec![0; HEAD_BYTES];
        bytes.extend_from_slice(&number.to_le_bytes());
        Self::sealed(bytes, 0)
    }

    fn sealed(mut bytes: Vec<u8>, observations: usize) -> Self {
        let length = u32::try_from(bytes.len() - HEAD_BYTES).unwrap_or(u32::MAX);
        let count = u32::try_from(observations).unwrap_or(u32::MAX);
        if let Some((head, text)) = bytes.split_first_chunk_mut::<HEAD_BYTES>() {
            *head = head_of(length, count, text);
        }
        Self { bytes, observations }
    }
}

fn head_of(length: u32, count: u32, text: &[u8]) -> [u8; HEAD_BYTES] {
    let (length, count) = (length.to_le_bytes(), count.to_le_bytes());
    let parts: [&[u8]; 3] = [&length, &count, text];
    let checksum = parts.into_iter().fold(0, crc32c::crc32c_append).to_le_bytes();
    let mut head = [0; HEAD_BYTES];
    let all = length.into_iter().chain(checksum).chain(count);
    head.iter_mut().zip(all).for_each(|(byte, value)| *byte = value);
    head
}

/// The frame at the start of `bytes`, and how long it is; `None` when there is no whole one.
pub(super) fn read(bytes: &[u8]) -> Option<(Read<'_>, usize)> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let (length, behind) = head.split_first_chunk::<4>()?;
    let (_, count) = behind.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length);
    let count = u32::from_le_bytes(*count.first_chunk::<4>()?);
    let bytes = usize::try_from(length)
        .ok()
        .filter(|length| *length <= TEXT_BYTES_MAX)?;
    let text = rest.get(..bytes)?;
    if head_of(length, count, text) != *head {
        return None;
    }
    let read = match count {
        0 => Read::End(u64::from_le_bytes(*text.first_chunk::<8>()?)),
        count => Read::Observations(usize::try_from(count).ok()?, text),
    };
    Some((read, HEAD_BYTES + bytes))
}

/// The observations in the frames of one batch.
///
/// # Errors
/// When a frame is damaged.
pub(super) fn observations(mut bytes: &[u8]) -> Result<Vec<Observation>, Damaged> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (frame, length) = read(bytes).ok_or(Damaged)?;
        if let Read::Observations(_, text) = frame {
            let list = [b"[", text, b"]"].concat();
            let listed: Vec<Observation> =
                serde_json::from_slice(&list).map_err(|_: serde_json::Error| Damaged)?;
            all.extend(listed);
        }
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(all)
}

/// Bytes that should be frames and are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was written there is not what is read")]
pub(super) struct Damaged;
