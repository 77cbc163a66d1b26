//! Bucketing: which of 100,000 buckets a unit falls into.
//!
//! Frozen: `tests/evaluation/bucketing.json` is the law, and
//! `docs/decisions/2026-11-22-bucketing.md` says why it cannot change.

mod murmur3;
mod salt;
mod unit_text;

use murmur3::Murmur3;
pub(crate) use salt::Salt;
use tidegate_model::environment::Bucketing;
use tidegate_model::share::Share;
pub(crate) use unit_text::UnitText;

/// The bucket of `unit` under `salt`, 0 to 99,999: MurmurHash3 x86 32 (seed 0) over the canonical
/// CBOR of the text `<salt>.<unit>`, scaled by `(hash * 100,000) >> 32`.
pub fn bucket(salt: &str, unit: &str) -> u32 {
    scaled(hash(salt, unit))
}

/// The bucket of `unit` under `salt` in an environment that is set to this bucketing.
fn bucket_by(bucketing: Bucketing, salt: &str, unit: &str) -> u32 {
    scaled(match bucketing {
        Bucketing::V3 => hash(salt, unit),
        Bucketing::FlagdV2 => hash_v2(salt, unit),
    })
}

/// The hash that [`bucket`] scales down: all 32 bits, for checking another implementation.
pub fn hash(salt: &str, unit: &str) -> u32 {
    let mut murmur = Murmur3::default();
    write_text_head(&mut murmur, salt.len() + 1 + unit.len());
    write_text(&mut murmur, salt, unit);
    murmur.finish()
}

/// As [`hash`], over the UTF-8 of the text itself: what flagd's engines of version 2 do, and
/// environments that are set to [`Bucketing::FlagdV2`].
pub fn hash_v2(salt: &str, unit: &str) -> u32 {
    let mut murmur = Murmur3::default();
    write_text(&mut murmur, salt, unit);
    murmur.finish()
}

fn write_text(murmur: &mut Murmur3, salt: &str, unit: &str) {
    murmur.write(salt.as_bytes());
    murmur.write(b".");
    murmur.write(unit.as_bytes());
}

fn scaled(hash: u32) -> u32 {
    ((u64::from(hash) * u64::from(Share::TOTAL)) >> 32) as u32
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
