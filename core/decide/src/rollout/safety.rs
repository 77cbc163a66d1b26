//! What the rules forbid. Nothing stands in front of this: no timer, window, approval or pause.

use super::draft::Draft;
use super::interlock::{self, Turn, is_over};
use super::reach::{Reach, reach};
use super::waiting::{blind_since, blindness, is_tripped, look, rule_reason};
use crate::judge::test_before;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::key::RuleName;
use tidegate_model::policy::{Action, BlindAction, Policy, Rule, Source};
use tidegate_model::rollout::{Ending, PauseOwner, Phase, Rollout, RolloutChange, RuleMemory};
use tidegate_model::verdict::{Look, UnknownReason, Verdict};

/// A rule that nothing was heard of for so many of its intervals is unknown (faults.md F36).
const SILENT_INTERVALS: u32 = 3;

/// Remembers the looks that change what is remembered.
pub(super) fn remember(draft: &mut Draft<'_>, looks: &[Look]) {
    for look in looks {
        if is_worth_remembering(&draft.rollout, look) {
            draft.change(RolloutChange::Looked(look.clone()));
        }
    }
}

/// A rule that goes on saying the same thing fills no journal: one more look of a kind that is all
/// that is remembered changes nothing that is judged by.
fn is_worth_remembering(rollout: &Rollout, look: &Look) -> bool {
    let Some(rule) = rollout.start.plan.rule(&look.rule) else {
        return false;
    };
    let Some(memory) = rollout.rules.get(&look.rule) else {
        return true;
    };
    if (memory.last.at, memory.last.verdict) == (look.at, look.verdict) {
        // The same look delivered twice counts once.
        return false;
    }
    let full = memory.looks.len() >= rule.trip.of as usize;
    let says_something_new = !full || memory.looks.iter().any(|verdict| *verdict != look.verdict);
    says_something_new || is_heartbeat(rollout, rule, memory, look)
}

/// A success criterion asks for health without a break. After a restart only the journal can tell
/// that there was none, and the streak may have begun in a stage that did not ask for it. A sequential test
/// goes on from what the journal has of it.
fn is_heartbeat(rollout: &Rollout, rule: &Rule, memory: &RuleMemory, look: &Look) -> bool {
    let stages = &rollout.start.plan.schedule.stages;
    let mut criteria = stages.iter().flat_map(|stage| &stage.success_criteria);
    let asked_for = criteria.any(|criterion| criterion.rule == rule.name);
    let counts = matches!(rule.source, Source::Sequential(_));
    (asked_for || counts)
        && look.verdict == Verdict::Healthy
        && look.at >= RuleMemory::heartbeat(rule).after(memory.last.at)
}

/// Takes a source that stopped answering for what it is: unknown.
pub(super) fn notice_silence(draft: &mut Draft<'_>) {
    let (
        Phase::Running {
            effective: Some(effective),
            ..
        },
        Some(observing),
    ) = (&draft.rollout.phase, draft.observed.since)
    else {
        return;
    };
    let begin = observing.max(*effective);
    let silent: Vec<Look> = (draft.rollout.start.plan.safety.rules.iter())
        .filter(|rule| {
            let heard = draft
                .observed
                .looks
                .get(&rule.name)
                .map_or(begin, |look| look.at.max(begin));
            rule.interval.times(SILENT_INTERVALS).after(heard) <= draft.now
        })
        .filter(|rule| {
            let newest = draft
                .rollout
                .rules
                .get(&rule.name)
                .and_then(|memory| memory.looks.back());
            // One such look is enough: the blind budget runs from it.
            !matches!(newest, Some(Verdict::Unknown(reason)) if *reason != UnknownReason::WindowOverlapsStage)
        })
        .map(|rule| Look {
            rule: rule.name.clone(),
            verdict: Verdict::Unknown(UnknownReason::Timeout),
            value: None,
            samples: None,
            detail: format!("nothing heard for {SILENT_INTERVALS} intervals"),
            test: test_before(&draft.rollout, draft.observed, rule),
            at: draft.now,
        })
        .collect();
    remember(draft, &silent);
}

