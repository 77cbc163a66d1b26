//! Why a call was not done.

use crate::keys::KeyBookError;
use crate::observing::ObserveError;
use crate::shell::describe;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::serving::Cause;
use tidegate_model::change::EntityRef;
use tidegate_model::key::Revision;
use tidegate_model::policy::diagnostic::Diagnostic;
use tidegate_store::{Expect, StoreError};

/// Why a call was not done. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such thing (or it is another environment's).
    #[error("there is no {what}")]
    NotFound {
        /// What was looked for, for example `flag new-checkout`.
        what: String,
    },
    /// It was changed meanwhile.
    #[error("{what} is at revision {actual}, not {expected}")]
    Stale {
        /// Which thing.
        what: String,
        /// What the caller had seen.
        expected: Revision,
        /// What it is.
        actual: Revision,
    },
    /// The request cannot be followed.
    #[error("{0}")]
    Refused(Refusal),
    /// A policy's text has mistakes.
    #[error("the policy has mistakes")]
    Policy(Vec<Diagnostic>),
    /// There is no room for anything but what shuts rollouts.
    #[error("the disk is full: only what shuts rollouts is stored until there is room again")]
    Full,
    /// The control plane only serves at present.
    #[error("the control plane only serves: {}", listed(.causes))]
    ServesOnly {
        /// Why; at least one.
        causes: Vec<Cause>,
    },
    /// Nothing can be stored at present.
    #[error("nothing can be stored at present")]
    Store(#[source] StoreError),
    /// The signing keys are not what the caller thinks, or cannot be kept.
    #[error(transparent)]
    Keys(KeyBookError),
    /// What was seen of single units cannot be kept or folded.
    #[error(transparent)]
    Observing(ObserveError),
    /// Something went wrong in Tidegate; the state is unchanged, and the log has the incident.
    #[error("incident {id}")]
    Incident {
        /// What to look for in the log.
        id: String,
    },
    /// Too much at once, or the actor is being built anew; try again.
    #[error("too busy; try again in {retry_after} s")]
    Busy {
        /// After how long, in seconds.
        retry_after: u64,
    },
}

fn listed(causes: &[Cause]) -> String {
    let causes: Vec<String> = causes.iter().map(Cause::to_string).collect();
    causes.join("; ")
}

/// Whether a thing is at the revision that the caller has seen.
pub(crate) fn check_expected(
    entity: &EntityRef,
    expect: Expect,
    actual: Revision,
) -> Result<(), ControlError> {
    match expect {
        Expect::Revision(expected) if expected != actual => Err(ControlError::Stale {
            what: describe(entity),
            expected,
            actual,
        }),
        _ => Ok(()),
    }
}
