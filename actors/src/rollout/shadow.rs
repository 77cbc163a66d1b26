//! The shadow of a rollout: measured, judged and stored beside it, and never acting.
//!
//! A mistake in it is its own: what it panics on is told and leaves the rollout as it is.

use super::RolloutActor;
use super::looking::Looked;
use crate::shell::{incident, panic_text};
use actix::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tidegate_decide::rollout::{Input, Observed};
use tidegate_decide::shadow::{self, Seen, ShadowStep};
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::calendar::ZONE_DATA;
use tidegate_model::change::Change;
use tidegate_model::key::RuleName;
use tidegate_model::span::Span;
use tidegate_store::{Expect, Proposal, Write};
use tidegate_trail::cause::Cause;
use tidegate_trail::ledger::Ledger;

/// Time passed for the shadow.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct ShadowWake;

/// The source of one of its rules answered.
#[derive(Message)]
#[rtype(result = "()")]
struct ShadowLooked(Looked);

/// What a shadow knows of the world, and when it looks again.
#[derive(Default)]
pub(super) struct Watching {
    pub(super) observed: Observed,
    /// What its records keep.
    ledger: Ledger,
    wake: Option<SpawnHandle>,
}

type Driven = ResponseActFuture<RolloutActor, ()>;

impl RolloutActor {
    /// Takes what was seen through the step function of shadows, and stores what becomes true of it.
    fn drive_shadow(&mut self, seen: &Seen, ctx: &mut Context<Self>) -> Driven {
        let now = self.shell.clock.now();
        if let Seen::Looks(looks) = seen {
            self.watching.observed.take_in(&Input::Looked(looks.clone()));
        }
        ZONE_DATA.clone_into(&mut self.watching.observed.zone_data);
        self.watching.observed.frozen = self.home().and_then(|home| home.switch.current());
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            shadow::step(&self.rollout, &self.watching.observed, seen, now)
        }));
        let step = match stepped {
            Ok(Some(step)) => step,
            Ok(None) => return Box::pin(std::future::ready(()).into_actor(self)),
            Err(panic) => {
                let what = format!("the shadow of {} panicked on {seen:?}", self.entity);
                let _told = incident(&format!("{what}: {}", panic_text(panic.as_ref())));
                return Box::pin(std::future::ready(()).into_actor(self));
            }
        };
        let Some((change, because)) = step.change.clone() else {
            self.watch(step, now, ctx);
            return Box::pin(std::future::ready(()).into_actor(self));
        };
        let cause = Cause::of_shadow(seen);
        let basis = match self.watching.ledger.basis(&self.watching.observed, &cause) {
            Ok(basis) => basis,
            Err(error) => {
                let what = format!("what the shadow of {} decides on", self.entity);
                let _told = incident(&format!("{what} cannot be written down: {error}"));
                return Box::pin(std::future::ready(()).into_actor(self));
            }
        };
        let shadow = self.rollout.shadow.as_ref();
        let because = shadow.map(|shadow| shadow.told(because));
        let proposal = Proposal {
            at: now,
            by: Author::Tidegate,
            because,
            basis: Some(basis),
            writes: vec![Write {
                entity: self.entity.clone(),
                expect: Expect::Revision(self.revision),
                changes: vec![Change::Rollout(change)],
            }],
        };
        let shell = self.shell.clone();
        let stored = async move { shell.commit(proposal).await };
        Box::pin(stored.into_actor(self).map(move |stored, actor, ctx| {
            let folded = stored.and_then(|record| actor.fold(&record).map(|()| record.sequence));
            match folded {
                Ok(sequence) => {
                    let Watching { observed, ledger, .. } = &mut actor.watching;
                    ledger.stored(observed, sequence);
                    actor.watch(step, now, ctx);
                }
                Err(error) => {
                    tracing::warn!(rollout = %actor.entity, %error, "step of its shadow not stored; the rollout is loaded again");
                    ctx.stop();
                }
            }
        }))
    }

    /// Asks what the shadow wants to know, and wakes it when it wants to be.
    fn watch(&mut self, step: ShadowStep, now: Timestamp, ctx: &mut Context<Self>) {
        let observed = &mut self.watching.observed;
        if !step.measure.is_empty() {
            observed.since.get_or_insert(now);
        }
        for rule in &step.measure {
            observed.asked.insert(rule.clone(), now);
        }
        for rule in step.measure {
            self.measure_for_shadow(&rule, now, ctx);
        }
        if let Some(armed) = self.watching.wake.take() {
            ctx.cancel_future(armed);
        }
        self.watching.wake = step.wake_at.map(|at| {
            let wait = Span::between(now, at).duration();
            ctx.run_later(wait, |_actor, ctx| ctx.notify(ShadowWake))
        });
    }

    fn measure_for_shadow(&self, name: &RuleName, now: Timestamp, ctx: &mut Context<Self>) {
        let Some(shadow) = &self.rollout.shadow else {
            return;
        };
        let observed = &self.watching.observed;
        if let Some(asking) = Looked::asking(&self.shell, &shadow.rollout, observed, name, now) {
            ctx.spawn(asking.into_actor(self).map(|looked, _actor, ctx| {
                if let Some(looked) = looked {
                    ctx.notify(ShadowLooked(looked));
                }
            }));
        }
    }
}

impl Handler<ShadowWake> for RolloutActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _wake: ShadowWake, ctx: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(self.drive_shadow(&Seen::Time, ctx))
    }
}

impl Handler<ShadowLooked> for RolloutActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, ShadowLooked(looked): ShadowLooked, ctx: &mut Self::Context) -> Self::Result {
        let Watching { observed, ledger, .. } = &mut self.watching;
        let looks = match &self.rollout.shadow {
            Some(shadow) => looked.judged(&shadow.rollout, observed, ledger),
            None => Vec::new(),
        };
        AtomicResponse::new(self.drive_shadow(&Seen::Looks(looks), ctx))
    }
}
