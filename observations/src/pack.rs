//! A batch as few bytes.
//!
//! The first byte says how: 0 for as it is, 1 for compressed, after the length that it had. Names that a batch repeats
//! stand once in front; times are distances from the one before.

use crate::varint::{Bytes, Unreadable, put, put_signed, put_text};
use chrono::{DateTime, TimeDelta};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use tidegate_model::Timestamp;
use tidegate_model::key::{ExperimentKey, MetricName, VariationKey};
use tidegate_model::observation::{OBSERVATIONS_MAX, Observation, ObservationBatch};

/// Most bytes of a batch before they are compressed.
pub(crate) const BATCH_BYTES_MAX: usize = 32 << 20;

/// Shorter ones are not worth compressing, in bytes.
const COMPRESSED_FROM: usize = 512;
/// The fastest of the levels that cost no more memory than the batch.
const LEVEL: i32 = 1;

const PLAIN: u8 = 0;
const COMPRESSED: u8 = 1;

/// Bits of the first byte of an observation.
const EVENT: u8 = 1;
/// Its time has a part below a millisecond.
const FINE: u8 = 2;
/// An exposure with dimensions.
const DIMENSIONS: u8 = 4;
/// An event whose value is 1.
const ONE: u8 = 8;
/// An exposure under another dealing than the first.
const DEALT_AGAIN: u8 = 16;

const NANOS_A_MILLI: u32 = 1_000_000;

/// Names in the order in which they first come.
#[derive(Debug)]
struct Names<'a, K> {
    places: HashMap<&'a K, u64>,
    listed: Vec<&'a K>,
}

impl<'a, K: Hash + Eq + AsRef<str>> Names<'a, K> {
    fn new() -> Self {
        Self {
            places: HashMap::new(),
            listed: Vec::new(),
        }
    }

    fn place(&mut self, name: &'a K) -> u64 {
        let next = self.listed.len() as u64;
        let place = *self.places.entry(name).or_insert(next);
        if place == next {
            self.listed.push(name);
        }
        place
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        put(bytes, self.listed.len() as u64);
        for name in &self.listed {
            put_text(bytes, (*name).as_ref());
        }
    }
}

/// The batch without compression.
fn plain(batch: &ObservationBatch) -> Vec<u8> {
    let mut experiments = Names::<ExperimentKey>::new();
    let mut arms = Names::<VariationKey>::new();
    let mut metrics = Names::<MetricName>::new();
    let mut texts = Names::<String>::new();
    let mut rows = Vec::with_capacity(batch.observations.len() * 48);
    let mut before = 0;
    for observation in &batch.observations {
        let at = observation.at();
        let fine = at.timestamp_subsec_nanos() % NANOS_A_MILLI;
        let start = rows.len();
        rows.push(if fine == 0 { 0 } else { FINE });
        let milli = at.timestamp_millis();
        put_signed(&mut rows, milli.wrapping_sub(before));
        before = milli;
        if fine != 0 {
            put(&mut rows, fine.into());
        }
        put_text(&mut rows, observation.unit());
        let mut flags = 0;
        match observation {
            Observation::Exposure {
                experiment,
                batch,
                arm,
                dimensions,
                ..
            } => {
                put(&mut rows, experiments.place(experiment));
                put(&mut rows, arms.place(arm));
                if *batch != 0 {
                    flags |= DEALT_AGAIN;
                    put(&mut rows, (*batch).into());
                }
                if !dimensions.is_empty() {
                    flags |= DIMENSIONS;
                    put(&mut rows, dimensions.len() as u64);
                    for (name, value) in dimensions {
                        put(&mut rows, texts.place(name));
                        put(&mut rows, texts.place(value));
                    }
                }
            }
            Observation::Event {
                metric, value, id, ..
            } => {
                flags |= EVENT;
                put(&mut rows, metrics.place(metric));
                if value.to_bits() == 1_f64.to_bits() {
                    flags |= ONE;
                } else {
                    rows.extend_from_slice(&value.to_bits().to_le_bytes());
                }
                put_text(&mut rows, id);
            }
        }
        if let Some(first) = rows.get_mut(start) {
            *first |= flags;
        }
    }
    let mut bytes = Vec::with_capacity(rows.len() + 256);
    put_text(&mut bytes, &batch.spool);
    put(&mut bytes, batch.number);
    experiments.put(&mut bytes);
    arms.put(&mut bytes);
    metrics.put(&mut bytes);
    texts.put(&mut bytes);
    put(&mut bytes, batch.observations.len() as u64);
    bytes.extend_from_slice(&rows);
    bytes
}

