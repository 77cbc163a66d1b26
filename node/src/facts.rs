//! The context of a request, read straight from its body.
//!
//! Says the same as [`tidegate_model::context::Context::from_json`], without the tree in between:
//! texts without escapes stay in the body, and nothing is sorted.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use tidegate_eval::{Filling, PreparedContext};
use tidegate_model::Timestamp;
use tidegate_model::condition::ATTRIBUTE_BYTES_MAX;
use tidegate_model::context::{ATTRIBUTES_MAX, Context, NESTING_MAX};
use tidegate_replica::Served;

mod key;

use key::KeySeed;

/// What a request says about who asks.
#[derive(Debug, Default)]
pub(crate) struct Facts<'b> {
    targeting_key: Option<Cow<'b, str>>,
    attributes: Vec<(Cow<'b, str>, Fact<'b>)>,
}

/// The value of an attribute.
#[derive(Debug)]
enum Fact<'b> {
    Text(Cow<'b, str>),
    Whole(i64),
    Float(f64),
    Truth(bool),
    /// A list, or a number that is too large for the others.
    Other(Value),
}

/// Why a body has no context that could be evaluated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is not JSON, or not an object.
    Body(String),
    /// Its context breaks a rule.
    Context(String),
}

impl<'b> Facts<'b> {
    /// The context in the body of an OFREP request. Other members are left alone: the protocol
    /// grows. No context is an empty one.
    ///
    /// # Errors
    /// When the body or the context cannot be read.
    pub(crate) fn of_body(body: &'b [u8]) -> Result<Self, Unreadable> {
        read(body, |reading, json| reading.body(json))
    }

    /// The context that this JSON is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn of_context(json: &'b [u8]) -> Result<Self, Unreadable> {
        read(json, |reading, json| reading.context(json))
    }

    /// The context, prepared for a snapshot.
    pub(crate) fn prepare<'c>(&'c self, served: &Served, at: Timestamp) -> PreparedContext<'c> {
        let mut filling = served.fill(at);
        for (name, fact) in &self.attributes {
            fact.put(name, &mut filling);
        }
        if let Some(key) = &self.targeting_key {
            filling.targeting_key(key);
        }
        filling.finish()
    }
}

impl<'b> Fact<'b> {
    fn put<'c>(&'c self, name: &str, filling: &mut Filling<'_, 'c>) {
        match self {
            Self::Text(text) => filling.text(name, text),
            Self::Whole(number) => filling.integer(name, *number),
            Self::Float(number) => filling.float(name, *number),
            Self::Truth(truth) => filling.boolean(name, *truth),
            Self::Other(value) => filling.json(name, value),
        };
    }
}

/// Reads JSON to its end.
fn read<'b>(
    json: &'b [u8],
    read: impl FnOnce(&mut Reading<'b>, &mut Json<'b>) -> Result<(), serde_json::Error>,
) -> Result<Facts<'b>, Unreadable> {
    let mut deserializer = Json::from_slice(json);
    let mut reading = Reading::default();
    let outcome = read(&mut reading, &mut deserializer).and_then(|()| deserializer.end());
    match (reading.broken, outcome) {
        (Some(rule), _) => Err(Unreadable::Context(rule)),
        (None, Err(error)) => Err(Unreadable::Body(error.to_string())),
        (None, Ok(())) => Ok(reading.facts),
    }
}

type Json<'b> = serde_json::Deserializer<serde_json::de::SliceRead<'b>>;

/// What has been read so far.
#[derive(Default)]
struct Reading<'b> {
    facts: Facts<'b>,
    /// The rule that the context breaks.
    broken: Option<String>,
}

impl<'b> Reading<'b> {
    fn body(&mut self, json: &mut Json<'b>) -> Result<(), serde_json::Error> {
        json.deserialize_map(Body(self))
    }

    fn context(&mut self, json: &mut Json<'b>) -> Result<(), serde_json::Error> {
        ContextSeed(self).deserialize(json)
    }

    /// Notes which rule the context breaks; the error only ends the reading.
    fn broken<T, E: serde::de::Error>(&mut self, rule: impl Into<String>) -> Result<T, E> {
        let rule = rule.into();
        let error = E::custom(&rule);
        self.broken = Some(rule);
        Err(error)
    }

