//! The step function of a rollout.
//!
//! Read in the order of powers: what a person commands ([`command`]), what the rules forbid
//! ([`safety`]), what alerts call for ([`alerts`]), what other rollouts have to do with it ([`interlock`],
//! [`dependencies`]), what the nodes confirm ([`confirm`]), what the schedule allows ([`progress`]), and what
//! it waits for ([`waiting`]). Each writes into a [`draft`], which folds changes as the store will.

use crate::neighbour::Neighbours;
use crate::refusal::Refusal;
use crate::rollout::draft::Draft;
use crate::step::{Effect, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::access::{Author, Role};
use tidegate_model::alert::Firing;
use tidegate_model::because::Decision;
use tidegate_model::flag::Flag;
use tidegate_model::freeze::Frozen;
use tidegate_model::key::{NodeName, Revision, RuleName, TargetName};
use tidegate_model::policy::{Policy, Stage};
use tidegate_model::rollout::{Phase, Rollout, RolloutCommand};
use tidegate_model::verdict::Look;

mod alerts;
mod amend;
mod command;
mod confirm;
mod dependencies;
mod draft;
mod exposure;
mod flag_edit;
mod gates;
mod interlock;
mod opening;
mod progress;
pub(crate) mod reach;
mod safety;
mod waiting;
mod zones;

pub use gates::answer::{ANSWER_BYTES_MAX, Answer};
pub use gates::{Asked, Question};
pub(crate) use waiting::{before_opening, is_fresh};

/// What an actor knows of the world and may forget: after a restart it is observed anew.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Observed {
    /// Since when it has been observed: since the first time that sources were asked.
    pub since: Option<Timestamp>,
    /// When each rule's source was last asked.
    pub asked: BTreeMap<RuleName, Timestamp>,
    /// The newest look at each rule.
    pub looks: BTreeMap<RuleName, Look>,
    /// What the nodes serve.
    pub fleet: Fleet,
    /// The alerts that concern it.
    pub firing: Firing,
    /// Whether, and why, nothing opens in the environment.
    pub frozen: Option<Frozen>,
    /// Other rollouts that concern it.
    pub neighbours: Neighbours,
    /// The version of the time zone data; empty when nobody cares by which a calendar was reckoned.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone_data: String,
    /// The gates that were asked.
    pub asked_gates: BTreeMap<TargetName, Asked>,
}

/// What the nodes serve of one rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Fleet {
    /// The split revision that is published.
    pub published: Revision,
    /// Live nodes, each with the split revision of this rollout that it serves
    /// ([`Revision::ABSENT`]: none, or never said).
    pub live: BTreeMap<NodeName, Revision>,
    /// The evaluations a minute that live nodes reported last; nothing from those that did not say.
    pub requests: BTreeMap<NodeName, u64>,
    /// Whether every node that may be live has been heard of: after a start of the control plane a
    /// whole lease must pass first. Until then a rollback cannot be final.
    pub all_heard: bool,
}

/// What comes in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Input {
    /// Time passed.
    Wake,
    /// Sources answered.
    Looked(Vec<Look>),
    /// What the nodes serve has changed.
    Fleet(Fleet),
    /// The alerts that concern it have changed, or its watchdog was heard.
    Alerts(Firing),
    /// Other rollouts that concern it have changed.
    Neighbours(Neighbours),
    /// A gate answered.
    Answered {
        /// What it was asked.
        question: Question,
        /// What came back.
        answer: Answer,
        /// When.
        at: Timestamp,
    },
    /// A person wants it to follow another plan.
    Amend {
        /// The policy, with nothing filled in.
        policy: Box<Policy>,
        /// Who wrote it last, as far as that is known.
        editor: Option<Author>,
        /// Who wants it.
        by: Author,
    },
    /// A person wants other stages ahead.
    Accelerate {
        /// The stages; those that lie behind are passed over.
        stages: Vec<Stage>,
        /// Who wants it.
        by: Author,
    },
    /// A person edits its flag.
    FlagEdited {
        /// The flag as it is.
        before: Flag,
        /// The flag as it is to be.
        after: Flag,
        /// Who edits it.
        by: Author,
    },
    /// A person wants something.
    Command {
        /// What.
        command: RolloutCommand,
        /// Who.
        by: Author,
        /// As what.
        role: Role,
    },
}

