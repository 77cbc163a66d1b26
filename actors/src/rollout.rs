//! One actor per running rollout: fetches, asks the step function, stores, acts.

use crate::control::ControlError;
use crate::gates::Ready;
use crate::neighbours::heeds;
use crate::publisher::Attach;
use crate::shell::{Environment, Shell, incident, panic_text};
use crate::view::{self, RolloutView};
use actix::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_decide::freeze;
use tidegate_decide::rollout::{Answer, Input, Observed, Question};
use tidegate_decide::step::{Effect, Step};
use tidegate_model::Timestamp;
use tidegate_model::access::{Author, Role};
use tidegate_model::basis::Basis;
use tidegate_model::because::{Because, Decision};
use tidegate_model::calendar::ZONE_DATA;
use tidegate_model::change::{Change, EntityRef, EntityState, Record};
use tidegate_model::key::Revision;
use tidegate_model::rollout::{Phase, Rollout, RolloutCommand};
use tidegate_model::span::Span;
use tidegate_store::{Expect, Proposal, Write};
use tidegate_trail::cause::Cause;
use tidegate_trail::ledger::Ledger;

mod edit;
mod heard;
mod looking;

pub(crate) use edit::{Edit, Edited, edit};

mod drill;
mod shadow;

pub(crate) use drill::Breach;

/// How late a wake-up may be before the sweep repairs it (faults.md F35).
const WAKE_OVERDUE: Span = Span::seconds(60);

/// How soon a step is tried again for which there was no room on the disk, or that opens while the control plane only serves.
const NOT_NOW: Span = Span::seconds(5);

/// A person wants something of the rollout.
#[derive(Message)]
#[rtype(result = "Result<RolloutView, ControlError>")]
pub(crate) struct Command {
    pub(crate) command: RolloutCommand,
    pub(crate) expect: Expect,
    pub(crate) by: Author,
    pub(crate) role: Role,
}

/// How does it look?
#[derive(Message)]
#[rtype(result = "RolloutView")]
pub(crate) struct Observe;

/// Are you still waking up, and does the publisher of today know you?
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Sweep;

/// How often a rollout's actor was swept: whoever sent the sweeps sees whether it still handles anything.
pub(crate) type Pulse = Arc<AtomicU64>;

/// Time passed.
#[derive(Message)]
#[rtype(result = "()")]
struct Wake;

/// A gate answered.
#[derive(Message)]
#[rtype(result = "()")]
struct Answered(Question, Answer);

/// One running rollout.
pub(crate) struct RolloutActor {
    shell: Arc<Shell>,
    entity: EntityRef,
    rollout: Rollout,
    revision: Revision,
    observed: Observed,
    ledger: Ledger,
    because: Option<Because>,
    wake: Option<(SpawnHandle, Timestamp)>,
    /// What its shadow knows.
    watching: shadow::Watching,
    pulse: Pulse,
}

type Reply<T> = AtomicResponse<RolloutActor, T>;
type Driven = ResponseActFuture<RolloutActor, Result<(), ControlError>>;

impl RolloutActor {
    pub(crate) fn new(shell: Arc<Shell>, entity: EntityRef, rollout: Rollout, revision: Revision) -> Self {
        Self {
            shell,
            entity,
            rollout,
            revision,
            observed: Observed {
                zone_data: ZONE_DATA.to_owned(),
                ..Observed::default()
            },
            ledger: Ledger::default(),
            because: None,
            wake: None,
            watching: shadow::Watching::default(),
            pulse: Pulse::default(),
        }
    }

    /// What shows that it lives.
    pub(crate) fn pulse(&self) -> Pulse {
        Arc::clone(&self.pulse)
    }

    fn home(&self) -> Option<&Environment> {
        self.shell.environments.get(&self.rollout.start.environment)
    }

    fn view(&self) -> RolloutView {
        view::rollout(
            &self.rollout,
            self.revision,
            &self.observed,
            self.because.as_ref(),
            self.shell.clock.now(),
        )
    }

