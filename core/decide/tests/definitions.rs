//! What may be saved and deleted, and when.
#![cfg(test)]

use tidegate_decide::definition::{delete_segment, save_flag, save_segment};
use tidegate_decide::refusal::Refusal;
use tidegate_model::catalog::Catalog;
use tidegate_model::change::Change;
use tidegate_model::flag::{Flag, FlagDefinition, FlagState, Pin};
use tidegate_model::key::SegmentKey;
use tidegate_model::segment::Segment;

const CHECKOUT: &str = r#"{"key":"checkout","type":"boolean"}"#;

fn flag(json: &str) -> Flag {
    serde_json::from_str(json).unwrap()
}

fn definition(json: &str) -> FlagDefinition {
    serde_json::from_str(json).unwrap()
}

fn catalog() -> Catalog {
    let flags = [
        CHECKOUT,
        r#"{"key":"cart","type":"boolean","prerequisites":[{"flag":"checkout","variations":["on"]}],
            "rules":[{"name":"staff","when":{"segment":"staff"},"serve":{"variation":"on"}}]}"#,
    ];
    let segments = [
        r#"{"key":"staff","included":["u1"]}"#,
        r#"{"key":"old","included":["u2"]}"#,
    ];
    let segments = segments.map(|json| serde_json::from_str::<Segment>(json).unwrap());
    Catalog {
        flags: flags.map(|json| (flag(json).key().clone(), flag(json))).into(),
        segments: segments.map(|segment| (segment.key().clone(), segment)).into(),
        ..Catalog::default()
    }
}

fn state(json: &str, pinned: bool) -> FlagState {
    let pin = Pin {
        rollout: "checkout.1".parse().unwrap(),
        candidate: "on".parse().unwrap(),
        safe: "off".parse().unwrap(),
    };
    FlagState {
        flag: flag(json),
        pin: pinned.then_some(pin),
        attempts: 1,
        held: None,
    }
}

fn save(before: &FlagState, json: &str) -> Result<Option<Change>, Refusal> {
    save_flag(&catalog(), Some(before), definition(json))
}

fn check_refused(outcome: Result<Option<Change>, Refusal>, says: &[&str]) {
    let refusal = outcome.unwrap_err().to_string();
    for part in says {
        assert!(refusal.contains(part), "missing {part:?} in {refusal}");
    }
}

#[test]
fn a_definition_is_saved_once() {
    let new = r#"{"key":"search","type":"boolean"}"#;
    let saved = save_flag(&catalog(), None, definition(new)).unwrap();
    assert_eq!(saved, Some(Change::FlagSaved(flag(new))));
    assert_eq!(save(&state(CHECKOUT, false), CHECKOUT).unwrap(), None);
    // The same in other words.
    let spelled = r#"{"key":"checkout","type":"boolean","fallback":{"variation":"off"}}"#;
    assert_eq!(save(&state(CHECKOUT, true), spelled).unwrap(), None);
}

#[test]
fn what_is_wrong_by_itself_or_beside_others_is_refused() {
    let before = state(CHECKOUT, false);
    check_refused(
        save(&before, r#"{"key":"checkout","type":"boolean","off":"of"}"#),
        &["did you mean 'off'?"],
    );
    check_refused(
        save(
            &before,
            r#"{"key":"checkout","type":"boolean","prerequisites":[{"flag":"cart","variations":["on"]}]}"#,
        ),
        &["checkout -> cart -> checkout"],
    );
    let renamed = r#"{"key":"checkout","type":"boolean","variations":[{"key":"yes","value":true},
        {"key":"off","value":false}]}"#;
    check_refused(
        save(&before, renamed),
        &["cart has this variation as a prerequisite"],
    );
}

#[test]
fn an_archived_flag_is_taken_out_again_first() {
    let archived = r#"{"key":"checkout","type":"boolean","status":"archived"}"#;
    let before = state(archived, false);
    assert!(save(&before, CHECKOUT).unwrap().is_some());
    let both = r#"{"key":"checkout","type":"boolean","status":"active","description":"new"}"#;
    check_refused(save(&before, both), &["is archived", "set its status"]);
    let still = r#"{"key":"checkout","type":"boolean","status":"archived","description":"new"}"#;
    check_refused(save(&before, still), &["is archived"]);
}

#[test]
fn f45_f49_what_a_rollout_stands_on_stays() {
    let variations = |on: &str, off: &str| {
        format!(
            r#"{{"key":"checkout","type":"json","variations":[{{"key":"on","value":{on}}},
            {{"key":"off","value":{off}}},{{"key":"third","value":[3]}}],"fallback":{{"variation":"off"}}}}"#
        )
    };
    let before = state(&variations("[1]", "[2]"), true);
    check_refused(
        save(&before, &variations("[9]", "[2]")),
        &[
            "held by rollout checkout.1",
            "the value of the candidate 'on' changes",
            "abort",
        ],
    );
    check_refused(
        save(&before, &variations("[1]", "[9]")),
        &["the value of the safe variation 'off' changes"],
    );

    let before = state(CHECKOUT, true);
    for (json, says) in [
        (
            r#"{"key":"checkout","type":"boolean","status":"inactive"}"#,
            "'status' changes",
        ),
        (
            r#"{"key":"checkout","type":"boolean","status":"archived"}"#,
            "'status' changes",
        ),
        (
            r#"{"key":"checkout","type":"boolean","salt":"new"}"#,
            "'salt' changes",
        ),
        (
            r#"{"key":"checkout","type":"boolean","unit":"company"}"#,
            "'unit' changes",
        ),
        (
            r#"{"key":"checkout","type":"boolean","fallback":{"variation":"on"}}"#,
            "'fallback' changes",
        ),
        (
            r#"{"key":"checkout","type":"percentage","percentage":5}"#,
            "'type' changes",
        ),
    ] {
        check_refused(save(&before, json), &[says]);
        assert!(
            save(&state(CHECKOUT, false), json).unwrap().is_some(),
            "{json} is free without a rollout"
        );
    }
    let untouched = r#"{"key":"checkout","type":"boolean","description":"x","salt":"checkout",
        "individuals":[{"units":["u1"],"variation":"on"}]}"#;
    assert!(save(&before, untouched).unwrap().is_some());
}

#[test]
fn segments_are_saved_once_and_deleted_when_nobody_uses_them() {
    let save = |json: &str| save_segment(&catalog(), serde_json::from_str(json).unwrap(), &[]);
    assert_eq!(save(r#"{"key":"staff","included":["u1"]}"#).unwrap(), None);
    assert!(matches!(
        save(r#"{"key":"staff","included":["u9"]}"#),
        Ok(Some(Change::SegmentSaved(_)))
    ));
    check_refused(
        save(r#"{"key":"new","when":{"segment":"stuff"}}"#),
        &["did you mean 'staff'?"],
    );

    let delete = |key: &str| delete_segment(&catalog(), &SegmentKey::new(key).unwrap(), &[]);
    assert_eq!(delete("old").unwrap(), Change::SegmentDeleted);
    check_refused(delete("staff").map(Some), &["is used by flag cart"]);
    check_refused(delete("nobody").map(Some), &["there is no segment nobody"]);
}
