//! What is wrong with a bandit is named like everything else of a design.

use crate::designs::refused;
use crate::make::{design, metric, with};
use serde_json::{Value, json};
use tidegate_model::experiment::Bandit;

#[test]
fn a_bandit_follows_one_metric_in_a_way_that_can_be_reported() {
    let bandit = |more: Value| json!({ "bandit": with(json!({ "metric": "purchase" }), &more) });
    let beside = |more: Value, metric: Value| with(bandit(more), &json!({ "metrics": [metric] }));
    let percentile = json!({ "name": "load", "role": "secondary",
        "measure": { "kind": "percentile", "event": "load", "quantile": 0.9 } });
    let unmeasured = "follow a metric of role 'success'";
    refused(vec![
        (
            bandit(json!({ "metric": "purchases" })),
            vec![("bandit.metric", "purchases", unmeasured, "success metrics")],
        ),
        (
            with(
                bandit(json!({ "metric": "other" })),
                &json!({ "metrics":
                [metric(&json!({})), metric(&json!({ "name": "other", "role": "secondary" }))] }),
            ),
            vec![("bandit.metric", "other", unmeasured, "success metrics")],
        ),
        (
            beside(json!({}), metric(&json!({ "goal": "maintain", "margin": 0.1 }))),
            vec![(
                "bandit.metric",
                "purchase",
                "to grow, or to shrink",
                "increase or decrease",
            )],
        ),
        (
            beside(
                json!({}),
                metric(&json!({ "measure": { "kind": "funnel", "steps": ["a", "b"] } })),
            ),
            vec![(
                "bandit.metric",
                "purchase",
                "an amount per unit",
                "conversion, revenue or engagement",
            )],
        ),
        (
            with(
                bandit(json!({})),
                &json!({ "metrics": [metric(&json!({})), percentile] }),
            ),
            vec![(
                "bandit.metric",
                "load",
                "percentiles of several batches",
                "leave the percentile out",
            )],
        ),
        (
            bandit(json!({ "floor": 50.001 })),
            vec![("bandit.floor", "50.001 %", "fit into 100 %", "1 %")],
        ),
        (
            bandit(json!({ "floor": 0 })),
            vec![("bandit.floor", "0 %", "every arm gets something", "1 %")],
        ),
        (
            bandit(json!({ "every": "9s" })),
            vec![("bandit.every", "9s", "at least 10 s", "1h")],
        ),
        (
            bandit(json!({ "units": 9 })),
            vec![("bandit.units", "9", "at least 10 units", "100")],
        ),
        (
            bandit(json!({ "loss": 0.0 })),
            vec![("bandit.loss", "0", "more than 0", "0.01")],
        ),
        (
            bandit(json!({ "loss": 1.0 })),
            vec![("bandit.loss", "1", "less than 1", "0.01")],
        ),
        (
            with(
                bandit(json!({})),
                &json!({ "discipline": { "kind": "fixed", "units": 100 } }),
            ),
            vec![(
                "bandit.discipline",
                "fixed",
                "leave no plan of looks",
                "always_valid",
            )],
        ),
        (
            with(
                bandit(json!({})),
                &json!({ "discipline": { "kind": "group_sequential", "units": 100 } }),
            ),
            vec![(
                "bandit.discipline",
                "group_sequential",
                "leave no plan of looks",
                "always_valid",
            )],
        ),
    ]);
    assert_eq!(
        design(&bandit(json!({ "floor": 50 }))).violations(),
        [],
        "as much as fits"
    );
    let usual: Bandit = serde_json::from_value(json!({ "metric": "purchase" })).unwrap();
    assert_eq!((usual.floor.percent(), usual.units, usual.loss), (1.0, 100, 0.01));
}
