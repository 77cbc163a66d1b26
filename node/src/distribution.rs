//! Handing snapshots on to nodes over HTTP: what a control plane and a relay do alike. Who may ask is
//! for them to say; this is what the answers look like.

mod admitted;
mod stream;

pub use stream::stream;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, VARY,
};
use actix_web::{HttpRequest, HttpResponse};
use admitted::Admitted;
use std::time::Duration;
use tidegate_model::snapshot::Version;
use tidegate_replica::publication::{Coded, Coding, Publication};

/// The media type of a delta.
pub const DELTA: &str = "application/vnd.tidegate.delta+json";

/// What a node asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The version that it serves.
    pub after: Option<Version>,
    /// How long it is willing to wait for a newer one.
    pub wait: Duration,
    /// Whether a delta from that version will do.
    pub delta: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nothing was published yet.
    NothingYet,
    /// Too much is on its way already.
    TooMuch {
        /// After how many seconds to ask again; drawn at random, so that those who were sent away do
        /// not come back in step.
        retry_after: u64,
    },
}

impl Ask {
    /// The version that the node serves: what the query says, else what `If-None-Match` says. A delta
    /// will do if the query says so, or `Accept` names it.
    #[must_use]
    pub fn of(request: &HttpRequest, after: Option<Version>, wait: Duration, delta: bool) -> Self {
        let accepts = text(request, &ACCEPT)
            .split(',')
            .any(|one| one.trim().starts_with(DELTA));
        Self {
            after: after.or_else(|| etag_version(request)),
            wait,
            delta: delta || accepts,
        }
    }
}

/// Answers with the newest snapshot, or the way to it, as soon as there is one that the node does not
/// have; 304 if there is none within its patience.
///
/// # Errors
/// See [`NoAnswer`].
pub async fn pull(
    publication: &Publication,
    request: &HttpRequest,
    ask: &Ask,
) -> Result<HttpResponse, NoAnswer> {
    let newest = publication.newer_than(ask.after, ask.wait).await;
    let newest = newest.ok_or(NoAnswer::NothingYet)?;
    let etag = format!("\"{}\"", newest.version());
    if ask.after == Some(newest.version()) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    let accepted = Coding::accepted(text(request, &ACCEPT_ENCODING));
    let delta = ask
        .after
        .filter(|_| ask.delta)
        .and_then(|after| newest.delta_since(after));
    let mut response = HttpResponse::build(StatusCode::OK);
    response.insert_header((ETAG, etag));
    response.insert_header((VARY, "accept, accept-encoding, if-none-match"));
    if let Some(delta) = delta {
        let (bytes, coding) = coded(&delta, accepted).await;
        response.insert_header((CONTENT_TYPE, DELTA));
        response.insert_header((CONTENT_ENCODING, coding.name()));
        return Ok(response.body(bytes));
    }
    let admitted = publication.admit_whole(newest.whole().plain().len());
    let admitted = admitted.map_err(|_| NoAnswer::too_much())?;
    let (bytes, coding) = coded(newest.whole(), accepted).await;
    response.insert_header((CONTENT_TYPE, "application/json"));
    response.insert_header((CONTENT_ENCODING, coding.name()));
    Ok(response.body(Admitted::new(bytes, admitted)))
}

/// The bytes in the form that was accepted. Yields first, if they still have to be compressed: what
/// waits on this thread goes before the first who asks for a new version.
async fn coded(bytes: &Coded, accepted: Coding) -> (bytes::Bytes, Coding) {
    if !bytes.is_ready(accepted) {
        tokio::task::yield_now().await;
    }
    bytes.in_form(accepted)
}

impl NoAnswer {
    /// Too much is on its way; come back at a random moment of the next seconds.
    fn too_much() -> Self {
        let drawn = getrandom::u32().map_or(2, |bits| u64::from(bits % 5));
        Self::TooMuch {
            retry_after: 1 + drawn,
        }
    }
}

