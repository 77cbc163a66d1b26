//! Who asks: the facts that targeting may look at.

use crate::Timestamp;
use crate::condition::ATTRIBUTE_BYTES_MAX;
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
/// `location.city`, `location.latitude`, `location.longitude`, `device.type`, `device.os`, `os.name`,
/// `os.version`, `browser.name`, `browser.version`, `timestamp`, and by convention `user.*` for demographics and
/// `behaviour.*` for behaviour; everything else is custom.
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
    /// The name of the client's user agent, from which evaluation tells device, system and browser.
    pub const USER_AGENT: &'static str = "userAgent";

    /// A context of nothing but a targeting key: the unit that is bucketed.
    pub fn of_unit(targeting_key: impl Into<String>) -> Self {
        Self {
            targeting_key: Some(targeting_key.into()),
            attributes: BTreeMap::new(),
        }
    }

    /// A context from an OpenFeature evaluation context. Nested objects become dotted names. Names that
    /// are too long for any condition to ask for are left out.
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
        self.with(Self::USER_AGENT, text)
    }

    /// With a place under `location.country`, `location.region` and `location.city`.
    #[must_use]
    pub fn with_location(self, country: Option<&str>, region: Option<&str>, city: Option<&str>) -> Self {
        self.with("location.country", country)
            .with("location.region", region)
            .with("location.city", city)
    }

    /// With coordinates under `location.latitude` and `location.longitude`, in degrees. What is infinite or
    /// not a number is left out.
    #[must_use]
    pub fn with_coordinates(self, latitude: f64, longitude: f64) -> Self {
        self.with("location.latitude", latitude)
            .with("location.longitude", longitude)
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
        // Below such a name are longer ones: following them would multiply one long name by many short ones.
        if name.len() > ATTRIBUTE_BYTES_MAX {
            return Ok(());
        }
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
            .with_coordinates(48.8566, 2.3522)
            .with_device(Some("phone"), None)
            .with_timestamp(Timestamp::default());
        let json = json!({"targetingKey": "u1", "user": {"id": "u1"}, "session": {"id": "s1"}, "userAgent": "curl/8",
            "location": {"country": "FR", "city": "Paris", "latitude": 48.8566, "longitude": 2.3522}, "device": {"type": "phone"}, "timestamp": 0});
        assert_eq!(built, Context::from_json(json.as_object().unwrap()).unwrap());
    }

    fn read(json: &Value) -> Result<Context, String> {
        Context::from_json(json.as_object().unwrap()).map_err(|violation| violation.to_string())
    }

    /// A number inside so many objects.
    fn nested(depth: usize) -> Value {
        (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }))
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for key in [json!(7), json!(true), json!(["u1"]), json!({"id": "u1"})] {
            let error = read(&json!({ "targetingKey": key })).unwrap_err();
            assert!(error.contains("a targeting key is a text"), "{error}");
        }
        assert_eq!(read(&nested(NESTING_MAX)).unwrap().attributes().len(), 1);
        for depth in [NESTING_MAX + 1, 1000] {
            let error = read(&nested(depth)).unwrap_err();
            assert!(error.contains("nest at most 8 deep"), "{error}");
        }
        let wide = |count: usize| -> Value { (0..count).map(|i| (format!("a{i}"), json!(i))).collect() };
        assert_eq!(
            read(&wide(ATTRIBUTES_MAX)).unwrap().attributes().len(),
            ATTRIBUTES_MAX
        );
        let error = read(&wide(ATTRIBUTES_MAX + 1)).unwrap_err();
        assert!(error.contains("at most 1024 attributes"), "{error}");
    }

    #[test]
    fn odd_values_are_kept_as_they_are() {
        let long = "x".repeat(1 << 20);
        for value in [
            json!(long),
            json!("a\0b"),
            json!("\u{202e}\u{feff}"),
            json!("10"),
            json!(""),
            json!(u64::MAX),
            json!(-0.0),
            json!(vec![0; 100_000]),
            json!([null, {"a": [1]}]),
            (0..1000).fold(json!(1), |inner, _| json!([inner])),
        ] {
            let context = read(&json!({"targetingKey": "a\0b", "x": value, "": 1, ".": 2})).unwrap();
            assert_eq!(context.attributes().get("x"), Some(&value));
            assert_eq!(
                (context.targeting_key(), context.attributes().len()),
                (Some("a\0b"), 3)
            );
        }
    }

    #[test]
    fn names_that_nothing_can_ask_for_are_left_out() {
        let name = "n".repeat(ATTRIBUTE_BYTES_MAX);
        let below: Value = (0..ATTRIBUTES_MAX).map(|i| (i.to_string(), json!(i))).collect();
        let context =
            read(&json!({ name.clone(): 1, (name.clone() + "n"): 2, "a": { name.clone(): below } })).unwrap();
        assert_eq!(context.attributes().keys().collect::<Vec<_>>(), [&name]);
    }

    #[test]
    fn coordinates_that_are_none_are_left_out() {
        let context = Context::default().with_coordinates(f64::NAN, 2.5);
        assert_eq!(
            context.attributes().keys().collect::<Vec<_>>(),
            ["location.longitude"]
        );
    }
}
