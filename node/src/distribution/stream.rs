//! Word of new versions as server-sent events.
//!
//! A subscriber has no queue: it is told the newest version whenever its connection takes something,
//! and those in between are left out. One that takes nothing costs nothing and slows nobody; the
//! server's sockets give up on it (`distribution::patient_socket`).

use super::NoAnswer;
use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING};
use bytes::Bytes;
use futures_util::stream::unfold;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::snapshot::Version;
use tidegate_replica::publication::{Issue, OnItsWay, Publication};
use tokio::sync::watch;

/// The shortest and the longest time between two events, drawn anew for each, so that thousands of
/// streams do not beat together. Well under the idle limits of usual proxies.
const HEARTBEAT_MILLISECONDS: (u32, u32) = (15_000, 25_000);

struct Subscriber {
    newest: watch::Receiver<Option<Arc<Issue>>>,
    closed: watch::Receiver<bool>,
    told: Option<Version>,
    /// Whether anything was sent: the first event comes at once, so that the subscriber knows that
    /// the stream works and where it stands.
    begun: bool,
    _leave: OnItsWay,
}

/// Tells of every version above `after`, for as long as the connection lasts: `snapshot` with version,
/// digest and, if it is small, the delta; `heartbeat` with the version in between.
///
/// # Errors
/// When too many streams are open.
pub fn stream(publication: &Publication, after: Option<Version>) -> Result<HttpResponse, NoAnswer> {
    let leave = publication.admit_stream().map_err(|_| NoAnswer::too_much())?;
    let subscriber = Subscriber {
        newest: publication.watch(),
        closed: publication.watch_closed(),
        told: after,
        begun: false,
        _leave: leave,
    };
    let events = unfold(subscriber, |mut subscriber| async move {
        let event = subscriber.next().await?;
        Some((Ok::<_, Infallible>(event), subscriber))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        // Compressed, events would wait for each other.
        .insert_header((CONTENT_ENCODING, "identity"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(events))
}

impl Subscriber {
    async fn next(&mut self) -> Option<Bytes> {
        let heartbeat = tokio::time::sleep(interval());
        tokio::pin!(heartbeat);
        loop {
            if *self.closed.borrow() {
                return None;
            }
            let newest = self.newest.borrow_and_update().clone();
            let version = newest.as_ref().map(|issue| issue.version());
            if let Some(issue) = newest.filter(|issue| Some(issue.version()) > self.told) {
                let last = self.told.replace(issue.version());
                self.begun = true;
                return Some(issue.news_since(last));
            }
            if !std::mem::replace(&mut self.begun, true) {
                return Some(beat(version));
            }
            tokio::select! {
                changed = self.newest.changed() => changed.ok()?,
                _ = self.closed.changed() => {}
                () = &mut heartbeat => return Some(beat(version)),
            }
        }
    }
}

fn beat(version: Option<Version>) -> Bytes {
    let data = serde_json::json!({ "version": version });
    format!("event: heartbeat\ndata: {data}\n\n").into()
}

fn interval() -> Duration {
    let (shortest, longest) = HEARTBEAT_MILLISECONDS;
    let drawn = getrandom::u32().unwrap_or_default() % (longest - shortest);
    Duration::from_millis(u64::from(shortest + drawn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody;
    use serde_json::{Value, json};
    use tidegate_model::Timestamp;
    use tidegate_model::snapshot::Snapshot;

    fn snapshot(number: u64) -> Bytes {
        let content = json!({"environment": "production", "segments": [],
            "flags": [{"flag": {"key": "f", "type": "boolean", "description": format!("{number} {}", "x".repeat(900))}},
                {"flag": {"key": "g", "type": "boolean", "description": "y".repeat(900)}}]});
        let content = serde_json::from_value(content).unwrap();
        let snapshot = Snapshot::seal(&content, Version { epoch: 1, number }, Timestamp::default(), None);
        serde_json::to_vec(&snapshot.unwrap()).unwrap().into()
    }

    /// The kind of an event and what it says.
    fn read(event: &Bytes) -> (String, Value) {
        let text = std::str::from_utf8(event).unwrap().strip_suffix("\n\n").unwrap();
        let line = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap()
                .to_owned()
        };
        (line("event: "), serde_json::from_str(&line("data: ")).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn f70_a_subscriber_hears_of_the_newest_only() {
        let publication = Publication::default();
        let response = stream(&publication, None).unwrap();
        assert_eq!(publication.streams(), 1);
        let mut body = Box::pin(response.into_body());
        let mut next = async || {
            let event = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await;
            event.map(|event| read(&event.map_err(|_| "no error").unwrap()))
        };
        assert_eq!(
            next().await.unwrap(),
            ("heartbeat".to_owned(), json!({"version": null}))
        );
        publication.hand_on(snapshot(1)).unwrap();
        let (kind, word) = next().await.unwrap();
        assert_eq!(
            (kind.as_str(), &word["version"]["number"], word.get("delta")),
            ("snapshot", &json!(1), None)
        );
        // It takes nothing while three versions go by.
        for number in 2..=4 {
            publication.hand_on(snapshot(number)).unwrap();
        }
        let (kind, word) = next().await.unwrap();
        assert_eq!(
            (kind.as_str(), &word["version"]["number"]),
            ("snapshot", &json!(4))
        );
        assert_eq!(word["delta"]["base"]["number"], 1);
        assert_eq!(word["delta"]["flags"]["changed"].as_array().unwrap().len(), 1);
        let started = tokio::time::Instant::now();
        let (kind, word) = next().await.unwrap();
        assert_eq!(
            (kind.as_str(), &word["version"]["number"]),
            ("heartbeat", &json!(4))
        );
        let waited = started.elapsed().as_secs_f64();
        assert!((15.0..=25.1).contains(&waited), "{waited}");
        publication.close();
        assert!(next().await.is_none());
        drop(body);
        assert_eq!(publication.streams(), 0);
    }

    #[tokio::test]
    async fn who_knows_the_newest_is_told_so_at_once() {
        let publication = Publication::default();
        publication.hand_on(snapshot(7)).unwrap();
        let known = Some(Version { epoch: 1, number: 7 });
        let mut body = Box::pin(stream(&publication, known).unwrap().into_body());
        let event = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await;
        let (kind, word) = read(&event.unwrap().map_err(|_| "no error").unwrap());
        assert_eq!(
            (kind.as_str(), &word["version"]["number"]),
            ("heartbeat", &json!(7))
        );
    }
}
