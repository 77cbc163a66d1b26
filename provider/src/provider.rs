//! The provider.

use crate::answer;
use crate::connection::{self, ConnectError, Connection};
use crate::context;
use chrono::Utc;
use open_feature::provider::{FeatureProvider, ProviderMetadata, ProviderStatus, ResolutionDetails};
use open_feature::{EvaluationContext, EvaluationErrorCode, EvaluationResult, StructValue};
use serde_json::Value;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tidegate_replica::{Replica, Standing};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// How long the first snapshot may take before the provider goes on without one.
const FIRST_SNAPSHOT: Duration = Duration::from_secs(5);

/// Evaluates flags from a replica in this process.
#[derive(Debug)]
pub struct TidegateProvider {
    replica: Replica,
    metadata: ProviderMetadata,
    pulling: Option<AbortHandle>,
}

impl TidegateProvider {
    /// A provider over a replica that somebody else runs.
    pub fn new(replica: Replica) -> Self {
        Self {
            replica,
            metadata: ProviderMetadata::new("tidegate"),
            pulling: None,
        }
    }

    /// A provider with a replica of its own, which pulls for as long as the provider lives. To be called
    /// inside a tokio runtime.
    ///
    /// # Errors
    /// When a name, the address or the folder cannot be right. That the control plane is away is no
    /// error: snapshots are asked for until they come.
    pub fn connect(connection: Connection) -> Result<Self, ConnectError> {
        let (replica, upstream) = connection::open(connection)?;
        let running = replica.clone();
        let pulling = tokio::spawn(async move { running.run(Arc::new(upstream), pending()).await });
        let mut provider = Self::new(replica);
        provider.pulling = Some(pulling.abort_handle());
        Ok(provider)
    }

    /// What it evaluates with; for many flags of one context, ask this directly.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    fn resolve<T>(
        &self,
        flag: &str,
        given: &EvaluationContext,
        wanted: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> EvaluationResult<ResolutionDetails<T>> {
        let served = self.replica.served().ok_or_else(answer::not_ready)?;
        let context = context::of(given)
            .map_err(|violation| answer::error(EvaluationErrorCode::InvalidContext, violation.to_string()))?;
        let evaluation = served.serve(flag, &served.prepare(&context, Utc::now()));
        answer::details(&evaluation, wanted, read)
    }
}

impl Drop for TidegateProvider {
    fn drop(&mut self) {
        if let Some(pulling) = &self.pulling {
            pulling.abort();
        }
    }
}

#[async_trait::async_trait]
impl FeatureProvider for TidegateProvider {
    /// Waits for the first snapshot, for at most five seconds.
    async fn initialize(&mut self, _context: &EvaluationContext) {
        let mut served = self.replica.watch();
        // Without one the provider is not ready, which its status says.
        let _ = timeout(FIRST_SNAPSHOT, served.wait_for(Option::is_some)).await;
    }

    fn status(&self) -> ProviderStatus {
        match self.replica.standing() {
            Standing::Blind => ProviderStatus::NotReady,
            Standing::Current { .. } => ProviderStatus::Ready,
            Standing::Stale { .. } => ProviderStatus::STALE,
        }
    }

    fn metadata(&self) -> &ProviderMetadata {
        &self.metadata
    }

    async fn resolve_bool_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<bool>> {
        self.resolve(flag_key, evaluation_context, "a boolean", Value::as_bool)
    }

    async fn resolve_int_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<i64>> {
        self.resolve(flag_key, evaluation_context, "an integer", Value::as_i64)
    }

    async fn resolve_float_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<f64>> {
        self.resolve(flag_key, evaluation_context, "a number", Value::as_f64)
    }

    async fn resolve_string_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<String>> {
        self.resolve(flag_key, evaluation_context, "a text", |value| {
            value.as_str().map(str::to_owned)
        })
    }

    async fn resolve_struct_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<StructValue>> {
        self.resolve(flag_key, evaluation_context, "an object", answer::structure)
    }
}
