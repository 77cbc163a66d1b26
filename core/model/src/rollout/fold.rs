//! The one way from changes to a rollout's state: live, at start and in replay.

use super::{
    Ending, Exposed, GivenApproval, GivenWay, Pause, PauseOwner, Phase, Rollout, RolloutChange, RolloutStart,
    RuleMemory, Shadow,
};
use crate::Timestamp;
use crate::access::Author;
use crate::alert::TakenAlert;
use crate::gate::{GateAnswer, GateState};
use crate::key::{Revision, RuleName};
use crate::policy::{Action, Policy};
use crate::share::Share;
use crate::span::Span;
use crate::verdict::{Look, UnknownReason, Verdict};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// For how many of its intervals a rule must have been unknown to count as an outage, after which a
/// whole fresh window is needed (faults.md F14). A single answer that came too late is none.
const OUTAGE_INTERVALS: u32 = 3;

/// A change that cannot follow the state before it: a bug or a damaged journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{change} cannot follow {state}")]
pub struct FoldError {
    /// What was to become true.
    pub change: String,
    /// What was true.
    pub state: String,
}

impl Rollout {
    /// The state after one more change. `revision` is the entity's revision after the change.
    ///
    /// # Errors
    /// When the change cannot follow the state.
    pub fn apply(
        before: Option<Self>,
        change: &RolloutChange,
        at: Timestamp,
        revision: Revision,
    ) -> Result<Self, FoldError> {
        let impossible = |state: &str| FoldError {
            change: format!("{change:?}"),
            state: state.to_owned(),
        };
        let Some(mut rollout) = before else {
            return match change {
                RolloutChange::Started(start) | RolloutChange::Queued(start) => {
                    let mut begun = Self::begin(start, at, revision)
                        .ok_or_else(|| impossible("a plan without stages"))?;
                    if matches!(change, RolloutChange::Queued(_)) {
                        begun.share = Share::ZERO;
                        begun.opened.clear();
                    }
                    Ok(begun)
                }
                _ => Err(impossible("nothing")),
            };
        };
        let followed = match rollout.phase.clone() {
            Phase::Running { stage, effective, .. } => {
                rollout.run(change, stage, effective, at, revision).is_some()
            }
            Phase::RollingBack { since, ending } => rollout.confirm(change, since, ending, at),
            Phase::Ended { .. } => false,
        };
        if followed {
            Ok(rollout)
        } else {
            Err(impossible(&format!("{:?}", rollout.phase)))
        }
    }

    fn begin(start: &RolloutStart, at: Timestamp, revision: Revision) -> Option<Self> {
        let share = start.plan.stage(0)?.percentage;
        Some(Self {
            start: start.clone(),
            started: at,
            phase: Phase::Running {
                stage: 0,
                since: at,
                effective: None,
            },
            share,
            split_revision: revision,
            pauses: BTreeMap::new(),
            approval: None,
            proven_stage: None,
            retreated: false,
            rules: BTreeMap::new(),
            cause: Vec::new(),
            alerts: BTreeMap::new(),
            alerts_silent: false,
            gates: BTreeMap::new(),
            monitoring: None,
            no_return: None,
            proposal: None,
            editors: Vec::new(),
            opened: vec![at],
            failed_dependencies: BTreeMap::new(),
            gives_way: None,
            exposed: Exposed {
                since: Some(at),
                ..Exposed::default()
            },
            reckoned: None,
            shadow: (start.shadow.as_ref()).and_then(|plan| Shadow::begin(start, plan, at, revision)),
        })
    }

