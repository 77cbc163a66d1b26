//! How many users may meet the candidate before a person says more.

use super::cursor::Cursor;
use super::keys;
use crate::policy::{Action, Exposure, Stage};

/// More than there are people, or minutes in their lives.
const COUNT_MAX: u32 = u32::MAX;

pub(super) fn read(at: &Cursor<'_>, stages: Option<&[Stage]>) -> Option<Exposure> {
    let exposure = at.mapping(&keys::EXPOSURE)?;
    let count = |at: &Cursor<'_>| at.count(COUNT_MAX).map(u64::from);
    let audience = exposure.get("audience").and_then(count);
    let minutes = exposure.or("userMinutes", None, |at| count(at).map(Some));
    let units = exposure.or("units", None, |at| count(at).map(Some));
    let action = exposure.or("do", Action::Pause, |at| at.word(keys::EXPOSURE_ACTIONS));
    if matches!((minutes, units), (Some(None), Some(None))) {
        at.error(
            "nothing is bounded",
            "add 'userMinutes', 'units' or both, or leave it out",
        );
        return None;
    }
    let read = Exposure {
        audience: audience?,
        user_minutes: minutes?,
        units: units?,
        action: action?,
    };
    let first = stages.and_then(<[Stage]>::first);
    if let (Some(first), Some(units), Some(at)) = (first, read.units, exposure.get("units"))
        && read.units_of(first.percentage) > units
    {
        at.error(
            format!(
                "the first stage is {} of {} units already, which is {}",
                first.percentage,
                read.audience,
                read.units_of(first.percentage)
            ),
            "begin with a smaller stage, or allow more units",
        );
        return None;
    }
    Some(read)
}
