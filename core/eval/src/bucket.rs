//! Bucketing: which of 100,000 buckets a unit falls into. Frozen by vectors.

/// The bucket of `unit` under `salt`, 0 to 99,999: MurmurHash3 x86 32 (seed 0) over the canonical
/// CBOR of the text `<salt>.<unit>`, scaled by `(hash * 100,000) >> 32`.
pub fn bucket(_salt: &str, _unit: &str) -> u32 {
    0
}
