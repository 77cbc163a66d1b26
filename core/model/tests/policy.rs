//! Policy files: what is read, what is refused in which words, and what a rollout makes of them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "policy/binding.rs"]
mod binding;
#[path = "policy/comparing.rs"]
mod comparing;
#[path = "policy/diagnostics.rs"]
mod diagnostics;
#[path = "policy/files.rs"]
mod files;
#[path = "policy/hostile.rs"]
mod hostile;
#[path = "policy/meaning.rs"]
mod meaning;
#[path = "policy/others.rs"]
mod others;
#[path = "policy/schema.rs"]
mod schema;

use tidegate_model::policy::Policy;
use tidegate_model::policy::read::read;

/// The policy in `text`, which must have nothing wrong.
fn good(text: &str) -> Policy {
    let (policy, diagnostics) = read(text);
    let found: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}\n{text}", found.join("\n"));
    policy.unwrap()
}

/// `text` with the three lines that every policy begins with, and a rule if it has none.
fn completed(text: &str) -> String {
    let mut whole = String::new();
    if !text.contains("apiVersion:") {
        whole.push_str("apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: example\n");
    }
    whole.push_str(text);
    if !text.contains("safety:") {
        whole.push_str(
            "\nsafety:\n  rules:\n    - { name: errors, threshold: 2%, events: { metric: failed, per: exposure } }\n",
        );
    }
    whole
}
