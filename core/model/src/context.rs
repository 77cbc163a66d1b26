//! Who asks: the facts that targeting may look at.

use crate::Timestamp;
use crate::invalid::Violation;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Largest number of attributes of one context, after nested ones are counted one by one.
pub const ATTRIBUTES_MAX: usize = 1024;

/// Deepest nesting of attributes.
pub const NESTING_MAX: usize = 8;

/// The facts about one request: a targeting key and attributes with dotted names.
///
/// Well-known names: `user.id`, `session.id`, `userAgent`, `location.country`, `location.region`,
/// `location.city`, `device.type`, `device.os`, `timestamp`; everything else is custom.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Context {
    targeting_key: Option<String>,
    attributes: BTreeMap<String, Value>,
}

impl Context {
    /// The name under which the targeting key can be asked for in conditions.
    pub const TARGETING_KEY: &'static str = "targetingKey";
    /// The name of the moment of the evaluation, Unix seconds or RFC 3339 text. A context without it has
    /// the moment at which it is prepared.
    pub const TIMESTAMP: &'static str = "timestamp";

    /// A context of nothing but a targeting key: the unit that is bucketed.
    pub fn of_unit(targeting_key: impl Into<String>) -> Self {
        Self {
            targeting_key: Some(targeting_key.into()),
            attributes: BTreeMap::new(),
        }
    }

    /// A context from an OpenFeature evaluation context. Nested objects become dotted names.
    ///
    /// # Errors
    /// When the targeting key is not a text, or there are too many or too deeply nested attributes.
    pub fn from_json(object: &Map<String, Value>) -> Result<Self, Violation> {
        let mut context = Self::default();
        for (name, value) in object {
            match (name.as_str(), value) {
                (Self::TARGETING_KEY, Value::String(key)) => context.targeting_key = Some(key.clone()),
                (Self::TARGETING_KEY, Value::Null) => {}
                (Self::TARGETING_KEY, other) => {
                    return Err(Violation::new(
                        "context.targetingKey",
                        other,
                        "a targeting key is a text",
                        "put it in quotes",
                    ));
                }
                (name, value) => context.flatten(name.to_owned(), value, 1)?,
            }
        }
        Ok(context)
    }

    /// With one more attribute; null is the same as leaving it out.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !value.is_null() {
            self.attributes.insert(name.into(), value);
        }
        self
    }

    /// With the user's id under `user.id`; it is the targeting key too if there is none yet.
    #[must_use]
    pub fn with_user(mut self, id: &str) -> Self {
        self.targeting_key.get_or_insert_with(|| id.to_owned());
        self.with("user.id", id)
    }

    /// With the session's id under `session.id`.
    #[must_use]
    pub fn with_session(self, id: &str) -> Self {
        self.with("session.id", id)
    }

    /// With the client's user agent under `userAgent`.
    #[must_use]
    pub fn with_user_agent(self, text: &str) -> Self {
        self.with("userAgent", text)
    }

    /// With a place under `location.country`, `location.region` and `location.city`.
    #[must_use]
    pub fn with_location(self, country: Option<&str>, region: Option<&str>, city: Option<&str>) -> Self {
        self.with("location.country", country)
            .with("location.region", region)
            .with("location.city", city)
    }

    /// With a device under `device.type` and `device.os`.
    #[must_use]
    pub fn with_device(self, kind: Option<&str>, os: Option<&str>) -> Self {
        self.with("device.type", kind).with("device.os", os)
    }

    /// With the moment of the request under `timestamp`, in Unix seconds.
    #[must_use]
    pub fn with_timestamp(self, at: Timestamp) -> Self {
        self.with(Self::TIMESTAMP, at.timestamp())
    }

    /// The unit that is bucketed, unless a flag names another attribute for it.
    pub fn targeting_key(&self) -> Option<&str> {
        self.targeting_key.as_deref()
    }

    /// All attributes but the targeting key, by dotted name.
    pub fn attributes(&self) -> &BTreeMap<String, Value> {
        &self.attributes
    }

    fn flatten(&mut self, name: String, value: &Value, depth: usize) -> Result<(), Violation> {
        let too_much =
            |rule: String| Violation::new(format!("context.{name}"), "", rule, "send fewer attributes");
        match value {
            Value::Null => {}
            Value::Object(inner) => {
                if depth >= NESTING_MAX {
                    return Err(too_much(format!("attributes nest at most {NESTING_MAX} deep")));
                }
                for (key, value) in inner {
                    self.flatten(format!("{name}.{key}"), value, depth + 1)?;
                }
            }
            scalar_or_list => {
                if self.attributes.len() >= ATTRIBUTES_MAX {
                    return Err(too_much(format!(
                        "a context has at most {ATTRIBUTES_MAX} attributes"
                    )));
                }
                self.attributes.insert(name, scalar_or_list.clone());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_attributes_get_dotted_names() {
        let json =
            json!({"targetingKey": "u1", "location": {"country": "FR", "geo": {"lat": 48.8}}, "gone": null});
        let context = Context::from_json(json.as_object().unwrap()).unwrap();
        assert_eq!(context.targeting_key(), Some("u1"));
        let names: Vec<_> = context.attributes().keys().map(String::as_str).collect();
        assert_eq!(names, ["location.country", "location.geo.lat"]);
    }

    #[test]
    fn builders_and_json_agree() {
        let built = Context::default()
            .with_user("u1")
            .with_session("s1")
            .with_user_agent("curl/8")
            .with_location(Some("FR"), None, Some("Paris"))
            .with_device(Some("phone"), None)
            .with_timestamp(Timestamp::default());
        let json = json!({"targetingKey": "u1", "user": {"id": "u1"}, "session": {"id": "s1"}, "userAgent": "curl/8",
            "location": {"country": "FR", "city": "Paris"}, "device": {"type": "phone"}, "timestamp": 0});
        assert_eq!(built, Context::from_json(json.as_object().unwrap()).unwrap());
    }

    #[test]
    fn hostile_contexts_are_refused() {
        let bad_key = json!({"targetingKey": 7});
        assert!(Context::from_json(bad_key.as_object().unwrap()).is_err());
        let mut deep = json!(1);
        for _ in 0..10 {
            deep = json!({ "a": deep });
        }
        assert!(Context::from_json(deep.as_object().unwrap()).is_err());
        let wide: Map<String, Value> = (0..=ATTRIBUTES_MAX)
            .map(|i| (format!("a{i}"), json!(i)))
            .collect();
        assert!(Context::from_json(&wide).is_err());
    }
}
