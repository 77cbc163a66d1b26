//! What the control plane's refusals are over HTTP.

use super::{Kind, Problem, chain};
use tidegate_actors::control::ControlError;
use tidegate_actors::keys::KeyBookError;
use tidegate_actors::observing::ObserveError;
use tidegate_decide::refusal::Refusal;
use tidegate_model::policy::diagnostic::Diagnostic;
use tidegate_store::StoreError;

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::NotFound { what } => Self::new(Kind::NotFound, format!("there is no {what}")),
            ControlError::Stale { what, actual, .. } => Self::new(
                Kind::Conflict,
                format!("{what} was changed at the same moment; look at it and repeat the request"),
            )
            .at_revision(actual),
            ControlError::Refused(Refusal::Invalid(invalid)) => Self::invalid(invalid.into_violations()),
            ControlError::Refused(Refusal::Conflict { why, fix }) => {
                Self::new(Kind::Conflict, format!("{why}; {fix}"))
            }
            ControlError::Refused(Refusal::Forbidden { why, fix }) => {
                Self::new(Kind::Forbidden, format!("{why}; {fix}"))
            }
            ControlError::Policy(diagnostics) => {
                let detail: Vec<String> = diagnostics.iter().map(Diagnostic::to_string).collect();
                let mut problem = Self::new(Kind::InvalidPolicy, detail.join("\n"));
                problem.0.diagnostics = diagnostics;
                problem
            }
            ControlError::Full => {
                let detail = "nothing was changed; rollbacks, pauses and alerts are still stored; make room on the \
                              control plane's disk, then repeat the request";
                Self::new(Kind::DiskFull, detail)
            }
            ControlError::ServesOnly { causes } => Self::serves_only(&causes),
            ControlError::Store(StoreError::Archived { oldest }) => Self::archived(oldest),
            ControlError::Store(source) => {
                let detail = "it may be stored or not; an operator finds the reason in the log; when /readyz says ready, \
                              read it, and repeat the request if it is not so";
                let mut problem = Self::new(Kind::StorageUnavailable, detail);
                problem.0.cause = Some(chain(&source));
                problem
            }
            ControlError::Keys(error) => {
                let kind = match error {
                    KeyBookError::Unknown(_) => Kind::NotFound,
                    KeyBookError::TooMany { .. } | KeyBookError::Signs(_) => Kind::Conflict,
                    _ => Kind::StorageUnavailable,
                };
                let mut problem = Self::new(kind, error.to_string());
                problem.0.cause = Some(chain(&error));
                problem
            }
            ControlError::Observing(ObserveError::Invalid(invalid)) => {
                Self::invalid(invalid.into_violations())
            }
            ControlError::Observing(error @ ObserveError::Full) => {
                Self::new(Kind::DiskFull, format!("{error}; send the batch again later"))
            }
            ControlError::Observing(ObserveError::Stopped(why)) => {
                let detail = "observations are not taken in until the control plane was started again; nodes keep \
                              theirs and send them then";
                let mut problem = Self::new(Kind::StorageUnavailable, detail);
                problem.0.cause = Some(why);
                problem
            }
            ControlError::Incident { id } => Self::incident(id),
            ControlError::Busy { retry_after } => {
                let detail = format!("nothing was changed; repeat the request in {retry_after} s");
                Self::busy(detail, retry_after)
            }
        }
    }
}
