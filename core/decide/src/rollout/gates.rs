//! Gates: others who are asked before a stage opens.
//!
//! A gate is asked once nothing else is waited for, and asked again until it passes. Only a pass opens:
//! a gate that is down, slow, or says what nobody understands is waited for, and a person hears of it
//! at its deadline (faults.md F24). Nothing here is in front of a rollback.

use super::draft::Draft;
use super::{Observed, waiting};
use crate::step::Step;
use serde::{Deserialize, Serialize};
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::gate::{Gate, GateState, GateVerdict};
use tidegate_model::key::TargetName;
use tidegate_model::policy::Stage;
use tidegate_model::rollout::{PauseOwner, Phase, Rollout, RolloutChange};
use tidegate_model::snapshot::Digest;
use tidegate_model::span::Span;

pub(super) mod answer;

use answer::Answer;

/// How long a question may be without an answer before it is asked again. The one who asks gives up
/// before that.
const UNANSWERED: Span = Span::seconds(30);

/// How much of a plan's digest stands in a question's name.
const PLAN_CHARS: usize = 12;

/// What a gate is asked. An answer to another question than the last is too late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Who is asked.
    pub target: TargetName,
    /// The stage that would open, from 0.
    pub stage: usize,
    /// When the stage before it was entered: after a retreat the same stage is another question.
    pub entered: Timestamp,
    /// The plan that the stage would open by: another plan is another question.
    pub plan: Digest,
    /// How long to wait before it is asked again.
    pub every: Span,
}

impl Question {
    /// Names it to the one who is asked: the same while the same question is repeated.
    pub fn id(&self, rollout: &Rollout) -> String {
        let plan: String = self.plan.to_string().chars().take(PLAN_CHARS).collect();
        format!(
            "{}/{}/{}/{plan}",
            rollout.start.id,
            self.stage,
            self.entered.timestamp_millis()
        )
    }
}

/// A gate that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// What.
    pub question: Question,
    /// When it may be asked again.
    pub next: Timestamp,
    /// Why its last answer is none, if so.
    pub broken: Option<String>,
}

/// The stage that opens next, which the gates are asked about, and the one before it.
fn next(rollout: &Rollout) -> Option<(usize, &Stage, Timestamp)> {
    let Phase::Running { since, .. } = rollout.phase else {
        return None;
    };
    let index = rollout.next_stage()?;
    Some((index, rollout.start.plan.stage(index)?, since))
}

/// Whether the gate's pass counts at `now`.
fn has_passed(gate: &Gate, state: Option<&GateState>, now: Timestamp) -> bool {
    let answer = state.and_then(|state| state.answer.as_ref());
    answer.is_some_and(|answer| {
        let expired = gate
            .expires
            .is_some_and(|expires| expires.after(answer.at) <= now);
        answer.verdict == GateVerdict::Pass && !expired
    })
}

/// Asks the gates of the next stage that are due, if nothing but gates is waited for.
pub(super) fn ask(draft: &mut Draft<'_>) {
    let Some((stage, next, entered)) = next(&draft.rollout) else {
        return;
    };
    if next.gates.is_empty() || !waiting::look(&draft.rollout, draft.observed, draft.now).only_gates {
        return;
    }
    let due = next.gates.iter().filter(|gate| {
        let question = question(&draft.rollout, gate, stage, entered);
        let asked = draft.observed.asked_gates.get(&gate.target);
        let asked = asked.filter(|asked| asked.question == question);
        let waits = asked.is_some_and(|asked| draft.now < asked.next);
        !has_passed(gate, draft.rollout.gates.get(&gate.target), draft.now) && !waits
    });
    let questions: Vec<Question> = due
        .map(|gate| question(&draft.rollout, gate, stage, entered))
        .collect();
    for question in &questions {
        if !draft.rollout.gates.contains_key(&question.target) {
            draft.change(RolloutChange::GateAsked {
                target: question.target.clone(),
            });
        }
    }
    draft.ask(questions);
}

fn question(rollout: &Rollout, gate: &Gate, stage: usize, entered: Timestamp) -> Question {
    Question {
        target: gate.target.clone(),
        stage,
        entered,
        plan: rollout.start.plan_digest.clone(),
        every: gate.every,
    }
}

impl Observed {
    /// Notes that these were asked.
    pub(super) fn note_questions(&mut self, questions: &[Question], now: Timestamp) {
        for question in questions {
            let asked = Asked {
                question: question.clone(),
                next: UNANSWERED.after(now),
                broken: self
                    .asked_gates
                    .get(&question.target)
                    .filter(|asked| asked.question == *question)
                    .and_then(|asked| asked.broken.clone()),
            };
            self.asked_gates.insert(question.target.clone(), asked);
        }
    }

    /// Notes when a gate that answered is asked again. An answer to an older question is not noted.
    pub(super) fn note_answer(&mut self, question: &Question, answer: &Answer, at: Timestamp) {
        let asked = self.asked_gates.get_mut(&question.target);
        if let Some(asked) = asked.filter(|asked| asked.question == *question) {
            asked.next = answer.again(question.every).after(at);
            asked.broken = match answer {
                Answer::Said { .. } => None,
                Answer::Broken { why } => Some(why.clone()),
            };
        }
    }
}

