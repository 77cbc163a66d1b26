//! Rollout policies: stages, windows, safety rules, and what to do when blind.
//!
//! The types here are complete: every default is filled in and every text is parsed. Reading the
//! written form, with all its mistakes named at once, is [`read`]; filling in arguments is [`bind`].

use crate::alert::{AlertRule, Labels, Watchdog};
use crate::key::{PolicyName, RuleName, VariationKey};
use crate::notice::NotifyRule;
use crate::snapshot::Digest;
use crate::span::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub mod bind;
mod comparison;
mod dependencies;
pub mod diagnostic;
mod exposure;
mod query;
mod quorum;
pub mod read;
mod rule;
mod schedule;
mod score;
mod slo;
mod traffic;
mod wave;

pub use comparison::{Counters, Ranks, Sequential, Sides, SidesBy};
pub use dependencies::{Dependencies, DependencyKind};
pub use exposure::Exposure;
pub use query::promql::{is_share, metrics as metrics_of};
pub use quorum::{Quorum, QuorumBy};
pub use rule::{
    Action, Comparison, EventAggregate, EventBase, EventSource, Minimum, Rule, Source, Trip, UnknownMeans,
    UnknownPolicy,
};
pub use schedule::{Approval, Freeze, Schedule, Stage, SuccessCriterion, Window, WindowEffect};
pub use score::{Score, ScorePart};
pub use slo::{BudgetLeft, BurnRate, ErrorRatio, Slo};
pub use traffic::Traffic;
pub use wave::{Audience, Wave};

/// How a feature is opened, watched and shut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// Its name in the environment.
    pub name: PolicyName,
    /// For people.
    pub description: String,
    /// What must be given when a rollout starts; stands in queries as `{{name}}`.
    pub arguments: BTreeMap<String, Argument>,
    /// When to open how far.
    pub schedule: Schedule,
    /// What must hold meanwhile.
    pub safety: Safety,
    /// What to do when the rules cannot be judged.
    pub blind: Blind,
    /// How to go back.
    pub rollback: Rollback,
    /// What alerts do to the rollout.
    #[serde(default)]
    pub alerts: Vec<AlertRule>,
    /// What shows that alerts come through; without one, nobody knows.
    #[serde(default)]
    pub watchdog: Option<Watchdog>,
    /// Who is told of what.
    #[serde(default)]
    pub notify: Vec<NotifyRule>,
    /// What the service is used to, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// What it waits for of other rollouts.
    #[serde(default)]
    pub dependencies: Dependencies,
    /// What it shares with other rollouts, by labels of the metrics: of those that share any of this, one
    /// advances at a time, and the newest advance is the first to be undone.
    #[serde(default)]
    pub interlock: Labels,
    /// What an edit of the flag does to the rollout.
    #[serde(default)]
    pub flag_edits: FlagEdits,
    /// How many users may meet the candidate before a person says more.
    #[serde(default)]
    pub exposure: Option<Exposure>,
}

impl Policy {
    /// Digest of the policy: what an approval is bound to.
    pub fn digest(&self) -> Digest {
        // Writing plain data as JSON cannot fail; an empty digest would match no other.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Whether any of its rules asks a Prometheus.
    pub fn asks_prometheus(&self) -> bool {
        let queries = |rule: &Rule| !matches!(rule.source, Source::Events(_) | Source::Score(_));
        let counts = |rule: &Rule| {
            rule.minimum
                .as_ref()
                .is_some_and(|minimum| minimum.query.is_some())
        };
        self.safety.rules.iter().any(|rule| queries(rule) || counts(rule))
    }

    /// The longest window of its rules: how long old measurements linger.
    pub fn longest_window(&self) -> Span {
        self.safety
            .rules
            .iter()
            .map(|rule| rule.window)
            .max()
            .unwrap_or_default()
    }

    /// The stage at `index`, counted from 0.
    pub fn stage(&self, index: usize) -> Option<&Stage> {
        self.schedule.stages.get(index)
    }

    /// The rule of this name.
    pub fn rule(&self, name: &RuleName) -> Option<&Rule> {
        self.safety.rules.iter().find(|rule| &rule.name == name)
    }
}

/// What an edit of its flag does to a running rollout. What the rollout stands on cannot be edited at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlagEdits {
    /// It begins again in its first stage, without any evidence.
    #[default]
    Restart,
    /// There is none while it runs.
    Refuse,
}

/// A value that a policy asks for when a rollout starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Argument {
    /// For people.
    pub description: String,
    /// For people, and for checking the queries before any rollout starts.
    pub example: String,
    /// Used when the argument is not given; `None` makes it required.
    pub default: Option<String>,
}

/// What is looked at, and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Safety {
    /// How often each rule is looked at, unless it has an interval of its own.
    pub interval: Span,
    /// The chance that a healthy rollout is ever taken for a bad one, by all its sequential rules
    /// together, however often they look.
    pub false_rollback_budget: f64,
    /// At least one that is no dry run: without a rule nothing could ever be healthy.
    pub rules: Vec<Rule>,
}

/// What to do when some rule could not be judged for too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Blind {
    /// How long is too long.
    pub after: Span,
    /// What then.
    #[serde(rename = "do")]
    pub action: BlindAction,
}

/// What to do when blind. A hold alerts and waits for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlindAction {
    /// Say so and go on holding.
    Hold,
    /// Stay, and wait for a person even if sight returns.
    Pause,
    /// Back to the last stage that was proven healthy, and wait for a person.
    Retreat,
    /// Back to the safe variation for everybody.
    Rollback,
}

/// How to go back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollback {
    /// What a rollback serves.
    pub to: RollbackTarget,
    /// How long after a rollback no new attempt may start. At least the longest window of the
    /// rules, so that the old attempt's numbers cannot condemn the new one.
    pub cooldown: Span,
    /// How many attempts a flag gets with this policy; `None` is as many as people start.
    pub attempts: Option<u32>,
}

/// What a rollback serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RollbackTarget {
    /// What the flag's fallback served when the rollout started.
    Safe,
    /// A variation by name.
    Variation(VariationKey),
}
