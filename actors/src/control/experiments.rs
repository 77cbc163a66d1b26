//! Experiments.

use super::definitions::find;
use super::error::check_expected;
use super::{ControlError, ControlPlane, to_the_end};
use crate::experiment::{Here, load, proposal, settle};
use crate::flag::{HandOver, Start, Wanted};
use crate::keeper::{Adopt, FindFlag, LookAfter};
use crate::observing::{Moment, ObserveError};
use crate::shell::{Shell, incident};
use crate::view::Revised;
use std::sync::Arc;
use tidegate_decide::experiment;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::start::StartRollout;
use tidegate_model::access::Author;
use tidegate_model::change::{EntityRef, EntityState, Kind};
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::experiment::{Design, ExperimentCommand, ExperimentState, Outcome, Phase};
use tidegate_model::invalid::Violation;
use tidegate_model::key::{EnvironmentKey, ExperimentKey, Revision};
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};
use tidegate_store::{Expect, Proposal, Stored, Write};

impl ControlPlane {
    /// All experiments of an environment, sorted by key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn experiments(
        &self,
        environment: &EnvironmentKey,
    ) -> Result<Vec<Revised<ExperimentState>>, ControlError> {
        self.shell.environment(environment)?;
        let all = self.shell.store.list(Kind::Experiment, Some(environment)).await;
        let all = all.map_err(ControlError::Store)?;
        Ok(all.into_iter().filter_map(experiment_of).collect())
    }

    /// Brings the metric of experiments up to date: before somebody reads the metrics. An environment that cannot be read
    /// keeps what it had.
    pub async fn count_experiments(&self) {
        for environment in self.environments() {
            let Ok(experiments) = self.experiments(environment).await else {
                continue;
            };
            for phase in Phase::ALL {
                let many = experiments.iter().filter(|one| one.value.phase == phase).count();
                let gauge = &self.shell.measures.experiments;
                gauge
                    .with_label_values(&[environment.as_str(), phase.name()])
                    .set(i64::try_from(many).unwrap_or(i64::MAX));
            }
        }
    }

    /// One experiment.
    ///
    /// # Errors
    /// When there is no such experiment.
    pub async fn experiment(
        &self,
        environment: &EnvironmentKey,
        key: &ExperimentKey,
    ) -> Result<Revised<ExperimentState>, ControlError> {
        find(
            &self.shell,
            EntityRef::Experiment(environment.clone(), key.clone()),
            experiment_of,
        )
        .await
    }

    /// Everything that is wrong with a design, by itself and beside what there is. Nothing is stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn check_design(
        &self,
        environment: &EnvironmentKey,
        design: &Design,
    ) -> Result<Vec<Violation>, ControlError> {
        let home = self.shell.environment(environment)?;
        let mut found = design.violations();
        let here = Here::of(&self.shell, home, &design.flag).await?;
        for violation in here.ground().violations(design) {
            if !found.contains(&violation) {
                found.push(violation);
            }
        }
        Ok(found)
    }

    /// Gives an experiment this design. Saving what it has already changes nothing and is no error.
    ///
    /// # Errors
    /// What is wrong with the design, or what stands in the way.
    pub async fn save_experiment(
        &self,
        environment: &EnvironmentKey,
        design: Design,
        expect: Expect,
        by: Author,
    ) -> Result<Revised<ExperimentState>, ControlError> {
        let (shell, environment) = (self.shell.clone(), environment.clone());
        to_the_end(async move {
            let key = design.key.clone();
            save(&shell, &environment, design, expect, by).await?;
            stored(&shell, &environment, &key).await
        })
        .await
    }

    /// Removes a draft.
    ///
    /// # Errors
    /// When there is no such experiment, or it has started.
    pub async fn delete_experiment(
        &self,
        environment: &EnvironmentKey,
        key: &ExperimentKey,
        expect: Expect,
        by: Author,
    ) -> Result<(), ControlError> {
        let (shell, environment, key) = (self.shell.clone(), environment.clone(), key.clone());
        to_the_end(async move {
            let entity = EntityRef::Experiment(environment.clone(), key.clone());
            let before = find(&shell, entity.clone(), experiment_of).await?;
            check_expected(&entity, expect, before.revision)?;
            let change = experiment::delete(&before.value).map_err(ControlError::Refused)?;
            let write = Write {
                entity,
                expect: Expect::Revision(before.revision),
                changes: vec![change],
            };
            let proposal = Proposal {
                at: shell.clock.now(),
                by,
                because: None,
                basis: None,
                writes: vec![write],
            };
            shell.commit(proposal).await?;
            Ok(())
        })
        .await
    }

    /// Tells an experiment what a person wants.
    ///
    /// # Errors
    /// Why it is not done.
    pub async fn command_experiment(
        &self,
        environment: &EnvironmentKey,
        key: &ExperimentKey,
        command: ExperimentCommand,
        expect: Expect,
        by: Author,
    ) -> Result<Revised<ExperimentState>, ControlError> {
        let (shell, environment, key) = (self.shell.clone(), environment.clone(), key.clone());
        to_the_end(async move {
            do_command(&shell, &environment, &key, &command, expect, by).await?;
            let keeper = shell.keeper()?;
            let look = LookAfter(environment.clone(), key.clone());
            keeper.send(look).await.map_err(|_dead| busy())?;
            stored(&shell, &environment, &key).await
        })
        .await
    }

    /// The numbers of an experiment, one entry for each dealing; `None` while they are not known.
    ///
    /// # Errors
    /// When nothing can be folded.
    pub async fn tallies(
        &self,
        environment: &EnvironmentKey,
        state: &ExperimentState,
    ) -> Result<Option<Vec<Tallies>>, ControlError> {
        tallies(&self.shell, environment, state).await
    }

    /// The numbers of an experiment as they were, the earliest first.
    ///
    /// # Errors
    /// When nothing can be folded.
    pub async fn tallies_over_time(
        &self,
        environment: &EnvironmentKey,
        key: &ExperimentKey,
    ) -> Result<Vec<Moment>, ControlError> {
        let home = self.shell.environment(environment)?;
        home.observatory
            .series(key)
            .await
            .map_err(ControlError::Observing)
    }

    /// Takes in what nodes saw of single units. When this returns, it survives a power cut; a repeat changes nothing.
    ///
    /// # Errors
    /// When it is nonsense, or cannot be kept.
    pub async fn observe(
        &self,
        environment: &EnvironmentKey,
        batch: ObservationBatch,
    ) -> Result<ObservationReceipt, ControlError> {
        let home = self.shell.environment(environment)?;
        home.observatory
            .take_in(batch)
            .await
            .map_err(|error| match error {
                ObserveError::Invalid(invalid) => ControlError::Refused(Refusal::Invalid(invalid)),
                error => ControlError::Observing(error),
            })
    }
}

