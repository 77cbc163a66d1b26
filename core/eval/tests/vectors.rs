//! The vectors in `tests/evaluation/`, which every implementation of evaluation must pass.
#![expect(clippy::unwrap_used, reason = "a vector that cannot be read fails the test")]

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tidegate_eval::{CompiledSnapshot, Step, bucket};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{SnapshotContent, Version};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucketing {
    #[serde(rename = "about")]
    _about: String,
    vectors: Vec<BucketVector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BucketVector {
    salt: String,
    unit: String,
    repeat: usize,
    hash: u32,
    bucket: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Conditions {
    #[serde(rename = "about")]
    _about: String,
    at: Timestamp,
    segments: Value,
    predicates: Vec<PredicateVector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PredicateVector {
    when: Value,
    holds: Vec<Map<String, Value>>,
    fails: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Evaluations {
    #[serde(rename = "about")]
    _about: String,
    snapshot: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    flag: String,
    context: Map<String, Value>,
    value: Option<Value>,
    json: Option<String>,
    variation: String,
    reason: Value,
    bucket: Option<u32>,
}

fn read<T: DeserializeOwned>(file: &str) -> T {
    let path = format!(
        "{}/../../tests/evaluation/{file}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn compile(content: Value) -> CompiledSnapshot {
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    CompiledSnapshot::compile(&content, Version::default()).unwrap()
}

#[test]
fn bucketing() {
    for vector in read::<Bucketing>("bucketing").vectors {
        let unit = vector.unit.repeat(vector.repeat);
        let answer = (
            bucket::hash(&vector.salt, &unit),
            bucket::bucket(&vector.salt, &unit),
        );
        assert_eq!(
            answer,
            (vector.hash, vector.bucket),
            "{}.{} * {}",
            vector.salt,
            vector.unit,
            vector.repeat
        );
    }
}

/// The environment's other bucketing, through a flag: each unit is inside a share that ends behind its
/// bucket, and outside of one that ends before it.
#[test]
fn bucketing_of_flagd_v2() {
    for vector in read::<Bucketing>("bucketing-flagd-v2").vectors {
        let unit = vector.unit.repeat(vector.repeat);
        assert_eq!(
            bucket::hash_v2(&vector.salt, &unit),
            vector.hash,
            "{}",
            vector.salt
        );
        for (percent, variation) in [(vector.bucket, "off"), (vector.bucket + 1, "on")] {
            let flag = json!({"key": "f", "type": "percentage", "salt": vector.salt,
                "percentage": f64::from(percent) / 1000.0});
            let snapshot = compile(json!({"environment": "production", "bucketing": "flagd-v2",
                "segments": [], "flags": [{ "flag": flag }]}));
            let context = Context::of_unit(unit.as_str());
            let answer = snapshot.evaluate("f", &snapshot.prepare(&context, Timestamp::default()));
            assert_eq!(answer.variation(), variation, "{}.{}", vector.salt, vector.unit);
        }
    }
}

#[test]
fn conditions() {
    let vectors: Conditions = read("conditions");
    for vector in vectors.predicates {
        let snapshot = compile(json!({
            "environment": "production",
            "segments": vectors.segments,
            "flags": [{"flag": {"key": "probe", "type": "boolean", "rules":
                [{"name": "probe", "when": vector.when, "serve": {"variation": "on"}}]}}],
        }));
        let check = |object: &Map<String, Value>, expected: bool| {
            let context = Context::from_json(object).unwrap();
            let context = snapshot.prepare(&context, vectors.at);
            let answer = snapshot.evaluate("probe", &context);
            assert_eq!(
                answer.value(),
                Some(&Value::Bool(expected)),
                "{} on {object:?}",
                vector.when
            );
            assert_eq!(snapshot.explain("probe", &context).evaluation, answer);
        };
        vector.holds.iter().for_each(|context| check(context, true));
        vector.fails.iter().for_each(|context| check(context, false));
    }
}

fn check_evaluations(file: &str) {
    let vectors: Evaluations = read(file);
    let snapshot = compile(vectors.snapshot);
    for case in vectors.cases {
        let name = format!("{} on {:?}", case.flag, case.context);
        let context = Context::from_json(&case.context).unwrap();
        let context = snapshot.prepare(&context, Timestamp::default());
        let answer = snapshot.evaluate(&case.flag, &context);
        assert_eq!(answer.value(), case.value.as_ref(), "{name}");
        assert_eq!(answer.variation(), case.variation, "{name}");
        assert_eq!(
            serde_json::to_value(answer.reason()).unwrap(),
            case.reason,
            "{name}"
        );
        if case.json.is_some() {
            assert_eq!(answer.json(), case.json.as_deref(), "{name}");
        }
        let explanation = snapshot.explain(&case.flag, &context);
        assert_eq!(explanation.evaluation, answer, "{name}");
        let told = explanation.steps.iter().find_map(|step| match step {
            Step::Bucket { bucket, .. } => *bucket,
            _ => None,
        });
        assert_eq!(told, case.bucket, "{name}");
    }
}

#[test]
fn order() {
    check_evaluations("order");
}

#[test]
fn prerequisites() {
    check_evaluations("prerequisites");
}

#[test]
fn experiments() {
    check_evaluations("experiments");
}

#[test]
fn segments() {
    check_evaluations("segments");
}

#[test]
fn staged() {
    check_evaluations("staged");
}

#[test]
fn splits() {
    check_evaluations("splits");
}

#[test]
fn waves() {
    check_evaluations("waves");
}
