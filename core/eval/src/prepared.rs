//! A context prepared for one snapshot.

use crate::attribute::{Attribute, Seen};
use crate::bucket::{Salt, UnitText};
use crate::number::Number;
use crate::snapshot::CompiledSnapshot;
use crate::user_agent::{Asked, Client};
use crate::vocabulary::{AttributeId, Constant, Vocabulary};
use serde_json::Value;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::units::UnitSet;

/// A context prepared for one compiled snapshot; evaluates any number of its flags, from any number
/// of threads. Borrows its texts. Of no use to another snapshot: prepare the context again after a new
/// one arrived.
pub struct PreparedContext<'c> {
    /// The targeting key, which is nearly always the unit; empty when there is none.
    key: &'c str,
    /// By their numbers in the vocabulary.
    attributes: Vec<Attribute<'c>>,
    /// What was found out about segments, then about prerequisites.
    memos: Vec<Memo>,
    segments: u32,
    at: Timestamp,
}

/// The memory of a prepared context that is no longer needed, for preparing the next one in:
/// [`PreparedContext::into_space`], [`CompiledSnapshot::fill`].
#[derive(Debug, Default)]
pub struct Space {
    /// Empty.
    attributes: Vec<Attribute<'static>>,
    /// Empty.
    memos: Vec<Memo>,
}

/// A context that is being prepared, attribute by attribute, without a [`Context`] in between.
///
/// An attribute that nothing asks for costs one look-up of its name. If one is given twice, the later
/// one counts. Attributes inside objects have dotted names, as in `location.country`.
#[derive(Debug)]
pub struct Filling<'s, 'c> {
    vocabulary: &'s Vocabulary,
    context: PreparedContext<'c>,
}

/// An answer that is found at most a few times per context. Two threads may both find it, and find
/// the same, so nothing has to be ordered or locked. 0 is "not known yet".
#[derive(Debug, Default)]
struct Memo(AtomicU32);

/// How many answers a prepared context has to remember.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MemoCounts {
    /// Of segments.
    pub(crate) segments: u32,
    /// Of flags that are prerequisites of others.
    pub(crate) prerequisites: u32,
}

impl CompiledSnapshot {
    /// Looks up the context's attributes once for any number of evaluations. `at` is the moment that
    /// conditions on time compare with.
    pub fn prepare<'c>(&self, context: &'c Context, at: Timestamp) -> PreparedContext<'c> {
        self.prepare_in(Space::default(), context, at)
    }

    /// Like [`prepare`](Self::prepare), in memory that an earlier context left: allocates nothing once
    /// the space has grown to the snapshot's size.
    pub fn prepare_in<'c>(&self, space: Space, context: &'c Context, at: Timestamp) -> PreparedContext<'c> {
        let mut filling = self.fill(space, at);
        for (name, value) in context.attributes() {
            filling.json(name, value);
        }
        if let Some(key) = context.targeting_key() {
            filling.targeting_key(key);
        }
        filling.finish()
    }

    /// Begins a prepared context that is given its attributes one by one. The fastest way from raw
    /// attributes to evaluations: what is given is looked at in place, nothing is copied.
    pub fn fill<'c>(&self, space: Space, at: Timestamp) -> Filling<'_, 'c> {
        let Space {
            mut attributes,
            mut memos,
        } = space;
        attributes.resize(self.vocabulary.len(), Attribute::MISSING);
        let memo_count = self.memos.segments + self.memos.prerequisites;
        memos.resize_with(memo_count as usize, Memo::default);
        let mut filling = Filling {
            vocabulary: &self.vocabulary,
            context: PreparedContext {
                key: "",
                attributes,
                memos,
                segments: self.memos.segments,
                at,
            },
        };
        filling.put(
            AttributeId::TIMESTAMP,
            Seen::Number(Number::Whole(at.timestamp())),
        );
        filling
    }
}

impl<'c> Filling<'_, 'c> {
    /// The unit that is bucketed, unless a flag names another attribute for it.
    pub fn targeting_key(&mut self, key: &'c str) -> &mut Self {
        self.put(AttributeId::TARGETING_KEY, Seen::Text(key));
        self
    }

    /// An attribute that is a text.
    pub fn text(&mut self, name: &str, text: &'c str) -> &mut Self {
        self.set(name, Seen::Text(text))
    }

    /// An attribute that is a whole number.
    pub fn integer(&mut self, name: &str, number: i64) -> &mut Self {
        self.set(name, Seen::Number(Number::Whole(number)))
    }

    /// An attribute that is a number; one that is infinite or not a number is missing.
    pub fn float(&mut self, name: &str, number: f64) -> &mut Self {
        let number = Number::of_float(number);
        self.set(name, number.map_or(Seen::Missing, Seen::Number))
    }

    /// An attribute that is true or false.
    pub fn boolean(&mut self, name: &str, truth: bool) -> &mut Self {
        self.set(name, Seen::Boolean(truth))
    }

    /// An attribute of any JSON type but an object. Null is missing.
    pub fn json(&mut self, name: &str, value: &'c Value) -> &mut Self {
        if let Some(id) = self.vocabulary.attribute(name) {
            self.put(id, Seen::of(value));
        }
        self
    }

    /// The context, prepared.
    pub fn finish(mut self) -> PreparedContext<'c> {
        if let Some(asked) = self.vocabulary.asked_of_client() {
            self.recognise(asked);
        }
        self.context.key = self.context.key().unwrap_or_default();
        self.context
    }

    /// What the user agent says, where the context says nothing.
    fn recognise(&mut self, asked: &Asked) {
        let is_missing = |id: &AttributeId| self.context.attribute(*id).seen.is_missing();
        let wanted = asked.ids.map(|id| id.filter(is_missing));
        let Seen::Text(agent) = self.context.attribute(asked.agent).seen else {
            return;
        };
        if wanted.iter().all(Option::is_none) {
            return;
        }
        for (id, seen) in wanted.into_iter().zip(Client::of(agent).told()) {
            if let Some(id) = id {
                self.put(id, seen);
            }
        }
    }

    #[inline]
    fn set(&mut self, name: &str, seen: Seen<'c>) -> &mut Self {
        if let Some(id) = self.vocabulary.attribute(name) {
            self.put(id, seen);
        }
        self
    }

    #[inline]
    fn put(&mut self, id: AttributeId, seen: Seen<'c>) {
        let constant = self.vocabulary.constant(id, &seen);
        if let Some(slot) = self.context.attributes.get_mut(id.0 as usize) {
            *slot = Attribute::new(seen, constant);
        }
    }
}

