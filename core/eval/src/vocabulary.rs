//! Everything that a snapshot's targeting mentions, numbered.
//!
//! A context's values are looked up here once, when it is prepared. From then on `equals` and `in`
//! compare numbers, whatever the length of the texts and lists.

use crate::number::Number;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use serde_json::Value;

/// An attribute that some condition or flag asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AttributeId(pub(crate) u32);

impl AttributeId {
    /// The targeting key: the first attribute of every vocabulary.
    pub(crate) const TARGETING_KEY: Self = Self(0);
}

/// A text, number or boolean that some condition compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Constant(u32);

impl Constant {
    const FALSE: Self = Self(0);
    const TRUE: Self = Self(1);
    /// The value of an attribute that equals nothing the snapshot mentions. In no [`ConstantSet`].
    pub(crate) const OTHER: Self = Self(u32::MAX);
}

/// A hash table whose order and cost do not depend on a seed. Only definitions are put in; contexts
/// are looked up, so nobody outside can make it degenerate.
pub(crate) type Table<K, V> = HashMap<K, V, FixedState>;

/// The attributes and constants of one snapshot.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    attribute_ids: Table<String, AttributeId>,
    attribute_names: Vec<Box<str>>,
    texts: Table<String, Constant>,
    numbers: Table<Number, Constant>,
    next_constant: u32,
}

impl Vocabulary {
    /// A vocabulary of the targeting key and the two booleans.
    pub(crate) fn new(targeting_key: &str) -> Self {
        let mut vocabulary = Self {
            attribute_ids: Table::default(),
            attribute_names: Vec::new(),
            texts: Table::default(),
            numbers: Table::default(),
            next_constant: Constant::TRUE.0 + 1,
        };
        vocabulary.add_attribute(targeting_key);
        vocabulary
    }

    /// The number of an attribute, new or not.
    pub(crate) fn add_attribute(&mut self, name: &str) -> AttributeId {
        let next = AttributeId(u32::try_from(self.attribute_names.len()).unwrap_or(u32::MAX));
        let names = &mut self.attribute_names;
        *self.attribute_ids.entry_ref(name).or_insert_with(|| {
            names.push(name.into());
            next
        })
    }

    /// The number of a text, new or not.
    pub(crate) fn add_text(&mut self, text: &str) -> Constant {
        let next = &mut self.next_constant;
        *self.texts.entry_ref(text).or_insert_with(|| take(next))
    }

    /// The number of a scalar, new or not; lists, objects and null equal nothing.
    pub(crate) fn add_value(&mut self, value: &Value) -> Constant {
        match value {
            Value::String(text) => self.add_text(text),
            Value::Number(number) => {
                let next = &mut self.next_constant;
                Number::of(number).map_or(Constant::OTHER, |number| {
                    *self.numbers.entry(number).or_insert_with(|| take(next))
                })
            }
            other => self.constant(other),
        }
    }

    /// Which constant a context's value equals.
    pub(crate) fn constant(&self, value: &Value) -> Constant {
        let known = match value {
            Value::Bool(false) => Some(Constant::FALSE),
            Value::Bool(true) => Some(Constant::TRUE),
            Value::String(text) => self.texts.get(text.as_str()).copied(),
            Value::Number(number) => Number::of(number).and_then(|number| self.numbers.get(&number).copied()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        known.unwrap_or(Constant::OTHER)
    }

    /// Which attribute it is, if anything asks for it.
    pub(crate) fn attribute(&self, name: &str) -> Option<AttributeId> {
        self.attribute_ids.get(name).copied()
    }

    /// The names of all attributes, in the order of their numbers.
    pub(crate) fn attribute_names(&self) -> &[Box<str>] {
        &self.attribute_names
    }
}

fn take(next: &mut u32) -> Constant {
    let constant = Constant(*next);
    // A snapshot has at most 32 MiB, far fewer than 2^32 constants.
    *next = next.saturating_add(1);
    constant
}

/// The values of an `in` list, or the units of a list.
#[derive(Debug, Default)]
pub(crate) struct ConstantSet {
    few: Box<[Constant]>,
    many: HashSet<Constant, FixedState>,
}

impl ConstantSet {
    /// Up to here looking at each is faster than hashing: sixteen numbers are one cache line.
    const FEW_MAX: usize = 32;

    /// Whether the constant is one of them.
    pub(crate) fn contains(&self, constant: Constant) -> bool {
        constant != Constant::OTHER
            && (self.few.contains(&constant) || (!self.many.is_empty() && self.many.contains(&constant)))
    }
}

impl FromIterator<Constant> for ConstantSet {
    fn from_iter<I: IntoIterator<Item = Constant>>(constants: I) -> Self {
        let all: HashSet<Constant, FixedState> = constants
            .into_iter()
            .filter(|constant| *constant != Constant::OTHER)
            .collect();
        if all.len() > Self::FEW_MAX {
            return Self {
                few: Box::default(),
                many: all,
            };
        }
        let mut few: Vec<Constant> = all.into_iter().collect();
        few.sort_unstable();
        Self {
            few: few.into(),
            many: HashSet::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_values_are_one_constant() {
        let mut vocabulary = Vocabulary::new("targetingKey");
        let ten = vocabulary.add_value(&json!(10));
        let text = vocabulary.add_value(&json!("10"));
        assert_ne!(ten, text);
        for (value, expected) in [
            (json!(10.0), ten),
            (json!("10"), text),
            (json!(true), Constant::TRUE),
            (json!(11), Constant::OTHER),
            (json!([10]), Constant::OTHER),
            (json!(null), Constant::OTHER),
        ] {
            assert_eq!(vocabulary.constant(&value), expected, "{value}");
        }
    }

    #[test]
    fn small_and_large_sets_hold_what_was_put_in() {
        for size in [0, 1, 31, 32, 33, 1000] {
            let set: ConstantSet = (0..size).map(Constant).collect();
            assert!((0..size).all(|number| set.contains(Constant(number))), "{size}");
            assert!(
                !set.contains(Constant(size)) && !set.contains(Constant::OTHER),
                "{size}"
            );
        }
        let others: ConstantSet = [Constant::OTHER].into_iter().collect();
        assert!(!others.contains(Constant::OTHER));
    }
}
