//! An experiment as the control plane keeps it, and the one fold that leads there.

use super::tally::Tallies;
use super::{Design, Experiment};
use crate::Timestamp;
use crate::access::Author;
use crate::flag::WeightedVariation;
use crate::key::{PolicyName, VariationKey};
use crate::rollout::FoldError;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Where an experiment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is being designed.
    Draft,
    /// It starts by itself at the time that its design names.
    Scheduled,
    /// It deals arms.
    Running,
    /// It deals no arms for now; everybody gets what the flag serves without it.
    Paused,
    /// It is over. Events of its units still count while their windows last.
    Stopped,
    /// It is put away.
    Archived,
}

impl Phase {
    /// All phases, in the order of a life.
    pub const ALL: [Self; 6] = [
        Self::Draft,
        Self::Scheduled,
        Self::Running,
        Self::Paused,
        Self::Stopped,
        Self::Archived,
    ];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Archived => "archived",
        }
    }

    /// Whether it holds its flag.
    pub fn holds(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What becomes of the flag when an experiment is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Outcome {
    /// Everybody gets this variation.
    Ship {
        /// Which.
        variation: VariationKey,
    },
    /// Everybody gets what the flag serves without the experiment.
    Revert,
    /// A rollout opens this variation step by step, by this policy.
    HandOver {
        /// Which.
        variation: VariationKey,
        /// By which policy.
        policy: PolicyName,
    },
}

/// How an experiment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// When arms were dealt no more.
    pub at: DateTime<Utc>,
    /// What became of the flag.
    pub outcome: Outcome,
    /// Whether it was ended by its plan, and not for what was seen.
    pub as_planned: bool,
    /// Who ended it.
    #[schema(value_type = String)]
    pub by: Author,
    /// Why, in words.
    pub why: String,
}

/// Weights, and since when they are in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dealing {
    /// Its number; the first is 0.
    pub batch: u32,
    /// Since when.
    pub from: DateTime<Utc>,
    /// The weights.
    pub arms: Vec<WeightedVariation>,
}

/// A look that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenLook {
    /// When.
    pub at: DateTime<Utc>,
    /// Units in all arms together.
    pub units: u64,
}

/// Why an experiment deals no arms for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Since when.
    pub since: DateTime<Utc>,
    /// Who paused it.
    #[schema(value_type = String)]
    pub by: Author,
    /// Why, in words.
    pub why: String,
}

/// What an experiment speaks for, as it was noted last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// Since when.
    pub at: DateTime<Utc>,
    /// What to do: `ship`, `revert`, `pause`, `keep_running`, `stop_for_futility` or `cannot_say`.
    pub action: String,
    /// The arm to ship, if it is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<VariationKey>,
    /// Why, the weightiest reason first.
    pub because: Vec<String>,
}

/// What a person wants of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "command", deny_unknown_fields)]
pub enum ExperimentCommand {
    /// Start by itself at the time of the design.
    Schedule,
    /// Do not start by itself.
    Unschedule,
    /// Deal arms.
    Start,
    /// Deal none for now.
    Pause {
        /// Why.
        reason: String,
    },
    /// Deal arms again.
    Resume {
        /// Why.
        reason: String,
    },
    /// End it; of one that has ended, let its flag go another way.
    Stop {
        /// What becomes of the flag.
        outcome: Outcome,
        /// Why.
        reason: String,
    },
    /// Put it away.
    Archive,
}

/// What became true of an experiment. Not tagged inside: serde reads no numbers of 128 bits there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ExperimentChange {
    /// It is designed like this now.
    Designed {
        /// How.
        design: Box<Design>,
        /// By whom.
        by: Author,
    },
    /// It is to start by itself.
    Scheduled,
    /// It does not start by itself any more.
    Unscheduled,
    /// It deals arms.
    Started,
    /// It deals none for now.
    Paused {
        /// By whom.
        by: Author,
        /// Why.
        why: String,
    },
    /// It deals arms again.
    Resumed,
    /// A look was taken that counts.
    Looked {
        /// Units in all arms together.
        units: u64,
        /// The numbers then: the result of the look can be made again from them.
        tallies: Box<Tallies>,
    },
    /// What it speaks for.
    Advised(Advice),
    /// A bandit's weights are these now.
    Dealt {
        /// The number of the dealing.
        batch: u32,
        /// The weights.
        arms: Vec<WeightedVariation>,
    },
    /// It is over.
    Stopped {
        /// What becomes of the flag.
        outcome: Outcome,
        /// Whether it was ended by its plan.
        as_planned: bool,
        /// By whom.
        by: Author,
        /// Why.
        why: String,
    },
    /// Its flag goes another way than was said at its end.
    Settled {
        /// Which.
        outcome: Outcome,
        /// Who wants it.
        by: Author,
        /// Why.
        why: String,
    },
    /// Nothing late is waited for any more: these are its numbers for good, one for each dealing.
    Concluded {
        /// The numbers.
        tallies: Vec<Tallies>,
    },
    /// It is put away.
    Archived,
}

