use crate::site::node_of;
use crate::snapshots::{production, snapshot, version};
use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use std::future::pending;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::fleet::{NodeReport, Receipt};
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};
use tidegate_model::snapshot::{Digest, KeyList, SigningKey, Snapshot, Version};
use tidegate_node::Node;
use tidegate_node::relay::{self, Relay};
use tidegate_replica::{
    HttpUpstream, Offer, Replica, ReplicaSettings, SPOOL_BYTES_DEFAULT, Trust, Upstream, UpstreamError,
    exposition,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::timeout;

const CHILD: &str = "child-secret-0123456789";
const DEADLINE: Duration = Duration::from_secs(60);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn signed(at: &str) -> Bytes {
    let snapshot: Snapshot = serde_json::from_slice(&snapshot(at)).unwrap();
    serde_json::to_vec(&snapshot.signed(&key(1))).unwrap().into()
}

/// A control plane that hands out what is published and takes reports in.
struct Source {
    published: watch::Receiver<Bytes>,
    reports: UnboundedSender<NodeReport>,
    batches: UnboundedSender<ObservationBatch>,
}

#[async_trait]
impl Upstream for Source {
    async fn current(&self, after: Option<Version>, wait: Duration) -> Result<Option<Offer>, UpstreamError> {
        let mut published = self.published.clone();
        let version = |bytes: &Bytes| serde_json::from_slice::<Snapshot>(bytes).unwrap().header.version;
        match timeout(wait, published.wait_for(|bytes| Some(version(bytes)) > after)).await {
            Ok(bytes) => Ok(Some(Offer::Whole(bytes.unwrap().clone()))),
            Err(_) => Ok(None),
        }
    }

    async fn keys(&self) -> Result<Option<KeyList>, UpstreamError> {
        Ok(Some(KeyList::sign(3, &[&key(1)], &[])))
    }

    async fn list(&self, _digest: &Digest) -> Result<Bytes, UpstreamError> {
        Err(UpstreamError::Away("no list is named".into()))
    }

    async fn report(&self, report: &NodeReport) -> Result<Receipt, UpstreamError> {
        self.reports.send(report.clone()).unwrap();
        Ok(Receipt::default())
    }

    async fn observe(&self, batch: &ObservationBatch) -> Result<ObservationReceipt, UpstreamError> {
        self.batches.send(batch.clone()).unwrap();
        match batch.number {
            1 => Ok(ObservationReceipt { through: 41 }),
            2 => Err(UpstreamError::Refused {
                status: 422,
                detail: "a unit without a name".to_owned(),
            }),
            _ => Err(UpstreamError::Away("gone".into())),
        }
    }
}

fn replica(name: &str, trust: Trust) -> Replica {
    let settings = ReplicaSettings {
        name: NodeName::new(name).unwrap(),
        environment: production(),
        folder: None,
        trust,
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    };
    Replica::new(settings).unwrap()
}

fn run(node: &Node, upstream: Arc<dyn Upstream>) {
    let node = node.clone();
    actix_web::rt::spawn(async move { node.run(upstream, pending()).await });
}

async fn serves(replica: &Replica, at: &str) {
    let mut served = replica.watch();
    let there = served.wait_for(|served| served.as_ref().is_some_and(|one| one.version() == version(at)));
    timeout(DEADLINE, there).await.unwrap().unwrap();
}

/// A hub that follows a control plane, with an address for those that follow the hub.
struct Hub {
    url: String,
    publish: watch::Sender<Bytes>,
    reports: UnboundedReceiver<NodeReport>,
    batches: UnboundedReceiver<ObservationBatch>,
    server: ServerHandle,
}

fn hub() -> Hub {
    let (publish, published) = watch::channel(signed("1.1"));
    let (reports, reported) = unbounded_channel();
    let (batches, observed) = unbounded_channel();
    let source = Arc::new(Source {
        published,
        reports,
        batches,
    });
    let node = node_of(replica("hub", Trust::FirstContact));
    run(&node, Arc::clone(&source) as Arc<dyn Upstream>);
    let relay = Arc::new(Relay::new(node, source, |secret| secret == Some(CHILD)));
    let server = HttpServer::new(move || App::new().configure(relay::routes(Arc::clone(&relay))))
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Hub {
        url,
        publish,
        reports: reported,
        batches: observed,
        server: handle,
    }
}

fn upstream(hub: &Hub, environment: &EnvironmentKey, token: &str) -> Arc<HttpUpstream> {
    Arc::new(HttpUpstream::new(&hub.url, environment, token).unwrap())
}

#[actix_web::test]
async fn a_node_follows_another_one_and_trusts_the_control_plane() {
    let mut hub = hub();
    let leaf = node_of(replica("leaf", Trust::FirstContact));
    run(&leaf, upstream(&hub, &production(), CHILD));
    serves(leaf.replica(), "1.1").await;
    assert_eq!(leaf.replica().key_list().unwrap().serial, 3);
    for at in ["1.2", "1.9"] {
        hub.publish.send_replace(signed(at));
        serves(leaf.replica(), at).await;
    }
    let told = async {
        loop {
            let report = hub.reports.recv().await.unwrap();
            if report.node.as_str() == "leaf" && report.serving == Some(version("1.9")) {
                return report;
            }
        }
    };
    let report = timeout(DEADLINE, told).await.unwrap();
    let via: Vec<&str> = report.via.iter().map(NodeName::as_str).collect();
    assert_eq!(via, ["hub"]);
    assert!(report.health.unwrap().propagation_ms.is_some());
    let metrics = exposition(leaf.replica()).unwrap();
    let by_delta = metrics.lines().find(|line| line.contains("form=\"delta\""));
    assert!(by_delta.is_some(), "{metrics}");
    hub.server.stop(false).await;
}

#[actix_web::test]
async fn observations_are_forwarded_unchanged_and_the_answer_is_upstreams() {
    let mut hub = hub();
    let upstream = upstream(&hub, &production(), CHILD);
    let event = json!({"kind": "event", "unit": "u1", "metric": "m", "value": 0.1, "at": "2026-11-24T10:00:00Z", "id": "1"});
    let batch = |number: u64, many: usize| -> ObservationBatch {
        let batch = json!({"spool": "s", "number": number, "observations": vec![event.clone(); many]});
        serde_json::from_value(batch).unwrap()
    };
    let full = batch(1, 10_000);
    assert_eq!(upstream.observe(&full).await.unwrap().through, 41);
    assert!(hub.batches.recv().await.unwrap() == full);
    let refused = upstream.observe(&batch(2, 1)).await.unwrap_err();
    assert!(
        matches!(&refused, UpstreamError::Refused { status: 422, detail } if detail.contains("without a name")),
        "{refused}"
    );
    assert_eq!(upstream.observe(&batch(3, 1)).await.unwrap_err().cause(), "busy");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/api/v1/production/observations", hub.url);
    for (token, body, status) in [
        ("another-secret-0123456789", "{}".to_owned(), 401),
        (CHILD, "{}".to_owned(), 400),
        (CHILD, " ".repeat((16 << 20) + 1), 413),
    ] {
        let answer = client
            .post(&url)
            .bearer_auth(token)
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status);
    }
    hub.server.stop(false).await;
}