    fn put<E: serde::de::Error>(&mut self, name: Cow<'b, str>, fact: Fact<'b>) -> Result<(), E> {
        if self.facts.attributes.len() >= ATTRIBUTES_MAX {
            return self.broken(format!(
                "a context has at most {ATTRIBUTES_MAX} attributes; send fewer"
            ));
        }
        self.facts.attributes.push((name, fact));
        Ok(())
    }
}

/// The object around the context.
struct Body<'r, 'b>(&'r mut Reading<'b>);

impl<'b> Visitor<'b> for Body<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"an object; send for example {"context":{"targetingKey":"user-1"}}"#)
    }

    fn visit_map<A: MapAccess<'b>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = members.next_key()? {
            if name == "context" {
                self.0.facts = Facts::default();
                members.next_value_seed(ContextSeed(&mut *self.0))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The context itself.
struct ContextSeed<'r, 'b>(&'r mut Reading<'b>);

impl<'b> DeserializeSeed<'b> for ContextSeed<'_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl ContextSeed<'_, '_> {
    fn no_object<E: serde::de::Error>(self) -> Result<(), E> {
        self.0
            .broken("context is not an object; send for example {\"targetingKey\":\"user-1\"}")
    }
}

impl<'b> Visitor<'b> for ContextSeed<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'b>>(self, mut members: A) -> Result<(), A::Error> {
        let reading = self.0;
        while let Some(Text(name)) = members.next_key()? {
            if name == Context::TARGETING_KEY {
                members.next_value_seed(KeySeed(&mut *reading))?;
            } else {
                members.next_value_seed(AttributeSeed {
                    reading: &mut *reading,
                    name,
                    depth: 1,
                })?;
            }
        }
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.no_object()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.no_object()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.no_object()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.no_object()
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.no_object()
    }

    fn visit_seq<A: SeqAccess<'b>>(self, _: A) -> Result<(), A::Error> {
        self.no_object()
    }
}

/// One attribute; the members of an object count one by one, under dotted names.
struct AttributeSeed<'r, 'b> {
    reading: &'r mut Reading<'b>,
    name: Cow<'b, str>,
    depth: usize,
}

impl<'b> DeserializeSeed<'b> for AttributeSeed<'_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, json: D) -> Result<(), D::Error> {
        // No condition can ask for it. Below it are longer names: reading them would multiply one long
        // name by many short ones.
        if self.name.len() > ATTRIBUTE_BYTES_MAX {
            return IgnoredAny::deserialize(json).map(drop);
        }
        json.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for AttributeSeed<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, truth: bool) -> Result<(), E> {
        self.reading.put(self.name, Fact::Truth(truth))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.reading.put(self.name, Fact::Whole(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        let fact = i64::try_from(number).map_or_else(|_| Fact::Other(number.into()), Fact::Whole);
        self.reading.put(self.name, fact)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.reading.put(self.name, Fact::Float(number))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'b str) -> Result<(), E> {
        self.reading.put(self.name, Fact::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.reading
            .put(self.name, Fact::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut items: A) -> Result<(), A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        self.reading.put(self.name, Fact::Other(Value::Array(list)))
    }

    fn visit_map<A: MapAccess<'b>>(self, mut members: A) -> Result<(), A::Error> {
        if self.depth >= NESTING_MAX {
            return self.reading.broken(format!(
                "attributes nest at most {NESTING_MAX} deep, and context.{} does deeper",
                self.name
            ));
        }
        while let Some(Text(inner)) = members.next_key()? {
            members.next_value_seed(AttributeSeed {
                reading: &mut *self.reading,
                name: format!("{}.{inner}", self.name).into(),
                depth: self.depth + 1,
            })?;
        }
        Ok(())
    }
}

/// A text that stays in the body if it can.
struct Text<'b>(Cow<'b, str>);

