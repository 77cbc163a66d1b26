//! Everything that a snapshot's targeting mentions, numbered.
//!
//! A context's values are looked up here once, when it is prepared. From then on `equals` and `in`
//! compare numbers, whatever the length of the texts and lists.

use crate::attribute::Seen;
use crate::names::Names;
use crate::number::Number;
use crate::user_agent::{ATTRIBUTES, Asked};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde_json::Value;
use tidegate_model::context::Context;

/// An attribute that some condition or flag asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AttributeId(pub(crate) u32);

impl AttributeId {
    /// The targeting key: the first attribute of every vocabulary.
    pub(crate) const TARGETING_KEY: Self = Self(0);
    /// The moment of the evaluation, unless the context has its own: the second one.
    pub(crate) const TIMESTAMP: Self = Self(1);
}

/// A text, number or boolean that some condition compares an attribute with. Each attribute has its
/// own, numbered from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Constant(pub(crate) u32);

impl Constant {
    const FALSE: Self = Self(0);
    const TRUE: Self = Self(1);
    /// The value of an attribute that equals nothing the snapshot mentions. In no set of constants.
    pub(crate) const OTHER: Self = Self(u32::MAX);
}

/// A hash table whose order and cost do not depend on a seed. Only definitions are put in; contexts
/// are looked up, so nobody outside can make it degenerate.
pub(crate) type Table<K, V> = HashMap<K, V, FixedState>;

/// The attributes of one snapshot, each with the constants it is compared with.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    names: Names,
    constants: Vec<Constants>,
    client: Option<Asked>,
}

/// What one attribute is compared with.
#[derive(Debug)]
struct Constants {
    /// One bit for each length of a text, modulo 64: most values that equal nothing are told apart by
    /// their length alone.
    lengths: u64,
    texts: Names,
    numbers: Table<Number, Constant>,
    next: u32,
}

impl Vocabulary {
    /// A vocabulary of the attributes that every context has.
    pub(crate) fn new() -> Self {
        let mut vocabulary = Self {
            names: Names::default(),
            constants: Vec::new(),
            client: None,
        };
        // In the order of the numbers in `AttributeId`.
        for name in [Context::TARGETING_KEY, Context::TIMESTAMP] {
            vocabulary.add_attribute(name);
        }
        vocabulary
    }

    /// The number of an attribute, new or not.
    pub(crate) fn add_attribute(&mut self, name: &str) -> AttributeId {
        let constants = &mut self.constants;
        AttributeId(self.names.get_or_insert(name, || {
            constants.push(Constants::new());
            u32::try_from(constants.len() - 1).unwrap_or(u32::MAX)
        }))
    }

    /// The number of a text that an attribute is compared with, new or not.
    pub(crate) fn add_text(&mut self, attribute: AttributeId, text: &str) -> Constant {
        let constants = self.constants.get_mut(attribute.0 as usize);
        constants.map_or(Constant::OTHER, |constants| constants.add_text(text))
    }

    /// The number of a scalar that an attribute is compared with, new or not; lists, objects and null
    /// equal nothing.
    pub(crate) fn add_value(&mut self, attribute: AttributeId, value: &Value) -> Constant {
        let constants = self.constants.get_mut(attribute.0 as usize);
        constants.map_or(Constant::OTHER, |constants| constants.add_value(value))
    }

    /// Which of the constants that an attribute is compared with a context's value equals.
    pub(crate) fn constant(&self, attribute: AttributeId, seen: &Seen<'_>) -> Constant {
        let constants = self.constants.get(attribute.0 as usize);
        constants
            .and_then(|constants| constants.find(seen))
            .unwrap_or(Constant::OTHER)
    }

    /// Which attribute it is, if anything asks for it.
    pub(crate) fn attribute(&self, name: &str) -> Option<AttributeId> {
        self.names.get(name).map(AttributeId)
    }

    /// Finds out what of the client is asked for. To be called when all attributes have been added.
    pub(crate) fn close(&mut self) {
        let ids = ATTRIBUTES.map(|name| self.attribute(name));
        if ids.iter().any(Option::is_some) {
            let agent = self.add_attribute(Context::USER_AGENT);
            self.client = Some(Asked { agent, ids });
        }
    }

