//! Evaluation nodes inside the control plane: fed by function calls instead of HTTP.

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;
use tidegate_actors::control::{ControlError, ControlPlane};
use tidegate_actors::observing::ObserveError;
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
        taken_in.map_err(not_observed)
    }
}

/// What the node is to make of a batch that was not taken in. A batch that is nonsense is given up, or everything behind it
/// would wait for ever. A log that takes nothing is no reason to stop asking for snapshots, so it counts as busy.
fn not_observed(error: ControlError) -> UpstreamError {
    let busy = |status| UpstreamError::Busy {
        status,
        retry_after: None,
    };
    match error {
        ControlError::Refused(refusal) => UpstreamError::Refused {
            status: 422,
            detail: refusal.to_string(),
        },
        ControlError::Observing(ObserveError::Invalid(invalid)) => UpstreamError::Refused {
            status: 422,
            detail: invalid.to_string(),
        },
        ControlError::Full | ControlError::Observing(ObserveError::Full) => busy(507),
        ControlError::Busy { .. } | ControlError::Observing(ObserveError::Stopped(_)) => busy(503),
        error => UpstreamError::Away(Box::new(error)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_decide::refusal::Refusal;
    use tidegate_model::invalid::{Invalid, Violation};

    #[test]
    fn nonsense_is_given_up_and_everything_else_comes_again() {
        let invalid = || Invalid::from(Violation::new("spool", "", "it has a name", "give it one"));
        for error in [
            ControlError::Refused(Refusal::Invalid(invalid())),
            ControlError::Observing(ObserveError::Invalid(invalid())),
        ] {
            match not_observed(error) {
                UpstreamError::Refused { status: 422, detail } => {
                    assert!(detail.contains("spool"), "{detail}")
                }
                other => panic!("{other:?}"),
            }
        }
        for (error, expected) in [
            (ControlError::Observing(ObserveError::Full), 507),
            (ControlError::Full, 507),
            (
                ControlError::Observing(ObserveError::Stopped("gone".to_owned())),
                503,
            ),
            (ControlError::Busy { retry_after: 1 }, 503),
        ] {
            match not_observed(error) {
                UpstreamError::Busy { status, .. } => assert_eq!(status, expected),
                other => panic!("{other:?}"),
            }
        }
        let id = "1".to_owned();
        let away = not_observed(ControlError::Incident { id });
        assert!(matches!(away, UpstreamError::Away(_)), "{away:?}");
    }
}
