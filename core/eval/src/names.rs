//! From names to numbers, exactly and in few nanoseconds.
//!
//! Every evaluation begins with a name, and so does every attribute of a context. A general hash table
//! follows a pointer to compare what it found; here names of up to sixteen bytes lie in the table
//! itself, as two words that overlap.

use foldhash::fast::FixedState;
use std::hash::BuildHasher;

/// A table of names, each with a number. Its order and cost depend on no seed: only definitions are put
/// in, so nobody outside can make it degenerate.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// A power of two of them, at most a third of them taken; a name's place is the first free one from
    /// where its hash points.
    slots: Box<[Slot]>,
    /// In the order in which they were put in.
    entries: Vec<(Box<str>, u32)>,
}

/// A name's place in the table.
#[derive(Debug, Clone, Copy)]
struct Slot {
    ends: Ends,
    /// In the table's entries, or [`Slot::FREE`].
    entry: u32,
    number: u32,
}

/// The first and the last bytes of a name, and its length: all of it up to sixteen bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends {
    first: u64,
    last: u64,
    length: usize,
}

impl Names {
    /// The number of a name.
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<u32> {
        let ends = Ends::of(name);
        let mut place = ends.hash(name);
        // Most of the slots are free, so there is an end; without slots it is here.
        loop {
            let slot = self.slots.get(self.slot(place))?;
            if slot.ends == ends && (ends.is_whole() || self.is_named(slot.entry, name)) {
                return (slot.entry != Slot::FREE.entry).then_some(slot.number);
            }
            if slot.entry == Slot::FREE.entry {
                return None;
            }
            place = place.wrapping_add(1);
        }
    }

    /// The number of a name, which it is given if it has none yet.
    pub(crate) fn get_or_insert(&mut self, name: &str, number: impl FnOnce() -> u32) -> u32 {
        if let Some(known) = self.get(name) {
            return known;
        }
        let number = number();
        self.entries.push((name.into(), number));
        if self.entries.len() * 3 > self.slots.len() {
            self.slots = vec![Slot::FREE; (self.entries.len() * 6).next_power_of_two()].into();
            for entry in 0..self.entries.len() {
                self.place(entry);
            }
        } else {
            self.place(self.entries.len() - 1);
        }
        number
    }

    /// The name that was put in after so many others.
    pub(crate) fn nth(&self, place: u32) -> Option<&str> {
        self.entries.get(place as usize).map(|(name, _)| &**name)
    }

    fn place(&mut self, entry: usize) {
        let Some((name, number)) = self.entries.get(entry) else {
            return;
        };
        let ends = Ends::of(name);
        let mut place = ends.hash(name);
        loop {
            let at = self.slot(place);
            match self.slots.get_mut(at) {
                Some(slot) if slot.entry != Slot::FREE.entry => place = place.wrapping_add(1),
                Some(slot) => {
                    // A snapshot has at most 32 MiB, far fewer than 2^32 names.
                    let entry = u32::try_from(entry).unwrap_or(Slot::FREE.entry);
                    *slot = Slot {
                        ends,
                        entry,
                        number: *number,
                    };
                    return;
                }
                None => return,
            }
        }
    }

    #[inline]
    fn slot(&self, place: usize) -> usize {
        place & self.slots.len().wrapping_sub(1)
    }

    fn is_named(&self, entry: u32, name: &str) -> bool {
        self.entries
            .get(entry as usize)
            .is_some_and(|(known, _)| **known == *name)
    }
}

impl Slot {
    const FREE: Self = Self {
        ends: Ends {
            first: 0,
            last: 0,
            length: 0,
        },
        entry: u32::MAX,
        number: 0,
    };
}

impl Ends {
    #[inline]
    fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let length = bytes.len();
        let (first, last) = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
        } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            (
                u64::from(u32::from_le_bytes(*first)),
                u64::from(u32::from_le_bytes(*last)),
            )
        } else {
            let byte = |place: usize| bytes.get(place).copied().map_or(0, u64::from);
            (byte(0), byte(1) | byte(2) << 8)
        };
        Self { first, last, length }
    }

    /// Whether no byte lies between the first and the last ones.
    #[inline]
    fn is_whole(self) -> bool {
        self.length <= 16
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash are a hash")]
    fn hash(self, name: &str) -> usize {
        /// Digits of pi and of the golden ratio: any numbers without a pattern will do.
        const SEEDS: [u64; 3] = [
            0x243f_6a88_85a3_08d3,
            0x1319_8a2e_0370_7344,
            0x9e37_79b9_7f4a_7c15,
        ];
        if !self.is_whole() {
            return FixedState::default().hash_one(name) as usize;
        }
        let [seed, other, spread] = SEEDS;
        let first = self.first ^ seed ^ self.length as u64;
        let product = u128::from(first) * u128::from(self.last ^ other);
        let folded = product as u64 ^ (product >> 64) as u64;
        // Names that differ in a digit end up far apart: their neighbours stay free.
        (folded.wrapping_mul(spread) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check(names: &[String], strangers: &[String]) {
        let mut table = Names::default();
        let mut expected = BTreeMap::new();
        for name in names {
            let next = u32::try_from(expected.len()).unwrap();
            let number = *expected.entry(name.clone()).or_insert(next);
            assert_eq!(table.get_or_insert(name, || next), number, "{name}");
        }
        assert_eq!(table.entries.len(), expected.len());
        for (place, (name, _)) in (0..).zip(&table.entries) {
            assert_eq!(table.nth(place), Some(&**name));
        }
        for name in names.iter().chain(strangers) {
            assert_eq!(table.get(name), expected.get(name).copied(), "{name:?}");
        }
    }

    #[test]
    fn names_of_every_length_are_told_apart() {
        let text = "abcdefghijklmnopqrstuvwxyz";
        // Of every length, and each with one letter changed, wherever it stands.
        let names: Vec<String> = (0..=text.len()).map(|end| text[..end].to_owned()).collect();
        let changed = |name: &String| -> Vec<String> {
            let at = |place: usize| format!("{}!{}", &name[..place], &name[place + 1..]);
            (0..name.len()).map(at).collect()
        };
        let strangers: Vec<String> = names.iter().flat_map(changed).collect();
        check(&names, &strangers);
        check(&strangers, &names);
        check(&[], &names);
        check(&["\0".to_owned()], &[String::new(), "\0\0".to_owned()]);
    }

    #[test]
    fn many_names_are_found() {
        for form in ["flag-", "account-", "a flag with a long name and the number "] {
            let names: Vec<String> = (0..3000).map(|i| format!("{form}{i}")).collect();
            let strangers: Vec<String> = (3000..4000).map(|i| format!("{form}{i}")).collect();
            check(&names, &strangers);
        }
    }

    proptest! {
        #[test]
        fn a_table_knows_what_was_put_in(
            names in prop::collection::vec("[ab\0]{0,20}", 0..40),
            strangers in prop::collection::vec("[ab\0]{0,20}", 0..40),
        ) {
            check(&names, &strangers);
        }
    }
}
