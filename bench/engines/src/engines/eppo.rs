//! Eppo's core, which its SDKs of several languages share.

use crate::engine::{Engine, number_of};
use crate::workload::{
    Attribute, FOUR_WAY, Flag, Kind, Person, RULE_AGE, RULE_COUNTRY, RULE_EMAIL_START, RULE_VERSION,
    SEGMENT_PLAN, ids, staff,
};
use chrono::{DateTime, Utc};
use eppo_core::eval::get_assignment;
use eppo_core::ufc::{AssignmentValue, UniversalFlagConfig};
use eppo_core::{AttributeValue, Attributes, Configuration, SdkMetadata, Str};
use serde_json::{Value, json};
use std::sync::Arc;

/// Buckets of a split.
const SHARDS: u32 = 10_000;

/// The configuration, and the moment that is given with every question.
pub(super) struct Eppo {
    configuration: Configuration,
    now: DateTime<Utc>,
}

impl Eppo {
    fn value(&self, flag: &str, (key, attributes): &(Str, Arc<Attributes>)) -> Option<AssignmentValue> {
        get_assignment(Some(&self.configuration), flag, key, attributes, None, self.now)
            .expect("a flag that is known")
            .map(|assignment| assignment.value)
    }
}

impl Engine for Eppo {
    type Context<'p> = (Str, Arc<Attributes>);

    const NAME: &'static str = "eppo_core 10.0.0";

    fn load(flags: &[Flag]) -> Self {
        let flags: serde_json::Map<String, Value> = flags
            .iter()
            .map(|flag| (flag.name.clone(), definition(flag)))
            .collect();
        let config = json!({"createdAt": "2026-01-01T00:00:00Z", "format": "SERVER",
            "environment": {"name": "production"}, "flags": flags});
        let metadata = SdkMetadata {
            name: "bench",
            version: "1",
        };
        let config =
            UniversalFlagConfig::from_json(metadata, config.to_string().into_bytes()).expect("a config");
        Self {
            configuration: Configuration::from_server_response(config, None),
            now: Utc::now(),
        }
    }

    fn context(&self, person: &Person) -> (Str, Arc<Attributes>) {
        let attributes = person.attributes.iter().map(|(name, value)| {
            let value: AttributeValue = match value {
                Attribute::Text(text) => text.as_str().into(),
                Attribute::Number(number) => (*number).into(),
            };
            (Str::from(*name), value)
        });
        (Str::from(person.key.as_str()), Arc::new(attributes.collect()))
    }

    fn on(&self, flag: &str, context: &Self::Context<'_>) -> bool {
        matches!(self.value(flag, context), Some(AssignmentValue::Boolean(true)))
    }

    fn letter(&self, flag: &str, context: &Self::Context<'_>) -> u8 {
        match self.value(flag, context) {
            Some(AssignmentValue::String(letter)) => number_of(letter.as_str()),
            _ => 0,
        }
    }
}

fn rule(attribute: &str, operator: &str, value: Value) -> Value {
    json!({"conditions": [{"attribute": attribute, "operator": operator, "value": value}]})
}

fn definition(flag: &Flag) -> Value {
    let whole = json!([{"shards": [], "variationKey": "on"}]);
    let shards = |from: u32, to: u32| json!([{"salt": flag.name, "ranges": [{"start": from, "end": to}]}]);
    let mut kind = "BOOLEAN";
    let mut variations = json!({"on": {"key": "on", "value": true}, "off": {"key": "off", "value": false}});
    let (rules, splits) = match flag.kind {
        Kind::Plain => (json!([]), whole),
        Kind::FiveRules => (
            json!([
                rule("country", "ONE_OF", json!([RULE_COUNTRY])),
                rule("id", "ONE_OF", staff().into()),
                rule(
                    "email",
                    "MATCHES",
                    format!("^{}", RULE_EMAIL_START.replace('+', "\\+")).into()
                ),
                rule("age", "GT", RULE_AGE.into()),
                rule("appVersion", "GT", RULE_VERSION.into()),
            ]),
            whole,
        ),
        Kind::Split(percent) => (
            json!([]),
            json!([{"shards": shards(0, percent * SHARDS / 100), "variationKey": "on"}]),
        ),
        Kind::FourWay => {
            kind = "STRING";
            variations = FOUR_WAY
                .iter()
                .map(|(letter, _)| ((*letter).to_owned(), json!({"key": letter, "value": letter})))
                .collect::<serde_json::Map<_, _>>()
                .into();
            let mut from = 0;
            let splits = FOUR_WAY.iter().map(|(letter, weight)| {
                let start = from;
                from += weight * SHARDS / 100;
                json!({"shards": shards(start, from), "variationKey": letter})
            });
            let splits: Vec<Value> = splits.collect();
            (
                json!([rule("plan", "ONE_OF", json!([SEGMENT_PLAN]))]),
                splits.into(),
            )
        }
        Kind::LongList => (json!([rule("account", "ONE_OF", ids().into())]), whole),
    };
    json!({"key": flag.name, "enabled": true, "variationType": kind, "variations": variations,
        "totalShards": SHARDS,
        "allocations": [{"key": "allocation", "rules": rules, "splits": splits, "doLog": false}]})
}
