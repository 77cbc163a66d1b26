//! Saying that many flags may vanish at once.

use super::{ControlError, ControlPlane, to_the_end};
use crate::publisher::Confirm;
use std::collections::BTreeSet;
use tidegate_decide::refusal::Refusal;
use tidegate_model::access::Author;
use tidegate_model::change::{Change, EntityRef, EntityState};
use tidegate_model::key::{EnvironmentKey, FlagKey};
use tidegate_store::{Expect, Proposal, Write};

impl ControlPlane {
    /// The flags whose loss waits for somebody's word, sorted.
    ///
    /// # Errors
    /// When there is no such environment.
    pub fn waiting_flags(&self, environment: &EnvironmentKey) -> Result<Vec<FlagKey>, ControlError> {
        Ok(self.shell.environment(environment)?.waiting())
    }

    /// Says that these flags, which are the ones that wait, may vanish. Each is saved again as it is, so
    /// that the journal says who confirmed.
    ///
    /// # Errors
    /// When other flags wait, or one was changed meanwhile.
    pub async fn confirm_loss(
        &self,
        environment: &EnvironmentKey,
        flags: BTreeSet<FlagKey>,
        by: Author,
    ) -> Result<(), ControlError> {
        let control = self.clone();
        let environment = environment.clone();
        to_the_end(async move {
            let shell = &control.shell;
            // Before the publisher is told, who cannot be told otherwise afterwards.
            shell.serving.check()?;
            let publisher = shell.environment(&environment)?.publisher();
            let publisher = publisher.ok_or(ControlError::Busy { retry_after: 1 })?;
            let mut writes = Vec::new();
            for key in &flags {
                let entity = EntityRef::Flag(environment.clone(), key.clone());
                let stored = shell.store.load(&entity).await.map_err(ControlError::Store)?;
                let Some(stored) = stored else { continue };
                if let EntityState::Flag(state) = stored.state {
                    writes.push(Write {
                        entity,
                        expect: Expect::Revision(stored.revision),
                        changes: vec![Change::FlagSaved(state.flag)],
                    });
                }
            }
            let same = publisher.send(Confirm(flags)).await;
            if !same.map_err(|_dead| ControlError::Busy { retry_after: 1 })? {
                let why = "other flags wait than those that were named";
                let fix = "look again what waits, and name all of it";
                return Err(ControlError::Refused(Refusal::conflict(why, fix)));
            }
            let at = shell.clock.now();
            let proposal = Proposal {
                at,
                by,
                because: None,
                basis: None,
                writes,
            };
            shell.commit(proposal).await.map(drop)
        })
        .await
    }
}
