//! What an experiment does by itself: start on time, take its looks, obey its guardrails, follow its weights, end.

use super::{Ground, own, start, step, stop};
use crate::step::Step;
use tidegate_analytics::bandit;
use tidegate_analytics::decision::{Action, Decision as Proposal, Reason as Said, decide};
use tidegate_analytics::result::{Asked, End, result_of_dealings};
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::{ExperimentStep, Reason};
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::experiment::{
    Advice, DEALINGS_MAX, Discipline, ExperimentChange, ExperimentState, Outcome, Phase,
};
use tidegate_model::span::Span;

/// How often the numbers are looked at.
pub const LOOK_EVERY: Span = Span::seconds(10);

/// How long events that come late are waited for before the numbers of an experiment are final.
pub const LATE_MAX: Span = Span::seconds(24 * 3600);

/// How soon a start that was not possible is tried again.
const RETRY: Span = Span::seconds(60);

/// What time and the numbers make of an experiment. `tallies` has one entry for each dealing; `None`: they are not known
/// yet.
pub fn watch(
    state: &ExperimentState,
    tallies: Option<&[Tallies]>,
    ground: &Ground<'_>,
    now: Timestamp,
) -> Step {
    match state.phase {
        Phase::Scheduled => on_time(state, ground, now),
        Phase::Running | Phase::Paused => match tallies {
            Some(tallies) => go_on(state, tallies, ground, now),
            None => quiet(Some(LOOK_EVERY.after(now)), Vec::new()),
        },
        Phase::Stopped => conclude(state, tallies, ground, now),
        Phase::Draft | Phase::Archived => quiet(None, Vec::new()),
    }
}

fn quiet(wake_at: Option<Timestamp>, reasons: Vec<Reason>) -> Step {
    step(Vec::new(), ExperimentStep::Watched, reasons, wake_at)
}

fn on_time(state: &ExperimentState, ground: &Ground<'_>, now: Timestamp) -> Step {
    let Some(start_at) = state.design.start_at else {
        return quiet(None, Vec::new());
    };
    let waits = Reason::Found {
        text: format!("it starts at {}", start_at.to_rfc3339()),
    };
    if start_at > now {
        return quiet(Some(start_at), vec![waits]);
    }
    match start(state, ground, vec![waits], now) {
        Ok(step) => step,
        Err(refusal) => {
            let reasons = vec![Reason::Found {
                text: refusal.to_string(),
            }];
            step(Vec::new(), ExperimentStep::Waits, reasons, Some(RETRY.after(now)))
        }
    }
}

/// One look at a running or paused experiment.
fn go_on(state: &ExperimentState, tallies: &[Tallies], ground: &Ground<'_>, now: Timestamp) -> Step {
    let together = Tallies::together(tallies);
    let ends = end_of(state);
    let over = ends.is_some_and(|ends| ends <= now);
    let asked = Asked {
        looks: state.looks.iter().map(|look| look.units).collect(),
        end: if over { End::AsPlanned } else { End::Running },
    };
    let result = result_of_dealings(&state.design, &state.dealings, tallies, &asked);
    let batches: Vec<bandit::Seen<'_>> = state.dealings.iter().zip(tallies).collect();
    let proposal = bandit::decided(&state.design, &batches, decide(&result));
    let said = || {
        vec![Reason::Found {
            text: proposal.to_string(),
        }]
    };
    if proposal.by_itself
        && let Some(step) = obey(state, &proposal, ground, said(), now)
    {
        return step;
    }
    let mut changes = Vec::new();
    let mut told = ExperimentStep::Watched;
    let units = result.look.units();
    let counts = result.look.counts() && !matches!(state.design.discipline, Discipline::AlwaysValid { .. });
    if counts && units > 0 && state.looks.last().is_none_or(|last| last.units != units) {
        told = ExperimentStep::Looked;
        let looked = ExperimentChange::Looked {
            units,
            tallies: Box::new(together),
        };
        changes.push(own(ground, &state.design, looked));
    }
    let advice = advice(&proposal, now);
    let news = state
        .advice
        .as_ref()
        .is_none_or(|before| (&before.action, &before.arm) != (&advice.action, &advice.arm));
    if news || told == ExperimentStep::Looked {
        if told == ExperimentStep::Watched {
            told = ExperimentStep::Advised;
        }
        changes.push(own(ground, &state.design, ExperimentChange::Advised(advice)));
    }
    if over {
        let reasons = vec![Reason::Found {
            text: format!("its time is over; {proposal}"),
        }];
        let mut end = stop(state, ground, &Outcome::Revert, true, &Author::Tidegate, reasons);
        changes.append(&mut end.changes);
        return Step { changes, ..end };
    }
    if let Some(dealt) = deal_anew(state, tallies, ground, now) {
        changes.extend(dealt);
        told = ExperimentStep::Dealt;
    }
    let next = LOOK_EVERY.after(now);
    let wake_at = ends.map_or(next, |ends| ends.min(next));
    step(changes, told, said(), Some(wake_at))
}

