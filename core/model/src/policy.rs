//! Rollout policies: stages, windows, safety rules, and what to do when blind.
//!
//! The types here are complete: every default is filled in and every text is parsed. Reading the
//! written form, with all its mistakes named at once, is [`read`]; filling in arguments is [`bind`].

use crate::access::Role;
use crate::alert::{AlertRule, Labels, Watchdog};
use crate::gate::Gate;
use crate::key::{MetricName, PolicyName, RuleName, StageName, VariationKey};
use crate::notice::NotifyRule;
use crate::share::Share;
use crate::snapshot::Digest;
use crate::span::Span;
use crate::verdict::UnknownReason;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub mod bind;
mod comparison;
mod dependencies;
pub mod diagnostic;
mod exposure;
mod query;
mod quorum;
pub mod read;
mod score;
mod slo;
mod traffic;
mod wave;

pub use comparison::{Counters, Ranks, Sequential, Sides, SidesBy};
pub use dependencies::{Dependencies, DependencyKind};
pub use exposure::Exposure;
pub use query::promql::{is_share, metrics as metrics_of};
pub use quorum::{Quorum, QuorumBy};
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

/// The stages in order, already expanded from a linear or exponential schedule.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    /// At least one; percentages strictly increase; the last is what the rollout aims at.
    pub stages: Vec<Stage>,
    /// Waited between the end of a stage and the next, with the share unchanged.
    pub pause_between_stages: Span,
    /// When a stage may open. Rollback ignores them.
    pub windows: Vec<Window>,
    /// When nothing opens, whatever windows say. Rollback ignores them.
    #[serde(default)]
    pub freezes: Vec<Freeze>,
    /// Whether a stage opens only if it can last its duration before the windows close.
    #[serde(default)]
    pub bake_must_fit: bool,
    /// How long it is still watched, and may still go back, once the last stage is done.
    #[serde(default)]
    pub monitor_after: Span,
    /// How many of the nodes have to serve a stage before its clock starts.
    #[serde(default)]
    pub quorum: Quorum,
}

/// A stretch of the calendar in which nothing opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Freeze {
    /// When it begins.
    pub from: DateTime<Utc>,
    /// When it is over.
    pub to: DateTime<Utc>,
    /// IANA name of the time zone in which it was written.
    pub timezone: String,
    /// For people: shown while it holds a rollout.
    pub reason: String,
}

/// One step of opening.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stage {
    /// Names it in explanations and approvals.
    pub name: StageName,
    /// How far it opens; for a wave how many of everybody have the candidate then, as its author reckons.
    pub percentage: Share,
    /// Who gets it, if it is not anybody: the stages before opened to others stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<Wave>,
    /// How long it must hold after it took effect on the nodes.
    pub duration: Span,
    /// Asked for before the stage opens.
    pub wait_for_approval: Option<Approval>,
    /// Rules that must have been healthy without a break before the stage is left.
    pub success_criteria: Vec<SuccessCriterion>,
    /// Others who are asked before the stage opens, all of them.
    #[serde(default)]
    pub gates: Vec<Gate>,
    /// Whether going back does more harm than good once it took effect: nothing but a person's explicit
    /// word then leads to an earlier stage, or to the safe variation.
    #[serde(default)]
    pub point_of_no_return: bool,
}

/// Whose word a stage waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// Any one of these. Never empty. The one who started the rollout cannot approve it.
    pub roles: BTreeSet<Role>,
    /// How long an approval counts; `None` is for as long as the attempt lives.
    pub expires: Option<Span>,
}

/// A rule that must have been healthy for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuccessCriterion {
    /// Which rule.
    pub rule: RuleName,
    /// For how long, without a break.
    pub healthy_for: Span,
}

/// A recurring stretch of time in which stages may, or may not, open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Window {
    /// Allow or deny; deny is stronger.
    pub effect: WindowEffect,
    /// When it starts: five-field cron, minute to weekday.
    pub cron: String,
    /// How long it lasts from there.
    #[serde(rename = "for")]
    pub length: Span,
    /// IANA name of the time zone in which `cron` is read.
    pub timezone: String,
    /// For people: shown while it holds a rollout.
    pub reason: String,
}

/// Whether a window opens or closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowEffect {
    /// Stages open only inside one of these, if there are any.
    Allow,
    /// No stage opens inside.
    Deny,
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

