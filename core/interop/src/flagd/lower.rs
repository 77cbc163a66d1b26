//! A snapshot in flagd's language.

use super::CONFIGURATION_BYTES_MAX;
use super::segment::evaluator_name;
use super::source::Lowering;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tidegate_model::flag::FlagStatus;
use tidegate_model::invalid::Violation;
use tidegate_model::key::FlagKey;
use tidegate_model::snapshot::{SnapshotContent, Version};

/// How many of the largest flags a refusal names.
const LARGEST_SHOWN: usize = 5;

/// A snapshot in flagd's language.
#[derive(Debug, Clone, PartialEq)]
pub struct Lowered {
    /// The flag configuration: JSON text, the same for the same snapshot. Its length is what the
    /// budget of [`CONFIGURATION_BYTES_MAX`] is about.
    pub configuration: String,
    /// Flags that flagd's clients do not get, by key. Archived flags are not among them: nobody gets
    /// those.
    pub left_out: Vec<LeftOut>,
}

/// A flag that cannot be said in flagd's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Which flag.
    pub flag: FlagKey,
    /// What of it cannot be said, each with its place in the definition. Never empty.
    pub why: Vec<Violation>,
}

/// A configuration that no client would accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the flagd configuration has {bytes} bytes, and clients accept {CONFIGURATION_BYTES_MAX}; the largest flags are {}",
    named(.largest)
)]
pub struct TooLarge {
    /// Its length.
    pub bytes: usize,
    /// The largest flags with their lengths in bytes, largest first.
    pub largest: Vec<(FlagKey, usize)>,
}

fn named(largest: &[(FlagKey, usize)]) -> String {
    let each = largest
        .iter()
        .map(|(key, bytes)| format!("{key} ({bytes} bytes)"));
    each.collect::<Vec<_>>().join(", ")
}

/// Lowers a snapshot. Flags that cannot be lowered are left out and named.
///
/// # Errors
/// When the configuration has more than [`CONFIGURATION_BYTES_MAX`] bytes.
pub fn lower(content: &SnapshotContent, version: Version) -> Result<Lowered, TooLarge> {
    let mut lowering = Lowering::of_content(content);
    let mut flags = Map::new();
    let mut left_out = Vec::new();
    let mut sizes = Vec::new();
    let mut referred = BTreeSet::new();
    for one in &content.flags {
        if one.flag.definition().status == FlagStatus::Archived {
            continue;
        }
        let key = one.flag.key();
        match lowering.definition(&one.flag, one.rollout.as_ref()) {
            Ok(definition) => {
                if let Some(targeting) = &definition.targeting {
                    note_references(targeting.json(), &mut referred);
                }
                let definition = definition.into_json();
                sizes.push((key.clone(), definition.to_string().len()));
                flags.insert(key.as_str().to_owned(), definition);
            }
            Err(why) => left_out.push(LeftOut {
                flag: key.clone(),
                why,
            }),
        }
    }
    let mut evaluators = Map::new();
    for segment in &content.segments {
        let name = evaluator_name(segment.key());
        if referred.contains(&name)
            && let Ok(expression) = lowering.segment(segment.key())
        {
            evaluators.insert(name, expression.into_json());
        }
    }
    let mut configuration = Map::from_iter([
        (
            "$schema".to_owned(),
            json!("https://flagd.dev/schema/v0/flags.json"),
        ),
        (
            "metadata".to_owned(),
            json!({
                "flagSetId": content.environment,
                "version": version.to_string(),
                "tidegateBucketing": content.bucketing.name(),
            }),
        ),
        ("flags".to_owned(), Value::Object(flags)),
    ]);
    if !evaluators.is_empty() {
        configuration.insert("$evaluators".to_owned(), Value::Object(evaluators));
    }
    let configuration = Value::Object(configuration).to_string();
    let bytes = configuration.len();
    if bytes > CONFIGURATION_BYTES_MAX {
        sizes.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        sizes.truncate(LARGEST_SHOWN);
        return Err(TooLarge {
            bytes,
            largest: sizes,
        });
    }
    Ok(Lowered {
        configuration,
        left_out,
    })
}

/// Every entry of `$evaluators` that an expression refers to.
fn note_references(expression: &Value, names: &mut BTreeSet<String>) {
    match expression {
        Value::Object(fields) => {
            for (operator, inner) in fields {
                match inner {
                    Value::String(name) if operator == "$ref" => {
                        names.insert(name.clone());
                    }
                    inner => note_references(inner, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| note_references(item, names)),
        _ => {}
    }
}
