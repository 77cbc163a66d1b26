//! The control plane's HTTP API, as the command line uses it.

use super::failure::Failure;
use super::problem::Problem;
use super::target::Target;
use reqwest::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, StatusCode, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use tidegate_model::key::EnvironmentKey;

/// How long an answer may take: longer than anything the control plane does, shorter than patience.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a file may take to be sent and taken in: as long as the control plane waits for it.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(600);

/// Names a change, so that it can be sent again.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// How long to wait before each time that something is sent again.
const WAITS: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(900),
];

/// The longest wait, whatever one is told.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Paths of what is answered alike when it is changed and when it is read.
const THINGS: [&str; 6] = [
    "/flags/",
    "/segments/",
    "/policies/",
    "/rollouts/",
    "/experiments/",
    "/settings",
];

/// The way to one control plane.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    environment: EnvironmentKey,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    url: String,
    /// The revision, as the server spells it; empty if it named none.
    etag: String,
    body: Vec<u8>,
}

/// What is sent.
pub(crate) enum Body {
    /// JSON.
    Json(Value),
    /// A policy's text.
    Yaml(String),
}

impl Client {
    /// The way to the control plane that the command line names. Nothing is sent yet.
    pub(crate) fn new(target: &Target) -> Result<Self, Failure> {
        // reqwest asks for the process-wide choice of cryptography. A second choice is refused,
        // which is fine because it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = target.url.as_str().trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            // A token goes where it was meant to go, nowhere else.
            .redirect(redirect::Policy::none())
            .build();
        Ok(Self {
            http: http.map_err(|source| Failure::Unreachable {
                url: base.clone(),
                source,
            })?,
            base,
            token: target.token()?,
            environment: target.environment.clone(),
        })
    }

    /// The environment it speaks of.
    pub(crate) fn environment(&self) -> &EnvironmentKey {
        &self.environment
    }

    /// The path of something in the environment. Names need no escaping: they have no character
    /// that means something in a path.
    pub(crate) fn within(&self, path: &str) -> String {
        format!("/api/v1/{}/{path}", self.environment)
    }