#[actix_web::test]
async fn a_relay_whose_keys_are_not_known_is_not_believed() {
    let hub = hub();
    let leaf = node_of(replica("leaf", Trust::Named(vec![*key(2).public()])));
    run(&leaf, upstream(&hub, &production(), CHILD));
    let refused = async {
        while !exposition(leaf.replica())
            .unwrap()
            .contains("cause=\"unknown_key\"")
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, refused).await.unwrap();
    assert!(leaf.replica().served().is_none());
    hub.server.stop(false).await;
}

#[actix_web::test]
async fn x02_x07_a_relay_answers_its_children_only() {
    let hub = hub();
    let asked = |environment: EnvironmentKey, token: &'static str| {
        let upstream = upstream(&hub, &environment, token);
        async move { upstream.keys().await.unwrap_err().cause() }
    };
    assert_eq!(
        asked(production(), "another-secret-0123456789").await,
        "credential"
    );
    let staging = EnvironmentKey::new("staging").unwrap();
    assert_eq!(asked(staging, CHILD).await, "refused");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let report = json!({"node": "x", "instance": "i", "batch": 0, "serving": null, "via": ["hub"]});
    for (body, says) in [
        (report.to_string(), "circle"),
        ("{".to_owned(), "not a report"),
        ("x".repeat((1 << 20) + 1), "at most"),
    ] {
        let url = format!("{}/api/v1/production/nodes/report", hub.url);
        let answer = client
            .post(url)
            .bearer_auth(CHILD)
            .body(body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_client_error());
        let text = answer.text().await.unwrap();
        assert!(text.contains(says), "{text}");
    }
    hub.server.stop(false).await;
}

#[actix_web::test]
async fn x04_a_bomb_is_cut_off() {
    let zeros = vec![0_u8; 64 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&zeros).unwrap();
    let bombs = [
        ("gzip", Bytes::from(gzip.finish().unwrap())),
        ("zstd", Bytes::from(zstd::bulk::compress(&zeros, 1).unwrap())),
    ];
    drop(zeros);
    for (coding, bomb) in bombs {
        assert!(bomb.len() < 1 << 20, "small on the wire");
        let server = HttpServer::new(move || {
            let bomb = bomb.clone();
            let answer = move || {
                let body = bomb.clone();
                async move {
                    HttpResponse::Ok()
                        .insert_header(("content-encoding", coding))
                        .content_type("application/json")
                        .body(body)
                }
            };
            App::new().route("/api/v1/production/snapshots/current", web::get().to(answer))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let upstream = HttpUpstream::new(&url, &production(), CHILD).unwrap();
        let refused = upstream.current(None, Duration::ZERO).await.unwrap_err();
        assert_eq!(refused.cause(), "too_large", "{coding}: {refused}");
        handle.stop(false).await;
    }
}
