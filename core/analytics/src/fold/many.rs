//! The events of a unit that has many: old ones summed up, new ones one by one, and what all of them come to at hand.

use super::event::{Event, Kinship};
use super::lens::{Lens, Moment, Reading};
use super::meter::Meter;
use super::participant::{allocated, has_history, observations};
use hashbrown::HashTable;

/// From so many events on that are kept one by one, old ones are summed up now and then.
const SETTLED_FROM: usize = 32;

/// The events of a unit that has many.
#[derive(Debug)]
pub(super) struct Many {
    /// Those that may still change their meaning, in the order of time.
    events: Vec<Event>,
    /// The ids of those.
    ids: HashTable<u64>,
    /// What the others came to, once there are others.
    settled: Option<Box<Settled>>,
    /// What all come to, for each metric; means something while the unit takes part.
    current: Box<[Meter]>,
    /// Whether the unit has a history; likewise.
    known: bool,
    /// Up to when they are summed up.
    until: Moment,
}

#[derive(Debug)]
struct Settled {
    meters: Box<[Meter]>,
    known: bool,
    /// How many observations they were.
    observations: u64,
    /// How many of them were duplicates.
    duplicates: u64,
}

impl Many {
    pub(super) fn of(events: Vec<Event>, lens: &Lens, exposed: Option<Moment>) -> Self {
        let mut many = Self {
            events,
            ids: HashTable::new(),
            settled: None,
            current: Box::default(),
            known: false,
            until: 0,
        };
        many.index();
        many.reread(lens, exposed);
        many
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    pub(super) fn until(&self) -> Moment {
        self.until
    }

    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    pub(super) fn meter(&self, metric: u16) -> Option<&Meter> {
        self.current.get(usize::from(metric))
    }

    pub(super) fn settled_observations(&self) -> (u64, u64) {
        let settled = self.settled.as_ref();
        settled.map_or((0, 0), |settled| (settled.observations, settled.duplicates))
    }

    pub(super) fn kinship(&self, event: &Event, apart: Moment) -> Kinship {
        match self.ids.find(event.id, |id| *id == event.id) {
            Some(_) => Kinship::of(event, &self.events, apart),
            None => Kinship::NEW,
        }
    }

    pub(super) fn insert(&mut self, event: Event, kinship: Kinship, lens: &Lens, exposed: Option<Moment>) {
        self.ids
            .entry(event.id, |id| *id == event.id, |id| *id)
            .or_insert(event.id);
        let is_latest = kinship.place(event, &mut self.events);
        let Some(exposed) = exposed.filter(|_| kinship.matters()) else {
            return;
        };
        if kinship != Kinship::NEW {
            self.reread(lens, Some(exposed));
            return;
        }
        let Self { current, events, .. } = self;
        for metric in lens.readers(event.number()) {
            let place = usize::from(*metric);
            let (Some(meter), Some(gauge)) = (current.get_mut(place), lens.metrics.get(place)) else {
                continue;
            };
            if is_latest || !matches!(gauge.reading, Reading::Funnel { .. }) {
                meter.take_in(gauge, std::slice::from_ref(&event), exposed, lens.history);
            } else {
                *meter = settled_meter(self.settled.as_deref(), place);
                meter.take_in(gauge, events, exposed, lens.history);
            }
        }
        self.known = self.known || has_history(&[event], exposed, lens.history);
    }

    /// Works out anew what all events come to.
    pub(super) fn reread(&mut self, lens: &Lens, exposed: Option<Moment>) {
        let Some(exposed) = exposed else { return };
        let gauges = (0..).zip(&lens.metrics);
        self.current = gauges
            .map(|(place, gauge)| {
                let mut meter = settled_meter(self.settled.as_deref(), place);
                meter.take_in(gauge, &self.events, exposed, lens.history);
                meter
            })
            .collect();
        self.known = self.settled.as_ref().is_some_and(|settled| settled.known)
            || has_history(&self.events, exposed, lens.history);
    }

    /// Whether it is time to settle: whenever the events have doubled.
    pub(super) fn is_due(&self) -> bool {
        self.events.len() >= SETTLED_FROM && self.events.len().is_power_of_two()
    }

    /// Sums up what happened before `until`, or forgets it if there is no exposure. Says up to when that was.
    pub(super) fn settle(&mut self, lens: &Lens, exposed: Option<Moment>, until: Moment) -> Moment {
        let old = self.events.partition_point(|event| event.at() < until);
        if old == 0 {
            return 0;
        }
        let kept = self.events.split_off(old);
        let old = std::mem::replace(&mut self.events, kept);
        let settled = self.settled.get_or_insert_with(|| {
            Box::new(Settled {
                meters: vec![Meter::default(); lens.metrics.len()].into(),
                known: false,
                observations: 0,
                duplicates: 0,
            })
        });
        let (all, duplicates) = observations(&old);
        settled.observations += all;
        settled.duplicates += duplicates;
        if let Some(exposed) = exposed {
            for (meter, gauge) in settled.meters.iter_mut().zip(&lens.metrics) {
                meter.take_in(gauge, &old, exposed, lens.history);
            }
            settled.known = settled.known || has_history(&old, exposed, lens.history);
        }
        self.until = self.until.max(until);
        self.index();
        until
    }

    /// Forgets the events from `stop` on. Says how many observations those were, and how many of them duplicates.
    pub(super) fn cut(&mut self, stop: Moment) -> (u64, u64) {
        let kept = self.events.partition_point(|event| event.at() < stop);
        let cut = observations(self.events.get(kept..).unwrap_or_default());
        self.events.truncate(kept);
        self.index();
        cut
    }

    fn index(&mut self) {
        self.ids.clear();
        for event in &self.events {
            self.ids
                .entry(event.id, |id| *id == event.id, |id| *id)
                .or_insert(event.id);
        }
        self.ids.shrink_to(self.events.len(), |id| *id);
    }

    pub(super) fn heap(&self) -> usize {
        let meters = |meters: &[Meter]| {
            allocated(size_of_val(meters)) + meters.iter().map(|meter| allocated(meter.heap())).sum::<usize>()
        };
        allocated(self.events.capacity() * size_of::<Event>())
            + allocated(self.ids.allocation_size())
            + meters(&self.current)
            + self.settled.as_ref().map_or(0, |settled| {
                allocated(size_of::<Settled>()) + meters(&settled.meters)
            })
    }
}

fn settled_meter(settled: Option<&Settled>, place: usize) -> Meter {
    let meter = settled.and_then(|settled| settled.meters.get(place));
    meter.cloned().unwrap_or_default()
}
