//! `policies/schema.json` says what the reader does.

use crate::files::{documented, root, shipped};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;
use tidegate_model::access::{Permission, Role};
use tidegate_model::policy::read::keys;

pub(crate) fn schema() -> Value {
    let text = fs::read_to_string(root().join("policies/schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// YAML as JSON, read by other eyes than the reader's.
pub(crate) fn as_json(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap();
    json_of(&documents[0])
}

fn json_of(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => items.iter().map(json_of).collect(),
        Yaml::Mapping(pairs) => {
            let pair =
                |(key, value): (&Yaml<'_>, &Yaml<'_>)| (key.as_str().unwrap().to_owned(), json_of(value));
            Value::Object(pairs.iter().map(pair).collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}

fn words<T>(known: &[(&str, T)]) -> Value {
    known.iter().map(|(name, _)| *name).collect()
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_schema_is_one() {
    jsonschema::meta::validate(&schema()).unwrap();
}

#[test]
fn shipped_and_documented_policies_validate() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for text in shipped().into_iter().map(|(_, text)| text).chain(documented()) {
        let errors: Vec<_> = validator
            .iter_errors(&as_json(&text))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}\n{text}");
    }
}

#[test]
fn keys_are_those_of_the_reader() {
    let schema = schema();
    for level in keys::LEVELS {
        let definition = &schema["$defs"][level.name];
        let properties = definition["properties"].as_object();
        let properties = names(properties.into_iter().flatten().map(|(key, _)| key.as_str()));
        assert_eq!(properties, names(level.keys()), "{}", level.name);
        let required = definition["required"].as_array();
        let required = names(required.into_iter().flatten().filter_map(Value::as_str));
        assert_eq!(required, names(level.required.iter().copied()), "{}", level.name);
        assert_eq!(definition["additionalProperties"], json!(false), "{}", level.name);
    }
    let closed = schema["$defs"].as_object().unwrap().iter();
    let closed = closed.filter(|(_, definition)| definition["additionalProperties"] == json!(false));
    let levels = keys::LEVELS.iter().map(|level| level.name);
    assert_eq!(names(closed.map(|(name, _)| name.as_str())), names(levels));
}

#[test]
fn words_are_those_of_the_reader() {
    let schema = schema();
    let check = |definition: &str, expected: Value| {
        assert_eq!(schema["$defs"][definition]["enum"], expected, "{definition}");
    };
    check("scheduleType", words(keys::SCHEDULE_TYPES));
    check("comparison", words(keys::COMPARISONS));
    check("compareMethod", words(keys::COMPARE_METHODS));
    check("action", words(keys::ACTIONS));
    check("alertAction", words(keys::ACTIONS));
    check("occasion", words(keys::OCCASIONS));
    check("unknownMeans", words(keys::UNKNOWN_MEANS));
    check("noSeriesMeans", words(keys::NO_SERIES_MEANS));
    check("aggregate", words(keys::AGGREGATES));
    check("blindAction", words(keys::BLIND_ACTIONS));
    check("quorumBy", words(keys::QUORUM_BY));
    check("flagEdits", words(keys::FLAG_EDITS));
    let approvers = Role::ALL
        .into_iter()
        .filter(|role| role.allows(Permission::Approve));
    check("role", approvers.map(Role::name).collect());
    let units = keys::DURATION_UNITS.join("|");
    let pattern = schema["$defs"]["duration"]["pattern"].as_str().unwrap();
    assert!(pattern.contains(&format!("({units})")), "{pattern}");
}