async fn tallies(
    shell: &Shell,
    environment: &EnvironmentKey,
    state: &ExperimentState,
) -> Result<Option<Vec<Tallies>>, ControlError> {
    if let Some(concluded) = &state.tallies {
        return Ok(Some(concluded.clone()));
    }
    if state.started.is_none() {
        return Ok(None);
    }
    let home = shell.environment(environment)?;
    let known = home.observatory.tallies(&state.design.key).await;
    known.map_err(ControlError::Observing)
}

async fn stored(
    shell: &Shell,
    environment: &EnvironmentKey,
    key: &ExperimentKey,
) -> Result<Revised<ExperimentState>, ControlError> {
    let entity = EntityRef::Experiment(environment.clone(), key.clone());
    find(shell, entity, experiment_of).await
}

async fn save(
    shell: &Shell,
    environment: &EnvironmentKey,
    design: Design,
    expect: Expect,
    by: Author,
) -> Result<(), ControlError> {
    let home = shell.environment(environment)?;
    let entity = EntityRef::Experiment(environment.clone(), design.key.clone());
    let here = Here::of(shell, home, &design.flag).await?;
    let before = load(shell, &entity).await?;
    let revision = before.as_ref().map_or(Revision::ABSENT, |before| before.revision);
    check_expected(&entity, expect, revision)?;
    let now = shell.clock.now();
    let before = before.as_ref().map(|before| &before.value);
    let step = experiment::design(before, design, &here.ground(), &by, now).map_err(ControlError::Refused)?;
    if let Some(step) = step {
        let seen = here.seen(revision);
        let proposal = proposal(&step.changes, &step.because, seen, by, now);
        shell.commit(proposal).await?;
        let watched = before.is_some_and(ExperimentState::is_watched);
        if let (true, Some(keeper), EntityRef::Experiment(environment, key)) =
            (watched, shell.keeper.get(), entity)
        {
            keeper.do_send(LookAfter(environment, key));
        }
    }
    Ok(())
}