/// The rules that may do something. A dry run only says what it would have done.
fn acting(plan: &Policy) -> impl Iterator<Item = &Rule> {
    plan.safety.rules.iter().filter(|rule| !rule.dry_run)
}

/// When the next rule will have been blind for too long, if that lies ahead.
pub(super) fn blind_at(rollout: &Rollout, now: Timestamp) -> Option<Timestamp> {
    let plan = &rollout.start.plan;
    let deadlines = acting(plan).filter_map(|rule| {
        let memory = rollout.rules.get(&rule.name)?;
        blindness(rollout, rule, memory, now)?;
        Some(plan.blind.after.after(blind_since(rollout, memory)?))
    });
    deadlines.filter(|deadline| *deadline > now).min()
}

/// Something that the rules call for.
struct Alarm {
    rule: RuleName,
    /// Whether it could be another rollout's fault.
    shared: bool,
    /// In whose name a pause for it stands.
    owner: PauseOwner,
    action: Action,
    reason: Reason,
}

/// Does what the rules call for, the strongest of it, if that was not done before. `before` is the
/// rollout at the start of the step.
pub(super) fn react(draft: &mut Draft<'_>, before: &Rollout) -> Option<(Decision, Vec<Reason>)> {
    let mut alarms = alarms(&draft.rollout, before, draft.now);
    alarms.sort_by_key(|alarm| std::cmp::Reverse(alarm.action));
    let given = give_way(draft, &mut alarms);
    if alarms.is_empty() {
        return given;
    }
    let strongest = alarms.first()?.action;
    let (reach, instead) = reach(&draft.rollout, strongest);
    let mut reasons = reasons(draft, &alarms);
    reasons.splice(alarms.len()..alarms.len(), instead);
    if reach == Reach::Rollback {
        draft.change(RolloutChange::RollingBack {
            ending: Ending::RolledBack,
            cause: reasons.clone(),
        });
        draft.publish();
        return Some((Decision::RollingBack, reasons));
    }
    for alarm in alarms.iter().filter(|alarm| alarm.action == Action::Alert) {
        draft.change(RolloutChange::Alerted {
            rule: alarm.rule.clone(),
            text: alarm.reason.to_string(),
        });
    }
    if let Reach::Retreat(stage) = reach {
        draft.change(RolloutChange::Retreated { stage });
        draft.publish();
    }
    for alarm in alarms.iter().filter(|alarm| alarm.action >= Action::Pause) {
        if !draft.rollout.pauses.contains_key(&alarm.owner) {
            draft.change(RolloutChange::Paused {
                owner: alarm.owner.clone(),
                reason: alarm.reason.to_string(),
                by: Author::Tidegate,
            });
        }
    }
    let share = draft.rollout.share;
    let decision = match reach {
        Reach::Alert => Decision::Alerted { share },
        Reach::Pause => Decision::Paused { share },
        Reach::Retreat(_) | Reach::Rollback => Decision::Retreated { share },
    };
    Some((decision, reasons))
}

/// Leaves out what could be another rollout's fault while it is that one's turn to undo something.
fn give_way(draft: &mut Draft<'_>, alarms: &mut Vec<Alarm>) -> Option<(Decision, Vec<Reason>)> {
    let ours = &draft.rollout.gives_way;
    let over = (ours.as_ref()).is_some_and(|given| is_over(&draft.rollout, draft.observed, given, draft.now));
    if !alarms.iter().any(|alarm| alarm.shared) {
        if over {
            draft.change(RolloutChange::WayOver);
        }
        return None;
    }
    let given = match interlock::turn(&draft.rollout, draft.observed, draft.now) {
        Turn::Own => return None,
        Turn::Others => None,
        Turn::Give(way) => {
            let shared = alarms.iter().filter(|alarm| alarm.shared);
            let rules = shared.clone().map(|alarm| alarm.rule.clone()).collect();
            let mut reasons: Vec<Reason> = shared.map(|alarm| alarm.reason.clone()).collect();
            let (decision, way) = interlock::give(draft, way, rules);
            reasons.push(way);
            Some((decision, reasons))
        }
    };
    alarms.retain(|alarm| !alarm.shared);
    given
}

