//! What a rollout waits for, all of it, most important first.

use super::{Fleet, Observed, alerts, confirm, dependencies, gates, interlock, opening};
use crate::freeze;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::Reason;
use tidegate_model::calendar::{Opening, in_force, opening};
use tidegate_model::policy::{Quorum, QuorumBy, Rule, Stage};
use tidegate_model::rollout::{GivenApproval, Phase, Rollout, RuleMemory};
use tidegate_model::span::Span;
use tidegate_model::verdict::{Look, UnknownReason, Verdict};

/// How long after two intervals a look still counts as recent: the time that an answer may take.
const ANSWER_TAKES: Span = Span::seconds(5);

/// What a rollout waits for.
pub(super) struct Waiting {
    /// Whether anything keeps the stage from being left.
    pub(super) blocked: bool,
    /// Whether nothing but gates does.
    pub(super) only_gates: bool,
    /// All that does, and what each rule says, most important first.
    pub(super) reasons: Vec<Reason>,
}

/// That a person wants it, as a reason.
pub(super) fn said(by: &Author, reason: &str) -> Vec<Reason> {
    vec![Reason::Command {
        by: by.to_string(),
        reason: reason.to_owned(),
    }]
}

/// What `rollout` waits for at `now`.
pub(super) fn look(rollout: &Rollout, observed: &Observed, now: Timestamp) -> Waiting {
    let (stage, effective) = match &rollout.phase {
        Phase::Running { stage, effective, .. } => (*stage, *effective),
        Phase::RollingBack { .. } => {
            let unheard = (!observed.fleet.all_heard).then_some(Reason::NodesUnheard);
            let reasons = [acknowledgement(rollout, &observed.fleet)].into_iter();
            return stands(reasons.chain(unheard).chain(rollout.cause.iter().cloned()));
        }
        Phase::Ended { .. } => return stands([Reason::Finished]),
    };
    if let (true, Some(first)) = (rollout.is_waiting(), rollout.start.plan.stage(0)) {
        let mut waiting = stands(opening::waits(rollout, observed, first, now));
        waiting.blocked = !waiting.reasons.is_empty();
        waiting
            .reasons
            .extend((!waiting.blocked).then_some(Reason::WaitOver));
        return waiting;
    }
    let view = View {
        rollout,
        observed,
        effective,
        now,
    };
    let mut blocking: Vec<Reason> = Vec::new();
    for (owner, pause) in &rollout.pauses {
        blocking.push(Reason::PausedBy {
            owner: owner.clone(),
            reason: pause.reason.clone(),
        });
    }
    let planned = &rollout.start.plan.schedule.freezes;
    blocking.extend(freeze::holds(observed.frozen.as_ref(), planned, now));
    blocking.extend(alerts::waits(rollout, observed, now));
    blocking.extend(interlock::gives_way(rollout));
    if effective.is_none() {
        blocking.push(acknowledgement(rollout, &observed.fleet));
    }
    let mut healthy = Vec::new();
    for rule in &rollout.start.plan.safety.rules {
        match view.rule(rule) {
            (true, reasons) => healthy.extend(reasons),
            (false, reasons) => blocking.extend(reasons),
        }
    }
    if let Some(stage) = rollout.start.plan.stage(stage) {
        view.stage(stage, &mut blocking);
    }
    if let Some(next) = rollout
        .next_stage()
        .and_then(|next| rollout.start.plan.stage(next))
    {
        view.next_stage(next, &mut blocking);
    }
    let only_gates = blocking.is_empty();
    blocking.extend(gates::waits(rollout, observed, now));
    blocking.sort_by_key(rank);
    let blocked = !blocking.is_empty();
    blocking.extend(healthy);
    blocking.extend(rollout.proposal.as_ref().map(|proposal| Reason::PlanWaits {
        by: proposal.by.to_string(),
    }));
    Waiting {
        blocked,
        only_gates,
        reasons: blocking,
    }
}

/// It stays as it is, for these reasons.
fn stands(reasons: impl IntoIterator<Item = Reason>) -> Waiting {
    Waiting {
        blocked: true,
        only_gates: false,
        reasons: reasons.into_iter().collect(),
    }
}

/// What a rollout that has not begun yet would wait for before it opens at all.
pub(crate) fn before_opening(rollout: &Rollout, observed: &Observed, now: Timestamp) -> Vec<Reason> {
    look(rollout, observed, now).reasons
}

/// Which nodes serve the rollout's newest share, and which do not yet.
pub(super) fn acknowledgement(rollout: &Rollout, fleet: &Fleet) -> Reason {
    let waiting_for: Vec<_> = fleet
        .live
        .iter()
        .filter(|(_, serves)| **serves < rollout.split_revision)
        .map(|(node, _)| node.clone())
        .collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Reason::Acknowledgement {
        confirmed: count(fleet.live.len() - waiting_for.len()),
        live: count(fleet.live.len()),
        waiting_for,
        quorum: quorum(rollout, fleet),
    }
}

