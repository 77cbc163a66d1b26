//! One flag's answer, as OFREP clients read it.

use super::refusal::Refusal;
use crate::access::Scope;
use crate::json::Json as _;
use crate::sheet::Sheet;
use tidegate_eval::{ErrorCode, Evaluation, Reason};
use tidegate_model::key::EnvironmentKey;
use tidegate_replica::Standing;

/// Writes the answers of one request.
pub(super) struct Pen<'s> {
    sheet: &'s Sheet,
    state: &'static str,
    age_seconds: Option<u64>,
    scope: Scope,
}

impl<'s> Pen<'s> {
    /// For the answers of a snapshot.
    pub(super) fn new(sheet: &'s Sheet, standing: Standing, scope: Scope) -> Self {
        Self {
            sheet,
            state: standing.word(),
            age_seconds: None,
            scope,
        }
    }

    /// The same, with the age of what is served in each answer if it is stale.
    pub(super) fn with_age(mut self, standing: Standing) -> Self {
        if let Standing::Stale { age, .. } = standing {
            self.age_seconds = Some(age.as_secs());
        }
        self
    }

    /// Writes an answer. `variant` is always there, and only plain texts and numbers are in the
    /// metadata: clients insist on the one and drop the rest.
    pub(super) fn answer(&self, text: &mut Vec<u8>, key: &str, evaluation: &Evaluation<'_>) {
        let cause = evaluation.reason();
        // Keys need no escapes.
        text.raw("{\"key\":\"").raw(key).raw("\"");
        if let Some(json) = evaluation.json() {
            // As it is spelled in the flag. Left out is "use the caller's default".
            text.raw(",\"value\":").raw(json);
        }
        text.raw(",\"reason\":\"").raw(reason(cause));
        text.raw("\",\"variant\":\"").raw(evaluation.variation());
        text.raw("\",").raw(&self.sheet.metadata).raw(self.state);
        text.raw("\",\"tidegateReason\":\"").raw(reason_in_detail(cause));
        text.raw("\"");
        if self.scope == Scope::Server {
            // Names of rules, rollouts and other flags are not for those who get values only.
            match cause {
                Reason::TargetingMatch { rule, .. } => text.raw(",\"rule\":").value(rule),
                Reason::Rollout { rollout } => text.raw(",\"rollout\":").value(rollout),
                Reason::Experiment { experiment, .. } => text.raw(",\"experiment\":").value(experiment),
                Reason::Holdout { holdout } => text.raw(",\"holdout\":").value(holdout),
                Reason::PrerequisiteFailed { flag } => text.raw(",\"prerequisite\":").value(flag),
                _ => text,
            };
        }
        if let Some(age) = &self.age_seconds {
            text.raw(",\"tidegateAgeSeconds\":").value(age);
        }
        text.raw("}}");
    }
}

/// Writes the answer while no snapshot is served: not an error, the caller's default (law L7).
pub(super) fn blind(text: &mut Vec<u8>, environment: &EnvironmentKey, key: &str) {
    text.raw("{\"key\":").value(key);
    text.raw(",\"reason\":\"DEFAULT\",\"variant\":\"\",\"metadata\":{\"flagSetId\":\"")
        .raw(environment.as_str());
    text.raw("\",\"tidegateState\":\"blind\",\"tidegateReason\":\"blind\"}}");
}

/// Writes that one flag has no answer.
pub(super) fn failure(text: &mut Vec<u8>, key: &str, code: ErrorCode) {
    text.value(&Refusal::of(code).about(key).into_members());
}

/// The reason in OpenFeature's words; any other fails in the Python provider.
pub(crate) fn reason(reason: Reason<'_>) -> &'static str {
    match reason {
        Reason::IndividualOverride | Reason::TargetingMatch { split: false, .. } => "TARGETING_MATCH",
        Reason::TargetingMatch { split: true, .. }
        | Reason::Rollout { .. }
        | Reason::Experiment { .. }
        | Reason::Fallback { split: true } => "SPLIT",
        Reason::Fallback { split: false }
        | Reason::Holdout { .. }
        | Reason::Default
        | Reason::PrerequisiteFailed { .. } => "DEFAULT",
        Reason::Static => "STATIC",
        Reason::Disabled => "DISABLED",
        Reason::Error(_) => "ERROR",
    }
}

/// The reason in our own, finer words.
pub(crate) fn reason_in_detail(reason: Reason<'_>) -> &'static str {
    match reason {
        Reason::IndividualOverride => "individual_override",
        Reason::TargetingMatch { .. } => "targeting_match",
        Reason::Rollout { .. } => "rollout",
        Reason::Experiment { .. } => "experiment",
        Reason::Holdout { .. } => "holdout",
        Reason::Fallback { .. } => "fallback",
        Reason::Static => "static",
        Reason::Default => "default",
        Reason::Disabled => "disabled",
        Reason::PrerequisiteFailed { .. } => "prerequisite_failed",
        Reason::Error(ErrorCode::FlagNotFound) => "flag_not_found",
        Reason::Error(ErrorCode::TargetingKeyMissing) => "targeting_key_missing",
    }
}