/// When time alone makes something of an experiment, whose numbers stay as they are.
pub fn due(state: &ExperimentState) -> Option<Timestamp> {
    let batch = state.design.bandit.as_ref().zip(state.dealings.last());
    let dealt = batch.map(|(bandit, last)| bandit.every.after(last.from));
    end_of(state).into_iter().chain(dealt).min()
}

fn end_of(state: &ExperimentState) -> Option<Timestamp> {
    Some(state.design.duration?.after(state.started?))
}

/// A guardrail is broken, and its design says that this is nobody's decision.
fn obey(
    state: &ExperimentState,
    proposal: &Proposal,
    ground: &Ground<'_>,
    reasons: Vec<Reason>,
    now: Timestamp,
) -> Option<Step> {
    let mut obeyed = match (&proposal.action, state.phase) {
        (Action::Pause, Phase::Running) if !is_overruled(state, proposal) => {
            super::pause(state, ground, &Author::Tidegate, &proposal.to_string(), now)
        }
        (Action::Revert, _) => stop(state, ground, &Outcome::Revert, false, &Author::Tidegate, reasons),
        _ => return None,
    };
    let advised = ExperimentChange::Advised(advice(proposal, now));
    obeyed.changes.insert(0, own(ground, &state.design, advised));
    Some(obeyed)
}

/// Whether somebody has resumed in spite of all that is broken: it was told while it was paused. The same numbers would
/// pause it again at once, for ever.
fn is_overruled(state: &ExperimentState, proposal: &Proposal) -> bool {
    let Some(told) = state.advice.as_ref().filter(|told| told.action == PAUSE) else {
        return false;
    };
    let mut breached = proposal
        .because
        .iter()
        .filter(|one| matches!(one, Said::Breached { .. }));
    breached.all(|one| told.because.contains(&one.to_string()))
}

/// What [`Advice::action`] says of a pause.
const PAUSE: &str = "pause";

fn advice(proposal: &Proposal, now: Timestamp) -> Advice {
    let (action, arm) = match &proposal.action {
        Action::Ship { arm } => ("ship", Some(arm.clone())),
        Action::Revert => ("revert", None),
        Action::Pause => (PAUSE, None),
        Action::KeepRunning => ("keep_running", None),
        Action::StopForFutility => ("stop_for_futility", None),
        Action::CannotSay => ("cannot_say", None),
    };
    Advice {
        at: now,
        action: action.to_owned(),
        arm,
        because: proposal.because.iter().map(ToString::to_string).collect(),
    }
}

/// The next batch of a bandit, when the present one has lasted long enough and the weights would be others.
fn deal_anew(
    state: &ExperimentState,
    tallies: &[Tallies],
    ground: &Ground<'_>,
    now: Timestamp,
) -> Option<Vec<(tidegate_model::change::EntityRef, tidegate_model::change::Change)>> {
    let bandit = state.design.bandit.as_ref()?;
    let last = state.dealings.last()?;
    let due = state.phase == Phase::Running
        && bandit.every.after(last.from) <= now
        && last.batch < DEALINGS_MAX
        && ground.frozen.is_none();
    if !due {
        return None;
    }
    let batches: Vec<bandit::Seen<'_>> = state.dealings.iter().zip(tallies).collect();
    let arms = bandit::weigh(&state.design, bandit, &batches).ok()?;
    if arms == last.arms {
        return None;
    }
    let batch = last.batch + 1;
    let mut after = state.clone();
    after.dealings.push(tidegate_model::experiment::Dealing {
        batch,
        from: now,
        arms: arms.clone(),
    });
    let held = ground.hold(&after).ok()?;
    let dealt = own(ground, &state.design, ExperimentChange::Dealt { batch, arms });
    Some(vec![dealt, held])
}

/// Waits for what comes late, and then writes the numbers down for good.
fn conclude(
    state: &ExperimentState,
    tallies: Option<&[Tallies]>,
    ground: &Ground<'_>,
    now: Timestamp,
) -> Step {
    if state.tallies.is_some() {
        return quiet(None, Vec::new());
    }
    let due = state.counts_until().map_or(now, |until| LATE_MAX.after(until));
    match tallies {
        Some(tallies) if due <= now => {
            let concluded = ExperimentChange::Concluded {
                tallies: tallies.to_vec(),
            };
            let reasons = vec![Reason::Found {
                text: "nothing late is waited for any more".to_owned(),
            }];
            let changes = vec![own(ground, &state.design, concluded)];
            step(changes, ExperimentStep::Concluded, reasons, None)
        }
        _ => {
            let reasons = vec![Reason::Found {
                text: format!("events of its units are waited for until {}", due.to_rfc3339()),
            }];
            quiet(Some(due.max(LOOK_EVERY.after(now))), reasons)
        }
    }
}