/// Takes in an answer, if it is one to what is asked now.
pub(super) fn take_in(mut draft: Draft<'_>, question: &Question, answer: &Answer) -> Step {
    let current = next(&draft.rollout).and_then(|(stage, next, entered)| {
        let gate = next.gates.iter().find(|gate| gate.target == question.target)?;
        (self::question(&draft.rollout, gate, stage, entered) == *question).then_some(())
    });
    let known = draft.rollout.gates.get(&question.target);
    let (Some(()), Some(known), Answer::Said { verdict, reason, .. }) = (current, known, answer) else {
        return draft.hold();
    };
    let before = known.answer.as_ref();
    let same = before.is_some_and(|before| before.verdict == *verdict && before.reason == *reason);
    if same && *verdict == GateVerdict::Hold {
        return draft.hold();
    }
    draft.change(RolloutChange::GateAnswered {
        target: question.target.clone(),
        verdict: *verdict,
        reason: reason.clone(),
    });
    let owner = PauseOwner::Gate(question.target.clone());
    if *verdict != GateVerdict::Fail || draft.rollout.pauses.contains_key(&owner) {
        return draft.hold();
    }
    draft.change(RolloutChange::Paused {
        owner: owner.clone(),
        reason: reason.clone(),
        by: Author::Tidegate,
    });
    let share = draft.rollout.share;
    let reasons = vec![Reason::PausedBy {
        owner,
        reason: reason.clone(),
    }];
    draft.alert(Decision::Paused { share }, reasons)
}

/// Says once of each gate that it has not passed in time.
pub(super) fn notice_overdue(draft: &mut Draft<'_>) -> Option<(Decision, Vec<Reason>)> {
    let (_, next, _) = next(&draft.rollout)?;
    let late: Vec<(Gate, GateState)> = next
        .gates
        .iter()
        .filter_map(|gate| {
            let state = draft.rollout.gates.get(&gate.target)?;
            let failed = state
                .answer
                .as_ref()
                .is_some_and(|answer| answer.verdict == GateVerdict::Fail);
            let late = !state.overdue
                && !failed
                && gate.deadline.after(state.asked) <= draft.now
                && !has_passed(gate, Some(state), draft.now);
            late.then(|| (gate.clone(), state.clone()))
        })
        .collect();
    if late.is_empty() {
        return None;
    }
    let stage = next.name.clone();
    let reasons = late.iter().map(|(gate, state)| {
        reason(
            gate,
            &stage,
            Some(state),
            draft.observed.asked_gates.get(&gate.target),
        )
    });
    let reasons = reasons.collect();
    for (gate, _) in late {
        draft.change(RolloutChange::GateOverdue { target: gate.target });
    }
    let share = draft.rollout.share;
    Some((Decision::Alerted { share }, reasons))
}

/// The gates of the next stage that have not passed.
pub(super) fn waits(rollout: &Rollout, observed: &Observed, now: Timestamp) -> Vec<Reason> {
    let Some((stage, next, entered)) = next(rollout) else {
        return Vec::new();
    };
    let open = next.gates.iter().filter_map(|gate| {
        let state = rollout.gates.get(&gate.target);
        let asked = observed.asked_gates.get(&gate.target);
        let asked = asked.filter(|asked| asked.question == question(rollout, gate, stage, entered));
        (!has_passed(gate, state, now)).then(|| reason(gate, &next.name, state, asked))
    });
    open.collect()
}

fn reason(
    gate: &Gate,
    stage: &tidegate_model::key::StageName,
    state: Option<&GateState>,
    asked: Option<&Asked>,
) -> Reason {
    let answer = state.and_then(|state| state.answer.as_ref());
    let says = match (asked.and_then(|asked| asked.broken.as_deref()), answer, state) {
        (Some(why), _, _) => format!("gives no answer ({why})"),
        (None, Some(answer), _) if answer.verdict == GateVerdict::Pass => {
            "passed, which has expired".to_owned()
        }
        (None, Some(answer), _) => format!("says {}: {}", answer.verdict, answer.reason),
        (None, None, Some(_)) => "was asked".to_owned(),
        (None, None, None) => "is asked when nothing else is waited for".to_owned(),
    };
    Reason::Gate {
        target: gate.target.clone(),
        stage: stage.clone(),
        says,
        due: state.map(|state| gate.deadline.after(state.asked)),
    }
}

/// When something is to be done about gates next, if that lies ahead: ask again, or wake a person.
pub(super) fn wake_at(rollout: &Rollout, observed: &Observed, now: Timestamp) -> Option<Timestamp> {
    let (_, next, _) = next(rollout)?;
    let times = next.gates.iter().flat_map(|gate| {
        let state = rollout.gates.get(&gate.target);
        let overdue = state
            .filter(|state| !state.overdue)
            .map(|state| gate.deadline.after(state.asked));
        let again = observed.asked_gates.get(&gate.target).map(|asked| asked.next);
        overdue.into_iter().chain(again)
    });
    times.filter(|at| *at > now).min()
}
