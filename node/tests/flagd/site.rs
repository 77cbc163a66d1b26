use prost_types::value::Kind;
use prost_types::{Struct, Value as ProtoValue};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::Timestamp;
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_model::snapshot::{Snapshot, SnapshotContent};
use tidegate_node::flagd::{Door, Flagd, Protocol};
use tidegate_node::{ClientAccess, Node, OpenAccess};
use tidegate_replica::{Replica, ReplicaSettings, SPOOL_BYTES_DEFAULT, Trust, exposition};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// Long past anything that a test waits for.
const DEADLINE: Duration = Duration::from_secs(60);

/// Both listeners in front of nodes.
pub(crate) struct Site {
    pub(crate) evaluation: SocketAddr,
    pub(crate) sync: SocketAddr,
    nodes: Vec<Node>,
    stop: watch::Sender<bool>,
    serving: Vec<JoinHandle<std::io::Result<()>>>,
}

impl Site {
    /// A node of production that serves the flags clients are tried with.
    pub(crate) async fn start() -> Self {
        let site = Self::of(vec![node("production", Arc::new(OpenAccess))], Door::Open);
        site.publish("production", "1.1", flags()).await;
        site
    }

    pub(crate) fn of(nodes: Vec<Node>, door: Door) -> Self {
        let flagd = Flagd::new(nodes.clone()).unwrap();
        let (stop, stopping) = watch::channel(false);
        let mut serving = Vec::new();
        let mut listen = |protocol| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let (flagd, stopping) = (flagd.clone(), stopping.clone());
            serving.push(tokio::spawn(async move {
                flagd.serve(protocol, door, listener, stopping).await
            }));
            address
        };
        Self {
            evaluation: listen(Protocol::Evaluation),
            sync: listen(Protocol::Sync),
            nodes,
            stop,
            serving,
        }
    }

    /// Puts these flags in force in an environment.
    pub(crate) async fn publish(&self, environment: &str, version: &str, flags: Value) {
        let mut nodes = self.nodes.iter();
        let node = nodes.find(|node| node.environment().as_str() == environment);
        publish(node.unwrap(), version, flags).await;
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(self) {
        self.tell_to_stop();
        for serving in self.serving {
            within(serving).await.unwrap().unwrap();
        }
    }

    /// Tells it to stop.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// A metric of production with these labels, as Prometheus would read it.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().chain(&[("environment", "production")]);
        let written = labels.map(|(name, value)| format!("{name}=\"{value}\""));
        let expected: BTreeSet<String> = written.collect();
        let text = exposition(self.nodes[0].replica()).unwrap();
        text.lines().find_map(|line| {
            let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.split_once("} ")?;
            let found: BTreeSet<String> = labels.split(',').map(str::to_owned).collect();
            (found == expected).then(|| value.parse().unwrap())
        })
    }
}

/// Puts these flags in force.
pub(crate) async fn publish(node: &Node, version: &str, flags: Value) {
    let mut sorted: Vec<Value> = flags.as_array().unwrap().clone();
    sorted.sort_by_key(|flag| flag["key"].to_string());
    let sorted: Vec<Value> = sorted.into_iter().map(|flag| json!({ "flag": flag })).collect();
    let content = json!({"environment": node.environment(), "segments": [], "flags": sorted});
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    let snapshot = Snapshot::seal(&content, version.parse().unwrap(), Timestamp::default(), None).unwrap();
    let bytes = serde_json::to_vec(&snapshot).unwrap();
    let replica = node.replica().clone();
    let offered = tokio::task::spawn_blocking(move || replica.offer(&bytes)).await;
    offered.unwrap().unwrap();
}

/// The flags of the foreign clients, and a few that they are not tried with.
pub(crate) fn flags() -> Value {
    let shipped: Value = serde_json::from_str(include_str!("../../../compat/flags.json")).unwrap();
    let mut flags = shipped["flags"].as_array().unwrap().clone();
    flags.extend([
        json!({"key": "list", "type": "json", "variations": [{"key": "all", "value": [1, 2]}],
            "fallback": {"variation": "all"}}),
        json!({"key": "inactive-off", "type": "boolean", "status": "inactive", "off": "off"}),
        json!({"key": "archived", "type": "boolean", "status": "archived"}),
    ]);
    Value::Array(flags)
}

/// A node without any snapshot.
pub(crate) fn node(environment: &str, access: Arc<dyn ClientAccess>) -> Node {
    let settings = ReplicaSettings {
        name: NodeName::new("n1").unwrap(),
        environment: EnvironmentKey::new(environment).unwrap(),
        folder: None,
        trust: Trust::Channel,
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    };
    Node::new(Replica::new(settings).unwrap(), access).unwrap()
}

/// A connection of a gRPC client.
pub(crate) async fn channel(address: SocketAddr) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

/// A context as gRPC carries it.
pub(crate) fn context(attributes: &[(&str, &str)]) -> Option<Struct> {
    let text = |text: &str| ProtoValue {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    let fields = attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), text(value)));
    Some(Struct {
        fields: fields.collect(),
    })
}

/// A text in a struct.
pub(crate) fn text_in(fields: Option<&Struct>, name: &str) -> String {
    match fields
        .and_then(|one| one.fields.get(name))
        .and_then(|value| value.kind.clone())
    {
        Some(Kind::StringValue(text)) => text,
        other => panic!("{name} is {other:?}"),
    }
}

/// What comes of it, before the test is broken.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.unwrap()
}

/// A client of HTTP/1.1.
pub(crate) fn browser() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