impl<'b> Deserialize<'b> for Text<'b> {
    fn deserialize<D: Deserializer<'b>>(json: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'b> Visitor<'b> for Visit {
            type Value = Text<'b>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'b str) -> Result<Text<'b>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'b>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        json.deserialize_str(Visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(facts: &Facts<'_>) -> Value {
        let mut shown = serde_json::Map::new();
        if let Some(key) = &facts.targeting_key {
            shown.insert(Context::TARGETING_KEY.to_owned(), key.as_ref().into());
        }
        for (name, fact) in &facts.attributes {
            let value = match fact {
                Fact::Text(text) => text.as_ref().into(),
                Fact::Whole(number) => (*number).into(),
                Fact::Float(number) => (*number).into(),
                Fact::Truth(truth) => (*truth).into(),
                Fact::Other(value) => value.clone(),
            };
            shown.insert(name.clone().into_owned(), value);
        }
        shown.into()
    }

    /// What the model's own reading says of the same context.
    fn expected(json: &str) -> Option<Value> {
        let parsed: serde_json::Map<String, Value> = serde_json::from_str(json).ok()?;
        let context = Context::from_json(&parsed).ok()?;
        let mut shown: serde_json::Map<String, Value> = context.attributes().clone().into_iter().collect();
        if let Some(key) = context.targeting_key() {
            shown.insert(Context::TARGETING_KEY.to_owned(), key.into());
        }
        Some(shown.into())
    }

    fn nested(depth: usize) -> String {
        format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
    }

    #[test]
    fn a_context_is_read_as_the_model_reads_it() {
        let wide = |count: usize| {
            let members: Vec<String> = (0..count).map(|i| format!(r#""a{i}":{i}"#)).collect();
            format!("{{{}}}", members.join(","))
        };
        for json in [
            "{}",
            r#"{"targetingKey":"u1"}"#,
            r#"{"targetingKey":"\u0000"}"#,
            r#"{"targetingKey":null,"a":null}"#,
            r#"{"targetingKey":7}"#,
            r#"{"targetingKey":["u1"]}"#,
            r#"{"targetingKey":{"id":"u1"}}"#,
            r#"{"targetingKey":true}"#,
            r#"{"targetingKey":1.5}"#,
            r#"{"b":true,"i":-7,"u":18446744073709551615,"f":0.5,"e":1e400,"t":"a\"b","n":"1"}"#,
            r#"{"list":[1,"a",[true,null],{"x":1}],"empty":[],"none":{}}"#,
            r#"{"location":{"country":"FR","geo":{"lat":48.8,"none":null}}}"#,
            r#"{"a":1,"a":"two"}"#,
            r#"{"a\nb":1,"é":"ü"}"#,
            &format!(r#"{{"{0}":1,"{0}n":2,"a":{{"{0}":3}}}}"#, "n".repeat(255)),
            &format!(r#"{{"{}":{{"b":1,"bb":2,"c":{{}}}}}}"#, "n".repeat(253)),
            &nested(8),
            &nested(9),
            &nested(200),
            &wide(1024),
            &wide(1025),
        ] {
            let found = Facts::of_context(json.as_bytes()).ok();
            assert_eq!(found.as_ref().map(shown), expected(json), "{json}");
        }
    }

    #[test]
    fn a_body_is_an_object_and_the_context_may_be_left_out() {
        for (body, readable) in [
            ("{}", true),
            (r#"{"context":null}"#, true),
            (r#"{"later":[{}],"context":{"a":1},"more":"x"}"#, true),
            ("", false),
            ("{", false),
            ("[]", false),
            ("7", false),
            (r#"{"context":{}} x"#, false),
            ("{\"context\":{\"a\":\"\u{0}\"}}", false),
        ] {
            let outcome = Facts::of_body(body.as_bytes());
            assert_eq!(outcome.is_ok(), readable, "{body}");
            if let Err(error) = outcome {
                assert!(matches!(error, Unreadable::Body(_)), "{body} {error:?}");
            }
        }
        for body in [
            r#"{"context":1}"#,
            r#"{"context":"u1"}"#,
            r#"{"context":[[]]}"#,
            r#"{"context":false}"#,
        ] {
            let error = Facts::of_body(body.as_bytes()).unwrap_err();
            assert!(matches!(error, Unreadable::Context(_)), "{body} {error:?}");
        }
    }

    #[test]
    fn of_a_context_given_twice_the_last_counts() {
        let facts = Facts::of_body(br#"{"context":{"a":1},"context":{"b":2}}"#).unwrap();
        assert_eq!(shown(&facts), serde_json::json!({"b": 2}));
    }
}
