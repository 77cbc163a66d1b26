//! What is wrong with a policy that its text alone does not show: what its calendar lets through, what its
//! approvals outlast, and what its stages can see of the traffic there is.

use crate::calendar::Calendar;
use serde::Serialize;
use tidegate_model::Timestamp;
use tidegate_model::policy::Policy;

mod openings;
mod outlasting;
pub mod sight;

use sight::Sight;

/// Something that probably is not as it was meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Concern {
    /// Where, for example `schedule.stages[1]`.
    pub path: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Concern {
    /// Something wrong at `path`.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Linted {
    /// What probably is not as it was meant.
    pub concerns: Vec<Concern>,
    /// What each stage can see, if the policy declares its traffic.
    pub sight: Vec<Sight>,
}

/// Looks at `policy` as if somebody wanted to use it at `now`.
#[must_use]
pub fn lint(policy: &Policy, now: Timestamp) -> Linted {
    let calendar = Calendar::of(policy, now, None);
    let mut concerns = openings::of(policy, &calendar, now);
    concerns.extend(outlasting::of(policy, &calendar));
    let (sight, unseen) = sight::of(policy);
    concerns.extend(unseen);
    Linted { concerns, sight }
}