    /// One thing.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(self.request(Method::GET, path)).await
    }

    /// One thing, or `None` if there is no such thing.
    pub(crate) async fn find(&self, path: &str) -> Result<Option<Answer>, Failure> {
        match self.get(path).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Failure::Problem(problem)) if problem.is_not_found() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Saves a thing: over the revision that `seen` came with, or as a new thing.
    pub(crate) async fn put(&self, path: &str, body: Body, seen: Option<&Answer>) -> Result<Answer, Failure> {
        let request = self.change(Method::PUT, path);
        let request = match seen {
            Some(answer) => request.header(IF_MATCH, &answer.etag),
            None => request.header(IF_NONE_MATCH, "*"),
        };
        let request = match body {
            Body::Json(value) => request.json(&value),
            Body::Yaml(text) => request.header(CONTENT_TYPE, "application/yaml").body(text),
        };
        self.send(request).await
    }

    /// Sends a file to be taken in over the revision that `seen` came with, or as a new thing. It may take
    /// minutes. `file` opens it, once for each time it has to be sent.
    pub(crate) async fn upload(
        &self,
        path: &str,
        media_type: &str,
        seen: Option<&Answer>,
        file: impl AsyncFn() -> Result<reqwest::Body, Failure>,
    ) -> Result<Answer, Failure> {
        let request = self.change(Method::PUT, path).timeout(UPLOAD_PATIENCE);
        let request = match seen {
            Some(answer) => request.header(IF_MATCH, &answer.etag),
            None => request.header(IF_NONE_MATCH, "*"),
        };
        let request = request.header(CONTENT_TYPE, media_type);
        self.repeat(async || {
            let body = file().await?;
            Ok(request.try_clone().map(|request| request.body(body)))
        })
        .await
    }

    /// Asks for something to be done or made.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Answer, Failure> {
        self.send(self.change(Method::POST, path).json(body)).await
    }

    /// Removes a thing.
    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.send(self.change(Method::DELETE, path)).await
    }

    /// Removes a thing, if it is still as it was seen.
    pub(crate) async fn delete_seen(&self, path: &str, seen: &Answer) -> Result<Answer, Failure> {
        let request = self.change(Method::DELETE, path);
        self.send(request.header(IF_MATCH, &seen.etag)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A request that changes something. It has a name of its own, under which it is not done twice, however often it
    /// is sent.
    fn change(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header(IDEMPOTENCY_KEY, fresh_key())
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        self.repeat(async || Ok(request.try_clone())).await
    }

    /// Sends a request until it is answered, or it is not worth trying any more. What was done, and is not to be
    /// answered any more, is looked at.
    async fn repeat(
        &self,
        make: impl AsyncFn() -> Result<Option<RequestBuilder>, Failure>,
    ) -> Result<Answer, Failure> {
        let mut waits = WAITS.iter();
        loop {
            let Some(request) = make().await? else {
                return Err(Failure::process("cannot send", "a request has no body any more"));
            };
            let heard = self.hear(request).await;
            let wait = heard.wait(waits.next().copied());
            match (wait, heard) {
                (Some(wait), _) => tokio::time::sleep(wait).await,
                (None, Heard::Nothing(source)) => {
                    return Err(Failure::Unreachable {
                        url: self.base.clone(),
                        source,
                    });
                }
                (None, Heard::Answer { status, answer, .. }) if status.is_success() => return Ok(answer),
                (
                    None,
                    Heard::Answer {
                        status,
                        answer,
                        place,
                        ..
                    },
                ) => {
                    let (Some(place), StatusCode::SEE_OTHER) = (place, status) else {
                        return Err(Failure::Problem(Box::new(problem(status, &answer.body))));
                    };
                    let known = THINGS.iter().any(|thing| place.contains(thing));
                    if !known || !place.starts_with('/') {
                        return Err(Failure::Problem(Box::new(problem(status, &answer.body))));
                    }
                    return Box::pin(self.get(&place)).await;
                }
            }
        }
    }

    async fn hear(&self, request: RequestBuilder) -> Heard {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Heard::Nothing(error),
        };
        let status = response.status();
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let etag = text(ETAG).unwrap_or_default().to_owned();
        let place = text(LOCATION).map(str::to_owned);
        let retry_after = text(RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        let url = response.url().to_string();
        match response.bytes().await {
            Ok(body) => Heard::Answer {
                status,
                place,
                retry_after: retry_after.map(Duration::from_secs),
                answer: Answer {
                    url,
                    etag,
                    body: body.to_vec(),
                },
            },
            Err(error) => Heard::Nothing(error),
        }
    }
}

/// What came of sending a request.
enum Heard {
    /// No answer, or only a part of one.
    Nothing(reqwest::Error),
    /// An answer.
    Answer {
        status: StatusCode,
        place: Option<String>,
        retry_after: Option<Duration>,
        answer: Answer,
    },
}

impl Heard {
    /// How long to wait before it is sent again, where this is how long one waits unless one is told; `None` if it is
    /// not worth it.
    fn wait(&self, wait: Option<Duration>) -> Option<Duration> {
        let wait = wait?;
        match self {
            // Whoever waited that long has waited long enough.
            Self::Nothing(error) => (!error.is_timeout() && !error.is_builder()).then_some(wait),
            Self::Answer {
                status, retry_after, ..
            } => match (status.as_u16(), retry_after) {
                (502 | 504, told) => Some(told.unwrap_or(wait).min(WAIT_MAX)),
                // Of these, some mean what they say: they are sent again if they say when.
                (409 | 503, Some(told)) => Some((*told).min(WAIT_MAX)),
                _ => None,
            },
        }
    }
}

/// A name that no request had before: a random UUID.
fn fresh_key() -> String {
    let mut bytes = [0; 16];
    // Without random numbers all requests had one name, and were refused as other ones: none is done twice.
    let _ = getrandom::fill(&mut bytes);
    let [a, b, c, d, e, f, version, g, variant, rest @ ..] = bytes;
    let head = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let (version, variant) = ((version & 0x0f) | 0x40, (variant & 0x3f) | 0x80);
    let tail = rest.iter().fold(0, |tail, byte| (tail << 8) | u64::from(*byte));
    let (first, second) = (head >> 16, head & 0xffff);
    format!(
        "{first:08x}-{second:04x}-{version:02x}{g:02x}-{variant:02x}{:02x}-{:012x}",
        tail >> 48,
        tail & 0xffff_ffff_ffff
    )
}

fn problem(status: StatusCode, body: &[u8]) -> Problem {
    Problem::read(
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body,
    )
}

impl Answer {
    /// The body as this type.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| Failure::StrangeAnswer {
            url: self.url.clone(),
            source: Box::new(error),
        })
    }

    /// The items of a list.
    pub(crate) fn items<T: DeserializeOwned>(&self) -> Result<Vec<T>, Failure> {
        Ok(self.read::<Items<T>>()?.items)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, with all that it says; null when it is empty.
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        self.read()
    }
}

#[derive(serde::Deserialize)]
struct Items<T> {
    items: Vec<T>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn answered(status: u16, retry_after: Option<u64>) -> Heard {
        Heard::Answer {
            status: StatusCode::from_u16(status).unwrap(),
            place: None,
            retry_after: retry_after.map(Duration::from_secs),
            answer: Answer {
                url: String::new(),
                etag: String::new(),
                body: Vec::new(),
            },
        }
    }

    #[test]
    fn f29_what_may_be_over_soon_is_sent_again() {
        let (usual, told, most) = (Some(WAITS[0]), Some(Duration::from_secs(2)), Some(WAIT_MAX));
        for (status, retry_after, expected) in [
            (502, None, usual),
            (504, Some(2), told),
            (503, Some(2), told),
            (503, Some(3600), most),
            (409, Some(2), told),
            // These mean what they say.
            (503, None, None),
            (409, None, None),
            (429, Some(2), None),
            (200, None, None),
            (500, None, None),
        ] {
            let wait = answered(status, retry_after).wait(usual);
            assert_eq!(wait, expected, "{status} {retry_after:?}");
        }
        assert_eq!(answered(502, None).wait(None), None, "not for ever");
    }

    #[test]
    fn f29_every_change_has_a_name_of_its_own() {
        let keys: BTreeSet<String> = (0..1000).map(|_| fresh_key()).collect();
        assert_eq!(keys.len(), 1000);
        for key in keys {
            let parts: Vec<usize> = key.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{key}");
            assert_eq!(&key[14..15], "4", "{key}");
            assert!("89ab".contains(&key[19..20]), "{key}");
        }
    }
}
