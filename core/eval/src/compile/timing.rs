//! When answers may change, through everything that they depend on.

use crate::flag::CompiledFlag;
use crate::segment::Segment;
use crate::timing::Timing;
use tidegate_model::flag::FlagStatus;

/// Tells every flag when its answers may change.
pub(super) fn tell(segments: &[Segment], flags: &mut [CompiledFlag]) {
    let mut of_segments = Known::new(segments.len());
    for place in 0..segments.len() {
        of_segment(segments, place, &mut of_segments);
    }
    let mut of_flags = Known::new(flags.len());
    for place in 0..flags.len() {
        of_flag(flags, place, &mut of_flags, &mut of_segments);
    }
    for (flag, timing) in flags.iter_mut().zip(of_flags.0) {
        flag.cold.timing = timing.unwrap_or(Timing::NEVER);
    }
}

/// What has been found out, by places.
struct Known(Vec<Option<Timing>>);

impl Known {
    fn new(length: usize) -> Self {
        Self(vec![None; length])
    }

    /// What is known of a place. If nothing is, something is from now on, so that names that lead back to
    /// themselves, with which the snapshot is refused, are not followed for ever.
    fn look_up(&mut self, place: usize) -> Option<Timing> {
        let known = self.0.get_mut(place)?;
        match known {
            Some(timing) => Some(timing.clone()),
            None => {
                *known = Some(Timing::NEVER);
                None
            }
        }
    }

    fn remember(&mut self, place: usize, timing: &Timing) {
        if let Some(known) = self.0.get_mut(place) {
            *known = Some(timing.clone());
        }
    }
}

fn of_segment(segments: &[Segment], place: usize, known: &mut Known) -> Timing {
    if let Some(timing) = known.look_up(place) {
        return timing;
    }
    let Some(segment) = segments.get(place) else {
        return Timing::NEVER;
    };
    let mut inner = |place: u32| of_segment(segments, place as usize, known);
    let each = segment.predicates().map(|when| when.timing(&mut inner));
    let timing = each.fold(Timing::NEVER, Timing::and);
    known.remember(place, &timing);
    timing
}

fn of_flag(flags: &[CompiledFlag], place: usize, known: &mut Known, segments: &mut Known) -> Timing {
    if let Some(timing) = known.look_up(place) {
        return timing;
    }
    let Some(flag) = flags.get(place) else {
        return Timing::NEVER;
    };
    if matches!(flag.status, FlagStatus::Archived | FlagStatus::Inactive) {
        return Timing::NEVER;
    }
    let mut of_segment = |place: u32| segments.look_up(place as usize).unwrap_or(Timing::NEVER);
    let rules = flag.predicates().map(|when| when.timing(&mut of_segment));
    let own = rules.fold(Timing::NEVER, Timing::and);
    let needed = flag.prerequisites.iter();
    let timing = needed.fold(own, |timing, one| {
        timing.and(of_flag(flags, one.flag as usize, known, segments))
    });
    known.remember(place, &timing);
    timing
}
