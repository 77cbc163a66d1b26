//! What the control plane publishes, as it is handed on to nodes over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_actors::control::{ControlPlane, Published};
use tidegate_model::key::EnvironmentKey;
use tidegate_replica::publication::Publication;

/// One publication for each environment, which follows what the control plane publishes. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub(crate) struct Publications(Arc<BTreeMap<EnvironmentKey, Publication>>);

impl Publications {
    /// Follows the control plane from now on, on tasks of the current runtime, which end with it.
    pub(crate) fn follow(control: &ControlPlane) -> Self {
        let mut publications = BTreeMap::new();
        for environment in control.environments() {
            let publication = Publication::default();
            if let Some(mut published) = control.follow(environment) {
                let newest = published.borrow_and_update().clone();
                if let Some(Err(error)) = newest.map(|newest| publication.hand_on(newest.bytes.clone())) {
                    tracing::error!(%error, "what is published cannot be handed on");
                }
                let publication = publication.clone();
                actix_rt::spawn(async move {
                    while published.changed().await.is_ok() {
                        let newest = published.borrow_and_update().clone();
                        if let Some(newest) = newest {
                            hand_on(publication.clone(), newest).await;
                        }
                    }
                    publication.close();
                });
            }
            publications.insert(environment.clone(), publication);
        }
        Self(Arc::new(publications))
    }

    /// What is handed on of an environment.
    pub(crate) fn of(&self, environment: &EnvironmentKey) -> Option<&Publication> {
        self.0.get(environment)
    }

    /// Ends all streams and all waiting, because the process is about to end.
    pub(crate) fn close(&self) {
        self.0.values().for_each(Publication::close);
    }

    /// How many nodes follow by a stream, by environment.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (&EnvironmentKey, usize)> {
        self.0
            .iter()
            .map(|(environment, one)| (environment, one.streams()))
    }
}

/// Reading a large snapshot takes milliseconds: elsewhere than on a thread that answers requests.
async fn hand_on(publication: Publication, newest: Arc<Published>) {
    let bytes = newest.bytes.clone();
    match tokio::task::spawn_blocking(move || publication.hand_on(bytes)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "what is published cannot be handed on"),
        Err(panic) => tracing::error!(%panic, "handing on what is published failed"),
    }
}
