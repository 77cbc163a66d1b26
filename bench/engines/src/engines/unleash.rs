//! Unleash's domain logic as a library: what its edge server and new SDKs evaluate with.

use crate::engine::{Engine, number_of};
use crate::workload::{
    Attribute, FOUR_WAY, Flag, Kind, Person, RULE_AGE, RULE_COUNTRY, RULE_EMAIL_START, RULE_VERSION,
    SEGMENT_PLAN, ids, staff,
};
use serde_json::{Value, json};
use unleash_yggdrasil::{ClientFeatures, Context, EngineState};

/// The engine with its compiled toggles.
pub(super) struct Unleash(EngineState);

impl Engine for Unleash {
    type Context<'p> = Context;

    const NAME: &'static str = "unleash-yggdrasil 0.21.7";

    fn load(flags: &[Flag]) -> Self {
        let features = json!({
            "version": 2,
            "features": flags.iter().map(definition).collect::<Vec<_>>(),
            "segments": [{"id": 1, "constraints": [constraint("plan", "IN", json!([SEGMENT_PLAN]))]}],
        });
        let features: ClientFeatures = serde_json::from_value(features).expect("client features");
        let engine = EngineState::default();
        let warnings = engine.apply_client_features(features);
        assert!(
            warnings.is_none_or(|warnings| warnings.is_empty()),
            "every toggle compiles"
        );
        Self(engine)
    }

    fn context(&self, person: &Person) -> Context {
        let text = |value: &Attribute| match value {
            Attribute::Text(text) => text.clone(),
            Attribute::Number(number) => number.to_string(),
        };
        let properties = person
            .attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), text(value)));
        Context {
            user_id: Some(person.key.clone()),
            session_id: None,
            environment: None,
            app_name: None,
            current_time: None,
            remote_address: None,
            properties: Some(properties.collect()),
        }
    }

    fn on(&self, flag: &str, context: &Context) -> bool {
        self.0.is_enabled(flag, context, &None)
    }

    fn letter(&self, flag: &str, context: &Context) -> u8 {
        number_of(&self.0.get_variant(flag, context, &None).name)
    }
}

fn constraint(name: &str, operator: &str, values: Value) -> Value {
    json!({"contextName": name, "operator": operator, "values": values})
}

fn definition(flag: &Flag) -> Value {
    let strategy = |constraint: Value| json!({"name": "default", "constraints": [constraint]});
    let single = |name: &str, operator: &str, value: String| {
        strategy(json!({"contextName": name, "operator": operator, "value": value}))
    };
    let rollout =
        |percent: u32| json!({"rollout": percent.to_string(), "stickiness": "userId", "groupId": flag.name});
    let strategies = match flag.kind {
        Kind::Plain => json!([]),
        Kind::FiveRules => json!([
            strategy(constraint("country", "IN", json!([RULE_COUNTRY]))),
            strategy(constraint("userId", "IN", staff().into())),
            strategy(constraint("email", "STR_STARTS_WITH", json!([RULE_EMAIL_START]))),
            single("age", "NUM_GT", RULE_AGE.to_string()),
            single("appVersion", "SEMVER_GT", RULE_VERSION.to_owned()),
        ]),
        Kind::Split(percent) => json!([{"name": "flexibleRollout", "parameters": rollout(percent)}]),
        Kind::FourWay => {
            let variants: Vec<Value> = FOUR_WAY
                .iter()
                .map(
                    |(letter, weight)| json!({"name": letter, "weight": weight * 10, "stickiness": "userId"}),
                )
                .collect();
            json!([{"name": "flexibleRollout", "segments": [1], "parameters": rollout(100), "variants": variants}])
        }
        Kind::LongList => json!([strategy(constraint("account", "IN", ids().into()))]),
    };
    json!({"name": flag.name, "type": "release", "enabled": true, "strategies": strategies})
}
