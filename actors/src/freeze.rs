//! The switch that stops an environment's line.
//!
//! What opens is stored while the switch is held still, so that nothing opens any more once a freeze was
//! answered. Rollbacks and looks never wait here.

use crate::control::ControlError;
use crate::shell::Shell;
use serde::{Deserialize, Serialize};
use std::sync::PoisonError;
use tidegate_decide::freeze;
use tidegate_decide::refusal::Refusal;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::Because;
use tidegate_model::change::{Change, EntityRef, EntityState};
use tidegate_model::freeze::Frozen;
use tidegate_model::key::EnvironmentKey;
use tidegate_store::{Expect, Proposal, Store, StoreError, Write};
use tokio::sync::{RwLock, RwLockReadGuard};

/// Whether an environment's line is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreezeView {
    /// Who stopped it, when and why; `null` while it goes on.
    pub frozen: Option<Frozen>,
}

/// The switch of one environment.
pub(crate) struct FreezeSwitch {
    entity: EntityRef,
    /// Held for reading while something that opens is stored, for writing while the switch is turned.
    line: RwLock<()>,
    current: std::sync::RwLock<Option<Frozen>>,
}

impl FreezeSwitch {
    pub(crate) fn new(environment: EnvironmentKey) -> Self {
        Self {
            entity: EntityRef::Freeze(environment),
            line: RwLock::new(()),
            current: std::sync::RwLock::default(),
        }
    }

    /// Takes in what the store has.
    pub(crate) async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        let stored = store.load(&self.entity).await?;
        self.set(stored.and_then(|stored| match stored.state {
            EntityState::Freeze(frozen) => Some(*frozen),
            _ => None,
        }));
        Ok(())
    }

    /// Why nothing opens, if so.
    pub(crate) fn current(&self) -> Option<Frozen> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// Holds the switch still while something that opens is stored.
    ///
    /// # Errors
    /// When it was turned since that was decided.
    pub(crate) async fn pass(&self) -> Result<RwLockReadGuard<'_, ()>, ControlError> {
        let still = self.line.read().await;
        match self.current() {
            None => Ok(still),
            Some(frozen) => Err(ControlError::Refused(freeze::refusal(&frozen))),
        }
    }

    /// Stops the line, or lets it go on, as `decide` says of how it stands.
    pub(crate) async fn turn(
        &self,
        shell: &Shell,
        by: Author,
        decide: impl FnOnce(Option<&Frozen>, &Author, Timestamp) -> Result<Option<(Change, Because)>, Refusal>,
    ) -> Result<FreezeView, ControlError> {
        let _turning = self.line.write().await;
        let before = self.current();
        let now = shell.clock.now();
        let decided = decide(before.as_ref(), &by, now).map_err(ControlError::Refused)?;
        if let Some((change, because)) = decided {
            let after = match &change {
                Change::Frozen(frozen) => Some(Frozen::clone(frozen)),
                _ => None,
            };
            let write = Write {
                entity: self.entity.clone(),
                // Whoever turns it holds the only line to it.
                expect: Expect::Any,
                changes: vec![change],
            };
            let proposal = Proposal {
                at: now,
                by,
                because: Some(because),
                basis: None,
                writes: vec![write],
            };
            shell.commit(proposal).await?;
            self.set(after);
        }
        Ok(FreezeView {
            frozen: self.current(),
        })
    }

    fn set(&self, frozen: Option<Frozen>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = frozen;
    }
}
