//! Looks after one rollout whose actor failed too often, by functions that share nothing with the step that fails.

use crate::alerts::AlertsMoved;
use crate::control::ControlError;
use crate::publisher::{Attach, FleetMoved};
use crate::rollout::{self, Sweep, note_decision, writes};
use crate::shell::{Environment, Shell, describe, incident, panic_text};
use actix::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tidegate_decide::quarantine::{self, Seen};
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::change::EntityRef;
use tidegate_model::rollout::{Rollout, RolloutCommand};
use tidegate_model::span::Span;
use tidegate_store::Proposal;
use tidegate_trail::cause::Cause;

/// How long to wait before the store is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// A person wants something of a rollout that is kept apart.
#[derive(Message)]
#[rtype(result = "Result<(), ControlError>")]
pub(crate) struct CommandApart {
    pub(crate) command: RolloutCommand,
    pub(crate) by: Author,
}

/// Looks after one rollout that is kept apart, until it has ended.
pub(crate) struct Apart {
    shell: Arc<Shell>,
    entity: EntityRef,
    since: Timestamp,
}

type Acting<T> = AtomicResponse<Apart, T>;

impl Apart {
    pub(super) fn new(shell: Arc<Shell>, entity: EntityRef, since: Timestamp) -> Self {
        Self { shell, entity, since }
    }

    /// Reads what there is to look after: what its policy says of blindness, and whom to listen to.
    fn take_on(&self, ctx: &mut Context<Self>) {
        let (shell, entity) = (self.shell.clone(), self.entity.clone());
        let loading = async move { rollout::load(shell.store.as_ref(), &entity).await };
        ctx.spawn(loading.into_actor(self).map(|loaded, actor, ctx| match loaded {
            Ok(Some((rollout, _revision))) if !rollout.has_ended() => {
                actor.attach(&rollout, ctx);
                let due = rollout.start.plan.blind.after.after(actor.since);
                let wait = Span::between(actor.shell.clock.now(), due).duration();
                ctx.run_later(wait, |actor, ctx| {
                    let acting = actor.act(Seen::Blind, Author::Tidegate);
                    ctx.wait(acting.map(|_told_in_the_log, _actor, _ctx| ()));
                });
            }
            Ok(_ended_or_gone) => ctx.stop(),
            Err(error) => {
                tracing::error!(rollout = %actor.entity, %error, "cannot be loaded to be looked after");
                ctx.run_later(AGAIN, |actor, ctx| actor.take_on(ctx));
            }
        }));
    }

    /// Asks to be told which alerts fire and what the nodes serve.
    fn attach(&self, rollout: &Rollout, ctx: &mut Context<Self>) {
        let home = self.shell.environments.get(&rollout.start.environment);
        if let Some(home) = home {
            home.alerts.attach(&rollout.start, ctx.address().recipient());
        }
        if let Some(publisher) = home.and_then(Environment::publisher) {
            publisher.do_send(Attach {
                rollout: rollout.start.id.clone(),
                started: rollout.started,
                recipient: ctx.address().recipient(),
            });
        }
    }

    /// Does what follows from what was seen, alone: nothing else is handled until it is done.
    fn act(&self, seen: Seen, by: Author) -> ResponseActFuture<Self, Result<(), ControlError>> {
        let (shell, entity) = (self.shell.clone(), self.entity.clone());
        let acting = async move { act(&shell, &entity, seen, by).await };
        Box::pin(acting.into_actor(self).map(|done, actor, ctx| {
            match &done {
                Ok(true) => ctx.stop(),
                Ok(false) | Err(ControlError::Refused(_)) => {}
                Err(error) => {
                    tracing::error!(rollout = %actor.entity, %error, "what is due for a rollout kept apart failed");
                }
            }
            done.map(drop)
        }))
    }
}

/// Does what follows from what was seen of a rollout. Says whether it has ended.
async fn act(shell: &Shell, entity: &EntityRef, seen: Seen, by: Author) -> Result<bool, ControlError> {
    let Some((rollout, revision)) = rollout::load(shell.store.as_ref(), entity).await? else {
        return Err(ControlError::NotFound {
            what: describe(entity),
        });
    };
    let now = shell.clock.now();
    let decided = catch_unwind(AssertUnwindSafe(|| quarantine::step(&rollout, &seen, &by, now)));
    let step = match decided {
        Ok(step) => step.map_err(ControlError::Refused)?,
        Err(panic) => {
            let panic = panic_text(panic.as_ref());
            return Err(incident(&format!(
                "{entity} is kept apart, and {seen:?} panicked: {panic}"
            )));
        }
    };
    let Some(step) = step else {
        return Ok(rollout.has_ended());
    };
    let basis = Cause::Apart(seen).alone().map_err(|error| {
        incident(&format!(
            "what {entity} decides on cannot be written down: {error}"
        ))
    })?;
    tracing::warn!(rollout = %entity, "{}", step.because);
    shell
        .commit(Proposal {
            at: now,
            by,
            because: Some(step.because.clone()),
            basis: Some(basis),
            writes: writes(&step.changes, entity, revision),
        })
        .await?;
    let Some((rollout, revision)) = rollout::load(shell.store.as_ref(), entity).await? else {
        return Ok(true);
    };
    note_decision(shell, &rollout, &step.because);
    let home = shell.environment(&rollout.start.environment)?;
    home.neighbours.note(&rollout, revision);
    Ok(rollout.has_ended())
}

impl Actor for Apart {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.take_on(ctx);
    }
}

impl Handler<CommandApart> for Apart {
    type Result = Acting<Result<(), ControlError>>;

    fn handle(
        &mut self,
        CommandApart { command, by }: CommandApart,
        _ctx: &mut Self::Context,
    ) -> Self::Result {
        AtomicResponse::new(self.act(Seen::Command(command), by))
    }
}

impl Handler<AlertsMoved> for Apart {
    type Result = Acting<()>;

    fn handle(&mut self, AlertsMoved(firing): AlertsMoved, _ctx: &mut Self::Context) -> Self::Result {
        let acting = self.act(Seen::Alerts(firing), Author::Tidegate);
        AtomicResponse::new(Box::pin(acting.map(|_told_in_the_log, _actor, _ctx| ())))
    }
}

impl Handler<FleetMoved> for Apart {
    type Result = Acting<()>;

    fn handle(&mut self, FleetMoved(fleet): FleetMoved, _ctx: &mut Self::Context) -> Self::Result {
        let acting = self.act(Seen::Fleet(fleet), Author::Tidegate);
        AtomicResponse::new(Box::pin(acting.map(|_told_in_the_log, _actor, _ctx| ())))
    }
}

impl Handler<Sweep> for Apart {
    type Result = ();

    fn handle(&mut self, _sweep: Sweep, ctx: &mut Self::Context) {
        let (shell, entity) = (self.shell.clone(), self.entity.clone());
        let loading = async move { rollout::load(shell.store.as_ref(), &entity).await };
        ctx.spawn(loading.into_actor(self).map(|loaded, actor, ctx| {
            if let Ok(Some((rollout, _revision))) = loaded {
                actor.attach(&rollout, ctx);
            }
        }));
    }
}
