//! One actor per experiment that is to start, runs, or waits for late events: it wakes up, has the numbers looked at, and
//! stores what follows.

use crate::control::ControlError;
use crate::definitions::Definitions;
use crate::shell::{Environment, Shell, incident, panic_text};
use crate::view::Revised;
use actix::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_decide::experiment::{Ground, LOOK_EVERY, due, watch};
use tidegate_decide::freeze;
use tidegate_decide::step::Step;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::Because;
use tidegate_model::change::{Change, EntityRef, EntityState};
use tidegate_model::experiment::ExperimentState;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::flag::FlagState;
use tidegate_model::freeze::Frozen;
use tidegate_model::key::{EnvironmentKey, ExperimentKey, FlagKey, Revision};
use tidegate_store::{Expect, Proposal, Write};
use tokio::sync::MutexGuard;

/// Its state has changed: look at once.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Poke;

/// Does it still handle anything?
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Sweep;

/// How often an experiment's actor was swept.
pub(crate) type Pulse = Arc<AtomicU64>;

/// One experiment. It holds no state of its own: what is true is in the store, and every commit names the revision that
/// it was decided on.
pub(crate) struct ExperimentActor {
    shell: Arc<Shell>,
    environment: EnvironmentKey,
    key: ExperimentKey,
    wake: Option<SpawnHandle>,
    pulse: Pulse,
    seen: Option<LastLook>,
}

/// What a look was taken at. At the same revision the same numbers say the same, until time makes something of them.
#[derive(PartialEq)]
struct LastLook {
    revision: Revision,
    tallies: Vec<Tallies>,
}

impl ExperimentActor {
    pub(crate) fn new(shell: Arc<Shell>, environment: EnvironmentKey, key: ExperimentKey) -> Self {
        Self {
            shell,
            environment,
            key,
            wake: None,
            pulse: Pulse::default(),
            seen: None,
        }
    }

    /// What shows that it lives.
    pub(crate) fn pulse(&self) -> Pulse {
        Arc::clone(&self.pulse)
    }

    /// Takes one look. Nothing else is handled until it is done.
    fn look(&mut self, ctx: &mut Context<Self>) {
        if let Some(wake) = self.wake.take() {
            ctx.cancel_future(wake);
        }
        let (shell, environment, key) = (self.shell.clone(), self.environment.clone(), self.key.clone());
        let mut seen = self.seen.take();
        let looking = async move { (look(&shell, &environment, &key, &mut seen).await, seen) };
        ctx.wait(looking.into_actor(self).map(|(next, seen), actor, ctx| {
            actor.seen = seen;
            actor.arm(next, ctx);
        }));
    }

    fn arm(&mut self, next: Result<Next, ControlError>, ctx: &mut Context<Self>) {
        let now = self.shell.clock.now();
        let at = match next {
            Ok(Next::Idle) => return,
            Ok(Next::At(at)) => at,
            Err(ControlError::Stale { .. }) => now,
            Err(error) => {
                tracing::warn!(experiment = %self.key, %error, "a look at an experiment failed; it is repeated");
                LOOK_EVERY.after(now)
            }
        };
        let pause = (at - now).to_std().unwrap_or_default();
        self.wake = Some(ctx.run_later(pause, Self::look));
    }
}

impl Actor for ExperimentActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look(ctx);
    }
}

impl Handler<Poke> for ExperimentActor {
    type Result = ();

    fn handle(&mut self, _poke: Poke, ctx: &mut Self::Context) {
        self.look(ctx);
    }
}

impl Handler<Sweep> for ExperimentActor {
    type Result = ();

    fn handle(&mut self, _sweep: Sweep, _ctx: &mut Self::Context) {
        self.pulse.fetch_add(1, Ordering::Relaxed);
    }
}

/// When to look again.
enum Next {
    At(Timestamp),
    /// When its state has changed: it would not hear of that if it had ended meanwhile.
    Idle,
}

/// One look: what time and the numbers make of it becomes true. `seen` is what the last one was taken at.
async fn look(
    shell: &Shell,
    environment: &EnvironmentKey,
    key: &ExperimentKey,
    seen: &mut Option<LastLook>,
) -> Result<Next, ControlError> {
    let home = shell.environment(environment)?;
    let entity = EntityRef::Experiment(environment.clone(), key.clone());
    let Some(before) = load(shell, &entity).await?.filter(|one| one.value.is_watched()) else {
        home.observatory.forget(key).await;
        return Ok(Next::Idle);
    };
    let tallies = if before.value.started.is_some() {
        let fold = async {
            home.observatory.follow(&before.value).await?;
            home.observatory.tallies(key).await
        };
        fold.await.map_err(ControlError::Observing)?
    } else {
        None
    };
    let last = tallies.clone().map(|tallies| LastLook {
        revision: before.revision,
        tallies,
    });
    let now = shell.clock.now();
    let due = due(&before.value);
    if before.value.phase.holds() && last.is_some() && *seen == last && due.is_none_or(|at| now < at) {
        let next = LOOK_EVERY.after(now);
        return Ok(Next::At(due.map_or(next, |at| at.min(next))));
    }
    *seen = last;
    let settled = settle(
        shell,
        home,
        &entity,
        &before,
        Author::Tidegate,
        |state, ground, now| Ok(watch(state, tallies.as_deref(), ground, now)),
    );
    let step = settled.await?;
    let now = shell.clock.now();
    let soon = if step.changes.is_empty() {
        LOOK_EVERY.after(now)
    } else {
        now
    };
    Ok(Next::At(step.wake_at.unwrap_or(soon)))
}

