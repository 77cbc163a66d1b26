//! From a policy to the plan that a rollout pins.

use crate::files::shipped;
use crate::{completed, good};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegate_model::key::{EnvironmentKey, FlagKey, VariationKey};
use tidegate_model::policy::bind::Bindings;
use tidegate_model::policy::{Policy, Source};

fn bindings(arguments: &[(&str, &str)]) -> Bindings {
    Bindings {
        environment: EnvironmentKey::new("production").unwrap(),
        flag: FlagKey::new("new-checkout").unwrap(),
        variation: VariationKey::new("on").unwrap(),
        baseline: VariationKey::new("off").unwrap(),
        arguments: arguments
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn queries(policy: &Policy) -> Vec<&str> {
    let of_rule = policy.safety.rules.iter().flat_map(|rule| {
        let source = match &rule.source {
            Source::Query(query) => Some(query.as_str()),
            _ => None,
        };
        let minimum = rule.minimum.as_ref().and_then(|minimum| minimum.query.as_deref());
        source.into_iter().chain(minimum)
    });
    of_rule.collect()
}

fn policy_with(query: &str) -> Policy {
    good(&completed(&format!(
        "arguments:\n  service: {{ example: checkout }}\n  limit: {{ default: \"0.5\" }}\nsafety:\n  rules:\n    - name: errors\n      window: 90s\n      threshold: 2%\n      query: |\n        {query}\n"
    )))
}

const QUERY: &str = r#"sum(rate(x{env="{{environment}}", flag="{{flag}}", v="{{ variation }}", b!="{{baseline}}", s="{{service}}"}[{{window}}])) / {{limit}}"#;

#[test]
fn every_placeholder_is_filled_in() {
    let check = |arguments: &[(&str, &str)], expected: &str| {
        let bound = policy_with(QUERY).bind(&bindings(arguments)).unwrap();
        assert_eq!(queries(&bound), [expected]);
    };
    check(
        &[("service", "shop")],
        "sum(rate(x{env=\"production\", flag=\"new-checkout\", v=\"on\", b!=\"off\", s=\"shop\"}[90s])) / 0.5\n",
    );
    check(
        &[("service", "a b|c"), ("limit", "2")],
        "sum(rate(x{env=\"production\", flag=\"new-checkout\", v=\"on\", b!=\"off\", s=\"a b|c\"}[90s])) / 2\n",
    );
}

#[test]
fn everything_wrong_with_arguments_is_named_at_once() {
    let check = |arguments: &[(&str, &str)], expected: &[&str]| {
        let invalid = policy_with(QUERY).bind(&bindings(arguments)).unwrap_err();
        let found: Vec<_> = invalid.violations().iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    };
    check(
        &[("servcie", "shop"), ("limit", "1 or vector(1)")],
        &[
            "arguments.servcie: the policy asks for no such argument (\"shop\"); did you mean 'service'? known: limit, service",
            "arguments.service: the policy asks for this argument, and it has no default (\"\"); give it, for example service=checkout",
            "arguments.limit: a value that stands outside quotes in a query is one word, number or duration (\"1 or vector(1)\"); give a plain value, for example checkout",
        ],
    );
    for hostile in ["\"} or vector(0) #", "a\\", "{{flag}}", "a\nb", ""] {
        let invalid = policy_with(QUERY)
            .bind(&bindings(&[("service", hostile)]))
            .unwrap_err();
        assert_eq!(invalid.violations().len(), 1, "{invalid}");
        assert_eq!(invalid.violations()[0].field, "arguments.service");
    }
    // One word each, but together no PromQL.
    check(
        &[("service", "shop"), ("limit", "1.2.3")],
        &[
            "safety.rules[0].query: not PromQL: bad number or duration syntax: 1.2. (\"sum(rate(x{env=\\\"production\\\", flag=\\\"new-checkout\\\", v=\\\"on\\\", b!=\\\"off\\\", s=\\\"shop\\\"}[90…\"); try it in the expression browser of Prometheus",
        ],
    );
}

#[test]
fn shipped_policies_bind_with_their_examples() {
    for (name, text) in shipped() {
        let policy = good(&text);
        let examples: Vec<_> = policy
            .arguments
            .iter()
            .map(|(name, one)| (name.as_str(), one.example.as_str()))
            .collect();
        let bound = policy.bind(&bindings(&examples)).unwrap();
        assert!(
            queries(&bound).iter().all(|query| !query.contains("{{")),
            "{name}"
        );
        assert_ne!(bound.digest(), policy.digest(), "{name}");
        let json = serde_json::to_string(&bound).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), bound, "{name}");
    }
}

proptest! {
    /// Whatever is given: either a refusal, or plans without any `{{`, with the same literals.
    #[test]
    fn binding_leaves_nothing_open(service in any::<String>(), limit in "[a-z0-9.(){}\" ]{0,8}", extra in any::<bool>()) {
        let mut given = bindings(&[("service", &service), ("limit", &limit)]);
        if extra {
            given.arguments.insert("extra".to_owned(), service.clone());
        }
        if let Ok(bound) = policy_with(QUERY).bind(&given) {
            prop_assert!(!extra);
            for query in queries(&bound) {
                prop_assert!(!query.contains("{{"), "{}", query);
                prop_assert_eq!(query.matches('"').count(), 10);
            }
        }
    }

    #[test]
    fn unknown_arguments_never_pass(names in prop::collection::btree_map("[a-z]{1,9}", "[a-z]{1,9}", 0..4)) {
        let mut given = bindings(&[("service", "shop")]);
        let unknown: BTreeMap<_, _> = names.into_iter().filter(|(name, _)| name != "service" && name != "limit").collect();
        given.arguments.extend(unknown.clone());
        let bound = policy_with(QUERY).bind(&given);
        prop_assert_eq!(bound.is_ok(), unknown.is_empty());
    }
}