/// How far a stage is from its quorum, where that is not a matter of counting nodes.
fn quorum(rollout: &Rollout, fleet: &Fleet) -> String {
    let asked = rollout.start.plan.schedule.quorum;
    if asked == Quorum::default() || rollout.stage().is_none() {
        return String::new();
    }
    let carry = confirm::carried(rollout, fleet);
    let what = match asked.by {
        QuorumBy::Nodes => "the nodes",
        QuorumBy::Requests => "the requests",
    };
    format!("{carry} of {what}, {} is enough", asked.share)
}

/// The word that counts for the next stage at `now`, if there is one.
pub(super) fn valid_approval(rollout: &Rollout, now: Timestamp) -> Option<&GivenApproval> {
    let given = rollout.approval.as_ref()?;
    let next = rollout.next_stage()?;
    let asked = rollout.start.plan.stage(next)?.wait_for_approval.as_ref()?;
    let for_this = given.stage == next && given.plan_digest == rollout.start.plan_digest;
    let expired = asked
        .expires
        .is_some_and(|expires| expires.after(given.at) <= now);
    (for_this && !expired).then_some(given)
}

/// Whether the rule has had so many bad looks that it acts.
pub(super) fn is_tripped(rule: &Rule, memory: &RuleMemory) -> bool {
    memory.bad() >= rule.trip.need.max(1)
}

/// What a rule's newest look says, as a reason.
pub(super) fn rule_reason(rule: &Rule, look: &Look, bad: u32) -> Reason {
    Reason::Rule {
        rule: rule.name.clone(),
        verdict: look.verdict,
        value: look.value,
        comparison: rule.comparison,
        threshold: rule.threshold,
        bad,
        need: rule.trip.need,
        detail: look.detail.clone(),
        dry_run: rule.dry_run,
    }
}

/// Whether a look is recent at `now`. One from the future is not: the clock was set back since.
pub(crate) fn is_fresh(rule: &Rule, look: &Look, now: Timestamp) -> bool {
    let until = rule.interval.times(2).plus(ANSWER_TAKES).after(look.at);
    look.at <= ANSWER_TAKES.after(now) && now <= until
}

struct View<'a> {
    rollout: &'a Rollout,
    observed: &'a Observed,
    effective: Option<Timestamp>,
    now: Timestamp,
}

