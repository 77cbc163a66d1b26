//! What the journal tells of one rollout.

use super::{ControlError, ControlPlane};
use crate::shell::{describe, incident};
use crate::view::{self, DecisionView, ExplanationView, KeptLookView};
use std::ops::ControlFlow;
use tidegate_model::Timestamp;
use tidegate_model::change::{EntityRef, Record};
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::{EnvironmentKey, Revision, RolloutId};
use tidegate_model::rollout::Rollout;
use tidegate_model::span::Span;
use tidegate_store::{Store, StoreError};
use tidegate_trail::chronicle::{Chronicle, Decided, Standing};
use tidegate_trail::report::{Report, Reporter};

/// How many records are read at once. They are read and parsed apart from the actors, and between two pages others have
/// their turn.
const PAGE_RECORDS: usize = 256;
/// How many histories are read at once: each may be as long as the journal.
pub(crate) const READERS_MAX: usize = 2;
/// How far the clock may have been set back around the start of a rollout. If it was more, the whole journal is read.
const SET_BACK_MAX: Span = Span::seconds(3600);

impl ControlPlane {
    /// Where a rollout stood at a moment, why, on what evidence, and who did what before; now, if no moment is given.
    ///
    /// # Errors
    /// When there is no such rollout, or it had not begun then.
    pub async fn explain_rollout(
        &self,
        environment: &EnvironmentKey,
        id: &RolloutId,
        at: Option<Timestamp>,
    ) -> Result<ExplanationView, ControlError> {
        let at = at.unwrap_or_else(|| self.clock().now());
        let (entity, rollout) = self.stored_rollout(environment, id).await?;
        let mut chronicle = Chronicle::of(entity.clone());
        self.history(&entity, &rollout, |record| {
            if record.at > at {
                return Ok(ControlFlow::Break(()));
            }
            chronicle.take(record).map(ControlFlow::Continue)
        })
        .await?;
        let not_begun = || {
            let rule = format!("{id} began at {}", rollout.started.to_rfc3339());
            let violation = Violation::new("at", at.to_rfc3339(), rule, "ask about a moment after that");
            ControlError::Refused(Invalid::from(violation).into())
        };
        let standing = chronicle.standing().ok_or_else(not_begun)?;
        Ok(explanation(at, standing))
    }

    /// How a rollout went, or goes so far.
    ///
    /// # Errors
    /// When there is no such rollout.
    pub async fn report_rollout(
        &self,
        environment: &EnvironmentKey,
        id: &RolloutId,
    ) -> Result<Report, ControlError> {
        let (entity, rollout) = self.stored_rollout(environment, id).await?;
        let mut reporter = Reporter::of(entity.clone());
        self.history(&entity, &rollout, |record| {
            reporter.take(record)?;
            Ok(match reporter.has_ended() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        })
        .await?;
        reporter
            .report(self.clock().now())
            .ok_or_else(|| incident(&format!("the journal does not tell of {entity}")))
    }

    async fn stored_rollout(
        &self,
        environment: &EnvironmentKey,
        id: &RolloutId,
    ) -> Result<(EntityRef, Rollout), ControlError> {
        self.shell.environment(environment)?;
        let entity = EntityRef::Rollout(environment.clone(), id.clone());
        match crate::rollout::load(self.shell.store.as_ref(), &entity).await? {
            Some((rollout, _)) => Ok((entity, rollout)),
            None => Err(ControlError::NotFound {
                what: describe(&entity),
            }),
        }
    }

    /// Shows the records of a rollout to `take`, oldest first, until it breaks off.
    async fn history(
        &self,
        entity: &EntityRef,
        rollout: &Rollout,
        mut take: impl FnMut(&Record) -> Result<ControlFlow<()>, String>,
    ) -> Result<(), ControlError> {
        // Never closed; without a permit the journal would be read unbounded.
        let _permit = self.shell.readers.acquire().await.ok();
        let store = self.shell.store.as_ref();
        let mut from = before(store, rollout.started).await?;
        loop {
            match read_from(store, from, entity, &mut take).await? {
                // Its beginning lies before what a clock that was set back made of it.
                Read::WithoutBeginning if from > 0 => from = 0,
                Read::WithoutBeginning => {
                    return Err(incident(&format!("the journal does not tell how {entity} began")));
                }
                Read::Whole => return Ok(()),
            }
        }
    }
}

/// How the records of a rollout were read.
enum Read {
    Whole,
    /// Nothing was shown: the first record found is not the first one.
    WithoutBeginning,
}

async fn read_from(
    store: &dyn Store,
    from: u64,
    entity: &EntityRef,
    take: &mut impl FnMut(&Record) -> Result<ControlFlow<()>, String>,
) -> Result<Read, ControlError> {
    let mut after = from;
    let mut begun = false;
    loop {
        let records = store
            .records(after, PAGE_RECORDS)
            .await
            .map_err(ControlError::Store)?;
        for record in &records {
            after = record.sequence;
            let Some(entry) = record.entries.iter().find(|entry| entry.entity == *entity) else {
                continue;
            };
            if !begun && entry.revision != Revision::ABSENT.next() {
                return Ok(Read::WithoutBeginning);
            }
            begun = true;
            let taken = take(record);
            let taken = taken.map_err(|what| incident(&format!("the history of {entity}: {what}")))?;
            if taken.is_break() {
                return Ok(Read::Whole);
            }
        }
        if records.is_empty() {
            return Ok(if begun {
                Read::Whole
            } else {
                Read::WithoutBeginning
            });
        }
    }
}

/// A record before which a rollout that began at `started` has none, unless the clock was set back far.
async fn before(store: &dyn Store, started: Timestamp) -> Result<u64, ControlError> {
    let earliest = SET_BACK_MAX.before(started);
    let (mut earlier, mut later) = (0, store.head());
    while earlier + 1 < later {
        let middle = earlier + (later - earlier) / 2;
        match store.records(middle - 1, 1).await {
            Ok(records) if records.first().is_some_and(|record| record.at < earliest) => earlier = middle,
            Ok(_) => later = middle,
            // What was moved to an archive is old. If the rollout began there, its first record is not found, and asked for.
            Err(StoreError::Archived { oldest }) => earlier = middle.max(oldest - 1),
            Err(error) => return Err(ControlError::Store(error)),
        }
    }
    Ok(earlier)
}

fn explanation(at: Timestamp, standing: Standing) -> ExplanationView {
    let Standing {
        rollout,
        revision,
        decided,
        looks,
        before,
    } = standing;
    ExplanationView {
        at,
        decided: decision(&decided),
        reasons: decided.because.reasons.iter().map(ToString::to_string).collect(),
        rollout: view::at_rest(&rollout, revision),
        looks: looks
            .into_iter()
            .map(|(record, judged)| KeptLookView {
                record,
                look: judged.look,
                trace: judged.trace,
            })
            .collect(),
        before: before.iter().map(decision).collect(),
    }
}

fn decision(decided: &Decided) -> DecisionView {
    DecisionView {
        record: decided.record,
        at: decided.at,
        by: decided.by.to_string(),
        because: decided.because.to_string(),
    }
}
