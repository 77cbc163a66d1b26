//! Nodes without a server: replicas that pull over HTTP, and say when they serve a change.

use std::collections::HashSet;
use std::time::{Duration, Instant};
use tidegate_bench::nodes::replica;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_replica::Replica;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// The flag whose value is the number of the change.
pub(crate) const BEACON: &str = "beacon";

/// Longest that a change may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The nodes, and what they say.
pub(crate) struct Nodes {
    count: usize,
    seen: UnboundedReceiver<(usize, u64, Instant)>,
}

impl Nodes {
    /// Starts `count` replicas of the environment that the control plane at `url` publishes.
    pub(crate) fn start(count: usize, url: &str, token: &str) -> Self {
        let (say, seen) = unbounded_channel();
        for place in 0..count {
            let (replica, upstream) = replica(place, url, token);
            tokio::spawn(watch(replica.clone(), place, say.clone()));
            tokio::spawn(async move { replica.run(upstream, std::future::pending()).await });
        }
        Self { count, seen }
    }

    /// Waits until all serve this change, or a later one; when each did.
    pub(crate) async fn wait_for(&mut self, number: u64) -> Vec<Instant> {
        let mut have = HashSet::new();
        let mut moments = Vec::with_capacity(self.count);
        while have.len() < self.count {
            let next = timeout(PATIENCE, self.seen.recv()).await;
            let (place, seen, moment) = next
                .unwrap_or_else(|_| panic!("{} of {} nodes serve change {number}", have.len(), self.count))
                .expect("the nodes live");
            if seen >= number && have.insert(place) {
                moments.push(moment);
            }
        }
        moments
    }
}

/// Says the value of the beacon whenever another snapshot is in force.
async fn watch(replica: Replica, place: usize, say: UnboundedSender<(usize, u64, Instant)>) {
    let mut snapshots = replica.watch();
    // It may have the first one already.
    snapshots.mark_changed();
    while snapshots.changed().await.is_ok() {
        let served = snapshots.borrow_and_update().clone();
        let Some(served) = served else { continue };
        let anybody = Context::of_unit("anybody");
        let answer = served.serve(BEACON, &served.prepare(&anybody, Timestamp::default()));
        let value = answer
            .integer()
            .ok()
            .and_then(|number| u64::try_from(number).ok());
        if let Some(number) = value
            && say.send((place, number, Instant::now())).is_err()
        {
            return;
        }
    }
}
