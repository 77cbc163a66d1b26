//! The targeting key in a context.

use super::Reading;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The targeting key: a text or null.
pub(super) struct KeySeed<'r, 'b>(pub(super) &'r mut Reading<'b>);

impl<'b> DeserializeSeed<'b> for KeySeed<'_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl KeySeed<'_, '_> {
    fn no_text<E: serde::de::Error>(self, found: impl fmt::Display) -> Result<(), E> {
        self.0.broken(format!(
            "context.targetingKey is {found}, and a targeting key is a text; put it in quotes"
        ))
    }
}

impl<'b> Visitor<'b> for KeySeed<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, key: &'b str) -> Result<(), E> {
        self.0.facts.targeting_key = Some(Cow::Borrowed(key));
        Ok(())
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.0.facts.targeting_key = Some(Cow::Owned(key.to_owned()));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.facts.targeting_key = None;
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, found: bool) -> Result<(), E> {
        self.no_text(found)
    }

    fn visit_i64<E: serde::de::Error>(self, found: i64) -> Result<(), E> {
        self.no_text(found)
    }

    fn visit_u64<E: serde::de::Error>(self, found: u64) -> Result<(), E> {
        self.no_text(found)
    }

    fn visit_f64<E: serde::de::Error>(self, found: f64) -> Result<(), E> {
        self.no_text(found)
    }

    fn visit_seq<A: SeqAccess<'b>>(self, _: A) -> Result<(), A::Error> {
        self.no_text("a list")
    }

    fn visit_map<A: MapAccess<'b>>(self, _: A) -> Result<(), A::Error> {
        self.no_text("an object")
    }
}
