//! Reading a struct whose `key` is known from elsewhere.
//!
//! The path names the flag, so the body need not. The key is put in front of the body's own fields
//! while they are being read: rewriting the text would shift every line and column that a mistake
//! is reported at.

use crate::http::problem::Problem;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use std::fmt;
use tidegate_model::invalid::Violation;

const FIELD: &str = "key";

/// Deserialises an object as if it began with `"key": key`; what it says itself goes to `given`.
pub(super) struct Keyed<'a, D> {
    inner: D,
    key: &'a str,
    given: &'a mut Option<String>,
}

impl<'a, D> Keyed<'a, D> {
    pub(super) fn new(inner: D, key: &'a str, given: &'a mut Option<String>) -> Self {
        Self { inner, key, given }
    }
}

/// A violation if the body gave another key than the path.
pub(super) fn check(key: &str, given: Option<String>) -> Result<(), Problem> {
    match given {
        Some(given) if given != key => Err(Problem::invalid(vec![Violation::new(
            FIELD,
            given,
            format!("the body has the key of the path, '{key}'"),
            "leave it out of the body, or send the request to the other path",
        )])),
        _ => Ok(()),
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Keyed<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, key, given } = self;
        inner.deserialize_map(KeyedVisitor { visitor, key, given })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct KeyedVisitor<'a, V> {
    visitor: V,
    key: &'a str,
    given: &'a mut Option<String>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for KeyedVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(formatter)
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self { visitor, key, given } = self;
        visitor.visit_map(KeyFirst {
            inner,
            key,
            given,
            place: Place::Start,
        })
    }
}

enum Place {
    Start,
    AtKey,
    Inside,
}

struct KeyFirst<'a, A> {
    inner: A,
    key: &'a str,
    given: &'a mut Option<String>,
    place: Place,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for KeyFirst<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        if matches!(self.place, Place::Start) {
            self.place = Place::AtKey;
            let field: StrDeserializer<'_, A::Error> = FIELD.into_deserializer();
            return seed.deserialize(field).map(Some);
        }
        while let Some(field) = self.inner.next_key::<String>()? {
            if field != FIELD {
                return seed.deserialize(field.into_deserializer()).map(Some);
            }
            *self.given = Some(self.inner.next_value()?);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        if matches!(self.place, Place::AtKey) {
            self.place = Place::Inside;
            let key: StrDeserializer<'_, A::Error> = self.key.into_deserializer();
            return seed.deserialize(key);
        }
        self.inner.next_value_seed(seed)
    }
}