/// The batch as it stands in a frame; what it would take if it is longer than [`BATCH_BYTES_MAX`].
pub(crate) fn pack(batch: &ObservationBatch) -> Result<Vec<u8>, usize> {
    let mut plain = plain(batch);
    if plain.len() > BATCH_BYTES_MAX {
        return Err(plain.len());
    }
    if plain.len() >= COMPRESSED_FROM {
        let length = u32::try_from(plain.len()).unwrap_or(u32::MAX);
        if let Ok(compressed) = zstd::bulk::compress(&plain, LEVEL)
            && compressed.len() < plain.len()
        {
            let mut bytes = Vec::with_capacity(compressed.len() + 5);
            bytes.push(COMPRESSED);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&compressed);
            return Ok(bytes);
        }
    }
    plain.insert(0, PLAIN);
    Ok(plain)
}

/// What [`pack`] wrote.
pub(crate) fn unpack(bytes: &[u8]) -> Result<ObservationBatch, Unreadable> {
    read(Bytes(&unfolded(bytes)?))
}

/// Of what [`pack`] wrote: the spool, the number, and how many observations.
pub(crate) fn front(bytes: &[u8]) -> Result<(String, u64, u64), Unreadable> {
    let plain = unfolded(bytes)?;
    let mut bytes = Bytes(&plain);
    let spool = bytes.text()?.to_owned();
    let number = bytes.number()?;
    // Experiments, arms, metrics, and what dimensions say.
    for _ in 0..4 {
        for _ in 0..bytes.count()? {
            bytes.text()?;
        }
    }
    Ok((spool, number, bytes.number()?))
}

