//! Any bytes as a document of flagd: what is imported can be saved, compiled and evaluated, and writing
//! it down for flagd again gives JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_eval::CompiledSnapshot;
use tidegate_interop::flagd::{Leniency, import, lower};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::flag::Flag;
use tidegate_model::key::EnvironmentKey;
use tidegate_model::segment::Segment;
use tidegate_model::snapshot::{SnapshotContent, SnapshotFlag, Version};

fuzz_target!(|bytes: &[u8]| {
    let Ok(imported) = import(bytes, Leniency::default()) else {
        return;
    };
    let flag = |definition| SnapshotFlag {
        flag: Flag::new(definition).expect("an imported flag can be saved"),
        rollout: None,
    };
    let segment = |definition| Segment::new(definition).expect("an imported segment can be saved");
    let content = SnapshotContent {
        environment: EnvironmentKey::new("production").expect("a name"),
        bucketing: imported.bucketing.unwrap_or_default(),
        flags: imported.flags.into_iter().map(flag).collect(),
        segments: imported.segments.into_iter().map(segment).collect(),
        staged: Vec::new(),
        drill: None,
    };
    let version = Version { epoch: 1, number: 1 };
    let compiled = CompiledSnapshot::compile(&content, version).expect("what is imported compiles");
    let context = Context::of_unit("u1")
        .with("country", "FR")
        .with("age", 42)
        .with("version", "1.2.3");
    let prepared = compiled.prepare(&context, Timestamp::default());
    for key in compiled.flag_keys() {
        compiled.evaluate(key, &prepared);
    }
    // Not everything comes back: flagd can leave the value to some callers, and its older clients cannot.
    let lowered = lower(&content, version).expect("it was small enough a moment ago");
    assert!(serde_json::from_slice::<serde_json::Value>(lowered.configuration.as_ref()).is_ok());
});