/// An experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentState {
    /// What was written down before its start.
    pub design: Design,
    /// Who designed it last.
    pub by: Author,
    /// When it was first written down.
    pub created: Timestamp,
    /// Where it stands.
    pub phase: Phase,
    /// Since when it deals arms, or did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// Why it is paused, while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Its weights, the oldest first; several only of a bandit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dealings: Vec<Dealing>,
    /// Looks that counted, the earliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<TakenLook>,
    /// The numbers at the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_look: Option<Box<Tallies>>,
    /// What it speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<Advice>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// Its numbers for good, one for each dealing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tallies: Option<Vec<Tallies>>,
}

impl ExperimentState {
    /// What the flag is told when it deals arms, if this attribute is the flag's unit.
    pub fn dealing(&self, unit: &str) -> Experiment {
        let mut dealing = self.design.dealing(unit);
        if let Some(last) = self.dealings.last() {
            dealing.batch = last.batch;
            dealing.arms.clone_from(&last.arms);
        }
        dealing
    }

    /// Whether an actor looks after it: it is to start, it runs, or late events are waited for.
    pub fn is_watched(&self) -> bool {
        match self.phase {
            Phase::Scheduled | Phase::Running | Phase::Paused => true,
            Phase::Stopped => self.tallies.is_none(),
            Phase::Draft | Phase::Archived => false,
        }
    }

    /// Until when events of its units count: the longest window after its end.
    pub fn counts_until(&self) -> Option<Timestamp> {
        let ended = self.ended.as_ref()?;
        let windows = self.design.metrics.iter().filter_map(|metric| metric.window);
        Some(windows.max().map_or(ended.at, |longest| longest.after(ended.at)))
    }

    /// The state after one more change.
    ///
    /// # Errors
    /// When the change cannot follow the state.
    pub fn apply(before: Option<Self>, change: &ExperimentChange, at: Timestamp) -> Result<Self, FoldError> {
        let impossible = |state: &str| FoldError {
            change: format!("{change:?}"),
            state: state.to_owned(),
        };
        let Some(before) = before else {
            let ExperimentChange::Designed { design, by } = change else {
                return Err(impossible("no experiment"));
            };
            return Ok(Self {
                design: Design::clone(design),
                by: by.clone(),
                created: at,
                phase: Phase::Draft,
                started: None,
                pause: None,
                dealings: Vec::new(),
                looks: Vec::new(),
                last_look: None,
                advice: None,
                ended: None,
                tallies: None,
            });
        };
        let phase = before.phase;
        before.follow(change, at).ok_or_else(|| impossible(phase.name()))
    }

    /// Whether a dealing of this number comes next: tallies are told apart by it.
    fn follows(&self, batch: u32) -> bool {
        let last = self.dealings.last();
        last.is_some_and(|last| last.batch.checked_add(1) == Some(batch))
    }

    fn deal(&mut self, batch: u32, arms: Vec<WeightedVariation>, from: Timestamp) {
        self.dealings.push(Dealing { batch, from, arms });
    }

    fn follow(mut self, change: &ExperimentChange, at: Timestamp) -> Option<Self> {
        use ExperimentChange as C;
        use Phase as P;
        match (change, self.phase) {
            (C::Designed { design, by }, P::Draft | P::Scheduled | P::Running | P::Paused | P::Stopped) => {
                self.design = Design::clone(design);
                self.by = by.clone();
            }
            (C::Scheduled, P::Draft) => self.phase = P::Scheduled,
            (C::Unscheduled, P::Scheduled) => self.phase = P::Draft,
            (C::Started, P::Draft | P::Scheduled) => {
                self.phase = P::Running;
                self.started = Some(at);
                self.deal(0, self.design.arms.clone(), at);
            }
            (C::Paused { by, why }, P::Running) => {
                self.phase = P::Paused;
                self.pause = Some(Pause {
                    since: at,
                    by: by.clone(),
                    why: why.clone(),
                });
            }
            (C::Resumed, P::Paused) => {
                self.phase = P::Running;
                self.pause = None;
            }
            (C::Looked { units, tallies }, P::Running | P::Paused) => {
                self.looks.push(TakenLook { at, units: *units });
                self.last_look = Some(tallies.clone());
            }
            (C::Advised(advice), P::Running | P::Paused) => self.advice = Some(advice.clone()),
            (C::Dealt { batch, arms }, P::Running) if self.follows(*batch) => {
                self.deal(*batch, arms.clone(), at);
            }
            (
                C::Stopped {
                    outcome,
                    as_planned,
                    by,
                    why,
                },
                P::Running | P::Paused,
            ) => {
                self.phase = P::Stopped;
                self.pause = None;
                self.ended = Some(Ended {
                    at,
                    outcome: outcome.clone(),
                    as_planned: *as_planned,
                    by: by.clone(),
                    why: why.clone(),
                });
            }
            (C::Settled { outcome, by, why }, P::Stopped) => {
                let ended = self.ended.as_mut()?;
                ended.outcome = outcome.clone();
                ended.by = by.clone();
                ended.why.clone_from(why);
            }
            (C::Concluded { tallies }, P::Stopped) if self.tallies.is_none() => {
                self.tallies = Some(tallies.clone());
            }
            (C::Archived, P::Draft | P::Scheduled | P::Stopped) => self.phase = P::Archived,
            _ => return None,
        }
        Some(self)
    }
}
