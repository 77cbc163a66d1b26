//! What is refused when a snapshot is compiled, and how far names may lead.
#![expect(clippy::unwrap_used, reason = "a snapshot that cannot be read fails the test")]

use serde_json::{Value, json};
use tidegate_eval::{CompiledSnapshot, PREREQUISITE_DEPTH_MAX, SEGMENT_DEPTH_MAX};
use tidegate_model::Timestamp;
use tidegate_model::condition::PREDICATE_DEPTH_MAX;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{SnapshotContent, Version};

fn compile(flags: &[Value], segments: &[Value]) -> Result<CompiledSnapshot, Vec<String>> {
    let flags: Vec<Value> = flags
        .iter()
        .map(|flag| match flag.get("flag") {
            Some(_) => flag.clone(),
            None => json!({ "flag": flag }),
        })
        .collect();
    let content = json!({"environment": "production", "flags": flags, "segments": segments});
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    CompiledSnapshot::compile(&content, Version::default())
        .map_err(|invalid| invalid.violations().iter().map(ToString::to_string).collect())
}

#[track_caller]
fn check(flags: &[Value], segments: &[Value], says: &[&str]) {
    let found = compile(flags, segments).unwrap_err();
    assert_eq!(found.len(), says.len(), "{found:#?}");
    for (violation, part) in found.iter().zip(says) {
        assert!(violation.contains(part), "missing {part:?} in {violation}");
    }
}

fn plain(key: &str) -> Value {
    json!({"key": key, "type": "boolean"})
}

fn needing(key: &str, other: &str, variation: &str) -> Value {
    json!({"key": key, "type": "boolean", "fallback": {"variation": "on"},
        "prerequisites": [{"flag": other, "variations": [variation]}]})
}

fn ruled(key: &str, when: &Value) -> Value {
    json!({"key": key, "type": "boolean", "rules": [{"name": "r", "when": when, "serve": {"variation": "on"}}]})
}

#[test]
fn f67_a_snapshot_that_a_node_could_choke_on_is_refused() {
    check(
        &[plain("a"), plain("a")],
        &[],
        &["flags.a: each key stands in a snapshot once"],
    );
    check(
        &[],
        &[
            json!({"key": "s", "included": ["u"]}),
            json!({"key": "s", "included": ["u"]}),
        ],
        &["segments.s: each key stands in a snapshot once"],
    );
    check(
        &[ruled("a", &json!({"all": [{"segment": "staf"}]}))],
        &[json!({"key": "staff", "included": ["u"]})],
        &["flags.a.rules[0].when.segment: there is no such segment (\"staf\"); did you mean 'staff'?"],
    );
    check(
        &[],
        &[json!({"key": "s", "when": {"segment": "t"}})],
        &["segments.s.when.segment: there is no such segment"],
    );
    check(
        &[needing("a", "b", "on"), needing("c", "a", "yes")],
        &[],
        &[
            "flags.a.prerequisites[0].flag: there is no such flag",
            "flags.c.prerequisites[0].variations",
        ],
    );
    check(
        &[json!({"flag": plain("a"), "rollout":
            {"rollout": "a.1", "revision": 1, "candidate": "new", "safe": "of", "share": 1}})],
        &[],
        &[
            "flags.a.rollout.candidate",
            "flags.a.rollout.safe: there is no such variation of the flag (\"of\"); did you mean 'off'?",
        ],
    );
}

#[test]
fn loops_are_refused_with_the_path() {
    check(
        &[
            needing("a", "b", "on"),
            needing("b", "a", "on"),
            needing("c", "b", "on"),
            plain("d"),
        ],
        &[],
        &[
            "flags.a.prerequisites: names do not lead back to themselves (\"a -> b -> a\")",
            "flags.b.prerequisites: names do not lead back to themselves (\"b -> a -> b\")",
            "flags.c.prerequisites: names do not lead back to themselves (\"c -> b -> a -> b\")",
        ],
    );
    check(
        &[],
        &[json!({"key": "s", "when": {"not": {"segment": "s"}}})],
        &["segments.s.when: names do not lead back to themselves (\"s -> s\")"],
    );
}

/// Flags `f0`, `f1`, …, each of which needs the one before.
fn chain_of_flags(length: usize) -> Vec<Value> {
    let needs = |i: usize| needing(&format!("f{}", i + 1), &format!("f{i}"), "on");
    std::iter::once(json!({"key": "f0", "type": "boolean", "fallback": {"variation": "on"}}))
        .chain((0..length).map(needs))
        .collect()
}

/// Segments `s0`, `s1`, …, each of which asks twice for the one before, once as deep inside as conditions
/// may nest. Without remembering, the last would ask 2^length times.
fn chain_of_segments(length: usize) -> Vec<Value> {
    let asks = |i: usize| {
        let before = json!({"segment": format!("s{i}")});
        // An even number of them, below one `all`.
        let inside = (0..PREDICATE_DEPTH_MAX - 2).fold(before.clone(), |inner, _| json!({ "not": inner }));
        json!({"key": format!("s{}", i + 1), "when": {"all": [inside, before]}})
    };
    std::iter::once(json!({"key": "s0", "included": ["ada"]}))
        .chain((0..length).map(asks))
        .collect()
}

#[test]
fn names_lead_so_far_and_no_further() {
    let flags = chain_of_flags(PREREQUISITE_DEPTH_MAX);
    let snapshot = compile(&flags, &[]).unwrap();
    let context = Context::default();
    let context = snapshot.prepare(&context, Timestamp::default());
    let last = format!("f{PREREQUISITE_DEPTH_MAX}");
    assert_eq!(snapshot.evaluate(&last, &context).variation(), "on");
    check(
        &chain_of_flags(PREREQUISITE_DEPTH_MAX + 1),
        &[],
        &["flags.f33.prerequisites: names lead at most 32 deep"],
    );

    let segments = chain_of_segments(SEGMENT_DEPTH_MAX);
    let last = ruled("a", &json!({"segment": format!("s{SEGMENT_DEPTH_MAX}")}));
    let snapshot = compile(&[last], &segments).unwrap();
    for (unit, expected) in [("ada", "on"), ("bob", "off")] {
        let context = Context::of_unit(unit);
        let context = snapshot.prepare(&context, Timestamp::default());
        assert_eq!(snapshot.evaluate("a", &context).variation(), expected);
        assert_eq!(snapshot.explain("a", &context).evaluation.variation(), expected);
    }
    check(
        &[],
        &chain_of_segments(SEGMENT_DEPTH_MAX + 1),
        &["segments.s33.when: names lead at most 32 deep"],
    );
}

#[test]
fn keys_are_sorted_and_archived_flags_left_out() {
    let archived = json!({"key": "b", "type": "boolean", "status": "archived"});
    let snapshot = compile(&[plain("c"), archived, plain("a")], &[]).unwrap();
    assert_eq!(snapshot.flag_keys().collect::<Vec<_>>(), ["a", "c"]);
}

#[test]
fn a_context_says_nothing_about_itself() {
    let snapshot = compile(
        &[ruled("a", &json!({"attribute": "email", "operator": "exists"}))],
        &[],
    )
    .unwrap();
    let context = Context::of_unit("canary-key").with("email", "canary@corp.com");
    let prepared = snapshot.prepare(&context, Timestamp::default());
    assert!(!format!("{prepared:?}").contains("canary"));
}

#[test]
fn a_prepared_context_serves_many_threads() {
    fn check<T: Send + Sync>() {}
    check::<tidegate_eval::PreparedContext<'_>>();
    check::<CompiledSnapshot>();
}
