//! Rollouts.

use super::{ControlError, ControlPlane};
use crate::flag::{Start, Wanted, check_neighbours, check_segments, check_surroundings, load_policy};
use crate::keeper::{Adopt, CommandApart, FindFlag, FindRollout, Found};
use crate::rollout::{self, Command, Edit, Edited, Observe, edit};
use crate::shell::{describe, incident};
use crate::view::{self, RolloutView};
use std::sync::Arc;
use std::time::Duration;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::staged::StageSegment;
use tidegate_decide::start::StartRollout;
use tidegate_model::access::{Author, Role};
use tidegate_model::change::{EntityRef, EntityState, Kind, PolicyState};
use tidegate_model::key::{EnvironmentKey, FlagKey, PolicyName, Revision, RolloutId, SegmentKey};
use tidegate_model::policy::read;
use tidegate_model::rollout::{Rollout, RolloutCommand, RolloutStart};
use tidegate_model::segment::guard;
use tidegate_store::Expect;

/// How long whoever looks at a rollout waits for its actor; then they see what the store has.
const OBSERVE_PATIENCE: Duration = Duration::from_secs(2);

impl ControlPlane {
    /// All rollouts of an environment, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn rollouts(&self, environment: &EnvironmentKey) -> Result<Vec<RolloutView>, ControlError> {
        self.shell.environment(environment)?;
        let all = self
            .shell
            .store
            .list(Kind::Rollout, Some(environment))
            .await
            .map_err(ControlError::Store)?;
        let mut views = Vec::with_capacity(all.len());
        for stored in all {
            if let EntityState::Rollout(rollout) = stored.state
                && !rollout.start.drill
            {
                views.push(self.seen(stored.entity, *rollout, stored.revision).await?);
            }
        }
        views.sort_by(|left, right| (right.started, &right.id).cmp(&(left.started, &left.id)));
        Ok(views)
    }

    /// One rollout.
    ///
    /// # Errors
    /// When there is no such rollout.
    pub async fn rollout(
        &self,
        environment: &EnvironmentKey,
        id: &RolloutId,
    ) -> Result<RolloutView, ControlError> {
        self.shell.environment(environment)?;
        let entity = EntityRef::Rollout(environment.clone(), id.clone());
        match rollout::load(self.shell.store.as_ref(), &entity).await? {
            Some((rollout, revision)) => self.seen(entity, rollout, revision).await,
            None => Err(ControlError::NotFound {
                what: describe(&entity),
            }),
        }
    }

    /// Starts a rollout.
    ///
    /// # Errors
    /// Why it cannot start.
    pub async fn start_rollout(
        &self,
        environment: &EnvironmentKey,
        request: StartRollout,
        by: Author,
    ) -> Result<RolloutView, ControlError> {
        self.flag(environment, &request.flag).await?;
        let flag = request.flag.clone();
        self.begin(environment, flag, Wanted::Flag(request), by).await
    }

    /// Opens an edit of a segment step by step, guarded by a flag and a rollout of its own.
    ///
    /// # Errors
    /// Why it cannot begin.
    pub async fn stage_segment(
        &self,
        environment: &EnvironmentKey,
        key: &SegmentKey,
        request: StageSegment,
        expect: Expect,
        by: Author,
    ) -> Result<RolloutView, ControlError> {
        self.segment(environment, key).await?;
        let guard = guard(key).map_err(|invalid| ControlError::Refused(Refusal::Invalid(invalid)))?;
        let wanted = Wanted::Segment(key.clone(), request, expect);
        self.begin(environment, guard.key().clone(), wanted, by).await
    }

    async fn begin(
        &self,
        environment: &EnvironmentKey,
        flag: FlagKey,
        request: Wanted,
        by: Author,
    ) -> Result<RolloutView, ControlError> {
        let busy = |_dead: actix::MailboxError| ControlError::Busy { retry_after: 1 };
        let keeper = self.shell.keeper()?;
        let flag = keeper
            .send(FindFlag(environment.clone(), flag))
            .await
            .map_err(busy)?;
        let started = flag.send(Start { request, by }).await;
        let id = started
            .unwrap_or_else(|dead| Err(incident(&format!("the flag's actor died on a start: {dead}"))))?;
        let entity = EntityRef::Rollout(environment.clone(), id.clone());
        if let Some((rollout, revision)) = rollout::load(self.shell.store.as_ref(), &entity).await? {
            keeper
                .send(Adopt(entity, rollout, revision))
                .await
                .map_err(busy)?;
        }
        self.rollout(environment, &id).await
    }

    /// Tells a rollout what a person wants.
    ///
    /// # Errors
    /// Why it does not do it.
    pub async fn command_rollout(
        &self,
        environment: &EnvironmentKey,
        id: &RolloutId,
        command: RolloutCommand,
        expect: Expect,
        by: Author,
        role: Role,
    ) -> Result<RolloutView, ControlError> {
        let view = self.rollout(environment, id).await?;
        let entity = EntityRef::Rollout(environment.clone(), id.clone());
        let keeper = self.shell.keeper()?;
        let busy = |_dead: actix::MailboxError| ControlError::Busy { retry_after: 1 };
        match keeper.send(FindRollout(entity.clone())).await.map_err(busy)? {
            Found::Live(actor) => {
                let answer = actor
                    .send(Command {
                        command,
                        expect,
                        by,
                        role,
                    })
                    .await;
                answer.unwrap_or_else(|dead| {
                    Err(incident(&format!(
                        "the rollout's actor died on a command: {dead}"
                    )))
                })
            }
            Found::Rebuilding => Err(ControlError::Busy { retry_after: 1 }),
            Found::Apart(apart) => {
                apart.send(CommandApart { command, by }).await.map_err(busy)??;
                self.rollout(environment, id).await
            }
            Found::Gone => Err(ControlError::Refused(view::ended(&view))),
        }
    }

    /// Has a rollout follow another policy, or its own as it is written now: at once where that loosens
    /// nothing, else once somebody has approved it.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn amend_rollout(
        &self,
        environment: &EnvironmentKey,
        id: &RolloutId,
        policy: Option<PolicyName>,
        expect: Expect,
        by: Author,
    ) -> Result<RolloutView, ControlError> {
        let entity = EntityRef::Rollout(environment.clone(), id.clone());
        let view = self.rollout(environment, id).await?;
        let name = policy.unwrap_or_else(|| view.policy.clone());
        let PolicyState {
            policy, by: editor, ..
        } = load_policy(&self.shell, environment, &name).await?.value;
        let home = self.shell.environment(environment)?;
        let definitions = home.definitions.in_line(self.shell.store.as_ref()).await?;
        check_segments(&definitions.catalog, &policy)?;
        if let Some((rollout, _)) = rollout::load(self.shell.store.as_ref(), &entity).await? {
            let start = RolloutStart {
                plan: Arc::new(policy.clone()),
                ..rollout.start
            };
            check_surroundings(&self.shell, &start)?;
            check_neighbours(&self.shell, &definitions.catalog, &start, &policy)?;
        }
        let what = Edited::Plan {
            policy: Box::new(policy),
            editor,
        };
        edit(&self.shell, &entity, Edit { what, expect, by }).await
    }

    /// Gives a rollout other stages ahead, read from the text of a `schedule`: at once where that loosens
    /// nothing, else once somebody has approved it.
    ///
    /// # Errors
    /// Why it cannot, or what is wrong with the text.
    pub async fn accelerate_rollout(
        &self,
        environment: &EnvironmentKey,
        id: &RolloutId,
        schedule: &str,
        expect: Expect,
        by: Author,
    ) -> Result<RolloutView, ControlError> {
        let entity = EntityRef::Rollout(environment.clone(), id.clone());
        let loaded = rollout::load(self.shell.store.as_ref(), &entity).await?;
        let Some((rollout, _)) = loaded else {
            return Err(ControlError::NotFound {
                what: describe(&entity),
            });
        };
        let mut start = rollout.start;
        let rules = start.plan.safety.rules.iter().map(|rule| rule.name.as_str());
        let (stages, diagnostics) = read::stages_ahead(schedule, &rules.collect::<Vec<_>>());
        let Some(stages) = stages else {
            return Err(ControlError::Policy(diagnostics));
        };
        Arc::make_mut(&mut start.plan).schedule.stages.clone_from(&stages);
        check_surroundings(&self.shell, &start)?;
        let home = self.shell.environment(environment)?;
        let definitions = home.definitions.in_line(self.shell.store.as_ref()).await?;
        check_segments(&definitions.catalog, &start.plan)?;
        let what = Edited::Stages(stages);
        edit(&self.shell, &entity, Edit { what, expect, by }).await
    }

    /// A rollout as its actor sees it; as the store has it when there is no actor.
    async fn seen(
        &self,
        entity: EntityRef,
        rollout: Rollout,
        revision: Revision,
    ) -> Result<RolloutView, ControlError> {
        if rollout.has_ended() {
            return Ok(view::at_rest(&rollout, revision));
        }
        let found = self.shell.keeper()?.send(FindRollout(entity)).await;
        match found {
            Ok(Found::Live(actor)) => {
                let seen = actor.send(Observe).timeout(OBSERVE_PATIENCE).await;
                Ok(seen.unwrap_or_else(|_died_or_hangs| view::at_rest(&rollout, revision)))
            }
            Ok(Found::Apart(_)) => Ok(RolloutView {
                quarantined: true,
                ..view::at_rest(&rollout, revision)
            }),
            Ok(Found::Rebuilding | Found::Gone) | Err(_) => Ok(view::at_rest(&rollout, revision)),
        }
    }
}
