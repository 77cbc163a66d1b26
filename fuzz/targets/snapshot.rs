//! Any bytes as a snapshot's content: decoding, compiling and evaluating them never panics, and what
//! compiles answers for every flag, the same each time, with an explanation that agrees.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_eval::CompiledSnapshot;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{SnapshotContent, Version};

fuzz_target!(|bytes: &[u8]| {
    let Ok(content) = serde_json::from_slice::<SnapshotContent>(bytes) else {
        return;
    };
    let version = Version { epoch: 1, number: 1 };
    let Ok(compiled) = CompiledSnapshot::compile(&content, version) else {
        return;
    };
    let contexts = [
        Context::default(),
        Context::of_unit("u1")
            .with("country", "FR")
            .with("age", 42)
            .with("version", "1.2.3"),
        Context::of_unit("")
            .with("country", true)
            .with("age", "42")
            .with("version", "not.a.version"),
    ];
    for context in &contexts {
        let prepared = compiled.prepare(context, Timestamp::default());
        for key in compiled.flag_keys() {
            let first = compiled.evaluate(key, &prepared);
            assert_eq!(first, compiled.evaluate(key, &prepared));
            assert_eq!(first, compiled.explain(key, &prepared).evaluation);
        }
    }
});
