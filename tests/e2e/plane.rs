//! A control plane and its nodes, and what a client does with them.

use crate::processes::{Running, client, free_port, tidegate};
use crate::until::until;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A control plane with everything it keeps in a folder of its own.
pub(crate) struct Plane {
    pub(crate) process: Running,
    pub(crate) folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    client: reqwest::Client,
    token: String,
}

/// An evaluation node.
pub(crate) struct Node {
    pub(crate) process: Running,
    port: u16,
    upstream: u16,
    folder: PathBuf,
    client: reqwest::Client,
    token: String,
}

impl Plane {
    /// Starts a control plane, and waits until it is ready.
    pub(crate) async fn start(prometheus: Option<String>) -> Self {
        match prometheus {
            Some(url) => Self::start_with(&["--prometheus", &url]).await,
            None => Self::start_with(&[]).await,
        }
    }

    /// The same with these arguments.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        Self::start_under(arguments, Vec::new()).await
    }

    /// The same with these variables in its environment.
    pub(crate) async fn start_under(arguments: &[&str], variables: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let port = free_port();
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let process = Self::launch(folder.path(), port, &arguments, &variables);
        let mut plane = Self {
            process,
            folder,
            port,
            arguments,
            variables,
            client: client(),
            token: String::new(),
        };
        plane.wait_until_ready().await;
        let secret = std::fs::read_to_string(plane.data().join("admin-token"))
            .expect("the first start writes a token");
        plane.token = secret.trim().to_owned();
        plane
    }

    /// Starts it again on the same folder and port.
    pub(crate) async fn restart(&mut self) {
        self.process.kill();
        self.process = Self::launch(self.folder.path(), self.port, &self.arguments, &self.variables);
        // The connections to the process before are of no use any more.
        self.client = client();
        self.wait_until_ready().await;
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn launch(folder: &Path, port: u16, arguments: &[String], variables: &[(String, String)]) -> Running {
        let mut command = tidegate();
        command
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(folder.join("data"));
        command.args(arguments).envs(variables.iter().cloned());
        Running::start(&mut command, &folder.join("serve.log"))
    }

    async fn wait_until_ready(&self) {
        let url = format!("http://127.0.0.1:{}/readyz", self.port);
        until("the control plane is ready", || async {
            self.client
                .get(&url)
                .send()
                .await
                .ok()
                .filter(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Calls the API; the status and the body, which is JSON or nothing.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self
            .client
            .request(method, url)
            .bearer_auth(&self.token)
            .header("If-Match", "*");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the control plane answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// Calls the API once; the status, or nothing when there was no whole answer.
    pub(crate) async fn try_call(&self, method: &str, path: &str, body: Value) -> Option<u16> {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.client.request(method, url).bearer_auth(&self.token);
        let answer = request.header("If-Match", "*").json(&body).send().await.ok()?;
        let status = answer.status().as_u16();
        answer.bytes().await.ok().map(|_whole| status)
    }

    /// Saves a policy.
    pub(crate) async fn save_policy(&self, name: &str, text: &str) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/api/v1/production/policies/{name}", self.port);
        let request = self
            .client
            .put(url)
            .bearer_auth(&self.token)
            .header("If-Match", "*");
        let request = request
            .header("Content-Type", "application/yaml")
            .body(text.to_owned());
        let answer = request.send().await.expect("the control plane answers");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Saves the flag `checkout` and a policy, and starts a rollout.
    pub(crate) async fn start_rollout(&self, policy: &str) -> String {
        let flag = json!({"key": "checkout", "type": "boolean"});
        let (status, body) = self.call("PUT", "production/flags/checkout", Some(flag)).await;
        assert!(status < 300, "{status} {body}");
        let (status, body) = self.save_policy("guarded", policy).await;
        assert!(status < 300, "{status} {body}");
        let start = json!({"flag": "checkout", "policy": "guarded"});
        let (status, body) = self.call("POST", "production/rollouts", Some(start)).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().expect("a rollout has an id").to_owned()
    }

    /// Tells a rollout what a person wants.
    pub(crate) async fn command(&self, id: &str, command: Value) -> (u16, Value) {
        self.call(
            "POST",
            &format!("production/rollouts/{id}/commands"),
            Some(command),
        )
        .await
    }

    /// How a rollout looks.
    pub(crate) async fn rollout(&self, id: &str) -> Value {
        let (status, body) = self.call("GET", &format!("production/rollouts/{id}"), None).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Waits until a rollout looks like this.
    pub(crate) async fn wait_for(&self, id: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        until(what, || async { Some(self.rollout(id).await).filter(&condition) }).await
    }

    /// Every change of this kind that the audit log has of a rollout, in order.
    pub(crate) async fn changes(&self, id: &str, kind: &str) -> Vec<Value> {
        let (status, body) = self.call("GET", "production/audit?limit=1000", None).await;
        assert_eq!(status, 200, "{body}");
        let records = body["items"].as_array().cloned().unwrap_or_default();
        let entries = records
            .iter()
            .flat_map(|record| record["entries"].as_array().cloned().unwrap_or_default());
        entries
            .filter(|entry| entry["entity"] == format!("rollout/production/{id}"))
            .map(|entry| entry["change"]["rollout"].clone())
            .filter(|change| change["kind"] == kind)
            .collect()
    }

    /// The value of one of its metrics, written with its labels; `None` while there is no such metric, or no answer.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.port);
        let text = self.client.get(url).send().await.ok()?.text().await.ok()?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map(|value| value.parse().expect("a number"))
    }

    /// How many looks at rules have had this verdict since the process started.
    pub(crate) async fn looks(&self, verdict: &str) -> u64 {
        let url = format!("http://127.0.0.1:{}/metrics", self.port);
        let answer = self.client.get(url).send().await.expect("metrics answer");
        let text = answer.text().await.expect("as text");
        let line = format!("tidegate_rule_looks_total{{verdict=\"{verdict}\"}} ");
        let value = text.lines().find_map(|found| found.strip_prefix(&line));
        value.map_or(0, |value| value.parse().expect("a counter"))
    }

    /// Waits until this many more looks had this verdict.
    pub(crate) async fn wait_for_looks(&self, verdict: &str, more: u64) {
        let before = self.looks(verdict).await;
        let what = format!("{more} more looks are {verdict}");
        until(&what, || async {
            (self.looks(verdict).await >= before + more).then_some(())
        })
        .await;
    }

    /// A new token of this role.
    pub(crate) async fn token(&self, name: &str, role: &str) -> String {
        let body = json!({"name": name, "role": role, "environment": "production"});
        let (status, body) = self.call("POST", "tokens", Some(body)).await;
        assert_eq!(status, 201, "{body}");
        body["secret"]
            .as_str()
            .expect("the secret is shown once")
            .to_owned()
    }

    /// What flagd's daemon polls; `None` while there is nothing.
    pub(crate) async fn flagd_configuration(&self) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}/flagd/v1/production/flags.json", self.port);
        let answer = self.client.get(url).bearer_auth(&self.token).send().await.ok()?;
        answer.json().await.ok()
    }

    /// Starts a node beside it.
    pub(crate) async fn node(&self, name: &str) -> Node {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("there is room for a folder");
        let secret = self.token(&format!("{name}-node"), "node").await;
        std::fs::write(folder.join("node-token"), secret).expect("the token is written");
        let token = format!("secret-of-clients-of-{name}");
        std::fs::write(folder.join("client-token"), format!("server {token}")).expect("the token is written");
        let (port, upstream) = (free_port(), self.port);
        let process = Node::launch(&folder, name, port, upstream);
        let node = Node {
            process,
            port,
            upstream,
            folder,
            client: client(),
            token,
        };
        node.wait_until_ready().await;
        node
    }

    /// The embedded node, as a client sees it.
    pub(crate) fn embedded(&self) -> Client<'_> {
        Client {
            client: &self.client,
            port: self.port,
            token: &self.token,
        }
    }
}

impl Node {
    fn launch(folder: &Path, name: &str, port: u16, upstream: u16) -> Running {
        let mut command = tidegate();
        command
            .args(["node", "--name", name, "--listen", &format!("127.0.0.1:{port}")])
            .args(["--upstream", &format!("http://127.0.0.1:{upstream}")])
            .arg("--token-file")
            .arg(folder.join("node-token"))
            .arg("--client-token-file")
            .arg(folder.join("client-token"))
            .arg("--data")
            .arg(folder.join("data"));
        Running::start(&mut command, &folder.join("node.log"))
    }

    /// Starts it again on the same folder and port.
    pub(crate) async fn restart(&mut self) {
        let name = self
            .folder
            .file_name()
            .and_then(|name| name.to_str())
            .expect("the folder has the node's name");
        self.process = Self::launch(&self.folder, name, self.port, self.upstream);
        self.wait_until_ready().await;
    }

    async fn wait_until_ready(&self) {
        let url = format!("http://127.0.0.1:{}/readyz", self.port);
        until("the node is ready", || async {
            self.client
                .get(&url)
                .send()
                .await
                .ok()
                .filter(|answer| answer.status().is_success())
        })
        .await;
    }

    /// The node, as a client sees it.
    pub(crate) fn client(&self) -> Client<'_> {
        Client {
            client: &self.client,
            port: self.port,
            token: &self.token,
        }
    }
}

