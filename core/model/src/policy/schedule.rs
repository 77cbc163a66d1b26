//! When what opens: stages, windows, freezes.

use super::{Quorum, Wave};
use crate::access::Role;
use crate::gate::Gate;
use crate::key::{RuleName, StageName};
use crate::share::Share;
use crate::span::Span;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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
