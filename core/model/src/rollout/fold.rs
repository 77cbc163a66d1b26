//! The one way from changes to a rollout's state: live, at start and in replay.

use super::{Ending, GivenApproval, Pause, Phase, Rollout, RolloutChange, RolloutStart, RuleMemory};
use crate::Timestamp;
use crate::key::Revision;
use crate::share::Share;
use crate::span::Span;
use crate::verdict::{Look, Verdict};
use std::collections::{BTreeMap, VecDeque};

/// A change that cannot follow the state before it: a bug or a damaged journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{change} cannot follow {state}")]
pub struct FoldError {
    /// What was to become true.
    pub change: String,
    /// What was true.
    pub state: String,
}

impl Rollout {
    /// The state after one more change. `revision` is the entity's revision after the change.
    ///
    /// # Errors
    /// When the change cannot follow the state.
    pub fn apply(
        before: Option<Self>,
        change: &RolloutChange,
        at: Timestamp,
        revision: Revision,
    ) -> Result<Self, FoldError> {
        let impossible = |state: &str| FoldError {
            change: format!("{change:?}"),
            state: state.to_owned(),
        };
        let Some(mut rollout) = before else {
            return match change {
                RolloutChange::Started(start) => {
                    Self::begin(start, at, revision).ok_or_else(|| impossible("a plan without stages"))
                }
                _ => Err(impossible("nothing")),
            };
        };
        let known = rollout.follow(change, at, revision);
        if known {
            Ok(rollout)
        } else {
            Err(impossible(&format!("{:?}", rollout.phase)))
        }
    }

    fn begin(start: &RolloutStart, at: Timestamp, revision: Revision) -> Option<Self> {
        let share = start.plan.stage(0)?.percentage;
        Some(Self {
            start: start.clone(),
            started: at,
            phase: Phase::Running {
                stage: 0,
                since: at,
                effective: None,
            },
            share,
            split_revision: revision,
            pauses: BTreeMap::new(),
            approval: None,
            proven_stage: None,
            rules: BTreeMap::new(),
        })
    }

    /// Applies the change if it can follow; says whether it could.
    fn follow(&mut self, change: &RolloutChange, at: Timestamp, revision: Revision) -> bool {
        match (change, &mut self.phase) {
            (_, Phase::Ended { .. }) | (RolloutChange::Started(_), _) => return false,
            (RolloutChange::TookEffect, Phase::Running { effective, .. }) => *effective = Some(at),
            (RolloutChange::Advanced { stage }, Phase::Running { stage: before, .. })
                if *stage == *before + 1 =>
            {
                self.proven_stage = Some(*before);
                self.approval = None;
                return self.enter(*stage, at, revision);
            }
            (RolloutChange::Retreated { stage }, Phase::Running { stage: before, .. })
                if *stage <= *before =>
            {
                self.approval = None;
                return self.enter(*stage, at, revision);
            }
            (RolloutChange::Looked(look), _) => self.remember(look),
            (RolloutChange::Paused { owner, reason, by }, _) => {
                let pause = Pause {
                    reason: reason.clone(),
                    by: by.clone(),
                    since: at,
                };
                self.pauses.entry(owner.clone()).or_insert(pause);
            }
            (RolloutChange::Resumed { owner, .. }, _) => {
                self.pauses.remove(owner);
                // The looks that led to the pause are spent: only new ones may trip again.
                self.rules.clear();
            }
            (RolloutChange::Approved { stage, by }, Phase::Running { .. }) => {
                let plan_digest = self.start.plan_digest.clone();
                self.approval = Some(GivenApproval {
                    stage: *stage,
                    plan_digest,
                    by: by.clone(),
                    at,
                });
            }
            (RolloutChange::Alerted { .. }, _) => {}
            (RolloutChange::RollingBack { ending }, Phase::Running { .. }) => {
                self.phase = Phase::RollingBack {
                    since: at,
                    ending: *ending,
                };
                self.share = Share::ZERO;
                self.split_revision = revision;
            }
            (
                RolloutChange::Ended {
                    ending: Ending::Completed,
                },
                Phase::Running { .. },
            ) => {
                self.phase = Phase::Ended {
                    ending: Ending::Completed,
                    at,
                    took: None,
                };
            }
            (
                RolloutChange::Ended { ending },
                Phase::RollingBack {
                    since,
                    ending: planned,
                },
            ) if ending == planned => {
                let took = Some(Span::between(*since, at));
                self.phase = Phase::Ended {
                    ending: *ending,
                    at,
                    took,
                };
            }
            _ => return false,
        }
        true
    }

    fn enter(&mut self, stage: usize, at: Timestamp, revision: Revision) -> bool {
        let Some(share) = self.start.plan.stage(stage).map(|stage| stage.percentage) else {
            return false;
        };
        self.phase = Phase::Running {
            stage,
            since: at,
            effective: None,
        };
        self.share = share;
        self.split_revision = revision;
        // A stage is judged by its own looks only.
        self.rules.clear();
        true
    }

    fn remember(&mut self, look: &Look) {
        let of = self.start.plan.rule(&look.rule).map_or(1, |rule| rule.trip.of) as usize;
        let memory = self.rules.entry(look.rule.clone()).or_insert_with(|| RuleMemory {
            looks: VecDeque::new(),
            since: look.at,
            last: look.clone(),
        });
        if memory
            .looks
            .back()
            .is_some_and(|newest| !same_kind(*newest, look.verdict))
        {
            memory.since = look.at;
        }
        memory.looks.push_back(look.verdict);
        while memory.looks.len() > of {
            memory.looks.pop_front();
        }
        memory.last = look.clone();
    }
}

/// Unknowns are one kind whatever their reason, except that a window which is not yet full is not
/// blindness and so never starts that clock.
fn same_kind(left: Verdict, right: Verdict) -> bool {
    use crate::verdict::UnknownReason::WindowOverlapsStage as Overlap;
    match (left, right) {
        (Verdict::Unknown(left), Verdict::Unknown(right)) => (left == Overlap) == (right == Overlap),
        (left, right) => left == right,
    }
}
