//! Access tokens.

use super::{ControlError, ControlPlane, to_the_end};
use crate::shell::describe;
use std::sync::PoisonError;
use tidegate_decide::refusal::Refusal;
use tidegate_model::access::{Author, Token};
use tidegate_model::change::{Change, EntityRef, EntityState, Kind};
use tidegate_model::key::{Revision, TokenName};
use tidegate_model::snapshot::Digest;
use tidegate_store::{Expect, Proposal, StoreError, Write};

impl ControlPlane {
    /// All tokens, sorted by name, revoked and expired ones too.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tokens(&self) -> Result<Vec<Token>, ControlError> {
        self.stored_tokens().await.map_err(ControlError::Store)
    }

    /// Keeps a new token.
    ///
    /// # Errors
    /// When there is one of that name, revoked ones included: audit lines name tokens.
    pub async fn create_token(&self, token: Token, by: Author) -> Result<Token, ControlError> {
        let control = self.clone();
        to_the_end(async move {
            if let Some(environment) = &token.environment {
                control.shell.environment(environment)?;
            }
            let entity = EntityRef::Token(token.name.clone());
            let taken = || {
                let why = format!("there is, or was, a token named {}", token.name);
                ControlError::Refused(Refusal::conflict(why, "choose another name"))
            };
            if control
                .shell
                .store
                .load(&entity)
                .await
                .map_err(ControlError::Store)?
                .is_some()
            {
                return Err(taken());
            }
            let change = Change::TokenCreated(token.clone());
            let expect = Expect::Revision(Revision::ABSENT);
            let write = Write {
                entity,
                expect,
                changes: vec![change],
            };
            let proposal = Proposal {
                at: control.shell.clock.now(),
                by,
                because: None,
                basis: None,
                writes: vec![write],
            };
            match control.shell.commit(proposal).await {
                Err(ControlError::Stale { .. }) => return Err(taken()),
                stored => stored?,
            };
            control.remember(token.clone());
            Ok(token)
        })
        .await
    }

    /// Makes a token stop working. Revoking it again changes nothing and is no error.
    ///
    /// # Errors
    /// When there is no such token.
    pub async fn revoke_token(&self, name: &TokenName, by: Author) -> Result<(), ControlError> {
        let (control, entity) = (self.clone(), EntityRef::Token(name.clone()));
        to_the_end(async move {
            let stored = control
                .shell
                .store
                .load(&entity)
                .await
                .map_err(ControlError::Store)?;
            let Some(EntityState::Token(token)) = stored.map(|stored| stored.state) else {
                return Err(ControlError::NotFound {
                    what: describe(&entity),
                });
            };
            if token.revoked.is_some() {
                return Ok(());
            }
            let at = control.shell.clock.now();
            let write = Write {
                entity,
                expect: Expect::Any,
                changes: vec![Change::TokenRevoked],
            };
            control
                .shell
                .commit(Proposal {
                    at,
                    by,
                    because: None,
                    basis: None,
                    writes: vec![write],
                })
                .await?;
            control.remember(Token {
                revoked: Some(at),
                ..token
            });
            Ok(())
        })
        .await
    }

    /// The token whose secret has this digest, if it works now. From memory: no waiting.
    #[must_use]
    pub fn token_of_secret(&self, digest: &Digest) -> Option<Token> {
        let tokens = self.shell.tokens.read().unwrap_or_else(PoisonError::into_inner);
        tokens
            .get(digest)
            .filter(|token| token.is_valid(self.shell.clock.now()))
            .cloned()
    }

    /// The token whose secret's digest starts like this, if it works now.
    #[must_use]
    pub fn token_of_digest_start(&self, start: &str) -> Option<Token> {
        let tokens = self.shell.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let mut starting = tokens
            .values()
            .filter(|token| token.secret_digest.as_str().starts_with(start));
        starting
            .find(|token| token.is_valid(self.shell.clock.now()))
            .cloned()
    }

    pub(super) async fn load_tokens(&self) -> Result<(), StoreError> {
        for token in self.stored_tokens().await? {
            self.remember(token);
        }
        Ok(())
    }

    async fn stored_tokens(&self) -> Result<Vec<Token>, StoreError> {
        let all = self.shell.store.list(Kind::Token, None).await?;
        Ok(all
            .into_iter()
            .filter_map(|stored| match stored.state {
                EntityState::Token(token) => Some(token),
                _ => None,
            })
            .collect())
    }

    fn remember(&self, token: Token) {
        let mut tokens = self.shell.tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(token.secret_digest.clone(), token);
    }
}
