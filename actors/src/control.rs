//! The control plane's handle: cheap to clone, safe from every thread.

use crate::clock::Clock;
use crate::view::{Revised, RolloutView};
use std::sync::Arc;
use std::time::Duration;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::start::StartRollout;
use tidegate_model::access::{Author, Role, Token};
use tidegate_model::change::{PolicyState, Record};
use tidegate_model::fleet::{NodeReport, NodeView};
use tidegate_model::flag::{FlagDefinition, FlagState};
use tidegate_model::key::{EnvironmentKey, FlagKey, PolicyName, Revision, RolloutId, SegmentKey, TokenName};
use tidegate_model::policy::diagnostic::Diagnostic;
use tidegate_model::rollout::RolloutCommand;
use tidegate_model::segment::{Segment, SegmentDefinition};
use tidegate_model::snapshot::{Digest, SnapshotHeader, Version};
use tidegate_store::{Expect, Store, StoreError};

/// The control plane. Every method may be called from any thread and any runtime.
#[derive(Clone)]
pub struct ControlPlane {
    _inner: Arc<()>,
}

/// Why a call was not done. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such thing (or it is another environment's).
    #[error("there is no {what}")]
    NotFound {
        /// What was looked for, for example `flag new-checkout`.
        what: String,
    },
    /// It was changed meanwhile.
    #[error("{what} is at revision {actual}, not {expected}")]
    Stale {
        /// Which thing.
        what: String,
        /// What the caller had seen.
        expected: Revision,
        /// What it is.
        actual: Revision,
    },
    /// The request cannot be followed.
    #[error("{0}")]
    Refused(Refusal),
    /// A policy's text has mistakes.
    #[error("the policy has mistakes")]
    Policy(Vec<Diagnostic>),
    /// Nothing can be stored at present.
    #[error("nothing can be stored at present")]
    Store(#[source] StoreError),
    /// Something went wrong in Tidegate; the state is unchanged, and the log has the incident.
    #[error("incident {id}")]
    Incident {
        /// What to look for in the log.
        id: String,
    },
    /// Too much at once; try again.
    #[error("too busy")]
    Busy {
        /// After how long, in seconds.
        retry_after: u64,
    },
}

/// A snapshot as it left the publisher.
#[derive(Debug)]
pub struct Published {
    /// What identifies it.
    pub header: SnapshotHeader,
    /// [`tidegate_model::snapshot::Snapshot`] as JSON, ready to be sent.
    pub bytes: bytes::Bytes,
}

/// How the control plane is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Whether it can store and publish; why not, otherwise.
    pub not_ready: Option<String>,
    /// Things whose actors failed too often and are kept apart.
    pub quarantined: Vec<String>,
}

#[expect(clippy::unused_async, clippy::todo, unused_variables, reason = "skeleton")]
impl ControlPlane {
    /// The environments it serves.
    pub fn environments(&self) -> &[EnvironmentKey] {
        &[]
    }

    /// All flags of an environment, sorted by key.
    ///
    /// # Errors
    /// See [`ControlError`]; the same for every method below.
    pub async fn flags(&self, environment: &EnvironmentKey) -> Result<Vec<Revised<FlagState>>, ControlError> {
        todo!()
    }

    /// One flag.
    pub async fn flag(&self, environment: &EnvironmentKey, key: &FlagKey) -> Result<Revised<FlagState>, ControlError> {
        todo!()
    }

    /// Gives a flag this definition. Saving what it has already changes nothing and is no error.
    pub async fn save_flag(
        &self,
        environment: &EnvironmentKey,
        definition: FlagDefinition,
        expect: Expect,
        by: Author,
    ) -> Result<Revised<FlagState>, ControlError> {
        todo!()
    }

    /// All segments of an environment, sorted by key.
    pub async fn segments(&self, environment: &EnvironmentKey) -> Result<Vec<Revised<Segment>>, ControlError> {
        todo!()
    }

    /// One segment.
    pub async fn segment(&self, environment: &EnvironmentKey, key: &SegmentKey) -> Result<Revised<Segment>, ControlError> {
        todo!()
    }

    /// Gives a segment this definition.
    pub async fn save_segment(
        &self,
        environment: &EnvironmentKey,
        definition: SegmentDefinition,
        expect: Expect,
        by: Author,
    ) -> Result<Revised<Segment>, ControlError> {
        todo!()
    }

