//! LaunchDarkly's evaluation crate: the core of its Rust SDK for servers.

use crate::engine::{Engine, number_of};
use crate::workload::{
    Attribute, FOUR_WAY, Flag, Kind, Person, RULE_AGE, RULE_COUNTRY, RULE_EMAIL_START, RULE_VERSION,
    SEGMENT_PLAN, ids, staff,
};
use launchdarkly_server_sdk_evaluation::{
    Context, ContextBuilder, Flag as TheirFlag, FlagValue, Segment, Store, evaluate,
};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The flags and segments, by name.
pub(super) struct LaunchDarkly {
    flags: HashMap<String, TheirFlag>,
    segments: HashMap<String, Segment>,
}

/// What evaluation asks for on its way; the trait wants copies.
impl Store for LaunchDarkly {
    fn flag(&self, flag_key: &str) -> Option<TheirFlag> {
        self.flags.get(flag_key).cloned()
    }

    fn segment(&self, segment_key: &str) -> Option<Segment> {
        self.segments.get(segment_key).cloned()
    }
}

impl LaunchDarkly {
    fn value<'a>(&'a self, flag: &str, context: &'a Context) -> Option<&'a FlagValue> {
        evaluate(self, self.flags.get(flag)?, context, None).value
    }
}

impl Engine for LaunchDarkly {
    type Context<'p> = Context;

    const NAME: &'static str = "launchdarkly-server-sdk-evaluation 2.2.1";

    fn load(flags: &[Flag]) -> Self {
        let segment = json!({"key": "professionals", "version": 1, "salt": "s", "included": [], "excluded": [],
            "rules": [{"id": "r", "clauses": [clause("plan", "in", json!([SEGMENT_PLAN]))]}]});
        let segment: Segment = serde_json::from_value(segment).expect("a segment");
        let flags = flags.iter().map(|flag| {
            let theirs = serde_json::from_value(definition(flag)).expect("a flag");
            (flag.name.clone(), theirs)
        });
        Self {
            flags: flags.collect(),
            segments: HashMap::from([("professionals".to_owned(), segment)]),
        }
    }

    fn context(&self, person: &Person) -> Context {
        let mut builder = ContextBuilder::new(&*person.key);
        for (name, value) in &person.attributes {
            match value {
                Attribute::Text(text) => builder.set_string(name, &**text),
                Attribute::Number(number) => builder.set_float(name, *number),
            };
        }
        builder.build().expect("a context")
    }

    fn on(&self, flag: &str, context: &Context) -> bool {
        matches!(self.value(flag, context), Some(FlagValue::Bool(true)))
    }

    fn letter(&self, flag: &str, context: &Context) -> u8 {
        match self.value(flag, context) {
            Some(FlagValue::Str(letter)) => number_of(letter),
            _ => 0,
        }
    }
}

fn clause(attribute: &str, operator: &str, values: Value) -> Value {
    json!({"contextKind": "user", "attribute": attribute, "op": operator, "values": values, "negate": false})
}

fn definition(flag: &Flag) -> Value {
    let rule = |name: &str, clause: Value| json!({"id": name, "clauses": [clause], "variation": 0, "trackEvents": false});
    let booleans = json!([true, false]);
    let (variations, fallthrough, rules) = match flag.kind {
        Kind::Plain => (booleans, json!({"variation": 0}), json!([])),
        Kind::FiveRules => (
            booleans,
            json!({"variation": 1}),
            json!([
                rule("first", clause("country", "in", json!([RULE_COUNTRY]))),
                rule("second", clause("key", "in", staff().into())),
                rule("third", clause("email", "startsWith", json!([RULE_EMAIL_START]))),
                rule("fourth", clause("age", "greaterThan", json!([RULE_AGE]))),
                rule(
                    "fifth",
                    clause("appVersion", "semVerGreaterThan", json!([RULE_VERSION]))
                ),
            ]),
        ),
        Kind::Split(percent) => (
            booleans,
            json!({"rollout": {"contextKind": "user", "variations": [
                {"variation": 0, "weight": percent * 1000}, {"variation": 1, "weight": 100_000 - percent * 1000}]}}),
            json!([]),
        ),
        Kind::FourWay => {
            let letters = FOUR_WAY
                .iter()
                .map(|(letter, _)| json!(letter))
                .chain([json!("")]);
            let split: Vec<Value> = FOUR_WAY
                .iter()
                .enumerate()
                .map(|(place, (_, weight))| json!({"variation": place, "weight": weight * 1000}))
                .collect();
            (
                letters.collect(),
                json!({"variation": 4}),
                json!([{"id": "professionals", "clauses": [clause("", "segmentMatch", json!(["professionals"]))],
                    "trackEvents": false, "rollout": {"contextKind": "user", "variations": split}}]),
            )
        }
        Kind::LongList => (
            booleans,
            json!({"variation": 1}),
            json!([rule("ids", clause("account", "in", ids().into()))]),
        ),
    };
    json!({"key": flag.name, "version": 1, "on": true, "salt": flag.name, "offVariation": 1, "targets": [],
        "prerequisites": [], "variations": variations, "fallthrough": fallthrough, "rules": rules,
        "clientSide": false, "clientSideAvailability": {"usingMobileKey": false, "usingEnvironmentId": false}})
}