impl View<'_> {
    /// Whether the rule lets the stage be left, and what it says. A dry run is heard and not obeyed.
    fn rule(&self, rule: &Rule) -> (bool, Vec<Reason>) {
        let (lets, mut reasons) = self.acting(rule);
        if !rule.dry_run {
            return (lets, reasons);
        }
        reasons.retain(|reason| matches!(reason, Reason::Rule { .. }));
        (true, reasons)
    }

    fn acting(&self, rule: &Rule) -> (bool, Vec<Reason>) {
        let memory = self.rollout.rules.get(&rule.name);
        let observed = self.observed.looks.get(&rule.name);
        let newest = observed
            .into_iter()
            .chain(memory.map(|memory| &memory.last))
            .max_by_key(|look| look.at);
        let (Some(memory), Some(newest)) = (memory, newest) else {
            return (
                false,
                vec![Reason::NotLooked {
                    rule: rule.name.clone(),
                }],
            );
        };
        let taken_in_stage = self
            .effective
            .is_some_and(|effective| rule.window.before(newest.at) >= effective);
        let healthy = newest.verdict == Verdict::Healthy && memory.looks.back() == Some(&Verdict::Healthy);
        let usable = observed.is_some() && is_fresh(rule, newest, self.now) && taken_in_stage;
        if healthy && !usable {
            return (
                false,
                vec![Reason::NotLooked {
                    rule: rule.name.clone(),
                }],
            );
        }
        let mut reasons = vec![rule_reason(rule, newest, memory.bad())];
        reasons.extend(blindness(self.rollout, rule, memory, self.now));
        let hole = memory
            .recovered
            .filter(|recovered| rule.window.before(newest.at) < *recovered);
        reasons.extend(hole.map(|recovered| Reason::HealthyFor {
            rule: rule.name.clone(),
            needs: rule.window,
            has: Span::between(recovered, newest.at),
        }));
        (healthy && hole.is_none() && !is_tripped(rule, memory), reasons)
    }

    /// What the stage in force still asks for.
    fn stage(&self, stage: &Stage, blocking: &mut Vec<Reason>) {
        let Some(effective) = self.effective else {
            return;
        };
        let soaked = stage.duration.after(effective);
        let between = match self.rollout.next_stage() {
            Some(_) => self
                .rollout
                .start
                .plan
                .schedule
                .pause_between_stages
                .after(soaked),
            None => soaked,
        };
        if self.now < soaked {
            blocking.push(Reason::Soaking { until: soaked });
        } else if self.now < between {
            blocking.push(Reason::BetweenStages { until: between });
        }
        let watched = self.rollout.monitoring.map(|since| {
            let schedule = &self.rollout.start.plan.schedule;
            schedule.monitor_after.after(since)
        });
        if let Some(until) = watched.filter(|until| self.now < *until) {
            blocking.push(Reason::Monitoring { until });
        }
        for criterion in &stage.success_criteria {
            let memory = self.rollout.rules.get(&criterion.rule);
            let healthy = memory.filter(|memory| memory.looks.back() == Some(&Verdict::Healthy));
            let has = healthy.map_or(Span::ZERO, |memory| {
                Span::between(memory.since.max(effective), self.now)
            });
            if has < criterion.healthy_for {
                blocking.push(Reason::HealthyFor {
                    rule: criterion.rule.clone(),
                    needs: criterion.healthy_for,
                    has,
                });
            }
        }
    }

    /// What has to be given before the next stage opens.
    fn next_stage(&self, next: &Stage, blocking: &mut Vec<Reason>) {
        if let Some(asked) = &next.wait_for_approval
            && valid_approval(self.rollout, self.now).is_none()
        {
            let stage = next.name.clone();
            let roles: Vec<String> = asked.roles.iter().map(ToString::to_string).collect();
            blocking.push(match &self.rollout.approval {
                Some(given) if given.plan_digest != self.rollout.start.plan_digest => {
                    Reason::ApprovalVoid { stage }
                }
                Some(_) => Reason::ApprovalExpired { stage },
                None => Reason::ApprovalMissing {
                    stage,
                    roles: roles.join(", "),
                },
            });
        }
        blocking.extend(dependencies::waits(self.rollout, self.observed, next));
        blocking.extend(interlock::waits(self.rollout, self.observed, self.now));
        let schedule = &self.rollout.start.plan.schedule;
        match opening(schedule, next.duration, self.now) {
            Opening::Open => {}
            // A freeze says itself what it holds, and until when.
            Opening::Closed { .. } if in_force(&schedule.freezes, self.now).is_some() => {}
            Opening::Closed { opens, reason } => blocking.push(Reason::Window { opens, reason }),
            Opening::TooShort { closes, opens } => blocking.push(Reason::WindowTooShort {
                stage: next.name.clone(),
                needs: next.duration,
                closes,
                opens,
            }),
        }
    }
}

/// How far a rule that cannot be judged has come towards being blind; `None` while it can be judged,
/// or while its window only has to fill, or while the nodes have not got the stage.
pub(super) fn blindness(
    rollout: &Rollout,
    rule: &Rule,
    memory: &RuleMemory,
    now: Timestamp,
) -> Option<Reason> {
    let unknown = match memory.looks.back() {
        Some(Verdict::Unknown(reason)) if *reason != UnknownReason::WindowOverlapsStage => *reason,
        _ => return None,
    };
    Some(Reason::Blind {
        rule: rule.name.clone(),
        unknown,
        lasted: Span::between(blind_since(rollout, memory)?, now),
        budget: rollout.start.plan.blind.after,
    })
}

/// Since when a rule's undecided looks count towards blindness.
pub(super) fn blind_since(rollout: &Rollout, memory: &RuleMemory) -> Option<Timestamp> {
    match rollout.phase {
        Phase::Running {
            effective: Some(effective),
            ..
        } => Some(memory.since.max(effective)),
        _ => None,
    }
}

/// Which reason an operator wants to read first.
fn rank(reason: &Reason) -> u8 {
    match reason {
        Reason::Rule {
            verdict, bad, need, ..
        } if *verdict == Verdict::Breached || bad >= need => 1,
        Reason::AlertFires { .. } | Reason::GivesWay { .. } => 1,
        Reason::Acknowledgement { .. } => 2,
        Reason::Rule {
            verdict: Verdict::Unknown(UnknownReason::WindowOverlapsStage),
            ..
        }
        | Reason::NotLooked { .. } => 9,
        Reason::Rule { .. } | Reason::Blind { .. } | Reason::AlertsSilent { .. } => 3,
        Reason::ApprovalMissing { .. }
        | Reason::ApprovalExpired { .. }
        | Reason::ApprovalVoid { .. }
        | Reason::Gate { .. }
        | Reason::Dependency { .. }
        | Reason::InterlockHeld { .. } => 4,
        Reason::Window { .. } | Reason::WindowTooShort { .. } => 5,
        Reason::Soaking { .. } | Reason::BetweenStages { .. } | Reason::Monitoring { .. } => 6,
        Reason::HealthyFor { .. } => 7,
        _ => 0,
    }
}
