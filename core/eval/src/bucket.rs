//! Bucketing: which of 100,000 buckets a unit falls into.
//!
//! Frozen: `tests/evaluation/bucketing.json` is the law, and
//! `docs/decisions/2026-11-22-bucketing.md` says why it cannot change.

mod murmur3;
mod unit_text;

use murmur3::Murmur3;
use tidegate_model::share::Share;
pub(crate) use unit_text::UnitText;

/// What is put before the units of one flag, layer or experiment.
#[derive(Debug)]
pub(crate) struct Salt(Box<str>);

impl Salt {
    /// This salt.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The bucket of a unit: [`bucket`].
    pub(crate) fn bucket(&self, unit: &str) -> u32 {
        bucket(&self.0, unit)
    }
}

/// The bucket of `unit` under `salt`, 0 to 99,999: MurmurHash3 x86 32 (seed 0) over the canonical
/// CBOR of the text `<salt>.<unit>`, scaled by `(hash * 100,000) >> 32`.
pub fn bucket(salt: &str, unit: &str) -> u32 {
    let scaled = (u64::from(hash(salt, unit)) * u64::from(Share::TOTAL)) >> 32;
    scaled as u32
}

/// The hash that [`bucket`] scales down: all 32 bits, for checking another implementation.
pub fn hash(salt: &str, unit: &str) -> u32 {
    let mut murmur = Murmur3::default();
    write_text_head(&mut murmur, salt.len() + 1 + unit.len());
    murmur.write(salt.as_bytes());
    murmur.write(b".");
    murmur.write(unit.as_bytes());
    murmur.finish()
}

/// The head of a CBOR text of `length` bytes, in its shortest form (RFC 8949 sections 3.1 and 4.2.1).
fn write_text_head(murmur: &mut Murmur3, length: usize) {
    const TEXT: u8 = 3 << 5;
    if let Ok(length) = u8::try_from(length) {
        match length {
            0..24 => murmur.write(&[TEXT | length]),
            _ => murmur.write(&[TEXT | 24, length]),
        }
    } else if let Ok(length) = u16::try_from(length) {
        murmur.write(&[TEXT | 25]);
        murmur.write(&length.to_be_bytes());
    } else if let Ok(length) = u32::try_from(length) {
        murmur.write(&[TEXT | 26]);
        murmur.write(&length.to_be_bytes());
    } else {
        murmur.write(&[TEXT | 27]);
        murmur.write(&(length as u64).to_be_bytes());
    }
}
