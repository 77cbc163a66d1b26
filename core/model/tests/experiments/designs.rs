//! What is wrong with a design is named: the field, the value, the rule and the fix.

use crate::make::{design, metric, with, written};
use serde_json::{Value, json};
use tidegate_model::experiment::Design;
use tidegate_model::invalid::Violation;

/// The field, its value as it is told, and a piece of the rule and of the fix.
pub(crate) type Named = (&'static str, &'static str, &'static str, &'static str);

fn check(found: &[Violation], expected: &[Named], of: &Value) {
    let fields: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
    let named: Vec<&str> = expected.iter().map(|one| one.0).collect();
    assert_eq!(fields, named, "{of}");
    for (violation, (_, value, rule, fix)) in found.iter().zip(expected) {
        assert_eq!(violation.value, *value, "{violation}");
        assert!(violation.rule.contains(rule), "{violation}");
        assert!(violation.fix.contains(fix), "{violation}");
    }
}

pub(crate) fn refused(cases: Vec<(Value, Vec<Named>)>) {
    for (more, expected) in cases {
        let design = design(&more);
        check(&design.violations(), &expected, &more);
        let refused = design.checked().unwrap_err();
        assert_eq!(refused.violations().len(), expected.len(), "all at once");
    }
}

#[test]
fn the_design_that_all_cases_start_from_is_sound() {
    assert_eq!(design(&json!({})).violations(), []);
}

#[test]
fn arms_are_told_apart_and_add_up() {
    let arms = |arms: &[(&str, f64)]| -> Value {
        let each = arms
            .iter()
            .map(|(arm, weight)| json!({ "variation": arm, "weight": weight }));
        json!({ "arms": each.collect::<Vec<_>>() })
    };
    let many: Vec<String> = (0..21).map(|arm| format!("v{arm}")).collect();
    let mut too_many: Vec<(&str, f64)> = many.iter().map(|arm| (arm.as_str(), 4.75)).collect();
    too_many[20] = ("off", 5.0);
    let adds_up = "add up to 100 %";
    refused(vec![
        (
            arms(&[("off", 50.0), ("on", 49.999)]),
            vec![("arms", "99.999 %", adds_up, "50 and 50")],
        ),
        (
            arms(&[("off", 100.0), ("on", 100.0)]),
            vec![("arms", "200.000 %", adds_up, "50 and 50")],
        ),
        (
            arms(&[("off", 50.0), ("off", 50.0)]),
            vec![(
                "arms[1].variation",
                "off",
                "each variation is one arm",
                "add the weights up",
            )],
        ),
        (
            arms(&[("off", 100.0), ("on", 0.0)]),
            vec![(
                "arms[1].weight",
                "0 %",
                "an arm that nobody gets",
                "give it a weight",
            )],
        ),
        (
            arms(&[("off", 100.0)]),
            vec![("arms", "1", "2 to 20 arms", "name the control")],
        ),
        (
            arms(&too_many),
            vec![("arms", "21", "2 to 20 arms", "name the control")],
        ),
        (
            json!({ "control": "of" }),
            vec![("control", "of", "the control is one of the arms", "off, on")],
        ),
    ]);
}

#[test]
fn weights_that_are_no_shares_are_not_read() {
    for weight in [-1.0, 100.1, 0.000_1] {
        let arms = json!([{ "variation": "off", "weight": weight }, { "variation": "on", "weight": 50 }]);
        let read: Result<Design, _> = serde_json::from_value(with(written(), &json!({ "arms": arms })));
        assert!(read.is_err(), "{weight}");
    }
}

#[test]
fn who_takes_part_is_said_in_a_way_that_can_be() {
    let units: Vec<String> = (0..10_001).map(|unit| format!("robot-{unit}")).collect();
    refused(vec![
        (
            json!({ "hypothesis": " \n" }),
            vec![("hypothesis", "", "says what it claims", "prove wrong")],
        ),
        (
            json!({ "layer": { "key": "checkout", "from": 50, "to": 50 } }),
            vec![(
                "layer",
                "from 50 % to 50 %",
                "begins before it ends",
                "\"from\": 0",
            )],
        ),
        (
            json!({ "audience": { "all": [] } }),
            vec![("audience.all", "[]", "at least one entry", "add a condition")],
        ),
        (
            json!({ "excluded": units }),
            vec![("excluded", "10001", "at most 10,000", "segment")],
        ),
    ]);
}