async fn do_command(
    shell: &Arc<Shell>,
    environment: &EnvironmentKey,
    key: &ExperimentKey,
    command: &ExperimentCommand,
    expect: Expect,
    by: Author,
) -> Result<(), ControlError> {
    let home = shell.environment(environment)?;
    let entity = EntityRef::Experiment(environment.clone(), key.clone());
    let before = find(shell, entity.clone(), experiment_of).await?;
    check_expected(&entity, expect, before.revision)?;
    if let ExperimentCommand::Stop {
        outcome: Outcome::HandOver { .. },
        ..
    } = command
    {
        return hand_over(shell, environment, &before, command, by).await;
    }
    let tallies = tallies(shell, environment, &before.value)
        .await
        .unwrap_or_default();
    let author = by.clone();
    let step = settle(shell, home, &entity, &before, by, |state, ground, now| {
        experiment::command(state, command, tallies.as_deref(), ground, &author, now)
            .map_err(ControlError::Refused)
    });
    step.await.map(drop)
}

/// Ends an experiment and starts a rollout of its winner, in one record.
async fn hand_over(
    shell: &Arc<Shell>,
    environment: &EnvironmentKey,
    before: &Revised<ExperimentState>,
    command: &ExperimentCommand,
    by: Author,
) -> Result<(), ControlError> {
    let ExperimentCommand::Stop {
        outcome: Outcome::HandOver { variation, policy },
        ..
    } = command
    else {
        return Err(incident("what is handed over is no winner"));
    };
    let flag = before.value.design.flag.clone();
    let keeper = shell.keeper()?;
    let request = StartRollout {
        flag: flag.clone(),
        policy: policy.clone(),
        candidate: Some(variation.clone()),
        value: None,
        arguments: std::collections::BTreeMap::new(),
        shadow: None,
    };
    let from = HandOver {
        experiment: before.clone(),
        command: command.clone(),
    };
    let actor = keeper
        .send(FindFlag(environment.clone(), flag))
        .await
        .map_err(|_dead| busy())?;
    let start = Start {
        request: Wanted::Winner(request, Box::new(from)),
        by,
    };
    let started = actor.send(start).await;
    let id =
        started.unwrap_or_else(|dead| Err(incident(&format!("the flag's actor died on a start: {dead}"))))?;
    let entity = EntityRef::Rollout(environment.clone(), id);
    if let Some((rollout, revision)) = crate::rollout::load(shell.store.as_ref(), &entity).await? {
        keeper
            .send(Adopt(entity, rollout, revision))
            .await
            .map_err(|_dead| busy())?;
    }
    Ok(())
}

fn busy() -> ControlError {
    ControlError::Busy { retry_after: 1 }
}

fn experiment_of(stored: Stored) -> Option<Revised<ExperimentState>> {
    match stored.state {
        EntityState::Experiment(value) => Some(Revised {
            value: *value,
            revision: stored.revision,
        }),
        _ => None,
    }
}
