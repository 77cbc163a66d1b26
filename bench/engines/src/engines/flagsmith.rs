//! Flagsmith's engine. It evaluates all flags of an environment for one identity and has no way to ask
//! for one, so each single flag is an environment of its own here, which costs it least.

use crate::engine::{Engine, number_of};
use crate::workload::{
    Attribute, FOUR_WAY, Flag, Kind, Person, RULE_AGE, RULE_COUNTRY, RULE_EMAIL_START, RULE_VERSION,
    SEGMENT_PLAN, ids, staff,
};
use flagsmith_flag_engine::engine::get_evaluation_result;
use flagsmith_flag_engine::engine_eval::EngineEvaluationContext;
use flagsmith_flag_engine::engine_eval::context::IdentityContext;
use flagsmith_flag_engine::engine_eval::result::{EvaluationResult, FlagResult};
use flagsmith_flag_engine::types::{FlagsmithValue, FlagsmithValueType};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;

/// The environments: one of all flags, and one for each flag that is asked for alone.
pub(super) struct Flagsmith {
    single: HashMap<String, RefCell<EngineEvaluationContext>>,
    all: RefCell<EngineEvaluationContext>,
}

impl Flagsmith {
    /// The engine wants environment and identity in one value: the identity is lent to it and taken back.
    fn evaluate(environment: &RefCell<EngineEvaluationContext>, identity: &Identity) -> EvaluationResult {
        let mut environment = environment.borrow_mut();
        std::mem::swap(&mut environment.identity, &mut identity.borrow_mut());
        let result = get_evaluation_result(&environment);
        std::mem::swap(&mut environment.identity, &mut identity.borrow_mut());
        result
    }

    fn flag(&self, flag: &str, identity: &Identity) -> Option<FlagResult> {
        Self::evaluate(self.single.get(flag)?, identity)
            .flags
            .remove(flag)
    }
}

type Identity = RefCell<Option<IdentityContext>>;

fn answer(result: &FlagResult) -> u64 {
    match result.value.value_type {
        FlagsmithValueType::String => u64::from(number_of(&result.value.value)),
        _ => u64::from(result.enabled),
    }
}

impl Engine for Flagsmith {
    type Context<'p> = Identity;

    const NAME: &'static str = "flagsmith-flag-engine 0.7.0";

    fn load(flags: &[Flag]) -> Self {
        let single = flags
            .iter()
            .filter(|flag| !flag.name.starts_with("flag-"))
            .map(|flag| {
                (
                    flag.name.clone(),
                    RefCell::new(environment(std::slice::from_ref(flag))),
                )
            });
        Self {
            single: single.collect(),
            all: RefCell::new(environment(flags)),
        }
    }

    fn context(&self, person: &Person) -> Identity {
        let traits = person.attributes.iter().map(|(name, value)| {
            let (value_type, value) = match value {
                Attribute::Text(text) => (FlagsmithValueType::String, text.clone()),
                Attribute::Number(number) => (FlagsmithValueType::Integer, number.to_string()),
            };
            ((*name).to_owned(), FlagsmithValue { value_type, value })
        });
        RefCell::new(Some(IdentityContext {
            identifier: person.key.clone(),
            key: person.key.clone(),
            traits: traits.collect(),
        }))
    }

    fn on(&self, flag: &str, context: &Identity) -> bool {
        self.flag(flag, context).is_some_and(|result| result.enabled)
    }

    fn letter(&self, flag: &str, context: &Identity) -> u8 {
        self.flag(flag, context)
            .map_or(0, |result| number_of(&result.value.value))
    }

    fn everything(&self, _flags: &[Flag], context: &Identity) -> u64 {
        Self::evaluate(&self.all, context)
            .flags
            .values()
            .map(answer)
            .sum()
    }
}

/// An environment of some flags. What a flag serves behind a rule is an override in a segment.
fn environment(flags: &[Flag]) -> EngineEvaluationContext {
    let features: serde_json::Map<String, Value> = flags
        .iter()
        .map(|flag| (flag.name.clone(), feature(flag)))
        .collect();
    let mut segments: serde_json::Map<String, Value> = flags
        .iter()
        .filter_map(|flag| {
            let rule = rule(flag)?;
            let mut on = feature(flag);
            on["enabled"] = true.into();
            Some((
                flag.name.clone(),
                json!({"key": flag.name, "name": flag.name, "overrides": [on], "rules": [rule]}),
            ))
        })
        .collect();
    let behind_segment: Vec<Value> = flags
        .iter()
        .filter(|flag| flag.has_letters())
        .map(four_way)
        .collect();
    if !behind_segment.is_empty() {
        let professionals = all_of(vec![condition("plan", "EQUAL", SEGMENT_PLAN.into())]);
        let segment = json!({"key": "p", "name": "professionals", "overrides": behind_segment, "rules": [professionals]});
        segments.insert("professionals".to_owned(), segment);
    }
    let environment = json!({"environment": {"key": "e", "name": "production"}, "features": features, "segments": segments});
    serde_json::from_value(environment).expect("an environment")
}

fn feature(flag: &Flag) -> Value {
    let value = if flag.has_letters() {
        json!("")
    } else {
        Value::Null
    };
    json!({"key": flag.name, "name": flag.name, "enabled": flag.kind == Kind::Plain, "value": value})
}

fn four_way(flag: &Flag) -> Value {
    let variants: Vec<Value> = FOUR_WAY
        .iter()
        .enumerate()
        .map(|(place, (letter, weight))| json!({"key": letter, "value": letter, "weight": weight, "priority": place}))
        .collect();
    json!({"key": flag.name, "name": flag.name, "enabled": true, "value": "", "priority": 1, "variants": variants})
}

fn condition(property: &str, operator: &str, value: Value) -> Value {
    json!({"property": property, "operator": operator, "value": value})
}

fn all_of(conditions: Vec<Value>) -> Value {
    json!({"type": "ALL", "conditions": conditions, "rules": []})
}

fn rule(flag: &Flag) -> Option<Value> {
    match flag.kind {
        Kind::Plain | Kind::FourWay => None,
        Kind::FiveRules => {
            let conditions = [
                condition("country", "EQUAL", RULE_COUNTRY.into()),
                condition("$.identity.identifier", "IN", staff().into()),
                condition(
                    "email",
                    "REGEX",
                    format!("^{}", RULE_EMAIL_START.replace('+', "\\+")).into(),
                ),
                condition("age", "GREATER_THAN", RULE_AGE.to_string().into()),
                condition(
                    "appVersion",
                    "GREATER_THAN",
                    format!("{RULE_VERSION}:semver").into(),
                ),
            ];
            Some(json!({"type": "ANY", "conditions": conditions, "rules": []}))
        }
        Kind::Split(percent) => Some(all_of(vec![condition(
            "$.identity.key",
            "PERCENTAGE_SPLIT",
            percent.to_string().into(),
        )])),
        Kind::LongList => Some(all_of(vec![condition("account", "IN", ids().into())])),
    }
}
