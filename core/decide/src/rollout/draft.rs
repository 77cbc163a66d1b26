//! A step in the making.

use super::gates::{self, Question};
use super::{Observed, alerts, safety, waiting};
use crate::due::{due, next_due};
use crate::step::{Effect, Step};
use tidegate_model::Timestamp;
use tidegate_model::because::{Because, Decision, Reason};
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::flag::Flag;
use tidegate_model::key::VariationKey;
use tidegate_model::rollout::{Phase, Rollout, RolloutChange};
use tidegate_model::span::Span;

/// How often a rollback that waits for nodes looks at the fleet by itself. Nodes' reports arrive
/// without it; it bounds what a lost message costs.
const RECHECK: Span = Span::seconds(5);

/// How often a rollout that waits for others before it opens looks at the calendar. That others have moved
/// arrives without it.
const WAITING: Span = Span::seconds(15);

/// A step in the making: the changes so far, and the state that the store will have with them.
pub(super) struct Draft<'a> {
    /// The rollout with all changes so far folded in. Its `split_revision` is not the real one once
    /// the share has changed: only the store knows revisions.
    pub(super) rollout: Rollout,
    pub(super) observed: &'a Observed,
    pub(super) now: Timestamp,
    changes: Vec<(EntityRef, Change)>,
    effects: Vec<Effect>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(rollout: &Rollout, observed: &'a Observed, now: Timestamp) -> Self {
        Self {
            rollout: rollout.clone(),
            observed,
            now,
            changes: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Lets something become true of the rollout.
    pub(super) fn change(&mut self, change: RolloutChange) {
        let revision = self.rollout.split_revision.next();
        // A change that does not fit stays in the step: the store refuses the whole of it and says
        // which change it was, so a mistake here is found and does nothing.
        if let Ok(after) = Rollout::apply(Some(self.rollout.clone()), &change, self.now, revision) {
            self.rollout = after;
        }
        let start = &self.rollout.start;
        let entity = EntityRef::Rollout(start.environment.clone(), start.id.clone());
        self.changes.push((entity, Change::Rollout(change)));
    }

    /// Gives the flag this definition.
    pub(super) fn save_flag(&mut self, flag: &Flag) {
        let start = &self.rollout.start;
        let entity = EntityRef::Flag(start.environment.clone(), start.flag.clone());
        self.changes.push((entity, Change::FlagSaved(flag.clone())));
        self.publish();
    }

    /// Lets go of the flag: everybody gets `fallback` from now on. An edit of a segment becomes the segment's definition
    /// with it, or is dropped.
    pub(super) fn settle(&mut self, fallback: VariationKey) {
        let start = &self.rollout.start;
        if let Some(segment) = &start.segment {
            let adopted = fallback == start.candidate;
            let segment = EntityRef::Segment(start.environment.clone(), segment.clone());
            self.changes.push((segment, Change::SegmentSettled { adopted }));
        }
        // A drill holds no flag.
        if !start.drill {
            let flag = EntityRef::Flag(start.environment.clone(), start.flag.clone());
            self.changes.push((flag, Change::FlagSettled { fallback }));
        }
        self.publish();
    }

    /// Has the nodes told, once however often it is said.
    pub(super) fn publish(&mut self) {
        if !self.effects.contains(&Effect::Publish) {
            self.effects.push(Effect::Publish);
        }
    }

    /// Has the rules looked at whose time has come.
    pub(super) fn measure_what_is_due(&mut self) {
        let rules = due(&self.rollout.start.plan, &self.observed.asked, self.now);
        if !rules.is_empty() {
            self.effects.push(Effect::Measure(rules));
        }
    }

    /// Has these gates asked.
    pub(super) fn ask(&mut self, questions: Vec<Question>) {
        if !questions.is_empty() {
            self.effects.push(Effect::Ask(questions));
        }
    }

    /// The step, for these reasons alone.
    pub(super) fn decide(self, decision: Decision, reasons: Vec<Reason>) -> Step {
        let wake_at = self.wake_at();
        Step {
            changes: self.changes,
            effects: self.effects,
            wake_at,
            because: Because { decision, reasons },
        }
    }

    /// The step that leaves the rollout waiting: after `reasons` stands all that it waits for.
    pub(super) fn wait(self, decision: Decision, mut reasons: Vec<Reason>) -> Step {
        for reason in waiting::look(&self.rollout, self.observed, self.now).reasons {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        self.decide(decision, reasons)
    }

    /// The step, with a person woken.
    pub(super) fn alert(self, decision: Decision, reasons: Vec<Reason>) -> Step {
        let start = &self.rollout.start;
        if start.drill {
            // Nobody is woken by a drill.
            return self.decide(decision, reasons);
        }
        let whose = format!("{} in {}", start.id, start.environment);
        let mut step = self.decide(decision, reasons);
        let text = format!("{whose}: {}", step.because);
        step.effects.push(Effect::Alert(text));
        step
    }

    /// The step that changes no share.
    pub(super) fn hold(self) -> Step {
        let share = self.rollout.share;
        self.wait(Decision::Holds { share }, Vec::new())
    }

    fn wake_at(&self) -> Option<Timestamp> {
        match self.rollout.phase {
            Phase::Ended { .. } => None,
            Phase::RollingBack { .. } => Some(RECHECK.after(self.now)),
            Phase::Running { .. } if self.rollout.is_waiting() => Some(WAITING.after(self.now)),
            Phase::Running { .. } => {
                let mut asked = self.observed.asked.clone();
                for effect in &self.effects {
                    if let Effect::Measure(rules) = effect {
                        asked.extend(rules.iter().map(|rule| (rule.clone(), self.now)));
                    }
                }
                let looks = next_due(&self.rollout.start.plan, &asked, self.now);
                looks
                    .into_iter()
                    .chain(safety::blind_at(&self.rollout, self.now))
                    .chain(alerts::silent_at(&self.rollout, self.observed, self.now))
                    .chain(gates::wake_at(&self.rollout, self.observed, self.now))
                    .min()
            }
        }
    }
}
