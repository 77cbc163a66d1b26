use crate::snapshots::production;
use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};
use reqwest::{Client, Response};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tidegate_model::fleet::Receipt;
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_node::{Admission, ClientAccess, Credential, Grant, Handle, Node, OpenAccess, Scope};
use tidegate_replica::{Replica, ReplicaSettings, SPOOL_BYTES_DEFAULT, Trust};

/// Admits exactly one secret, and knows another that may not evaluate.
pub(crate) struct OneSecret(pub(crate) &'static str, pub(crate) Scope);

impl OneSecret {
    fn grant(&self) -> Grant {
        Grant {
            scope: self.1,
            credential: Credential::of_secret(self.0),
        }
    }
}

impl ClientAccess for OneSecret {
    fn admit(&self, secret: Option<&str>) -> Admission {
        match secret {
            Some(secret) if secret == self.0 => Admission::Granted(self.grant()),
            Some("viewer") => Admission::Forbidden,
            _ => Admission::Unknown,
        }
    }

    fn find(&self, handle: Handle) -> Option<Grant> {
        Some(self.grant()).filter(|grant| grant.credential.handle() == handle)
    }
}

/// Nodes on a server of their own.
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) client: Client,
    server: ServerHandle,
}

/// A node of production without any snapshot, open to everybody.
pub(crate) fn node() -> Node {
    node_with(&production(), Arc::new(OpenAccess), None)
}

pub(crate) fn node_with(
    environment: &EnvironmentKey,
    access: Arc<dyn ClientAccess>,
    folder: Option<&Path>,
) -> Node {
    let settings = ReplicaSettings {
        name: NodeName::new("n1").unwrap(),
        environment: environment.clone(),
        folder: folder.map(Path::to_owned),
        trust: Trust::Channel,
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    };
    let replica = Replica::new(settings).unwrap();
    // As if a control plane had heard of it.
    replica.acknowledged(Receipt::default());
    Node::new(replica, access).unwrap()
}

/// A node over this replica, open to everybody.
pub(crate) fn node_of(replica: Replica) -> Node {
    Node::new(replica, Arc::new(OpenAccess)).unwrap()
}

impl Site {
    /// A server on a free port. The probes are those of the first node.
    pub(crate) fn of(nodes: Vec<Node>) -> Self {
        let probes = tidegate_node::probes(nodes[0].clone());
        let routes = tidegate_node::routes(nodes);
        let server = HttpServer::new(move || App::new().configure(routes.clone()).configure(probes.clone()))
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            url,
            client: client(),
            server: handle,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<String>,
    ) -> Response {
        let mut request = self.client.post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.into()).send().await.unwrap()
    }

    /// Posts JSON and reads the status and a body of JSON.
    pub(crate) async fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        let response = self.post(path, &[], body.to_string()).await;
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    /// The value of a metric of production with these labels, as Prometheus would read it; `None`
    /// when there is none.
    pub(crate) async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let (_, text) = self.get("/metrics").await;
        let mut expected: Vec<String> = labels
            .iter()
            .chain(&[("environment", "production")])
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        expected.sort();
        text.lines().find_map(|line| {
            let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.split_once("} ")?;
            let mut labels: Vec<_> = labels.split(',').collect();
            labels.sort_unstable();
            (labels == expected).then(|| value.parse().unwrap())
        })
    }

    pub(crate) async fn stop(self) {
        self.server.stop(false).await;
    }
}

/// A client as the nodes' callers have it.
fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}
