//! Starting rollouts again.

use super::{Replay, Wrong};
use serde_json::Value;
use tidegate_decide::staged::{Before, StageSegment, stage};
use tidegate_decide::start::{Authors, StartRollout, start};
use tidegate_decide::step::Step;
use tidegate_decide::{drill, shadow};
use tidegate_model::change::{Change, EntityRef, EntityState, PolicyState, Record};
use tidegate_model::key::{PolicyName, Revision, RolloutId, VariationKey};
use tidegate_model::rollout::{RolloutChange, RolloutStart};
use tidegate_model::segment::StagedSegment;

impl Replay {
    /// The first step of a rollout.
    pub(super) fn start(
        &self,
        record: &Record,
        revision: Revision,
        shadow: Option<&(PolicyName, Revision)>,
    ) -> Result<Step, Wrong> {
        let started = started(record);
        let RolloutStart {
            environment,
            flag,
            policy,
            candidate,
            arguments,
            ..
        } = started.ok_or("it starts nothing")?;
        let state = self.flag(&EntityRef::Flag(environment.clone(), flag.clone()));
        let PolicyState { policy: text, by, .. } = self.policy(environment, policy, revision)?;
        let attempts = state.map_or(0, |state| state.attempts);
        let latest = RolloutId::of_attempt(flag, attempts)
            .ok()
            .and_then(|id| self.rollout(&EntityRef::Rollout(environment.clone(), id)));
        let authors = Authors {
            starter: &record.by,
            editor: by.as_ref(),
        };
        let refused = |refusal| format!("it could not be started: {refusal}");
        let beside = shadow.map(|(name, _)| name.clone());
        let started = match staged(record) {
            Some((entity, staged)) => {
                let request = StageSegment {
                    definition: staged.definition.definition().clone(),
                    policy: policy.clone(),
                    arguments: arguments.clone(),
                    shadow: beside,
                };
                let segment = match self.states.get(entity) {
                    Some(EntityState::Segment(segment)) => segment,
                    _ => return Err(format!("there is no {entity} before it").into()),
                };
                let before = Before {
                    segment,
                    guard: state,
                    latest,
                };
                stage(&request, environment, before, text, authors, record.at)
            }
            None => {
                let state = state.ok_or_else(|| format!("there is no flag {flag} before it"))?;
                let request = StartRollout {
                    flag: flag.clone(),
                    policy: policy.clone(),
                    candidate: Some(candidate.clone()),
                    value: made(record, candidate),
                    arguments: arguments.clone(),
                    shadow: beside,
                };
                start(&request, environment, state, text, latest, authors, record.at)
            }
        };
        let (_, mut step) = started.map_err(refused)?;
        if let Some((name, revision)) = shadow {
            let text = &self.policy(environment, name, *revision)?.policy;
            shadow::beside(&mut step, text).map_err(refused)?;
        }
        Ok(step)
    }
}

/// What a record starts.
fn started(record: &Record) -> Option<&RolloutStart> {
    record.entries.iter().find_map(|entry| match &entry.change {
        Change::Rollout(RolloutChange::Started(started) | RolloutChange::Queued(started)) => {
            Some(started.as_ref())
        }
        _ => None,
    })
}

/// The value of the variation that a start makes; `None` when it opens one that was there.
fn made(record: &Record, candidate: &VariationKey) -> Option<Value> {
    record.entries.iter().find_map(|entry| match &entry.change {
        Change::FlagSaved(flag) => flag.variation(candidate).map(|variation| variation.value.clone()),
        _ => None,
    })
}

/// The edit of a segment that a start stages, if it does.
fn staged(record: &Record) -> Option<(&EntityRef, &StagedSegment)> {
    record.entries.iter().find_map(|entry| match &entry.change {
        Change::SegmentStaged(staged) => Some((&entry.entity, staged.as_ref())),
        _ => None,
    })
}

/// The first step of a drill.
pub(super) fn drilled(entity: &EntityRef, record: &Record) -> Result<Step, Wrong> {
    let (EntityRef::Rollout(environment, _), Some(start)) = (entity, started(record)) else {
        return Err("it starts nothing".into());
    };
    let begun = drill::begin(environment, start.attempt, &record.by, record.at);
    let (_, step) = begun.map_err(|refusal| format!("it could not be started: {refusal}"))?;
    Ok(step)
}
