//! What becomes of experiments: designs, what people want of them, and what they do by themselves.
//!
//! An experiment holds its flag from its start to its end, in the same record as its own change: so no rollout and no
//! other experiment is ever on the flag at the same time. What shuts it (a pause, a stop that reverts) is refused by nothing
//! but its own phase.

mod ground;
mod watch;

pub use ground::Ground;
pub use watch::{LATE_MAX, LOOK_EVERY, due, watch};

use crate::refusal::Refusal;
use crate::step::{Effect, Step};
use ground::{check_ground, check_settled_flag};
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::{Because, Decision, ExperimentStep, Reason};
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::experiment::{
    Design, ExperimentChange, ExperimentCommand, ExperimentState, Outcome, Phase,
};
use tidegate_model::invalid::{Invalid, Violation};

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 1000;

/// The step that gives an experiment this design; `None` when it has it already.
///
/// # Errors
/// What is wrong with the design, by itself or for its flag; or that it may not change any more.
pub fn design(
    before: Option<&ExperimentState>,
    design: Design,
    ground: &Ground<'_>,
    by: &Author,
    now: Timestamp,
) -> Result<Option<Step>, Refusal> {
    let design = design.checked()?;
    if before.is_some_and(|before| before.design == design) {
        return Ok(None);
    }
    let mut changes = Vec::new();
    let mut told = ExperimentStep::Designed;
    if let Some(before) = before {
        check_amendable(before, &design, now)?;
        if before.phase.holds() && before.design.excluded != design.excluded {
            told = ExperimentStep::Excluded;
            let after = ExperimentState {
                design: design.clone(),
                ..before.clone()
            };
            changes.push(ground.hold(&after)?);
        }
    }
    // Afterwards what it stands on is as it was at its start, or the past: texts may change whatever became of that.
    if before.is_none_or(|before| matches!(before.phase, Phase::Draft | Phase::Scheduled)) {
        Invalid::unless_empty(ground.violations(&design), ())?;
    }
    let change = ExperimentChange::Designed {
        design: Box::new(design.clone()),
        by: by.clone(),
    };
    changes.insert(0, own(ground, &design, change));
    Ok(Some(step(changes, told, command_reason(by, ""), Some(now))))
}

/// Once it has started, nothing but the texts for people and the units that are left out may change: that is what makes
/// its result a test.
fn check_amendable(before: &ExperimentState, design: &Design, now: Timestamp) -> Result<(), Refusal> {
    let key = &design.key;
    match before.phase {
        Phase::Draft => return Ok(()),
        // One that waits for a start that was not possible goes on waiting.
        Phase::Scheduled if before.design.start_at == design.start_at => return Ok(()),
        Phase::Scheduled => return start_time(design, now).map(|_| ()),
        Phase::Archived => {
            return Err(Refusal::conflict(
                format!("experiment {key} is archived"),
                "design a new one under another key",
            ));
        }
        Phase::Running | Phase::Paused | Phase::Stopped => {}
    }
    let amended = Design {
        description: design.description.clone(),
        owner: design.owner.clone(),
        metadata: design.metadata.clone(),
        excluded: design.excluded.clone(),
        ..before.design.clone()
    };
    if amended != *design {
        return Err(Refusal::conflict(
            format!(
                "experiment {key} has started, and nothing but 'description', 'owner', 'metadata' and 'excluded' may \
                 change: a claim that changes after the first look proves nothing"
            ),
            "stop it, and design a new one under another key",
        ));
    }
    if before.phase == Phase::Stopped && before.tallies.is_some() && before.design.excluded != design.excluded
    {
        return Err(Refusal::conflict(
            format!("the numbers of experiment {key} are final"),
            "leave 'excluded' as it is",
        ));
    }
    Ok(())
}

/// The change that removes what never started.
///
/// # Errors
/// When it has started: what was found out is kept.
pub fn delete(state: &ExperimentState) -> Result<Change, Refusal> {
    match state.started {
        None => Ok(Change::ExperimentDeleted),
        Some(_) => Err(Refusal::conflict(
            format!(
                "experiment {} has started, and what it found out is kept",
                state.design.key
            ),
            "archive it instead",
        )),
    }
}