/// Decides on what is stored, and stores what follows: nothing in between can change the ground that it stands on
/// unnoticed.
///
/// # Errors
/// Why it is refused; [`ControlError::Stale`] when the experiment is not at this revision any more.
pub(crate) async fn settle(
    shell: &Shell,
    home: &Environment,
    entity: &EntityRef,
    before: &Revised<ExperimentState>,
    by: Author,
    decide: impl FnOnce(&ExperimentState, &Ground<'_>, Timestamp) -> Result<Step, ControlError>,
) -> Result<Step, ControlError> {
    let here = Here::of(shell, home, &before.value.design.flag).await?;
    let ground = here.ground();
    let now = shell.clock.now();
    let decided = catch_unwind(AssertUnwindSafe(|| decide(&before.value, &ground, now)));
    let step = decided.unwrap_or_else(|panic| {
        let what = format!("the step of {entity} panicked: {}", panic_text(panic.as_ref()));
        Err(incident(&what))
    })?;
    if !step.changes.is_empty() {
        let seen = here.seen(before.revision);
        let opens = step.changes.iter().any(|(_, change)| freeze::is_held(change));
        let _still = match opens {
            true => Some(home.switch.pass().await?),
            false => None,
        };
        shell
            .commit(proposal(&step.changes, &step.because, seen, by, now))
            .await?;
    }
    Ok(step)
}

/// What an experiment stands on, as it is stored: held still for as long as this is kept.
pub(crate) struct Here<'a> {
    environment: &'a EnvironmentKey,
    definitions: MutexGuard<'a, Definitions>,
    flag: Option<Revised<FlagState>>,
    frozen: Option<Frozen>,
}

impl<'a> Here<'a> {
    pub(crate) async fn of(
        shell: &Shell,
        home: &'a Environment,
        flag: &FlagKey,
    ) -> Result<Self, ControlError> {
        Ok(Self {
            environment: &home.key,
            definitions: home.definitions.in_line(shell.store.as_ref()).await?,
            flag: load_flag(shell, &home.key, flag).await?,
            frozen: home.switch.current(),
        })
    }

    pub(crate) fn ground(&self) -> Ground<'_> {
        Ground {
            environment: self.environment,
            settings: self.definitions.settings,
            catalog: &self.definitions.catalog,
            flag: self.flag.as_ref().map(|flag| &flag.value),
            frozen: self.frozen.as_ref(),
        }
    }

    /// What is decided here of an experiment at this revision names these.
    pub(crate) fn seen(&self, experiment: Revision) -> Seen {
        Seen {
            experiment,
            flag: self.flag.as_ref().map_or(Revision::ABSENT, |flag| flag.revision),
        }
    }
}

/// The revisions that something was decided on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) experiment: Revision,
    pub(crate) flag: Revision,
}

/// Changes of an experiment and of its flag, as a proposal.
pub(crate) fn proposal(
    changes: &[(EntityRef, Change)],
    because: &Because,
    seen: Seen,
    by: Author,
    now: Timestamp,
) -> Proposal {
    let mut writes: Vec<Write> = Vec::new();
    for (entity, change) in changes {
        if let Some(write) = writes.iter_mut().find(|write| write.entity == *entity) {
            write.changes.push(change.clone());
            continue;
        }
        let expect = match entity {
            EntityRef::Flag(..) => Expect::Revision(seen.flag),
            // A draft that was deleted goes on counting when it is made again: the store compares.
            _ if seen.experiment == Revision::ABSENT => Expect::Any,
            _ => Expect::Revision(seen.experiment),
        };
        writes.push(Write {
            entity: entity.clone(),
            expect,
            changes: vec![change.clone()],
        });
    }
    Proposal {
        at: now,
        by,
        because: Some(because.clone()),
        basis: None,
        writes,
    }
}

/// An experiment as it is stored.
pub(crate) async fn load(
    shell: &Shell,
    entity: &EntityRef,
) -> Result<Option<Revised<ExperimentState>>, ControlError> {
    let stored = shell.store.load(entity).await.map_err(ControlError::Store)?;
    Ok(stored.and_then(|stored| match stored.state {
        EntityState::Experiment(state) => Some(Revised {
            value: *state,
            revision: stored.revision,
        }),
        _ => None,
    }))
}

/// The flag of an experiment as it is stored.
pub(crate) async fn load_flag(
    shell: &Shell,
    environment: &EnvironmentKey,
    key: &FlagKey,
) -> Result<Option<Revised<FlagState>>, ControlError> {
    let entity = EntityRef::Flag(environment.clone(), key.clone());
    let stored = shell.store.load(&entity).await.map_err(ControlError::Store)?;
    Ok(stored.and_then(|stored| match stored.state {
        EntityState::Flag(value) => Some(Revised {
            value,
            revision: stored.revision,
        }),
        _ => None,
    }))
}
