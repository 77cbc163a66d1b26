//! Which flags another version changed for its clients: their own definitions, the segments they use,
//! and the flags that must serve something first.

use super::Realm;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use tidegate_model::segment::Segment;
use tidegate_model::snapshot::SnapshotContent;
use tidegate_replica::Served;
use tokio::sync::Mutex;

/// What was found out last, so that a thousand streams ask for one answer.
#[derive(Debug, Default)]
pub(super) struct Changes {
    newest: Mutex<Option<Arc<Outline>>>,
}

/// A version, with a number for each flag that differs when anything about the flag does.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// The turn of the snapshot.
    turn: u64,
    flags: BTreeMap<Box<str>, u64>,
}

impl Outline {
    /// The keys of flags that came, went or changed, sorted.
    pub(super) fn changed_since(&self, before: &Self) -> Vec<String> {
        let came_or_changed = self
            .flags
            .iter()
            .filter(|(key, print)| before.flags.get(*key) != Some(*print));
        let went = before
            .flags
            .iter()
            .filter(|(key, _)| !self.flags.contains_key(*key));
        let mut keys: Vec<String> = came_or_changed
            .chain(went)
            .map(|(key, _)| key.to_string())
            .collect();
        keys.sort_unstable();
        keys
    }
}

impl Realm {
    /// The outline of a snapshot.
    pub(super) async fn outline(&self, served: Arc<Served>) -> Arc<Outline> {
        let mut newest = self.changes.newest.lock().await;
        if let Some(known) = newest.as_ref().filter(|known| known.turn >= served.turn()) {
            return Arc::clone(known);
        }
        let turn = served.turn();
        let read =
            tokio::task::spawn_blocking(move || served.definitions().map(|content| outline(&content, turn)));
        let outline = match read.await {
            Ok(Ok(outline)) => outline,
            // It was read when it came into force, so this does not happen; if it does, every flag of
            // the version before counts as gone, and clients ask anew for each.
            Ok(Err(_)) | Err(_) => Outline {
                turn,
                ..Outline::default()
            },
        };
        let outline = Arc::new(outline);
        *newest = Some(Arc::clone(&outline));
        outline
    }
}

fn outline(content: &SnapshotContent, turn: u64) -> Outline {
    let segments: BTreeMap<&str, Part> = content
        .segments
        .iter()
        .map(|segment| (segment.key().as_str(), part_of(content, segment)))
        .collect();
    let flags: BTreeMap<&str, (Part, Vec<&str>)> = content
        .flags
        .iter()
        .map(|one| {
            let prerequisites = one.flag.definition().prerequisites.iter();
            let prerequisites = prerequisites.map(|one| one.flag.as_str()).collect();
            (one.flag.key().as_str(), (Part::of(one), prerequisites))
        })
        .collect();
    let print = |key: &str| {
        let mut hasher = DefaultHasher::new();
        // Another hash deals everybody anew.
        content.bucketing.name().hash(&mut hasher);
        let mut used_flags = vec![key];
        let mut used_segments: Vec<&str> = Vec::new();
        let mut at = 0;
        while let Some(key) = used_flags.get(at).copied() {
            at += 1;
            if let Some((part, prerequisites)) = flags.get(key) {
                part.print.hash(&mut hasher);
                add_new(&mut used_flags, prerequisites.iter().copied());
                add_new(&mut used_segments, part.segments.iter().map(|key| &**key));
            }
        }
        let mut at = 0;
        while let Some(key) = used_segments.get(at).copied() {
            at += 1;
            if let Some(part) = segments.get(key) {
                part.print.hash(&mut hasher);
                add_new(&mut used_segments, part.segments.iter().map(|key| &**key));
            }
        }
        hasher.finish()
    };
    Outline {
        turn,
        flags: flags.keys().map(|key| (Box::from(*key), print(key))).collect(),
    }
}

