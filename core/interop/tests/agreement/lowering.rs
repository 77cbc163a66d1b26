//! What is lowered means the same to flagd.

use crate::definitions::{Shapes, context, edited, snapshot};
use crate::engine::{Answer, Engine};
use proptest::prelude::*;
use serde_json::{Map, Value};
use tidegate_eval::{CompiledSnapshot, ErrorCode, Reason};
use tidegate_interop::flagd::lower;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{SnapshotContent, Version};

/// What flagd has to answer; `None` where it may answer anything, because there is no unit to bucket.
pub(crate) fn expected(
    snapshot: &CompiledSnapshot,
    key: &str,
    context: &Map<String, Value>,
    at: Timestamp,
) -> Option<Answer> {
    let context = Context::from_json(context).expect("a context that can be used");
    let context = snapshot.prepare(&context, at);
    let answer = snapshot.evaluate(key, &context);
    match answer.reason() {
        Reason::Error(ErrorCode::TargetingKeyMissing) => None,
        // The other flag had no unit.
        Reason::PrerequisiteFailed { .. } if context.key().is_none() => None,
        Reason::Experiment { experiment, .. } => {
            Some(Answer::Variant(format!("{}#{experiment}", answer.variation())))
        }
        _ if answer.value().is_none() => Some(Answer::Disabled),
        _ => Some(Answer::Variant(answer.variation().to_owned())),
    }
}

/// The time, which flagd's evaluator looks up by itself.
#[expect(
    clippy::disallowed_methods,
    reason = "nothing under core has a clock but this test of somebody else's"
)]
fn now() -> Timestamp {
    chrono::Utc::now()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    fn both_evaluate_the_same(
        content in prop_oneof![2 => snapshot(Shapes::All), 1 => snapshot(Shapes::Plain), 2 => edited(Shapes::All)],
        contexts in prop::collection::vec(context(), 6),
    ) {
        let content: SnapshotContent = serde_json::from_value(content).expect("the definitions hold together");
        let lowered = lower(&content, Version::default()).expect("it is small");
        prop_assert_eq!(&lowered.left_out, &[]);
        let engine = Engine::new(&lowered.configuration);
        let snapshot = CompiledSnapshot::compile(&content, Version::default()).expect("it compiles");
        let now = now();
        for context in &contexts {
            for key in ["f0", "f1", "f2"] {
                if let Some(expected) = expected(&snapshot, key, context, now) {
                    let found = engine.variant(key, context);
                    prop_assert_eq!(found, expected, "{} {:?} in {}", key, context, &lowered.configuration);
                }
            }
        }
    }
}

/// Expressions nest as deep as flagd's clients can read them. For that flagd's engine, which is not optimised here, needs
/// more stack than a test has.
const STACK_BYTES: usize = 64 << 20;

#[test]
fn flagd_evaluates_what_is_lowered_as_we_do() {
    let deep = std::thread::Builder::new().stack_size(STACK_BYTES);
    let checked = deep.spawn(both_evaluate_the_same).expect("a thread");
    if let Err(panic) = checked.join() {
        std::panic::resume_unwind(panic);
    }
}
