//! The evaluator inside flagd's in-process provider for Rust, asked as that provider asks it, without
//! the copies of flag and context that the provider makes on the way.

use crate::engine::{Engine, number_of};
use crate::workload::{
    Attribute, FOUR_WAY, Flag, Kind, Person, RULE_AGE, RULE_COUNTRY, RULE_EMAIL_START, RULE_VERSION,
    SEGMENT_PLAN, ids, staff,
};
use flagd_evaluation_engine::{FeatureFlag, FlagParser, Operator};
use open_feature::EvaluationContext;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The flags and the engine of the rules.
pub(super) struct Flagd {
    flags: HashMap<String, FeatureFlag>,
    operator: Operator,
}

impl Flagd {
    fn value(&self, name: &str, context: &EvaluationContext) -> Option<&Value> {
        let flag = self.flags.get(name)?;
        let targeting = flag.get_targeting();
        let variant = if targeting == "{}" {
            None
        } else {
            self.operator
                .apply(name, &targeting, context)
                .expect("a rule that can be evaluated")
        };
        flag.variants
            .get(variant.as_ref().unwrap_or(&flag.default_variant))
    }
}

impl Engine for Flagd {
    type Context<'p> = EvaluationContext;

    const NAME: &'static str = "open-feature-flagd 0.3.0 (flagd-evaluation-engine 0.1.0)";

    fn load(flags: &[Flag]) -> Self {
        let definitions: serde_json::Map<String, Value> = flags
            .iter()
            .map(|flag| (flag.name.clone(), definition(flag)))
            .collect();
        let evaluators = json!({"professionals": {"==": [{"var": "plan"}, SEGMENT_PLAN]}});
        let document = json!({"$evaluators": evaluators, "flags": definitions});
        let parsed = FlagParser::parse_string(&document.to_string()).expect("flagd's JSON");
        Self {
            flags: parsed.flags,
            operator: Operator::new(),
        }
    }

    fn context(&self, person: &Person) -> EvaluationContext {
        let mut context = EvaluationContext::default().with_targeting_key(&*person.key);
        for (name, value) in &person.attributes {
            match value {
                Attribute::Text(text) => context.add_custom_field(*name, text.as_str()),
                Attribute::Number(number) => context.add_custom_field(*name, *number),
            }
        }
        context
    }

    fn on(&self, flag: &str, context: &EvaluationContext) -> bool {
        self.value(flag, context) == Some(&Value::Bool(true))
    }

    fn letter(&self, flag: &str, context: &EvaluationContext) -> u8 {
        self.value(flag, context)
            .and_then(Value::as_str)
            .map_or(0, number_of)
    }
}

fn definition(flag: &Flag) -> Value {
    let var = |name: &str| json!({"var": name});
    let booleans = json!({"on": true, "off": false});
    let boolean = |targeting: Value| json!({"state": "ENABLED", "defaultVariant": "off", "variants": booleans, "targeting": targeting});
    match flag.kind {
        Kind::Plain => json!({"state": "ENABLED", "defaultVariant": "on", "variants": booleans}),
        Kind::FiveRules => boolean(json!({"if": [
            {"==": [var("country"), RULE_COUNTRY]}, "on",
            {"in": [var("targetingKey"), staff()]}, "on",
            {"starts_with": [var("email"), RULE_EMAIL_START]}, "on",
            {">": [var("age"), RULE_AGE]}, "on",
            {"sem_ver": [var("appVersion"), ">", RULE_VERSION]}, "on",
            "off",
        ]})),
        Kind::Split(percent) => boolean(json!({"fractional": [["on", percent], ["off", 100 - percent]]})),
        Kind::FourWay => {
            let variants: serde_json::Map<String, Value> = FOUR_WAY
                .iter()
                .map(|(letter, _)| ((*letter).to_owned(), json!(letter)))
                .chain([("none".to_owned(), json!(""))])
                .collect();
            let split = FOUR_WAY.map(|(letter, weight)| json!([letter, weight]));
            json!({"state": "ENABLED", "defaultVariant": "none", "variants": variants,
                "targeting": {"if": [{"$ref": "professionals"}, {"fractional": split}, "none"]}})
        }
        Kind::LongList => boolean(json!({"if": [{"in": [var("account"), ids()]}, "on", "off"]})),
    }
}
