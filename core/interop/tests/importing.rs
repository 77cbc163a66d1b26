//! What is imported from flagd's documents in which words, what is refused, and what was made to hurt.
#![expect(clippy::expect_used, reason = "a test may panic")]

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_interop::flagd::{DOCUMENT_BYTES_MAX, Imported, Leniency, Unreadable, import};
use tidegate_model::flag::FlagStatus;

fn read(document: &Value, deal_anew: bool) -> Imported {
    import(document.to_string().as_bytes(), Leniency { deal_anew }).expect("it can be read")
}

fn of_targeting(targeting: &Value) -> Value {
    json!({"flags": {"f": {"state": "ENABLED", "variants": {"on": "1", "off": "0"}, "defaultVariant": "off",
        "targeting": targeting}}})
}

#[test]
fn a_document_in_our_words() {
    let document = json!({
        "flags": {
            "new-checkout": {
                "state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
                "metadata": {"description": "one page", "owner": "shop"},
                "targeting": {"if": [
                    {"in": [{"var": "targetingKey"}, ["ada", "bob"]]}, "on",
                    {"$ref": "staff"}, "on",
                    {"and": [{"==": [{"var": "country"}, "FR"]}, {"<": [{"var": "age"}, 18]}]}, "on",
                ]},
            },
        },
        "$evaluators": {"staff": {"ends_with": [{"var": "email"}, "@corp.com"]}},
    });
    let found = read(&document, false);
    assert_eq!((found.findings.as_slice(), found.bucketing), (&[][..], None));
    assert_eq!(
        json!(found.flags),
        json!([{
            "key": "new-checkout", "type": "boolean", "status": "active", "description": "one page", "off": "off",
            "variations": [{"key": "off", "value": false}, {"key": "on", "value": true}],
            "individuals": [{"units": ["ada", "bob"], "variation": "on"}],
            "rules": [
                {"name": "rule 1", "when": {"segment": "staff"}, "serve": {"variation": "on"}},
                {"name": "rule 2", "serve": {"variation": "on"}, "when": {"all": [
                    {"attribute": "country", "operator": "equals", "value": "FR"},
                    {"any": [{"attribute": "age", "operator": "not_exists"}, {"attribute": "age", "operator": "less_than", "value": 18}]},
                ]}},
            ],
            "fallback": {"variation": "off"},
        }])
    );
    assert_eq!(
        json!(found.segments),
        json!([{"key": "staff", "status": "active", "when": {"attribute": "email", "operator": "ends_with", "value": "@corp.com"}}])
    );
    let noted: Vec<&str> = found.notes.iter().map(|note| note.what.field.as_str()).collect();
    assert_eq!(
        noted,
        [
            "/flags/new-checkout/metadata",
            "/flags/new-checkout/targeting/if/4/and/0"
        ]
    );
}

#[test]
fn what_is_disabled_is_nobodys() {
    let flag = |variants: Value| json!({"flags": {"f": {"state": "DISABLED", "variants": variants, "defaultVariant": null}}});
    for (variants, status) in [
        (json!({"a": "1"}), FlagStatus::Inactive),
        (json!({"on": true, "off": false}), FlagStatus::Archived),
    ] {
        let found = read(&flag(variants), false);
        let flag = found.flags.first().expect("it is imported");
        assert_eq!(flag.status, status);
        assert_eq!(found.notes.len(), usize::from(status == FlagStatus::Archived));
    }
}

