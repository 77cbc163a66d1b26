//! Keeps actors alive: builds them from the store, notices their death, builds them anew with
//! back-off, and sets those apart that fail too often.
//!
//! actix' own supervisor restarts nothing after a panic and keeps the dirty struct otherwise, so
//! none of it is used. Death is noticed by asking the address, not by hooks: a hook that panics
//! while its actor unwinds would end the process.

use crate::control::ControlError;
use crate::flag::FlagActor;
use crate::publisher::{Content, Publisher};
use crate::rollout::{self, Pulse, RolloutActor, Sweep};
use crate::shell::Shell;
use actix::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tidegate_model::Timestamp;
use tidegate_model::change::EntityRef;
use tidegate_model::key::{EnvironmentKey, ExperimentKey, FlagKey, Revision};
use tidegate_model::rollout::Rollout;
use tidegate_model::span::Span;

mod apart;
mod experiments;
mod failures;

pub(crate) use apart::{Apart, CommandApart};
use experiments::ExperimentCharge;
pub(crate) use experiments::LookAfter;
use failures::Failures;

/// How often addresses are asked whether their actor still lives.
const ROUND: Duration = Duration::from_millis(200);
/// How often rollouts are asked whether they still wake up (F35).
const WAKE_ROUND: Span = Span::seconds(60);
/// A rollout's actor that has not handled so many of these is built anew.
const SWEEPS_MISSED: u64 = 2;

/// The actor of a flag, built if need be.
#[derive(Message)]
#[rtype(result = "Addr<FlagActor>")]
pub(crate) struct FindFlag(pub(crate) EnvironmentKey, pub(crate) FlagKey);

/// The actor of a rollout.
#[derive(Message)]
#[rtype(result = "Found")]
pub(crate) struct FindRollout(pub(crate) EntityRef);

/// Where a rollout is.
#[derive(MessageResponse)]
pub(crate) enum Found {
    /// Here.
    Live(Addr<RolloutActor>),
    /// Failed, and about to be built anew.
    Rebuilding,
    /// Failed too often; somebody else looks after it.
    Apart(Addr<Apart>),
    /// It has no actor: it has ended, or does not exist.
    Gone,
}

/// Look after this rollout from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Adopt(pub(crate) EntityRef, pub(crate) Rollout, pub(crate) Revision);

/// Look after this rollout, which was there before this process.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Resume(pub(crate) EntityRef, pub(crate) Rollout, pub(crate) Revision);

/// What is kept apart?
#[derive(Message)]
#[rtype(result = "Vec<EntityRef>")]
pub(crate) struct ListQuarantined;

/// Keeps actors alive.
pub(crate) struct Keeper {
    shell: Arc<Shell>,
    flags: BTreeMap<(EnvironmentKey, FlagKey), FlagCharge>,
    rollouts: BTreeMap<EntityRef, Charge>,
    publishers: BTreeMap<EnvironmentKey, PublisherCharge>,
    experiments: BTreeMap<(EnvironmentKey, ExperimentKey), ExperimentCharge>,
    next_wake_round: Timestamp,
}

struct Charge {
    addr: Option<Addr<RolloutActor>>,
    pulse: Pulse,
    /// How often it was swept.
    swept: u64,
    failures: Failures,
    condition: Condition,
}

impl Charge {
    fn of(actor: RolloutActor) -> Self {
        Self {
            pulse: actor.pulse(),
            addr: Some(actor.start()),
            swept: 0,
            failures: Failures::default(),
            condition: Condition::Live,
        }
    }

    /// It was built anew.
    fn follow(&mut self, actor: RolloutActor) {
        (self.pulse, self.swept) = (actor.pulse(), 0);
        self.addr = Some(actor.start());
        self.condition = Condition::Live;
    }

    /// Whether it did not handle the sweeps of the last rounds: it waits for something that does not come.
    fn hangs(&self) -> bool {
        self.addr.is_some() && self.swept >= self.pulse.load(Ordering::Relaxed) + SWEEPS_MISSED
    }
}

struct FlagCharge {
    addr: Addr<FlagActor>,
    failures: Failures,
}

