//! From our evaluations to OpenFeature's.

use open_feature::provider::ResolutionDetails;
use open_feature::{
    EvaluationError, EvaluationErrorCode, EvaluationReason, EvaluationResult, FlagMetadata, StructValue,
};
use serde_json::Value;
use tidegate_eval::{ErrorCode, Evaluation, Reason};

/// The value if `read` can read it, with why it was chosen.
///
/// # Errors
/// When there is no value, or not one of this type.
pub(crate) fn details<T>(
    evaluation: &Evaluation<'_>,
    wanted: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> EvaluationResult<ResolutionDetails<T>> {
    let reason = match evaluation.reason() {
        Reason::Error(code) => return Err(refused(code, evaluation)),
        reason => reason,
    };
    let Some(value) = evaluation.value() else {
        return Err(error(
            EvaluationErrorCode::General("DEFAULT".to_owned()),
            format!("the flag leaves the value to the caller: {reason:?}"),
        ));
    };
    let Some(value) = read(value) else {
        return Err(error(
            EvaluationErrorCode::TypeMismatch,
            format!(
                "the flag serves {value}, which is not {wanted}; ask for its own type",
                value = kind(value)
            ),
        ));
    };
    Ok(ResolutionDetails::builder()
        .value(value)
        .variant(evaluation.variation())
        .reason(reason_word(reason))
        .flag_metadata(metadata(evaluation, reason))
        .build())
}

/// An object as OpenFeature carries it. Null has no place in it and is left out.
pub(crate) fn structure(value: &Value) -> Option<StructValue> {
    let fields = value.as_object()?.iter();
    Some(StructValue {
        fields: fields
            .filter_map(|(name, value)| Some((name.clone(), field(value)?)))
            .collect(),
    })
}

fn field(value: &Value) -> Option<open_feature::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(truth) => open_feature::Value::Bool(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => open_feature::Value::Int(whole),
            None => open_feature::Value::Float(number.as_f64()?),
        },
        Value::String(text) => open_feature::Value::String(text.clone()),
        Value::Array(list) => open_feature::Value::Array(list.iter().filter_map(field).collect()),
        Value::Object(_) => open_feature::Value::Struct(structure(value)?),
    })
}

/// The provider has no snapshot yet.
pub(crate) fn not_ready() -> EvaluationError {
    error(
        EvaluationErrorCode::ProviderNotReady,
        "no snapshot has arrived yet".to_owned(),
    )
}

pub(crate) fn error(code: EvaluationErrorCode, message: String) -> EvaluationError {
    EvaluationError {
        code,
        message: Some(message),
    }
}

fn refused(code: ErrorCode, evaluation: &Evaluation<'_>) -> EvaluationError {
    match code {
        ErrorCode::FlagNotFound => error(
            EvaluationErrorCode::FlagNotFound,
            format!("snapshot {} has no such flag", evaluation.version()),
        ),
        ErrorCode::TargetingKeyMissing => error(
            EvaluationErrorCode::TargetingKeyMissing,
            "the flag splits by unit and the context has none".to_owned(),
        ),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a float",
        Value::Number(_) => "an integer",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn reason_word(reason: Reason<'_>) -> EvaluationReason {
    match reason {
        Reason::Static => EvaluationReason::Static,
        Reason::Default | Reason::Holdout { .. } | Reason::PrerequisiteFailed { .. } => {
            EvaluationReason::Default
        }
        Reason::Disabled => EvaluationReason::Disabled,
        Reason::Error(_) => EvaluationReason::Error,
        Reason::IndividualOverride => EvaluationReason::TargetingMatch,
        Reason::TargetingMatch { split, .. } => by_bucket(split, EvaluationReason::TargetingMatch),
        Reason::Fallback { split } => by_bucket(split, EvaluationReason::Default),
        Reason::Rollout { .. } | Reason::Experiment { .. } => EvaluationReason::Split,
    }
}

fn by_bucket(split: bool, otherwise: EvaluationReason) -> EvaluationReason {
    if split { EvaluationReason::Split } else { otherwise }
}

fn metadata(evaluation: &Evaluation<'_>, reason: Reason<'_>) -> FlagMetadata {
    let metadata = FlagMetadata::default().with_value("version", evaluation.version().to_string());
    match reason {
        Reason::TargetingMatch { rule, .. } => metadata.with_value("rule", rule),
        Reason::Rollout { rollout } => metadata.with_value("rollout", rollout),
        Reason::Experiment { experiment, .. } => metadata.with_value("experiment", experiment),
        Reason::Holdout { holdout } => metadata.with_value("holdout", holdout),
        Reason::PrerequisiteFailed { flag } => metadata.with_value("prerequisite", flag),
        _ => metadata,
    }
}
