//! What happens to the flags, as streams tell it.

use super::Realm;
use super::changes::Outline;
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tidegate_replica::Served;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Status;

/// How often a stream on which nothing happens shows that it lives; proxies cut silent ones off after
/// a minute or so.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// Something that happened. Its flags are named so that clients forget what they kept of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// There is something to evaluate.
    Ready,
    /// These flags may answer something else now.
    Changed(Vec<String>),
    /// Nothing, for a while.
    KeepAlive,
}

impl Event {
    /// Its name in the protocol.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ready => "provider_ready",
            Self::Changed(_) => "configuration_change",
            Self::KeepAlive => "keep_alive",
        }
    }

    /// What it says beside its name.
    pub(super) fn data(&self) -> Option<Map<String, Value>> {
        let Self::Changed(flags) = self else { return None };
        let flags = flags.iter().map(|key| (key.clone(), json!({"type": "update"})));
        Some(Map::from_iter([("flags".to_owned(), flags.collect())]))
    }
}

struct Watching {
    realm: Arc<Realm>,
    served: watch::Receiver<Option<Arc<Served>>>,
    told: Option<Arc<Outline>>,
}

/// Ready as soon as a snapshot is served, then all flags, then every change. Never ends by itself.
///
/// That all flags are named once is for clients that come back: some have kept answers over a time in which
/// nobody could tell them of changes.
pub(super) fn events(realm: &Arc<Realm>) -> impl Stream<Item = Result<Event, Status>> + use<> {
    let watching = Watching {
        served: realm.node.replica().watch(),
        realm: Arc::clone(realm),
        told: None,
    };
    unfold(watching, |mut watching| async {
        let event = watching.next().await?;
        Some((Ok(event), watching))
    })
}

impl Watching {
    /// `None` when there will never be another snapshot, because the node is gone.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let newest = self.served.borrow_and_update().clone();
            if let Some(newest) = newest {
                let outline = self.realm.outline(newest).await;
                match self.told.replace(Arc::clone(&outline)) {
                    None => {
                        self.told = Some(Arc::default());
                        return Some(Event::Ready);
                    }
                    Some(before) => {
                        let changed = outline.changed_since(&before);
                        if !changed.is_empty() {
                            return Some(Event::Changed(changed));
                        }
                    }
                }
            }
            match timeout(SIGN_OF_LIFE, self.served.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_gone)) => return None,
                Err(_nothing_happened) => return Some(Event::KeepAlive),
            }
        }
    }
}
