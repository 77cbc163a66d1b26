//! MurmurHash3 x86 32 with seed 0, fed piece by piece.
//!
//! Written here because no kept crate takes its input in pieces without allocating: `murmur3` reads
//! from an `io::Read` four bytes at a time and answers with an error that cannot happen, `mur3` had
//! its last release in 2021, the others want one contiguous slice.

/// The state of a hash that is being computed.
#[derive(Debug, Default)]
pub(super) struct Murmur3 {
    hash: u32,
    /// Up to three bytes that do not fill a block yet, the first one lowest.
    pending: u64,
    /// How many bits of `pending` are in use: 0, 8, 16 or 24.
    pending_bits: u32,
    /// Bytes written so far, modulo 2^32 as in the reference implementation.
    length: u32,
}

/// A hash that was fed its beginning, and is finished again and again with different ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paused {
    hash: u32,
    /// As in [`Murmur3`]: at most three bytes.
    pending: u32,
    pending_bits: u32,
    length: u32,
}

impl Murmur3 {
    /// Feeds `bytes`. Pieces may be cut anywhere; only their concatenation counts.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            self.pending |= u64::from(u32::from_le_bytes(*word)) << self.pending_bits;
            self.mix_block();
        }
        for byte in rest {
            self.pending |= u64::from(*byte) << self.pending_bits;
            self.pending_bits += 8;
            if self.pending_bits == 32 {
                self.mix_block();
                self.pending_bits = 0;
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "the algorithm counts modulo 2^32")]
        let length = bytes.len() as u32;
        self.length = self.length.wrapping_add(length);
    }

    /// The hash of everything written.
    pub(super) fn finish(self) -> u32 {
        finish(self.hash, low_half(self.pending), self.length)
    }

    /// The state, to be finished with different ends.
    pub(super) fn pause(self) -> Paused {
        Paused {
            hash: self.hash,
            pending: low_half(self.pending),
            pending_bits: self.pending_bits,
            length: self.length,
        }
    }

    fn mix_block(&mut self) {
        self.hash = mixed(self.hash, low_half(self.pending));
        self.pending >>= 32;
    }
}

impl Paused {
    /// The hash of the beginning and `end`, which has at least four bytes; `None` if it has fewer.
    ///
    /// Nothing here depends on where the blocks lie but how often the loop runs, so that the next hash
    /// can be begun before this one is finished.
    #[inline]
    pub(super) fn finish_with(&self, end: &[u8]) -> Option<u32> {
        let first = u32::from_le_bytes(*end.first_chunk()?);
        let last = u32::from_le_bytes(*end.last_chunk()?);
        let mut hash = mixed(self.hash, self.pending | first << self.pending_bits);
        // One to four bytes went into that block.
        let taken = 4 - self.pending_bits as usize / 8;
        let (words, rest) = end.get(taken..)?.as_chunks::<4>();
        for word in words {
            hash = mixed(hash, u32::from_le_bytes(*word));
        }
        // The bytes that are left are the highest of the last four.
        let tail = u64::from(last) >> (32 - 8 * rest.len());
        #[expect(clippy::cast_possible_truncation, reason = "the algorithm counts modulo 2^32")]
        let length = self.length.wrapping_add(end.len() as u32);
        Some(finish(hash, low_half(tail), length))
    }
}

fn mixed(hash: u32, block: u32) -> u32 {
    (hash ^ scramble(block))
        .rotate_left(13)
        .wrapping_mul(5)
        .wrapping_add(0xe654_6b64)
}

/// The hash, after up to three bytes that fill no block.
fn finish(hash: u32, tail: u32, length: u32) -> u32 {
    let hash = hash ^ scramble(tail) ^ length;
    let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

fn scramble(block: u32) -> u32 {
    block
        .wrapping_mul(0xcc9e_2d51)
        .rotate_left(15)
        .wrapping_mul(0x1b87_3593)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
fn low_half(bits: u64) -> u32 {
    bits as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&str], expected: u32) {
        let mut murmur = Murmur3::default();
        for piece in pieces {
            murmur.write(piece.as_bytes());
        }
        assert_eq!(murmur.finish(), expected, "{pieces:?}");
    }

    /// Expected values from the C++ reference implementation (through the Python package mmh3).
    #[test]
    fn published_vectors() {
        check(&[], 0);
        check(&["a"], 0x3c25_69b2);
        check(&["ab"], 0x9bbf_d75f);
        check(&["abc"], 0xb3dd_93fa);
        check(&["abcd"], 0x43ed_676a);
        check(&["Hello, world!"], 0xc036_3e43);
        check(&["The quick brown fox jumps over the lazy dog"], 0x2e4f_f723);
    }

    #[test]
    fn only_the_concatenation_counts() {
        let text = "The quick brown fox jumps over the lazy dog";
        for first in 0..text.len() {
            for second in first..text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                check(&pieces, 0x2e4f_f723);
            }
        }
    }
}
