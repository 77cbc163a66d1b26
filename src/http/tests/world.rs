//! A control plane with two environments and a token of every kind, and a way to ask it.

use crate::http::{ApiState, configure};
use crate::tokens::Secret;
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_actors::clock::{Clock, TokioClock};
use tidegate_actors::control::{ControlPlane, Parts};
use tidegate_actors::keys::KeyBook;
use tidegate_actors::measures::Measures;
use tidegate_actors::notices::{Cursors, Targets};
use tidegate_actors::observing::Observatory;
use tidegate_model::Timestamp;
use tidegate_model::access::{Author, Role, Token};
use tidegate_model::key::{EnvironmentKey, TokenName};
use tidegate_store::{MemoryStore, Store};

/// The environment that most tests ask about.
pub(super) const PRODUCTION: &str = "production";
/// Another one.
pub(super) const STAGING: &str = "staging";

/// The clock of a world: from a moment of its own on.
pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock::starting_at("2030-06-01T12:00:00Z".parse().unwrap()))
}

/// A control plane over HTTP.
pub(super) struct World {
    pub(super) control: ControlPlane,
    state: ApiState,
    secrets: BTreeMap<String, String>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The body, if it is JSON.
    pub(super) json: Value,
    /// The body as text.
    pub(super) text: String,
}

/// What is asked. Without a token, headers and body, until they are given.
pub(super) struct Ask<'a> {
    world: &'a World,
    request: TestRequest,
}

impl World {
    /// A new world, with a token for all environments of each role, named after it.
    pub(super) async fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new())).await
    }

    /// The same on this store, which is empty.
    pub(super) async fn on(store: Arc<dyn Store>) -> Self {
        Self::observed_by(store, clock(), BTreeMap::new()).await
    }

    /// The same by this clock, with what nodes see of units kept there.
    pub(super) async fn observed_by(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        observatories: BTreeMap<EnvironmentKey, Arc<dyn Observatory>>,
    ) -> Self {
        let environments = [PRODUCTION, STAGING].map(|key| EnvironmentKey::new(key).unwrap());
        let parts = Parts {
            store,
            clock,
            source: None,
            environments: environments.into(),
            measures: Measures::new().unwrap(),
            targets: Targets::default(),
            cursors: Cursors::in_memory(),
            observatories,
            keys: KeyBook::in_memory(Timestamp::default()).unwrap(),
        };
        let control = ControlPlane::start(parts).await.unwrap();
        // It is ready once every environment has been published, which is done beside.
        for environment in control.environments() {
            let patience = std::time::Duration::from_secs(60);
            control.newer_than(environment, None, patience).await;
        }
        let state = ApiState::new(control.clone()).unwrap();
        let mut world = Self {
            control,
            state,
            secrets: BTreeMap::new(),
        };
        for role in Role::ALL {
            world.token(role.name(), role, |_| {}).await;
        }
        world
    }

    /// One more token; `change` makes it a special one.
    pub(super) async fn token(&mut self, name: &str, role: Role, change: impl FnOnce(&mut Token)) {
        let secret = Secret::generate().unwrap();
        let mut token = Token {
            name: TokenName::new(name).unwrap(),
            role,
            environment: None,
            secret_digest: secret.digest(),
            created: self.control.clock().now(),
            expires: None,
            revoked: None,
        };
        change(&mut token);
        self.control.create_token(token, Author::Tidegate).await.unwrap();
        self.secrets.insert(name.to_owned(), secret.reveal().to_owned());
    }

    /// What the API stands on.
    pub(super) fn state(&self) -> ApiState {
        self.state.clone()
    }

    /// The secret of a token.
    pub(super) fn secret(&self, name: &str) -> &str {
        &self.secrets[name]
    }

    /// A request, by the admin.
    pub(super) fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        self.ask_without_token(method, path).by("admin")
    }

    /// A request by nobody.
    pub(super) fn ask_without_token(&self, method: &str, path: &str) -> Ask<'_> {
        let method: Method = method.parse().unwrap();
        Ask {
            world: self,
            request: TestRequest::with_uri(path).method(method),
        }
    }

    /// Saves a flag that must not exist yet.
    pub(super) async fn flag(&self, key: &str) {
        let path = format!("/api/v1/{PRODUCTION}/flags/{key}");
        let saved = self.ask("PUT", &path).json(r#"{"type":"boolean"}"#).send().await;
        assert_eq!(saved.status, 200, "{}", saved.text);
    }
}

impl Ask<'_> {
    /// By the holder of the token of this name.
    pub(super) fn by(self, token: &str) -> Self {
        let bearer = format!("Bearer {}", self.world.secret(token));
        self.header("authorization", &bearer)
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request = self.request.insert_header((name, value));
        self
    }

    pub(super) fn json(self, body: &str) -> Self {
        self.body("application/json", body.as_bytes().to_vec())
    }

    pub(super) fn yaml(self, body: &str) -> Self {
        self.body("application/yaml", body.as_bytes().to_vec())
    }

    pub(super) fn body(mut self, media_type: &str, body: Vec<u8>) -> Self {
        self.request = self.request.set_payload(body);
        self.header("content-type", media_type)
    }

    pub(super) async fn send(self) -> Answer {
        let (status, headers, body) = self.send_raw().await;
        Answer {
            status,
            headers,
            json: serde_json::from_slice(&body).unwrap_or_default(),
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

impl Ask<'_> {
    /// The body of the answer as it is.
    pub(super) async fn send_for_bytes(self) -> Bytes {
        let (status, _, body) = self.send_raw().await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        body
    }

    async fn send_raw(self) -> (u16, HeaderMap, Bytes) {
        let state = self.world.state.clone();
        let app = App::new().configure(|config: &mut web::ServiceConfig| configure(config, state));
        let response = call_service(&init_service(app).await, self.request.to_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // A stream of events has no end to wait for.
        let endless = headers
            .get("content-type")
            .is_some_and(|one| one == "text/event-stream");
        let body = if endless {
            Bytes::new()
        } else {
            read_body(response).await
        };
        (status, headers, body)
    }
}

impl Answer {
    /// The kind of problem it is: the last part of its `type`.
    pub(super) fn kind(&self) -> &str {
        let kind = self.json["type"].as_str().unwrap_or_default();
        kind.rsplit('/').next().unwrap_or_default()
    }

    /// A header as text.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that it is a well-formed problem of this status and kind that says this.
    pub(super) fn is_problem(&self, status: u16, kind: &str, says: &str) {
        let Self { text, .. } = self;
        assert_eq!((self.status, self.kind()), (status, kind), "{text}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{text}");
        assert_eq!(self.json["status"], status, "{text}");
        assert!(
            self.json["detail"].as_str().unwrap().contains(says),
            "{text} does not say {says:?}"
        );
    }
}
