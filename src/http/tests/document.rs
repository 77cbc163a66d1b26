//! The OpenAPI document tells the truth about the routes.

use crate::http::access::{Who, names};
use crate::http::openapi::{document, shown_path};
use crate::http::routes::{Annotations, table};
use serde_json::Value;
use std::collections::BTreeSet;
use utoipa::OpenApi;

fn json() -> Value {
    serde_json::to_value(document()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter();
        item.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    });
    operations.collect()
}

#[test]
fn every_route_is_in_the_document_and_the_other_way_round() {
    let annotated = serde_json::to_value(Annotations::openapi()).unwrap();
    let annotated: BTreeSet<String> = operations(&annotated).into_iter().map(|(name, _)| name).collect();
    let routed = table()
        .into_iter()
        .map(|route| format!("{} {}", route.method, shown_path(route.path)));
    let routed: BTreeSet<String> = routed.collect();
    assert_eq!(annotated, routed);
    assert_eq!(routed.len(), table().len());
}

#[test]
fn every_operation_says_what_it_does_who_may_and_what_goes_wrong() {
    let document = json();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        let text = |member: &str| operation[member].as_str().unwrap_or_default().to_owned();
        assert!(
            text("summary").len() > 8 || text("description").len() > 8,
            "{name} has no description"
        );
        assert!(
            ids.insert(text("operationId")),
            "{name}: {} twice",
            text("operationId")
        );
        let mut routes = table().into_iter();
        let Some(route) = routes.find(|route| format!("{} {}", route.method, shown_path(route.path)) == name)
        else {
            assert!(NODES_ROUTES.contains(&&*name), "{name} is nobody's route");
            continue;
        };
        let permission = match route.who {
            Who::Everybody => "none".to_owned(),
            Who::Permission(any_of) => names(any_of),
            Who::PermissionEverywhere(any_of) => names(any_of) + ", for all environments",
        };
        assert_eq!(text("x-tidegate-permission"), permission, "{name}");
        let responses = operation["responses"].as_object().unwrap();
        let mut needed = vec!["default"];
        if route.who != Who::Everybody {
            needed.extend(["401", "403", "404"]);
            assert_eq!(operation["security"][0]["bearer"], Value::Array(vec![]), "{name}");
        }
        if operation.get("requestBody").is_some() {
            needed.extend(["400", "413", "415"]);
        }
        for status in needed {
            assert!(
                responses.contains_key(status),
                "{name} does not document {status}"
            );
        }
        for (status, response) in responses {
            if status.starts_with(['4', '5']) || status == "default" {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{name} {status}");
            }
        }
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let documented = parameters.iter().filter(|one| one["in"] == "path").count();
        assert_eq!(
            documented,
            route.path.matches('{').count(),
            "{name}: {parameters:?}"
        );
    }
}

const NODES_ROUTES: [&str; 9] = [
    "DELETE /v1/cache",
    "GET /ofrep/v1/stream",
    "GET /v1/cache",
    "POST /ofrep/v1/evaluate/flags",
    "POST /ofrep/v1/evaluate/flags/{key}",
    "POST /v1/evaluate",
    "POST /v1/events",
    "POST /v1/experiments/{experiment}/enrolments",
    "POST /v1/exposures",
];

#[test]
fn the_nodes_routes_are_in_the_document() {
    let document = json();
    let operations = operations(&document);
    for route in NODES_ROUTES {
        let (_, operation) = operations.iter().find(|(name, _)| name == route).unwrap();
        let responses = operation["responses"].as_object().unwrap();
        for status in ["401", "429", "default"] {
            let schema = &responses[status]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{route} {status}");
        }
        let open = route.ends_with("/stream");
        assert_eq!(operation.get("security").is_some(), !open, "{route}");
        let permission = operation["x-tidegate-permission"].as_str().unwrap();
        let expected = match route {
            _ if open => "none",
            _ if route.ends_with("/cache") => "evaluate_all",
            _ => "evaluate",
        };
        assert_eq!(permission, expected, "{route}");
        assert_eq!(
            responses.contains_key("413"),
            route.starts_with("POST"),
            "{route}"
        );
    }
}

/// Every `$ref` leads somewhere.
#[test]
fn every_reference_resolves() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match (name.as_str(), member.as_str()) {
                        ("$ref", Some(target)) => drop(found.insert(target)),
                        _ => references(member, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = json();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for target in found {
        let pointer = target.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
    }
}
