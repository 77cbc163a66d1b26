//! Plans: known sizes, power at the size, the smallest effect as the inverse, suggestions.
#![expect(clippy::unwrap_used, reason = "a test that has not what it needs fails")]

use proptest::prelude::*;
use tidegate_analytics::plan::{Aim, Baseline, MetricPlan, Plan, Suggestion, Traffic, plan};
use tidegate_analytics::result::Answer;
use tidegate_model::experiment::Design;

const ANYTIME: &str = r#"{"kind":"always_valid","tunedFor":7682}"#;

fn fixed(units: u64) -> String {
    format!(r#"{{"kind":"fixed","units":{units}}}"#)
}

fn group(units: u64) -> String {
    format!(r#"{{"kind":"group_sequential","units":{units}}}"#)
}

/// With the weight of the control; the rest is of one treatment, or of two.
fn design(control: f64, treatments: u32, metrics: &str, discipline: &str) -> Design {
    let rest = (100.0 - control) / f64::from(treatments);
    let treatments: Vec<String> = (0..treatments)
        .map(|one| format!(r#"{{"variation":"new{one}","weight":{rest}}}"#))
        .collect();
    let text = format!(
        r#"{{"key":"checkout","hypothesis":"it sells more","flag":"checkout","control":"old",
        "arms":[{{"variation":"old","weight":{control}}},{}],"metrics":[{metrics}],"discipline":{discipline}}}"#,
        treatments.join(",")
    );
    let design: Design = serde_json::from_str(&text).unwrap();
    design.checked().unwrap()
}

fn metric(name: &str, kind: &str, more: &str) -> String {
    format!(r#"{{"name":"{name}","measure":{{"kind":"{kind}","event":"bought"}}{more}}}"#)
}

fn bought(effect: f64) -> String {
    metric("bought", "conversion", &format!(r#","minimumEffect":{effect}"#))
}

fn spent(effect: f64) -> String {
    metric("spent", "revenue", &format!(r#","minimumEffect":{effect}"#))
}

fn traffic(units_a_day: f64, metrics: &[(&str, Baseline)]) -> Traffic {
    let metrics = metrics
        .iter()
        .map(|(name, baseline)| (name.parse().unwrap(), *baseline));
    Traffic {
        units_a_day,
        metrics: metrics.collect(),
    }
}

const fn share(value: f64) -> Baseline {
    Baseline {
        value,
        variance: None,
        correlation: None,
    }
}

fn first(plan: &Plan) -> &MetricPlan {
    plan.metrics.first().unwrap()
}

fn kinds(plan: &Plan) -> Vec<&'static str> {
    plan.suggestions.iter().map(Suggestion::kind).collect()
}

/// The sizes that others compute (per arm 3841, 13,809, 3554; 394 by t and 392.4 by the normal distribution, 201 with
/// a history of 0.7).
#[test]
fn known_sizes() {
    for (baseline, effect, arm) in [(0.10, 0.2, 3_841.0), (0.02, 0.25, 13_809.0), (0.30, 0.1, 3_763.0)] {
        let plan = plan(
            &design(50.0, 1, &bought(effect), &fixed(7_682)),
            &traffic(100.0, &[("bought", share(baseline))]),
        );
        let units = *first(&plan).units.given().unwrap();
        assert!((units / 2.0).ceil() == arm, "{baseline} {effect}: {units}");
    }
    let less = metric(
        "bought",
        "conversion",
        r#","goal":"decrease","minimumEffect":0.1"#,
    );
    let plan_of_less = plan(
        &design(50.0, 1, &less, &fixed(7_682)),
        &traffic(100.0, &[("bought", share(0.30))]),
    );
    assert_eq!(
        (first(&plan_of_less).units.given().unwrap() / 2.0).ceil(),
        3_554.0
    );
    for (correlation, arm) in [(None, 392.4), (Some(0.7), 200.1)] {
        let known = Baseline {
            value: 5.0,
            variance: Some(25.0),
            correlation,
        };
        let plan = plan(
            &design(50.0, 1, &spent(0.2), &fixed(800)),
            &traffic(100.0, &[("spent", known)]),
        );
        let metric = first(&plan);
        assert!(
            (metric.units.given().unwrap() / 2.0 - arm).abs() < 0.1,
            "{metric:?}"
        );
        assert_eq!(metric.saved_by_history, correlation.map(|one| one * one));
    }
}

/// What the rules cost: five looks 2.6 % more units at most, looks at any time about twice as many.
#[test]
fn rules_have_their_price() {
    let traffic = traffic(1_000.0, &[("bought", share(0.1))]);
    let units = |discipline: &str| {
        let plan = plan(&design(50.0, 1, &bought(0.2), discipline), &traffic);
        *first(&plan).units.given().unwrap()
    };
    let one = units(&fixed(7_682));
    let group = units(&group(7_880)) / one;
    assert!((group - 1.0257).abs() < 1e-3, "{group}");
    let anytime = units(ANYTIME) / one;
    assert!(anytime > 1.5 && anytime < 2.2, "{anytime}");
}

#[test]
fn days_are_units_by_traffic() {
    let mut design = design(50.0, 1, &bought(0.2), &fixed(7_682));
    let traffic = traffic(1_000.0, &[("bought", share(0.1))]);
    design.traffic = tidegate_model::share::Share::of_percent(50.0).unwrap();
    let half = plan(&design, &traffic);
    assert_eq!(half.units_a_day, 500.0);
    assert!((half.days.given().unwrap() - half.units.given().unwrap() / 500.0).abs() < 1e-9);
    assert!((half.planned_days.given().unwrap() - 7_682.0 / 500.0).abs() < 1e-9);
    let none = plan(&design, &self::traffic(0.0, &[("bought", share(0.1))]));
    assert!(none.days.given().is_none() && none.units.given().is_some());
}

#[test]
fn what_is_not_known_is_refused() {
    let revenue = design(50.0, 1, &spent(0.1), &fixed(10_000));
    for (known, why) in [
        (None, "nothing is known"),
        (Some(share(3.0)), "variance of the metric is not known"),
        (Some(share(0.0)), "baseline is zero"),
        (
            Some(Baseline {
                variance: Some(0.0),
                ..share(3.0)
            }),
            "nothing varies",
        ),
        (
            Some(Baseline {
                variance: Some(4.0),
                correlation: Some(1.0),
                ..share(3.0)
            }),
            "correlation is 1",
        ),
    ] {
        let known: Vec<(&str, Baseline)> = known.into_iter().map(|known| ("spent", known)).collect();
        let plan = plan(&revenue, &traffic(10.0, &known));
        let Answer::Refused(refusal) = first(&plan).units else {
            panic!("{known:?}");
        };
        assert!(refusal.to_string().contains(why), "{refusal}");
        assert!(plan.units.given().is_none());
    }
    let open = metric("bought", "conversion", "");
    let plan = plan(
        &design(50.0, 1, &open, &fixed(7_682)),
        &traffic(1_000.0, &[("bought", share(0.1))]),
    );
    assert_eq!(kinds(&plan), ["declare_effect"]);
    assert!(
        (first(&plan).detectable.given().unwrap() - 0.2).abs() < 1e-4,
        "{:?}",
        first(&plan)
    );
}

#[test]
fn guardrails_and_equivalence_have_sizes() {
    let held = |margin: &str| {
        metric(
            "failed",
            "conversion",
            &format!(r#","role":"guardrail","goal":"decrease"{margin}"#),
        )
    };
    let same = metric("same", "conversion", r#","goal":"maintain","margin":0.1"#);
    let metrics = [bought(0.2), held(r#","margin":0.1"#), same].join(",");
    let known = [
        ("bought", share(0.1)),
        ("failed", share(0.02)),
        ("same", share(0.3)),
    ];
    let plan_of = |metrics: &str, units| {
        plan(
            &design(50.0, 1, metrics, &fixed(units)),
            &traffic(1_000.0, &known),
        )
    };
    let plan = plan_of(&metrics, 20_000);
    let aims: Vec<Aim> = plan.metrics.iter().map(|metric| metric.aim).collect();
    assert_eq!(aims, [Aim::Difference, Aim::NonInferiority, Aim::Equivalence]);
    let failed = plan.metrics.get(1).unwrap();
    assert_eq!(
        plan.units.given(),
        failed.units.given(),
        "the guardrail needs most"
    );
    assert!(*failed.chance.given().unwrap() < 0.3, "{failed:?}");
    assert!(
        kinds(&plan).contains(&"underpowered_guardrail"),
        "{:?}",
        plan.suggestions
    );
    // With what it needs it has the power, and nothing is left to complain about.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of units"
    )]
    let enough = plan.units.given().unwrap().ceil() as u64;
    let plan = plan_of(&metrics, enough);
    assert!(
        !kinds(&plan).contains(&"underpowered_guardrail"),
        "{:?}",
        plan.suggestions
    );
    let chance = *plan.metrics.get(1).unwrap().chance.given().unwrap();
    assert!(chance >= 0.8, "tuned for more units it needs fewer: {chance}");
    // Without a margin nothing has to be proven, and only what harm is seen can be told.
    let plan = plan_of(&[bought(0.2), held("")].join(","), 20_000);
    let watched = plan.metrics.get(1).unwrap();
    assert!(watched.aim == Aim::Harm && watched.units.given().is_none());
    assert!(*watched.detectable.given().unwrap() > 0.1);
    assert!(plan.units.given().is_some());
}

/// A family of claims is planned at the level of its hardest step, and for its smallest arm.
#[test]
fn more_claims_and_uneven_arms_need_more() {
    let traffic = traffic(
        1_000.0,
        &[
            ("bought", share(0.1)),
            (
                "spent",
                Baseline {
                    variance: Some(9.0),
                    ..share(1.0)
                },
            ),
        ],
    );
    let of = |control, treatments, metrics: &str| {
        plan(&design(control, treatments, metrics, &fixed(10_000)), &traffic)
    };
    let units = |plan: &Plan| *first(plan).units.given().unwrap();
    let one = of(50.0, 1, &bought(0.2));
    let two = of(50.0, 1, &[bought(0.2), spent(0.2)].join(","));
    assert_eq!((first(&one).alpha, first(&two).alpha), (0.05, 0.025));
    assert!(units(&two) > 1.15 * units(&one));
    let uneven = of(90.0, 1, &bought(0.2));
    assert!(
        (units(&uneven) / units(&one) - 2.78).abs() < 0.2,
        "{}",
        units(&uneven) / units(&one)
    );
    let Some(Suggestion::Allocation { control, saved }) =
        uneven.suggestions.iter().find(|one| one.kind() == "allocation")
    else {
        panic!("{:?}", uneven.suggestions);
    };
    assert!(
        *control == 0.5 && (saved - 0.64).abs() < 1e-12,
        "{control} {saved}"
    );
    let three = of(34.0, 2, &bought(0.2));
    assert!(
        !kinds(&three).contains(&"allocation"),
        "3 % are not worth a word: {:?}",
        three.suggestions
    );
}

#[test]
fn suggestions_say_what_helps() {
    let cheap = metric("seen", "conversion", r#","role":"secondary","minimumEffect":0.1"#);
    let metrics = [bought(0.05), cheap].join(",");
    let known = Baseline {
        correlation: Some(0.6),
        ..share(0.02)
    };
    let mut design = design(50.0, 1, &metrics, ANYTIME);
    design.history = serde_json::from_str("\"0s\"").unwrap();
    design.duration = Some("10d".parse().unwrap());
    design.traffic = tidegate_model::share::Share::of_percent(20.0).unwrap();
    let traffic = traffic(10_000.0, &[("bought", known), ("seen", share(0.4))]);
    let plan = plan(&design, &traffic);
    let want = [
        "underpowered",
        "too_long",
        "more_traffic",
        "whole_weeks",
        "cheaper_metric",
        "use_history",
        "group_sequential",
    ];
    assert_eq!(kinds(&plan), want);
    let text: Vec<String> = plan.suggestions.iter().map(ToString::to_string).collect();
    assert!(
        text.iter().any(|one| one.contains("36.0 % fewer units")),
        "{text:?}"
    );
    let json = serde_json::to_value(&plan).unwrap();
    assert!(
        json["suggestions"][0]["text"]
            .as_str()
            .unwrap()
            .starts_with("bought: the planned units find")
    );
    assert_eq!(plan.planned, 20_000.0, "ten days of a fifth of the traffic");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// With the units it needs it has the power; the smallest effect of those units is the effect; power rises.
    #[test]
    fn units_power_and_effect_agree(
        value in 0.01..0.5_f64, effect in 0.02..0.4_f64, control in 20.0..80.0_f64, which in 0_usize..3, mean in any::<bool>(),
    ) {
        let control = control.round();
        let metrics = if mean { spent(effect) } else { bought(effect) };
        let known = Baseline { variance: Some(value), ..share(value) };
        let traffic = traffic(100.0, &[("bought", known), ("spent", known)]);
        let of = |units: u64| {
            let anytime = format!(r#"{{"kind":"always_valid","tunedFor":{units}}}"#);
            let discipline = [anytime, fixed(units), group(units)][which].clone();
            plan(&design(control, 1, &metrics, &discipline), &traffic)
        };
        let needed = if which == 0 {
            // Tuned for what it needs, as far as a few rounds find it.
            (0..6).fold(10_000.0, |units, _| *first(&of(whole(units))).units.given().unwrap())
        } else {
            *first(&of(10_000)).units.given().unwrap()
        };
        let plan = of(whole(needed));
        let metric = first(&plan);
        prop_assert!((metric.chance.given().unwrap() - 0.8).abs() < 0.01, "{:?} {}", metric.chance, needed);
        let detectable = metric.detectable.given().unwrap();
        prop_assert!((detectable / effect - 1.0).abs() < 0.02, "{} {}", detectable, effect);
        for curve in [&metric.by_units, &metric.by_effect] {
            prop_assert!(curve.len() >= 12);
            for pair in curve.windows(2) {
                prop_assert!(pair[1].power >= pair[0].power - 1e-9 && pair[1].at > pair[0].at, "{:?}", pair);
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of units"
)]
fn whole(units: f64) -> u64 {
    units.ceil() as u64
}
