//! Flags, segments and contexts, generated: with everything that flagd has words for.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Attributes that conditions ask for, apart from the targeting key.
const ATTRIBUTES: [&str; 6] = ["plan", "age", "tags", "version", "location.country", "account.id"];
const TEXTS: [&str; 8] = ["a", "ab", "b", "B", "1", "true", "pro", "v"];
const UNITS: [&str; 5] = ["u1", "u2", "u3", "a", "b"];
const VERSIONS: [&str; 12] = [
    "1.2.3",
    "v1.2.3",
    "1.2",
    "2",
    "V2.0.0",
    "1.2.3-rc.1",
    "1.2.3-rc.1.0",
    "1.2.3+build.5",
    "1.2.4-0",
    "0.9.12",
    "latest",
    "1.10.0-alpha",
];
const RANGES: [&str; 14] = [
    "=1.2.3",
    ">1.2.3",
    ">=1.2",
    "<1.2.3",
    "<=1.2.3",
    "~1.2",
    "^1.2.3-rc.1",
    "^0.9",
    "=1",
    ">1.2.3-rc.1",
    "<=1.2.3-rc.1",
    ">=1.2, <2 || =0.9.12",
    "*",
    ">2, <1",
];
/// The moment of the evaluations is now: these lie on both sides of it.
const MOMENTS: [&str; 4] = ["1970-01-01", "2020-02-02T02:02:02.5Z", "2106-02-07", "9999-12-31"];

fn text() -> impl Strategy<Value = Value> {
    prop::sample::select(&TEXTS[..]).prop_map(Value::from)
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-2_i64..4).prop_map(Value::from),
        prop::sample::select(vec![-0.5, 0.5, 1.0, 18.5]).prop_map(Value::from),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![text(), number(), any::<bool>().prop_map(Value::from)]
}

fn version() -> impl Strategy<Value = Value> {
    prop::sample::select(&VERSIONS[..]).prop_map(Value::from)
}

fn seen() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => scalar(),
        2 => version(),
        1 => Just(json!("")),
        1 => Just(Value::Null),
        1 => prop::collection::vec(scalar(), 0..3).prop_map(Value::from),
    ]
}

/// A context as JSON. The targeting key is a text that is not empty, or not there.
pub(crate) fn context() -> impl Strategy<Value = Map<String, Value>> {
    let key = prop::option::weighted(
        0.9,
        prop_oneof![
            prop::sample::select(&UNITS[..]).prop_map(str::to_owned),
            "[a-z0-9.-]{1,40}"
        ],
    );
    let attributes = prop::collection::btree_map(prop::sample::select(&ATTRIBUTES[..4]), seen(), 0..5);
    let account = prop_oneof![text(), (0_i64..9).prop_map(Value::from)];
    let nested = (prop::option::of(text()), prop::option::of(account));
    (key, attributes, nested).prop_map(|(key, attributes, (country, account))| {
        let mut object: Map<String, Value> = attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        object.extend(key.map(|key| ("targetingKey".to_owned(), key.into())));
        object.extend(country.map(|country| ("location".to_owned(), json!({ "country": country }))));
        object.extend(account.map(|id| ("account".to_owned(), json!({ "id": id }))));
        object
    })
}

