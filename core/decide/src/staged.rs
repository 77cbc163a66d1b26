//! Edits of segments that open step by step, each guarded by the rollout of a flag of its own.

use crate::definition::check_wave;
use crate::refusal::Refusal;
use crate::start::{Authors, StartRollout, start};
use crate::step::Step;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::catalog::Catalog;
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::flag::FlagState;
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::{EnvironmentKey, FlagKey, PolicyName, RolloutId, VariationKey};
use tidegate_model::policy::Policy;
use tidegate_model::rollout::{Rollout, RolloutChange};
use tidegate_model::segment::{
    AFTER, Segment, SegmentDefinition, SegmentState, StagedSegment, guard, guarded_by,
};

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StageSegment {
    /// What the segment is to say, whole.
    pub definition: SegmentDefinition,
    /// By which policy the edit opens.
    pub policy: PolicyName,
    /// What the policy asks for.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
    /// A second policy to judge beside it, which never acts.
    #[serde(default)]
    pub shadow: Option<PolicyName>,
}

/// What an edit begins from.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// The segment.
    pub segment: &'a SegmentState,
    /// The flag that guards its edits, if it ever had one.
    pub guard: Option<&'a FlagState>,
    /// The latest rollout of that flag, if there is one.
    pub latest: Option<&'a Rollout>,
}

/// The first step of an edit: its rollout exists, holds the guard, and the segment has the edit staged.
///
/// # Errors
/// Why it cannot begin: everything at once where that is possible.
pub fn stage<'a>(
    request: &StageSegment,
    environment: &EnvironmentKey,
    before: Before<'_>,
    policy: &Policy,
    authors: impl Into<Authors<'a>>,
    now: Timestamp,
) -> Result<(RolloutId, Step), Refusal> {
    let key = before.segment.segment.key();
    check_settled(before.segment.staged.as_deref())?;
    let definition = checked(request, before.segment, policy)?;
    let fresh = guard(key)?;
    let flag = FlagState {
        flag: fresh.clone(),
        pin: before.guard.and_then(|guard| guard.pin.clone()),
        attempts: before.guard.map_or(0, |guard| guard.attempts),
        held: None,
    };
    let opening = StartRollout {
        flag: fresh.key().clone(),
        policy: request.policy.clone(),
        candidate: Some(VariationKey::new(AFTER).map_err(Invalid::from)?),
        value: None,
        arguments: request.arguments.clone(),
        shadow: request.shadow.clone(),
    };
    let (id, mut step) = start(&opening, environment, &flag, policy, before.latest, authors, now)?;
    for (_, change) in &mut step.changes {
        if let Change::Rollout(RolloutChange::Started(start)) = change {
            start.segment = Some(key.clone());
        }
    }
    let staged = StagedSegment {
        definition,
        guard: fresh.key().clone(),
        rollout: id.clone(),
        policy: policy.name.clone(),
    };
    // An edit that was completed before has left its variation to everybody.
    if before.guard.is_none_or(|guard| guard.flag != fresh) {
        let held = EntityRef::Flag(environment.clone(), fresh.key().clone());
        let pinned = step.changes.iter().position(|(entity, _)| *entity == held);
        let place = pinned.unwrap_or(step.changes.len());
        step.changes.insert(place, (held, Change::FlagSaved(fresh)));
    }
    let segment = EntityRef::Segment(environment.clone(), key.clone());
    step.changes
        .push((segment, Change::SegmentStaged(Box::new(staged))));
    Ok((id, step))
}

/// The new definition, if it and the policy fit the segment.
fn checked(request: &StageSegment, before: &SegmentState, policy: &Policy) -> Result<Segment, Invalid> {
    let definition = Segment::new(request.definition.clone())
        .map_err(|invalid| invalid.told(|one| one.inside("definition")))?;
    let key = before.segment.key();
    let mut found = Vec::new();
    if definition.key() != key {
        let rule = format!("the edit is of segment {key}");
        let fix = "leave the key as it is";
        found.push(Violation::new("definition.key", definition.key(), rule, fix));
    } else if definition == before.segment {
        let rule = "the segment says this already";
        found.push(Violation::new(
            "definition",
            key,
            rule,
            "change something about it",
        ));
    }
    found.extend(plan_violations(policy));
    Invalid::unless_empty(found, definition)
}

/// Stages that open to a segment would lead from one segment to another, and perhaps back.
fn plan_violations(policy: &Policy) -> Vec<Violation> {
    let stages = policy.schedule.stages.iter().enumerate();
    let waves = stages.filter_map(|(index, stage)| Some((index, stage.wave.as_ref()?)));
    let violation = |(index, wave): (usize, &tidegate_model::policy::Wave)| {
        Violation::new(
            format!("policy.schedule.stages[{index}].segment"),
            &wave.segment,
            "an edit of a segment opens to anybody alike",
            "use a policy whose stages have percentages alone",
        )
    };
    waves.map(violation).collect()
}

/// Refuses a plan for a rollout that opens an edit of a segment, if it could not have been started by it.
///
/// # Errors
/// What does not fit.
pub(crate) fn check_plan(policy: &Policy) -> Result<(), Invalid> {
    Invalid::unless_empty(plan_violations(policy), ())
}

/// Refuses another edit of a segment while one is being opened.
///
/// # Errors
/// Which rollout opens it.
pub(crate) fn check_settled(staged: Option<&StagedSegment>) -> Result<(), Refusal> {
    let Some(staged) = staged else { return Ok(()) };
    Err(Refusal::conflict(
        format!(
            "an edit of segment {} is being opened by rollout {}, started by policy {}",
            staged.definition.key(),
            staged.rollout,
            staged.policy
        ),
        "wait until that has ended, or roll it back or abort it first",
    ))
}

/// Refuses a staged edit that does not fit the rest of the environment. `opening` are the rollouts that open to the
/// segment before they open to anybody.
///
/// # Errors
/// What does not fit.
pub fn check_beside(catalog: &Catalog, staged: &Segment, opening: &[RolloutId]) -> Result<(), Refusal> {
    check_wave(staged.key(), opening)?;
    let found = catalog.violations_with_staged(staged).into_iter();
    let found = found.map(|one| one.inside("definition")).collect();
    Ok(Invalid::unless_empty(found, ())?)
}

/// Refuses what a person does to a flag that guards a segment.
///
/// # Errors
/// That it does, and what to do instead.
pub fn check_by_hand(flag: &FlagKey) -> Result<(), Refusal> {
    let Some(segment) = guarded_by(flag) else {
        return Ok(());
    };
    Err(Refusal::conflict(
        format!("{flag} guards the edits of segment {segment}, and nobody edits or opens it by hand"),
        "stage an edit of the segment, or steer the rollout that opens one; other flags have other keys",
    ))
}
