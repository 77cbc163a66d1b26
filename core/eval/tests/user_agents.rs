//! Device, system and browser, told from the user agent.
#![expect(
    clippy::unwrap_used,
    reason = "a snapshot that does not compile fails the test"
)]

use serde_json::{Value, json};
use tidegate_eval::{CompiledSnapshot, Finding, Step};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{SnapshotContent, Version};

const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
    Version/17.1 Mobile/15E148 Safari/604.1";

fn snapshot(when: &Value) -> CompiledSnapshot {
    let content = json!({"environment": "production", "segments": [], "flags": [{"flag": {"key": "f", "type": "boolean",
        "unit": "os.version",
        "rules": [{"name": "r", "when": when, "serve": {"variation": "on"}}]}}]});
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    CompiledSnapshot::compile(&content, Version::default()).unwrap()
}

fn holds(attribute: &str, operator: &str, value: &Value, context: &Value) -> bool {
    let snapshot = snapshot(&json!({"attribute": attribute, "operator": operator, "value": value}));
    let context = Context::from_json(context.as_object().unwrap()).unwrap();
    let prepared = snapshot.prepare(&context, Timestamp::default());
    let answer = snapshot.evaluate("f", &prepared);
    assert_eq!(snapshot.explain("f", &prepared).evaluation, answer);
    answer.variation() == "on"
}

#[test]
fn a_user_agent_tells_what_the_context_does_not() {
    let context = json!({"userAgent": IPHONE});
    for (attribute, operator, value) in [
        ("device.type", "equals", json!("phone")),
        ("device.os", "in", json!(["iOS", "Android"])),
        ("os.name", "equals_ignore_case", json!("IOS")),
        ("os.version", "equals", json!("17.1.2")),
        ("os.version", "in_ignore_case", json!(["17.1.2"])),
        ("os.version", "any_of", json!(["17.1.2"])),
        ("os.version", "starts_with", json!("17.")),
        ("os.version", "regex", json!("^17\\.1")),
        ("os.version", "semver", json!("~17.1")),
        ("browser.name", "equals", json!("Safari")),
        ("browser.version", "semver", json!(">=17, <18")),
    ] {
        assert!(
            holds(attribute, operator, &value, &context),
            "{attribute} {operator} {value}"
        );
        assert!(
            !holds(attribute, operator, &value, &json!({})),
            "{attribute} without a user agent"
        );
    }
}

#[test]
fn what_the_context_says_itself_counts() {
    let context = json!({"userAgent": IPHONE, "os": {"version": "16"}, "device.type": "fridge"});
    assert!(holds("os.version", "equals", &json!("16"), &context));
    assert!(holds("device.type", "equals", &json!("fridge"), &context));
    assert!(holds("browser.name", "equals", &json!("Safari"), &context));
}

#[test]
fn user_agents_that_say_nothing_leave_attributes_missing() {
    for agent in [
        json!(""),
        json!("curl/8"),
        json!(7),
        json!(null),
        json!([IPHONE]),
        json!(IPHONE.repeat(10_000)),
    ] {
        for attribute in [
            "device.type",
            "os.name",
            "os.version",
            "browser.name",
            "browser.version",
        ] {
            assert!(
                holds(
                    attribute,
                    "not_exists",
                    &json!(null),
                    &json!({"userAgent": agent})
                ),
                "{attribute}"
            );
        }
    }
}

#[test]
fn explanations_show_what_was_told() {
    let snapshot = snapshot(&json!({"attribute": "os.version", "operator": "semver", "value": "^17"}));
    let context = Context::default().with_user_agent(IPHONE);
    let prepared = snapshot.prepare(&context, Timestamp::default());
    let explanation = snapshot.explain("f", &prepared);
    let seen = explanation.steps.iter().find_map(|step| match step {
        Step::Rule {
            when: Finding::Condition { seen, .. },
            ..
        } => seen.clone(),
        _ => None,
    });
    assert_eq!(seen, Some(json!("17.1.2")));
}
