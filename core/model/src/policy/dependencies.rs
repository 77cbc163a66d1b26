//! What a rollout waits for of other rollouts.

use crate::key::RolloutName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// What a rollout waits for of others before any of its stages opens. Each is named by its id, or by its
/// flag, which means the flag's newest rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dependencies {
    /// Those that must have completed.
    pub after: BTreeSet<RolloutName>,
    /// Those beyond whose proven share it never opens.
    pub with: BTreeSet<RolloutName>,
    /// Those that are never open at the same time: the later one waits.
    pub not_with: BTreeSet<RolloutName>,
}

impl Dependencies {
    /// Whether it waits for nobody.
    pub fn is_empty(&self) -> bool {
        self.after.is_empty() && self.with.is_empty() && self.not_with.is_empty()
    }

    /// All of them, each with how it is waited for.
    pub fn all(&self) -> impl Iterator<Item = (DependencyKind, &RolloutName)> {
        let after = self.after.iter().map(|name| (DependencyKind::After, name));
        let with = self.with.iter().map(|name| (DependencyKind::With, name));
        let not_with = self.not_with.iter().map(|name| (DependencyKind::NotWith, name));
        after.chain(with).chain(not_with)
    }

    /// Those without whose success it never gets further.
    pub fn needed(&self) -> impl Iterator<Item = (DependencyKind, &RolloutName)> {
        self.all().filter(|(kind, _)| *kind != DependencyKind::NotWith)
    }
}

/// How another rollout is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DependencyKind {
    /// It must have completed.
    After,
    /// Never further than its proven share.
    With,
    /// Never open at the same time.
    NotWith,
}

impl fmt::Display for DependencyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::After => "after",
            Self::With => "with",
            Self::NotWith => "not with",
        })
    }
}
