//! A snapshot comes into force with its lists of units, or not at all.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::fleet::{NodeReport, Receipt};
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};
use tidegate_model::snapshot::{Digest, Snapshot, SnapshotContent, Version};
use tidegate_model::units::UnitSet;
use tidegate_replica::{
    Offer, OfferRefusal, Replica, ReplicaSettings, SPOOL_BYTES_DEFAULT, Trust, Upstream, UpstreamError,
};

fn list(units: &[&str]) -> (Digest, Bytes) {
    let set = UnitSet::of_hashes(units.iter().map(|unit| UnitSet::hash(unit)).collect());
    let bytes = Bytes::from(set.to_bytes());
    (Digest::of(&bytes), bytes)
}

/// A snapshot whose flag `f` is on for the segment of this list.
fn snapshot(number: u64, list: Option<&Digest>) -> Bytes {
    let segment = match list {
        Some(digest) => json!({"key": "s", "list": {"digest": digest, "count": 1}}),
        None => json!({"key": "s", "included": ["nobody"]}),
    };
    let rule = json!({"name": "in", "when": {"segment": "s"}, "serve": {"variation": "on"}});
    let content: Value = json!({"environment": "production", "segments": [segment],
        "flags": [{"flag": {"key": "f", "type": "boolean", "rules": [rule]}}]});
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    let version = Version { epoch: 1, number };
    let sealed = Snapshot::seal(&content, version, Timestamp::default(), None).unwrap();
    serde_json::to_vec(&sealed).unwrap().into()
}

fn replica(folder: &Path) -> Replica {
    Replica::new(ReplicaSettings {
        name: NodeName::new("n1").unwrap(),
        environment: EnvironmentKey::new("production").unwrap(),
        folder: Some(folder.to_owned()),
        trust: Trust::Channel,
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    })
    .unwrap()
}

fn serves(replica: &Replica, unit: &str) -> (u64, bool) {
    let served = replica.served().unwrap();
    let context = Context::of_unit(unit);
    let context = served.prepare(&context, Timestamp::default());
    let on = served.serve("f", &context).variation() == "on";
    (served.version().number, on)
}

#[test]
fn a_snapshot_waits_for_its_lists() {
    let folder = tempfile::tempdir().unwrap();
    let (digest, bytes) = list(&["ada"]);
    let node = replica(folder.path());
    node.offer(&snapshot(1, None)).unwrap();
    match node.offer(&snapshot(2, Some(&digest))) {
        Err(OfferRefusal::ListsMissing(missing)) => assert_eq!(missing, [digest.clone()].into()),
        other => assert!(other.is_err(), "{other:?}"),
    }
    assert_eq!(serves(&node, "ada"), (1, false));
    assert!(node.take_list(&digest, &list(&["eve"]).1).is_err());
    node.take_list(&digest, &bytes).unwrap();
    node.offer(&snapshot(2, Some(&digest))).unwrap();
    assert_eq!(
        (serves(&node, "ada"), serves(&node, "eve")),
        ((2, true), (2, false))
    );
    assert_eq!(node.list(&digest).as_deref(), Some(&*bytes));

    // A restart needs nobody.
    assert_eq!(serves(&replica(folder.path()), "ada"), (2, true));

    // The generation before keeps its list, and is what is left when the newest is spoilt.
    let (newer, newer_bytes) = list(&["bob"]);
    node.take_list(&newer, &newer_bytes).unwrap();
    node.offer(&snapshot(3, Some(&newer))).unwrap();
    assert_eq!(serves(&replica(folder.path()), "bob"), (3, true));
    std::fs::remove_file(folder.path().join("lists").join(newer.as_str())).unwrap();
    assert_eq!(serves(&replica(folder.path()), "ada"), (2, true));
}

/// An upstream that has one snapshot, and gives these answers for its list, the last one for ever.
struct Feed {
    snapshot: Bytes,
    lists: Mutex<VecDeque<Option<Bytes>>>,
}

#[async_trait]
impl Upstream for Feed {
    async fn current(&self, after: Option<Version>, _: Duration) -> Result<Option<Offer>, UpstreamError> {
        let newer = after < Some(Version { epoch: 1, number: 2 });
        Ok(newer.then(|| Offer::Whole(self.snapshot.clone())))
    }

    async fn list(&self, _: &Digest) -> Result<Bytes, UpstreamError> {
        let mut lists = self.lists.lock().unwrap();
        let answer = match lists.len() {
            1 => lists.front().cloned().flatten(),
            _ => lists.pop_front().flatten(),
        };
        answer.ok_or(UpstreamError::Refused {
            status: 404,
            detail: String::new(),
        })
    }

    async fn report(&self, _: &NodeReport) -> Result<Receipt, UpstreamError> {
        Ok(Receipt::default())
    }

    async fn observe(&self, _: &ObservationBatch) -> Result<ObservationReceipt, UpstreamError> {
        Err(UpstreamError::Away("nobody is observed".into()))
    }
}

#[tokio::test]
async fn lists_are_asked_for_until_they_are_had() {
    let folder = tempfile::tempdir().unwrap();
    let (digest, bytes) = list(&["ada"]);
    let feed = Feed {
        snapshot: snapshot(2, Some(&digest)),
        lists: Mutex::new([None, Some(list(&["eve"]).1), Some(bytes)].into()),
    };
    let node = replica(folder.path());
    node.offer(&snapshot(1, None)).unwrap();
    let mut versions = node.watch();
    let newest = async {
        let news = versions.wait_for(|served| served.as_ref().is_some_and(|one| one.version().number == 2));
        news.await.unwrap();
    };
    node.run(Arc::new(feed), newest).await;
    assert_eq!(
        (serves(&node, "ada"), serves(&node, "eve")),
        ((2, true), (2, false))
    );
    let metrics = tidegate_replica::exposition(&node).unwrap();
    for cause in ["list_missing", "list_altered"] {
        let line = format!(
            "tidegate_node_refused_snapshots_total{{cause=\"{cause}\",environment=\"production\"}} 1"
        );
        assert!(metrics.contains(&line), "{metrics}");
    }
}