fn text<'a>(request: &'a HttpRequest, name: &HeaderName) -> &'a str {
    let value = request.headers().get(name);
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn etag_version(request: &HttpRequest) -> Option<Version> {
    let etag = text(request, &IF_NONE_MATCH).trim();
    etag.trim_start_matches("W/").trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;
    use actix_web::test::TestRequest;
    use bytes::Bytes;
    use serde_json::json;
    use tidegate_model::Timestamp;
    use tidegate_model::snapshot::{Delta, Snapshot};

    fn version(number: u64) -> Version {
        Version { epoch: 1, number }
    }

    fn snapshot(number: u64, flags: usize) -> Bytes {
        let flags: Vec<_> = (0..flags)
            .map(|flag| json!({"flag": {"key": format!("f{flag:03}"), "type": "boolean"}}))
            .collect();
        let content = json!({"environment": "production", "flags": flags, "segments": []});
        let content = serde_json::from_value(content).unwrap();
        let snapshot = Snapshot::seal(&content, version(number), Timestamp::default(), None).unwrap();
        serde_json::to_vec(&snapshot).unwrap().into()
    }

    fn request(headers: &[(&'static str, &str)]) -> HttpRequest {
        let request = headers.iter().fold(TestRequest::default(), |request, header| {
            request.insert_header(*header)
        });
        request.to_http_request()
    }

    #[test]
    fn what_is_asked_is_read_off_query_and_headers() {
        for (text, expected) in [
            ("\"1.42\"", Some(42)),
            ("W/\"1.42\"", Some(42)),
            ("\"x\"", None),
            ("*", None),
        ] {
            let ask = Ask::of(&request(&[("if-none-match", text)]), None, Duration::ZERO, false);
            assert_eq!(ask.after, expected.map(version), "{text}");
        }
        let both = request(&[
            ("if-none-match", "\"1.42\""),
            ("accept", "text/html, application/vnd.tidegate.delta+json;q=1"),
        ]);
        let ask = Ask::of(&both, Some(version(7)), Duration::ZERO, false);
        assert_eq!((ask.after, ask.delta), (Some(version(7)), true));
    }

    #[actix_web::test]
    async fn the_answer_is_a_304_a_delta_or_the_whole() {
        let publication = Publication::default();
        let ask = |after: Option<u64>, delta| Ask {
            after: after.map(version),
            wait: Duration::ZERO,
            delta,
        };
        let plain = request(&[]);
        let nothing = pull(&publication, &plain, &ask(None, true)).await;
        assert_eq!(nothing.unwrap_err(), NoAnswer::NothingYet);
        for (number, flags) in [(1, 40), (2, 41)] {
            publication.hand_on(snapshot(number, flags)).unwrap();
        }
        let whole = pull(&publication, &plain, &ask(Some(1), false)).await.unwrap();
        assert_eq!(whole.headers().get("etag").unwrap(), "\"1.2\"");
        assert_eq!(to_bytes(whole.into_body()).await.unwrap(), snapshot(2, 41));
        let same = pull(&publication, &plain, &ask(Some(2), true)).await.unwrap();
        assert_eq!(same.status(), 304);
        let delta = pull(&publication, &plain, &ask(Some(1), true)).await.unwrap();
        assert_eq!(delta.headers().get("content-type").unwrap(), DELTA);
        let delta: Delta = serde_json::from_slice(&to_bytes(delta.into_body()).await.unwrap()).unwrap();
        let base = serde_json::from_slice(&snapshot(1, 40)).unwrap();
        let reached = serde_json::to_vec(&delta.apply(&base).unwrap()).unwrap();
        assert_eq!(reached, snapshot(2, 41));
        // A version that nobody remembers, and a compressed answer.
        let zstd = request(&[("accept-encoding", "zstd")]);
        let forgotten = pull(&publication, &zstd, &ask(Some(99), true)).await.unwrap();
        assert_eq!(forgotten.headers().get("content-encoding").unwrap(), "zstd");
        assert_eq!(
            forgotten.headers().get("content-type").unwrap(),
            "application/json"
        );
    }

    #[actix_web::test]
    async fn f69_a_storm_is_sent_away_with_different_waits() {
        let publication = Publication::default();
        publication.hand_on(snapshot(1, 3)).unwrap();
        let ask = Ask {
            after: None,
            wait: Duration::ZERO,
            delta: false,
        };
        let plain = request(&[]);
        let mut under_way = Vec::new();
        let mut waits = std::collections::BTreeSet::new();
        for _ in 0..700 {
            match pull(&publication, &plain, &ask).await {
                Ok(answer) => under_way.push(answer),
                Err(NoAnswer::TooMuch { retry_after }) => {
                    assert!((1..=5).contains(&retry_after));
                    waits.insert(retry_after);
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(under_way.len(), 512);
        assert!(waits.len() > 1, "{waits:?}");
        let sent = to_bytes(under_way.pop().unwrap().into_body()).await.unwrap();
        assert_eq!(sent, snapshot(1, 3));
        assert!(pull(&publication, &plain, &ask).await.is_ok());
    }
}
