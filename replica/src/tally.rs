//! Counts what happened to each variation. Never per user.

use crate::metrics::Counters;
use prometheus::{Gauge, IntCounter};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_model::flag::Flag;
use tidegate_model::fleet::Tally;
use tidegate_model::key::{FlagKey, MetricName, VariationKey};

/// Most metric names that are counted for one flag. Names come from clients; without a bound a
/// client that puts an id into one would fill the memory.
pub const METRICS_PER_FLAG_MAX: usize = 200;

/// What happened since the tallies were last taken, and since the start.
#[derive(Debug)]
pub(crate) struct Tallies {
    counters: Arc<Counters>,
    flags: Mutex<BTreeMap<FlagKey, Arc<FlagTally>>>,
}

/// The counts of one flag; they outlive the snapshot in which the flag was seen.
#[derive(Debug)]
struct FlagTally {
    flag: FlagKey,
    exposures: Mutex<BTreeMap<VariationKey, Arc<ExposureTally>>>,
    events: Mutex<BTreeMap<MetricName, BTreeMap<VariationKey, EventTally>>>,
}

/// How often a variation was served. Counting is two atomic additions.
#[derive(Debug)]
struct ExposureTally {
    pending: AtomicU64,
    total: IntCounter,
}

/// The events of one metric on one variation.
#[derive(Debug)]
struct EventTally {
    pending_count: u64,
    pending_sum: f64,
    total_count: IntCounter,
    total_sum: Gauge,
}

/// One flag's counts with the variations of one snapshot: what evaluation counts on, without a lock.
#[derive(Debug)]
pub struct FlagCounts {
    counters: Arc<Counters>,
    tally: Arc<FlagTally>,
    variations: Vec<(VariationKey, Arc<ExposureTally>)>,
}

/// The flag has as many metrics as are counted for one flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyMetrics;

impl Tallies {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self {
            counters,
            flags: Mutex::default(),
        }
    }

    /// What this flag's evaluations and events are counted on.
    pub(crate) fn of_flag(&self, flag: &Flag) -> FlagCounts {
        let tally = Arc::clone(lock(&self.flags).entry(flag.key().clone()).or_insert_with(|| {
            Arc::new(FlagTally {
                flag: flag.key().clone(),
                exposures: Mutex::default(),
                events: Mutex::default(),
            })
        }));
        let mut exposures = lock(&tally.exposures);
        let variations = flag.definition().variations.iter().map(|variation| {
            let exposure = exposures.entry(variation.key.clone()).or_insert_with(|| {
                Arc::new(ExposureTally {
                    pending: AtomicU64::new(0),
                    total: self.counters.evaluations(flag.key(), &variation.key),
                })
            });
            (variation.key.clone(), Arc::clone(exposure))
        });
        let variations = variations.collect();
        drop(exposures);
        FlagCounts {
            counters: Arc::clone(&self.counters),
            tally,
            variations,
        }
    }

    /// What happened since the last call, sorted by flag. The caller owns it now: what it loses is lost.
    pub(crate) fn take(&self) -> Vec<Tally> {
        let flags: Vec<_> = lock(&self.flags).values().cloned().collect();
        let mut taken = Vec::new();
        for flag in flags {
            flag.take_exposures(&mut taken);
            flag.take_events(&mut taken);
        }
        taken
    }
}

impl FlagTally {
    fn take_exposures(&self, taken: &mut Vec<Tally>) {
        for (variation, exposure) in &*lock(&self.exposures) {
            let count = exposure.pending.swap(0, Ordering::Relaxed);
            if count > 0 {
                taken.push(Tally {
                    flag: self.flag.clone(),
                    variation: variation.clone(),
                    metric: None,
                    count,
                    sum: 0.0,
                });
            }
        }
    }

    fn take_events(&self, taken: &mut Vec<Tally>) {
        for (metric, variations) in &mut *lock(&self.events) {
            for (variation, event) in variations {
                let count = std::mem::take(&mut event.pending_count);
                let sum = std::mem::take(&mut event.pending_sum);
                if count > 0 {
                    taken.push(Tally {
                        flag: self.flag.clone(),
                        variation: variation.clone(),
                        metric: Some(metric.clone()),
                        count,
                        sum,
                    });
                }
            }
        }
    }
}

impl FlagCounts {
    /// The variation's key, if the flag has it.
    pub fn variation(&self, key: &str) -> Option<&VariationKey> {
        self.variations
            .iter()
            .map(|(known, _)| known)
            .find(|known| known.as_str() == key)
    }

    /// All variations' keys.
    pub fn variations(&self) -> impl Iterator<Item = &VariationKey> {
        self.variations.iter().map(|(key, _)| key)
    }

