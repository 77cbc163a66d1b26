//! Drills: how long the way from a bad number to safety takes, measured on the real thing.

use super::{ControlError, ControlPlane, to_the_end};
use crate::keeper::{Adopt, FindRollout, Found};
use crate::rollout::{self, Breach, Observe};
use crate::shell::{Shell, incident};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidegate_decide::drill;
use tidegate_decide::refusal::Refusal;
use tidegate_model::access::Author;
use tidegate_model::change::{EntityRef, EntityState, Kind};
use tidegate_model::key::{EnvironmentKey, Revision, RolloutId};
use tidegate_model::rollout::{Phase, Rollout};
use tidegate_store::{Expect, Proposal, Write};
use tidegate_trail::cause::Cause;
use tokio::time::{Instant, timeout};

/// How long nodes may take to confirm before a drill gives up. What it began goes back by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a drill went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillView {
    /// Its name in the audit log.
    pub id: RolloutId,
    /// How many live nodes confirmed it.
    pub nodes: usize,
    /// From the bad number to the decision that is stored, in milliseconds.
    pub decided_ms: f64,
    /// From the bad number to the confirmation of the last live node, in milliseconds.
    pub safe_ms: f64,
}

impl ControlPlane {
    /// Drills an environment once: something that no user has opens, a bad number comes in, and every live node
    /// has to confirm that it is shut again.
    ///
    /// # Errors
    /// When nodes do not confirm in time, or nothing can be stored.
    pub async fn drill(&self, environment: &EnvironmentKey, by: Author) -> Result<DrillView, ControlError> {
        let (plane, environment) = (self.clone(), environment.clone());
        to_the_end(async move {
            let home = plane.shell.environment(&environment)?;
            // One after the other: two would measure each other.
            let _alone = home.drills.lock().await;
            plane.drill_alone(&environment, by).await
        })
        .await
    }

    async fn drill_alone(&self, environment: &EnvironmentKey, by: Author) -> Result<DrillView, ControlError> {
        let shell = &self.shell;
        let number = next_number(shell, environment).await?;
        let now = shell.clock.now();
        let (id, step) = drill::begin(environment, number, &by, now).map_err(ControlError::Refused)?;
        let entity = EntityRef::Rollout(environment.clone(), id.clone());
        let writes = step.changes.into_iter().map(|(entity, change)| Write {
            entity,
            expect: Expect::Revision(Revision::ABSENT),
            changes: vec![change],
        });
        let basis = Cause::Drilled.alone();
        let basis = basis.map_err(|error| incident(&format!("a drill cannot be written down: {error}")))?;
        let proposal = Proposal {
            at: now,
            by,
            because: Some(step.because),
            basis: Some(basis),
            writes: writes.collect(),
        };
        shell.commit(proposal).await?;
        let busy = |_dead: actix::MailboxError| ControlError::Busy { retry_after: 1 };
        let keeper = shell.keeper()?;
        if let Some((rollout, revision)) = rollout::load(shell.store.as_ref(), &entity).await? {
            let adopt = Adopt(entity.clone(), rollout, revision);
            keeper.send(adopt).await.map_err(busy)?;
        }
        let in_force = |rollout: &Rollout| {
            matches!(
                rollout.phase,
                Phase::Running {
                    effective: Some(_),
                    ..
                }
            )
        };
        until(shell, &entity, "took it in", in_force).await?;
        let Found::Live(actor) = keeper.send(FindRollout(entity.clone())).await.map_err(busy)? else {
            return Err(incident(&format!("{entity} has no actor")));
        };
        let nodes = actor.send(Observe).await.map_err(busy)?;
        let nodes = nodes.confirmed.len() + nodes.waiting_for.len();
        let begin = Instant::now();
        actor.send(Breach).await.map_err(busy)??;
        let decided = begin.elapsed();
        until(shell, &entity, "confirmed that it is shut", Rollout::has_ended).await?;
        let safe = begin.elapsed();
        Ok(DrillView {
            id,
            nodes,
            decided_ms: decided.as_secs_f64() * 1000.0,
            safe_ms: safe.as_secs_f64() * 1000.0,
        })
    }
}

/// The number of the next drill.
async fn next_number(shell: &Shell, environment: &EnvironmentKey) -> Result<u32, ControlError> {
    let all = shell.store.list(Kind::Rollout, Some(environment)).await;
    let drills = all
        .map_err(ControlError::Store)?
        .into_iter()
        .filter_map(|stored| match stored.state {
            EntityState::Rollout(rollout) if rollout.start.drill => Some(rollout.start.attempt),
            _ => None,
        });
    Ok(drills.max().unwrap_or(0).saturating_add(1))
}

/// Waits until the journal says so.
async fn until(
    shell: &Shell,
    entity: &EntityRef,
    what: &str,
    done: impl Fn(&Rollout) -> bool,
) -> Result<(), ControlError> {
    let mut committed = shell.committed.subscribe();
    let waiting = async {
        loop {
            if let Some((rollout, _)) = rollout::load(shell.store.as_ref(), entity).await?
                && done(&rollout)
            {
                return Ok(());
            }
            if committed.changed().await.is_err() {
                return Err(incident("nothing is committed any more"));
            }
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_elapsed| {
        Err(ControlError::Refused(Refusal::conflict(
            format!("not every live node {what} within {} s", PATIENCE.as_secs()),
            "see which one it waits for with: tidegate nodes",
        )))
    })
}
