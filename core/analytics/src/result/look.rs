//! What kind of look a result is: one that counts, or one that is for information only.

use super::ladder::{Ladder, Taken};
use crate::sufficient::count;
use serde::{Deserialize, Serialize};
use std::fmt;
use tidegate_model::experiment::{Design, Discipline, Spending};
use tidegate_stats::{Refusal, group_sequential};

/// Which looks were taken, and whether more can come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Asked {
    /// Units in all arms together at each look that counted ([`Look::counts`]), the earliest first.
    #[serde(default)]
    pub looks: Vec<u64>,
    /// Whether the experiment is over.
    #[serde(default)]
    pub end: End,
}

/// Whether an experiment is over, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It goes on.
    #[default]
    Running,
    /// It ended by its plan or for another reason that has nothing to do with what was seen: its time was over.
    AsPlanned,
    /// It ended by its plan, and the look at its end is among those that were taken: no look after it counts.
    Closed,
    /// Somebody ended it, perhaps because of what was seen.
    Early,
}

/// What kind of look this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Look {
    /// At a fixed test before its time. What it says about significance does not count.
    Peek {
        /// Units in all arms together.
        units: u64,
        /// Units at which it is to be looked at.
        planned: u64,
    },
    /// The one look of a fixed test.
    Final {
        /// Units in all arms together.
        units: u64,
        /// Units that were planned.
        planned: u64,
    },
    /// At a test that has had its last look already. Only that one counts.
    Again {
        /// Units at that look.
        first: u64,
        /// Units now.
        units: u64,
    },
    /// A look of a group sequential design.
    Interim {
        /// Its number, from 1.
        number: usize,
        /// Units in all arms together.
        units: u64,
        /// The planned maximum.
        planned: u64,
        /// Whether it is the last one.
        last: bool,
    },
    /// Between two looks of a group sequential design.
    Between {
        /// Units in all arms together.
        units: u64,
        /// Units at the next look.
        next: u64,
        /// The planned maximum.
        planned: u64,
    },
    /// At a test that may be looked at whenever one likes.
    Anytime {
        /// Units in all arms together.
        units: u64,
        /// Units at which it is sharpest.
        tuned_for: u64,
    },
}

impl Look {
    /// Whether what the declared discipline says at this look counts. If it does, and the discipline is not
    /// always-valid, the units go into [`Asked::looks`].
    #[must_use]
    pub const fn counts(&self) -> bool {
        matches!(
            self,
            Self::Final { .. } | Self::Interim { .. } | Self::Anytime { .. }
        )
    }

    /// Units in all arms together.
    #[must_use]
    pub const fn units(&self) -> u64 {
        match self {
            Self::Peek { units, .. }
            | Self::Final { units, .. }
            | Self::Again { units, .. }
            | Self::Interim { units, .. }
            | Self::Between { units, .. }
            | Self::Anytime { units, .. } => *units,
        }
    }

    /// Whether no look that counts comes after this one.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        matches!(
            self,
            Self::Final { .. } | Self::Again { .. } | Self::Interim { last: true, .. }
        )
    }

    /// The planned maximum; `None` where there is none.
    #[must_use]
    pub const fn planned(&self) -> Option<u64> {
        match self {
            Self::Peek { planned, .. }
            | Self::Final { planned, .. }
            | Self::Interim { planned, .. }
            | Self::Between { planned, .. } => Some(*planned),
            Self::Again { .. } | Self::Anytime { .. } => None,
        }
    }

    pub(crate) fn of(design: &Design, units: u64, asked: &Asked) -> Self {
        let before = asked.looks.last().copied();
        let planned_end = matches!(asked.end, End::AsPlanned | End::Closed);
        match design.discipline {
            Discipline::Fixed { units: planned } => match before {
                Some(first) if units != first => Self::Again { first, units },
                None if units < planned && !planned_end => Self::Peek { units, planned },
                _ => Self::Final { units, planned },
            },
            Discipline::GroupSequential {
                units: planned,
                looks,
                ..
            } => {
                let so_far = before.unwrap_or(0);
                let number = asked.looks.len();
                let last = units >= planned || planned_end;
                if before == Some(units) {
                    return Self::Interim {
                        number,
                        units,
                        planned,
                        last,
                    };
                }
                if so_far >= planned || (asked.end == End::Closed && before.is_some()) {
                    return Self::Again { first: so_far, units };
                }
                let next = next_look(planned, looks, so_far);
                if units >= next || (planned_end && units > so_far) {
                    Self::Interim {
                        number: number + 1,
                        units,
                        planned,
                        last,
                    }
                } else {
                    Self::Between { units, next, planned }
                }
            }
            Discipline::AlwaysValid { tuned_for } => Self::Anytime { units, tuned_for },
        }
    }

    /// The bounds of a group sequential design at this look; `None` for other disciplines and between looks.
    pub(crate) fn ladder(&self, design: &Design, asked: &Asked) -> Option<Result<Ladder, Refusal>> {
        let Discipline::GroupSequential { spending, .. } = design.discipline else {
            return None;
        };
        let Self::Interim {
            number,
            units,
            planned,
            last,
        } = *self
        else {
            return None;
        };
        let share = |units: u64| count(units) / count(planned);
        let earlier = asked.looks.iter().take(number.saturating_sub(1));
        let taken = Taken {
            spending: match spending {
                Spending::ObrienFleming => group_sequential::Spending::OBrienFleming,
                Spending::Pocock => group_sequential::Spending::Pocock,
            },
            before: earlier.map(|units| share(*units)).collect(),
            now: share(units),
            is_last: last,
        };
        Some(Ladder::of(&taken))
    }
}

/// Units at the first evenly spread look after so many.
fn next_look(planned: u64, looks: u32, so_far: u64) -> u64 {
    let at = |look: u32| {
        let units = u128::from(planned) * u128::from(look);
        u64::try_from(units.div_ceil(u128::from(looks.max(1)))).unwrap_or(planned)
    };
    (1..=looks)
        .map(at)
        .find(|units| *units > so_far)
        .unwrap_or(planned)
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peek { units, planned } => write!(
                f,
                "a peek: the fixed test is to be looked at once, at {planned} units, and there are {units}"
            ),
            Self::Final { units, planned } => {
                write!(
                    f,
                    "the one look of the fixed test, at {units} units of {planned} planned"
                )
            }
            Self::Again { first, units } => write!(
                f,
                "after the last look, which was at {first} units and alone counts; there are {units} now"
            ),
            Self::Interim {
                number,
                units,
                planned,
                last,
            } => {
                let last = if *last { ", the last one" } else { "" };
                write!(f, "look {number}{last}, at {units} units of at most {planned}")
            }
            Self::Between { units, next, planned } => write!(
                f,
                "between looks: the next one is at {next} units of at most {planned}, and there are {units}"
            ),
            Self::Anytime { units, .. } => write!(f, "a look at {units} units, which may come at any time"),
        }
    }
}
