//! One actor per flag: edits of a flag and starts of its rollouts stand in line here.

use crate::control::ControlError;
use crate::rollout::{Edit, Edited, edit};
use crate::shell::{Shell, incident};
use crate::view::Revised;
use actix::prelude::*;
use std::sync::Arc;
use tidegate_decide::definition;
use tidegate_decide::environment::check_target;
use tidegate_decide::staged::StageSegment;
use tidegate_decide::start::StartRollout;
use tidegate_model::access::Author;
use tidegate_model::because::{Because, Decision};
use tidegate_model::change::{Change, EntityRef, EntityState, PolicyState};
use tidegate_model::environment::EnvironmentSettings;
use tidegate_model::experiment::{ExperimentCommand, ExperimentState};
use tidegate_model::flag::{FlagDefinition, FlagState};
use tidegate_model::key::{EnvironmentKey, FlagKey, PolicyName, Revision, RolloutId, SegmentKey};
use tidegate_store::{Expect, Proposal, Store, Write};

mod ground;
mod start;

pub(crate) use start::{check_neighbours, check_segments, check_surroundings};

/// Give the flag this definition.
#[derive(Message)]
#[rtype(result = "Result<Revised<FlagState>, ControlError>")]
pub(crate) struct SaveFlag {
    pub(crate) definition: FlagDefinition,
    pub(crate) expect: Expect,
    pub(crate) by: Author,
}

/// Start a rollout on the flag.
#[derive(Message)]
#[rtype(result = "Result<RolloutId, ControlError>")]
pub(crate) struct Start {
    pub(crate) request: Wanted,
    pub(crate) by: Author,
}

/// What a person wants to open.
pub(crate) enum Wanted {
    /// A variation or a value of the flag.
    Flag(StartRollout),
    /// An edit of the segment that the flag guards, if the segment is still at this revision.
    Segment(SegmentKey, StageSegment, Expect),
    /// The winner of an experiment, which ends in the same record.
    Winner(StartRollout, Box<HandOver>),
}

/// An experiment whose winner a rollout opens.
pub(crate) struct HandOver {
    /// The experiment as it is stored.
    pub(crate) experiment: Revised<ExperimentState>,
    /// How it is to end.
    pub(crate) command: ExperimentCommand,
}

/// Keeps a flag's edits in order. Holds no state of its own: what is true is in the store, and a
/// commit names the revision it was decided on.
pub(crate) struct FlagActor {
    shell: Arc<Shell>,
    environment: EnvironmentKey,
    key: FlagKey,
}

impl FlagActor {
    pub(crate) fn new(shell: Arc<Shell>, environment: EnvironmentKey, key: FlagKey) -> Self {
        Self {
            shell,
            environment,
            key,
        }
    }
}

impl Actor for FlagActor {
    type Context = Context<Self>;
}

impl Handler<SaveFlag> for FlagActor {
    type Result = AtomicResponse<Self, Result<Revised<FlagState>, ControlError>>;

    fn handle(&mut self, save: SaveFlag, _ctx: &mut Self::Context) -> Self::Result {
        let (shell, environment, key) = (self.shell.clone(), self.environment.clone(), self.key.clone());
        let saving = async move { save_flag(&shell, &environment, &key, save).await };
        AtomicResponse::new(Box::pin(saving.into_actor(self)))
    }
}

impl Handler<Start> for FlagActor {
    type Result = AtomicResponse<Self, Result<RolloutId, ControlError>>;

    fn handle(&mut self, start: Start, _ctx: &mut Self::Context) -> Self::Result {
        let (shell, environment, key) = (self.shell.clone(), self.environment.clone(), self.key.clone());
        let starting = async move { start::start_rollout(&shell, &environment, &key, start).await };
        AtomicResponse::new(Box::pin(starting.into_actor(self)))
    }
}

async fn save_flag(
    shell: &Shell,
    environment: &EnvironmentKey,
    key: &FlagKey,
    save: SaveFlag,
) -> Result<Revised<FlagState>, ControlError> {
    let home = shell.environment(environment)?;
    let entity = EntityRef::Flag(environment.clone(), key.clone());
    let definitions = home.definitions.in_line(shell.store.as_ref()).await?;
    let catalog = &definitions.catalog;
    let before = load_flag(shell, &entity).await?;
    let revision = before.as_ref().map_or(Revision::ABSENT, |before| before.revision);
    crate::control::check_expected(&entity, save.expect, revision)?;
    let change = definition::save_flag(
        catalog,
        before.as_ref().map(|before| &before.value),
        save.definition,
    )
    .map_err(ControlError::Refused)?;
    if let Some(change) = change {
        check_target(environment, definitions.settings, catalog, &change).map_err(ControlError::Refused)?;
        if let (Some(Revised { value: before, .. }), Change::FlagSaved(after)) = (&before, &change)
            && let Some(pin) = &before.pin
        {
            // Only the rollout knows what the edit does to it, and both become true together.
            let rollout = EntityRef::Rollout(environment.clone(), pin.rollout.clone());
            let what = Edited::Flag {
                before: before.flag.clone(),
                after: after.clone(),
            };
            let (expect, by) = (Expect::Any, save.by);
            edit(shell, &rollout, Edit { what, expect, by }).await?;
            return saved(shell, &entity).await;
        }
        let write = Write {
            entity: entity.clone(),
            expect: Expect::Revision(revision),
            changes: vec![change],
        };
        let because = Some(Because {
            decision: Decision::Saved,
            reasons: Vec::new(),
        });
        shell
            .commit(Proposal {
                at: shell.clock.now(),
                by: save.by,
                because,
                basis: None,
                writes: vec![write],
            })
            .await?;
    }
    saved(shell, &entity).await
}

/// The flag right after it was saved.
async fn saved(shell: &Shell, entity: &EntityRef) -> Result<Revised<FlagState>, ControlError> {
    let after = load_flag(shell, entity).await?;
    after.ok_or_else(|| incident(&format!("{entity} is gone right after it was saved")))
}

pub(crate) async fn load_policy(
    shell: &Shell,
    environment: &EnvironmentKey,
    name: &PolicyName,
) -> Result<Revised<PolicyState>, ControlError> {
    let entity = EntityRef::Policy(environment.clone(), name.clone());
    let stored = shell.store.load(&entity).await.map_err(ControlError::Store)?;
    match stored.map(|stored| (stored.state, stored.revision)) {
        Some((EntityState::Policy(policy), revision)) => Ok(Revised {
            value: *policy,
            revision,
        }),
        _ => Err(ControlError::NotFound {
            what: format!("policy {name}"),
        }),
    }
}

async fn load_flag(shell: &Shell, entity: &EntityRef) -> Result<Option<Revised<FlagState>>, ControlError> {
    let stored = shell.store.load(entity).await.map_err(ControlError::Store)?;
    Ok(stored.and_then(|stored| match stored.state {
        EntityState::Flag(value) => Some(Revised {
            value,
            revision: stored.revision,
        }),
        _ => None,
    }))
}

/// An environment's settings; the usual ones at revision 0 if it was never given any.
pub(crate) async fn load_settings(
    store: &dyn Store,
    environment: &EnvironmentKey,
) -> Result<Revised<EnvironmentSettings>, ControlError> {
    let entity = EntityRef::Environment(environment.clone());
    let stored = store.load(&entity).await.map_err(ControlError::Store)?;
    Ok(match stored.map(|stored| (stored.state, stored.revision)) {
        Some((EntityState::Environment(value), revision)) => Revised { value, revision },
        _ => Revised {
            value: EnvironmentSettings::default(),
            revision: Revision::ABSENT,
        },
    })
}