/// An attribute, an operator and a value that suits it.
fn question() -> impl Strategy<Value = Value> {
    let list = || prop::collection::vec(scalar(), 1..5).prop_map(Value::from);
    let plain = prop_oneof![
        (prop::sample::select(vec!["equals", "not_equals"]), scalar()),
        (
            prop::sample::select(vec![
                "greater_than",
                "greater_or_equal",
                "less_than",
                "less_or_equal"
            ]),
            number()
        ),
        (
            Just("between"),
            (number(), number()).prop_map(|(one, other)| {
                let mut bounds = [one, other];
                bounds.sort_by(|a, b| a.as_f64().partial_cmp(&b.as_f64()).expect("no number is NaN"));
                json!(bounds)
            })
        ),
        (
            prop::sample::select(vec!["contains", "starts_with", "ends_with"]),
            text()
        ),
        (prop::sample::select(vec!["in", "not_in"]), list()),
        (
            prop::sample::select(vec!["exists", "not_exists"]),
            Just(Value::Null)
        ),
        (
            Just("semver"),
            prop::sample::select(&RANGES[..]).prop_map(Value::from)
        ),
    ];
    let attribute = || prop::sample::select(&ATTRIBUTES[..]);
    let condition = |(attribute, (operator, value)): (&str, (&str, Value))| json!({"attribute": attribute, "operator": operator, "value": value});
    let unit = (
        Just("targetingKey"),
        (
            prop::sample::select(vec!["in", "not_in"]),
            prop::collection::vec(prop::sample::select(&UNITS[..]), 1..3).prop_map(|list| json!(list)),
        ),
    );
    let ranges = prop::sample::select(&RANGES[..]).prop_map(Value::from);
    let version = (Just("version"), (Just("semver"), ranges));
    let moment = || prop::sample::select(&MOMENTS[..]).prop_map(Value::from);
    let time = (
        Just("timestamp"),
        prop_oneof![
            (prop::sample::select(vec!["before", "after"]), moment()),
            (Just("between"), Just(json!(["1970-01-01", "2106-02-07"]))),
            (Just("exists"), Just(Value::Null)),
            (Just("greater_than"), Just(json!(4_000_000_000_i64))),
        ],
    );
    prop_oneof![
        8 => (attribute(), plain).prop_map(condition),
        1 => unit.prop_map(condition),
        2 => version.prop_map(condition),
        1 => time.prop_map(condition),
    ]
}

fn predicate(segments: usize) -> impl Strategy<Value = Value> {
    let leaf = if segments == 0 {
        question().boxed()
    } else {
        let segment = (0..segments).prop_map(|i| json!({"segment": format!("s{i}")}));
        prop_oneof![4 => question(), 1 => segment].boxed()
    };
    leaf.prop_recursive(3, 12, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..6).prop_map(|of| json!({ "all": of })),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|of| json!({ "any": of })),
            inner.prop_map(|of| json!({ "not": of })),
        ]
    })
}

const VARIATIONS: [&str; 3] = ["on", "off", "other"];

fn serve() -> impl Strategy<Value = Value> {
    let one = prop::sample::select(&VARIATIONS[..]).prop_map(|key| json!({ "variation": key }));
    prop_oneof![one, split(), split()]
}

fn split() -> impl Strategy<Value = Value> {
    parts().prop_map(|parts| json!({ "split": parts }))
}

/// Hundred-thousandths, so that nothing is a round number.
fn parts() -> impl Strategy<Value = Value> {
    (0..=100_000_u32, 0..=100_000_u32).prop_map(|(one, other)| {
        let (low, high) = (one.min(other), one.max(other));
        let parts = [low, high - low, 100_000 - high];
        let percent = |parts: u32| f64::from(parts) / 1000.0;
        let parts = VARIATIONS
            .iter()
            .zip(parts)
            .map(|(key, parts)| json!({"variation": key, "weight": percent(parts)}));
        Value::from_iter(parts)
    })
}

fn units() -> impl Strategy<Value = Value> {
    prop::collection::vec(prop::sample::select(&UNITS[..]), 1..4).prop_map(|units| json!(units))
}

fn rules(segments: usize) -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec((predicate(segments), serve()), 0..4).prop_map(|rules| {
        (0..)
            .zip(rules)
            .map(
                |(n, (when, serve)): (u32, _)| json!({"name": format!("r{n}"), "when": when, "serve": serve}),
            )
            .collect()
    })
}

fn experiment(segments: usize) -> impl Strategy<Value = Value> {
    let layer = prop::option::of((0..50_u32, 50..=100_u32));
    let (holdout, audience) = (
        prop::option::of(0..=100_u32),
        prop::option::of(predicate(segments)),
    );
    (layer, holdout, audience, 0..=100_u32, parts()).prop_map(
        |(layer, holdout, audience, allocation, arms)| {
            let layer = layer.map(|(from, to)| json!({"key": "l", "from": from, "to": to}));
            let holdout = holdout.map(|share| json!({"key": "h", "share": share}));
            json!({"key": "e", "layer": layer, "holdout": holdout, "audience": audience,
            "allocation": allocation, "arms": arms})
        },
    )
}

/// What of flagd's language a flag may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shapes {
    /// All of it.
    All,
    /// Only what has a definition of its own when it is read back: nothing stands in place of another flag
    /// or of an experiment.
    Plain,
}

