//! A document of flag definitions.

use super::place::Place;
use super::reader::{Reader, refused};
use super::{Imported, Leniency, Remark};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use tidegate_model::environment::Bucketing;
use tidegate_model::invalid::Violation;
use tidegate_model::key::SegmentKey;
use tidegate_model::segment::SegmentDefinition;

/// Largest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 32 << 20;
/// Most findings that are told.
const FINDINGS_MAX: usize = 10_000;

/// Why a document cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// More than [`DOCUMENT_BYTES_MAX`].
    #[error("the document has {bytes} bytes; it may have {DOCUMENT_BYTES_MAX}: import it in several parts")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// No JSON, or nested deeper than 127.
    #[error("the document is no JSON: {0}")]
    NoJson(#[source] serde_json::Error),
    /// JSON, but no flag definitions.
    #[error("the document holds no flag definitions of flagd: {0}")]
    NoDefinitions(Violation),
}

/// Reads flag definitions of flagd (schema v0). A flag that cannot be said exactly in our words is not
/// imported, and named in [`Imported::findings`] with every reason.
///
/// # Errors
/// When it is no such document at all.
pub fn import(document: &[u8], leniency: Leniency) -> Result<Imported, Unreadable> {
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(Unreadable::TooLarge {
            bytes: document.len(),
        });
    }
    let document: Value = serde_json::from_slice(document).map_err(Unreadable::NoJson)?;
    let flags = object(&document, "flags")?;
    let flags = flags.ok_or_else(|| {
        let rule = "a document has 'flags', an object of flags by their keys";
        Unreadable::NoDefinitions(refused(
            &Place::of("flags"),
            &Value::Null,
            rule,
            r#"for example {"flags": {}}"#,
        ))
    })?;
    let bucketing = document
        .pointer("/metadata/tidegateBucketing")
        .and_then(Value::as_str);
    let bucketing = [Bucketing::V3, Bucketing::FlagdV2]
        .into_iter()
        .find(|one| Some(one.name()) == bucketing);
    let mut reader = Reader::new(object(&document, "$evaluators")?, bucketing.is_some(), leniency);
    let mut imported = Imported {
        bucketing,
        ..Imported::default()
    };
    let place = Place::of("flags");
    for (key, flag) in flags {
        reader.begin(key);
        let before = reader.notes.len();
        match reader.read_flag(key, flag, &place.field(key)) {
            Ok(definition) => imported.flags.push(definition),
            Err(wrong) => {
                // Notes are about what is imported.
                reader.notes.truncate(before);
                let shown: String = key.chars().take(300).collect();
                let room = FINDINGS_MAX.saturating_sub(imported.findings.len()).max(1);
                let findings = wrong.into_iter().take(room);
                imported.findings.extend(findings.map(|what| Remark {
                    flag: shown.clone(),
                    what,
                }));
            }
        }
    }
    imported.segments = asked_for(reader.segments, &imported);
    imported.notes = reader.notes;
    Ok(imported)
}

/// The segments that the flags ask for, by way of others too. Those that others ask for stand before them.
fn asked_for(segments: Vec<SegmentDefinition>, imported: &Imported) -> Vec<SegmentDefinition> {
    let rules = imported.flags.iter().flat_map(|flag| &flag.rules);
    let mut asked: BTreeSet<SegmentKey> = rules.flat_map(|rule| rule.when.segments()).cloned().collect();
    let mut found: Vec<SegmentDefinition> = Vec::new();
    for segment in segments.into_iter().rev() {
        if asked.contains(&segment.key) {
            let named = segment.when.iter().flat_map(|when| when.segments());
            asked.extend(named.cloned());
            found.push(segment);
        }
    }
    found.reverse();
    found
}

fn object<'v>(document: &'v Value, name: &str) -> Result<Option<&'v Map<String, Value>>, Unreadable> {
    match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(fields)) => Ok(Some(fields)),
        Some(other) => {
            let rule = format!("'{name}' is an object");
            Err(Unreadable::NoDefinitions(refused(
                &Place::of(name),
                other,
                rule,
                "write names and what they stand for",
            )))
        }
    }
}
