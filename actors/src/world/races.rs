//! Steps that are not stored, two who decide at once, and wake-ups that get lost.

use super::gated::{Gate, Gated};
use super::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::{Input, Observed, step};
use tidegate_decide::step::Step;
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::key::Revision;
use tidegate_model::rollout::{Ending, Rollout, RolloutChange};
use tidegate_store::{CommitError, Proposal};

/// Takes nothing more once it is told to.
#[derive(Default)]
struct Refusing {
    refuses: AtomicBool,
    refused: AtomicUsize,
}

#[async_trait::async_trait]
impl Gate for Refusing {
    async fn commit(&self, inner: &MemoryStore, proposal: Proposal) -> Result<Record, CommitError> {
        if self.refuses.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(CommitError::Malformed {
                what: "told to refuse".to_owned(),
            });
        }
        inner.commit(proposal).await
    }
}

#[actix_rt::test]
async fn f28_nothing_happens_of_a_step_that_is_not_stored() {
    tokio::time::pause();
    let store = Gated::new(Refusing::default());
    let world = World::on(store.clone(), step).await;
    world.prepare().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(10)).await;
    let (head, told) = (store.head(), world.alerts_told());
    store.refuses.store(true, Ordering::SeqCst);
    world.says(Ok(0.5));
    world.advance(minutes(1)).await;
    assert!(store.refused.load(Ordering::SeqCst) > 0, "it wants to roll back");
    assert_eq!(store.head(), head);
    assert_eq!(world.published_percent(), Some(1.0), "and nobody is told so");
    assert_eq!(world.alerts_told(), told);
    store.refuses.store(false, Ordering::SeqCst);
    world.advance(minutes(3)).await;
    assert_eq!(world.view(&id).await.status, "rolled_back");
    assert_eq!(world.published_percent(), None);
}

#[actix_rt::test]
async fn f31_of_two_who_decide_the_same_one_is_stored() {
    tokio::time::pause();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = World::on(store.clone(), step).await;
    first.prepare().await;
    let id = first.start().await.unwrap();
    let second = World::on(store, step).await;
    let mut revisions = BTreeSet::new();
    for _ in 0..200 {
        first.confirm().await;
        second.confirm().await;
        first.wait(minutes(1)).await;
        let record = first.records().await.pop().unwrap();
        revisions.extend(record.entries.iter().map(|entry| entry.revision));
    }
    assert_eq!(first.view(&id).await.status, "completed");
    assert_eq!(second.view(&id).await.status, "completed");
    let records = first.records().await;
    let count = |wanted: fn(&RolloutChange) -> bool| {
        let entries = records.iter().flat_map(|record| &record.entries);
        let wanted =
            entries.filter(|entry| matches!(&entry.change, Change::Rollout(change) if wanted(change)));
        wanted.count()
    };
    assert_eq!(
        count(|change| matches!(change, RolloutChange::Advanced { .. })),
        2
    );
    let completed = |change: &RolloutChange| {
        matches!(
            change,
            RolloutChange::Ended {
                ending: Ending::Completed,
                ..
            }
        )
    };
    assert_eq!(count(completed), 1);
    let entity = EntityRef::Rollout(first.environment.clone(), id);
    let of_it = records.iter().flat_map(|record| &record.entries);
    let of_it: Vec<Revision> = of_it
        .filter(|entry| entry.entity == entity)
        .map(|entry| entry.revision)
        .collect();
    let distinct: BTreeSet<&Revision> = of_it.iter().collect();
    assert_eq!(distinct.len(), of_it.len(), "no revision twice");
}

/// How often the step function below was asked.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// Forgets once when to wake up.
fn forgetful(rollout: &Rollout, observed: &Observed, input: &Input, now: Timestamp) -> Result<Step, Refusal> {
    let mut step = step(rollout, observed, input, now)?;
    if ASKED.fetch_add(1, Ordering::SeqCst) == 20 {
        step.wake_at = None;
        step.effects.clear();
    }
    Ok(step)
}

#[actix_rt::test]
async fn f35_a_rollout_that_forgot_to_wake_up_is_woken() {
    tokio::time::pause();
    let world = World::on(Arc::new(MemoryStore::new()), forgetful).await;
    world.prepare().await;
    let id = world.start().await.unwrap();
    // The node is quiet: nothing but the clock wakes the rollout.
    world.confirm().await;
    world.wait(minutes(40)).await;
    assert!(ASKED.load(Ordering::SeqCst) > 30, "it goes on");
    assert!(world.measures.missed_wakes.get() >= 1, "and that is counted");
    assert_eq!(world.view(&id).await.status, "running");
}