    /// Every move out of, and inside, a running stage; `None` when there is no such move.
    fn run(
        &mut self,
        change: &RolloutChange,
        now_in: usize,
        effective: Option<Timestamp>,
        at: Timestamp,
        revision: Revision,
    ) -> Option<()> {
        match change {
            RolloutChange::Opened if self.is_waiting() => {
                self.enter(0, at, revision)?;
                self.opened.push(at);
            }
            RolloutChange::TookEffect if effective.is_none() && !self.is_waiting() => {
                self.take_effect(now_in, at);
            }
            RolloutChange::Monitoring if self.next_stage().is_none() && effective.is_some() => {
                self.monitoring = Some(at);
            }
            RolloutChange::Advanced { stage } if *stage == now_in + 1 && effective.is_some() => {
                self.enter(*stage, at, revision)?;
                self.opened.push(at);
                self.proven_stage = Some(now_in);
                self.retreated = false;
            }
            RolloutChange::Retreated { stage } if *stage < now_in => {
                self.enter(*stage, at, revision)?;
                self.opened.truncate(*stage + 1);
                self.proven_stage = stage.checked_sub(1);
                self.retreated = true;
                self.spend_looks_of_retreat();
            }
            RolloutChange::Restarted { stage } if *stage <= now_in && !self.is_waiting() => {
                self.enter(*stage, at, revision)?;
                self.opened.truncate(*stage);
                self.opened.push(at);
                self.proven_stage = None;
                self.retreated = false;
                self.rules.clear();
            }
            RolloutChange::PlanProposed(proposal) => self.proposal = Some(proposal.clone()),
            RolloutChange::PlanWithdrawn => drop(self.proposal.take()?),
            RolloutChange::PlanChanged { plan, editors } => self.follow(plan, editors, now_in)?,
            RolloutChange::Reckoned(reckoned) => self.reckoned = Some(reckoned.clone()),
            RolloutChange::Looked(look) => self.remember(look)?,
            RolloutChange::Shadowed { changes, because } => {
                let shadow = self.shadow.as_mut()?;
                shadow.follow(changes, because, at, revision).ok()?;
            }
            RolloutChange::Alerted { rule, .. } => {
                if let Some(memory) = self.rules.get_mut(rule) {
                    memory.alerted = true;
                }
            }
            RolloutChange::RollingBack { ending, cause } if *ending != Ending::Completed => {
                self.phase = Phase::RollingBack {
                    since: at,
                    ending: *ending,
                };
                self.exposed.account(self.share, at);
                self.share = Share::ZERO;
                self.gives_way = None;
                self.split_revision = revision;
                self.cause.clone_from(cause);
            }
            RolloutChange::Ended { ending } if self.next_stage().is_none() && effective.is_some() => {
                let ending = Some(*ending).filter(|ending| *ending == Ending::Completed)?;
                self.exposed.account(self.share, at);
                self.phase = Phase::Ended {
                    ending,
                    at,
                    took: None,
                };
            }
            _ => return self.steer(change, at),
        }
        Some(())
    }

    /// What keeps a stage from opening, and what lets it; `None` when that cannot be now.
    fn steer(&mut self, change: &RolloutChange, at: Timestamp) -> Option<()> {
        match change {
            RolloutChange::Paused { owner, reason, by } => {
                let pause = Pause {
                    reason: reason.clone(),
                    by: by.clone(),
                    since: at,
                };
                self.pauses.entry(owner.clone()).or_insert(pause);
            }
            RolloutChange::Resumed { owner, .. } => {
                self.pauses.remove(owner)?;
                self.spend_looks_of_pause(owner, at);
            }
            RolloutChange::Approved { stage, by } if Some(*stage) == self.next_stage() => {
                self.approval = Some(GivenApproval {
                    stage: *stage,
                    plan_digest: self.start.plan_digest.clone(),
                    by: by.clone(),
                    at,
                });
            }
            _ => return self.hear(change, at),
        }
        Some(())
    }

