//! A control plane that ends on both sides of each of its commits, and is started again.

use super::gated::{Gate, Gated};
use super::*;
use std::sync::PoisonError;
use tidegate_decide::rollout::step;
use tidegate_model::change::Change;
use tidegate_model::rollout::{Ending, Phase, Rollout, RolloutChange};
use tidegate_store::{CommitError, Proposal};
use tidegate_trail::replay::Replay;
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    BeforeCommit,
    BeforeEffects,
}

/// Outlives its control planes. Where one ends, its commit is never answered.
struct Mortal {
    mortal: bool,
    met: Mutex<Option<(u64, Side)>>,
    /// The newest moment that anybody saw.
    at: Mutex<Timestamp>,
    deaths: watch::Sender<usize>,
}

impl Mortal {
    fn new(mortal: bool) -> Arc<Gated<Self>> {
        Gated::new(Self {
            mortal,
            met: Mutex::default(),
            at: Mutex::default(),
            deaths: watch::Sender::new(0),
        })
    }

    fn at(&self) -> Timestamp {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the next commit ends, if it does.
    fn end(&self, head: u64) -> Option<Side> {
        let mut met = self.met.lock().unwrap();
        let side = match *met {
            _ if !self.mortal => return None,
            Some((at, Side::BeforeCommit)) if at == head => Side::BeforeEffects,
            _ => Side::BeforeCommit,
        };
        *met = Some((head, side));
        Some(side)
    }
}

#[async_trait::async_trait]
impl Gate for Mortal {
    async fn commit(&self, inner: &MemoryStore, proposal: Proposal) -> Result<Record, CommitError> {
        *self.at.lock().unwrap() = proposal.at;
        match self.end(inner.head()) {
            None => return inner.commit(proposal).await,
            Some(Side::BeforeCommit) => {}
            Some(Side::BeforeEffects) => drop(inner.commit(proposal).await?),
        }
        self.deaths.send_modify(|deaths| *deaths += 1);
        std::future::pending().await
    }
}

/// What people want, as often as it takes until it is so; in between time passes. How it ends.
async fn wanted(world: &World, breach: bool) -> String {
    let id = RolloutId::new("checkout.1").unwrap();
    loop {
        let minute = world.control.clock().now().timestamp() / 60;
        world.says(Ok(if breach && minute >= 100 { 0.5 } else { 0.0 }));
        let status = match world.control.rollout(&world.environment, &id).await {
            Ok(view) => view.status,
            Err(_) => {
                world.prepare().await;
                world.start().await.unwrap();
                continue;
            }
        };
        match (status.as_str(), minute) {
            ("completed" | "rolled_back", _) => return status,
            ("running", 20..40) => {
                let reason = "lunch".to_owned();
                world
                    .command(&id, RolloutCommand::Pause { reason })
                    .await
                    .unwrap();
            }
            ("paused", 40..60) => {
                let (owner, reason) = (tidegate_model::rollout::PauseOwner::Operator, "back".to_owned());
                let resume = RolloutCommand::Resume { owner, reason };
                world.command(&id, resume).await.unwrap();
            }
            _ => {}
        }
        assert!(minute < 24 * 60, "it does not come to an end: {status}");
        world.advance(minutes(1)).await;
    }
}

/// Lives, one after the other, until the rollout has ended.
fn lives(store: &Arc<Gated<Mortal>>, breach: bool) -> String {
    loop {
        let ended = life(async {
            let mut deaths = store.deaths.subscribe();
            let living = async {
                let world = World::since(store.at(), store.clone(), step).await;
                wanted(&world, breach).await
            };
            tokio::select! {
                status = living => Some(status),
                _died = deaths.changed() => None,
            }
        });
        if let Some(status) = ended {
            return status;
        }
    }
}

/// The stages that a rollout was advanced to, and how it ended, as the journal tells.
fn told(records: &[Record]) -> (Vec<usize>, Option<Ending>) {
    let mut replay = Replay::default();
    let mut rollout: Option<Rollout> = None;
    let mut stages = Vec::new();
    for record in records {
        replay.take(record).unwrap_or_else(|wrong| panic!("{wrong}"));
        for entry in &record.entries {
            let Change::Rollout(change) = &entry.change else {
                continue;
            };
            if let RolloutChange::Advanced { stage, .. } = change {
                let shut = rollout.as_ref().is_none_or(|rollout| rollout.stage().is_none());
                assert!(!shut, "it opens after it was shut");
                stages.push(*stage);
            }
            rollout = Some(Rollout::apply(rollout, change, record.at, entry.revision).unwrap());
        }
    }
    let ending = rollout.and_then(|rollout| match rollout.phase {
        Phase::Ended { ending, .. } => Some(ending),
        _ => None,
    });
    (stages, ending)
}

#[test]
fn f27_a_control_plane_that_ends_at_each_commit_goes_on_where_it_was() {
    for (breach, status) in [(false, "completed"), (true, "rolled_back")] {
        let (steady, mortal) = (Mortal::new(false), Mortal::new(true));
        assert_eq!(lives(&steady, breach), status);
        assert_eq!(lives(&mortal, breach), status);
        let records = |store: &Arc<Gated<Mortal>>| life(async { store.records(0, 10_000).await.unwrap() });
        let (usual, crashed) = (records(&steady), records(&mortal));
        assert_eq!(told(&crashed), told(&usual), "the same stages, and the same end");
        let deaths = *mortal.deaths.borrow();
        assert_eq!(deaths, 2 * crashed.len(), "it ended on both sides of each commit");
        assert!(crashed.len() >= 8, "{}", crashed.len());
    }
}
