//! Evaluation nodes inside the control plane: fed by function calls instead of HTTP.

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;
use tidegate_actors::control::{ControlError, ControlPlane};
use tidegate_model::access::Permission;
use tidegate_model::fleet::NodeReport;
use tidegate_model::key::EnvironmentKey;
use tidegate_model::snapshot::{Digest, Version};
use tidegate_node::{Admission, ClientAccess};
use tidegate_replica::{Upstream, UpstreamError};

/// One environment of the control plane, as its embedded node sees it.
pub(crate) struct Inside {
    pub(crate) control: ControlPlane,
    pub(crate) environment: EnvironmentKey,
}

#[async_trait]
impl Upstream for Inside {
    async fn current(&self, after: Option<Version>, wait: Duration) -> Result<Option<Bytes>, UpstreamError> {
        let newest = self.control.newer_than(&self.environment, after, wait).await;
        Ok(newest
            .filter(|newest| Some(newest.header.version) > after)
            .map(|newest| newest.bytes.clone()))
    }

    async fn report(&self, report: &NodeReport) -> Result<(), UpstreamError> {
        let taken_in = self.control.report(&self.environment, report.clone()).await;
        taken_in.map_err(|error: ControlError| UpstreamError::Away(Box::new(error)))
    }
}

/// The control plane's own tokens, for the clients of an embedded node.
pub(crate) struct OwnTokens {
    pub(crate) control: ControlPlane,
    pub(crate) environment: EnvironmentKey,
}

impl ClientAccess for OwnTokens {
    fn admit(&self, secret: Option<&str>) -> Admission {
        let token = secret.and_then(|secret| self.control.token_of_secret(&Digest::of(secret.as_bytes())));
        let Some(token) = token else {
            return Admission::Unknown;
        };
        let here = token
            .environment
            .as_ref()
            .is_none_or(|environment| *environment == self.environment);
        match (here, token.role.allows(Permission::Evaluate)) {
            // A token of another environment is nobody here.
            (false, _) => Admission::Unknown,
            (true, true) => Admission::Granted,
            (true, false) => Admission::Forbidden,
        }
    }
}
