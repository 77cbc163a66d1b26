//! Notices of change for OFREP clients: server-sent events that say "ask again", never what changed.

pub(crate) mod token;

use crate::access::Grant;
use crate::caller::Hosted;
use crate::node::Node;
use crate::problem::{Kind, Problem};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ContentEncoding, HeaderMap};
use actix_web::web::{Bytes, Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::Stream;
use futures_util::stream::unfold;
use prometheus::IntGauge;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::snapshot::{SnapshotHeader, Version};
use tidegate_replica::Served;
use token::Epoch;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

/// Where streams are.
pub(crate) const PATH: &str = "/ofrep/v1/stream";

/// Most streams of one node. Each costs a few kilobytes.
pub(crate) const STREAMS_MAX: usize = 10_000;

/// After how long there may be room for another stream, in seconds.
const ROOM_AFTER_SECONDS: u64 = 30;

/// How often a stream shows that it lives: often enough for proxies that cut what is silent for half
/// a minute.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// After how long a client whose stream broke shall come back, in milliseconds.
const COME_BACK_AFTER: u32 = 2000;

/// What an address of a stream says.
#[derive(Deserialize)]
pub(crate) struct Address {
    #[serde(default)]
    token: String,
    /// The version of the bulk answer that the address stood in.
    since: Option<String>,
}

/// Notices of changes, as server-sent events: sends a notice whenever another snapshot comes into force, and at once if
/// that happened since the caller last heard.
#[utoipa::path(
    get, path = "/ofrep/v1/stream", operation_id = "followChanges", tag = "evaluation",
    params(
        ("token" = String, Query, description = "From `eventStreams` of a bulk answer; opens streams and nothing else."),
        ("since" = Option<String>, Query, description = "The version of that answer."),
        ("Last-Event-ID" = Option<String>, Header, description = "The last notice received, when coming back."),
    ),
    responses((
        status = 200, description = "Notices until the caller closes the stream.", body = String,
        content_type = "text/event-stream",
    )),
    extensions(("x-tidegate-permission" = json!("none"))),
)]
pub(crate) async fn follow(
    hosted: Data<Hosted>,
    address: Query<Address>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let admitted = hosted
        .0
        .first()
        .and_then(|first| token::admit(&address.token, &hosted.0, Epoch::of(first.now())));
    let Some((node, grant)) = admitted else {
        return Err(Problem::new(
            Kind::Unauthenticated,
            "the address of the stream is too old, or its token was revoked; ask for all flags again, the answer has a \
             fresh one",
        ));
    };
    let Some(room) = node.surface().room_for_stream() else {
        let detail = format!("the node has {STREAMS_MAX} streams already; try another node, or poll");
        return Err(Problem::new(Kind::TooBusy, detail).retry_after(ROOM_AFTER_SECONDS));
    };
    let heard = last_heard(request.headers()).or_else(|| address.since.as_deref()?.parse().ok());
    let following = Following {
        node: node.clone(),
        grant,
        heard,
        told: None,
        served: node.replica().watch(),
        closing: node.surface().closing(),
        heartbeat: Instant::now() + HEARTBEAT,
        greeted: false,
        _room: room,
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Proxies that collect answers before they pass them on would keep the notices.
        .insert_header(("x-accel-buffering", "no"))
        .insert_header(ContentEncoding::Identity)
        .streaming(following.notices()))
}

/// The last version that the client heard of, if it was connected before.
fn last_heard(headers: &HeaderMap) -> Option<Version> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// One stream.
struct Following {
    node: Node,
    grant: Grant,
    /// The version that the client came with; `None` when it knew none.
    heard: Option<Version>,
    /// The turn of the snapshot that this stream told of last.
    told: Option<u64>,
    /// Holds the newest snapshot only: a client that reads slowly misses none but stale news.
    served: watch::Receiver<Option<Arc<Served>>>,
    closing: watch::Receiver<bool>,
    heartbeat: Instant,
    greeted: bool,
    _room: Room,
}

/// A place among the streams, given back when the stream is dropped.
pub(crate) struct Room {
    _permit: OwnedSemaphorePermit,
    open: IntGauge,
}

impl Room {
    pub(crate) fn new(permit: OwnedSemaphorePermit, open: IntGauge) -> Self {
        open.inc();
        Self {
            _permit: permit,
            open,
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.open.dec();
    }
}

impl Following {
    fn notices(self) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
        unfold(self, async |mut following| {
            let text = following.next().await?;
            Some((Ok(text), following))
        })
    }

