//! One actor per flag: edits of a flag and starts of its rollouts stand in line here.

use crate::control::ControlError;
use crate::notices::Target;
use crate::rollout::{Edit, Edited, edit};
use crate::shell::{Environment, Shell, incident};
use crate::view::Revised;
use actix::prelude::*;
use std::sync::Arc;
use tidegate_decide::definition;
use tidegate_decide::environment::check_target;
use tidegate_decide::freeze;
use tidegate_decide::notice::unfit_targets;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::start::{self, Authors, StartRollout};
use tidegate_decide::step::Step;
use tidegate_model::access::Author;
use tidegate_model::because::{Because, Decision};
use tidegate_model::catalog::Catalog;
use tidegate_model::change::{Change, EntityRef, EntityState, Kind, PolicyState, Record};
use tidegate_model::environment::EnvironmentSettings;
use tidegate_model::flag::{FlagDefinition, FlagState};
use tidegate_model::key::{EnvironmentKey, FlagKey, PolicyName, Revision, RolloutId, TargetName};
use tidegate_model::policy::{Policy, Source};
use tidegate_model::rollout::{Rollout, RolloutChange, RolloutStart};
use tidegate_store::{Expect, Proposal, Store, Write};
use tidegate_trail::cause::Cause;

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
    pub(crate) request: StartRollout,
    pub(crate) by: Author,
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
        let starting = async move { start_rollout(&shell, &environment, &key, start).await };
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
    let _gate = home.gate.lock().await;
    let before = load_flag(shell, &entity).await?;
    let revision = before.as_ref().map_or(Revision::ABSENT, |before| before.revision);
    crate::control::check_expected(&entity, save.expect, revision)?;
    let catalog = load_catalog(shell.store.as_ref(), environment).await?;
    let change = definition::save_flag(
        &catalog,
        before.as_ref().map(|before| &before.value),
        save.definition,
    )
    .map_err(ControlError::Refused)?;
    if let Some(change) = change {
        let settings = load_settings(shell.store.as_ref(), environment).await?.value;
        check_target(environment, settings, &catalog, &change).map_err(ControlError::Refused)?;
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

async fn start_rollout(
    shell: &Shell,
    environment: &EnvironmentKey,
    key: &FlagKey,
    Start { request, by }: Start,
) -> Result<RolloutId, ControlError> {
    let entity = EntityRef::Flag(environment.clone(), key.clone());
    let not_found = |what: String| ControlError::NotFound { what };
    let flag = load_flag(shell, &entity)
        .await?
        .ok_or_else(|| not_found(format!("flag {key}")))?;
    let Revised {
        value: PolicyState {
            policy, by: editor, ..
        },
        revision: version,
    } = load_policy(shell, environment, &request.policy).await?;
    check_source(shell, &policy)?;
    if let Some(frozen) = shell.environment(environment)?.switch.current() {
        return Err(ControlError::Refused(freeze::refusal(&frozen)));
    }
    let latest = load_latest_rollout(shell.store.as_ref(), environment, key, flag.value.attempts).await?;
    let now = shell.clock.now();
    let (id, step) = start::start(
        &request,
        environment,
        &flag.value,
        &policy,
        latest.as_ref(),
        Authors {
            starter: &by,
            editor: editor.as_ref(),
        },
        now,
    )
    .map_err(ControlError::Refused)?;
    check_budgets(shell, &step).await?;
    let home = shell.environment(environment)?;
    let line = home.neighbours.line().await;
    for (_, change) in &step.changes {
        if let Change::Rollout(RolloutChange::Started(start)) = change {
            check_surroundings(shell, start)?;
            check_neighbours(shell, start, &start.plan).await?;
        }
    }
    let firing = home.alerts.firing();
    tidegate_decide::alert::may_start(&step.changes, &firing).map_err(ControlError::Refused)?;
    let all = home.neighbours.all();
    let step = start::queue(step, &all, now).map_err(ControlError::Refused)?;
    let write = |(entity, change): (EntityRef, Change)| {
        let revision = if entity.kind() == Kind::Flag {
            flag.revision
        } else {
            Revision::ABSENT
        };
        Write {
            entity,
            expect: Expect::Revision(revision),
            changes: vec![change],
        }
    };
    let writes = step.changes.into_iter().map(write).collect();
    let basis = Cause::Started { policy: version }.alone();
    let basis = basis.map_err(|error| incident(&format!("a start cannot be written down: {error}")))?;
    let _still = home.switch.pass().await?;
    let record = shell
        .commit(Proposal {
            at: now,
            by,
            because: Some(step.because),
            basis: Some(basis),
            writes,
        })
        .await?;
    note_begun(home, &record);
    drop(line);
    Ok(id)
}

/// Tells the neighbours of a rollout that it began.
fn note_begun(home: &Environment, record: &Record) {
    for entry in &record.entries {
        if let Change::Rollout(change) = &entry.change
            && let Ok(rollout) = Rollout::apply(None, change, record.at, entry.revision)
        {
            home.neighbours.note(&rollout, entry.revision);
        }
    }
}

/// What a plan waits for has to be there, and must not wait for its rollout in turn.
pub(crate) async fn check_neighbours(
    shell: &Shell,
    start: &RolloutStart,
    plan: &Policy,
) -> Result<(), ControlError> {
    if plan.dependencies.is_empty() {
        return Ok(());
    }
    let catalog = load_catalog(shell.store.as_ref(), &start.environment).await?;
    let flags: Vec<FlagKey> = catalog.flags.into_keys().collect();
    let home = shell.environment(&start.environment)?;
    home.neighbours.check(start, plan, &flags)
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

/// A policy that asks Prometheus needs one.
fn check_source(shell: &Shell, policy: &Policy) -> Result<(), ControlError> {
    if policy.asks_prometheus() && !shell.poller.has_prometheus() {
        return Err(ControlError::Refused(Refusal::conflict(
            format!(
                "policy {} asks Prometheus, and this control plane has none to ask",
                policy.name
            ),
            "start it with --prometheus URL, or use a policy whose rules look at events",
        )));
    }
    Ok(())
}

/// What must be there for a rollout to follow this plan: a Prometheus, and the targets that it names.
/// Otherwise nobody would ever be told, or asked.
pub(crate) fn check_surroundings(shell: &Shell, start: &RolloutStart) -> Result<(), ControlError> {
    check_source(shell, &start.plan)?;
    let unfit = unfit_targets(start, |name| shell.targets.get(name).map(Target::channel));
    if unfit.is_empty() {
        return Ok(());
    }
    let known: Vec<&str> = shell.targets.names().map(TargetName::as_str).collect();
    Err(ControlError::Refused(Refusal::conflict(
        unfit.join("; "),
        format!(
            "targets are named in the file of --targets; known: {}",
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        ),
    )))
}

/// Asks what is left of the error budgets that the plan wants left.
async fn check_budgets(shell: &Shell, step: &Step) -> Result<(), ControlError> {
    let plans = step.changes.iter().filter_map(|(_, change)| match change {
        Change::Rollout(RolloutChange::Started(started)) => Some(&started.plan),
        _ => None,
    });
    for rule in plans.flat_map(|plan| &plan.safety.rules) {
        let Source::Slo(slo) = &rule.source else {
            continue;
        };
        if let Some(budget) = slo.budget.as_ref().filter(|_| !rule.dry_run) {
            let period = shell.poller.number(&budget.period.query).await;
            start::check_budget(rule, &period).map_err(ControlError::Refused)?;
        }
    }
    Ok(())
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

async fn load_latest_rollout(
    store: &dyn Store,
    environment: &EnvironmentKey,
    flag: &FlagKey,
    attempts: u32,
) -> Result<Option<Rollout>, ControlError> {
    let Ok(id) = RolloutId::of_attempt(flag, attempts) else {
        return Ok(None);
    };
    let entity = EntityRef::Rollout(environment.clone(), id);
    let stored = store.load(&entity).await.map_err(ControlError::Store)?;
    Ok(stored.and_then(|stored| match stored.state {
        EntityState::Rollout(rollout) => Some(*rollout),
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

/// All flags and segments of an environment.
pub(crate) async fn load_catalog(
    store: &dyn Store,
    environment: &EnvironmentKey,
) -> Result<Catalog, ControlError> {
    let mut catalog = Catalog::default();
    for kind in [Kind::Flag, Kind::Segment] {
        for stored in store
            .list(kind, Some(environment))
            .await
            .map_err(ControlError::Store)?
        {
            match stored.state {
                EntityState::Flag(state) => {
                    catalog.flags.insert(state.flag.key().clone(), state.flag);
                }
                EntityState::Segment(segment) => {
                    catalog.segments.insert(segment.key().clone(), segment);
                }
                _ => {}
            }
        }
    }
    Ok(catalog)
}
