//! GrowthBook's SDK for Rust, asked below its client: the client copies all features for each question.

use crate::engine::{Engine, number_of};
use crate::workload::{
    Attribute, FOUR_WAY, Flag, Kind, Person, RULE_AGE, RULE_COUNTRY, RULE_EMAIL_START, RULE_VERSION,
    SEGMENT_PLAN, ids, staff,
};
use growthbook_rust::growthbook::GrowthBook as Theirs;
use growthbook_rust::model_public::{GrowthBookAttribute, GrowthBookAttributeValue, SavedGroup};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The features and saved groups.
pub(super) struct GrowthBook(Theirs);

impl Engine for GrowthBook {
    type Context<'p> = Option<Vec<GrowthBookAttribute>>;

    const NAME: &'static str = "growthbook-rust 0.4.0";

    fn load(flags: &[Flag]) -> Self {
        let features: serde_json::Map<String, Value> = flags
            .iter()
            .map(|flag| (flag.name.clone(), definition(flag)))
            .collect();
        let group = json!({"type": "condition", "condition": {"plan": SEGMENT_PLAN}});
        Self(Theirs {
            forced_variations: None,
            features: serde_json::from_value(features.into()).expect("features"),
            attributes: None,
            sticky_bucket_service: None,
            saved_groups: HashMap::from([("professionals".to_owned(), SavedGroup::from(&group))]),
        })
    }

    fn context(&self, person: &Person) -> Self::Context<'_> {
        let key = GrowthBookAttribute::new(
            "id".to_owned(),
            GrowthBookAttributeValue::String(person.key.clone()),
        );
        let others = person.attributes.iter().map(|(name, value)| {
            let value = match value {
                Attribute::Text(text) => GrowthBookAttributeValue::String(text.clone()),
                Attribute::Number(number) => GrowthBookAttributeValue::Float(*number),
            };
            GrowthBookAttribute::new((*name).to_owned(), value)
        });
        Some(std::iter::once(key).chain(others).collect())
    }

    fn on(&self, flag: &str, context: &Self::Context<'_>) -> bool {
        self.0.check(flag, context).on
    }

    fn letter(&self, flag: &str, context: &Self::Context<'_>) -> u8 {
        number_of(self.0.check(flag, context).value.as_str().unwrap_or_default())
    }
}

fn definition(flag: &Flag) -> Value {
    let rule = |condition: Value| json!({"condition": condition, "force": true});
    match flag.kind {
        Kind::Plain => json!({"defaultValue": true}),
        Kind::FiveRules => json!({"defaultValue": false, "rules": [
            rule(json!({"country": RULE_COUNTRY})),
            rule(json!({"id": {"$in": staff()}})),
            rule(json!({"email": {"$regex": format!("^{}", RULE_EMAIL_START.replace('+', "\\+"))}})),
            rule(json!({"age": {"$gt": RULE_AGE}})),
            rule(json!({"appVersion": {"$vgt": RULE_VERSION}})),
        ]}),
        Kind::Split(percent) => json!({"defaultValue": false, "rules": [
            {"force": true, "coverage": f64::from(percent) / 100.0, "hashAttribute": "id", "hashVersion": 2}]}),
        Kind::FourWay => {
            let letters = FOUR_WAY.map(|(letter, _)| letter);
            let weights = FOUR_WAY.map(|(_, weight)| f64::from(weight) / 100.0);
            json!({"defaultValue": "", "rules": [{"condition": {"$savedGroup": {"id": "professionals"}},
                "variations": letters, "weights": weights, "coverage": 1.0, "hashAttribute": "id", "hashVersion": 2}]})
        }
        Kind::LongList => json!({"defaultValue": false, "rules": [rule(json!({"account": {"$in": ids()}}))]}),
    }
}
