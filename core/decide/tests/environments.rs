//! What an environment's settings ask of flags and segments, and of each other.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may panic")]

use serde_json::{Value, json};
use tidegate_decide::environment::{check_target, save_settings};
use tidegate_decide::refusal::Refusal;
use tidegate_model::catalog::Catalog;
use tidegate_model::change::Change;
use tidegate_model::environment::EnvironmentSettings;
use tidegate_model::flag::Flag;
use tidegate_model::key::{EnvironmentKey, FlagKey};
use tidegate_model::segment::Segment;

fn settings(flagd: &str, bucketing: &str) -> EnvironmentSettings {
    serde_json::from_value(json!({"flagd": flagd, "bucketing": bucketing})).expect("settings")
}

fn flag(definition: Value) -> Flag {
    serde_json::from_value(definition).expect("a flag")
}

fn segment(operator: &str) -> Segment {
    let when = json!({"attribute": "email", "operator": operator, "value": "corp"});
    serde_json::from_value(json!({"key": "staff", "when": when})).expect("a segment")
}

/// A flag that a segment opens, and that segment.
fn catalog(operator: &str) -> Catalog {
    let segment = segment(operator);
    let flag = flag(json!({"key": "beta", "type": "boolean",
        "rules": [{"name": "staff", "when": {"segment": "staff"}, "serve": {"variation": "on"}}]}));
    Catalog {
        flags: [(flag.key().clone(), flag)].into(),
        segments: [(segment.key().clone(), segment)].into(),
        ..Catalog::default()
    }
}

fn production() -> EnvironmentKey {
    EnvironmentKey::new("production").expect("a key")
}

fn fields(refusal: Refusal) -> Vec<String> {
    match refusal {
        Refusal::Invalid(invalid) => invalid
            .into_violations()
            .into_iter()
            .map(|one| one.field)
            .collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn what_flagd_has_no_words_for_is_saved_unless_it_is_required() {
    let regex = json!({"attribute": "email", "operator": "regex", "value": "x"});
    let odd = flag(json!({"key": "odd", "type": "boolean",
        "rules": [{"name": "r", "when": regex, "serve": {"variation": "on"}}]}));
    let (flag, segment) = (Change::FlagSaved(odd), Change::SegmentSaved(segment("regex")));
    let catalog = catalog("contains");
    let check =
        |flagd: &str, change: &Change| check_target(&production(), settings(flagd, "v3"), &catalog, change);
    for change in [&flag, &segment] {
        assert_eq!(check("off", change), Ok(()));
        assert_eq!(check("warn", change), Ok(()));
    }
    let refused = check("require", &flag).expect_err("a regular expression");
    assert_eq!(fields(refused), ["rules[0].when.operator"]);
    let refused = check("require", &segment).expect_err("a regular expression");
    assert_eq!(fields(refused), ["when.operator"]);
}

#[test]
fn flagd_is_required_only_where_it_gets_everything() {
    let (off, require) = (settings("off", "v3"), settings("require", "v3"));
    let save = |catalog: &Catalog| save_settings(&production(), off, require, catalog, &[]);
    assert_eq!(
        save(&catalog("contains")),
        Ok(Some(Change::EnvironmentSaved(require)))
    );
    let refused = save(&catalog("regex")).expect_err("a regular expression");
    assert_eq!(fields(refused), ["flags.beta.rules[0].when.segment"]);
}

#[test]
fn bucketing_does_not_change_in_the_middle_of_a_rollout() {
    let (v3, v2) = (settings("off", "v3"), settings("off", "flagd-v2"));
    let pinned = [FlagKey::new("checkout").expect("a key")];
    let save =
        |after, pinned: &[FlagKey]| save_settings(&production(), v3, after, &Catalog::default(), pinned);
    assert_eq!(save(v3, &pinned), Ok(None));
    assert_eq!(
        save(settings("warn", "v3"), &pinned).map(|change| change.is_some()),
        Ok(true)
    );
    assert_eq!(save(v2, &[]), Ok(Some(Change::EnvironmentSaved(v2))));
    let refused = save(v2, &pinned).expect_err("a rollout runs");
    assert!(
        refused
            .to_string()
            .contains("rollouts or experiments run on checkout"),
        "{refused}"
    );
}