#[test]
fn metrics_say_what_they_measure_and_what_they_hope_for() {
    let of = |more: Value| json!({ "metrics": [metric(&json!({})), with(metric(&json!({ "name": "other" })), &more)] });
    let measure = |measure: Value| of(json!({ "role": "secondary", "measure": measure }));
    let part = |aggregation: &str| json!({ "event": "bought", "aggregation": aggregation });
    let many: Vec<Value> = (0..51)
        .map(|one| metric(&json!({ "name": format!("m{one}") })))
        .collect();
    let span = json!({ "kind": "retention", "event": "seen", "from": "8d", "to": "7d" });
    let one_step = json!({ "kind": "funnel", "steps": ["seen"] });
    let long: Vec<String> = (0..11).map(|step| format!("step-{step}")).collect();
    let ratio = json!({ "kind": "ratio", "numerator": part("max"), "denominator": part("average") });
    let capped = |cap: Value| of(json!({ "measure": { "kind": "revenue", "event": "bought" }, "cap": cap }));
    let cap_rule = "a cap is a value above 0, or a quantile between 0.5 and 1";
    refused(vec![
        (
            json!({ "metrics": many }),
            vec![("metrics", "51", "at most 50 metrics", "keep those that decide")],
        ),
        (
            json!({ "metrics": [] }),
            vec![("metrics", "0", "role 'success'", "hypothesis")],
        ),
        (
            json!({ "metrics": [metric(&json!({ "role": "guardrail" }))] }),
            vec![("metrics", "1", "role 'success'", "hypothesis")],
        ),
        (
            of(json!({ "name": "purchase" })),
            vec![("metrics[1].name", "purchase", "a name of its own", "rename")],
        ),
        (
            measure(span),
            vec![(
                "metrics[1].measure.to",
                "from 8days to 7days",
                "begins before it ends",
                "\"7d\" to \"8d\"",
            )],
        ),
        (
            measure(one_step),
            vec![("metrics[1].measure.steps", "1", "2 to 10 steps", "conversion")],
        ),
        (
            measure(json!({ "kind": "funnel", "steps": long })),
            vec![("metrics[1].measure.steps", "11", "2 to 10 steps", "conversion")],
        ),
        (
            measure(json!({ "kind": "funnel", "steps": [] })),
            vec![("metrics[1].measure.steps", "0", "2 to 10 steps", "conversion")],
        ),
        (
            measure(json!({ "kind": "percentile", "event": "load", "quantile": 1.0 })),
            vec![("metrics[1].measure.quantile", "1", "between 0 and 1", "0.9")],
        ),
        (
            measure(ratio),
            vec![
                (
                    "metrics[1].measure.numerator.aggregation",
                    "max",
                    "a sum or a count",
                    "'sum' or 'count'",
                ),
                (
                    "metrics[1].measure.denominator.aggregation",
                    "average",
                    "a sum or a count",
                    "'sum' or 'count'",
                ),
            ],
        ),
        (
            of(json!({ "margin": 0.0 })),
            vec![("metrics[1].margin", "0", "between 0 and 1", "0.02")],
        ),
        (
            of(json!({ "margin": 1.0 })),
            vec![("metrics[1].margin", "1", "between 0 and 1", "0.02")],
        ),
        (
            of(json!({ "margin": -0.1 })),
            vec![("metrics[1].margin", "-0.1", "between 0 and 1", "0.02")],
        ),
        (
            of(json!({ "goal": "maintain" })),
            vec![(
                "metrics[1].margin",
                "",
                "how much still counts as the same",
                "add a margin",
            )],
        ),
        (
            of(json!({ "goal": "maintain", "role": "guardrail", "margin": 0.1 })),
            vec![(
                "metrics[1].goal",
                "maintain",
                "one direction",
                "'increase' or 'decrease'",
            )],
        ),
        (
            of(json!({ "minimumEffect": 0.0 })),
            vec![("metrics[1].minimumEffect", "0", "above 0", "0.05")],
        ),
        (
            of(json!({ "onBreach": "stop" })),
            vec![(
                "metrics[1].onBreach",
                "stop",
                "only a guardrail acts",
                "'guardrail'",
            )],
        ),
        (
            of(json!({ "cap": { "at": 100.0 } })),
            vec![(
                "metrics[1].cap",
                "At(100.0)",
                "only one number of a unit",
                "leave it out",
            )],
        ),
        (
            capped(json!({ "at": 0.0 })),
            vec![("metrics[1].cap", "0", cap_rule, "0.999")],
        ),
        (
            capped(json!({ "quantile": 0.5 })),
            vec![("metrics[1].cap", "0.5", cap_rule, "0.999")],
        ),
    ]);
}

#[test]
fn a_metric_without_an_event_is_not_read() {
    for (measure, told) in [
        (json!({ "kind": "conversion" }), "event"),
        (json!({ "kind": "conversion", "event": "" }), ""),
        (
            json!({ "kind": "ratio", "numerator": { "event": "a", "aggregation": "sum" } }),
            "denominator",
        ),
        (json!({ "kind": "funnel" }), "steps"),
        (json!({ "kind": "guess", "event": "a" }), "guess"),
    ] {
        let of = json!({ "metrics": [metric(&json!({ "measure": measure }))] });
        let read: Result<Design, _> = serde_json::from_value(with(written(), &of));
        let told_of = read.unwrap_err().to_string();
        assert!(told_of.contains(told), "{measure}: {told_of}");
    }
}

