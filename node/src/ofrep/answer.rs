//! Evaluations as OFREP clients read them.

use crate::access::Scope;
use crate::problem::OfrepMembers;
use serde::Serialize;
use serde_json::value::RawValue;
use tidegate_eval::{ErrorCode, Evaluation, Reason};
use tidegate_replica::Standing;

/// One flag's answer.
#[derive(Debug, Serialize)]
pub(super) struct Answer<'a> {
    key: &'a str,
    /// As it is spelled in the flag; left out is "use the caller's default".
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    reason: &'static str,
    variant: &'a str,
    metadata: Metadata<'a>,
}

/// What stands beside an answer. Only texts and numbers: clients drop anything else.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    flag_set_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    tidegate_reason: &'static str,
    tidegate_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tidegate_age_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prerequisite: Option<&'a str>,
}

/// All flags' answers.
#[derive(Debug, Serialize)]
pub(super) struct Bulk<'a> {
    pub(super) flags: Vec<Entry<'a>>,
    pub(super) metadata: BulkMetadata<'a>,
}

/// What stands beside all answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BulkMetadata<'a> {
    flag_set_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    tidegate_state: &'static str,
}

/// One flag of a bulk answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Entry<'a> {
    Answered(Answer<'a>),
    Failed(OfrepMembers),
}

impl<'a> Answer<'a> {
    pub(super) fn new(
        key: &'a str,
        evaluation: &Evaluation<'a>,
        mut metadata: Metadata<'a>,
        scope: Scope,
    ) -> Self {
        metadata.tidegate_reason = reason_in_detail(evaluation.reason());
        match evaluation.reason() {
            // Names of rules, rollouts and other flags are not for those who get values only.
            _ if scope == Scope::Client => {}
            Reason::TargetingMatch { rule, .. } => metadata.rule = Some(rule),
            Reason::Rollout { rollout } => metadata.rollout = Some(rollout),
            Reason::PrerequisiteFailed { flag } => metadata.prerequisite = Some(flag),
            _ => {}
        }
        Self {
            key,
            value: evaluation.json().and_then(|json| serde_json::from_str(json).ok()),
            reason: reason(evaluation.reason()),
            variant: evaluation.variation(),
            metadata,
        }
    }

    /// The answer while no snapshot is served: not an error, the caller's default (law L7).
    pub(super) fn blind(key: &'a str, environment: &'a str) -> Self {
        Self {
            key,
            value: None,
            reason: "DEFAULT",
            variant: "",
            metadata: Metadata {
                flag_set_id: environment,
                version: None,
                tidegate_reason: "blind",
                tidegate_state: Standing::Blind.word(),
                tidegate_age_seconds: None,
                rule: None,
                rollout: None,
                prerequisite: None,
            },
        }
    }
}

impl<'a> Metadata<'a> {
    pub(super) fn new(environment: &'a str, version: &'a str, standing: Standing) -> Self {
        let stale = matches!(standing, Standing::Stale { .. });
        Self {
            flag_set_id: environment,
            version: Some(version),
            tidegate_reason: "",
            tidegate_state: standing.word(),
            tidegate_age_seconds: standing.age().filter(|_| stale).map(|age| age.as_secs()),
            rule: None,
            rollout: None,
            prerequisite: None,
        }
    }
}

impl<'a> Bulk<'a> {
    /// The answer while no snapshot is served: no flags, so all of the caller's defaults.
    pub(super) fn blind(environment: &'a str) -> Self {
        Self {
            flags: vec![],
            metadata: BulkMetadata::new(environment, None, Standing::Blind.word()),
        }
    }
}

impl<'a> BulkMetadata<'a> {
    pub(super) fn new(environment: &'a str, version: Option<&'a str>, state: &'static str) -> Self {
        Self {
            flag_set_id: environment,
            version,
            tidegate_state: state,
        }
    }
}

/// The reason in OpenFeature's words; any other fails in the Python provider.
fn reason(reason: Reason<'_>) -> &'static str {
    match reason {
        Reason::IndividualOverride | Reason::TargetingMatch { split: false, .. } => "TARGETING_MATCH",
        Reason::TargetingMatch { split: true, .. }
        | Reason::Rollout { .. }
        | Reason::Fallback { split: true } => "SPLIT",
        Reason::Fallback { split: false } | Reason::Default | Reason::PrerequisiteFailed { .. } => "DEFAULT",
        Reason::Static => "STATIC",
        Reason::Disabled => "DISABLED",
        Reason::Error(_) => "ERROR",
    }
}

/// The reason in our own, finer words.
pub(super) fn reason_in_detail(reason: Reason<'_>) -> &'static str {
    match reason {
        Reason::IndividualOverride => "individual_override",
        Reason::TargetingMatch { .. } => "targeting_match",
        Reason::Rollout { .. } => "rollout",
        Reason::Fallback { .. } => "fallback",
        Reason::Static => "static",
        Reason::Default => "default",
        Reason::Disabled => "disabled",
        Reason::PrerequisiteFailed { .. } => "prerequisite_failed",
        Reason::Error(ErrorCode::FlagNotFound) => "flag_not_found",
        Reason::Error(ErrorCode::TargetingKeyMissing) => "targeting_key_missing",
    }
}
