//! One rollout's history up to a moment: where it stood, why, on what, and who did what before.

use crate::thread::Thread;
use std::collections::VecDeque;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::{Because, Decision};
use tidegate_model::change::{Change, EntityRef, Record};
use tidegate_model::evidence::Judged;
use tidegate_model::key::Revision;
use tidegate_model::rollout::Rollout;

/// How many of the decisions before the last are told.
pub const BEFORE_MAX: usize = 50;

/// Reads the records of one rollout in their order. Begins empty.
#[derive(Debug)]
pub struct Chronicle {
    entity: EntityRef,
    thread: Thread,
    rollout: Option<(Rollout, Revision)>,
    decisions: VecDeque<Decided>,
}

/// A decision, and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The record.
    pub record: u64,
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub by: Author,
    /// What, and why.
    pub because: Because,
}

/// Where a rollout stood, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The rollout as it was.
    pub rollout: Rollout,
    /// Its revision then.
    pub revision: Revision,
    /// The decision that led there.
    pub decided: Decided,
    /// The newest look at each rule that the decision knew of, each with the record that keeps it.
    pub looks: Vec<(u64, Judged)>,
    /// The decisions before that changed something, oldest first, at most [`BEFORE_MAX`].
    pub before: Vec<Decided>,
}

impl Chronicle {
    /// The history of this rollout.
    pub fn of(entity: EntityRef) -> Self {
        Self {
            entity,
            thread: Thread::default(),
            rollout: None,
            decisions: VecDeque::new(),
        }
    }

    /// Takes in the next record. Those that are about something else are passed over.
    ///
    /// # Errors
    /// In words, why it cannot be read.
    pub fn take(&mut self, record: &Record) -> Result<(), String> {
        let mut own = record
            .entries
            .iter()
            .filter(|entry| entry.entity == self.entity)
            .peekable();
        if own.peek().is_none() {
            return Ok(());
        }
        // What its shadow saw and would have done is told with the rollout as it stands.
        let shadowed = record.is_of_shadow();
        if record.basis.is_some() && !shadowed {
            self.thread.read(record)?;
        }
        for entry in own {
            let Change::Rollout(change) = &entry.change else {
                continue;
            };
            let before = self.rollout.take().map(|(rollout, _)| rollout);
            let after = Rollout::apply(before, change, record.at, entry.revision);
            let after = after.map_err(|error| format!("record {}: {error}", record.sequence))?;
            self.rollout = Some((after, entry.revision));
        }
        if let Some(because) = record.because.as_ref().filter(|_| !shadowed) {
            // What held is told only as the last word: looks that were remembered are no deed.
            let held = |decided: &Decided| matches!(decided.because.decision, Decision::Holds { .. });
            if self.decisions.back().is_some_and(held) {
                self.decisions.pop_back();
            }
            if self.decisions.len() > BEFORE_MAX {
                self.decisions.pop_front();
            }
            self.decisions.push_back(Decided {
                record: record.sequence,
                at: record.at,
                by: record.by.clone(),
                because: because.clone(),
            });
        }
        Ok(())
    }

    /// Where the rollout stands after all that was taken in; `None` before it began.
    pub fn standing(mut self) -> Option<Standing> {
        let (rollout, revision) = self.rollout?;
        let decided = self.decisions.pop_back()?;
        Some(Standing {
            rollout,
            revision,
            decided,
            looks: self.thread.looks().values().cloned().collect(),
            before: self.decisions.into(),
        })
    }
}