    /// Asks to be told what the nodes serve and which alerts fire. Asking again only makes them tell
    /// again.
    fn attach(&self, ctx: &mut Context<Self>) {
        if let Some(home) = self.home() {
            home.alerts.attach(&self.rollout.start, ctx.address().recipient());
            let recipient = ctx.address().recipient();
            home.neighbours.attach(&self.rollout, self.revision, recipient);
        }
        if let Some(publisher) = self.home().and_then(Environment::publisher) {
            publisher.do_send(Attach {
                rollout: self.rollout.start.id.clone(),
                started: self.rollout.started,
                recipient: ctx.address().recipient(),
            });
        }
    }

    /// Takes one input through the step function, stores what becomes true, and only then acts.
    /// Runs alone: no other message is handled until it is done.
    fn drive(&mut self, input: Input, ctx: &mut Context<Self>) -> Driven {
        let now = self.shell.clock.now();
        self.observed.take_in(&input);
        self.observed.frozen = self.home().and_then(|home| home.switch.current());
        let step = match self.decide(&input, now, ctx) {
            Ok(step) => step,
            Err(error) => return ready(self, Err(error)),
        };
        if step.changes.is_empty() {
            self.act(step, now, ctx);
            return ready(self, Ok(()));
        }
        let opens = step.changes.iter().any(|(_, change)| freeze::is_held(change));
        let basis = match self.ledger.basis(&self.observed, &Cause::of(&input)) {
            Ok(basis) => basis,
            Err(error) => {
                let what = format!("what {} decides on cannot be written down: {error}", self.entity);
                return ready(self, Err(incident(&what)));
            }
        };
        let proposal = self.proposal(&step, author(&input), basis, now);
        let shell = self.shell.clone();
        let start = self.rollout.start.clone();
        let seen = (opens && heeds(&self.rollout)).then(|| self.observed.neighbours.clone());
        let stored = async move {
            let line = match seen {
                Some(seen) => {
                    let neighbours = &shell.environment(&start.environment)?.neighbours;
                    let line = neighbours.line().await;
                    let moved = neighbours.concerning(&start);
                    if moved != seen {
                        return Ok(Err(moved));
                    }
                    Some(line)
                }
                None => None,
            };
            let _still = match opens {
                true => Some(shell.environment(&start.environment)?.switch.pass().await?),
                false => None,
            };
            Ok(Ok((shell.commit(proposal).await?, line)))
        };
        Box::pin(stored.into_actor(self).then(move |stored, actor, ctx| {
            let stored = match stored {
                Ok(Ok((record, _line))) => Ok(record),
                // Others have moved since this was decided: it is decided again on what they did.
                Ok(Err(moved)) => {
                    actor.observed.neighbours = moved.clone();
                    let input = match input {
                        Input::Neighbours(_) => Input::Neighbours(moved),
                        other => other,
                    };
                    return actor.drive(input, ctx);
                }
                Err(error) => Err(error),
            };
            let stored = actor.stored(stored, step, now, ctx);
            ready(actor, stored)
        }))
    }

