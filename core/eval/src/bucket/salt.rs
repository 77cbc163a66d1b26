//! Salts, with the part of the hash that does not depend on the unit worked out in advance.

use super::murmur3::{Murmur3, Paused};
use super::{bucket_by, scaled, write_text_head};
use tidegate_model::environment::Bucketing;

/// What is put before the units of one flag, layer or experiment.
#[derive(Debug)]
pub(crate) struct Salt {
    text: Box<str>,
    bucketing: Bucketing,
    /// The hash just before the unit, for units of 0, 1, 2 and more bytes: the text's length is hashed
    /// before its bytes.
    before: Box<[Paused]>,
    /// The same for UUIDs, the most usual units, at hand without another look into memory.
    before_uuid: Paused,
}

impl Salt {
    /// Units up to this length are hashed from where the salt ends: most identifiers.
    const UNIT_BYTES_MAX: usize = 40;
    /// How long a UUID is.
    const UUID_BYTES: usize = 36;

    /// This salt.
    pub(crate) fn new(text: &str, bucketing: Bucketing) -> Self {
        let before = |unit_bytes: usize| {
            let mut murmur = Murmur3::default();
            if bucketing == Bucketing::V3 {
                write_text_head(&mut murmur, text.len() + 1 + unit_bytes);
            }
            murmur.write(text.as_bytes());
            murmur.write(b".");
            murmur.pause()
        };
        Self {
            text: text.into(),
            bucketing,
            before: (0..=Self::UNIT_BYTES_MAX).map(before).collect(),
            before_uuid: before(Self::UUID_BYTES),
        }
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The bucket of a unit, 0 to 99,999.
    #[inline]
    pub(crate) fn bucket(&self, unit: &str) -> u32 {
        let before = if unit.len() == Self::UUID_BYTES {
            Some(&self.before_uuid)
        } else {
            self.before.get(unit.len())
        };
        match before.and_then(|before| before.finish_with(unit.as_bytes())) {
            Some(hash) => scaled(hash),
            None => bucket_by(self.bucketing, &self.text, unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_length_and_alignment_is_hashed_alike() {
        let letters = "abcdefghijklmnopqrstuvwxyz0123456789".repeat(8);
        for salt_bytes in (0..40).chain([200, 220, 230, 240, 250, 255, 256]) {
            let salt = &letters[..salt_bytes];
            for bucketing in [Bucketing::V3, Bucketing::FlagdV2] {
                let worked_out = Salt::new(salt, bucketing);
                for unit_bytes in 0..64 {
                    let unit = &letters[letters.len() - unit_bytes..];
                    let expected = bucket_by(bucketing, salt, unit);
                    assert_eq!(worked_out.bucket(unit), expected, "{salt}.{unit}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_salt_finds_the_bucket(salt in "\\PC{0,30}", unit in "\\PC{0,30}") {
            for bucketing in [Bucketing::V3, Bucketing::FlagdV2] {
                let expected = bucket_by(bucketing, &salt, &unit);
                prop_assert_eq!(Salt::new(&salt, bucketing).bucket(&unit), expected);
            }
        }
    }
}