/// The next step of `rollout`. `observed` already contains what `input` brings.
///
/// # Errors
/// When `input` is a command that cannot be followed.
pub fn step(rollout: &Rollout, observed: &Observed, input: &Input, now: Timestamp) -> Result<Step, Refusal> {
    let mut draft = Draft::new(rollout, observed, now);
    if let Input::Command { command, by, role } = input {
        return command::follow(draft, command, by, *role);
    }
    if let Input::Amend { policy, editor, by } = input {
        return amend::amend(draft, policy, editor.as_ref(), by);
    }
    if let Input::Accelerate { stages, by } = input {
        return amend::accelerate(draft, stages, by);
    }
    if let Input::FlagEdited { before, after, by } = input {
        return flag_edit::take_in(draft, before, after, by);
    }
    if !matches!(rollout.phase, Phase::Running { .. }) {
        return Ok(confirm::rolling_back(draft));
    }
    match input {
        Input::Wake if rollout.is_waiting() => {}
        Input::Wake => {
            draft.measure_what_is_due();
            safety::notice_silence(&mut draft);
        }
        Input::Looked(looks) => safety::remember(&mut draft, looks),
        _ => {}
    }
    let reaction = match input {
        Input::Wake | Input::Looked(_) => safety::react(&mut draft, rollout),
        _ => None,
    };
    if let Some((decision, reasons)) = reaction {
        return Ok(draft.alert(decision, reasons));
    }
    if let Some(reaction) = alerts::react(&mut draft) {
        return Ok(reaction.step(draft));
    }
    let neighbours = interlock::react(&mut draft)
        .or_else(|| dependencies::react(&mut draft))
        .or_else(|| exposure::react(&mut draft));
    if let Some((decision, reasons)) = neighbours {
        return Ok(draft.alert(decision, reasons));
    }
    if matches!(input, Input::Wake | Input::Looked(_))
        && let Some(moved) = zones::reckon(&mut draft)
    {
        let share = draft.rollout.share;
        return Ok(draft.wait(Decision::Holds { share }, vec![moved]));
    }
    if rollout.is_waiting() {
        return Ok(opening::open(draft));
    }
    if let Some((decision, reasons)) = gates::notice_overdue(&mut draft) {
        return Ok(draft.alert(decision, reasons));
    }
    if let Input::Answered { question, answer, .. } = input {
        return Ok(gates::take_in(draft, question, answer));
    }
    gates::ask(&mut draft);
    Ok(match input {
        Input::Looked(looks) => progress::go_on(draft, looks),
        _ => confirm::take_effect(draft),
    })
}

impl Observed {
    /// Takes in what `input` brings.
    pub fn take_in(&mut self, input: &Input) {
        match input {
            Input::Looked(looks) => {
                for look in looks {
                    self.looks.insert(look.rule.clone(), look.clone());
                }
            }
            Input::Fleet(fleet) => self.fleet = fleet.clone(),
            Input::Alerts(firing) => self.firing = firing.clone(),
            Input::Neighbours(neighbours) => self.neighbours = neighbours.clone(),
            Input::Answered { question, answer, at } => self.note_answer(question, answer, *at),
            Input::Wake
            | Input::Amend { .. }
            | Input::Accelerate { .. }
            | Input::FlagEdited { .. }
            | Input::Command { .. } => {}
        }
    }

    /// Takes in what `step` is about to ask.
    pub fn note_asked(&mut self, step: &Step, now: Timestamp) {
        for effect in &step.effects {
            if let Effect::Measure(rules) = effect {
                self.since.get_or_insert(now);
                for rule in rules {
                    self.asked.insert(rule.clone(), now);
                }
            }
            if let Effect::Ask(questions) = effect {
                self.note_questions(questions, now);
            }
        }
    }
}
