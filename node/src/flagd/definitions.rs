//! The flag configuration that is synchronised: lowered once for each version, and only if somebody
//! asks for it.

use super::Realm;
use bytes::Bytes;
use std::sync::Arc;
use tidegate_model::snapshot::Digest;
use tidegate_replica::Served;
use tokio::sync::Mutex;
use tonic::Status;

/// What was lowered last.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    newest: Mutex<Option<Arc<Configuration>>>,
}

/// A snapshot in flagd's language.
#[derive(Debug)]
pub(super) struct Configuration {
    /// The turn of the snapshot.
    turn: u64,
    /// JSON text, shared by everybody who is sent it.
    pub(super) text: Bytes,
    /// Identifies the text.
    pub(super) etag: String,
}

/// Length of an ETag, in hexadecimal digits.
const ETAG_DIGITS: usize = 20;

impl Realm {
    /// The configuration of a snapshot.
    ///
    /// # Errors
    /// When no client could use it.
    pub(super) async fn configuration(&self, served: Arc<Served>) -> Result<Arc<Configuration>, Status> {
        // Held while lowering, so that a thousand streams wait for one result.
        let mut newest = self.definitions.newest.lock().await;
        if let Some(known) = newest.as_ref().filter(|known| known.turn >= served.turn()) {
            return Ok(Arc::clone(known));
        }
        let lowered = tokio::task::spawn_blocking(move || lower(&served)).await;
        let lowered =
            lowered.unwrap_or_else(|panic| Err(Status::internal(format!("lowering failed: {panic}"))));
        let configuration = Arc::new(lowered.inspect_err(|status| {
            tracing::error!(node = %self.node.replica().name(), environment = %self.node.environment(),
                cause = status.message(), "flagd's clients cannot have the flag configuration");
        })?);
        self.calls.configuration(configuration.text.len());
        *newest = Some(Arc::clone(&configuration));
        Ok(configuration)
    }
}

fn lower(served: &Served) -> Result<Configuration, Status> {
    let unreadable =
        |error: serde_json::Error| Status::internal(format!("the snapshot cannot be read: {error}"));
    let content = served.definitions().map_err(unreadable)?;
    let lowered = tidegate_interop::flagd::lower(&content, served.version())
        .map_err(|too_large| Status::resource_exhausted(too_large.to_string()))?;
    let text = Bytes::from(lowered.configuration);
    let etag = Digest::of(&text);
    let etag = etag.as_str().get(..ETAG_DIGITS).unwrap_or_default();
    Ok(Configuration {
        turn: served.turn(),
        etag: format!("\"{etag}\""),
        text,
    })
}
