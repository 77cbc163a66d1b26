//! Edits of segments that open step by step.

use crate::policy_text::policy;
use crate::simulation::{monday, person};
use serde_json::{Value, json};
use tidegate_decide::definition::{delete_segment, save_flag, save_segment};
use tidegate_decide::refusal::Refusal;
use tidegate_decide::staged::{Before, StageSegment, check_beside, check_by_hand, stage};
use tidegate_decide::start::check_segments;
use tidegate_decide::step::Step;
use tidegate_model::access::Role;
use tidegate_model::catalog::Catalog;
use tidegate_model::change::{Change, EntityState};
use tidegate_model::flag::{Flag, FlagState, Serve};
use tidegate_model::key::{EnvironmentKey, Revision, SegmentKey};
use tidegate_model::policy::{Policy, read};
use tidegate_model::rollout::RolloutChange;
use tidegate_model::segment::{Segment, SegmentState};

const TEXT: &str = "stage a 1 for 1h\nstage b 100 for 1h\nrule r > 1";

fn segment(json: Value) -> Segment {
    serde_json::from_value(json).unwrap()
}

fn beta() -> SegmentState {
    segment(json!({"key": "beta", "included": ["ada"]})).into()
}

fn try_stage(
    definition: Value,
    segment: &SegmentState,
    guard: Option<&FlagState>,
    policy: &Policy,
) -> Result<Step, Refusal> {
    let request = StageSegment {
        definition: serde_json::from_value(definition).unwrap(),
        policy: policy.name.clone(),
        arguments: [].into(),
        shadow: None,
    };
    let before = Before {
        segment,
        guard,
        latest: None,
    };
    let environment = EnvironmentKey::new("production").unwrap();
    let by = person("alice", Role::Operator);
    stage(&request, &environment, before, policy, &by, monday()).map(|(_, step)| step)
}

/// What is stored after these changes of the guard and the segment.
fn folded(changes: &[&Change], guard: Option<FlagState>, segment: SegmentState) -> (FlagState, SegmentState) {
    let mut flag = guard.map(EntityState::Flag);
    let mut of_segment = Some(EntityState::Segment(segment));
    for change in changes {
        let slot = match change {
            Change::FlagSaved(_) | Change::FlagPinned(_) | Change::FlagSettled { .. } => &mut flag,
            Change::SegmentStaged(_) | Change::SegmentSettled { .. } => &mut of_segment,
            _ => continue,
        };
        *slot = EntityState::apply(slot.take(), change, monday(), Revision(1)).unwrap();
    }
    match (flag, of_segment) {
        (Some(EntityState::Flag(flag)), Some(EntityState::Segment(segment))) => (flag, segment),
        other => panic!("{other:?}"),
    }
}

fn changes(step: &Step) -> Vec<&Change> {
    step.changes.iter().map(|(_, change)| change).collect()
}

#[test]
fn an_edit_makes_its_guard_holds_it_and_begins_together() {
    let policy = policy(TEXT);
    let edit = json!({"key": "beta", "included": ["ada", "bob"]});
    let step = try_stage(edit.clone(), &beta(), None, &policy).unwrap();
    let entities: Vec<String> = step
        .changes
        .iter()
        .map(|(entity, _)| entity.to_string())
        .collect();
    assert_eq!(
        entities,
        [
            "rollout/production/segment.beta.1",
            "flag/production/segment.beta",
            "flag/production/segment.beta",
            "segment/production/beta"
        ]
    );
    let Change::Rollout(RolloutChange::Started(start)) = &step.changes[0].1 else {
        panic!("{step:?}")
    };
    assert_eq!(
        (start.candidate.as_str(), start.safe.as_str()),
        ("after", "before")
    );
    assert_eq!(start.segment, Some(SegmentKey::new("beta").unwrap()));
    let (guard, staged) = folded(&changes(&step), None, beta());
    assert_eq!(guard.attempts, 1);
    assert_eq!(staged.segment, beta().segment);
    assert_eq!(staged.staged.as_ref().unwrap().definition, segment(edit.clone()));
    // Meanwhile there is no other.
    let refused = try_stage(edit.clone(), &staged, Some(&guard), &policy).unwrap_err();
    assert!(
        refused.to_string().contains("by rollout segment.beta.1"),
        "{refused}"
    );
    // Completed: the edit is the segment, and the next one begins from nobody again.
    let after = start.candidate.clone();
    let settled = Change::FlagSettled {
        fallback: after.clone(),
    };
    let (guard, adopted) = folded(
        &[&Change::SegmentSettled { adopted: true }, &settled],
        Some(guard),
        staged,
    );
    assert_eq!(adopted, segment(edit).into());
    assert_eq!(guard.flag.fallback(), Some(&Serve::Variation(after)));
    let next = try_stage(
        json!({"key": "beta", "included": ["eve"]}),
        &adopted,
        Some(&guard),
        &policy,
    )
    .unwrap();
    let (guard, staged) = folded(&changes(&next), Some(guard), adopted.clone());
    assert_eq!((guard.attempts, guard.pin.unwrap().safe.as_str()), (2, "before"));
    assert_eq!(guard.flag.fallback(), Some(&Serve::Variation(start.safe.clone())));
    // Rolled back: it is dropped.
    let dropped = EntityState::apply(
        Some(EntityState::Segment(staged)),
        &Change::SegmentSettled { adopted: false },
        monday(),
        Revision(2),
    );
    assert_eq!(dropped.unwrap(), Some(EntityState::Segment(adopted)));
}

