//! Deltas lead to the very bytes that were published, or nowhere.
#![expect(clippy::expect_used, reason = "a test may panic")]

use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::key::EnvironmentKey;
use tidegate_model::snapshot::{Chain, Delta, DeltaRefusal, Snapshot, SnapshotContent, Version};

/// One edit: an item of a few gets a value, or goes.
#[derive(Debug, Clone)]
enum Edit {
    Flag(u8, Option<u8>),
    Segment(u8, Option<u8>),
    Staged(u8, Option<u8>),
}

#[derive(Default)]
struct History {
    flags: BTreeMap<String, Value>,
    segments: BTreeMap<String, Value>,
    staged: BTreeMap<String, Value>,
    number: u64,
}

impl History {
    fn edit(&mut self, edit: &Edit) {
        let (items, key, item) = match edit {
            Edit::Flag(key, value) => {
                let item = value.map(|value| {
                    json!({"flag": {"key": format!("f{key}"), "type": "string", "description": "x\"ü".repeat(usize::from(value)),
                        "variations": [{"key": "a", "value": format!("{value}")}]}})
                });
                (&mut self.flags, format!("f{key}"), item)
            }
            Edit::Segment(key, value) => {
                let item = value
                    .map(|value| json!({"key": format!("s{key}"), "included": [format!("unit-{value}")]}));
                (&mut self.segments, format!("s{key}"), item)
            }
            Edit::Staged(key, value) => {
                let item = value.map(|value| {
                    json!({"definition": {"key": format!("s{key}"), "included": [format!("unit-{value}")]},
                        "guard": format!("segment.s{key}"), "rollout": format!("segment.s{key}.1"), "policy": "p"})
                });
                (&mut self.staged, format!("s{key}"), item)
            }
        };
        match item {
            Some(item) => items.insert(key, item),
            None => items.remove(&key),
        };
    }

    fn publish(&mut self) -> Snapshot {
        self.number += 1;
        let flags: Vec<&Value> = self.flags.values().collect();
        let segments: Vec<&Value> = self.segments.values().collect();
        let staged: Vec<&Value> = self.staged.values().collect();
        let content: SnapshotContent = serde_json::from_value(
            json!({"environment": "production", "flags": flags, "segments": segments, "staged": staged}),
        )
        .expect("the items are right");
        let version = Version {
            epoch: 1,
            number: self.number,
        };
        Snapshot::seal(&content, version, Timestamp::default(), None).expect("content can be written")
    }
}

fn edits() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let edit = prop_oneof![
        (0..8_u8, proptest::option::weighted(0.7, 0..4_u8)).prop_map(|(key, value)| Edit::Flag(key, value)),
        (0..4_u8, proptest::option::weighted(0.7, 0..4_u8))
            .prop_map(|(key, value)| Edit::Segment(key, value)),
        (0..3_u8, proptest::option::weighted(0.7, 0..4_u8)).prop_map(|(key, value)| Edit::Staged(key, value)),
    ];
    proptest::collection::vec(proptest::collection::vec(edit, 0..4), 1..20)
}

fn carried(delta: &Delta) -> Delta {
    let text = serde_json::to_string(delta).expect("a delta can be written");
    serde_json::from_str(&text).expect("and read")
}

proptest! {
    #[test]
    fn f66_every_way_leads_to_the_same_bytes(edits in edits()) {
        let mut history = History::default();
        let mut published = vec![history.publish()];
        let mut chain = Chain::default();
        for batch in &edits {
            for edit in batch {
                history.edit(edit);
            }
            let next = history.publish();
            let last = published.last().expect("there is one");
            chain = chain.and(Delta::between(last, &next).expect("both can be read"));
            published.push(next);
        }
        let newest = published.last().expect("there is one");
        for held in &published[..published.len() - 1] {
            let way = chain.since(held.header.version).expect("it is remembered");
            let reached = carried(&way).apply(held).expect("it leads to the newest");
            prop_assert_eq!(reached.content.get(), newest.content.get());
            prop_assert_eq!(&reached.header, &newest.header);
            let content = reached.open(&EnvironmentKey::new("production").expect("a name"));
            prop_assert!(content.is_ok());
        }
        prop_assert!(chain.since(newest.header.version).is_none());
    }

    #[test]
    fn f66_from_elsewhere_it_leads_nowhere(edits in edits(), which in any::<prop::sample::Index>()) {
        let mut history = History::default();
        let first = history.publish();
        history.edit(&Edit::Flag(9, Some(1)));
        let base = history.publish();
        for edit in edits.iter().flatten() {
            history.edit(edit);
        }
        let target = history.publish();
        let delta = Delta::between(&base, &target).expect("both can be read");
        let elsewhere = delta.apply(&first);
        prop_assert!(matches!(elsewhere, Err(DeltaRefusal::OtherBase { .. })), "{:?}", elsewhere.err());
        // One change left out: the digest tells.
        let mut short = carried(&delta);
        if !short.flags.changed.is_empty() {
            short.flags.changed.remove(which.index(short.flags.changed.len()));
            let reached = short.apply(&base);
            prop_assert!(matches!(reached, Err(DeltaRefusal::Differs { .. })), "{:?}", reached.err());
        }
    }
}

#[test]
fn a_step_from_elsewhere_begins_a_new_history() {
    let mut history = History::default();
    let snapshots: Vec<Snapshot> = (1..=4)
        .map(|value| {
            history.edit(&Edit::Flag(1, Some(value)));
            history.publish()
        })
        .collect();
    let step =
        |from: usize, to: usize| Delta::between(&snapshots[from], &snapshots[to]).expect("both can be read");
    let chain = Chain::default().and(step(0, 1)).and(step(2, 3));
    assert!(chain.since(snapshots[0].header.version).is_none());
    assert!(chain.since(snapshots[2].header.version).is_some());
}

#[test]
fn a_history_is_bounded() {
    let mut history = History::default();
    let mut last = history.publish();
    let (first, mut chain) = (last.header.version, Chain::default());
    for number in 0..300_u32 {
        history.edit(&Edit::Flag(1, Some(u8::try_from(number % 7).expect("small"))));
        let next = history.publish();
        chain = chain.and(Delta::between(&last, &next).expect("both can be read"));
        last = next;
    }
    assert!(chain.since(first).is_none());
    let remembered = Version {
        number: last.header.version.number - 200,
        ..first
    };
    assert!(chain.since(remembered).is_some());
}

#[test]
fn what_units_are_hashed_by_is_carried() {
    let content = |bucketing: Option<&str>| -> SnapshotContent {
        let mut content = json!({"environment": "production", "flags": [], "segments": []});
        if let Some(bucketing) = bucketing {
            content["bucketing"] = json!(bucketing);
        }
        serde_json::from_value(content).expect("it is right")
    };
    let seal = |number: u64, bucketing: Option<&str>| {
        let version = Version { epoch: 1, number };
        Snapshot::seal(&content(bucketing), version, Timestamp::default(), None).expect("it can be written")
    };
    let (usual, other) = (seal(1, None), seal(2, Some("flagd-v2")));
    for (from, to) in [(&usual, &other), (&other, &usual), (&other, &other)] {
        let delta = Delta::between(from, to).expect("both can be read");
        let reached = carried(&delta).apply(from).expect("it leads there");
        assert_eq!(reached.content.get(), to.content.get());
    }
}
