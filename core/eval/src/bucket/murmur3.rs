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
        let mut hash = self.hash ^ scramble(low_half(self.pending)) ^ self.length;
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
        hash ^ (hash >> 16)
    }

    fn mix_block(&mut self) {
        let block = low_half(self.pending);
        self.pending >>= 32;
        self.hash = (self.hash ^ scramble(block))
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64);
    }
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