    /// What follows from `input` now.
    fn decide(&self, input: &Input, now: Timestamp, ctx: &mut Context<Self>) -> Result<Step, ControlError> {
        let step = self.shell.step;
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            step(&self.rollout, &self.observed, input, now)
        }));
        match stepped {
            Ok(step) => step.map_err(ControlError::Refused),
            Err(panic) => {
                // The input is in the log, not tried again: what panicked once panics again (F57).
                let panic = panic_text(panic.as_ref());
                let what = format!("step of {} panicked on {input:?}: {panic}", self.entity);
                ctx.stop();
                Err(incident(&what))
            }
        }
    }

    fn proposal(&self, step: &Step, by: Author, basis: Box<Basis>, now: Timestamp) -> Proposal {
        Proposal {
            at: now,
            by,
            because: Some(step.because.clone()),
            basis: Some(basis),
            writes: writes(&step.changes, &self.entity, self.revision),
        }
    }

    fn stored(
        &mut self,
        stored: Result<Record, ControlError>,
        step: Step,
        now: Timestamp,
        ctx: &mut Context<Self>,
    ) -> Result<(), ControlError> {
        let plan = self.rollout.start.plan_digest.clone();
        let folded = stored.and_then(|record| {
            self.ledger.stored(&self.observed, record.sequence);
            self.fold(&record)
        });
        if let Err(error @ (ControlError::Full | ControlError::ServesOnly { .. })) = folded {
            // Nothing happened, and nothing is wrong with the rollout: it goes on looking, and tries again.
            tracing::warn!(rollout = %self.entity, because = %step.because, %error, "not stored");
            self.wake_at(Some(NOT_NOW.after(now)), now, ctx);
            return Err(error);
        }
        if let Err(error) = folded {
            // Nothing happened, or more than this actor knows of: a fresh one starts from the store.
            tracing::warn!(rollout = %self.entity, %error, "step not stored; the rollout is loaded again");
            ctx.stop();
            return Err(error);
        }
        tracing::info!(rollout = %self.rollout.start.id, environment = %self.rollout.start.environment, "{}", step.because);
        if let Some(home) = self.home() {
            home.neighbours.note(&self.rollout, self.revision);
        }
        if plan != self.rollout.start.plan_digest {
            // Other alerts may concern it now.
            self.attach(ctx);
        }
        note_decision(&self.shell, &self.rollout, &step.because);
        self.act(step, now, ctx);
        Ok(())
    }

    fn fold(&mut self, record: &Record) -> Result<(), ControlError> {
        for entry in record.entries.iter().filter(|entry| entry.entity == self.entity) {
            let Change::Rollout(change) = &entry.change else {
                continue;
            };
            let before = Some(self.rollout.clone());
            self.rollout = Rollout::apply(before, change, record.at, entry.revision)
                .map_err(|error| incident(&format!("a stored change does not fold: {error}")))?;
            self.revision = entry.revision;
        }
        Ok(())
    }

    fn act(&mut self, step: Step, now: Timestamp, ctx: &mut Context<Self>) {
        self.observed.note_asked(&step, now);
        self.because = Some(step.because);
        for effect in step.effects {
            match effect {
                Effect::Measure(rules) => self.measure(&rules, now, ctx),
                Effect::Ask(questions) => self.ask(questions, now, ctx),
                Effect::Publish => {
                    if let Some(home) = self.home() {
                        home.nudge();
                    }
                }
                Effect::Alert(text) => {
                    self.shell.measures.others.alerts.inc();
                    tracing::warn!(rollout = %self.rollout.start.id, "{text}");
                }
            }
        }
        self.wake_at(step.wake_at, now, ctx);
    }

    fn wake_at(&mut self, at: Option<Timestamp>, now: Timestamp, ctx: &mut Context<Self>) {
        if let Some((armed, _at)) = self.wake.take() {
            ctx.cancel_future(armed);
        }
        self.wake = at.map(|at| {
            let wait = Span::between(now, at).duration();
            (ctx.run_later(wait, |_actor, ctx| ctx.notify(Wake)), at)
        });
    }

    /// Asks these gates, each on its own.
    fn ask(&self, questions: Vec<Question>, now: Timestamp, ctx: &mut Context<Self>) {
        let ready = questions
            .into_iter()
            .filter_map(|question| Ready::of(question, &self.rollout));
        for ready in ready {
            let shell = self.shell.clone();
            let asking = async move { ready.ask(&shell.targets, now).await };
            ctx.spawn(asking.into_actor(self).map(|(question, answer), actor, ctx| {
                let word = match &answer {
                    Answer::Said { verdict, .. } => verdict.to_string(),
                    Answer::Broken { why } => {
                        tracing::warn!(rollout = %actor.rollout.start.id, gate = %question.target, why, "a gate gives no answer");
                        "broken".to_owned()
                    }
                };
                let labels = [question.target.as_str(), &word];
                actor.shell.measures.others.gates.with_label_values(&labels).inc();
                ctx.notify(Answered(question, answer));
            }));
        }
    }
}

