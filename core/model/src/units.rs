//! Large sets of units, kept as hashes.
//!
//! A set of a million units takes 8 MB instead of the tens that their texts would, and asking whether a
//! unit is in it touches one or two lines of memory. The price: a unit that is not in the set is taken
//! for one that is with a probability of `n / 2^64`, for a million units one in 18 million million. And
//! nobody can read the units back.

use crate::snapshot::Digest;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

mod csv;
mod ndjson;
pub mod reader;

/// Most units of one list.
pub const LIST_UNITS_MAX: usize = 5_000_000;
/// Largest list, in bytes.
pub const LIST_BYTES_MAX: usize = HEADER_BYTES + LIST_UNITS_MAX * HASH_BYTES;

/// What the bytes of a list begin with. The last two say the version of all that follows.
const MAGIC: &[u8; 8] = b"tgunit01";
/// The magic, and the count as eight bytes, little-endian.
const HEADER_BYTES: usize = 16;
const HASH_BYTES: usize = 8;

/// Lists that are at hand, by the digest of their bytes.
pub type Lists = BTreeMap<Digest, Arc<UnitSet>>;

/// A set of units, as sorted 64-bit XXH3 hashes of their texts (seed 0).
///
/// Its bytes are the magic, the count and the hashes, all little-endian: equal sets have equal bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct UnitSet {
    /// Ascending, each once.
    hashes: Box<[u64]>,
    /// Where the hashes begin whose top bits are this place; and, last, where all end.
    starts: Box<[u32]>,
    /// How far a hash is shifted to leave its top bits.
    shift: u32,
}

/// Why bytes are no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitSetRefusal {
    /// They begin with something else, or are a newer version's.
    #[error("the bytes are no list of units of a version known here")]
    Foreign,
    /// Bytes are missing or left over.
    #[error("the list says that it has {stated} units, and has {found} bytes after its header")]
    Length {
        /// What the header says.
        stated: u64,
        /// What follows it.
        found: usize,
    },
    /// Hashes are not ascending.
    #[error("the hashes of the list are not in order at {place}")]
    Unordered {
        /// The first one out of order, counted from 0.
        place: usize,
    },
}

impl UnitSet {
    /// Hashes that share an entry of the index on average: four to eight fill at most a line of memory.
    const BUCKET_BITS: u32 = 2;
    /// Up to here looking at each hash is faster than halving.
    const SCANNED_MAX: usize = 16;

    /// The set of these hashes, which may come in any order and more than once.
    pub fn of_hashes(mut hashes: Vec<u64>) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        Self::of_sorted(hashes.into())
    }

    fn of_sorted(hashes: Box<[u64]>) -> Self {
        // At least one bit, because a shift by 64 is none.
        let bits = hashes.len().checked_ilog2().unwrap_or(0);
        let bits = bits.saturating_sub(Self::BUCKET_BITS).max(1);
        let shift = u64::BITS - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let mut next = 0_u32;
        let mut rest = hashes.iter().peekable();
        for place in 0..1_u64 << bits {
            starts.push(next);
            while rest.next_if(|hash| **hash >> shift == place).is_some() {
                next = next.saturating_add(1);
            }
        }
        starts.push(next);
        Self {
            hashes,
            starts: starts.into(),
            shift,
        }
    }

    /// The hash that stands for a unit: XXH3, 64 bits, seed 0, over the UTF-8 bytes.
    pub fn hash(unit: &str) -> u64 {
        xxh3_64(unit.as_bytes())
    }

    /// Whether the unit is in the set. Allocates nothing.
    #[inline]
    pub fn contains(&self, unit: &str) -> bool {
        self.contains_hash(Self::hash(unit))
    }

    #[inline]
    fn contains_hash(&self, hash: u64) -> bool {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a list has far fewer than 2^32 units"
        )]
        let place = (hash >> self.shift) as usize;
        let (Some(start), Some(end)) = (self.starts.get(place), self.starts.get(place + 1)) else {
            return false;
        };
        let bucket = self
            .hashes
            .get(*start as usize..*end as usize)
            .unwrap_or_default();
        // Units can be made so that their hashes share the top bits.
        if bucket.len() > Self::SCANNED_MAX {
            return bucket.binary_search(&hash).is_ok();
        }
        bucket.contains(&hash)
    }

    /// How many units are in it.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The bytes as which it is kept and carried.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.hashes.len() * HASH_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(self.hashes.len() as u64).to_le_bytes());
        for hash in &self.hashes {
            bytes.extend_from_slice(&hash.to_le_bytes());
        }
        bytes
    }

    /// The set that these bytes hold.
    ///
    /// # Errors
    /// When they are not what [`to_bytes`](Self::to_bytes) writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, UnitSetRefusal> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(UnitSetRefusal::Foreign)?;
        let (stated, rest) = rest.split_first_chunk().ok_or(UnitSetRefusal::Foreign)?;
        let stated = u64::from_le_bytes(*stated);
        let (hashes, left_over) = rest.as_chunks::<HASH_BYTES>();
        if !left_over.is_empty() || hashes.len() as u64 != stated || hashes.len() > LIST_UNITS_MAX {
            let found = rest.len();
            return Err(UnitSetRefusal::Length { stated, found });
        }
        let hashes: Box<[u64]> = hashes.iter().map(|hash| u64::from_le_bytes(*hash)).collect();
        let unordered = hashes.iter().zip(hashes.iter().skip(1)).position(|(a, b)| a >= b);
        match unordered {
            Some(before) => Err(UnitSetRefusal::Unordered { place: before + 1 }),
            None => Ok(Self::of_sorted(hashes)),
        }
    }
}