/// Flag `f<i>`, which may need those before it.
fn flag(i: usize, segments: usize, shapes: Shapes) -> impl Strategy<Value = Value> {
    let status = match shapes {
        Shapes::All => prop::sample::select(vec!["active", "active", "active", "inactive", "experiment"]),
        Shapes::Plain => prop::sample::select(vec!["active", "active", "active", "inactive"]),
    };
    let needs = match (shapes, i) {
        (Shapes::Plain, _) | (_, 0) => Just(None).boxed(),
        (Shapes::All, _) => prop::option::weighted(0.4, 0..i).boxed(),
    };
    let unit = prop::sample::select(vec![Value::Null, Value::Null, json!("account.id")]);
    let salt = prop::sample::select(vec![Value::Null, json!("autumn"), json!("a.b")]);
    let split = prop::option::weighted(0.3, (0..=100_u32, waves(segments)));
    let individuals = prop::collection::vec((units(), prop::sample::select(&VARIATIONS[..])), 0..2);
    let parts = (
        status,
        rules(segments),
        needs,
        individuals,
        serve(),
        unit,
        salt,
        split,
        experiment(segments),
    );
    parts.prop_map(
        move |(status, rules, needs, individuals, fallback, unit, salt, split, experiment)| {
            let needs: Vec<Value> = needs
                .map(|other| json!({"flag": format!("f{other}"), "variations": ["on", "other"]}))
                .into_iter()
                .collect();
            let individuals: Vec<Value> = individuals
                .into_iter()
                .map(|(units, variation)| json!({"units": units, "variation": variation}))
                .collect();
            let rollout = split.map(|(share, waves)| {
                json!({"rollout": format!("f{i}.1"), "revision": 1, "candidate": "on", "safe": "off",
                    "share": share, "waves": waves})
            });
            let variations = VARIATIONS.map(|key| json!({"key": key, "value": format!("value of {key}")}));
            json!({"flag": {
                "key": format!("f{i}"), "type": "string", "variations": variations, "off": "off", "status": status,
                "rules": rules, "prerequisites": needs, "individuals": individuals, "fallback": fallback,
                "unit": unit, "salt": salt, "experiment": experiment,
            }, "rollout": rollout})
        },
    )
}

/// Segments to which a rollout is open further, the widest first.
fn waves(segments: usize) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(0..segments.max(1), 0..=100_000_u32, 0..=segments.min(2)).prop_map(|waves| {
        let mut waves: Vec<_> = waves.into_iter().collect();
        waves.sort_by_key(|(_, share)| std::cmp::Reverse(*share));
        let wave = |(i, share): (usize, u32)| json!({"segment": format!("s{i}"), "share": f64::from(share) / 1000.0});
        Value::from_iter(waves.into_iter().map(wave))
    })
}

fn segment(i: usize) -> impl Strategy<Value = Value> {
    let status = prop::sample::select(vec!["active", "active", "active", "draft"]);
    (status, units(), prop::option::of(units()), predicate(i)).prop_map(
        move |(status, included, excluded, when)| {
            json!({"key": format!("s{i}"), "status": status, "included": included,
                "excluded": excluded.unwrap_or_else(|| json!([])), "when": when})
        },
    )
}

/// Three flags and three segments. Names lead backwards only, so that they never lead in circles.
pub(crate) fn snapshot(shapes: Shapes) -> impl Strategy<Value = Value> {
    let flags = (flag(0, 3, shapes), flag(1, 3, shapes), flag(2, 3, shapes));
    (flags, segment(0), segment(1), segment(2)).prop_map(|((f0, f1, f2), s0, s1, s2)| {
        json!({"environment": "production", "flags": [f0, f1, f2], "segments": [s0, s1, s2]})
    })
}

/// The same, while an edit of the second segment is open to some.
pub(crate) fn edited(shapes: Shapes) -> impl Strategy<Value = Value> {
    (snapshot(shapes), segment(1), 0..=100_u32).prop_map(|(mut content, edit, share)| {
        let guard = json!({"key": "segment.s1", "type": "boolean", "off": "before",
            "variations": [{"key": "before", "value": false}, {"key": "after", "value": true}],
            "fallback": {"variation": "before"}});
        let rollout = json!({"rollout": "segment.s1.1", "revision": 1, "candidate": "after", "safe": "before",
            "share": share});
        if let Some(flags) = content["flags"].as_array_mut() {
            flags.push(json!({"flag": guard, "rollout": rollout}));
        }
        content["staged"] =
            json!([{"definition": edit, "guard": "segment.s1", "rollout": "segment.s1.1", "policy": "p"}]);
        content
    })
}
