//! Nodes without a server, which say when a flag turns.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_replica::{HttpUpstream, Replica, ReplicaSettings, SPOOL_BYTES_DEFAULT, Trust};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longest that a change may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A replica of the environment that the control plane at `url` publishes, and where it pulls from.
pub fn replica(place: usize, url: &str, token: &str) -> (Replica, Arc<HttpUpstream>) {
    let environment = EnvironmentKey::new("production").expect("a name");
    let upstream = HttpUpstream::new(url, &environment, token).expect("an upstream");
    let settings = ReplicaSettings {
        name: NodeName::new(&format!("bench-{place}")).expect("a name"),
        environment,
        folder: None,
        trust: Trust::FirstContact,
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    };
    (Replica::new(settings).expect("a replica"), Arc::new(upstream))
}

/// The nodes.
pub struct Nodes {
    replicas: Vec<Replica>,
    _running: JoinSet<()>,
}

impl Nodes {
    /// Starts `count` replicas of the environment that the control plane at `url` publishes.
    pub fn start(count: usize, url: &str, token: &str) -> Self {
        let mut running = JoinSet::new();
        let mut replicas = Vec::new();
        for place in 0..count {
            let (replica, upstream) = replica(place, url, token);
            replicas.push(replica.clone());
            running.spawn(async move { replica.run(upstream, std::future::pending()).await });
        }
        Self {
            replicas,
            _running: running,
        }
    }

    /// Waits until every node serves this value of the flag; when the last one did.
    pub async fn wait_for(&self, flag: &str, value: bool) -> Instant {
        let mut waiting = JoinSet::new();
        for (place, replica) in self.replicas.iter().enumerate() {
            let (replica, flag) = (replica.clone(), flag.to_owned());
            waiting.spawn(async move {
                serves(&replica, &flag, value).await;
                (place, Instant::now())
            });
        }
        let mut there = HashSet::new();
        let mut last = None;
        while let Ok(Some(one)) = timeout(PATIENCE, waiting.join_next()).await {
            let (place, moment) = one.expect("the nodes live");
            there.insert(place);
            last = last.max(Some(moment));
        }
        assert_eq!(
            there.len(),
            self.replicas.len(),
            "nodes that serve {value} of {flag}"
        );
        last.expect("there are nodes")
    }
}

async fn serves(replica: &Replica, flag: &str, value: bool) {
    let mut snapshots = replica.watch();
    let anybody = Context::of_unit("anybody");
    let serves = |served: &Option<Arc<tidegate_replica::Served>>| {
        served.as_ref().is_some_and(|served| {
            let answer = served.evaluate(flag, &served.prepare(&anybody, Timestamp::default()));
            answer.boolean().is_ok_and(|on| on == value)
        })
    };
    snapshots.wait_for(serves).await.expect("the replica lives");
}
