//! The keys that snapshots are signed with.

use super::{ControlError, ControlPlane, to_the_end};
use crate::keys::{KeyBook, KeyBookError};
use crate::publisher::SignAgain;
use crate::shell::incident;
use std::sync::Arc;
use tidegate_model::Timestamp;
use tidegate_model::head::{Head, SignedHead};
use tidegate_model::snapshot::{KeyId, KeyList};

impl ControlPlane {
    /// The public keys, the one that signs first, as nodes read them.
    #[must_use]
    pub fn key_list(&self) -> Arc<KeyList> {
        self.shell.keys.list()
    }

    /// Makes a new key that signs from now on; the one before stays valid until it is retired.
    ///
    /// # Errors
    /// When there are two keys already, or the new one cannot be kept.
    pub async fn rotate_key(&self) -> Result<Arc<KeyList>, ControlError> {
        self.turn_keys(KeyBook::rotate).await
    }

    /// Retires the key of this name, which must not be the one that signs.
    ///
    /// # Errors
    /// When there is no such key, it signs, or the change cannot be kept.
    pub async fn retire_key(&self, id: KeyId) -> Result<Arc<KeyList>, ControlError> {
        self.turn_keys(move |book, _now| book.retire(&id)).await
    }

    /// Vouches for what the journal is, with the key that signs snapshots.
    ///
    /// # Errors
    /// When there is no key, which never happens.
    pub fn sign_head(&self, head: Head) -> Result<SignedHead, ControlError> {
        let key = self.shell.keys.signing();
        let key = key.ok_or_else(|| incident("there is no key to sign a head with"))?;
        Ok(head.signed(&key))
    }

    async fn turn_keys(
        &self,
        turn: impl FnOnce(&KeyBook, Timestamp) -> Result<(), KeyBookError> + Send + 'static,
    ) -> Result<Arc<KeyList>, ControlError> {
        let shell = self.shell.clone();
        to_the_end(async move {
            shell.serving.check()?;
            let (keys, now) = (Arc::clone(&shell.keys), shell.clock.now());
            let turned = tokio::task::spawn_blocking(move || turn(&keys, now)).await;
            turned
                .map_err(|panic| incident(&format!("turning the keys ended early: {panic}")))?
                .map_err(ControlError::Keys)?;
            // What nodes are given from now on is signed with the key that signs from now on.
            for environment in shell.environments.values() {
                if let Some(publisher) = environment.publisher() {
                    publisher.do_send(SignAgain);
                }
            }
            let list = shell.keys.list();
            tracing::info!(serial = list.serial, "the signing keys changed");
            Ok(list)
        })
        .await
    }
}
