//! From OpenFeature's evaluation context to ours.

use open_feature::{EvaluationContext, EvaluationContextFieldValue, StructValue};
use serde_json::{Map, Value};
use std::any::Any;
use tidegate_model::context::Context;
use tidegate_model::invalid::Violation;
use time::format_description::well_known::Rfc3339;

/// The facts of an OpenFeature context. Moments become RFC 3339 text. A structure counts if it is a
/// [`serde_json::Value`], a JSON object or a [`StructValue`]; another Rust type cannot be looked into
/// and is left out.
///
/// # Errors
/// When there are too many or too deeply nested attributes.
pub(crate) fn of(context: &EvaluationContext) -> Result<Context, Violation> {
    let mut facts: Map<String, Value> = context
        .custom_fields
        .iter()
        .filter_map(|(name, field)| Some((name.clone(), fact(field)?)))
        .collect();
    if let Some(key) = &context.targeting_key {
        facts.insert(Context::TARGETING_KEY.to_owned(), Value::from(key.as_str()));
    }
    Context::from_json(&facts)
}

fn fact(field: &EvaluationContextFieldValue) -> Option<Value> {
    Some(match field {
        EvaluationContextFieldValue::Bool(truth) => Value::from(*truth),
        EvaluationContextFieldValue::Int(number) => Value::from(*number),
        EvaluationContextFieldValue::Float(number) => Value::from(*number),
        EvaluationContextFieldValue::String(text) => Value::from(text.as_str()),
        EvaluationContextFieldValue::DateTime(moment) => Value::from(moment.format(&Rfc3339).ok()?),
        EvaluationContextFieldValue::Struct(any) => structure(any.as_ref())?,
    })
}

fn structure(any: &(dyn Any + Send + Sync)) -> Option<Value> {
    if let Some(value) = any.downcast_ref::<Value>() {
        return Some(value.clone());
    }
    if let Some(object) = any.downcast_ref::<Map<String, Value>>() {
        return Some(Value::Object(object.clone()));
    }
    any.downcast_ref::<StructValue>().map(object)
}

fn object(structure: &StructValue) -> Value {
    let fields = structure.fields.iter();
    Value::Object(fields.map(|(name, value)| (name.clone(), json(value))).collect())
}

fn json(value: &open_feature::Value) -> Value {
    match value {
        open_feature::Value::Bool(truth) => Value::from(*truth),
        open_feature::Value::Int(number) => Value::from(*number),
        open_feature::Value::Float(number) => Value::from(*number),
        open_feature::Value::String(text) => Value::from(text.as_str()),
        open_feature::Value::Array(list) => Value::Array(list.iter().map(json).collect()),
        open_feature::Value::Struct(inner) => object(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::OffsetDateTime;

    #[test]
    fn every_kind_of_field_arrives() {
        let nested = StructValue::default()
            .with_field("country", "FR")
            .with_field("tags", vec![open_feature::Value::from("a"), "b".into()]);
        let given = EvaluationContext::default()
            .with_targeting_key("u1")
            .with_custom_field("beta", true)
            .with_custom_field("age", 42_i64)
            .with_custom_field("score", 0.5_f64)
            .with_custom_field("plan", "pro")
            .with_custom_field("since", OffsetDateTime::UNIX_EPOCH)
            .with_custom_field("location", EvaluationContextFieldValue::new_struct(nested))
            .with_custom_field(
                "device",
                EvaluationContextFieldValue::new_struct(json!({"os": "linux"})),
            )
            .with_custom_field("opaque", EvaluationContextFieldValue::new_struct(7_u128));
        let expected = json!({"targetingKey": "u1", "beta": true, "age": 42, "score": 0.5, "plan": "pro",
            "since": "1970-01-01T00:00:00Z", "location": {"country": "FR", "tags": ["a", "b"]},
            "device": {"os": "linux"}});
        let expected = Context::from_json(expected.as_object().unwrap()).unwrap();
        assert_eq!(of(&given).unwrap(), expected);
    }

    #[test]
    fn what_is_too_deep_is_refused() {
        let mut deep = json!(1);
        for _ in 0..20 {
            deep = json!({ "a": deep });
        }
        let given = EvaluationContext::default()
            .with_custom_field("deep", EvaluationContextFieldValue::new_struct(deep));
        assert!(of(&given).is_err());
    }
}
