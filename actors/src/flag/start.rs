//! What has to be so for a rollout to begin, and its first record.

use super::ground::Ground;
use super::{HandOver, Start, Wanted, load_policy};
use crate::control::{ControlError, check_list};
use crate::definitions::Definitions;
use crate::experiment::load_flag;
use crate::notices::Target;
use crate::shell::{Environment, Shell, incident};
use crate::view::Revised;
use std::sync::Arc;
use tidegate_decide::environment::check_target;
use tidegate_decide::experiment;
use tidegate_decide::freeze;
use tidegate_decide::notice::unfit_targets;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::shadow;
use tidegate_decide::staged::check_beside;
use tidegate_decide::start::{self, Authors};
use tidegate_decide::step::Step;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::calendar::ZONE_DATA;
use tidegate_model::catalog::Catalog;
use tidegate_model::change::{Change, EntityRef, EntityState, PolicyState, Record};
use tidegate_model::key::{EnvironmentKey, FlagKey, RolloutId, TargetName};
use tidegate_model::policy::{Policy, Source};
use tidegate_model::rollout::{Rollout, RolloutChange, RolloutStart};
use tidegate_store::{Expect, Proposal, Store, Write};
use tidegate_trail::cause::Cause;

pub(super) async fn start_rollout(
    shell: &Shell,
    environment: &EnvironmentKey,
    key: &FlagKey,
    Start { request, by }: Start,
) -> Result<RolloutId, ControlError> {
    let Revised {
        value: PolicyState {
            policy, by: editor, ..
        },
        revision: version,
    } = load_policy(shell, environment, request.policy()).await?;
    check_source(shell, &policy)?;
    if let Some(frozen) = shell.environment(environment)?.switch.current() {
        return Err(ControlError::Refused(freeze::refusal(&frozen)));
    }
    let ground = Ground::load(shell, environment, key, &request).await?;
    let now = shell.clock.now();
    let authors = Authors {
        starter: &by,
        editor: editor.as_ref(),
    };
    let (id, mut step) = ground
        .step(&request, environment, &policy, authors, now)
        .map_err(ControlError::Refused)?;
    let shadow = match request.shadow() {
        Some(name) => {
            let beside = load_policy(shell, environment, name).await?;
            check_source(shell, &beside.value.policy)?;
            shadow::beside(&mut step, &beside.value.policy).map_err(ControlError::Refused)?;
            Some((name.clone(), beside.revision))
        }
        None => None,
    };
    check_budgets(shell, &step).await?;
    let home = shell.environment(environment)?;
    // A variation that is made for the rollout is an edit like any; and no segment is edited or removed while a
    // rollout that opens to it begins.
    let definitions = home.definitions.in_line(shell.store.as_ref()).await?;
    check_edits(shell, environment, &definitions, &step).await?;
    if let Wanted::Winner(_, from) = &request {
        step.changes = handed_over(shell, environment, &definitions, from, &by, now)
            .await?
            .into_iter()
            .chain(step.changes)
            .collect();
    }
    let line = home.neighbours.line().await;
    check_step(shell, &definitions.catalog, &step)?;
    let firing = home.alerts.firing();
    tidegate_decide::alert::may_start(&step.changes, &firing).map_err(ControlError::Refused)?;
    let all = home.neighbours.all();
    let others = all.iter().map(Arc::as_ref);
    let neighbours = start::concerning(&step, others.clone());
    let step = start::queue(step, others, now).map_err(ControlError::Refused)?;
    let cause = Cause::Started {
        policy: version,
        shadow,
        neighbours,
        zone_data: ZONE_DATA.to_owned(),
    };
    let proposal = proposal(step, by, &ground, &cause, now)?;
    let _still = home.switch.pass().await?;
    let record = shell.commit(proposal).await?;
    note_begun(home, &record);
    drop((line, definitions));
    Ok(id)
}

/// How the experiment ends whose winner is opened.
async fn handed_over(
    shell: &Shell,
    environment: &EnvironmentKey,
    definitions: &Definitions,
    from: &HandOver,
    by: &Author,
    now: Timestamp,
) -> Result<Vec<(EntityRef, Change)>, ControlError> {
    let state = &from.experiment.value;
    let flag = load_flag(shell, environment, &state.design.flag).await?;
    let ground = experiment::Ground {
        environment,
        settings: definitions.settings,
        catalog: &definitions.catalog,
        flag: flag.as_ref().map(|flag| &flag.value),
        frozen: None,
    };
    let end = experiment::command(state, &from.command, None, &ground, by, now);
    Ok(end.map_err(ControlError::Refused)?.changes)
}

/// What has to be there for the rollout that `step` starts.
fn check_step(shell: &Shell, catalog: &Catalog, step: &Step) -> Result<(), ControlError> {
    for (_, change) in &step.changes {
        if let Change::Rollout(RolloutChange::Started(start)) = change {
            check_surroundings(shell, start)?;
            check_segments(catalog, &start.plan)?;
            check_neighbours(shell, catalog, start, &start.plan)?;
        }
    }
    Ok(())
}

/// What a start saves or stages has to fit the environment.
async fn check_edits(
    shell: &Shell,
    environment: &EnvironmentKey,
    definitions: &Definitions,
    step: &Step,
) -> Result<(), ControlError> {
    let Definitions {
        catalog, settings, ..
    } = definitions;
    for (_, edit) in &step.changes {
        if let Change::SegmentStaged(staged) = edit {
            let key = staged.definition.key();
            check_list(shell, catalog.segments.get(key), staged.definition.definition()).await?;
            let opening = shell.environment(environment)?.neighbours.opening_to(key);
            check_beside(catalog, &staged.definition, &opening).map_err(ControlError::Refused)?;
        }
        check_target(environment, *settings, catalog, edit).map_err(ControlError::Refused)?;
    }
    Ok(())
}

/// What a start becomes in the store, decided for this cause on this ground.
fn proposal(
    step: Step,
    by: Author,
    ground: &Ground,
    cause: &Cause,
    now: Timestamp,
) -> Result<Proposal, ControlError> {
    let mut writes: Vec<Write> = Vec::new();
    for (entity, change) in step.changes {
        let expect = Expect::Revision(ground.revision(entity.kind()));
        match writes.iter_mut().find(|write| write.entity == entity) {
            Some(write) => write.changes.push(change),
            None => writes.push(Write {
                entity,
                expect,
                changes: vec![change],
            }),
        }
    }
    let basis = cause
        .alone()
        .map_err(|error| incident(&format!("a start cannot be written down: {error}")))?;
    Ok(Proposal {
        at: now,
        by,
        because: Some(step.because),
        basis: Some(basis),
        writes,
    })
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

/// The segments to which a plan opens have to be there, and stay while the caller holds the environment's gate.
pub(crate) fn check_segments(catalog: &Catalog, plan: &Policy) -> Result<(), ControlError> {
    start::check_segments(plan, catalog).map_err(ControlError::Refused)
}

/// What a plan waits for has to be there, and must not wait for its rollout in turn.
pub(crate) fn check_neighbours(
    shell: &Shell,
    catalog: &Catalog,
    start: &RolloutStart,
    plan: &Policy,
) -> Result<(), ControlError> {
    if plan.dependencies.is_empty() {
        return Ok(());
    }
    let home = shell.environment(&start.environment)?;
    home.neighbours.check(start, plan, catalog)
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

pub(super) async fn load_latest_rollout(
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