#[derive(Default)]
struct PublisherCharge {
    failures: Failures,
    /// It is being built already.
    building: bool,
}

enum Condition {
    Live,
    Rebuilding { at: Timestamp },
    Loading,
    Quarantined { apart: Option<Addr<Apart>> },
}

impl Keeper {
    pub(crate) fn new(shell: Arc<Shell>) -> Self {
        let next_wake_round = WAKE_ROUND.after(shell.clock.now());
        Self {
            shell,
            flags: BTreeMap::new(),
            rollouts: BTreeMap::new(),
            publishers: BTreeMap::new(),
            experiments: BTreeMap::new(),
            next_wake_round,
        }
    }

    fn build(&self, entity: &EntityRef, rollout: Rollout, revision: Revision) -> RolloutActor {
        RolloutActor::new(self.shell.clone(), entity.clone(), rollout, revision)
    }

    fn round(&mut self, ctx: &mut Context<Self>) {
        let now = self.shell.clock.now();
        self.note_deaths(now, ctx);
        self.rebuild_due(now, ctx);
        self.look_after_those_apart(now, ctx);
        self.look_after_publishers(now, ctx);
        self.look_after_experiments(now);
        self.count_failing(now);
        if now >= self.next_wake_round {
            self.next_wake_round = WAKE_ROUND.after(now);
            self.note_hangs(now, ctx);
            self.sweep();
            self.sweep_experiments();
            let shell = self.shell.clone();
            actix::spawn(async move { shell.repeats.settle(&shell).await });
        }
        ctx.run_later(ROUND, Self::round);
    }

    fn note_deaths(&mut self, now: Timestamp, ctx: &mut Context<Self>) {
        let dead = |charge: &Charge| charge.addr.as_ref().is_some_and(|addr| !addr.connected());
        let dead: Vec<EntityRef> = self
            .rollouts
            .iter()
            .filter(|(_, charge)| dead(charge))
            .map(|(entity, _)| entity.clone())
            .collect();
        for entity in dead {
            self.bury(&entity, now, ctx);
        }
    }

    /// Actors that live and do nothing any more are given up. One that comes back to itself finds its revision used, and
    /// ends.
    fn note_hangs(&mut self, now: Timestamp, ctx: &mut Context<Self>) {
        let hang = self.rollouts.iter().filter(|(_, charge)| charge.hangs());
        let hang: Vec<EntityRef> = hang.map(|(entity, _)| entity.clone()).collect();
        for entity in hang {
            tracing::error!(rollout = %entity, "its actor handles nothing any more and is built anew");
            self.shell.measures.restarts.with_label_values(&["hanging"]).inc();
            self.bury(&entity, now, ctx);
        }
    }

    /// An actor is gone: because its rollout has ended, or because it failed. The store knows.
    fn bury(&mut self, entity: &EntityRef, now: Timestamp, ctx: &mut Context<Self>) {
        let Some(charge) = self.rollouts.get_mut(entity) else {
            return;
        };
        charge.addr = None;
        charge.condition = match charge.failures.note(now) {
            Some(wait) => Condition::Rebuilding { at: wait.after(now) },
            None => Condition::Quarantined { apart: None },
        };
        self.rebuild_due(now, ctx);
    }

    fn rebuild_due(&mut self, now: Timestamp, ctx: &mut Context<Self>) {
        let due = |charge: &Charge| matches!(charge.condition, Condition::Rebuilding { at } if at <= now);
        let due = self.rollouts.iter_mut().filter(|(_, charge)| due(charge));
        let mut loads = Vec::new();
        for (entity, charge) in due {
            charge.condition = Condition::Loading;
            loads.push(entity.clone());
        }
        for entity in loads {
            self.load(entity, ctx);
        }
    }

    fn load(&self, entity: EntityRef, ctx: &mut Context<Self>) {
        let (store, name) = (self.shell.store.clone(), entity.clone());
        let loading = async move { rollout::load(store.as_ref(), &name).await };
        ctx.spawn(
            loading
                .into_actor(self)
                .map(move |loaded, keeper, ctx| keeper.loaded(&entity, loaded, ctx)),
        );
    }

