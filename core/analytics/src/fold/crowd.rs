//! All units of an experiment, found by their hash.

use super::participant::{Participant, wide};
use hashbrown::HashTable;

/// So many units lie in one piece of memory, which never moves: growing takes no copy of all.
const PAGE: usize = 4_096;

/// All units.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    places: HashTable<Place>,
    pages: Vec<Vec<Participant>>,
    /// Bytes that units take on the heap.
    pub(super) heap: usize,
}

/// Where a unit is, and half of its hash, so that the table grows without looking at units.
#[derive(Debug, Clone, Copy)]
struct Place {
    tag: u32,
    index: u32,
}

impl Place {
    fn tag(unit: u64) -> u32 {
        u32::try_from(unit >> 32).unwrap_or(u32::MAX)
    }

    /// Both ends of what the table sees vary.
    fn spread(tag: u32) -> u64 {
        u64::from(tag) << 32 | u64::from(tag)
    }

    fn of(self) -> (usize, usize) {
        // A place is never wider than what it is counted by.
        let index = usize::try_from(self.index).unwrap_or(usize::MAX);
        (index / PAGE, index % PAGE)
    }
}

impl Crowd {
    pub(super) fn len(&self) -> u64 {
        wide(self.places.len())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Participant> {
        self.pages.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Participant> {
        self.pages.iter_mut().flatten()
    }

    fn place(&self, unit: u64) -> Option<Place> {
        let tag = Place::tag(unit);
        let is_it = |place: &Place| place.tag == tag && self.at(*place).is_some_and(|one| one.unit == unit);
        self.places.find(Place::spread(tag), is_it).copied()
    }

    fn at(&self, place: Place) -> Option<&Participant> {
        let (page, index) = place.of();
        self.pages.get(page)?.get(index)
    }

    /// The unit of this hash, if it is there.
    pub(super) fn find(&mut self, unit: u64) -> Option<&mut Participant> {
        let (page, index) = self.place(unit)?.of();
        self.pages.get_mut(page)?.get_mut(index)
    }

    /// The unit of this hash, made if it is not there. `None` when there are 2^32 of them already.
    pub(super) fn find_or_make(
        &mut self,
        unit: u64,
        make: impl FnOnce() -> Participant,
    ) -> Option<&mut Participant> {
        if let Some(place) = self.place(unit) {
            let (page, index) = place.of();
            return self.pages.get_mut(page)?.get_mut(index);
        }
        let tag = Place::tag(unit);
        let index = u32::try_from(self.places.len()).ok()?;
        self.places
            .insert_unique(Place::spread(tag), Place { tag, index }, |place| {
                Place::spread(place.tag)
            });
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let page = self.pages.last_mut()?;
        page.push(make());
        page.last_mut()
    }

    /// Forgets units of which nothing is left.
    pub(super) fn forget_empty(&mut self) {
        if self.iter().all(|one| !one.is_empty()) {
            return;
        }
        let mut pages: Vec<Vec<Participant>> = Vec::new();
        self.places.clear();
        for one in std::mem::take(&mut self.pages).into_iter().flatten() {
            if one.is_empty() {
                continue;
            }
            let tag = Place::tag(one.unit);
            // There were more of them before.
            let index = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            self.places
                .insert_unique(Place::spread(tag), Place { tag, index }, |place| {
                    Place::spread(place.tag)
                });
            if pages.last().is_none_or(|page| page.len() == PAGE) {
                pages.push(Vec::with_capacity(PAGE));
            }
            if let Some(page) = pages.last_mut() {
                page.push(one);
            }
        }
        self.pages = pages;
        self.places.shrink_to_fit(|place| Place::spread(place.tag));
    }

    /// Bytes of memory for all of it.
    pub(super) fn bytes(&self) -> usize {
        self.places.allocation_size()
            + self.pages.len() * PAGE * size_of::<Participant>()
            + self.pages.capacity() * size_of::<Vec<Participant>>()
            + self.heap
    }
}