    /// What user agents are looked at for, if for anything.
    pub(crate) fn asked_of_client(&self) -> Option<&Asked> {
        self.client.as_ref()
    }

    /// The name of an attribute.
    pub(crate) fn name(&self, attribute: AttributeId) -> &str {
        self.names.nth(attribute.0).unwrap_or_default()
    }

    /// How many attributes there are.
    pub(crate) fn len(&self) -> usize {
        self.constants.len()
    }
}

impl Constants {
    fn new() -> Self {
        Self {
            lengths: 0,
            texts: Names::default(),
            numbers: Table::default(),
            next: Constant::TRUE.0 + 1,
        }
    }

    fn add_text(&mut self, text: &str) -> Constant {
        self.lengths |= length_bit(text);
        let next = &mut self.next;
        Constant(self.texts.get_or_insert(text, || take(next)))
    }

    fn add_value(&mut self, value: &Value) -> Constant {
        match value {
            Value::String(text) => self.add_text(text),
            Value::Number(number) => {
                let next = &mut self.next;
                Number::of(number).map_or(Constant::OTHER, |number| {
                    *self.numbers.entry(number).or_insert_with(|| Constant(take(next)))
                })
            }
            Value::Bool(false) => Constant::FALSE,
            Value::Bool(true) => Constant::TRUE,
            Value::Null | Value::Array(_) | Value::Object(_) => Constant::OTHER,
        }
    }

    fn find(&self, seen: &Seen<'_>) -> Option<Constant> {
        match seen {
            Seen::Text(text) if self.lengths & length_bit(text) != 0 => self.texts.get(text).map(Constant),
            Seen::Short(short) => self.texts.get(short.as_str()).map(Constant),
            Seen::Number(number) => self.numbers.get(number).copied(),
            Seen::Boolean(false) => Some(Constant::FALSE),
            Seen::Boolean(true) => Some(Constant::TRUE),
            Seen::Text(_) | Seen::Missing | Seen::List(_) | Seen::Object(_) => None,
        }
    }
}

fn length_bit(text: &str) -> u64 {
    1 << (text.len() % 64)
}

fn take(next: &mut u32) -> u32 {
    let number = *next;
    // A snapshot has at most 32 MiB, far fewer than 2^32 constants.
    *next = next.saturating_add(1);
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_values_are_one_constant() {
        let mut vocabulary = Vocabulary::new();
        let age = vocabulary.add_attribute("age");
        let ten = vocabulary.add_value(age, &json!(10));
        let text = vocabulary.add_value(age, &json!("10"));
        assert_ne!(ten, text);
        for (value, expected) in [
            (json!(10.0), ten),
            (json!("10"), text),
            (json!("11"), Constant::OTHER),
            (json!("100"), Constant::OTHER),
            (json!(true), Constant::TRUE),
            (json!(11), Constant::OTHER),
            (json!([10]), Constant::OTHER),
            (json!(null), Constant::OTHER),
        ] {
            assert_eq!(vocabulary.constant(age, &Seen::of(&value)), expected, "{value}");
        }
    }

    #[test]
    fn every_attribute_has_its_own_constants() {
        let mut vocabulary = Vocabulary::new();
        let [age, size] = ["age", "size"].map(|name| vocabulary.add_attribute(name));
        assert_eq!(vocabulary.add_attribute("age"), age);
        vocabulary.add_value(age, &json!(10));
        assert_eq!(vocabulary.constant(size, &Seen::of(&json!(10))), Constant::OTHER);
        assert_eq!(
            (vocabulary.name(size), vocabulary.attribute("size")),
            ("size", Some(size))
        );
    }

    #[test]
    fn what_every_context_has_comes_first() {
        let vocabulary = Vocabulary::new();
        assert_eq!(
            vocabulary.attribute("targetingKey"),
            Some(AttributeId::TARGETING_KEY)
        );
        assert_eq!(vocabulary.attribute("timestamp"), Some(AttributeId::TIMESTAMP));
    }
}
