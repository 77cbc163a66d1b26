//! How one rollout went, for people who were not there.
//!
//! A [`Reporter`] reads its records; the [`Report`] is a value, and is written as Markdown or as a page of HTML.

use serde::Serialize;
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::because::Figure;
use tidegate_model::key::{EnvironmentKey, FlagKey, PolicyName, RolloutId, RuleName, VariationKey};
use tidegate_model::policy::{Action, Comparison};
use tidegate_model::share::Share;
use tidegate_model::snapshot::Digest;
use tidegate_model::span::Span;
use tidegate_model::verdict::Verdict;

mod chart;
mod html;
mod markdown;
mod measured;
mod reporter;

pub use reporter::Reporter;

/// How one rollout went, or goes so far. Everything in it is from the journal.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The rollout.
    pub rollout: RolloutId,
    /// Where.
    pub environment: EnvironmentKey,
    /// Which flag it opens.
    pub flag: FlagKey,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// By which policy.
    pub policy: PolicyName,
    /// Digest of the plan that it followed last.
    pub plan_digest: Digest,
    /// The variation being opened.
    pub candidate: VariationKey,
    /// The variation that a rollback returns to.
    pub safe: VariationKey,
    /// Who started it.
    pub by: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    /// Until when this tells.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// In one line: how it ended, or where it is.
    pub result: String,
    /// Its stages, each time that one was entered.
    pub progress: Vec<Visit>,
    /// Who did what.
    pub people: Vec<Done>,
    /// What each rule said.
    pub metrics: Vec<Metric>,
    /// What was done to keep users safe.
    pub safety: Safety,
    /// What the result rests on.
    pub validation: Validation,
    /// What a policy beside it, which never acts, would have done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Beside>,
}

/// A stage, from when it was entered to when it was left.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Visit {
    /// Its name.
    pub stage: String,
    /// How far it opens.
    pub share: Share,
    /// How it was entered: `started`, `advanced`, `retreated`.
    pub entered: String,
    /// When that was decided.
    #[schema(value_type = String, format = DateTime)]
    pub opened: Timestamp,
    /// When a quorum of nodes had it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub effective: Option<Timestamp>,
    /// What the nodes confirmed then.
    pub confirmed: Option<String>,
    /// When it was left; `None` while it is in force.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub left: Option<Timestamp>,
    /// From when it was decided to when it was left, or to the end of the report.
    pub lasted: Span,
    /// Who let it open, if somebody had to.
    pub approved_by: Option<String>,
}

/// What a person did.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// The record of the journal.
    pub record: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What, and why.
    pub what: String,
}

/// What one rule said.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// Which rule.
    pub rule: RuleName,
    /// Which side is bad.
    pub comparison: Comparison,
    /// Where the bad side begins.
    pub threshold: f64,
    /// Where the good side begins.
    pub clear: f64,
    /// What it does when it trips.
    pub action: Action,
    /// Whether it is only shown and never acts.
    pub dry_run: bool,
    /// What was asked, as it was asked last.
    pub queries: Vec<String>,
    /// The looks that the journal has, oldest first.
    pub points: Vec<Point>,
    /// How many more there are than are shown.
    pub left_out: usize,
    /// How often each verdict was given among the looks that the journal has, by its name.
    pub verdicts: BTreeMap<String, u64>,
    /// For how long it could not be judged, by the reason.
    pub unknown: BTreeMap<String, Span>,
}

/// One look.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The value, if there was one.
    pub value: Option<f64>,
    /// What it says.
    pub verdict: Verdict,
    /// The record that keeps what it was judged from.
    pub record: u64,
}

/// What was done to keep users safe.
#[derive(Debug, Clone, PartialEq, Default, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Safety {
    /// How many looks were bad.
    pub breaches: u64,
    /// Alerts, pauses, retreats and rollbacks, and what ended them.
    pub decisions: Vec<Done>,
    /// The rollback, if there was one.
    pub rollback: Option<Rollback>,
}

/// A way back to the safe variation.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// When it was decided.
    #[schema(value_type = String, format = DateTime)]
    pub decided: Timestamp,
    /// Why, most important first.
    pub cause: Vec<String>,
    /// From the decision to the last node; `None` until every live node has confirmed.
    pub time_to_safe: Option<Span>,
    /// What proves it.
    pub proof: Option<String>,
}

/// What a policy that never acts would have done.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Beside {
    /// Which policy.
    pub policy: PolicyName,
    /// In one line: how it would have ended, or where it would be.
    pub result: String,
    /// What it would have decided, oldest first, without what only held.
    pub decisions: Vec<Done>,
}

/// What the result rests on.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// Whether everybody got the candidate.
    pub completed: bool,
    /// What the last advance, or the end, rested on.
    pub because: Vec<String>,
    /// The rules that had to be healthy.
    pub rules: Vec<RuleName>,
    /// The looks of those that the journal has.
    pub looks: u64,
}

impl Report {
    /// As Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::write(self)
    }

    /// As a page of HTML that needs nothing else, without scripts.
    #[must_use]
    pub fn html(&self) -> String {
        html::write(self)
    }
}

/// A moment, to the second.
fn clock(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

fn span(span: Span) -> String {
    span.rounded().to_string()
}

/// What a rule does, in words.
fn does(metric: &Metric) -> &'static str {
    match (metric.dry_run, metric.action) {
        (true, _) => "dry run",
        (_, Action::Alert) => "alert",
        (_, Action::Pause) => "pause",
        (_, Action::Retreat) => "retreat",
        (_, Action::Rollback) => "rollback",
    }
}

fn verdicts(metric: &Metric) -> String {
    let count = |(name, count): (&String, &u64)| format!("{count} {name}");
    metric.verdicts.iter().map(count).collect::<Vec<_>>().join(", ")
}

fn unknown(metric: &Metric) -> String {
    let time = |(reason, time): (&String, &Span)| format!("{} {reason}", span(*time));
    metric.unknown.iter().map(time).collect::<Vec<_>>().join(", ")
}

/// A rule's threshold, as `bad is > 0.02`.
fn bad(metric: &Metric) -> String {
    let figure = Figure(metric.threshold);
    format!("bad is {} {figure}", metric.comparison)
}
