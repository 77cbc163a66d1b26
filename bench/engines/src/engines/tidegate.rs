//! Ours: a compiled snapshot.

use crate::engine::{Engine, number_of};
use crate::workload::{
    Attribute, FOUR_WAY, Flag, Kind, Person, RULE_AGE, RULE_COUNTRY, RULE_EMAIL_START, RULE_VERSION,
    SEGMENT_PLAN, ids, staff,
};
use serde_json::{Value, json};
use std::cell::RefCell;
use tidegate_eval::{CompiledSnapshot, Evaluation, PreparedContext, Space};
use tidegate_model::Timestamp;
use tidegate_model::snapshot::{SnapshotContent, Version};

/// Tidegate's evaluation, and the memory of a context that is needed no more.
pub(super) struct Tidegate {
    snapshot: CompiledSnapshot,
    space: RefCell<Space>,
}

impl Engine for Tidegate {
    type Context<'p> = PreparedContext<'p>;

    const NAME: &'static str = "tidegate-eval (this repository)";

    fn load(flags: &[Flag]) -> Self {
        let segment =
            json!({"key": "professionals", "when": condition("plan", "equals", SEGMENT_PLAN.into())});
        let content = json!({
            "environment": "production",
            "segments": [segment],
            "flags": flags.iter().map(|flag| json!({"flag": definition(flag)})).collect::<Vec<_>>(),
        });
        let content: SnapshotContent = serde_json::from_value(content).expect("a snapshot");
        let snapshot =
            CompiledSnapshot::compile(&content, Version::default()).expect("a snapshot that compiles");
        Self {
            snapshot,
            space: RefCell::default(),
        }
    }

    fn context<'p>(&self, person: &'p Person) -> PreparedContext<'p> {
        let mut filling = self.snapshot.fill(self.space.take(), Timestamp::default());
        filling.targeting_key(&person.key);
        for (name, value) in &person.attributes {
            match value {
                Attribute::Text(text) => filling.text(name, text),
                Attribute::Number(number) => filling.float(name, *number),
            };
        }
        filling.finish()
    }

    fn take_back(&self, context: PreparedContext<'_>) {
        self.space.replace(context.into_space());
    }

    fn on(&self, flag: &str, context: &PreparedContext<'_>) -> bool {
        self.snapshot.evaluate(flag, context).boolean() == Ok(true)
    }

    fn letter(&self, flag: &str, context: &PreparedContext<'_>) -> u8 {
        letter(self.snapshot.evaluate(flag, context))
    }

    fn everything(&self, _flags: &[Flag], context: &PreparedContext<'_>) -> u64 {
        let answers = self.snapshot.evaluate_all(context);
        answers
            .map(|answer| match answer.boolean() {
                Ok(on) => u64::from(on),
                Err(_not_a_boolean) => u64::from(letter(answer)),
            })
            .sum()
    }
}

fn letter(answer: Evaluation<'_>) -> u8 {
    answer.string().map_or(0, number_of)
}

fn condition(attribute: &str, operator: &str, value: Value) -> Value {
    json!({"attribute": attribute, "operator": operator, "value": value})
}

fn definition(flag: &Flag) -> Value {
    let rule = |name: &str, when: Value| json!({"name": name, "when": when, "serve": {"variation": "on"}});
    match flag.kind {
        Kind::Plain => json!({"key": flag.name, "type": "boolean", "fallback": {"variation": "on"}}),
        Kind::FiveRules => json!({"key": flag.name, "type": "boolean", "rules": [
            rule("first", condition("country", "equals", RULE_COUNTRY.into())),
            rule("second", condition("targetingKey", "in", staff().into())),
            rule("third", condition("email", "starts_with", RULE_EMAIL_START.into())),
            rule("fourth", condition("age", "greater_than", RULE_AGE.into())),
            rule("fifth", condition("appVersion", "equals", RULE_VERSION.into())),
        ]}),
        Kind::Split(percent) => json!({"key": flag.name, "type": "percentage", "percentage": percent}),
        Kind::FourWay => {
            let variations: Vec<Value> = FOUR_WAY
                .iter()
                .map(|(letter, _)| json!({"key": letter, "value": letter}))
                .chain([json!({"key": "none", "value": ""})])
                .collect();
            let split: Vec<Value> = FOUR_WAY
                .iter()
                .map(|(letter, weight)| json!({"variation": letter, "weight": weight}))
                .collect();
            json!({"key": flag.name, "type": "string", "variations": variations, "fallback": {"variation": "none"},
                "rules": [{"name": "professionals", "when": {"segment": "professionals"}, "serve": {"split": split}}]})
        }
        Kind::LongList => json!({"key": flag.name, "type": "boolean",
            "rules": [rule("ids", condition("account", "in", ids().into()))]}),
    }
}
