//! The control plane's HTTP API, as the command line uses it.

use super::failure::Failure;
use super::problem::Problem;
use super::target::Target;
use reqwest::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
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
        let request = self.request(Method::PUT, path);
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
    /// minutes.
    pub(crate) async fn upload(
        &self,
        path: &str,
        media_type: &str,
        file: reqwest::Body,
        seen: Option<&Answer>,
    ) -> Result<Answer, Failure> {
        let request = self.request(Method::PUT, path).timeout(UPLOAD_PATIENCE);
        let request = match seen {
            Some(answer) => request.header(IF_MATCH, &answer.etag),
            None => request.header(IF_NONE_MATCH, "*"),
        };
        self.send(request.header(CONTENT_TYPE, media_type).body(file))
            .await
    }

    /// Asks for something to be done or made.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Answer, Failure> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Removes a thing.
    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.send(self.request(Method::DELETE, path)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let unreachable = |source| Failure::Unreachable {
            url: self.base.clone(),
            source,
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.unwrap_or_default().to_owned();
        let url = response.url().to_string();
        let body = response.bytes().await.map_err(unreachable)?.to_vec();
        if status.is_success() {
            return Ok(Answer { url, etag, body });
        }
        Err(Failure::Problem(Box::new(problem(status, &body))))
    }
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