/// One thing that must stay on the good side of a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Names it in explanations.
    pub name: RuleName,
    /// Where the number comes from.
    pub source: Source,
    /// How far back the number looks; stands in queries as `{{window}}`.
    pub window: Span,
    /// How often it is looked at.
    pub interval: Span,
    /// Which side is bad.
    pub comparison: Comparison,
    /// Where the bad side begins.
    pub threshold: f64,
    /// Where the good side begins; the threshold itself unless given.
    pub clear: f64,
    /// How many of the last looks must be bad before it acts.
    pub trip: Trip,
    /// How many samples a value needs behind it to count.
    pub minimum: Option<Minimum>,
    /// What it means that the rule cannot be judged.
    pub unknown: UnknownPolicy,
    /// What to do when it trips.
    pub action: Action,
    /// Judged and shown, but never acting and never waited for.
    pub dry_run: bool,
    /// Whether its number does not say whose it is: none of its queries names the flag or the variation.
    /// Settled when the queries are filled in.
    #[serde(default)]
    pub shared: bool,
}

/// Where a rule's number comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A PromQL expression that yields one number.
    Query(String),
    /// Metric events that nodes received; works without any Prometheus.
    Events(EventSource),
    /// The candidate's number against the baseline's.
    Sides(Sides),
    /// The candidate's samples against the baseline's.
    Ranks(Ranks),
    /// The candidate's counters against the baseline's.
    Sequential(Sequential),
    /// How fast an error budget burns.
    Slo(Slo),
    /// Other rules, weighed.
    Score(Score),
}

impl Source {
    /// Whether it says only how the candidate compares with the baseline: when both are bad, it sees
    /// nothing (F16).
    pub fn is_relative(&self) -> bool {
        matches!(self, Self::Sides(_) | Self::Ranks(_) | Self::Sequential(_))
    }
}

/// A number made of metric events of the candidate variation inside the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventSource {
    /// The metric counted or added up.
    pub metric: MetricName,
    /// What is made of it.
    pub aggregate: EventAggregate,
    /// What it is divided by.
    pub per: EventBase,
}

/// What is made of the events in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventAggregate {
    /// How many there were.
    #[default]
    Count,
    /// Their values added up.
    Sum,
}

/// What the number of events is divided by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EventBase {
    /// By nothing.
    #[default]
    Nothing,
    /// By the number of evaluations that served the variation.
    Exposure,
    /// By the number of events of another metric. With the rule's own metric and `aggregate: sum`
    /// this is the average value.
    Metric(MetricName),
    /// By the seconds of the window.
    Second,
}

/// Which side of the threshold is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Bad when larger.
    GreaterThan,
    /// Bad when smaller.
    LessThan,
    /// Bad when equal.
    Equals,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::GreaterThan => ">",
            Self::LessThan => "<",
            Self::Equals => "=",
        })
    }
}

/// A sliding window of looks: trips when `need` of the last `of` were bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trip {
    /// How many looks are remembered, 1 to 100.
    pub of: u32,
    /// How many of them must be bad, 1 to `of`.
    pub need: u32,
}

/// How many samples a value needs behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Minimum {
    /// What counts the samples; `None` counts the events of the rule's `per`.
    pub query: Option<String>,
    /// Below this the look is `too_few`.
    pub at_least: f64,
}

/// What it means that a rule cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnknownPolicy {
    /// For every reason not named below.
    pub default: UnknownMeans,
    /// For particular reasons. `window_overlaps_stage` always holds and cannot be named.
    pub by_reason: BTreeMap<UnknownReason, UnknownMeans>,
}

impl UnknownPolicy {
    /// What this reason means.
    pub fn means(&self, reason: UnknownReason) -> UnknownMeans {
        match reason {
            UnknownReason::WindowOverlapsStage => UnknownMeans::Hold,
            other => self.by_reason.get(&other).copied().unwrap_or(self.default),
        }
    }
}

/// What an unknown is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownMeans {
    /// Neither good nor bad: no advance, and the blind budget runs.
    #[default]
    Hold,
    /// Good.
    Healthy,
    /// Bad.
    Breached,
    /// As if the value were zero, then judged. Only for `no_series`.
    Zero,
}

/// What a tripped rule does. Ordered: the strongest of several wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Say so, and do not advance while it lasts.
    Alert,
    /// Stay, and wait for a person.
    Pause,
    /// Back to the last stage that was proven healthy, and wait for a person.
    Retreat,
    /// Back to the safe variation for everybody.
    Rollback,
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
