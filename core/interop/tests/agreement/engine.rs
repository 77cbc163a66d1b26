//! flagd's own evaluator for Rust, asked as its provider asks it.

use flagd_evaluation_engine::{FeatureFlag, FlagParser, Operator};
use open_feature::{EvaluationContext, EvaluationContextFieldValue, StructValue, Value as Field};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A configuration, as flagd's provider holds it.
pub(crate) struct Engine {
    flags: BTreeMap<String, FeatureFlag>,
    operator: Operator,
}

/// What flagd answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// This variant.
    Variant(String),
    /// The caller's default.
    Disabled,
    /// Nothing: no such flag, or a targeting that cannot be evaluated.
    Error(String),
}

impl Engine {
    /// An evaluator of a configuration.
    pub(crate) fn new(configuration: &str) -> Self {
        let parsed = FlagParser::parse_string(configuration).expect("a configuration is read");
        Self {
            flags: parsed.flags.into_iter().collect(),
            operator: Operator::new(),
        }
    }

    /// The variant of a flag for a context.
    pub(crate) fn variant(&self, key: &str, context: &Map<String, Value>) -> Answer {
        let Some(flag) = self.flags.get(key) else {
            return Answer::Error("no such flag".to_owned());
        };
        if flag.state == "DISABLED" {
            return Answer::Disabled;
        }
        // An empty targeting is none.
        if flag.get_targeting() == "{}" {
            return Answer::Variant(flag.default_variant.clone());
        }
        match self
            .operator
            .apply(key, &flag.get_targeting(), &context_of(context))
        {
            Ok(Some(variant)) => Answer::Variant(variant),
            Ok(None) => Answer::Variant(flag.default_variant.clone()),
            Err(error) => Answer::Error(error.to_string()),
        }
    }
}

fn context_of(context: &Map<String, Value>) -> EvaluationContext {
    let mut found = EvaluationContext::default();
    for (name, value) in context {
        match value {
            Value::Null => {}
            Value::String(key) if name == "targetingKey" => found.targeting_key = Some(key.clone()),
            value => {
                let value = EvaluationContextFieldValue::Struct(Arc::new(field(value)));
                found.custom_fields.insert(name.clone(), value);
            }
        }
    }
    found
}

fn field(value: &Value) -> Field {
    match value {
        Value::Bool(truth) => Field::Bool(*truth),
        Value::String(text) => Field::String(text.clone()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Field::Int(whole),
            None => Field::Float(number.as_f64().unwrap_or_default()),
        },
        Value::Array(items) => Field::Array(items.iter().map(field).collect()),
        Value::Object(fields) => Field::Struct(
            fields
                .iter()
                .fold(StructValue::default(), |object, (name, value)| {
                    object.with_field(name.as_str(), field(value))
                }),
        ),
        Value::Null => Field::Struct(StructValue::default()),
    }
}