    /// Removes a segment that nothing uses.
    pub async fn delete_segment(
        &self,
        environment: &EnvironmentKey,
        key: &SegmentKey,
        expect: Expect,
        by: Author,
    ) -> Result<(), ControlError> {
        todo!()
    }

    /// All policies of an environment, sorted by name.
    pub async fn policies(&self, environment: &EnvironmentKey) -> Result<Vec<Revised<PolicyState>>, ControlError> {
        todo!()
    }

    /// One policy.
    pub async fn policy(&self, environment: &EnvironmentKey, name: &PolicyName) -> Result<Revised<PolicyState>, ControlError> {
        todo!()
    }

    /// Reads a policy's text and saves it under its own name, which must be `name`. Returns the
    /// warnings too.
    pub async fn save_policy(
        &self,
        environment: &EnvironmentKey,
        name: &PolicyName,
        text: String,
        expect: Expect,
        by: Author,
    ) -> Result<(Revised<PolicyState>, Vec<Diagnostic>), ControlError> {
        todo!()
    }

    /// Removes a policy. Rollouts that pinned it go on with their copy.
    pub async fn delete_policy(
        &self,
        environment: &EnvironmentKey,
        name: &PolicyName,
        expect: Expect,
        by: Author,
    ) -> Result<(), ControlError> {
        todo!()
    }

    /// All rollouts of an environment, newest first.
    pub async fn rollouts(&self, environment: &EnvironmentKey) -> Result<Vec<RolloutView>, ControlError> {
        todo!()
    }

    /// One rollout.
    pub async fn rollout(&self, environment: &EnvironmentKey, id: &RolloutId) -> Result<RolloutView, ControlError> {
        todo!()
    }

    /// Starts a rollout.
    pub async fn start_rollout(
        &self,
        environment: &EnvironmentKey,
        request: StartRollout,
        by: Author,
    ) -> Result<RolloutView, ControlError> {
        todo!()
    }

    /// Tells a rollout what a person wants.
    pub async fn command_rollout(
        &self,
        environment: &EnvironmentKey,
        id: &RolloutId,
        command: RolloutCommand,
        expect: Expect,
        by: Author,
        role: Role,
    ) -> Result<RolloutView, ControlError> {
        todo!()
    }

    /// The newest snapshot of an environment; `None` when there is no such environment.
    pub fn published(&self, environment: &EnvironmentKey) -> Option<Arc<Published>> {
        todo!()
    }

    /// The newest snapshot as soon as it is newer than `than`; whatever is newest when `patience` ends.
    pub async fn newer_than(
        &self,
        environment: &EnvironmentKey,
        than: Option<Version>,
        patience: Duration,
    ) -> Option<Arc<Published>> {
        todo!()
    }

    /// Takes in what a node says of itself. A report that was taken in before changes nothing.
    pub async fn report(&self, environment: &EnvironmentKey, report: NodeReport) -> Result<(), ControlError> {
        todo!()
    }

    /// All nodes heard of since the start, sorted by name.
    pub async fn nodes(&self, environment: &EnvironmentKey) -> Result<Vec<NodeView>, ControlError> {
        todo!()
    }

    /// Records with a sequence above `after`, oldest first, at most `limit`, with entries of other
    /// environments left out (and tokens, unless `environment` is `None`).
    pub async fn records(
        &self,
        environment: Option<&EnvironmentKey>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Record>, ControlError> {
        todo!()
    }

    /// All tokens, sorted by name.
    pub async fn tokens(&self) -> Result<Vec<Token>, ControlError> {
        todo!()
    }

    /// Keeps a new token.
    pub async fn create_token(&self, token: Token, by: Author) -> Result<Token, ControlError> {
        todo!()
    }

    /// Makes a token stop working.
    pub async fn revoke_token(&self, name: &TokenName, by: Author) -> Result<(), ControlError> {
        todo!()
    }

    /// The token whose secret has this digest, if it works now. From memory: no waiting.
    pub fn token_of_secret(&self, digest: &Digest) -> Option<Token> {
        todo!()
    }

    /// How it is doing.
    pub fn health(&self) -> Health {
        todo!()
    }

    /// What it measures of itself.
    pub fn registry(&self) -> &prometheus::Registry {
        todo!()
    }

    /// The clock it lives by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        todo!()
    }

    /// The store it keeps.
    pub fn store(&self) -> &Arc<dyn Store> {
        todo!()
    }
}
