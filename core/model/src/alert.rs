//! Alerts of an Alertmanager: what is known of each, and what policies make of them.

use crate::Timestamp;
use crate::key::{Fingerprint, FlagKey, RolloutId};
use crate::policy::Action;
use crate::rollout::RolloutStart;
use crate::span::Span;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The label of an alert that names it.
pub const NAME_LABEL: &str = "alertname";
/// The label that addresses an alert to whatever rollout a flag has.
pub const FLAG_LABEL: &str = "tidegate_flag";
/// The label that addresses an alert to one rollout.
pub const ROLLOUT_LABEL: &str = "tidegate_rollout";
/// The label of alerts that Tidegate sends: the environment that they come from. They act on no
/// rollout, or one would pause itself with its own alert and never hear that it is over.
pub const ORIGIN_LABEL: &str = "tidegate_origin";
/// How often a watchdog is heard unless the policy says otherwise.
pub const DEFAULT_WATCHDOG_EVERY: Span = Span::seconds(60);
/// After how many of its periods a watchdog that is not heard counts as lost (faults.md F18).
const WATCHDOG_PERIODS: u32 = 2;

/// The time that something fires, from one start on. Its identity is `fingerprint` and `starts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// What fires: the same for the same labels.
    pub fingerprint: Fingerprint,
    /// When it began to, by the clock of who noticed.
    pub starts: DateTime<Utc>,
    /// What it is about.
    pub labels: BTreeMap<String, String>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Where to look.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

impl Alert {
    /// The value of a label; empty when it has none, which Prometheus takes for the same.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        match self.label(NAME_LABEL) {
            "" => self.fingerprint.as_str(),
            name => name,
        }
    }

    /// In one line: its name and what it says.
    pub fn told(&self) -> String {
        match self.summary.as_str() {
            "" => self.name().to_owned(),
            summary => format!("{}: {summary}", self.name()),
        }
    }

    /// Whether it may act on this rollout at all: alerts that are addressed act on nothing else, and
    /// Tidegate's own act on nothing.
    fn may_concern(&self, flag: &FlagKey, rollout: &RolloutId) -> bool {
        let fits =
            |label: &str, name: &str| matches!(self.label(label), value if value.is_empty() || value == name);
        self.label(ORIGIN_LABEL).is_empty()
            && fits(FLAG_LABEL, flag.as_str())
            && fits(ROLLOUT_LABEL, rollout.as_str())
    }

    fn is_addressed(&self) -> bool {
        !self.label(FLAG_LABEL).is_empty() || !self.label(ROLLOUT_LABEL).is_empty()
    }

    /// What this alert does to the rollout while it fires: the strongest that the plan's alert rules
    /// call for; `None` when it does not concern it.
    pub fn action_on(&self, start: &RolloutStart) -> Option<Action> {
        let plan = &start.plan;
        let is_watchdog = plan
            .watchdog
            .as_ref()
            .is_some_and(|watchdog| watchdog.labels.fit(self));
        if is_watchdog || !self.may_concern(&start.flag, &start.id) {
            return None;
        }
        let fits = |rule: &&AlertRule| match rule.labels.0.is_empty() {
            true => self.is_addressed(),
            false => rule.labels.fit(self),
        };
        plan.alerts.iter().filter(fits).map(|rule| rule.action).max()
    }
}

/// An alert as the journal tells it: the newest time that it fired, or is firing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertState {
    /// The alert.
    pub alert: Alert,
    /// When it was over, by the clock of who noticed; `None` while it fires.
    pub ended: Option<DateTime<Utc>>,
    /// When Tidegate heard this.
    pub heard: DateTime<Utc>,
}

impl AlertState {
    /// Whether it fires, as far as was ever heard. Silence ends nothing.
    pub fn fires(&self) -> bool {
        self.ended.is_none()
    }
}

/// What a policy makes of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertRule {
    /// Which alerts. Without any label: those addressed to the rollout or its flag.
    #[serde(rename = "match")]
    pub labels: Labels,
    /// What to do when one fires.
    #[serde(rename = "do")]
    pub action: Action,
}

impl AlertRule {
    /// The rule of policies that say nothing of alerts: what is addressed to the rollout pauses it.
    pub fn addressed() -> Self {
        Self {
            labels: Labels::default(),
            action: Action::Pause,
        }
    }
}

/// The alert that always fires, and so shows that alerts come through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Watchdog {
    /// Which alert it is.
    #[serde(rename = "match")]
    pub labels: Labels,
    /// How often it is heard.
    pub every: Span,
}

impl Watchdog {
    /// How long it may be silent.
    pub fn patience(&self) -> Span {
        self.every.times(WATCHDOG_PERIODS)
    }
}

/// Labels, each with the values that fit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<String, BTreeSet<String>>);

impl Labels {
    /// Whether the alert has one of the values for each label.
    pub fn fit(&self, alert: &Alert) -> bool {
        self.0
            .iter()
            .all(|(name, values)| values.contains(alert.label(name)))
    }
}

/// The alerts that concern one rollout, as far as was ever heard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Firing {
    /// Those that fire, and what each does.
    pub alerts: BTreeMap<Fingerprint, (Alert, Action)>,
    /// When its watchdog was last heard; `None`: not since Tidegate started to listen.
    pub watchdog_heard: Option<Timestamp>,
    /// Since when Tidegate listens; `None`: it does not yet.
    pub listening_since: Option<Timestamp>,
}

/// An alert that a rollout has acted on and that still fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenAlert {
    /// Which firing of it.
    pub starts: DateTime<Utc>,
    /// What was done.
    pub action: Action,
    /// Whether a person said that the rollout goes on in spite of it.
    #[serde(default)]
    pub overruled: bool,
}
