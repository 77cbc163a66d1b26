//! One unit of an experiment: where it was seen, and what it did.

use super::event::{Event, Kinship};
use super::lens::{Lens, Moment};
use super::many::Many;
use super::meter::{Meter, Numbers};
use std::borrow::Cow;
use tidegate_model::experiment::tally::Fixed;

/// Up to so many events are kept as they are, however old; of more, those are summed up that nothing can change any more.
const FEW_MAX: usize = 16;

/// One unit, in 48 bytes and what its events take.
#[derive(Debug)]
pub(super) struct Participant {
    /// Its hash: [`tidegate_model::units::UnitSet::hash`].
    pub(super) unit: u64,
    /// Where it was seen; all ones for nowhere.
    met: u64,
    /// Its events in the order of time, while they are few.
    few: Box<[Event]>,
    /// What most units have not.
    rare: Option<Box<Rare>>,
    /// What goes with `met`.
    words: u32,
    /// Whether it is excluded by name.
    pub(super) excluded: bool,
}

/// What most units have not.
#[derive(Debug, Default)]
struct Rare {
    /// Other arms in which it was seen.
    others: Vec<Seen>,
    /// Its events, when they are not few.
    many: Option<Many>,
}

/// The first time that a unit was seen in an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// When.
    pub(super) at: Moment,
    /// In which arm.
    pub(super) arm: u8,
    /// What its context said then: [`super::words::Vocabulary`].
    pub(super) words: u32,
}

/// What a unit is to the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was not exposed.
    Nobody,
    /// It takes part.
    In(Seen),
    /// It was seen in two arms; the later one of the first two times.
    Twice(Moment),
    /// It is excluded, and was seen in so many arms.
    Excluded(u64),
}

impl Standing {
    /// Since when it takes part.
    pub(super) fn exposed(self) -> Option<Moment> {
        match self {
            Self::In(seen) => Some(seen.at),
            _ => None,
        }
    }
}

const NOWHERE: u64 = u64::MAX;
const ARM_BITS: u32 = 8;

impl Participant {
    pub(super) fn new(unit: u64, excluded: bool) -> Self {
        Self {
            unit,
            met: NOWHERE,
            few: Box::default(),
            rare: None,
            words: 0,
            excluded,
        }
    }

    fn first(&self) -> Option<Seen> {
        (self.met != NOWHERE).then(|| Seen {
            at: self.met >> ARM_BITS,
            arm: self.met.to_le_bytes()[0],
            words: self.words,
        })
    }

    fn others(&self) -> &[Seen] {
        self.rare.as_ref().map_or(&[], |rare| rare.others.as_slice())
    }

    fn many(&self) -> Option<&Many> {
        self.rare.as_ref()?.many.as_ref()
    }

    fn many_mut(&mut self) -> Option<&mut Many> {
        self.rare.as_mut()?.many.as_mut()
    }

    fn events(&self) -> &[Event] {
        self.many().map_or(&self.few, Many::events)
    }

    /// Whether nothing is left of it.
    pub(super) fn is_empty(&self) -> bool {
        self.met == NOWHERE && self.few.is_empty() && self.rare.is_none()
    }

    /// What it is when nothing counts from `stop` on.
    pub(super) fn standing(&self, stop: Moment) -> Standing {
        let all = self.first().into_iter().chain(self.others().iter().copied());
        let mut counting = all.filter(|seen| seen.at < stop);
        let Some(seen) = counting.next() else {
            return Standing::Nobody;
        };
        match (self.excluded, counting.next()) {
            (true, None) => Standing::Excluded(1),
            (true, Some(_)) => Standing::Excluded(2 + wide(counting.count())),
            (false, None) => Standing::In(seen),
            (false, Some(second)) => {
                let first_two =
                    counting.fold([seen.at.min(second.at), seen.at.max(second.at)], |two, next| {
                        let [first, second] = two;
                        [first.min(next.at), second.min(next.at.max(first))]
                    });
                Standing::Twice(first_two[1])
            }
        }
    }