/// What called for it, then what every other rule says.
fn reasons(draft: &Draft<'_>, alarms: &[Alarm]) -> Vec<Reason> {
    let said = look(&draft.rollout, draft.observed, draft.now).reasons;
    let others = said.into_iter().filter(|reason| match reason {
        Reason::Rule { rule, .. } => alarms.iter().all(|alarm| alarm.rule != *rule),
        _ => false,
    });
    alarms
        .iter()
        .map(|alarm| alarm.reason.clone())
        .chain(others)
        .collect()
}

/// Everything that calls for something that was not done yet.
fn alarms(rollout: &Rollout, before: &Rollout, now: Timestamp) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    for rule in acting(&rollout.start.plan) {
        if let Some(memory) = rollout.rules.get(&rule.name) {
            alarms.extend(tripped(rollout, before, rule, memory));
            alarms.extend(blind(rollout, rule, memory, now));
        }
    }
    alarms
}

fn tripped(rollout: &Rollout, before: &Rollout, rule: &Rule, memory: &RuleMemory) -> Option<Alarm> {
    let was_tripped = before
        .rules
        .get(&rule.name)
        .is_some_and(|memory| is_tripped(rule, memory));
    let owner = PauseOwner::Rule(rule.name.clone());
    let done = match reach(rollout, rule.action).0 {
        Reach::Alert => was_tripped,
        Reach::Pause => rollout.pauses.contains_key(&owner),
        Reach::Retreat(_) | Reach::Rollback => false,
    };
    // What could be anybody's may have waited for another rollout's turn: if the newest look is good, the old
    // ones are no reason any more.
    let shared = interlock::may_give_way(&rollout.start.plan, rule);
    let recovers = shared && memory.looks.back() != Some(&Verdict::Breached);
    (is_tripped(rule, memory) && !done && !recovers).then(|| Alarm {
        shared,
        rule: rule.name.clone(),
        owner,
        action: rule.action,
        reason: rule_reason(rule, &memory.last, memory.bad()),
    })
}

fn blind(rollout: &Rollout, rule: &Rule, memory: &RuleMemory, now: Timestamp) -> Option<Alarm> {
    let budget = rollout.start.plan.blind.after;
    let over = budget.after(blind_since(rollout, memory)?) <= now;
    let (action, reason) = match memory.looks.back()? {
        // Between clear level and threshold: seen, but never decided. A person should know; the
        // number is no outage, so the blind action is not for it.
        Verdict::Undecided => (Action::Alert, rule_reason(rule, &memory.last, memory.bad())),
        _ => {
            let action = match rollout.start.plan.blind.action {
                BlindAction::Hold => Action::Alert,
                BlindAction::Pause => Action::Pause,
                BlindAction::Retreat => Action::Retreat,
                BlindAction::Rollback => Action::Rollback,
            };
            (action, blindness(rollout, rule, memory, now)?)
        }
    };
    let done = match action {
        Action::Alert => memory.alerted,
        Action::Pause | Action::Retreat => rollout.pauses.contains_key(&PauseOwner::Blind),
        Action::Rollback => {
            reach(rollout, action).0 == Reach::Pause && rollout.pauses.contains_key(&PauseOwner::Blind)
        }
    };
    (over && !done).then(|| Alarm {
        shared: false,
        rule: rule.name.clone(),
        owner: PauseOwner::Blind,
        action,
        reason,
    })
}