    /// What is remembered of rules that are others now is about something else (faults.md F17), and gates
    /// have passed another plan. A point of no return that took effect stays one.
    fn follow(&mut self, plan: &Arc<Policy>, editors: &[Author], now_in: usize) -> Option<()> {
        let same_share = self.is_waiting() || plan.stage(now_in)?.percentage == self.share;
        let before = std::mem::replace(&mut self.start.plan, plan.clone());
        self.rules
            .retain(|rule, _| before.rule(rule).is_some() && before.rule(rule) == plan.rule(rule));
        self.start.plan_digest = plan.digest();
        self.start.policy = plan.name.clone();
        for editor in editors {
            if !self.editors.contains(editor) {
                self.editors.push(editor.clone());
            }
        }
        self.proposal = None;
        self.gates.clear();
        same_share.then_some(())
    }

    /// What others say while a stage runs: alerts, gates and other rollouts; `None` when they cannot say this
    /// now.
    fn hear(&mut self, change: &RolloutChange, at: Timestamp) -> Option<()> {
        match change {
            RolloutChange::DependencyFailed { name, rollout } => {
                self.failed_dependencies.insert(name.clone(), rollout.clone());
            }
            RolloutChange::GaveWay {
                to,
                advance,
                rules,
                passed,
            } => {
                // The looks that led to it are spent: whether the breach goes on is for new ones to say.
                self.rules.retain(|rule, _| !rules.contains(rule));
                self.gives_way = Some(GivenWay {
                    to: to.clone(),
                    advance: *advance,
                    rules: rules.clone(),
                    passed: passed.clone(),
                    since: at,
                });
            }
            RolloutChange::ExposureSpent { budget } => drop(self.exposed.told.insert(*budget)),
            RolloutChange::WayOver => {
                let given = self.gives_way.take()?;
                self.rules.retain(|rule, _| !given.rules.contains(rule));
            }
            RolloutChange::AlertTaken {
                fingerprint,
                starts,
                action,
                ..
            } => {
                let taken = TakenAlert {
                    starts: *starts,
                    action: *action,
                    overruled: false,
                };
                self.alerts.insert(fingerprint.clone(), taken);
            }
            RolloutChange::AlertOver { fingerprint } => {
                self.alerts.remove(fingerprint)?;
            }
            RolloutChange::AlertsSilent { silent } => self.alerts_silent = *silent,
            RolloutChange::GateAsked { target } => {
                self.next_stage()?;
                self.gates.insert(target.clone(), asked(at));
            }
            RolloutChange::GateAnswered {
                target,
                verdict,
                reason,
            } => {
                self.gates.get_mut(target)?.answer = Some(GateAnswer {
                    verdict: *verdict,
                    reason: reason.clone(),
                    at,
                });
            }
            RolloutChange::GateOverdue { target } => self.gates.get_mut(target)?.overdue = true,
            _ => return None,
        }
        Some(())
    }

    /// The only way out of a rollback: the end that was decided.
    fn confirm(&mut self, change: &RolloutChange, since: Timestamp, planned: Ending, at: Timestamp) -> bool {
        let confirmed = matches!(change, RolloutChange::Ended { ending } if *ending == planned);
        if confirmed {
            self.phase = Phase::Ended {
                ending: planned,
                at,
                took: Some(Span::between(since, at)),
            };
        }
        confirmed
    }

    fn take_effect(&mut self, now_in: usize, at: Timestamp) {
        let stage = self.start.plan.stage(now_in);
        if stage.is_some_and(|stage| stage.point_of_no_return) {
            self.no_return = self.no_return.max(Some(now_in));
        }
        if let Phase::Running { effective, .. } = &mut self.phase {
            *effective = Some(at);
        }
    }

    /// What is remembered of the rules stays: bad looks of the narrower stage count in the wider one,
    /// and good ones never let a stage be left that they were not taken in.
    fn enter(&mut self, stage: usize, at: Timestamp, revision: Revision) -> Option<()> {
        let share = self.start.plan.stage(stage)?.percentage;
        self.exposed.account(self.share, at);
        self.share = share;
        self.phase = Phase::Running {
            stage,
            since: at,
            effective: None,
        };
        self.split_revision = revision;
        self.approval = None;
        self.reckoned = None;
        self.gates.clear();
        self.monitoring = None;
        self.gives_way = None;
        Some(())
    }