    /// In how many arms it was seen for the first time from `stop` on.
    pub(super) fn after(&self, stop: Moment) -> u64 {
        let first = self.first().is_some_and(|seen| seen.at >= stop);
        let others = self.others().iter().filter(|seen| seen.at >= stop);
        u64::from(first) + wide(others.count())
    }

    /// When it was first seen in this arm.
    pub(super) fn seen(&self, arm: u8) -> Option<Seen> {
        let all = self.first().into_iter().chain(self.others().iter().copied());
        all.into_iter().find(|seen| seen.arm == arm)
    }

    /// It was seen in this arm for the first time then.
    pub(super) fn expose(&mut self, seen: Seen) {
        if self.first().is_none_or(|first| first.arm == seen.arm) {
            self.met = seen.at << ARM_BITS | u64::from(seen.arm);
            self.words = seen.words;
            return;
        }
        let others = &mut self.rare.get_or_insert_default().others;
        match others.iter_mut().find(|other| other.arm == seen.arm) {
            Some(other) => *other = seen,
            None => others.push(seen),
        }
    }

    /// Up to when its events are summed up: what comes now from before that comes too late.
    pub(super) fn until(&self) -> Moment {
        self.many().map_or(0, Many::until)
    }

    /// What an event is to those that it has.
    pub(super) fn kinship(&self, event: &Event, lens: &Lens) -> Kinship {
        match self.many() {
            Some(many) => many.kinship(event, lens.apart),
            None => Kinship::of(event, &self.few, lens.apart),
        }
    }

    /// Takes an event in; `exposed` as [`Standing::exposed`].
    pub(super) fn insert(&mut self, event: Event, kinship: Kinship, lens: &Lens, exposed: Option<Moment>) {
        if let Some(many) = self.many_mut() {
            many.insert(event, kinship, lens, exposed);
            return;
        }
        let mut events = std::mem::take(&mut self.few).into_vec();
        if events.len() < FEW_MAX || matches!(kinship, Kinship::Copy(_)) {
            if !matches!(kinship, Kinship::Copy(_)) {
                events.reserve_exact(1);
            }
            kinship.place(event, &mut events);
            self.few = events.into_boxed_slice();
        } else {
            let mut many = Many::of(events, lens, exposed);
            many.insert(event, kinship, lens, exposed);
            self.rare.get_or_insert_default().many = Some(many);
        }
    }

    /// What its events mean has changed, because the exposure has.
    pub(super) fn reread(&mut self, lens: &Lens, stop: Moment) {
        let exposed = self.standing(stop).exposed();
        if let Some(many) = self.many_mut() {
            many.reread(lens, exposed);
        }
    }

    /// Sums up or forgets what nothing can change any more, when nothing older than `horizon` can come. Says up to when
    /// that was.
    pub(super) fn settle(&mut self, lens: &Lens, horizon: Moment) -> Moment {
        let standing = self.standing(lens.stop);
        // Something may come that repeats the id of an event from so long before the horizon.
        let remembered = horizon.saturating_sub(lens.apart);
        let until = match standing {
            Standing::In(Seen { at, .. }) if at < horizon => remembered,
            // A stop may not lie so far back that it would be in one arm again.
            Standing::Twice(at) if at < remembered => remembered,
            Standing::Twice(_) => 0,
            Standing::Excluded(_) => remembered,
            // It may yet turn out to be exposed at the horizon.
            Standing::In(_) | Standing::Nobody => remembered.min(horizon.saturating_sub(lens.history)),
        };
        if let Some(many) = self.many_mut() {
            return many.settle(lens, standing.exposed().filter(|at| *at < horizon), until);
        }
        if standing == Standing::Nobody && self.few.first().is_some_and(|event| event.at() < until) {
            let mut events = std::mem::take(&mut self.few).into_vec();
            events.retain(|event| event.at() >= until);
            self.few = events.into_boxed_slice();
            return until;
        }
        0
    }