    /// The next piece of the stream; `None` ends it.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            let notice = self.news().unwrap_or_default();
            return Some(format!("retry: {COME_BACK_AFTER}\n\n{notice}").into());
        }
        loop {
            tokio::select! {
                changed = self.served.changed() => changed.ok()?,
                _ = self.closing.wait_for(|closing| *closing) => return None,
                () = sleep_until(self.heartbeat) => {
                    self.heartbeat = Instant::now() + HEARTBEAT;
                    // Whoever lost the right to evaluate loses the notices too.
                    self.node.access().find(self.grant.credential.handle())?;
                    return Some(Bytes::from_static(b":\n\n"));
                }
            }
            if let Some(notice) = self.news() {
                return Some(notice.into());
            }
        }
    }

    /// The notice that something changed, if it did since the client last heard.
    fn news(&mut self) -> Option<String> {
        let served = self.served.borrow_and_update().clone()?;
        let known = match self.told.replace(served.turn()) {
            Some(turn) => turn == served.turn(),
            // A client that came with this version may know another form of it. Asking once too often is cheap.
            None => self.heard == Some(served.version()) && !served.is_another_form(),
        };
        if known {
            return None;
        }
        self.node.surface().metrics().notices.inc();
        Some(notice(served.header()))
    }
}

/// "Ask again", as OFREP writes it. The id is where the client goes on after its stream broke.
fn notice(header: &SnapshotHeader) -> String {
    let version = header.version;
    let created = header.created.timestamp();
    format!(
        "event: message\nid: {version}\ndata: {{\"type\":\"refetchEvaluation\",\"etag\":\"\\\"{version}\\\"\",\"lastModified\":{created}}}\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Admission, ClientAccess};
    use crate::credential::{Credential, Handle};
    use std::sync::atomic::{AtomicBool, Ordering};
    use tidegate_model::key::{EnvironmentKey, NodeName};
    use tidegate_replica::{Replica, ReplicaSettings};

    /// Admits everybody until it does not.
    #[derive(Default)]
    struct Revocable(AtomicBool);

    const GRANT: Grant = Grant {
        scope: crate::access::Scope::Client,
        credential: Credential::NOBODY,
    };

    impl ClientAccess for Revocable {
        fn admit(&self, _: Option<&str>) -> Admission {
            Admission::Granted(GRANT)
        }

        fn find(&self, _: Handle) -> Option<Grant> {
            (!self.0.load(Ordering::Relaxed)).then_some(GRANT)
        }
    }

    fn following(access: &Arc<Revocable>) -> Following {
        let replica = Replica::new(ReplicaSettings {
            name: NodeName::new("n1").unwrap(),
            environment: EnvironmentKey::new("production").unwrap(),
            folder: None,
            trust: tidegate_replica::Trust::Channel,
            spool_bytes_max: tidegate_replica::SPOOL_BYTES_DEFAULT,
        });
        let node = Node::new(replica.unwrap(), Arc::clone(access) as Arc<dyn ClientAccess>).unwrap();
        Following {
            grant: GRANT,
            heard: None,
            told: None,
            served: node.replica().watch(),
            closing: node.surface().closing(),
            heartbeat: Instant::now() + HEARTBEAT,
            greeted: false,
            _room: node.surface().room_for_stream().unwrap(),
            node,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn r13_a_quiet_stream_shows_that_it_lives() {
        let mut following = following(&Arc::default());
        assert_eq!(following.next().await.unwrap(), "retry: 2000\n\n");
        for _ in 0..3 {
            let before = Instant::now();
            assert_eq!(following.next().await.unwrap(), ":\n\n");
            let silence = before.elapsed();
            assert!((15..=25).contains(&silence.as_secs()), "{silence:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn x07_a_revoked_credential_takes_its_streams_with_it() {
        let access = Arc::new(Revocable::default());
        let mut following = following(&access);
        following.next().await.unwrap();
        access.0.store(true, Ordering::Relaxed);
        assert_eq!(following.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn f60_streams_end_when_the_node_stops() {
        let mut following = following(&Arc::default());
        following.next().await.unwrap();
        following.node.surface().close();
        let before = Instant::now();
        assert_eq!(following.next().await, None);
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn streams_are_bounded_and_give_their_room_back() {
        let first = following(&Arc::default());
        let surface = first.node.surface();
        let mut rooms: Vec<Room> = std::iter::repeat_with(|| surface.room_for_stream())
            .map_while(|room| room)
            .collect();
        assert_eq!(rooms.len() + 1, STREAMS_MAX);
        rooms.pop();
        assert!(surface.room_for_stream().is_some());
    }
}
