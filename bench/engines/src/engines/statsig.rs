//! Statsig's SDK for servers, without network and without exposure events.

use crate::engine::{Engine, number_of};
use crate::workload::{
    Attribute, FOUR_WAY, Flag, Kind, Person, RULE_AGE, RULE_COUNTRY, RULE_EMAIL_START, RULE_VERSION,
    SEGMENT_PLAN, ids, staff,
};
use serde_json::{Map, Value, json};
use statsig_rust::{
    DynamicConfigEvaluationOptions, DynamicValue, FeatureGateEvaluationOptions, Statsig as Theirs,
    StatsigBootstrapSpecsAdapter, StatsigOptions, StatsigUser, StatsigUserBuilder,
};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Buckets of an experiment.
const BUCKETS: u32 = 1000;

/// The SDK, and the threads it wants for its background tasks.
pub(super) struct Statsig {
    sdk: Theirs,
    _runtime: Runtime,
}

impl Engine for Statsig {
    type Context<'p> = StatsigUser;

    const NAME: &'static str = "statsig-rust 0.24.1-rc.2610302338";

    fn load(flags: &[Flag]) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let options = StatsigOptions {
            specs_adapter: Some(Arc::new(StatsigBootstrapSpecsAdapter::new(
                specs(flags).to_string(),
            ))),
            disable_network: Some(true),
            disable_all_logging: Some(true),
            disable_country_lookup: Some(true),
            disable_disk_access: Some(true),
            ..StatsigOptions::new()
        };
        let sdk = Theirs::new("secret-bench", Some(Arc::new(options)));
        runtime.block_on(sdk.initialize()).expect("specs that are read");
        Self {
            sdk,
            _runtime: runtime,
        }
    }

    fn context(&self, person: &Person) -> StatsigUser {
        let value = |value: &Attribute| match value {
            Attribute::Text(text) => DynamicValue::from(text.clone()),
            Attribute::Number(number) => DynamicValue::from(*number),
        };
        let text = |name: &str| match person.attributes.iter().find(|(it, _)| *it == name) {
            Some((_, Attribute::Text(text))) => Some(text.clone()),
            _ => None,
        };
        let custom: HashMap<String, DynamicValue> = person
            .attributes
            .iter()
            .filter(|(name, _)| !["country", "email", "appVersion", "userAgent"].contains(name))
            .map(|(name, it)| ((*name).to_owned(), value(it)))
            .collect();
        StatsigUserBuilder::new_with_user_id(person.key.clone())
            .country(text("country"))
            .email(text("email"))
            .app_version(text("appVersion"))
            .user_agent(text("userAgent"))
            .custom(Some(custom))
            .build()
    }

    fn on(&self, flag: &str, context: &StatsigUser) -> bool {
        let options = FeatureGateEvaluationOptions {
            disable_exposure_logging: true,
        };
        self.sdk.check_gate_with_options(context, flag, options)
    }

    fn letter(&self, flag: &str, context: &StatsigUser) -> u8 {
        let options = DynamicConfigEvaluationOptions {
            disable_exposure_logging: true,
        };
        number_of(
            &self
                .sdk
                .get_dynamic_config_with_options(context, flag, options)
                .rule_id,
        )
    }
}

/// The specs of all flags: gates, configs, and the conditions that both refer to by name.
fn specs(flags: &[Flag]) -> Value {
    let mut conditions = Map::new();
    let mut gates = Map::new();
    let mut configs = Map::new();
    let segment = condition("user_field", "any", Some("plan"), json!([SEGMENT_PLAN]));
    conditions.insert("plan".to_owned(), segment);
    gates.insert(
        "segment:professionals".to_owned(),
        spec(
            "segment",
            "feature_gate",
            false.into(),
            vec![rule("plan", &["plan"], 100.0, true.into())],
        ),
    );
    conditions.insert(
        "outside".to_owned(),
        condition("fail_gate", "", None, "segment:professionals".into()),
    );
    conditions.insert("everybody".to_owned(), condition("public", "", None, Value::Null));
    let rules = [
        ("first", "any", "country", json!([RULE_COUNTRY])),
        ("second", "any", "userID", staff().into()),
        ("third", "str_starts_with_any", "email", json!([RULE_EMAIL_START])),
        ("fourth", "gt", "age", RULE_AGE.into()),
        ("fifth", "version_gt", "appVersion", RULE_VERSION.into()),
        ("ids", "any", "account", ids().into()),
    ];
    for (name, operator, field, value) in rules {
        conditions.insert(
            name.to_owned(),
            condition("user_field", operator, Some(field), value),
        );
    }
    for flag in flags {
        let gate = |rules: Vec<Value>| spec(&flag.name, "feature_gate", false.into(), rules);
        let on = |name: &str| rule(name, &[name], 100.0, true.into());
        let made = match flag.kind {
            Kind::Plain => gate(vec![on("everybody")]),
            Kind::FiveRules => gate(["first", "second", "third", "fourth", "fifth"].map(on).to_vec()),
            Kind::Split(percent) => gate(vec![rule(
                "split",
                &["everybody"],
                f64::from(percent),
                true.into(),
            )]),
            Kind::LongList => gate(vec![on("ids")]),
            Kind::FourWay => {
                let mut rules = vec![rule("none", &["outside"], 100.0, json!({"letter": ""}))];
                let mut bound = 0;
                for (letter, weight) in FOUR_WAY {
                    bound += weight * BUCKETS / 100;
                    let name = format!("{}.{letter}", flag.name);
                    let mut bucket = condition("user_bucket", "lt", None, bound.into());
                    bucket["additionalValues"] = json!({"salt": flag.name});
                    conditions.insert(name.clone(), bucket);
                    rules.push(rule(letter, &[&name], 100.0, json!({"letter": letter})));
                }
                let made = spec(&flag.name, "dynamic_config", json!({}), rules);
                configs.insert(flag.name.clone(), made);
                continue;
            }
        };
        gates.insert(flag.name.clone(), made);
    }
    json!({"has_updates": true, "time": 1_723_061_643_057_u64, "company_id": "bench", "response_format": "dcs-v2",
        "dynamic_configs": configs, "feature_gates": gates, "layer_configs": {}, "experiment_to_layer": {},
        "condition_map": conditions, "id_lists": {}, "diagnostics": {}, "sdk_keys_to_app_ids": {}})
}

fn condition(kind: &str, operator: &str, field: Option<&str>, value: Value) -> Value {
    let operator = (!operator.is_empty()).then_some(operator);
    json!({"type": kind, "targetValue": value, "operator": operator, "field": field, "additionalValues": {},
        "idType": "userID"})
}

fn rule(name: &str, conditions: &[&str], percent: f64, value: Value) -> Value {
    json!({"name": name, "groupName": name, "passPercentage": percent, "conditions": conditions,
        "returnValue": value, "id": name, "salt": name, "idType": "userID"})
}

fn spec(name: &str, kind: &str, default: Value, rules: Vec<Value>) -> Value {
    let entity = if name == "segment" { "segment" } else { kind };
    json!({"type": kind, "salt": name, "enabled": true, "defaultValue": default, "rules": rules,
        "idType": "userID", "entity": entity, "version": 1})
}
