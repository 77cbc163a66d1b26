//! Sets of constants: the values of `in` lists and the units of lists.

use crate::vocabulary::Constant;
use foldhash::fast::FixedState;
use hashbrown::HashSet;

/// Constants of one attribute.
#[derive(Debug)]
pub(crate) enum ConstantSet {
    /// One bit for each number from `first` on. A list's values are numbered as they are read, so they
    /// nearly always lie close together, and looking one up costs the same for ten and for a million.
    Dense { first: u32, bits: Box<[u64]> },
    /// Far apart, because other lists of the same attribute have them too.
    Sparse(Box<HashSet<Constant, FixedState>>),
}

impl ConstantSet {
    /// Bits for each constant up to which a dense set is worth its memory: a hashed set takes 40 bits.
    const BITS_PER_CONSTANT_MAX: usize = 64;

    /// Whether the constant is one of them.
    #[inline]
    pub(crate) fn contains(&self, constant: Constant) -> bool {
        match self {
            Self::Dense { first, bits } => {
                // What lies before the first, and `OTHER`, is far beyond the end.
                let place = constant.0.wrapping_sub(*first);
                let word = bits.get(place as usize / 64).copied().unwrap_or(0);
                word >> (place % 64) & 1 == 1
            }
            Self::Sparse(set) => constant != Constant::OTHER && set.contains(&constant),
        }
    }
}

impl FromIterator<Constant> for ConstantSet {
    fn from_iter<I: IntoIterator<Item = Constant>>(constants: I) -> Self {
        let all: HashSet<Constant, FixedState> = constants
            .into_iter()
            .filter(|constant| *constant != Constant::OTHER)
            .collect();
        let (Some(first), Some(last)) = (all.iter().min(), all.iter().max()) else {
            return Self::Dense {
                first: 0,
                bits: Box::default(),
            };
        };
        let (first, last) = (first.0, last.0);
        let words = (last - first) as usize / 64 + 1;
        if words > 1 && words * 64 > all.len() * Self::BITS_PER_CONSTANT_MAX {
            return Self::Sparse(Box::new(all));
        }
        let mut bits = vec![0_u64; words];
        for constant in all {
            let place = constant.0 - first;
            if let Some(word) = bits.get_mut(place as usize / 64) {
                *word |= 1 << (place % 64);
            }
        }
        Self::Dense {
            first,
            bits: bits.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn check(numbers: &BTreeSet<u32>) {
        let set: ConstantSet = numbers.iter().copied().map(Constant).collect();
        let near = numbers
            .iter()
            .flat_map(|one| [one.saturating_sub(1), *one, one.saturating_add(1)]);
        for number in near.chain([0, 63, 64, u32::MAX - 1]) {
            assert_eq!(
                set.contains(Constant(number)),
                numbers.contains(&number),
                "{number} in {numbers:?}"
            );
        }
        assert!(!set.contains(Constant::OTHER));
    }

    #[test]
    fn close_numbers_are_bits_and_far_ones_are_hashed() {
        let set = |numbers: &[u32]| -> ConstantSet { numbers.iter().copied().map(Constant).collect() };
        assert!(matches!(set(&[70, 130]), ConstantSet::Dense { first: 70, .. }));
        assert!(matches!(set(&[7, 7000]), ConstantSet::Sparse(_)));
        let others: ConstantSet = [Constant::OTHER].into_iter().collect();
        assert!(!others.contains(Constant::OTHER));
        check(&BTreeSet::new());
        check(&(2..10_002).collect());
    }

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in(
            near in prop::collection::btree_set(0..200_u32, 0..40),
            far in prop::collection::btree_set(0..u32::MAX, 0..5),
        ) {
            check(&near);
            check(&near.union(&far).copied().collect());
        }
    }
}
