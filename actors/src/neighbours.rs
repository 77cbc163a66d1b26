//! What is known of an environment's rollouts to each other, and who is told.
//!
//! It is made of what was committed, never of what an actor is about to do. What opens on the strength of it
//! is stored in line, and only if it is still so: no two rollouts pass each other.

use crate::control::ControlError;
use actix::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_decide::neighbour::{Neighbour, Neighbours, check_cycle, concerns};
use tidegate_decide::refusal::Refusal;
use tidegate_model::catalog::Catalog;
use tidegate_model::change::{EntityState, Kind};
use tidegate_model::invalid::{Invalid, Violation, nearest};
use tidegate_model::key::{EnvironmentKey, FlagKey, Revision, RolloutId, RolloutName, SegmentKey};
use tidegate_model::policy::Policy;
use tidegate_model::rollout::{Rollout, RolloutStart};
use tidegate_store::{Store, StoreError};
use tokio::sync::OwnedMutexGuard;

/// Rollouts that concern a rollout have changed.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub(crate) struct NeighboursMoved(pub(crate) Neighbours);

/// What is known of an environment's rollouts.
pub(crate) struct NeighbourDesk {
    environment: EnvironmentKey,
    /// Held while something opens that others have a say in.
    line: Arc<tokio::sync::Mutex<()>>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    known: BTreeMap<RolloutId, (Arc<Neighbour>, Revision)>,
    attached: BTreeMap<RolloutId, Attached>,
}

struct Attached {
    flag: FlagKey,
    plan: Arc<Policy>,
    recipient: Recipient<NeighboursMoved>,
    told: Neighbours,
}

/// Whether others have a say in what a rollout opens.
pub(crate) fn heeds(rollout: &Rollout) -> bool {
    let plan = &rollout.start.plan;
    rollout.is_waiting() || !plan.dependencies.is_empty() || !plan.interlock.0.is_empty()
}

impl NeighbourDesk {
    /// The running rollouts that open to this segment before they open to anybody.
    pub(crate) fn opening_to(&self, segment: &SegmentKey) -> Vec<RolloutId> {
        let all = self.all().into_iter();
        let opening = all.filter(|one| one.is_live() && one.segments.contains(segment));
        opening.map(|one| one.id.clone()).collect()
    }

    pub(crate) fn new(environment: EnvironmentKey) -> Self {
        Self {
            environment,
            line: Arc::default(),
            book: Mutex::default(),
        }
    }

    /// Takes in what the store has.
    pub(crate) async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        for stored in store.list(Kind::Rollout, Some(&self.environment)).await? {
            if let EntityState::Rollout(rollout) = stored.state {
                self.note(&rollout, stored.revision);
            }
        }
        Ok(())
    }

    /// Takes in the state of a rollout that was committed, and tells those that it concerns. Older news than
    /// what is known changes nothing.
    pub(crate) fn note(&self, rollout: &Rollout, revision: Revision) {
        let neighbour = Neighbour::of(rollout);
        let mut book = self.book();
        let known = book.known.get(&neighbour.id);
        let old = known.is_some_and(|(known, at)| *at >= revision || **known == neighbour);
        if !old {
            let neighbour = Arc::new(neighbour);
            book.known
                .insert(neighbour.id.clone(), (Arc::clone(&neighbour), revision));
            book.tell(&neighbour);
        }
    }

    /// Tells a rollout's actor of the rollouts that concern it, now and whenever that changes. One in which
    /// nobody has a say is told nothing.
    pub(crate) fn attach(
        &self,
        rollout: &Rollout,
        revision: Revision,
        recipient: Recipient<NeighboursMoved>,
    ) {
        self.note(rollout, revision);
        let start = &rollout.start;
        let mut book = self.book();
        if !heeds(rollout) {
            book.attached.remove(&start.id);
            return;
        }
        let told = book.concerning(start);
        recipient.do_send(NeighboursMoved(told.clone()));
        let attached = Attached {
            flag: start.flag.clone(),
            plan: start.plan.clone(),
            recipient,
            told,
        };
        book.attached.insert(start.id.clone(), attached);
    }

    /// Stands in line, for as long as what is answered is kept.
    pub(crate) async fn line(&self) -> OwnedMutexGuard<()> {
        self.line.clone().lock_owned().await
    }

    /// The rollouts that concern one, as they are now.
    pub(crate) fn concerning(&self, start: &RolloutStart) -> Neighbours {
        self.book().concerning(start)
    }

    /// Every rollout that is known.
    pub(crate) fn all(&self) -> Vec<Arc<Neighbour>> {
        self.book()
            .known
            .values()
            .map(|(known, _)| Arc::clone(known))
            .collect()
    }

    /// Refuses a plan that waits for what is not there, or by which the rollout would wait for itself.
    pub(crate) fn check(
        &self,
        start: &RolloutStart,
        plan: &Policy,
        catalog: &Catalog,
    ) -> Result<(), ControlError> {
        let all = self.all();
        let is_known = |name: &RolloutName| {
            let of_flag = catalog.flags.keys().any(|flag| flag.as_str() == name.as_str());
            of_flag || all.iter().any(|other| other.id.as_str() == name.as_str())
        };
        let unknown: Vec<Violation> = plan
            .dependencies
            .all()
            .filter(|(_, name)| !is_known(name))
            .map(|(how, name)| {
                let names = catalog.flags.keys().map(FlagKey::as_str);
                let fix = match nearest(name.as_str(), names) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => "name a flag, or a rollout by its id".to_owned(),
                };
                let rule = "there is neither a flag nor a rollout of this name";
                Violation::new(format!("policy.dependencies: {how}"), name, rule, fix)
            })
            .collect();
        Invalid::unless_empty(unknown, ())
            .map_err(|unknown| ControlError::Refused(Refusal::Invalid(unknown)))?;
        check_cycle(&start.flag, plan, all.iter().map(Arc::as_ref)).map_err(ControlError::Refused)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn concerning(&self, start: &RolloutStart) -> Neighbours {
        let all = self.known.values().map(|(known, _)| known.as_ref());
        Neighbours::concerning(&start.id, &start.flag, &start.plan, all)
    }

    /// Tells everybody whom this one concerns, or concerned until now.
    fn tell(&mut self, neighbour: &Neighbour) {
        self.attached.retain(|_, attached| attached.recipient.connected());
        for (id, attached) in &mut self.attached {
            let news = if concerns(id, &attached.flag, &attached.plan, neighbour) {
                let before = attached.told.0.insert(neighbour.id.clone(), neighbour.clone());
                before.as_ref() != Some(neighbour)
            } else {
                attached.told.0.remove(&neighbour.id).is_some()
            };
            if news {
                attached.recipient.do_send(NeighboursMoved(attached.told.clone()));
            }
        }
    }
}
