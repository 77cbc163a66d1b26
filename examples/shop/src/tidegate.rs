//! Everything a service says to Tidegate: it asks which variation a user gets, and it tells what
//! happened. Both are plain HTTP to the nearest node; no Tidegate library is needed.

use reqwest::Client;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// What a user sees when Tidegate cannot be asked. A shop must sell even then, so it is the
/// variation that has always worked.
pub(crate) const OLD: &str = "off";

/// How often events are sent. Shorter finds failures sooner, longer makes fewer requests.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Events kept while they wait to be sent; what is beyond is dropped, so that a node that is away
/// costs the shop nothing.
const WAITING_MAX: usize = 10_000;

/// Where Tidegate is.
pub(crate) struct Connection {
    /// Address of the node.
    pub(crate) node: Url,
    /// Secret of a token with the role `client`.
    pub(crate) token: Option<String>,
    /// How long an answer may take.
    pub(crate) patience: Duration,
}

/// The way to one Tidegate node. Clones share it.
#[derive(Clone)]
pub(crate) struct Tidegate(Arc<Inner>);

struct Inner {
    http: Client,
    node: Url,
    token: String,
    waiting: Mutex<Vec<Event>>,
    reachable: AtomicBool,
}

/// One thing that happened. Whom it happened to is nobody's business: Tidegate only counts.
#[derive(Serialize)]
struct Event {
    metric: &'static str,
    value: f64,
    flag: &'static str,
    variation: String,
}

/// The part of an OFREP answer that the shop needs.
#[derive(Deserialize)]
struct Evaluation {
    #[serde(default)]
    variant: String,
}

impl Tidegate {
    /// A way to a node. Nothing is sent yet, and the node may be away.
    pub(crate) fn connect(connection: &Connection) -> Result<Self, String> {
        // reqwest asks for the process-wide choice of cryptography; a second choice is refused,
        // which is fine because it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .timeout(connection.patience)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(Inner {
            http,
            node: connection.node.clone(),
            token: connection.token.clone().unwrap_or_default(),
            waiting: Mutex::default(),
            reachable: AtomicBool::new(true),
        })))
    }

    /// Which variation of the flag this user gets: OpenFeature Remote Evaluation Protocol. Any
    /// failure is the old variation.
    pub(crate) async fn variation(&self, flag: &str, user: &str, country: &str) -> String {
        let context = json!({ "context": { "targetingKey": user, "location": { "country": country } } });
        let answer = self
            .post(&format!("ofrep/v1/evaluate/flags/{flag}"), &context)
            .await;
        let evaluation = match answer {
            Ok(answer) => answer.json::<Evaluation>().await,
            Err(error) => Err(error),
        };
        self.note(&evaluation);
        match evaluation {
            Ok(Evaluation { variant }) if !variant.is_empty() => variant,
            Ok(_) | Err(_) => OLD.to_owned(),
        }
    }

    /// Remembers that something happened, to be told soon.
    pub(crate) fn happened(&self, metric: &'static str, flag: &'static str, variation: &str) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING_MAX {
            waiting.push(Event {
                metric,
                value: 1.0,
                flag,
                variation: variation.to_owned(),
            });
        }
    }

    /// Tells what happened, again and again.
    pub(crate) async fn tell_regularly(self) {
        let mut due = tokio::time::interval(TELL_EVERY);
        loop {
            due.tick().await;
            self.tell().await;
        }
    }

    /// Tells what happened since the last time. What cannot be told is dropped: a rule that gets no
    /// events says so, and never takes silence for health.
    pub(crate) async fn tell(&self) {
        let events = std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if !events.is_empty() {
            let told = self.post("v1/events", &json!({ "events": events })).await;
            self.note(&told);
        }
    }

    async fn post(&self, path: &str, body: &serde_json::Value) -> reqwest::Result<reqwest::Response> {
        let url = format!("{}/{path}", self.0.node.as_str().trim_end_matches('/'));
        let request = self.0.http.post(url).bearer_auth(&self.0.token).json(body);
        request.send().await?.error_for_status()
    }

    /// Logs the first failure after a success and the first success after a failure, not the
    /// thousands between.
    fn note<T>(&self, result: &reqwest::Result<T>) {
        let was_reachable = self.0.reachable.swap(result.is_ok(), Ordering::Relaxed);
        match result {
            Err(error) if was_reachable => {
                tracing::warn!(
                    "no answer from Tidegate, so it is the old variations: {}",
                    cause(error)
                );
            }
            Ok(_) if !was_reachable => tracing::info!("Tidegate answers again"),
            _ => {}
        }
    }
}

/// What lies at the bottom of an error.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
