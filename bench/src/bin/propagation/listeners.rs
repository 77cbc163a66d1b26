//! Connections that wait for snapshots, as nodes do, and say when they get one.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// Longest that a change may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections that are opened at the same time.
const OPENING: usize = 32;

/// The connections, and what they hear.
pub(crate) struct Listeners {
    count: usize,
    heard: UnboundedReceiver<(usize, Instant)>,
}

impl Listeners {
    /// Opens `count` connections, one after another in small groups.
    pub(crate) async fn open(count: usize, port: u16, token: &str) -> Self {
        let (say, heard) = unbounded_channel();
        futures_util::stream::iter(0..count)
            .for_each_concurrent(OPENING, |place| listen(place, port, token, say.clone()))
            .await;
        Self { count, heard }
    }

    /// Forgets what was heard so far: the next word is about the next change.
    pub(crate) fn forget(&mut self) {
        while self.heard.try_recv().is_ok() {}
    }

    /// Waits until all have heard of something; when each did.
    pub(crate) async fn wait_for_all(&mut self) -> Vec<Instant> {
        let mut have = HashSet::new();
        let mut moments = Vec::with_capacity(self.count);
        while have.len() < self.count {
            let next = timeout(PATIENCE, self.heard.recv()).await;
            let (place, moment) = next
                .unwrap_or_else(|_| {
                    panic!("{} of {} connections heard of the change", have.len(), self.count)
                })
                .expect("the connections live");
            if have.insert(place) {
                moments.push(moment);
            }
        }
        moments
    }
}

/// Opens one connection that asks again as soon as it was answered; whenever it gets a snapshot, that is
/// told. Opened when the first request is answered.
async fn listen(place: usize, port: u16, token: &str, say: UnboundedSender<(usize, Instant)>) {
    let stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("the control plane listens");
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let authorization = format!("Bearer {token}");
    let first = ask(&mut sender, &authorization, None).await;
    let (_, mut after) = first.expect("a snapshot");
    tokio::spawn(async move {
        // It ends with the control plane; a connection lost before that is missed in `wait_for_all`.
        while let Ok((fresh, etag)) = ask(&mut sender, &authorization, Some(&after)).await {
            after = etag;
            if fresh && say.send((place, Instant::now())).is_err() {
                return;
            }
        }
    });
}

/// Waits for a snapshot that is newer than `after`; whether there is one, and the newest's ETag.
async fn ask(
    sender: &mut SendRequest<Empty<Bytes>>,
    authorization: &str,
    after: Option<&str>,
) -> Result<(bool, String), hyper::Error> {
    sender.ready().await?;
    let mut request = hyper::Request::get("/api/v1/production/snapshots/current?wait=30")
        .header("host", "127.0.0.1")
        .header("authorization", authorization);
    if let Some(etag) = after {
        request = request.header("if-none-match", etag);
    }
    let request = request.body(Empty::new()).expect("a request");
    let (head, body) = sender.send_request(request).await?.into_parts();
    body.collect().await?;
    assert!([200, 304].contains(&head.status.as_u16()), "{}", head.status);
    let etag = head.headers.get("etag").and_then(|etag| etag.to_str().ok());
    Ok((head.status == 200, etag.expect("an ETag").to_owned()))
}
