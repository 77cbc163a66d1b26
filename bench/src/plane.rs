//! A control plane, started for a measurement and filled through its API.

use crate::load::Request;
use crate::process::{Server, free_port};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// A control plane in a process of its own, and the token of its administrator.
pub struct Plane {
    /// Its process.
    pub server: Server,
    client: reqwest::Client,
    secret: String,
}

impl Plane {
    /// Starts `program` as a control plane that keeps everything in `folder`, and waits until it is ready.
    pub async fn start(program: &Path, folder: &Path) -> Self {
        Self::start_with(program, folder, &[]).await
    }

    /// As [`start`](Self::start), with more on its command line.
    pub async fn start_with(program: &Path, folder: &Path, more: &[&str]) -> Self {
        let port = free_port();
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(folder.join("data"))
            .args(more)
            .env("TIDEGATE_LOG", "warn");
        let server = Server::start(&mut command, port, &folder.join("serve.log"));
        server.wait_for("/readyz", Instant::now()).await;
        let secret = std::fs::read_to_string(folder.join("data/admin-token")).expect("a token");
        Self {
            server,
            client: reqwest::Client::new(),
            secret: secret.trim().to_owned(),
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// Saves something under `/api/v1/`.
    pub async fn put(&self, path: &str, body: &Value) {
        self.call(reqwest::Method::PUT, path, body).await;
    }

    /// Hands something in under `/api/v1/`.
    pub async fn post(&self, path: &str, body: &Value) {
        self.call(reqwest::Method::POST, path, body).await;
    }

    /// What it measures of itself, in Prometheus' text format.
    pub async fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.url());
        let answer = self.client.get(url).bearer_auth(&self.secret).send().await;
        answer.expect("an answer").text().await.expect("a body")
    }

    /// Saves a policy, given as YAML.
    pub async fn put_policy(&self, name: &str, text: &str) {
        let url = format!("{}/api/v1/production/policies/{name}", self.url());
        let request = self.client.put(url).bearer_auth(&self.secret);
        let answer = request
            .header("If-Match", "*")
            .header("content-type", "application/yaml")
            .body(text.to_owned())
            .send()
            .await
            .expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{name}: {status} {text}");
    }

    /// A new token of this role.
    pub async fn token(&self, name: &str, role: &str) -> String {
        let body = json!({"name": name, "role": role, "environment": "production"});
        let answer = self.call(reqwest::Method::POST, "tokens", &body).await;
        answer
            .get("secret")
            .and_then(Value::as_str)
            .expect("a secret")
            .to_owned()
    }

    /// What a node asks for: the newest snapshot.
    pub async fn snapshot_request(&self) -> Request {
        let token = self.token("bench-snapshot", "node").await;
        Request::new("GET", "/api/v1/production/snapshots/current", None)
            .with("authorization", &format!("Bearer {token}"))
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: &Value) -> Value {
        let url = format!("{}/api/v1/{path}", self.url());
        let request = self.client.request(method, url).bearer_auth(&self.secret);
        let answer = request
            .header("If-Match", "*")
            .json(body)
            .send()
            .await
            .expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// The program under test: the one that was given, else the one beside this program.
pub fn program(given: Option<&PathBuf>) -> PathBuf {
    given.cloned().unwrap_or_else(|| {
        let own = std::env::current_exe().expect("the path of this program");
        own.with_file_name("tidegate")
    })
}
