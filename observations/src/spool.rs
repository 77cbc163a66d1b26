//! Which batches of which line were taken in already.

use crate::varint::{Bytes, Unreadable, put, put_signed, put_text};
use std::collections::BTreeMap;

/// Gaps of one line that are remembered: a batch that comes late, out of order, still finds its place.
const GAPS_MAX: usize = 16;

/// A line that was not heard of for so long is forgotten, in milliseconds: 60 days. A node keeps what it could not hand in
/// for much less.
const KEPT: i64 = 60 * 24 * 3600 * 1000;

/// One line of batches: a spool of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Spool {
    /// The highest number that was taken in.
    pub(crate) through: u64,
    /// When, in milliseconds since 1970.
    heard: i64,
    /// Numbers below it that were not, first and last of each gap; the latest ones.
    gaps: Vec<(u64, u64)>,
}

/// What a number is to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It was taken in before.
    Repeat,
    /// It is new, and so many numbers before it are missing now that were not known to be.
    New {
        /// How many.
        skipped: u64,
    },
    /// It is one of the missing ones.
    Missing,
}

impl Spool {
    /// Takes a number in.
    pub(crate) fn take(&mut self, number: u64, received: i64) -> Place {
        self.heard = self.heard.max(received);
        if number > self.through {
            let skipped = number - self.through - 1;
            if skipped > 0 {
                self.gaps.push((self.through + 1, number - 1));
                self.forget_gaps();
            }
            self.through = number;
            return Place::New { skipped };
        }
        let holds = |(first, last): &(u64, u64)| (*first..=*last).contains(&number);
        let Some(place) = self.gaps.iter().position(holds) else {
            return Place::Repeat;
        };
        let (first, last) = self.gaps.remove(place);
        // What is left of the gap on either side stays in its order.
        if number < last {
            self.gaps.insert(place, (number + 1, last));
        }
        if first < number {
            self.gaps.insert(place, (first, number - 1));
        }
        self.forget_gaps();
        Place::Missing
    }

    fn forget_gaps(&mut self) {
        let many = self.gaps.len().saturating_sub(GAPS_MAX);
        self.gaps.drain(..many);
    }
}

/// All lines, and what was taken in of them. It is rebuilt from the log: each segment begins with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ledger {
    /// Each line.
    pub(crate) spools: BTreeMap<String, Spool>,
    /// Batches since the log began.
    pub(crate) batches: u64,
    /// Observations since the log began.
    pub(crate) observations: u64,
    /// Batches that never came, of all lines.
    pub(crate) missing: u64,
}

impl Ledger {
    /// Takes a batch over that stands in the log.
    pub(crate) fn adopt(&mut self, spool: &str, number: u64, received: i64, observations: u64) {
        let mut line = self.spools.get(spool).cloned().unwrap_or_default();
        let place = line.take(number, received);
        self.count(place, observations);
        self.spools.insert(spool.to_owned(), line);
    }

    /// Counts a batch.
    pub(crate) fn count(&mut self, place: Place, observations: u64) {
        match place {
            Place::Repeat => return,
            Place::New { skipped } => self.missing = self.missing.saturating_add(skipped),
            Place::Missing => self.missing = self.missing.saturating_sub(1),
        }
        self.batches += 1;
        self.observations += observations;
    }

    /// Forgets lines that are silent for long.
    pub(crate) fn forget_silent(&mut self, now: i64) {
        self.spools
            .retain(|_, spool| spool.heard >= now.saturating_sub(KEPT));
    }

    /// Writes it behind what is in `bytes`.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        put(bytes, self.batches);
        put(bytes, self.observations);
        put(bytes, self.missing);
        put(bytes, self.spools.len() as u64);
        for (name, spool) in &self.spools {
            put_text(bytes, name);
            put(bytes, spool.through);
            put_signed(bytes, spool.heard);
            put(bytes, spool.gaps.len() as u64);
            for (first, last) in &spool.gaps {
                put(bytes, *first);
                put(bytes, last - first);
            }
        }
    }

    /// What [`Self::encode`] wrote.
    pub(crate) fn decode(bytes: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        let mut ledger = Self {
            batches: bytes.number()?,
            observations: bytes.number()?,
            missing: bytes.number()?,
            spools: BTreeMap::new(),
        };
        for _ in 0..bytes.count()? {
            let name = bytes.text()?.to_owned();
            let mut spool = Spool {
                through: bytes.number()?,
                heard: bytes.signed()?,
                gaps: Vec::new(),
            };
            for _ in 0..bytes.count()? {
                let first = bytes.number()?;
                let last = first.saturating_add(bytes.number()?);
                spool.gaps.push((first, last));
            }
            ledger.spools.insert(name, spool);
        }
        Ok(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_number_is_taken_in_once_in_any_order() {
        let orders: [&[u64]; 5] = [
            &[1, 2, 3, 4, 5],
            &[1, 1, 2, 2, 1, 3],
            &[5, 4, 3, 2, 1, 1, 2, 3, 4, 5],
            &[3, 9, 1, 6, 3, 2, 8, 7, 4, 5, 9],
            &[7, 7, 7, 2, 2],
        ];
        for order in orders {
            let mut ledger = Ledger::default();
            let mut seen = BTreeSet::new();
            for number in order {
                let before = ledger.batches;
                ledger.adopt("a", *number, 0, 1);
                let new = seen.insert(*number);
                assert_eq!(ledger.batches > before, new, "{number} of {order:?}");
            }
            let most = *seen.last().unwrap();
            assert_eq!(ledger.missing, most - seen.len() as u64, "{order:?}");
            assert_eq!(ledger.spools["a"].through, most);
        }
    }

    #[test]
    fn more_gaps_than_are_remembered_stay_counted_and_their_batches_are_refused_as_repeats() {
        let mut ledger = Ledger::default();
        for number in 1..=20 {
            ledger.adopt("a", number * 2, 0, 1);
        }
        assert_eq!(ledger.missing, 20);
        let mut spool = ledger.spools["a"].clone();
        assert_eq!(spool.take(1, 0), Place::Repeat, "forgotten");
        assert_eq!(spool.take(39, 0), Place::Missing);
        assert_eq!(spool.take(39, 0), Place::Repeat);
    }

    #[test]
    fn a_ledger_comes_back_and_silent_lines_go() {
        let mut ledger = Ledger::default();
        ledger.adopt("old", 3, 5, 7);
        ledger.adopt("young", 1, KEPT + 6, 7);
        let mut bytes = Vec::new();
        ledger.encode(&mut bytes);
        assert_eq!(Ledger::decode(&mut Bytes(&bytes)), Ok(ledger.clone()));
        for short in 0..bytes.len() {
            assert!(
                Ledger::decode(&mut Bytes(&bytes[..short])).is_err(),
                "{short} bytes"
            );
        }
        ledger.forget_silent(KEPT + 6);
        assert!(ledger.spools.keys().eq(["young"]));
    }
}