    /// The looks that led to a retreat are spent; those that may still lead to a rollback are not.
    fn spend_looks_of_retreat(&mut self) {
        let plan = &self.start.plan;
        self.rules.retain(|rule, _| {
            plan.rule(rule)
                .is_some_and(|rule| rule.action == Action::Rollback)
        });
    }

    /// The looks that led to a pause are spent once a person has said so: only new ones may lead to
    /// another. Of blindness only the time is spent. A person's own pause came from no looks.
    fn spend_looks_of_pause(&mut self, owner: &PauseOwner, at: Timestamp) {
        match owner {
            PauseOwner::Operator
            | PauseOwner::Exposure
            | PauseOwner::Dependency(_)
            | PauseOwner::Interlock(_) => {}
            // A gate that said no is asked anew, and has its time again.
            PauseOwner::Gate(target) => {
                if let Some(gate) = self.gates.get_mut(target) {
                    *gate = asked(at);
                }
            }
            PauseOwner::Alert(fingerprint) => {
                if let Some(taken) = self.alerts.get_mut(fingerprint) {
                    taken.overruled = true;
                }
            }
            PauseOwner::Rule(rule) => {
                self.rules.remove::<RuleName>(rule);
            }
            PauseOwner::Blind => {
                let newest = |memory: &RuleMemory| memory.looks.back().map(|verdict| kind(*verdict));
                for memory in self.rules.values_mut() {
                    if newest(memory) == Some(Kind::Neither) {
                        memory.since = at;
                        memory.alerted = false;
                    }
                }
            }
        }
    }

    fn remember(&mut self, look: &Look) -> Option<()> {
        let rule = self.start.plan.rule(&look.rule)?;
        let memory = self.rules.entry(look.rule.clone()).or_insert_with(|| RuleMemory {
            looks: VecDeque::new(),
            since: look.at,
            last: look.clone(),
            recovered: None,
            alerted: false,
        });
        let outage = Span::between(memory.since, look.at) >= rule.interval.times(OUTAGE_INTERVALS);
        if outage && memory.looks.back().is_some_and(|newest| is_blind(*newest)) && !is_blind(look.verdict) {
            memory.recovered = Some(look.at);
        }
        let hole = Span::between(memory.last.at, look.at) > RuleMemory::heartbeat(rule).times(3);
        let unbroken = memory.looks.back().is_none_or(|newest| match look.verdict {
            Verdict::Healthy => *newest == Verdict::Healthy && !hole,
            verdict => kind(*newest) == kind(verdict),
        });
        if !unbroken {
            memory.since = look.at;
            memory.alerted = false;
        }
        memory.looks.push_back(look.verdict);
        while memory.looks.len() > rule.trip.of.max(1) as usize {
            memory.looks.pop_front();
        }
        memory.last = look.clone();
        Some(())
    }
}

/// A gate that was just asked.
fn asked(at: Timestamp) -> GateState {
    GateState {
        asked: at,
        answer: None,
        overdue: false,
    }
}

/// Whether nothing was seen at all. A window that is not yet full, and too few samples, are seen.
fn is_blind(verdict: Verdict) -> bool {
    use UnknownReason::{TooFew, WindowOverlapsStage};
    matches!(verdict, Verdict::Unknown(reason) if !matches!(reason, WindowOverlapsStage | TooFew))
}

#[derive(PartialEq, Eq)]
enum Kind {
    Healthy,
    Breached,
    /// Not decided, for whatever reasons, in whatever order.
    Neither,
    /// A window that is not yet full is no blindness, and so never starts that clock.
    Filling,
}

fn kind(verdict: Verdict) -> Kind {
    match verdict {
        Verdict::Healthy => Kind::Healthy,
        Verdict::Breached => Kind::Breached,
        Verdict::Unknown(UnknownReason::WindowOverlapsStage) => Kind::Filling,
        Verdict::Unknown(_) | Verdict::Undecided => Kind::Neither,
    }
}
