//! The variations of every unit of ../units.json, as the client finds them.

use open_feature::EvaluationContext;
use open_feature::provider::FeatureProvider;
use serde_json::{Map, Value, json};

const FIXTURE: &str = include_str!("../../units.json");

/// For each flag the list of its variations for unit 0, 1, 2, ….
pub async fn dealt(provider: &dyn FeatureProvider) -> Value {
    let fixture: Value = serde_json::from_str(FIXTURE).expect("the fixture is JSON");
    let count = fixture["count"].as_i64().expect("a number of units");
    let flags = fixture["flags"].as_array().expect("a list of flags");
    let mut answers = Map::new();
    for flag in flags {
        let key = flag["key"].as_str().expect("a flag has a key");
        let mut found = Vec::new();
        for unit in 0..count {
            let context = EvaluationContext::default()
                .with_targeting_key(format!("unit-{unit}"))
                .with_custom_field("company", format!("company-{}", unit % 97))
                .with_custom_field("plan", if unit % 3 == 0 { "pro" } else { "free" })
                .with_custom_field("age", unit % 80);
            let answer = provider.resolve_string_value(key, &context).await;
            found.push(match answer {
                Ok(details) => json!(details.variant),
                Err(error) => json!(error.code.to_string()),
            });
        }
        answers.insert(key.to_owned(), Value::Array(found));
    }
    Value::Object(answers)
}
