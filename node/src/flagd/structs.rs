//! Protobuf's own JSON values, to and from JSON's.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as ProtoValue};
use serde_json::{Map, Number, Value};

/// Whole numbers up to here are exact in a 64-bit float.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// As JSON. Numbers without a fraction are whole again; what JSON cannot hold (NaN, infinity) is null,
/// the same as leaving it out.
pub(super) fn to_json(given: Struct) -> Map<String, Value> {
    let fields = given.fields.into_iter();
    fields.map(|(name, value)| (name, json_of(value))).collect()
}

fn json_of(value: ProtoValue) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(truth)) => Value::Bool(truth),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::NumberValue(number)) => number_of(number).map_or(Value::Null, Value::Number),
        Some(Kind::StructValue(inner)) => Value::Object(to_json(inner)),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(json_of).collect(),
    }
}

fn number_of(number: f64) -> Option<Number> {
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and exact in both types")]
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

/// From JSON. Every number becomes a 64-bit float: there are no others in protobuf's values.
pub(super) fn from_json(object: &Map<String, Value>) -> Struct {
    let fields = object.iter().map(|(name, value)| (name.clone(), proto_of(value)));
    Struct {
        fields: fields.collect(),
    }
}

fn proto_of(value: &Value) -> ProtoValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(truth) => Kind::BoolValue(*truth),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::Array(items) => Kind::ListValue(ListValue {
            values: items.iter().map(proto_of).collect(),
        }),
        Value::Object(inner) => Kind::StructValue(from_json(inner)),
    };
    ProtoValue { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_come_back_as_they_went() {
        let json = json!({"text": "grün", "yes": true, "none": null, "whole": 7, "part": 0.5, "list": [1, "a", {"deep": []}],
            "large": 9_007_199_254_740_992_i64, "negative": -3});
        let object = json.as_object().unwrap();
        assert_eq!(Value::Object(to_json(from_json(object))), json);
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_left_out() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(number_of(number), None);
        }
        for (number, text) in [(10.0, "10"), (-0.5, "-0.5"), (1e300, "1e+300")] {
            assert_eq!(number_of(number).unwrap().to_string(), text);
        }
    }
}