/// An application that evaluates flags.
pub(crate) struct Client<'a> {
    client: &'a reqwest::Client,
    port: u16,
    token: &'a str,
}

impl Client<'_> {
    /// The variation of the flag `checkout` for a unit; `None` when the node does not answer.
    pub(crate) async fn variation(&self, unit: &str) -> Option<String> {
        let url = format!("http://127.0.0.1:{}/ofrep/v1/evaluate/flags/checkout", self.port);
        let body = json!({"context": {"targetingKey": unit}});
        let answer = self
            .client
            .post(url)
            .bearer_auth(self.token)
            .json(&body)
            .send()
            .await
            .ok()?;
        let answer: Value = answer.json().await.ok()?;
        answer["variant"].as_str().map(str::to_owned)
    }

    /// What the node says to a request of its own API; `None` when it does not answer, or says no.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}/{path}", self.port);
        let request = self.client.post(url).bearer_auth(self.token).json(body);
        let answer = request.send().await.ok()?;
        answer.error_for_status().ok()?.json().await.ok()
    }

    /// The variations of all flags for a context, by flag.
    pub(crate) async fn all(&self, context: Value) -> BTreeMap<String, String> {
        let url = format!("http://127.0.0.1:{}/ofrep/v1/evaluate/flags", self.port);
        let body = json!({ "context": context });
        let request = self.client.post(url).bearer_auth(self.token).json(&body);
        let answer = request.send().await.expect("the node answers");
        let answer: Value = answer.json().await.expect("as JSON");
        let flags = answer["flags"].as_array().expect("a list of flags");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let each = flags
            .iter()
            .map(|flag| (text(&flag["key"]), text(&flag["variant"])));
        each.collect()
    }

    /// Whether the node has this flag.
    pub(crate) async fn knows(&self, flag: &str) -> bool {
        let url = format!("http://127.0.0.1:{}/ofrep/v1/evaluate/flags/{flag}", self.port);
        let request = self.client.post(url).bearer_auth(self.token).json(&json!({}));
        request.send().await.is_ok_and(|answer| answer.status() != 404)
    }

    /// How many of a thousand units get `on`.
    pub(crate) async fn on_permille(&self) -> usize {
        let units: Vec<String> = (0..1000).map(|unit| format!("user-{unit}")).collect();
        let mut on = 0;
        for unit in &units {
            on += usize::from(self.variation(unit).await.as_deref() == Some("on"));
        }
        on
    }
}
