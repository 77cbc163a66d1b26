//! An event of a unit in 24 bytes, and how it gets its place among the others.

use super::lens::Moment;
use std::cmp::Ordering;
use tidegate_model::experiment::tally::Fixed;
use tidegate_model::experiment::{FUNNEL_STEPS_MAX, METRICS_MAX};

/// An event of a unit. The same content is kept once, with how often it came. The same id with another content is kept
/// beside it and means nothing: of several the first one by time, and then by content, is what counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    /// When: 40 bits, which are 34 years; which event: 9 bits; whether it repeats the id of an earlier one: 1 bit; how
    /// often it came: 14 bits.
    place: u64,
    /// Its value.
    pub(super) value: Fixed,
    /// Tells it from others of the unit.
    pub(super) id: u64,
}

const COPIES: u64 = 0x3fff;
const AGAIN: u64 = 1 << 14;
const NUMBER_SHIFT: u32 = 15;
const NUMBER: u64 = 0x1ff;
const AT_SHIFT: u32 = 24;

/// The first moment that has no place in an event.
pub(super) const MOMENT_END: Moment = 1 << 40;

// Each metric looks at one event, or at the steps of its funnel.
const _: () = assert!(METRICS_MAX * FUNNEL_STEPS_MAX <= 0x200);

impl Event {
    /// `at` lies before [`MOMENT_END`].
    pub(super) fn new(at: Moment, number: u16, value: Fixed, id: u64) -> Self {
        let place = at << AT_SHIFT | (u64::from(number) & NUMBER) << NUMBER_SHIFT | 1;
        Self { place, value, id }
    }

    pub(super) fn at(&self) -> Moment {
        self.place >> AT_SHIFT
    }

    pub(super) fn number(&self) -> u16 {
        (self.place >> NUMBER_SHIFT & NUMBER) as u16
    }

    /// Whether it says what an earlier one of the same id said before.
    pub(super) fn is_again(&self) -> bool {
        self.place & AGAIN != 0
    }

    /// How often it came, up to 16,383.
    pub(super) fn copies(&self) -> u64 {
        self.place & COPIES
    }

    /// How many of its copies are duplicates of something.
    pub(super) fn duplicates(&self) -> u64 {
        self.copies().saturating_sub(u64::from(!self.is_again()))
    }

    /// By time, and then by content.
    fn order(&self) -> (u64, Fixed, u64) {
        (self.place >> NUMBER_SHIFT, self.value, self.id)
    }
}

/// What an event is to those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinship {
    /// It is there, at this index.
    Copy(usize),
    /// It is not.
    Another {
        /// Whether an earlier one has its id.
        again: bool,
        /// The index of a later one that has its id, and has been the first of it so far.
        deposes: Option<usize>,
    },
}

impl Kinship {
    /// Of an id that is not there.
    pub(super) const NEW: Self = Self::Another {
        again: false,
        deposes: None,
    };

    /// Events that are farther apart than `apart` are no repeats of each other, whatever their ids.
    pub(super) fn of(event: &Event, events: &[Event], apart: Moment) -> Self {
        let (mut again, mut deposes) = (false, None);
        for (index, other) in events.iter().enumerate() {
            if other.id != event.id || other.at().abs_diff(event.at()) > apart {
                continue;
            }
            match other.order().cmp(&event.order()) {
                Ordering::Equal => return Self::Copy(index),
                Ordering::Less => again = true,
                // Of several that follow within that time, all but the first are repeats already.
                Ordering::Greater if !other.is_again() => deposes = Some(index),
                Ordering::Greater => {}
            }
        }
        Self::Another { again, deposes }
    }

    /// How many observations become duplicates by it.
    pub(super) fn duplicates(self) -> u64 {
        match self {
            Self::Copy(_) => 1,
            Self::Another { again, deposes } => u64::from(again) + u64::from(deposes.is_some()),
        }
    }

    /// Whether it changes what counts.
    pub(super) fn matters(self) -> bool {
        match self {
            Self::Copy(_) => false,
            Self::Another { again, deposes } => !again || deposes.is_some(),
        }
    }

    /// Puts the event in its place, by time. Says whether nothing there was as late.
    pub(super) fn place(self, mut event: Event, events: &mut Vec<Event>) -> bool {
        match self {
            Self::Copy(index) => {
                if let Some(other) = events.get_mut(index)
                    && other.copies() < COPIES
                {
                    other.place += 1;
                }
                return false;
            }
            Self::Another { again, deposes } => {
                if let Some(other) = deposes.and_then(|index| events.get_mut(index)) {
                    other.place |= AGAIN;
                }
                if again {
                    event.place |= AGAIN;
                }
            }
        }
        let is_latest = events.last().is_none_or(|last| last.at() < event.at());
        let index = events.partition_point(|other| other.order() < event.order());
        if events.len() == events.capacity() {
            // A doubling would leave most units with room for events that never come.
            events.reserve_exact((events.len() / 4).max(1));
        }
        events.insert(index, event);
        is_latest
    }
}