/// What a person wants, as a step. `tallies` are the numbers of each dealing, as far as they are known.
///
/// # Errors
/// Why it cannot be done.
pub fn command(
    state: &ExperimentState,
    command: &ExperimentCommand,
    tallies: Option<&[Tallies]>,
    ground: &Ground<'_>,
    by: &Author,
    now: Timestamp,
) -> Result<Step, Refusal> {
    use ExperimentCommand as C;
    match command {
        C::Schedule => schedule(state, ground, by, now),
        C::Unschedule => {
            in_phase(state, &[Phase::Scheduled], "unscheduled")?;
            let changes = vec![own(ground, &state.design, ExperimentChange::Unscheduled)];
            Ok(step(
                changes,
                ExperimentStep::Unscheduled,
                command_reason(by, ""),
                None,
            ))
        }
        C::Start => {
            in_phase(state, &[Phase::Draft, Phase::Scheduled], "started")?;
            start(state, ground, command_reason(by, ""), now)
        }
        C::Pause { reason } => {
            check_reason(reason)?;
            in_phase(state, &[Phase::Running], "paused")?;
            Ok(pause(state, ground, by, reason, now))
        }
        C::Resume { reason } => {
            check_reason(reason)?;
            in_phase(state, &[Phase::Paused], "resumed")?;
            ground.check_thawed()?;
            // While it dealt nothing its part of the layer was free, and nothing kept its audience's segments.
            Invalid::unless_empty(ground.violations(&state.design), ())?;
            let after = ExperimentState {
                phase: Phase::Running,
                ..state.clone()
            };
            let changes = vec![
                own(ground, &state.design, ExperimentChange::Resumed),
                ground.hold(&after)?,
            ];
            let reasons = command_reason(by, reason);
            Ok(step(changes, ExperimentStep::Resumed, reasons, Some(now)))
        }
        C::Stop { outcome, reason } => {
            check_reason(reason)?;
            stop_by_hand(state, outcome, reason, ground, by)
        }
        C::Archive => archive(state, tallies, ground, by),
    }
}

fn schedule(
    state: &ExperimentState,
    ground: &Ground<'_>,
    by: &Author,
    now: Timestamp,
) -> Result<Step, Refusal> {
    in_phase(state, &[Phase::Draft], "scheduled")?;
    let start_at = start_time(&state.design, now)?;
    check_ground(state, ground)?;
    let changes = vec![own(ground, &state.design, ExperimentChange::Scheduled)];
    let reasons = command_reason(by, "");
    Ok(step(changes, ExperimentStep::Scheduled, reasons, Some(start_at)))
}

/// When it starts by itself.
fn start_time(design: &Design, now: Timestamp) -> Result<Timestamp, Refusal> {
    design.start_at.filter(|at| *at > now).ok_or_else(|| {
        let violation = Violation::new(
            "startAt",
            design.start_at.map_or(String::new(), |at| at.to_rfc3339()),
            "an experiment that starts by itself has a time to come at which it does",
            "set 'startAt' in its design to a later time; or unschedule it, and start it by hand",
        );
        Refusal::Invalid(violation.into())
    })
}

/// It deals arms, and holds its flag.
fn start(
    state: &ExperimentState,
    ground: &Ground<'_>,
    reasons: Vec<Reason>,
    now: Timestamp,
) -> Result<Step, Refusal> {
    ground.check_thawed()?;
    check_ground(state, ground)?;
    let after = ExperimentState {
        phase: Phase::Running,
        ..state.clone()
    };
    let changes = vec![
        own(ground, &state.design, ExperimentChange::Started),
        ground.hold(&after)?,
    ];
    Ok(step(changes, ExperimentStep::Started, reasons, Some(now)))
}

fn pause(state: &ExperimentState, ground: &Ground<'_>, by: &Author, why: &str, now: Timestamp) -> Step {
    let paused = ExperimentChange::Paused {
        by: by.clone(),
        why: why.to_owned(),
    };
    let changes = vec![own(ground, &state.design, paused), ground.rest(state)];
    step(
        changes,
        ExperimentStep::Paused,
        command_reason(by, why),
        Some(now),
    )
}