#[test]
fn numbers_stay_in_their_ranges() {
    let fixed = |units: u64| json!({ "discipline": { "kind": "fixed", "units": units } });
    let looks =
        |looks: u32| json!({ "discipline": { "kind": "group_sequential", "units": 1_000, "looks": looks } });
    refused(vec![
        (
            json!({ "alpha": 0.0 }),
            vec![("alpha", "0", "0.000001 to 0.5", "0.05")],
        ),
        (
            json!({ "alpha": 0.51 }),
            vec![("alpha", "0.51", "0.000001 to 0.5", "0.05")],
        ),
        (
            json!({ "power": 1.0 }),
            vec![("power", "1", "0.5 up to 1", "0.8")],
        ),
        (
            json!({ "power": 0.49 }),
            vec![("power", "0.49", "0.5 up to 1", "0.8")],
        ),
        (
            fixed(9),
            vec![(
                "discipline.units",
                "9",
                "10 to 1,000,000,000,000",
                "experiment plan",
            )],
        ),
        (
            fixed(1_000_000_000_001),
            vec![("discipline.units", "1000000000001", "10 to", "plan")],
        ),
        (
            json!({ "discipline": { "kind": "always_valid", "tunedFor": 0 } }),
            vec![("discipline.units", "0", "10 to", "plan")],
        ),
        (
            looks(0),
            vec![("discipline.looks", "0", "1 to 50 looks", "5 is usual")],
        ),
        (
            looks(51),
            vec![("discipline.looks", "51", "1 to 50 looks", "5 is usual")],
        ),
        (
            json!({ "duration": "0s" }),
            vec![("duration", "0s", "for some time", "14d")],
        ),
    ]);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.05] {
        let mut odd = design(&json!({}));
        (odd.alpha, odd.power) = (bad, bad);
        odd.metrics[0].margin = Some(bad);
        odd.metrics[0].minimum_effect = Some(bad);
        let fields: Vec<String> = odd.violations().into_iter().map(|one| one.field).collect();
        assert_eq!(
            fields,
            ["metrics[0].margin", "metrics[0].minimumEffect", "alpha", "power"],
            "{bad}"
        );
    }
}

#[test]
fn the_ends_of_all_ranges_are_inside() {
    for more in [
        json!({ "alpha": 0.000_001, "power": 0.5 }),
        json!({ "alpha": 0.5, "power": 0.999 }),
        json!({ "discipline": { "kind": "fixed", "units": 10 } }),
        json!({ "discipline": { "kind": "group_sequential", "units": 1_000_000_000_000_u64, "looks": 50 } }),
        json!({ "discipline": { "kind": "group_sequential", "units": 10, "looks": 1 } }),
        json!({ "duration": "1s" }),
        json!({ "traffic": 0.001 }),
    ] {
        assert_eq!(design(&more).violations(), [], "{more}");
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let all = json!({ "hypothesis": "", "control": "x", "metrics": [], "alpha": 7.0, "power": 0.0, "duration": "0s" });
    let found = design(&all).violations();
    let fields: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(
        fields,
        ["hypothesis", "control", "metrics", "alpha", "power", "duration"]
    );
}

#[test]
fn what_is_written_comes_back_as_it_was() {
    let everything = json!({
        "description": "d", "owner": "o", "metadata": { "team": "growth" },
        "audience": { "attribute": "country", "operator": "in", "value": ["DE"] },
        "traffic": 12.5, "layer": { "key": "l", "from": 0, "to": 50 }, "holdout": { "key": "h", "share": 5 },
        "excluded": ["robot"], "discipline": { "kind": "group_sequential", "units": 1_000, "looks": 4, "spending": "pocock" },
        "alpha": 0.01, "power": 0.9, "duration": "14days", "startAt": "2026-01-02T03:04:05Z", "history": "0s",
        "dimensions": ["country"],
        "metrics": [
            metric(&json!({ "window": "7d", "minimumEffect": 0.05 })),
            metric(&json!({ "name": "spent", "role": "guardrail", "margin": 0.02, "onBreach": "pause",
                "measure": { "kind": "custom", "event": "bought", "aggregation": "max" }, "cap": { "quantile": 0.999 } })),
            metric(&json!({ "name": "r", "role": "secondary", "goal": "decrease", "measure": { "kind": "ratio",
                "numerator": { "event": "a", "aggregation": "sum" }, "denominator": { "event": "b", "aggregation": "count" } } })),
        ],
    });
    for more in [
        json!({}),
        everything,
        json!({ "bandit": { "metric": "purchase", "floor": 2.5, "every": "1h" } }),
    ] {
        let one = design(&more);
        let text = serde_json::to_string(&one).unwrap();
        let other: Design = serde_json::from_str(&text).unwrap();
        assert_eq!(one, other);
        assert_eq!(serde_json::to_string(&other).unwrap(), text);
        // What was written stands in it, and nothing was lost.
        let value: Value = serde_json::from_str(&text).unwrap();
        for (name, written) in with(written(), &more).as_object().unwrap() {
            if !matches!(name.as_str(), "metrics" | "bandit") {
                assert_eq!(&value[name], written, "{name}");
            }
        }
    }
    let typo = with(written(), &json!({ "hypotesis": "x" }));
    let unknown = serde_json::from_value::<Design>(typo).unwrap_err().to_string();
    assert!(unknown.contains("hypotesis"), "{unknown}");
}