/// What is stored of a step of the rollout `ours`, which was at `revision`.
pub(crate) fn writes(changes: &[(EntityRef, Change)], ours: &EntityRef, revision: Revision) -> Vec<Write> {
    let mut writes: Vec<Write> = Vec::new();
    for (entity, change) in changes {
        match writes.iter_mut().find(|write| write.entity == *entity) {
            Some(write) => write.changes.push(change.clone()),
            None => {
                // Other things than the rollout are the flag it holds, which nobody else may
                // change in a way that matters here.
                let expect = match entity == ours {
                    true => Expect::Revision(revision),
                    false => Expect::Any,
                };
                writes.push(Write {
                    entity: entity.clone(),
                    expect,
                    changes: vec![change.clone()],
                });
            }
        }
    }
    writes
}

/// Counts what was decided of a rollout.
pub(crate) fn note_decision(shell: &Shell, rollout: &Rollout, because: &Because) {
    let measures = &shell.measures;
    if rollout.start.drill {
        return;
    }
    if let Decision::RolledBack { took } = because.decision {
        measures.time_to_safe.observe(took.as_seconds());
    }
    measures
        .decisions
        .with_label_values(&[because.decision.name()])
        .inc();
    let labels = [rollout.start.environment.as_str(), rollout.start.flag.as_str()];
    measures
        .share
        .with_label_values(&labels)
        .set(rollout.share.percent());
}

/// Whose doing it is.
fn author(input: &Input) -> Author {
    match input {
        Input::Command { by, .. }
        | Input::Amend { by, .. }
        | Input::Accelerate { by, .. }
        | Input::FlagEdited { by, .. } => by.clone(),
        _ => Author::Tidegate,
    }
}

fn ready(actor: &RolloutActor, result: Result<(), ControlError>) -> Driven {
    Box::pin(std::future::ready(result).into_actor(actor))
}

impl Actor for RolloutActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // The effects of the present state are sent again: whoever got them before will not mind (F27).
        if let Some(home) = self.home() {
            home.nudge();
        }
        self.attach(ctx);
        ctx.notify(Wake);
        ctx.notify(shadow::ShadowWake);
    }
}

impl Handler<Command> for RolloutActor {
    type Result = Reply<Result<RolloutView, ControlError>>;

    fn handle(&mut self, command: Command, ctx: &mut Self::Context) -> Self::Result {
        let Command {
            command,
            expect,
            by,
            role,
        } = command;
        if let Err(error) = crate::control::check_expected(&self.entity, expect, self.revision) {
            return AtomicResponse::new(Box::pin(std::future::ready(Err(error)).into_actor(self)));
        }
        let driven = self.drive(Input::Command { command, by, role }, ctx);
        AtomicResponse::new(Box::pin(
            driven.map(|done, actor, _ctx| done.map(|()| actor.view())),
        ))
    }
}

impl Handler<Observe> for RolloutActor {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, _observe: Observe, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.view())
    }
}

impl Handler<Sweep> for RolloutActor {
    type Result = ();

    fn handle(&mut self, _sweep: Sweep, ctx: &mut Self::Context) {
        self.pulse.fetch_add(1, Ordering::Relaxed);
        self.attach(ctx);
        let now = self.shell.clock.now();
        let overdue = self
            .wake
            .as_ref()
            .is_none_or(|(_armed, at)| WAKE_OVERDUE.after(*at) < now);
        if overdue && !matches!(self.rollout.phase, Phase::Ended { .. }) {
            self.shell.measures.missed_wakes.inc();
            ctx.notify(Wake);
        }
    }
}

/// The rollout that the store has under this name.
pub(crate) async fn load(
    store: &dyn tidegate_store::Store,
    entity: &EntityRef,
) -> Result<Option<(Rollout, Revision)>, ControlError> {
    let stored = store.load(entity).await.map_err(ControlError::Store)?;
    Ok(stored.and_then(|stored| match stored.state {
        EntityState::Rollout(rollout) => Some((*rollout, stored.revision)),
        _ => None,
    }))
}