/// It is over, and lets go of its flag. The start of a rollout that is to follow belongs into the same record, and is
/// the caller's.
fn stop(
    state: &ExperimentState,
    ground: &Ground<'_>,
    outcome: &Outcome,
    as_planned: bool,
    by: &Author,
    reasons: Vec<Reason>,
) -> Step {
    let why = reasons
        .iter()
        .map(Reason::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    let stopped = ExperimentChange::Stopped {
        outcome: outcome.clone(),
        as_planned,
        by: by.clone(),
        why,
    };
    let changes = vec![own(ground, &state.design, stopped), ground.let_go(state, outcome)];
    step(changes, ExperimentStep::Stopped, reasons, None)
}

fn stop_by_hand(
    state: &ExperimentState,
    outcome: &Outcome,
    reason: &str,
    ground: &Ground<'_>,
    by: &Author,
) -> Result<Step, Refusal> {
    let phases = [Phase::Running, Phase::Paused, Phase::Stopped];
    in_phase(state, &phases, "stopped")?;
    if let Outcome::Ship { variation } | Outcome::HandOver { variation, .. } = outcome {
        ground.check_thawed()?;
        if !state.design.arms.iter().any(|arm| arm.variation == *variation) {
            let arms: Vec<&str> = state
                .design
                .arms
                .iter()
                .map(|arm| arm.variation.as_str())
                .collect();
            let violation = Violation::new(
                "outcome.variation",
                variation,
                "what is shipped is one of the arms",
                format!("choose one of {}", arms.join(", ")),
            );
            return Err(Refusal::Invalid(violation.into()));
        }
    }
    let reasons = command_reason(by, reason);
    if state.phase != Phase::Stopped {
        return Ok(stop(state, ground, outcome, false, by, reasons));
    }
    check_settled_flag(state, outcome, ground)?;
    let settled = ExperimentChange::Settled {
        outcome: outcome.clone(),
        by: by.clone(),
        why: reason.to_owned(),
    };
    let mut changes = vec![own(ground, &state.design, settled)];
    // It holds the flag no more: a rollout that follows takes it as it is.
    if matches!(outcome, Outcome::Ship { .. }) {
        changes.push(ground.let_go(state, outcome));
    }
    Ok(step(changes, ExperimentStep::Settled, reasons, None))
}

fn archive(
    state: &ExperimentState,
    tallies: Option<&[Tallies]>,
    ground: &Ground<'_>,
    by: &Author,
) -> Result<Step, Refusal> {
    in_phase(
        state,
        &[Phase::Draft, Phase::Scheduled, Phase::Stopped],
        "archived",
    )?;
    let mut changes = Vec::new();
    if state.phase == Phase::Stopped && state.tallies.is_none() {
        let Some(tallies) = tallies else {
            return Err(Refusal::conflict(
                format!("the numbers of experiment {} are not known yet", state.design.key),
                "try again in a moment",
            ));
        };
        let concluded = ExperimentChange::Concluded {
            tallies: tallies.to_vec(),
        };
        changes.push(own(ground, &state.design, concluded));
    }
    changes.push(own(ground, &state.design, ExperimentChange::Archived));
    Ok(step(
        changes,
        ExperimentStep::Archived,
        command_reason(by, ""),
        None,
    ))
}

fn in_phase(state: &ExperimentState, phases: &[Phase], what: &str) -> Result<(), Refusal> {
    if phases.contains(&state.phase) {
        return Ok(());
    }
    let names: Vec<&str> = phases.iter().map(|phase| phase.name()).collect();
    let key = &state.design.key;
    Err(Refusal::conflict(
        format!(
            "experiment {key} is {}, and is {what} only when it is {}",
            state.phase,
            names.join(" or ")
        ),
        format!("look at it: tidegate experiment show {key}"),
    ))
}

fn check_reason(reason: &str) -> Result<(), Refusal> {
    let refuse = |rule: String, fix: &str| {
        let violation = Violation::new("reason", reason, rule, fix);
        Err(Refusal::Invalid(violation.into()))
    };
    if reason.trim().is_empty() {
        return refuse(
            "whoever changes a running experiment says why".to_owned(),
            "say in a few words what you know; it stands in the experiment's history",
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

fn command_reason(by: &Author, reason: &str) -> Vec<Reason> {
    vec![Reason::Command {
        by: by.to_string(),
        reason: reason.to_owned(),
    }]
}

fn own(ground: &Ground<'_>, design: &Design, change: ExperimentChange) -> (EntityRef, Change) {
    let entity = EntityRef::Experiment(ground.environment.clone(), design.key.clone());
    (entity, Change::Experiment(change))
}

fn step(
    changes: Vec<(EntityRef, Change)>,
    told: ExperimentStep,
    reasons: Vec<Reason>,
    wake_at: Option<Timestamp>,
) -> Step {
    let published = changes
        .iter()
        .any(|(entity, _)| matches!(entity, EntityRef::Flag(..)));
    Step {
        changes,
        effects: if published {
            vec![Effect::Publish]
        } else {
            Vec::new()
        },
        wake_at,
        because: Because {
            decision: Decision::Experiment { step: told },
            reasons,
        },
    }
}
