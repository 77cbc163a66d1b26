//! Evaluation nodes inside the control plane: fed by function calls instead of HTTP.

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;
use tidegate_actors::control::{ControlError, ControlPlane};
use tidegate_model::access::{Permission, Token};
use tidegate_model::fleet::{NodeReport, Receipt};
use tidegate_model::key::EnvironmentKey;
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};
use tidegate_model::snapshot::{Digest, Version};
use tidegate_node::{Admission, ClientAccess, Credential, Grant, Handle, Scope};
use tidegate_replica::{Offer, Upstream, UpstreamError};

/// One environment of the control plane, as its embedded node sees it.
pub(crate) struct Inside {
    pub(crate) control: ControlPlane,
    pub(crate) environment: EnvironmentKey,
}

#[async_trait]
impl Upstream for Inside {
    async fn current(&self, after: Option<Version>, wait: Duration) -> Result<Option<Offer>, UpstreamError> {
        let newest = self.control.newer_than(&self.environment, after, wait).await;
        Ok(newest
            .filter(|newest| Some(newest.header.version) > after)
            .map(|newest| Offer::Whole(newest.bytes.clone())))
    }

    async fn list(&self, digest: &Digest) -> Result<Bytes, UpstreamError> {
        let bytes = self.control.list_of_units(digest).await;
        bytes.map_err(|error: ControlError| UpstreamError::Away(Box::new(error)))
    }

    async fn report(&self, report: &NodeReport) -> Result<Receipt, UpstreamError> {
        let taken_in = self.control.report(&self.environment, report.clone()).await;
        taken_in.map_err(|error: ControlError| UpstreamError::Away(Box::new(error)))
    }

    async fn observe(&self, batch: &ObservationBatch) -> Result<ObservationReceipt, UpstreamError> {
        let taken_in = self.control.observe(&self.environment, batch.clone()).await;
        taken_in.map_err(|error: ControlError| UpstreamError::Away(Box::new(error)))
    }
}

/// The control plane's own tokens, for the clients of an embedded node.
pub(crate) struct OwnTokens {
    pub(crate) control: ControlPlane,
    pub(crate) environment: EnvironmentKey,
}

impl OwnTokens {
    /// What a token is worth here.
    fn admission(&self, token: &Token) -> Admission {
        let here = token
            .environment
            .as_ref()
            .is_none_or(|environment| *environment == self.environment);
        let may = |permission| token.role.allows(permission);
        if !here {
            // A token of another environment is nobody here.
            return Admission::Unknown;
        }
        let scope = if may(Permission::EvaluateAll) {
            Scope::Server
        } else if may(Permission::Evaluate) {
            Scope::Client
        } else {
            return Admission::Forbidden;
        };
        match Credential::of_digest(&token.secret_digest) {
            Some(credential) => Admission::Granted(Grant { scope, credential }),
            None => Admission::Unknown,
        }
    }
}

impl ClientAccess for OwnTokens {
    fn admit(&self, secret: Option<&str>) -> Admission {
        let token = secret.and_then(|secret| self.control.token_of_secret(&Digest::of(secret.as_bytes())));
        token.map_or(Admission::Unknown, |token| self.admission(&token))
    }

    fn find(&self, handle: Handle) -> Option<Grant> {
        let token = self.control.token_of_digest_start(&handle.to_string())?;
        match self.admission(&token) {
            Admission::Granted(grant) => Some(grant),
            Admission::Unknown | Admission::Forbidden => None,
        }
    }
}