impl<'c> PreparedContext<'c> {
    /// The moment that conditions on time compare with.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The targeting key.
    pub fn key(&self) -> Option<&'c str> {
        match self.attribute(AttributeId::TARGETING_KEY).seen {
            Seen::Text(key) => Some(key),
            _ => None,
        }
    }

    /// Gives up the context and keeps its memory for the next one.
    pub fn into_space(self) -> Space {
        let Self {
            mut attributes,
            mut memos,
            ..
        } = self;
        attributes.clear();
        memos.clear();
        Space {
            // Nothing is left to be converted: this is the same memory, without what it borrowed.
            attributes: attributes.into_iter().map(|_| Attribute::MISSING).collect(),
            memos,
        }
    }

    /// The context's value of an attribute.
    #[inline]
    pub(crate) fn attribute(&self, id: AttributeId) -> &Attribute<'c> {
        const MISSING: &Attribute<'static> = &Attribute::MISSING;
        self.attributes.get(id.0 as usize).unwrap_or(MISSING)
    }

    /// Which constant the targeting key equals.
    pub(crate) fn targeting_key(&self) -> Constant {
        self.attribute(AttributeId::TARGETING_KEY).constant
    }

    /// The bucket, under a salt, of the attribute that is the unit; `None` when there is no unit. An
    /// empty text is nobody: it would put everyone whose key was forgotten into one bucket.
    #[inline]
    pub(crate) fn bucket(&self, unit: AttributeId, salt: &Salt) -> Option<u32> {
        // That way is kept short: from here to the text without looking at attributes.
        if unit == AttributeId::TARGETING_KEY && !self.key.is_empty() {
            return Some(salt.bucket(self.key));
        }
        bucket_of_other(&self.attribute(unit).seen, salt)
    }

    /// The hash that stands for the attribute that is the unit; `None` when there is no unit.
    #[inline]
    pub(crate) fn unit_hash(&self, unit: AttributeId) -> Option<u64> {
        if unit == AttributeId::TARGETING_KEY && !self.key.is_empty() {
            return Some(UnitSet::hash(self.key));
        }
        with_text(&self.attribute(unit).seen, UnitSet::hash)
    }

    /// The text of the attribute that is the unit; `None` when there is no unit.
    pub(crate) fn unit(&self, unit: AttributeId) -> Option<String> {
        self.text(unit).filter(|text| !text.is_empty())
    }

    /// An attribute as text; `None` when it is missing, a list or an object.
    pub(crate) fn text(&self, attribute: AttributeId) -> Option<String> {
        with_text(&self.attribute(attribute).seen, str::to_owned)
    }

    /// Whether there is a unit to bucket.
    pub(crate) fn has_unit(&self, unit: AttributeId) -> bool {
        match &self.attribute(unit).seen {
            Seen::Text(text) => !text.is_empty(),
            Seen::Missing | Seen::List(_) | Seen::Object(_) => false,
            _ => true,
        }
    }

    /// Whether the context is in a segment, found out once.
    pub(crate) fn member(&self, segment: u32, find: impl FnOnce() -> bool) -> bool {
        const OUT: u32 = 1;
        const IN: u32 = 2;
        let Some(Memo(memo)) = self.memos.get(segment as usize) else {
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
        let Some(Memo(memo)) = self.memos.get((self.segments + prerequisite) as usize) else {
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

/// The bucket of a unit that is not the targeting key.
#[inline(never)]
fn bucket_of_other(unit: &Seen<'_>, salt: &Salt) -> Option<u32> {
    match unit {
        Seen::Text("") => None,
        unit => with_text(unit, |text| salt.bucket(text)),
    }
}

/// What follows from the text of a value, if it has one. Allocates nothing.
fn with_text<T>(seen: &Seen<'_>, then: impl FnOnce(&str) -> T) -> Option<T> {
    match seen {
        Seen::Text(text) => Some(then(text)),
        Seen::Short(short) => Some(then(short.as_str())),
        Seen::Number(number) => Some(then(UnitText::of_number(*number).as_str())),
        Seen::Boolean(truth) => Some(then(if *truth { "true" } else { "false" })),
        Seen::Missing | Seen::List(_) | Seen::Object(_) => None,
    }
}

impl fmt::Debug for PreparedContext<'_> {
    /// Without the values: attributes are private, and a context may end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedContext")
            .field("attributes", &self.attributes.len())
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
