//! Looking after the actors of experiments.

use super::failures::Failures;
use super::{Keeper, SWEEPS_MISSED};
use crate::experiment::{ExperimentActor, Poke, Pulse, Sweep};
use actix::prelude::*;
use std::sync::atomic::Ordering;
use tidegate_model::Timestamp;
use tidegate_model::change::EntityRef;
use tidegate_model::key::{EnvironmentKey, ExperimentKey};
use tidegate_model::span::Span;

/// How long an experiment waits whose actor failed too often. None is given up: its guardrails would be nobody's.
const APART: Span = Span::seconds(300);

/// Look after this experiment from now on; if it is looked after, look at once.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LookAfter(pub(crate) EnvironmentKey, pub(crate) ExperimentKey);

pub(super) struct ExperimentCharge {
    addr: Option<Addr<ExperimentActor>>,
    pulse: Pulse,
    swept: u64,
    failures: Failures,
    /// When it is built anew.
    due: Option<Timestamp>,
    apart: bool,
}

impl ExperimentCharge {
    pub(super) fn is_apart(&self) -> bool {
        self.apart
    }

    pub(super) fn goes_on_failing(&self, now: Timestamp) -> bool {
        self.apart || self.failures.goes_on(now)
    }
}

type Name = (EnvironmentKey, ExperimentKey);

impl Keeper {
    fn build_experiment(&self, name: &Name) -> (Addr<ExperimentActor>, Pulse) {
        let actor = ExperimentActor::new(self.shell.clone(), name.0.clone(), name.1.clone());
        let pulse = actor.pulse();
        (actor.start(), pulse)
    }

    /// Builds actors anew that are gone: none ends by itself.
    pub(super) fn look_after_experiments(&mut self, now: Timestamp) {
        let mut due = Vec::new();
        for (name, charge) in &mut self.experiments {
            if charge.addr.as_ref().is_some_and(|addr| !addr.connected()) {
                charge.addr = None;
                let wait = charge.failures.note(now);
                charge.apart = wait.is_none();
                if charge.apart {
                    tracing::error!(experiment = %name.1, "failed too often and is kept apart for a while");
                }
                charge.due = Some(wait.unwrap_or(APART).after(now));
            }
            if charge.due.is_some_and(|at| at <= now) {
                due.push(name.clone());
            }
        }
        for name in due {
            let (addr, pulse) = self.build_experiment(&name);
            tracing::warn!(experiment = %name.1, "actor built anew");
            self.shell
                .measures
                .restarts
                .with_label_values(&["experiment"])
                .inc();
            if let Some(charge) = self.experiments.get_mut(&name) {
                (charge.addr, charge.pulse) = (Some(addr), pulse);
                (charge.swept, charge.due) = (0, None);
            }
        }
    }

    /// An actor that handles nothing any more is given up.
    pub(super) fn sweep_experiments(&mut self) {
        for (name, charge) in &mut self.experiments {
            let Some(addr) = &charge.addr else { continue };
            if charge.swept >= charge.pulse.load(Ordering::Relaxed).saturating_add(SWEEPS_MISSED) {
                tracing::error!(experiment = %name.1, "its actor handles nothing any more and is built anew");
                self.shell.measures.restarts.with_label_values(&["hanging"]).inc();
                charge.addr = None;
                charge.due = Some(Timestamp::default());
                continue;
            }
            charge.swept += 1;
            addr.do_send(Sweep);
        }
    }

    pub(super) fn experiments_apart(&self) -> impl Iterator<Item = EntityRef> + '_ {
        let apart = self.experiments.iter().filter(|(_, charge)| charge.is_apart());
        apart.map(|((environment, key), _)| EntityRef::Experiment(environment.clone(), key.clone()))
    }
}

impl Handler<LookAfter> for Keeper {
    type Result = ();

    fn handle(&mut self, LookAfter(environment, key): LookAfter, _ctx: &mut Self::Context) {
        let name = (environment, key);
        if let Some(charge) = self.experiments.get(&name)
            && let Some(addr) = charge.addr.as_ref().filter(|addr| addr.connected())
        {
            addr.do_send(Poke);
            return;
        }
        let (addr, pulse) = self.build_experiment(&name);
        let failures = self.experiments.remove(&name).map(|charge| charge.failures);
        let charge = ExperimentCharge {
            addr: Some(addr),
            pulse,
            swept: 0,
            failures: failures.unwrap_or_default(),
            due: None,
            apart: false,
        };
        self.experiments.insert(name, charge);
    }
}
