//! What is imported evaluates as it did: our own definitions on their way to flagd and back, and documents
//! as people write them for flagd.

use crate::definitions::{Shapes, context, snapshot};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tidegate_eval::{CompiledSnapshot, ErrorCode, Reason};
use tidegate_interop::flagd::{Imported, Leniency, import, lower};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::environment::Bucketing;
use tidegate_model::snapshot::{SnapshotContent, Version};

pub(crate) fn compiled(imported: &Imported, bucketing: Bucketing) -> CompiledSnapshot {
    let flags: Vec<Value> = imported
        .flags
        .iter()
        .map(|flag| json!({ "flag": flag }))
        .collect();
    let content = json!({"environment": "production", "bucketing": bucketing, "flags": flags, "segments": imported.segments});
    let content = serde_json::from_value(content).expect("what is imported holds together");
    CompiledSnapshot::compile(&content, Version::default()).expect("what is imported compiles")
}

/// The variation that a context gets; `None` for the caller's default, an error where there is no unit.
pub(crate) fn variation(
    snapshot: &CompiledSnapshot,
    key: &str,
    context: &Map<String, Value>,
) -> Result<Option<String>, ErrorCode> {
    let context = Context::from_json(context).expect("a context that can be used");
    // Far from all moments that conditions compare with.
    let at = Timestamp::from_timestamp(1_800_000_000, 0).expect("a moment");
    let context = snapshot.prepare(&context, at);
    let answer = snapshot.evaluate(key, &context);
    match answer.reason() {
        Reason::Error(code) => Err(code),
        _ => Ok(answer.value().map(|_| answer.variation().to_owned())),
    }
}

/// Definitions, lowered and read back: what is imported evaluates the same, and what is not is named.
fn check_way_back(content: Value, contexts: &[Map<String, Value>]) -> Result<usize, TestCaseError> {
    let content: SnapshotContent = serde_json::from_value(content).expect("the definitions hold together");
    let lowered = lower(&content, Version::default()).expect("it is small");
    let imported = import(lowered.configuration.as_bytes(), Leniency::default()).expect("it can be read");
    prop_assert_eq!(imported.bucketing, Some(content.bucketing));
    let before = CompiledSnapshot::compile(&content, Version::default()).expect("it compiles");
    let after = compiled(&imported, content.bucketing);
    for key in ["f0", "f1", "f2"] {
        let is_there = imported.flags.iter().any(|flag| flag.key.as_str() == key);
        let is_named = imported.findings.iter().any(|finding| finding.flag == key);
        prop_assert!(is_there != is_named, "{}: {:?}", key, imported.findings);
        if !is_there {
            continue;
        }
        for context in contexts {
            let expected = variation(&before, key, context);
            // Without a unit, flagd's clients get the default variant; see docs/flagd.md.
            if expected != Err(ErrorCode::TargetingKeyMissing) && context.contains_key("targetingKey") {
                let found = variation(&after, key, context);
                prop_assert_eq!(
                    found,
                    expected,
                    "{} {:?}\n{}\n{:?}",
                    key,
                    context,
                    &lowered.configuration,
                    &imported
                );
            }
        }
    }
    Ok(imported.flags.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn definitions_come_back(content in snapshot(Shapes::Plain), contexts in prop::collection::vec(context(), 6), v2 in any::<bool>()) {
        let mut content = content;
        content["bucketing"] = if v2 { "flagd-v2".into() } else { "v3".into() };
        prop_assert_eq!(check_way_back(content, &contexts)?, 3);
    }

    #[test]
    fn whatever_comes_back_is_right(content in snapshot(Shapes::All), contexts in prop::collection::vec(context(), 6)) {
        check_way_back(content, &contexts)?;
    }
}
