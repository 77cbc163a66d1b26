//! Telling others: notices and alerts to the targets that policies name.
//!
//! Each target has a courier of its own, so that one that hangs delays no other. What is still to be told
//! is in the journal: a courier only remembers how far it is.

use crate::shell::Shell;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_model::key::TargetName;
use tidegate_model::target::Channel;

mod courier;
mod cursor;
mod pager;
mod post;
mod signature;
mod target;

pub use cursor::Cursors;
pub use target::{Target, TargetError};

/// Where this control plane may send something.
#[derive(Debug, Clone, Default)]
pub struct Targets(BTreeMap<TargetName, Target>);

impl Targets {
    /// These.
    #[must_use]
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Self {
        let named = targets.into_iter().map(|target| (target.name().clone(), target));
        Self(named.collect())
    }

    /// The target of this name.
    pub(crate) fn get(&self, name: &TargetName) -> Option<&Target> {
        self.0.get(name)
    }

    /// Their names, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &TargetName> {
        self.0.keys()
    }
}

/// Starts a courier for each target.
pub(crate) fn start(shell: &Arc<Shell>) {
    for target in shell.targets.0.values() {
        let (shell, target) = (shell.clone(), target.clone());
        match target.channel() {
            Channel::Alertmanager => actix_rt::spawn(pager::run(shell, target)),
            Channel::Slack | Channel::Webhook => actix_rt::spawn(courier::run(shell, target)),
        };
    }
}
