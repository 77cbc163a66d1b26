//! A context prepared for one snapshot.

use crate::number::Number;
use crate::vocabulary::{AttributeId, Constant, Vocabulary};
use serde_json::Value;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use tidegate_model::context::Context;

/// A context prepared for one compiled snapshot; evaluates any number of its flags, from any number
/// of threads. Of no use to another snapshot: prepare the context again after a new one arrived.
pub struct PreparedContext {
    attributes: Box<[Attribute]>,
    /// The texts of numbers and booleans, which may serve as units.
    unit_texts: Vec<(AttributeId, Box<str>)>,
    memberships: Box<[Memo<AtomicU8>]>,
    served: Box<[Memo<AtomicU32>]>,
}

/// The context's value of one attribute of the vocabulary.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    /// The value; null when the context does not have it.
    pub(crate) value: Value,
    /// Which constant of the vocabulary it equals.
    pub(crate) constant: Constant,
}

impl Attribute {
    const MISSING: Self = Self {
        value: Value::Null,
        constant: Constant::OTHER,
    };
}

/// An answer that is found at most a few times per context. Two threads may both find it, and find
/// the same, so nothing has to be ordered or locked.
#[derive(Debug, Default)]
struct Memo<T>(T);

/// How many answers a prepared context has to remember.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MemoCounts {
    /// Of segments.
    pub(crate) segments: usize,
    /// Of flags that are prerequisites of others.
    pub(crate) prerequisites: usize,
}

impl PreparedContext {
    /// Looks up every attribute that the vocabulary knows.
    pub(crate) fn new(vocabulary: &Vocabulary, context: &Context, memos: MemoCounts) -> Self {
        let mut attributes = vec![Attribute::MISSING; vocabulary.attribute_names().len()];
        let mut unit_texts = Vec::new();
        let mut put = |id: AttributeId, value: Value| {
            let constant = vocabulary.constant(&value);
            if let Some(text) = unit_text(&value) {
                unit_texts.push((id, text));
            }
            if let Some(slot) = attributes.get_mut(id.0 as usize) {
                *slot = Attribute { value, constant };
            }
        };
        for (name, value) in context.attributes() {
            if let Some(id) = vocabulary.attribute(name) {
                put(id, value.clone());
            }
        }
        if let Some(key) = context.targeting_key() {
            put(AttributeId::TARGETING_KEY, key.into());
        }
        Self {
            attributes: attributes.into(),
            unit_texts,
            memberships: (0..memos.segments).map(|_| Memo::default()).collect(),
            served: (0..memos.prerequisites).map(|_| Memo::default()).collect(),
        }
    }

    /// The context's value of an attribute.
    pub(crate) fn attribute(&self, id: AttributeId) -> &Attribute {
        const MISSING: &Attribute = &Attribute::MISSING;
        self.attributes.get(id.0 as usize).unwrap_or(MISSING)
    }

    /// Which constant the targeting key equals.
    pub(crate) fn targeting_key(&self) -> Constant {
        self.attribute(AttributeId::TARGETING_KEY).constant
    }

    /// The text that is bucketed when this attribute is the unit. An empty text is nobody: it would
    /// put everyone whose key was forgotten into one bucket.
    pub(crate) fn unit(&self, id: AttributeId) -> Option<&str> {
        match &self.attribute(id).value {
            Value::String(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
            Value::Number(_) | Value::Bool(_) => self
                .unit_texts
                .iter()
                .find_map(|(with_text, text)| (*with_text == id).then_some(&**text)),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Whether the context is in a segment, found out once.
    pub(crate) fn member(&self, segment: u32, find: impl FnOnce() -> bool) -> bool {
        const OUT: u8 = 1;
        const IN: u8 = 2;
        let Some(Memo(memo)) = self.memberships.get(segment as usize) else {
            return find();
        };
        match memo.load(Ordering::Relaxed) {
            OUT => false,
            IN => true,
            _ => {
                let member = find();
                memo.store(if member { IN } else { OUT }, Ordering::Relaxed);
                member
            }
        }
    }

    /// Which variation (by its place in the flag) a prerequisite serves, found out once.
    pub(crate) fn serves(&self, prerequisite: u32, find: impl FnOnce() -> Option<u16>) -> Option<u16> {
        const NONE: u32 = 1;
        const FIRST: u32 = 2;
        let Some(Memo(memo)) = self.served.get(prerequisite as usize) else {
            return find();
        };
        match memo.load(Ordering::Relaxed) {
            0 => {
                let found = find();
                memo.store(
                    found.map_or(NONE, |place| FIRST + u32::from(place)),
                    Ordering::Relaxed,
                );
                found
            }
            known => known
                .checked_sub(FIRST)
                .and_then(|place| u16::try_from(place).ok()),
        }
    }
}

/// The text of a number or boolean: one text for `7` and `7.0`, as they are one value.
fn unit_text(value: &Value) -> Option<Box<str>> {
    match value {
        Value::Number(number) => Number::of(number).map(|number| number.to_string().into()),
        Value::Bool(truth) => Some(if *truth { "true".into() } else { "false".into() }),
        _ => None,
    }
}

impl fmt::Debug for PreparedContext {
    /// Without the values: attributes are private, and a context may end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedContext")
            .field("attributes", &self.attributes.len())
            .finish_non_exhaustive()
    }
}