#[test]
fn units_are_dealt_anew_only_if_that_is_allowed() {
    let key = json!({"cat": ["f.", {"var": "targetingKey"}]});
    for (fractional, says, weights) in [
        (
            json!([["on", 25], ["off", 75]]),
            "Tidegate hashes '<salt>.<unit>'",
            vec![25.0, 75.0],
        ),
        (
            json!([{"var": "email"}, ["on", 50], ["off", 50]]),
            "and flagd something else",
            vec![50.0, 50.0],
        ),
        (
            json!([{"cat": ["x", {"var": "email"}]}, ["on"], ["off", 3]]),
            "and flagd something else",
            vec![25.0, 75.0],
        ),
        (
            json!([key, ["on", 1], ["off", 2]]),
            "exact to a thousandth",
            vec![33.333, 66.667],
        ),
        (
            json!([key, ["on", 1], ["off", 2], ["on", 1]]),
            "names each variant once",
            vec![50.0, 50.0],
        ),
    ] {
        let document = of_targeting(&json!({"fractional": fractional}));
        let refused = read(&document, false);
        let finding = refused.findings.first().expect("it is refused");
        assert!(
            refused.flags.is_empty() && finding.what.rule.contains(says),
            "{finding:?}"
        );
        assert!(finding.what.fix.contains("--deal-anew"));
        let found = read(&document, true);
        assert_eq!(found.findings, [], "{fractional}");
        let split = json!(found.flags.first().expect("it is imported").fallback);
        let found: Vec<Value> = split["split"]
            .as_array()
            .expect("a split")
            .iter()
            .map(|part| part["weight"].clone())
            .collect();
        let found: Vec<f64> = found.iter().filter_map(Value::as_f64).collect();
        assert_eq!(found, weights);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_cannot_be_said_is_named() {
    let x = json!({"var": "x"});
    let salted =
        |salt: &str| json!({"fractional": [{"cat": [salt, {"var": "targetingKey"}]}, ["on", 1], ["off", 1]]});
    for (targeting, pointer, says) in [
        (json!("no such"), "", "name variants of the flag"),
        (json!(5), "", "the name of a variant"),
        (json!([1]), "", "the name of a variant"),
        (
            json!({"if": [{"%": [x, 2]}, "on"]}),
            "/if/0",
            "no words for this operator",
        ),
        (
            json!({"if": [{"==": [{"%": [x, 2]}, 1]}, "on"]}),
            "/if/0/==/0",
            "computes nothing",
        ),
        (
            json!({"if": [{"==": [x, {"var": "y"}]}, "on"]}),
            "/if/0",
            "not with another attribute",
        ),
        (json!({"if": [{"<": [x, "5"]}, "on"]}), "/if/0", "with a number"),
        (
            json!({"if": [{"in": [x, "a text"]}, "on"]}),
            "/if/0",
            "in a list of values",
        ),
        (
            json!({"if": [{"in": [x, [null]]}, "on"]}),
            "/if/0",
            "texts, numbers and booleans",
        ),
        (
            json!({"if": [{"==": [{"var": "timestamp"}, 5]}, "on"]}),
            "/if/0/==/0",
            "the time of evaluation",
        ),
        (
            json!({"if": [{"==": [{"var": "tags.0"}, 5]}, "on"]}),
            "/if/0/==/0",
            "a place in a text or list",
        ),
        (
            json!({"if": [{"==": [{"var": ""}, 5]}, "on"]}),
            "/if/0/==/0",
            "a name is not empty",
        ),
        (
            json!({"if": [{"sem_ver": [x, ">=", "new"]}, "on"]}),
            "/if/0/sem_ver/2",
            "three numbers",
        ),
        (
            json!({"if": [{"sem_ver": [x, "=>", "1.2.3"]}, "on"]}),
            "/if/0/sem_ver/1",
            "compares with",
        ),
        (
            json!({"if": [{"$ref": "nobody"}, "on"]}),
            "/if/0",
            "no such evaluator",
        ),
        (json!({"if": [{"a": 1, "b": 2}, "on"]}), "/if/0", "one operator"),
        (
            json!({"if": [{"and": []}, "on"]}),
            "/if/0/and",
            "at least one argument",
        ),
        (json!({"if": [x, x]}), "/if/1", "the result of a targeting"),
        (
            json!({"if": [{">": [{"var": "$flagd.timestamp"}, 1_700_000_000_000_i64]}, "on"]}),
            "/if/0",
            "Unix seconds",
        ),
        (
            json!({"fractional": [{"cat": ["a.", x, {"var": "y"}]}, ["on", 1]]}),
            "/fractional/0",
            "one attribute",
        ),
        (
            json!({"fractional": [{"cat": ["a.", x]}, ["on", 0.5]]}),
            "/fractional/1",
            "a whole number",
        ),
        (
            json!({"fractional": [{"cat": ["a.", x]}, ["on", 0]]}),
            "/fractional",
            "add up to 1",
        ),
        (
            json!({"if": [x, salted("a."), salted("b.")]}),
            "",
            "the same attribute with the same salt",
        ),
        (
            json!({"if": [{"==": [{"if": [x, salted("a.")]}, "on"]}, "on"]}),
            "/if/0/==/0",
            "is no condition",
        ),
    ] {
        let found = read(&of_targeting(&targeting), false);
        assert_eq!(found.flags, [], "{targeting}");
        let pointer = format!("/flags/f/targeting{pointer}");
        let named = |finding: &tidegate_interop::flagd::Remark| {
            finding.flag == "f" && finding.what.field == pointer && finding.what.rule.contains(says)
        };
        assert!(
            found.findings.iter().any(named),
            "{pointer} {says}: {:?}",
            found.findings
        );
    }
}

#[test]
fn flags_that_are_odd_are_named_and_the_others_imported() {
    let good = json!({"state": "ENABLED", "variants": {"a": "1"}, "defaultVariant": "a"});
    for (field, value, pointer, says) in [
        ("state", json!("on"), "/state", "ENABLED or DISABLED"),
        ("variants", json!({}), "/variants", "a flag has variants"),
        (
            "variants",
            json!({"a": "1", "b": 2}),
            "/variants/b",
            "all booleans, all texts",
        ),
        (
            "variants",
            json!({"a": null}),
            "/variants/a",
            "all booleans, all texts",
        ),
        (
            "variants",
            json!({"a": {"$ref": "x"}}),
            "/variants/a",
            "something else for others",
        ),
        (
            "variants",
            json!({"a": "1", "b c/d~": "2"}),
            "/variants/b c~1d~0",
            "a variation key has",
        ),
        (
            "defaultVariant",
            json!(5),
            "/defaultVariant",
            "the name of a variant, or null",
        ),
        (
            "defaultVariant",
            json!("b"),
            "/targeting",
            "name variants of the flag",
        ),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        let found = read(
            &json!({"flags": {"bad": bad, "good": good, "a b": good, "list": []}}),
            false,
        );
        assert_eq!(found.flags.len(), 1, "{field}");
        let pointer = format!("/flags/bad{pointer}");
        let named = |finding: &tidegate_interop::flagd::Remark| {
            finding.what.field == pointer && finding.what.rule.contains(says)
        };
        assert!(
            found.findings.iter().any(named),
            "{pointer} {says}: {:?}",
            found.findings
        );
        let flags: Vec<&str> = found
            .findings
            .iter()
            .map(|finding| finding.flag.as_str())
            .collect();
        assert!(flags.contains(&"a b") && flags.contains(&"list"));
    }
    let callers = json!({"flags": {"f": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": null}}});
    assert_eq!(read(&callers, false).flags, []);
}

#[test]
fn what_is_no_document_is_refused() {
    let deep = format!(r#"{{"flags": {}1{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let large = " ".repeat(DOCUMENT_BYTES_MAX + 1);
    for (document, says) in [
        ("", "no JSON"),
        ("[]", "a document has 'flags'"),
        (r#"{"flags": []}"#, "'flags' is an object"),
        (r#"{"flags": {}, "$evaluators": 5}"#, "'$evaluators' is an object"),
        (deep.as_str(), "recursion limit"),
        (large.as_str(), "import it in several parts"),
    ] {
        let error: Unreadable = import(document.as_bytes(), Leniency::default()).expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(import(b"\xff\xfe{}", Leniency::default()).is_err());
}

#[test]
fn documents_made_to_be_slow_are_refused_in_time() {
    let used = json!({"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
        "targeting": {"$ref": "e0"}});
    let chain = |of: &dyn Fn(usize) -> Value| {
        let evaluators: Value = (0..150).map(|i| (format!("e{i}"), of(i))).collect();
        json!({"flags": {"f": used}, "$evaluators": evaluators})
    };
    let next = |i: usize| json!({ "$ref": format!("e{}", i + 1) });
    let x = |i: usize| json!({"var": format!("x{i}")});
    // Each doubles what the one before says: as results, as conditions of conditions, in a circle.
    for (document, says) in [
        (
            chain(&|i| json!({"if": [x(i), next(i), next(i)]})),
            "at most 160 deep",
        ),
        (
            chain(&|i| json!({"if": [x(i), {"if": [{"if": [next(i), next(i), next(i)]}, "on"]}]})),
            "",
        ),
        (
            chain(&|i| json!({ "$ref": format!("e{}", (i + 1) % 150) })),
            "at most 160 deep",
        ),
        (
            chain(&|i| json!({"if": [{"$ref": format!("e{i}")}, "on"]})),
            "lead back",
        ),
    ] {
        let found = read(&document, false);
        assert_eq!(found.flags, []);
        assert!(
            found
                .findings
                .iter()
                .any(|finding| finding.what.rule.contains(says)),
            "{:?}",
            found.findings
        );
    }
    let wide = |i: usize| match i {
        20 => json!("on"),
        i => json!({"if": [x(0), next(i), x(1), next(i), x(2), next(i), x(3), next(i), next(i)]}),
    };
    let found = read(&chain(&wide), false);
    assert!(
        found
            .findings
            .iter()
            .any(|one| one.what.rule.contains("at most 200000 expressions"))
    );
    assert!(found.findings.len() <= 101);
    // Fifty nested choices, each of which stands in the next one twice.
    let nested = (0..50).fold(
        json!({"var": "x"}),
        |inner, _| json!({"if": [inner, {"var": "y"}, {"var": "z"}]}),
    );
    let found = read(&of_targeting(&json!({"if": [nested, "on"]})), false);
    assert_eq!(
        (found.flags.len(), found.findings.len()),
        (0, 1),
        "{:?}",
        found.findings
    );
}

#[test]
fn evaluators_that_are_no_segments_are_named() {
    let ends = |part: &str| json!({"ends_with": [{"var": "email"}, part]});
    let mut document = of_targeting(&json!({"if": [{"$ref": "a"}, "on", {"$ref": "seg_a"}, "off", "on"]}));
    document["$evaluators"] = json!({"a": ends("a"), "seg_a": ends("b")});
    assert_eq!(read(&document, false).segments.len(), 2);
    document["metadata"] = json!({"tidegateBucketing": "v3"});
    let found = read(&document, false);
    assert!(
        found
            .findings
            .iter()
            .any(|one| one.what.rule.contains("the same segment")),
        "{:?}",
        found.findings
    );

    let chain: Value = (0..40)
        .map(|i| {
            (
                format!("e{i}"),
                json!({"!": [{"or": [{"$ref": format!("e{}", i + 1)}, {"var": "x"}]}]}),
            )
        })
        .chain([("e40".to_owned(), ends("a"))])
        .collect();
    for (start, says) in [("e8", None), ("e7", Some("at most 32 deep"))] {
        let mut document = of_targeting(&json!({"if": [{"$ref": start}, "on"]}));
        document["$evaluators"] = chain.clone();
        let found = read(&document, false);
        let named = found.findings.iter().map(|one| one.what.rule.as_str());
        assert_eq!(
            named
                .map(|rule| says.is_some_and(|says| rule.contains(says)))
                .collect::<Vec<_>>(),
            vec![true; usize::from(says.is_some())],
            "{start}"
        );
    }
}

fn expression() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "on",
            "off",
            "x",
            "$flagd.timestamp",
            "targetingKey",
            "a",
            "1.2.3",
            "="
        ])
        .prop_map(Value::from),
        "\\PC{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 5, |inner| {
        let operators = prop::sample::select(vec![
            "if", "and", "or", "!", "!!", "==", "===", "!=", "<", ">=", "in", "var", "var", "fractional", "sem_ver",
            "starts_with", "cat", "$ref", "merge", "?:",
        ]);
        prop_oneof![
            6 => (operators, prop::collection::vec(inner.clone(), 0..5)).prop_map(|(operator, of)| json!({ operator: of })),
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            1 => prop::collection::btree_map("[a$]{0,2}", inner, 0..3).prop_map(|fields| json!(fields)),
        ]
    })
}

proptest! {
    /// Whatever is imported is a definition that holds together; the rest is named.
    #[test]
    fn no_expression_is_too_odd(targeting in expression(), evaluator in expression(), deal_anew in any::<bool>()) {
        let mut document = of_targeting(&targeting);
        document["$evaluators"] = json!({"a": evaluator, "on": targeting});
        let found = read(&document, deal_anew);
        prop_assert_eq!(found.flags.len() + usize::from(!found.findings.is_empty()), 1);
        for flag in found.flags {
            prop_assert!(tidegate_model::flag::Flag::new(flag).is_ok());
        }
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "\\PC{0,60}") {
        let _ = import(&bytes, Leniency::default());
        let _ = import(text.as_bytes(), Leniency::default());
    }
}