/// A segment, with the edit of it that is being opened, and how far that is open.
fn part_of(content: &SnapshotContent, segment: &Segment) -> Part {
    let staged = content
        .staged
        .iter()
        .find(|staged| staged.definition.key() == segment.key());
    let guarded = staged.map(|staged| {
        let guard = content.flags.iter().find(|one| *one.flag.key() == staged.guard);
        (&staged.definition, guard)
    });
    match guarded {
        Some(guarded) => Part::of(&(segment, guarded)),
        None => Part::of(segment),
    }
}

fn add_new<'a>(known: &mut Vec<&'a str>, found: impl Iterator<Item = &'a str>) {
    for key in found {
        if !known.contains(&key) {
            known.push(key);
        }
    }
}

/// A flag or segment: a number for what it says, and the segments it names.
struct Part {
    print: u64,
    segments: Vec<Box<str>>,
}

impl Part {
    fn of(definition: &impl Serialize) -> Self {
        // Definitions are plain data: they can always be written.
        let written = serde_json::to_value(definition).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        written.to_string().hash(&mut hasher);
        let mut segments = Vec::new();
        note_segments(&written, &mut segments);
        Self {
            print: hasher.finish(),
            segments,
        }
    }
}

/// Everything that is written as `{"segment": …}`, wherever in a definition predicates stand.
fn note_segments(written: &Value, segments: &mut Vec<Box<str>>) {
    match written {
        Value::Object(members) => {
            for (name, inner) in members {
                match inner {
                    Value::String(key) if name == "segment" => segments.push(key.as_str().into()),
                    inner => note_segments(inner, segments),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| note_segments(item, segments)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn outline_by(bucketing: &str, flags: Value, segments: Value) -> Outline {
        let content = json!({"environment": "production", "bucketing": bucketing, "flags": flags,
            "segments": segments});
        outline(&serde_json::from_value(content).unwrap(), 0)
    }

    fn outline_of(flags: Value, segments: Value) -> Outline {
        outline_by("v3", flags, segments)
    }

    fn flag(key: &str, description: &str, more: Value) -> Value {
        let mut flag = json!({"key": key, "type": "boolean", "description": description});
        for (name, value) in more.as_object().unwrap() {
            flag[name] = value.clone();
        }
        json!({ "flag": flag })
    }

    fn segment(key: &str, unit: &str, when: Option<&str>) -> Value {
        let mut segment = json!({"key": key, "included": [unit]});
        if let Some(nested) = when {
            segment["when"] = json!({"segment": nested});
        }
        segment
    }

    #[test]
    fn what_a_flag_depends_on_changes_it() {
        let uses =
            json!({"rules": [{"name": "r", "when": {"segment": "outer"}, "serve": {"variation": "on"}}]});
        let needs = json!({"prerequisites": [{"flag": "base", "variations": ["on"]}]});
        let flags = |base: &str| {
            json!([
                flag("alone", "", json!({})),
                flag("base", base, json!({})),
                flag("needs", "", needs.clone()),
                flag("uses", "", uses.clone())
            ])
        };
        let segments = |unit: &str| {
            json!([
                segment("inner", unit, None),
                segment("outer", "u1", Some("inner"))
            ])
        };
        let before = outline_of(flags(""), segments("u1"));
        for (after, changed) in [
            (outline_of(flags(""), segments("u1")), vec![]),
            (outline_of(flags("other"), segments("u1")), vec!["base", "needs"]),
            (outline_of(flags(""), segments("u2")), vec!["uses"]),
            (
                outline_by("flagd-v2", flags(""), segments("u1")),
                vec!["alone", "base", "needs", "uses"],
            ),
            (
                outline_of(json!([]), json!([])),
                vec!["alone", "base", "needs", "uses"],
            ),
        ] {
            assert_eq!(after.changed_since(&before), changed);
            assert_eq!(before.changed_since(&after), changed);
        }
    }
}
