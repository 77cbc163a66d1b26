//! The 500 flags of workload E in Tidegate's words and in Unleash's, and the context that is asked for.
#![expect(clippy::indexing_slicing, reason = "these members are put there here")]

use serde_json::{Value, json};

/// How many flags there are.
pub(crate) const FLAGS: usize = 500;

/// The flag that is asked for alone: five rules, of which the fourth matches.
pub(crate) const SINGLE: &str = "flag-1";

const FOUR_WAY: [(&str, u32); 4] = [("a", 10), ("b", 20), ("c", 30), ("d", 40)];

/// The attributes of the one who asks, beside the key.
pub(crate) fn attributes() -> Value {
    json!({
        "country": "FR", "plan": "pro", "age": 41, "email": "person.7@example.com", "city": "city-259",
        "account": "account-4433", "appVersion": "2.7.0", "deviceType": "phone",
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    })
}

/// The context as OFREP clients send it.
pub(crate) fn ofrep_context() -> Value {
    let mut context = attributes();
    context["targetingKey"] = KEY.into();
    json!({ "context": context })
}

/// The context as Unleash's frontend clients send it.
pub(crate) fn unleash_context() -> Value {
    let mut properties = attributes();
    properties["age"] = "41".into();
    json!({"context": {"userId": KEY, "properties": properties}})
}

/// The same as a query, for the requests to Unleash Edge whose answers have ETags.
pub(crate) fn unleash_query() -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("userId", KEY);
    for (name, value) in attributes().as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        query.append_pair(&format!("properties[{name}]"), &text);
    }
    query.finish()
}

const KEY: &str = "0b9c7d3e-52a4-4d0e-9b42-000000000007";

fn staff() -> Vec<String> {
    (0..20).map(|i| format!("staff-{i}")).collect()
}

/// The segment, in Tidegate's words.
pub(crate) fn segment() -> Value {
    json!({"key": "professionals", "when": {"attribute": "plan", "operator": "equals", "value": "pro"}})
}

/// A flag, in Tidegate's words: the five kinds go round. Web pages may see it, as they may see the flags
/// of Unleash Edge.
pub(crate) fn tidegate(i: usize) -> Value {
    let mut flag = of_kind(i);
    flag["visibility"] = "client".into();
    flag
}

fn of_kind(i: usize) -> Value {
    let key = format!("flag-{i}");
    let rule = |name: &str, attribute: &str, operator: &str, value: Value| {
        json!({"name": name, "serve": {"variation": "on"},
            "when": {"attribute": attribute, "operator": operator, "value": value}})
    };
    match i % 5 {
        0 => json!({"key": key, "type": "boolean", "fallback": {"variation": "on"}}),
        1 => json!({"key": key, "type": "boolean", "rules": [
            rule("first", "country", "equals", "NZ".into()),
            rule("second", "targetingKey", "in", staff().into()),
            rule("third", "email", "starts_with", "qa+".into()),
            rule("fourth", "age", "greater_than", 29.into()),
            rule("fifth", "email", "ends_with", "@example.org".into()),
        ]}),
        2 => json!({"key": key, "type": "percentage", "percentage": 25}),
        3 => {
            let variations: Vec<Value> = FOUR_WAY
                .iter()
                .map(|(letter, _)| json!({"key": letter, "value": letter}))
                .chain([json!({"key": "none", "value": ""})])
                .collect();
            let split = FOUR_WAY.map(|(letter, weight)| json!({"variation": letter, "weight": weight}));
            json!({"key": key, "type": "string", "variations": variations, "fallback": {"variation": "none"},
                "rules": [{"name": "professionals", "when": {"segment": "professionals"}, "serve": {"split": split}}]})
        }
        _ => json!({"key": key, "type": "percentage", "percentage": 10}),
    }
}

/// All flags and the segment, as the file that Unleash Edge starts from.
pub(crate) fn unleash() -> Value {
    json!({
        "version": 2,
        "features": (0..FLAGS).map(toggle).collect::<Vec<_>>(),
        "segments": [{"id": 1, "constraints": [
            {"contextName": "plan", "operator": "IN", "values": ["pro"]}]}],
    })
}

fn toggle(i: usize) -> Value {
    let name = format!("flag-{i}");
    let constrained = |constraint: Value| json!({"name": "default", "constraints": [constraint]});
    let listed = |attribute: &str, operator: &str, values: Value| {
        constrained(json!({"contextName": attribute, "operator": operator, "values": values}))
    };
    let rollout = |percent: &str| json!({"rollout": percent, "stickiness": "userId", "groupId": name});
    let strategies = match i % 5 {
        0 => json!([]),
        1 => json!([
            listed("country", "IN", json!(["NZ"])),
            listed("userId", "IN", staff().into()),
            listed("email", "STR_STARTS_WITH", json!(["qa+"])),
            constrained(json!({"contextName": "age", "operator": "NUM_GT", "value": "29"})),
            listed("email", "STR_ENDS_WITH", json!(["@example.org"])),
        ]),
        2 => json!([{"name": "flexibleRollout", "parameters": rollout("25")}]),
        3 => {
            let variants = FOUR_WAY.map(|(letter, weight)| {
                json!({"name": letter, "weight": weight * 10, "stickiness": "userId",
                    "payload": {"type": "string", "value": letter}})
            });
            json!([{"name": "flexibleRollout", "segments": [1], "parameters": rollout("100"), "variants": variants}])
        }
        _ => json!([{"name": "flexibleRollout", "parameters": rollout("10")}]),
    };
    json!({"name": name, "type": "release", "project": "default", "enabled": true, "strategies": strategies})
}