#[test]
fn what_is_no_edit_or_fits_no_policy_is_named() {
    let plain = policy(TEXT);
    let waves = "apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: waves\nschedule:\n  stages:\n    - { segment: staff, percentage: 1, duration: 1h }\n    - { percentage: 100, duration: 1h }\nsafety: { rules: [{ name: errors, query: up, window: 5m, threshold: 0.5 }] }\n";
    let waves = read::read(waves).0.unwrap();
    for (edit, policy, says) in [
        (
            json!({"key": "beta", "included": ["ada"]}),
            &plain,
            "definition: the segment says this already",
        ),
        (
            json!({"key": "other", "included": ["ada"]}),
            &plain,
            "definition.key: the edit is of segment beta",
        ),
        (
            json!({"key": "beta"}),
            &plain,
            "definition.when: a segment says who is in it",
        ),
        (
            json!({"key": "beta", "included": ["bob"]}),
            &waves,
            "policy.schedule.stages[0].segment: an edit of a segment opens to anybody alike",
        ),
    ] {
        let refused = try_stage(edit, &beta(), None, policy).unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
    }
    let long: SegmentState = segment(json!({"key": "s".repeat(250), "included": ["ada"]})).into();
    let refused = try_stage(
        json!({"key": "s".repeat(250), "included": ["bob"]}),
        &long,
        None,
        &plain,
    );
    assert!(matches!(refused.unwrap_err(), Refusal::Invalid(_)));
}

/// A catalogue with an edit of `beta` that leads to `inner`.
fn opening() -> Catalog {
    let inner = segment(json!({"key": "inner", "included": ["bob"]}));
    let outer = segment(json!({"key": "outer", "when": {"segment": "beta"}}));
    let step = try_stage(
        json!({"key": "beta", "when": {"segment": "inner"}}),
        &beta(),
        None,
        &policy(TEXT),
    );
    let step = step.unwrap();
    let (guard, staged) = folded(&changes(&step), None, beta());
    let segments = [staged.segment.clone(), inner, outer].map(|one| (one.key().clone(), one));
    let staged = *staged.staged.unwrap();
    Catalog {
        flags: [(guard.flag.key().clone(), guard.flag)].into(),
        segments: segments.into(),
        staged: [(staged.definition.key().clone(), staged)].into(),
    }
}

/// A flag on which one rollout was started, and is over.
fn unheld(flag: &Flag) -> FlagState {
    FlagState {
        flag: flag.clone(),
        pin: None,
        attempts: 1,
        held: None,
    }
}

#[test]
fn while_an_edit_opens_nobody_changes_what_it_stands_on() {
    let catalog = opening();
    let key = |name: &str| SegmentKey::new(name).unwrap();
    let edited = serde_json::from_value(json!({"key": "beta", "included": ["eve"]})).unwrap();
    let guard = catalog.flags.values().next().unwrap();
    let state = unheld(guard);
    let mut archived = guard.definition().clone();
    archived.status = tidegate_model::flag::FlagStatus::Archived;
    let waves = "apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: waves\nschedule:\n  stages:\n    - { segment: beta, percentage: 1, duration: 1h }\n    - { percentage: 100, duration: 1h }\nsafety: { rules: [{ name: errors, query: up, window: 5m, threshold: 0.5 }] }\n";
    let back = segment(json!({"key": "inner", "when": {"segment": "outer"}}));
    let said = |result: Result<(), Refusal>| result.unwrap_err().to_string();
    for (said, says) in [
        (
            said(save_segment(&catalog, edited, &[]).map(drop)),
            "is being opened by rollout segment.beta.1",
        ),
        (
            said(delete_segment(&catalog, &key("beta"), &[]).map(drop)),
            "started by policy",
        ),
        (
            said(delete_segment(&catalog, &key("inner"), &[]).map(drop)),
            "is used by the staged edit of segment beta",
        ),
        (
            said(save_segment(&catalog, back.into(), &[]).map(drop)),
            "'when' does not lead back to where it started",
        ),
        (
            said(save_flag(&catalog, Some(&state), archived).map(drop)),
            "guards the edits of segment beta",
        ),
        (
            said(check_by_hand(guard.key())),
            "nobody edits or opens it by hand",
        ),
        (
            said(check_segments(&read::read(waves).0.unwrap(), &catalog)),
            "is being opened by segment.beta.1",
        ),
        (
            said(check_beside(
                &catalog,
                &segment(json!({"key": "outer", "when": {"segment": "none"}})),
                &[],
            )),
            "definition.when: there is no such segment",
        ),
        (
            said(check_beside(
                &catalog,
                &segment(json!({"key": "inner", "when": {"segment": "outer"}})),
                &[],
            )),
            "does not lead back",
        ),
        (
            said(check_beside(
                &catalog,
                &segment(json!({"key": "outer", "included": ["x"]})),
                &["checkout.1".parse().unwrap()],
            )),
            "is a wave of checkout.1",
        ),
    ] {
        assert!(said.contains(says), "missing {says:?} in {said}");
    }
}