    fn loaded(
        &mut self,
        entity: &EntityRef,
        loaded: Result<Option<(Rollout, Revision)>, ControlError>,
        ctx: &mut Context<Self>,
    ) {
        match loaded {
            Ok(Some((rollout, revision))) if !rollout.has_ended() => {
                tracing::warn!(rollout = %entity, "actor built anew");
                self.shell.measures.restarts.with_label_values(&["rollout"]).inc();
                let actor = self.build(entity, rollout, revision);
                if let Some(charge) = self.rollouts.get_mut(entity) {
                    charge.follow(actor);
                }
            }
            Ok(_ended_or_gone) => {
                self.rollouts.remove(entity);
            }
            Err(error) => {
                tracing::error!(rollout = %entity, %error, "cannot be loaded");
                let now = self.shell.clock.now();
                self.bury(entity, now, ctx);
            }
        }
        self.count_quarantined();
    }

    /// Many actors that fail again and again are a reason to serve only.
    fn count_failing(&self, now: Timestamp) {
        let apart = |charge: &Charge| matches!(charge.condition, Condition::Quarantined { .. });
        let rollouts = self.rollouts.values();
        let rollouts = rollouts.filter(|charge| apart(charge) || charge.failures.goes_on(now));
        let flags = self.flags.values().filter(|charge| charge.failures.goes_on(now));
        let publishers = self.publishers.values();
        let publishers = publishers.filter(|charge| charge.failures.goes_on(now));
        let experiments = self.experiments.values();
        let experiments = experiments.filter(|charge| charge.goes_on_failing(now));
        self.shell
            .serving
            .note_failing(rollouts.count() + flags.count() + publishers.count() + experiments.count());
    }

    fn count_quarantined(&self) {
        let apart = |charge: &&Charge| matches!(charge.condition, Condition::Quarantined { .. });
        let count = self.rollouts.values().filter(apart).count();
        self.shell
            .measures
            .quarantined
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Sets apart what failed too often, and lets go of what has ended there.
    fn look_after_those_apart(&mut self, now: Timestamp, ctx: &mut Context<Self>) {
        let (mut new, mut over) = (false, Vec::new());
        for (entity, charge) in &mut self.rollouts {
            let Condition::Quarantined { apart } = &mut charge.condition else {
                continue;
            };
            match apart {
                None => {
                    tracing::error!(rollout = %entity, "failed too often and is kept apart; its blind action is due next");
                    let looking_after = Apart::new(self.shell.clone(), entity.clone(), now);
                    *apart = Some(looking_after.start());
                    new = true;
                }
                Some(addr) if !addr.connected() => over.push(entity.clone()),
                Some(_) => {}
            }
        }
        if new {
            self.count_quarantined();
        }
        for entity in over {
            // It has ended, or somebody else has to be found for it: the store knows.
            if let Some(charge) = self.rollouts.get_mut(&entity) {
                charge.condition = Condition::Loading;
            }
            self.load(entity, ctx);
        }
    }

    fn look_after_publishers(&mut self, now: Timestamp, ctx: &mut Context<Self>) {
        for environment in self.shell.environments.values() {
            if environment
                .publisher()
                .is_some_and(|publisher| publisher.connected())
            {
                continue;
            }
            let charge = self.publishers.entry(environment.key.clone()).or_default();
            if std::mem::replace(&mut charge.building, true) {
                continue;
            }
            // A publisher is never set apart: without one nothing could be shut any more.
            let wait = charge.failures.note(now).unwrap_or(Span::seconds(30));
            tracing::error!(environment = %environment.key, %wait, "publisher failed and is built anew");
            self.shell
                .measures
                .restarts
                .with_label_values(&["publisher"])
                .inc();
            *environment
                .publisher
                .write()
                .unwrap_or_else(PoisonError::into_inner) = None;
            let (store, key) = (self.shell.store.clone(), environment.key.clone());
            let loading = async move {
                tokio::time::sleep(wait.duration()).await;
                (Content::load(store.as_ref(), &key).await, key)
            };
            // Not waited for: rollouts are looked after meanwhile.
            ctx.spawn(loading.into_actor(self).map(|(content, key), keeper, _ctx| {
                keeper.publishers.entry(key.clone()).or_default().building = false;
                match content {
                    Ok((content, head)) => keeper.install_publisher(&key, content, head),
                    Err(error) => tracing::error!(environment = %key, %error, "publisher cannot be built"),
                }
            }));
        }
    }

    fn install_publisher(&mut self, key: &EnvironmentKey, content: Content, head: u64) {
        let Some(environment) = self.shell.environments.get(key) else {
            return;
        };
        let publisher = Publisher::new(self.shell.clone(), key.clone(), content, head).start();
        *environment
            .publisher
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(publisher.clone());
        // Each rollout's actor attaches itself to the new publisher when it is next swept.
        self.sweep();
    }

    fn sweep(&mut self) {
        for charge in self.rollouts.values_mut() {
            match (&charge.addr, &charge.condition) {
                (Some(addr), _) => {
                    charge.swept += 1;
                    addr.do_send(Sweep);
                }
                (None, Condition::Quarantined { apart: Some(apart) }) => apart.do_send(Sweep),
                (None, _) => {}
            }
        }
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.round(ctx);
    }
}

impl Handler<FindFlag> for Keeper {
    type Result = MessageResult<FindFlag>;