    /// Whether it is time to settle: now and then while there are many events.
    pub(super) fn is_due(&self) -> bool {
        self.many().is_some_and(Many::is_due)
    }

    /// Forgets its events from `stop` on. Says how many observations those were, and how many of them duplicates.
    pub(super) fn cut(&mut self, stop: Moment) -> (u64, u64) {
        if let Some(many) = self.many_mut() {
            return many.cut(stop);
        }
        let kept = self.few.partition_point(|event| event.at() < stop);
        if kept == self.few.len() {
            return (0, 0);
        }
        let mut events = std::mem::take(&mut self.few).into_vec();
        let cut = observations(events.get(kept..).unwrap_or_default());
        events.truncate(kept);
        self.few = events.into_boxed_slice();
        cut
    }

    /// How many observations its events were, and how many of them duplicates.
    pub(super) fn observations(&self) -> (u64, u64) {
        let (all, duplicates) = observations(self.events());
        let settled = self.many().map_or((0, 0), Many::settled_observations);
        (all + settled.0, duplicates + settled.1)
    }

    /// Whether it has a history: an event that some metric looks at, in the time before its exposure. That is decided by
    /// nothing that happened afterwards, so that no arm can have more of it than another but by chance.
    pub(super) fn is_known(&self, exposed: Moment, history: u64) -> bool {
        match self.many() {
            Some(many) => many.is_known(),
            None => has_history(&self.few, exposed, history),
        }
    }

    /// What its events come to for one metric, when it takes part since `exposed`.
    fn meter(&self, lens: &Lens, metric: u16, exposed: Moment) -> Option<Cow<'_, Meter>> {
        let gauge = lens.metrics.get(usize::from(metric))?;
        match self.many() {
            Some(many) => many.meter(metric).map(Cow::Borrowed),
            None => Some(Cow::Owned(Meter::of(gauge, &self.few, exposed, lens.history))),
        }
    }

    /// Its numbers for one metric, when it takes part since `exposed`; `known` as [`Self::is_known`].
    pub(super) fn numbers(&self, lens: &Lens, metric: u16, exposed: Moment, known: bool) -> Option<Numbers> {
        let gauge = lens.metrics.get(usize::from(metric))?;
        if gauge.percentile().is_some() {
            return None;
        }
        self.meter(lens, metric, exposed)?.numbers(gauge, known)
    }

    /// Its values for a percentile.
    pub(super) fn values(&self, lens: &Lens, metric: u16, exposed: Moment) -> Vec<Fixed> {
        match self.meter(lens, metric, exposed) {
            Some(meter) => meter.values().to_vec(),
            None => Vec::new(),
        }
    }

    /// How many bytes its parts take on the heap, with what an allocator needs to know of each.
    pub(super) fn heap(&self) -> usize {
        let rare = self.rare.as_ref().map_or(0, |rare| {
            allocated(size_of::<Rare>())
                + allocated(rare.others.capacity() * size_of::<Seen>())
                + rare.many.as_ref().map_or(0, Many::heap)
        });
        allocated(size_of_val(&*self.few)) + rare
    }
}

/// What allocators take for so many bytes: multiples of 16, and a word beside them.
pub(super) fn allocated(bytes: usize) -> usize {
    if bytes == 0 {
        0
    } else {
        (bytes + size_of::<usize>()).next_multiple_of(16).max(32)
    }
}

/// Whether something of the time before the exposure is among the events.
pub(super) fn has_history(events: &[Event], exposed: Moment, history: u64) -> bool {
    let before = events.iter().take_while(|event| event.at() < exposed);
    before
        .filter(|event| !event.is_again())
        .any(|event| exposed - event.at() <= history)
}

/// How many observations the events were, and how many of them duplicates.
pub(super) fn observations(events: &[Event]) -> (u64, u64) {
    events.iter().fold((0, 0), |(all, duplicates), event| {
        (all + event.copies(), duplicates + event.duplicates())
    })
}

pub(super) fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
