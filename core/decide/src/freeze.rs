//! Stopping the line, and letting it go on.
//!
//! While an environment is frozen nothing starts, opens or completes in it. Nothing here is in front of a
//! rollback, a retreat or a look.

use crate::refusal::Refusal;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::{Because, Decision, Reason};
use tidegate_model::calendar::in_force;
use tidegate_model::change::Change;
use tidegate_model::freeze::Frozen;
use tidegate_model::invalid::Violation;
use tidegate_model::policy::Freeze;
use tidegate_model::rollout::{Ending, RolloutChange};

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 1000;

/// Stops the line; `None` when it is stopped already: the one who did that first said why.
///
/// # Errors
/// When no reason is given, or a very long one.
pub fn freeze(
    before: Option<&Frozen>,
    reason: &str,
    by: &Author,
    now: Timestamp,
) -> Result<Option<(Change, Because)>, Refusal> {
    check(reason)?;
    if before.is_some() {
        return Ok(None);
    }
    let change = Change::Frozen(Box::new(Frozen {
        reason: reason.to_owned(),
        by: by.clone(),
        since: now,
    }));
    Ok(Some((change, because(Decision::Frozen, reason, by))))
}

/// Lets the line go on; `None` when it does.
///
/// # Errors
/// When no reason is given, or a very long one.
pub fn thaw(
    before: Option<&Frozen>,
    reason: &str,
    by: &Author,
) -> Result<Option<(Change, Because)>, Refusal> {
    check(reason)?;
    Ok(before.map(|_| (Change::Thawed, because(Decision::Thawed, reason, by))))
}

/// The refusal of a start, or of anything that opens, while nothing does.
pub fn refusal(frozen: &Frozen) -> Refusal {
    Refusal::conflict(
        stopped(frozen).to_string(),
        "wait until somebody thaws the environment: tidegate thaw --reason TEXT",
    )
}

/// Whether this is something that does not happen while nothing opens.
pub fn is_held(change: &Change) -> bool {
    matches!(
        change,
        Change::Rollout(
            RolloutChange::Started(_)
                | RolloutChange::Queued(_)
                | RolloutChange::Opened
                | RolloutChange::Advanced { .. }
                | RolloutChange::Ended {
                    ending: Ending::Completed
                }
        ) | Change::FlagHeld { dealing: Some(_), .. }
            | Change::FlagLetGo { fallback: Some(_) }
    )
}

/// What holds everything at `now`: the switch, and a freeze of the plan.
pub(crate) fn holds(frozen: Option<&Frozen>, planned: &[Freeze], now: Timestamp) -> Vec<Reason> {
    let planned = in_force(planned, now).map(|freeze| Reason::FreezePlanned {
        until: freeze.to,
        reason: freeze.reason.clone(),
    });
    frozen.map(stopped).into_iter().chain(planned).collect()
}

fn stopped(frozen: &Frozen) -> Reason {
    Reason::Frozen {
        by: frozen.by.to_string(),
        since: frozen.since,
        reason: frozen.reason.clone(),
    }
}

fn because(decision: Decision, reason: &str, by: &Author) -> Because {
    let reasons = vec![Reason::Command {
        by: by.to_string(),
        reason: reason.to_owned(),
    }];
    Because { decision, reasons }
}

fn check(reason: &str) -> Result<(), Refusal> {
    let refuse = |rule: String, fix: &str| {
        let violation = Violation::new("reason", reason, rule, fix);
        Err(Refusal::Invalid(violation.into()))
    };
    if reason.trim().is_empty() {
        return refuse(
            "stopping the line, and letting it go on, needs a reason".to_owned(),
            "say in a few words what you know; it is shown to everybody whom it holds up",
        );
    }
    if reason.chars().count() > REASON_CHARS_MAX {
        return refuse(
            format!("a reason has at most {REASON_CHARS_MAX} characters"),
            "shorten it",
        );
    }
    Ok(())
}
