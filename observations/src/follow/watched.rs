//! The experiments that are followed, and how they change.

use super::Follower;
use crate::millis;
use crate::series::most;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidegate_analytics::fold::Period;
use tidegate_model::Timestamp;
use tidegate_model::experiment::{Design, Discipline};
use tidegate_model::key::ExperimentKey;

/// One experiment.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) design: Arc<Design>,
    pub(super) slots: Vec<Slot>,
}

/// One period of it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) period: Period,
    /// The lane that answers.
    pub(super) now: u64,
    /// The lane that will, once it has caught up.
    pub(super) coming: Option<u64>,
    /// Whether what answers now is right but for its samples.
    pub(super) holds: bool,
}

impl Follower {
    /// Follows an experiment as it is to be now.
    pub(super) fn watch(&mut self, design: Arc<Design>, periods: &[Period]) {
        let before = self.watched.remove(&design.key);
        let mut slots = Vec::with_capacity(periods.len());
        let same = before
            .as_ref()
            .is_some_and(|before| folds_alike(&before.design, &design));
        let mut known = before.map_or_else(Vec::new, |before| before.slots);
        let most = most(periods.len());
        for period in periods {
            let is_it = |slot: &Slot| slot.period.from == period.from && slot.period.batch == period.batch;
            let slot = match known.iter().position(is_it) {
                Some(place) => {
                    let slot = known.swap_remove(place);
                    self.adapt(slot, &design, *period, same, most)
                }
                None => Slot {
                    period: *period,
                    now: self.new_lane(&design, *period, most),
                    coming: None,
                    holds: true,
                },
            };
            slots.push(slot);
        }
        for slot in &known {
            self.drop_slot(slot);
        }
        self.watched.insert(design.key.clone(), Watched { design, slots });
    }

    /// A period that is known already, as it is to be now.
    fn adapt(&mut self, mut slot: Slot, design: &Design, period: Period, same: bool, most: i64) -> Slot {
        let fewer = self.lanes.get(&slot.now).is_none_or(|lane| lane.most() >= most);
        if same && fewer {
            for lane in [Some(slot.now), slot.coming].into_iter().flatten() {
                if let Some(lane) = self.lanes.get_mut(&lane) {
                    lane.thin(most);
                }
            }
        }
        let until = |period: &Period| period.until.map_or(i64::MAX, millis);
        if !same || !fewer || until(&period) > until(&slot.period) {
            slot.holds &= until(&period) == until(&slot.period);
            slot.period = period;
            self.anew(&mut slot, design, most);
        } else if let Some(at) = period.until {
            self.stop_slot(&mut slot, design, at, most);
        }
        slot
    }

    /// Folds a period anew.
    fn anew(&mut self, slot: &mut Slot, design: &Design, most: i64) {
        if let Some(coming) = slot.coming.take() {
            self.drop_lane(coming);
        }
        slot.coming = Some(self.new_lane(design, slot.period, most));
    }

    fn stop_slot(&mut self, slot: &mut Slot, design: &Design, at: Timestamp, most: i64) {
        if slot.period.until.is_some_and(|until| until <= at) {
            return;
        }
        slot.period.until = Some(at);
        let stopped = self.lanes.get_mut(&slot.now).map(|lane| lane.stop(at));
        let exact = matches!(stopped, Some(Ok(true)));
        if !exact || slot.coming.is_some() {
            slot.holds &= matches!(stopped, Some(Ok(_)));
            self.anew(slot, design, most);
        }
    }

    /// Ends all periods of an experiment.
    pub(super) fn stop(&mut self, experiment: &ExperimentKey, at: Timestamp) {
        if let Some(mut watched) = self.watched.remove(experiment) {
            let most = most(watched.slots.len());
            for slot in &mut watched.slots {
                self.stop_slot(slot, &watched.design, at, most);
            }
            self.watched.insert(experiment.clone(), watched);
        }
    }

    /// Leaves units out of an experiment.
    pub(super) fn exclude(&mut self, experiment: &ExperimentKey, units: &BTreeSet<String>) {
        if let Some(mut watched) = self.watched.remove(experiment) {
            if !units.is_subset(&watched.design.excluded) {
                let design = Arc::make_mut(&mut watched.design);
                design.excluded.extend(units.iter().cloned());
                let most = most(watched.slots.len());
                for slot in &mut watched.slots {
                    if let Some(lane) = self.lanes.get_mut(&slot.now) {
                        slot.holds &= lane.exclude(units.iter().map(String::as_str));
                    }
                    self.anew(slot, &watched.design, most);
                }
            }
            self.watched.insert(experiment.clone(), watched);
        }
    }

    /// Follows a period no longer.
    pub(super) fn drop_slot(&mut self, slot: &Slot) {
        self.drop_lane(slot.now);
        if let Some(coming) = slot.coming {
            self.drop_lane(coming);
        }
    }
}

/// Whether both give the same tallies. Texts for people, and how the result is judged, do not matter to them.
fn folds_alike(one: &Design, other: &Design) -> bool {
    let bare = |design: &Design| Design {
        hypothesis: String::new(),
        description: String::new(),
        owner: String::new(),
        metadata: BTreeMap::new(),
        discipline: Discipline::default(),
        alpha: 0.0,
        power: 0.0,
        duration: None,
        start_at: None,
        ..design.clone()
    };
    bare(one) == bare(other)
}