    /// Counts that the variation at this place of the flag was served. No place is no variation.
    pub fn exposed_at(&self, place: Option<usize>) {
        if let Some((_, exposure)) = place.and_then(|place| self.variations.get(place)) {
            exposure.pending.fetch_add(1, Ordering::Relaxed);
            exposure.total.inc();
        }
    }

    /// Counts an event of `metric` on a variation of this flag. `value` is finite.
    ///
    /// # Errors
    /// When the metric is new and the flag has [`METRICS_PER_FLAG_MAX`] already. The bound is the
    /// flag's, not the variation's: a metric is counted on all of them or on none, so that a bound
    /// reached cannot make one look better than another.
    pub fn event(
        &self,
        metric: &MetricName,
        variation: &VariationKey,
        value: f64,
    ) -> Result<(), TooManyMetrics> {
        let mut events = lock(&self.tally.events);
        if events.len() >= METRICS_PER_FLAG_MAX && !events.contains_key(metric) {
            return Err(TooManyMetrics);
        }
        let event = events
            .entry(metric.clone())
            .or_default()
            .entry(variation.clone())
            .or_insert_with(|| {
                let (total_count, total_sum) = self.counters.events(&self.tally.flag, variation, metric);
                EventTally {
                    pending_count: 0,
                    pending_sum: 0.0,
                    total_count,
                    total_sum,
                }
            });
        event.pending_count += 1;
        event.pending_sum += value;
        event.total_count.inc();
        event.total_sum.add(value);
        Ok(())
    }
}

/// A panic while counting leaves the counts as they were: each is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::thread;
    use tidegate_model::key::EnvironmentKey;

    fn tallies() -> Tallies {
        let environment = EnvironmentKey::new("production").unwrap();
        Tallies::new(Arc::new(Counters::new(&environment).unwrap()))
    }

    fn flag(key: &str) -> Flag {
        serde_json::from_value(json!({"key": key, "type": "boolean"})).unwrap()
    }

    fn metric(name: &str) -> MetricName {
        MetricName::new(name).unwrap()
    }

    #[test]
    fn taking_while_counting_loses_and_doubles_nothing() {
        const THREADS: u64 = 4;
        const EACH: u64 = 20_000;
        let tallies = tallies();
        let counts = tallies.of_flag(&flag("checkout"));
        let on = counts.variation("on").cloned().unwrap();
        let mut taken = Vec::new();
        thread::scope(|scope| {
            let counting: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..EACH {
                            counts.exposed_at(Some(0));
                            counts.event(&metric("revenue"), &on, 2.0).unwrap();
                        }
                    })
                })
                .collect();
            while !counting.iter().all(thread::ScopedJoinHandle::is_finished) {
                taken.extend(tallies.take());
            }
        });
        taken.extend(tallies.take());
        let (exposures, events): (Vec<_>, Vec<_>) =
            taken.into_iter().partition(|tally| tally.metric.is_none());
        assert_eq!(
            exposures.iter().map(|tally| tally.count).sum::<u64>(),
            THREADS * EACH
        );
        assert_eq!(
            events.iter().map(|tally| tally.count).sum::<u64>(),
            THREADS * EACH
        );
        assert!(events.iter().all(|tally| tally.sum == 2.0 * tally.count as f64));
        assert!(tallies.take().is_empty());
    }

    #[test]
    fn counts_outlive_the_snapshot() {
        let tallies = tallies();
        tallies.of_flag(&flag("checkout")).exposed_at(Some(0));
        tallies.of_flag(&flag("checkout")).exposed_at(Some(0));
        let taken = tallies.take();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].count, 2);
    }

    #[test]
    fn a_variation_that_the_flag_has_not_is_not_counted() {
        let tallies = tallies();
        let counts = tallies.of_flag(&flag("checkout"));
        counts.exposed_at(None);
        counts.exposed_at(Some(2));
        assert!(tallies.take().is_empty());
    }

    #[test]
    fn metric_names_are_bounded_for_all_variations_alike() {
        let tallies = tallies();
        let counts = tallies.of_flag(&flag("checkout"));
        let (on, off) = (
            VariationKey::new("on").unwrap(),
            VariationKey::new("off").unwrap(),
        );
        for i in 0..METRICS_PER_FLAG_MAX {
            counts.event(&metric(&format!("m{i}")), &on, 1.0).unwrap();
        }
        assert_eq!(counts.event(&metric("one-more"), &on, 1.0), Err(TooManyMetrics));
        assert_eq!(counts.event(&metric("m0"), &off, 1.0), Ok(()));
        assert_eq!(tallies.take().len(), METRICS_PER_FLAG_MAX + 1);
    }
}