    fn handle(&mut self, FindFlag(environment, key): FindFlag, _ctx: &mut Self::Context) -> Self::Result {
        let name = (environment.clone(), key.clone());
        let mut failures = Failures::default();
        if let Some(charge) = self.flags.remove(&name) {
            if charge.addr.connected() {
                let addr = charge.addr.clone();
                self.flags.insert(name, charge);
                return MessageResult(addr);
            }
            self.shell.measures.restarts.with_label_values(&["flag"]).inc();
            failures = charge.failures;
            // It is built anew at once: it holds nothing, and what made it fail is not repeated.
            let _back_off = failures.note(self.shell.clock.now());
        }
        let addr = FlagActor::new(self.shell.clone(), environment, key).start();
        self.flags.insert(
            name,
            FlagCharge {
                addr: addr.clone(),
                failures,
            },
        );
        MessageResult(addr)
    }
}

impl Handler<FindRollout> for Keeper {
    type Result = Found;

    fn handle(&mut self, FindRollout(entity): FindRollout, ctx: &mut Self::Context) -> Self::Result {
        let now = self.shell.clock.now();
        self.note_deaths(now, ctx);
        match self.rollouts.get(&entity) {
            None => Found::Gone,
            Some(Charge {
                condition: Condition::Quarantined { apart: Some(apart) },
                ..
            }) => Found::Apart(apart.clone()),
            Some(Charge { addr: Some(addr), .. }) => Found::Live(addr.clone()),
            Some(_) => Found::Rebuilding,
        }
    }
}

impl Handler<Adopt> for Keeper {
    type Result = ();

    fn handle(&mut self, Adopt(entity, rollout, revision): Adopt, _ctx: &mut Self::Context) {
        if self.rollouts.contains_key(&entity) || rollout.has_ended() {
            return;
        }
        let actor = self.build(&entity, rollout, revision);
        self.rollouts.insert(entity, Charge::of(actor));
    }
}

impl Handler<Resume> for Keeper {
    type Result = ();

    fn handle(&mut self, Resume(entity, rollout, revision): Resume, _ctx: &mut Self::Context) {
        if self.rollouts.contains_key(&entity) || rollout.has_ended() {
            return;
        }
        let actor = RolloutActor::new(self.shell.clone(), entity.clone(), rollout, revision);
        self.rollouts.insert(entity, Charge::of(actor.resumed()));
    }
}

impl Handler<ListQuarantined> for Keeper {
    type Result = MessageResult<ListQuarantined>;

    fn handle(&mut self, _list: ListQuarantined, _ctx: &mut Self::Context) -> Self::Result {
        let apart = self
            .rollouts
            .iter()
            .filter(|(_, charge)| matches!(charge.condition, Condition::Quarantined { .. }));
        let apart = apart.map(|(entity, _)| entity.clone());
        MessageResult(apart.chain(self.experiments_apart()).collect())
    }
}