/// Without compression.
fn unfolded(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Unreadable> {
    let mut bytes = Bytes(bytes);
    match bytes.byte()? {
        PLAIN => Ok(bytes.0.into()),
        COMPRESSED => {
            let length = u32::from_le_bytes(bytes.array()?) as usize;
            if length > BATCH_BYTES_MAX {
                return Err(Unreadable("it is longer than any batch"));
            }
            let plain = zstd::bulk::decompress(bytes.0, length);
            plain
                .map(Cow::Owned)
                .map_err(|_| Unreadable("it cannot be decompressed"))
        }
        _ => Err(Unreadable("a newer version wrote it")),
    }
}

fn read(mut bytes: Bytes<'_>) -> Result<ObservationBatch, Unreadable> {
    let spool = bytes.text()?.to_owned();
    let number = bytes.number()?;
    let names = Tables {
        experiments: keys(&mut bytes, ExperimentKey::new)?,
        arms: keys(&mut bytes, VariationKey::new)?,
        metrics: keys(&mut bytes, MetricName::new)?,
        texts: {
            let count = bytes.count()?;
            (0..count)
                .map(|_| bytes.text().map(str::to_owned))
                .collect::<Result<_, _>>()?
        },
    };
    let count = bytes.count()?;
    if count > OBSERVATIONS_MAX {
        return Err(Unreadable("it has more observations than any batch"));
    }
    let mut observations = Vec::with_capacity(count);
    let mut before = 0;
    for _ in 0..count {
        observations.push(names.observation(&mut bytes, &mut before)?);
    }
    match bytes.0 {
        [] => Ok(ObservationBatch {
            spool,
            number,
            observations,
        }),
        _ => Err(Unreadable("something stands behind its end")),
    }
}

fn keys<K, E>(bytes: &mut Bytes<'_>, key: impl Fn(&str) -> Result<K, E>) -> Result<Vec<K>, Unreadable> {
    let count = bytes.count()?;
    let one = |_| key(bytes.text()?).map_err(|_| Unreadable("a name is none"));
    (0..count).map(one).collect()
}

/// Names that stand in front.
#[derive(Debug)]
struct Tables {
    experiments: Vec<ExperimentKey>,
    arms: Vec<VariationKey>,
    metrics: Vec<MetricName>,
    texts: Vec<String>,
}

impl Tables {
    fn observation(&self, bytes: &mut Bytes<'_>, before: &mut i64) -> Result<Observation, Unreadable> {
        let flags = bytes.byte()?;
        let milli = before.wrapping_add(bytes.signed()?);
        *before = milli;
        let fine = match flags & FINE {
            0 => 0,
            _ => bytes.number()?.min(u64::from(NANOS_A_MILLI)),
        };
        let at = time(milli, fine).ok_or(Unreadable("a time is in no calendar"))?;
        let unit = bytes.text()?.to_owned();
        if flags & EVENT != 0 {
            return Ok(Observation::Event {
                unit,
                metric: named(&self.metrics, bytes)?,
                value: match flags & ONE {
                    0 => f64::from_bits(u64::from_le_bytes(bytes.array()?)),
                    _ => 1.0,
                },
                at,
                id: bytes.text()?.to_owned(),
            });
        }
        Ok(Observation::Exposure {
            experiment: named(&self.experiments, bytes)?,
            arm: named(&self.arms, bytes)?,
            batch: match flags & DEALT_AGAIN {
                0 => 0,
                _ => u32::try_from(bytes.number()?).map_err(|_| Unreadable("a dealing is too large"))?,
            },
            unit,
            at,
            dimensions: match flags & DIMENSIONS {
                0 => BTreeMap::new(),
                _ => self.dimensions(bytes)?,
            },
        })
    }

    fn dimensions(&self, bytes: &mut Bytes<'_>) -> Result<BTreeMap<String, String>, Unreadable> {
        let count = bytes.count()?;
        let one = |_| Ok((named(&self.texts, bytes)?, named(&self.texts, bytes)?));
        (0..count).map(one).collect()
    }
}

fn named<K: Clone>(names: &[K], bytes: &mut Bytes<'_>) -> Result<K, Unreadable> {
    let place = usize::try_from(bytes.number()?).map_err(|_| Unreadable("a name is absent"))?;
    names.get(place).cloned().ok_or(Unreadable("a name is absent"))
}

fn time(milli: i64, fine: u64) -> Option<Timestamp> {
    let fine = TimeDelta::nanoseconds(i64::try_from(fine).ok()?);
    DateTime::from_timestamp_millis(milli)?.checked_add_signed(fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::{Strategy, any, prop_oneof};

    fn at() -> impl Strategy<Value = Timestamp> {
        let milli = 946_684_800_000..4_102_444_800_000_i64;
        (
            milli,
            prop_oneof![proptest::prelude::Just(0_u64), 0..1_000_000_u64],
        )
            .prop_map(|(milli, fine)| time(milli, fine).unwrap())
    }

    fn observation() -> impl Strategy<Value = Observation> {
        let text = "\\PC{1,12}";
        let dimensions = btree_map(text, text, 0..3);
        let exposure = ("[a-c]", 0..3_u32, text, "[a-c]", at(), dimensions).prop_map(
            |(experiment, batch, unit, arm, at, dimensions)| Observation::Exposure {
                experiment: experiment.parse().unwrap(),
                batch,
                unit,
                arm: arm.parse().unwrap(),
                at,
                dimensions,
            },
        );
        let event = (text, "[a-c]", any::<f64>(), at(), text).prop_map(|(unit, metric, value, at, id)| {
            Observation::Event {
                unit,
                metric: metric.parse().unwrap(),
                value,
                at,
                id,
            }
        });
        prop_oneof![exposure, event]
    }

    proptest::proptest! {
        #[test]
        fn what_is_packed_comes_back(spool in "\\PC{1,20}", number: u64, observations in vec(observation(), 0..40)) {
            let batch = ObservationBatch { spool, number, observations };
            let packed = pack(&batch).unwrap();
            assert_eq!(unpack(&packed).unwrap(), batch);
            let (spool, number, count) = front(&packed).unwrap();
            assert_eq!((spool, number), (batch.spool, batch.number));
            assert_eq!(count, batch.observations.len() as u64);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _either_way = unpack(&bytes);
            let _either_way = front(&bytes);
        }
    }

    #[test]
    fn no_part_of_a_batch_is_a_batch() {
        let observations = (0..100).map(|number| Observation::Event {
            unit: format!("unit-{number}"),
            metric: "bought".parse().unwrap(),
            value: f64::from(number),
            at: Timestamp::UNIX_EPOCH,
            id: number.to_string(),
        });
        for count in [2, 100] {
            let batch = ObservationBatch {
                spool: "a".to_owned(),
                number: 1,
                observations: observations.clone().take(count).collect(),
            };
            let packed = pack(&batch).unwrap();
            assert_eq!(
                packed[0],
                u8::from(count == 100),
                "only what is long is compressed"
            );
            for short in 0..packed.len() {
                assert!(
                    unpack(&packed[..short]).is_err(),
                    "{short} bytes of {count} observations"
                );
            }
        }
    }
}
