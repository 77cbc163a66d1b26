//! What is still stored when there is room for nothing else.

use super::Change;
use crate::experiment::ExperimentChange;
use crate::rollout::{Ending, RolloutChange};
use crate::verdict::Verdict;

impl Change {
    /// Whether it is part of shutting something: bad news, and what is done about it. What opens, and what only is good
    /// to know, waits for room on the disk (faults.md F54).
    pub fn shuts(&self) -> bool {
        match self {
            Self::AlertFired(_) | Self::Frozen(_) | Self::TokenRevoked => true,
            Self::Rollout(change) => match change {
                RolloutChange::RollingBack { .. }
                | RolloutChange::Retreated { .. }
                | RolloutChange::Paused { .. }
                | RolloutChange::AlertTaken { .. } => true,
                RolloutChange::Ended { ending } => *ending != Ending::Completed,
                RolloutChange::Looked(look) => look.verdict == Verdict::Breached,
                _ => false,
            },
            Self::FlagLetGo { fallback: None } | Self::FlagHeld { dealing: None, .. } => true,
            Self::Experiment(ExperimentChange::Paused { .. } | ExperimentChange::Stopped { .. }) => true,
            _ => false,
        }
    }
}
