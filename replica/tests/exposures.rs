//! What an evaluation costs when an experiment deals an arm.
#![expect(clippy::unwrap_used, reason = "in a test it fails it")]

use allocation_counter::measure;
use serde_json::json;
use std::hint::black_box;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_model::snapshot::{Snapshot, SnapshotContent};
use tidegate_replica::{Replica, ReplicaSettings, SPOOL_BYTES_DEFAULT, Trust, exposition};

fn replica() -> Replica {
    let replica = Replica::new(ReplicaSettings {
        name: NodeName::new("n1").unwrap(),
        environment: EnvironmentKey::new("production").unwrap(),
        folder: None,
        trust: Trust::Channel,
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    });
    let content: SnapshotContent = serde_json::from_value(json!({"environment": "production", "segments": [], "flags": [
        {"flag": {"key": "tried", "type": "boolean", "status": "experiment", "fallback": {"variation": "off"},
            "experiment": {"key": "e", "arms": [{"variation": "on", "weight": 50}, {"variation": "off", "weight": 50}]}}},
        {"flag": {"key": "plain", "type": "percentage", "percentage": 50}},
    ]}))
    .unwrap();
    let snapshot = Snapshot::seal(&content, "1.1".parse().unwrap(), Timestamp::default(), None).unwrap();
    let replica = replica.unwrap();
    replica.offer(&serde_json::to_vec(&snapshot).unwrap()).unwrap();
    replica
}

fn exposures(replica: &Replica) -> f64 {
    let text = exposition(replica).unwrap();
    let mut lines = text
        .lines()
        .filter(|line| line.starts_with("tidegate_node_observations_total{"));
    let count = lines.find(|line| line.contains("kind=\"exposure\""));
    count.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[test]
fn a_unit_that_was_seen_costs_no_allocation_and_one_exposure() {
    let replica = replica();
    let served = replica.served().unwrap();
    let context = Context::of_unit("u1");
    let context = served.prepare(&context, Timestamp::default());
    served.serve("tried", &context);
    for flag in ["tried", "plain"] {
        let counted = measure(|| {
            for _ in 0..1_000 {
                black_box(served.serve(black_box(flag), &context));
            }
        });
        assert_eq!(counted.count_total, 0, "{flag}");
    }
    assert_eq!(exposures(&replica), 1.0);
    // An hour later it comes again: whatever lost it, the unit is not lost for ever.
    let later = Context::of_unit("u1");
    let later = served.prepare(&later, Timestamp::default() + chrono::TimeDelta::hours(2));
    served.serve("tried", &later);
    assert_eq!(exposures(&replica), 2.0);
}