impl fmt::Debug for UnitSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnitSet({} units)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Frozen: lists on disk and nodes of other versions depend on it. The first is the hash of nothing
    /// in the specification of XXH3.
    #[test]
    fn hashes_are_what_they_always_were() {
        for (unit, hash) in [
            ("", 0x2d06_8005_38d3_94c2_u64),
            ("user-1", UnitSet::hash("user-1")),
        ] {
            assert_eq!(UnitSet::hash(unit), hash, "{unit}");
        }
        let bytes = UnitSet::of_hashes(vec![2, 1, 2]).to_bytes();
        let expected = b"tgunit01\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn sets_of_all_sizes_hold_what_was_put_in() {
        for size in [0_u32, 1, 2, 7, 8, 9, 100, 1000, 50_000] {
            let unit = |i: u32| format!("user-{i}");
            let hashes = (0..size).map(|i| UnitSet::hash(&unit(i))).collect();
            let set = UnitSet::of_hashes(hashes);
            assert_eq!(set.len(), size as usize);
            assert!((0..size).all(|i| set.contains(&unit(i))), "{size}");
            assert!((size..size + 1000).all(|i| !set.contains(&unit(i))), "{size}");
            assert_eq!(UnitSet::from_bytes(&set.to_bytes()).unwrap(), set);
        }
    }

    #[test]
    fn bytes_that_are_no_list_are_refused() {
        let good = UnitSet::of_hashes(vec![1, 2, 3]).to_bytes();
        let with = |place: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[place] = byte;
            bytes
        };
        for (what, bytes) in [
            ("empty", vec![]),
            ("magic", with(0, b'x')),
            ("version", with(7, b'2')),
            ("cut in the header", good[..12].to_vec()),
            ("cut in a hash", good[..good.len() - 1].to_vec()),
            ("cut between hashes", good[..good.len() - 8].to_vec()),
            ("too long", [&good[..], &[9; 8]].concat()),
            ("count", with(8, 2)),
            ("huge count", with(15, 0xff)),
            ("order", with(16, 9)),
            ("twice", with(16, 2)),
        ] {
            assert!(UnitSet::from_bytes(&bytes).is_err(), "{what}");
        }
    }

    proptest! {
        /// Hashes that share their top bits, or lie at the ends, are found like all others.
        #[test]
        fn any_hashes_are_found(
            hashes in prop::collection::vec(prop_oneof![any::<u64>(), 0..64_u64, (0..64_u64).prop_map(|low| u64::MAX - low)], 0..200),
            others in prop::collection::vec(any::<u64>(), 20),
        ) {
            let set = UnitSet::of_hashes(hashes.clone());
            let expected: BTreeSet<u64> = hashes.into_iter().collect();
            prop_assert_eq!(set.len(), expected.len());
            for hash in expected.iter().copied().chain(others) {
                prop_assert_eq!(set.contains_hash(hash), expected.contains(&hash));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), count in 0..6_u8) {
            let _ = UnitSet::from_bytes(&bytes);
            let framed = [MAGIC, &[count, 0, 0, 0, 0, 0, 0, 0], &bytes[..]].concat();
            if let Ok(set) = UnitSet::from_bytes(&framed) {
                prop_assert_eq!(set.to_bytes(), framed);
            }
        }
    }
}
