//! What has to hold of every step.

use crate::answer::Answer;
use crate::simulation::Taken;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use tidegate_decide::rollout::Input;
use tidegate_model::gate::{Gate, GateVerdict};
use tidegate_model::key::RuleName;
use tidegate_model::policy::{Action, Rule, UnknownMeans};
use tidegate_model::rollout::{Ending, PauseOwner, Phase, RolloutCommand};
use tidegate_model::share::Share;
use tidegate_model::verdict::Verdict;

/// Something that always holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// A rule that trips acts at once, and nothing opens while it is tripped.
    BreachIsSafe,
    /// Stages open one after the other.
    NoStageSkipped,
    /// Nothing opens while a rule cannot be judged.
    NeverOnUnknown,
    /// Nothing opens while it is paused, unapproved, outside of its windows, or through a closed gate.
    NeverUnasked,
    /// Past a point of no return nothing but a person's explicit word leads back.
    NoReturnIsKept,
    /// Nothing comes back from a rollback, and nothing follows an end.
    RollbackIsFinal,
}

impl Law {
    /// All laws, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::BreachIsSafe,
        Self::NoStageSkipped,
        Self::NeverOnUnknown,
        Self::NeverUnasked,
        Self::NoReturnIsKept,
        Self::RollbackIsFinal,
    ];

    /// The law that a step breaks, and how. `answers` is what the rules heard at it, if they were asked; `open`
    /// whether a window was.
    #[must_use]
    pub fn broken(
        taken: &Taken,
        answers: Option<&BTreeMap<RuleName, Answer>>,
        open: bool,
    ) -> Option<(Self, String)> {
        broken(taken, answers, open)
    }

    /// Whether a step lets more users in, for longer.
    #[must_use]
    pub fn opens(taken: &Taken) -> bool {
        opens(taken)
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BreachIsSafe => "a breach leads to safety next",
            Self::NoStageSkipped => "no stage is skipped",
            Self::NeverOnUnknown => "nothing opens on an unknown",
            Self::NeverUnasked => {
                "nothing opens paused, unapproved, outside of a window or through a closed gate"
            }
            Self::NoReturnIsKept => "past a point of no return nothing but a person leads back",
            Self::RollbackIsFinal => "a rollback is final",
        })
    }
}

/// The law that a step breaks, and how. `answers` is what the rules heard, if they were asked; `open`
/// whether a window was.
pub(super) fn broken(
    taken: &Taken,
    answers: Option<&BTreeMap<RuleName, Answer>>,
    open: bool,
) -> Option<(Law, String)> {
    let says = |law: Law, what: String| Some((law, format!("{}: {what}", taken.step.because.decision)));
    let (before, after) = (&taken.before, &taken.after);
    match (&before.phase, &after.phase) {
        (Phase::Ended { .. }, _) if before != after => {
            return says(Law::RollbackIsFinal, "it had ended".to_owned());
        }
        (Phase::RollingBack { ending: planned, .. }, now) => {
            let goes_on = match now {
                Phase::Running { .. } => false,
                Phase::RollingBack { ending, .. } | Phase::Ended { ending, .. } => ending == planned,
            };
            if !goes_on || after.share != Share::ZERO {
                return says(Law::RollbackIsFinal, "it was being rolled back".to_owned());
            }
        }
        _ => {}
    }
    let opens = opens(taken);
    if let (Some(from), true) = (before.stage(), opens) {
        let last = before.start.plan.schedule.stages.len().saturating_sub(1);
        let to = after.stage().unwrap_or(last + 1);
        if to != from + 1 {
            return says(
                Law::NoStageSkipped,
                format!("from stage {} to {}", from + 1, to + 1),
            );
        }
        if let Some(what) = unknown(taken, answers) {
            return says(Law::NeverOnUnknown, what);
        }
        if let Some(what) = unasked(taken, to, open) {
            return says(Law::NeverUnasked, what);
        }
    }
    if let Some(what) = returned(taken) {
        return says(Law::NoReturnIsKept, what);
    }
    let tripped = not_acted_upon(taken, opens)?;
    says(Law::BreachIsSafe, format!("{tripped} is tripped"))
}

/// The rule that could not be judged when a stage opened, or was not healthy. Dry runs open nothing and
/// keep nothing shut. A missing series that the policy reads as 0 is a number.
fn unknown(taken: &Taken, answers: Option<&BTreeMap<RuleName, Answer>>) -> Option<String> {
    let rules = taken.before.start.plan.safety.rules.iter();
    let mut acting = rules.filter(|rule| !rule.dry_run);
    acting.find_map(|rule| {
        let newest = taken.observed.looks.get(&rule.name).map(|look| look.verdict);
        match answers.and_then(|answers| answers.get(&rule.name)) {
            Some(Answer::Unknown(reason)) if rule.unknown.means(*reason) != UnknownMeans::Zero => {
                Some(format!("{} could not be judged ({reason})", rule.name))
            }
            _ if newest != Some(Verdict::Healthy) => Some(format!("{} was not healthy", rule.name)),
            _ => None,
        }
    })
}

/// Whether a step lets more users in, for longer.
pub(super) fn opens(taken: &Taken) -> bool {
    let completed = |phase: &Phase| {
        matches!(
            phase,
            Phase::Ended {
                ending: Ending::Completed,
                ..
            }
        )
    };
    taken.after.share > taken.before.share
        || taken.after.stage() > taken.before.stage() && taken.after.stage().is_some()
        || completed(&taken.after.phase) && !completed(&taken.before.phase)
}

/// What was missing when stage `to` opened.
fn unasked(taken: &Taken, to: usize, open: bool) -> Option<String> {
    let before = &taken.before;
    if let Some(owner) = before.pauses.keys().next() {
        return Some(format!("it was paused by {owner}"));
    }
    let next = before.start.plan.stage(to)?;
    let approved = before.approval.as_ref().is_some_and(|given| given.stage == to);
    if next.wait_for_approval.is_some() && !approved {
        return Some(format!("nobody approved {}", next.name));
    }
    if let Some(gate) = next.gates.iter().find(|gate| !has_passed(taken, gate)) {
        return Some(format!("gate {} had not passed", gate.target));
    }
    (!open).then(|| "no window was open".to_owned())
}

/// What was left behind that nothing leads back from, without anybody who said so.
fn returned(taken: &Taken) -> Option<String> {
    let (before, after) = (&taken.before, &taken.after);
    let limit = before.no_return?;
    let stays = match after.phase {
        Phase::Running { stage, .. } => stage >= limit,
        Phase::RollingBack { .. } => matches!(before.phase, Phase::RollingBack { .. }),
        Phase::Ended { ending, .. } => ending == Ending::Completed || before.stage().is_none(),
    };
    let meant = matches!(
        &taken.input,
        Input::Command {
            command: RolloutCommand::Rollback {
                past_no_return: true,
                ..
            } | RolloutCommand::Abort {
                past_no_return: true,
                ..
            },
            ..
        }
    );
    let stage = before.start.plan.stage(limit)?;
    (!stays && !meant).then(|| format!("{} had taken effect", stage.name))
}

/// Whether the gate's last word was a pass that still counted.
fn has_passed(taken: &Taken, gate: &Gate) -> bool {
    let state = taken.before.gates.get(&gate.target);
    let answer = state.and_then(|state| state.answer.as_ref());
    answer.is_some_and(|answer| {
        let mut expires = gate.expires.iter().map(|expires| expires.after(answer.at));
        answer.verdict == GateVerdict::Pass && expires.all(|expires| expires > taken.at)
    })
}

/// A rule that is tripped and for which nothing was done.
fn not_acted_upon(taken: &Taken, opens: bool) -> Option<RuleName> {
    let after = &taken.after;
    let Phase::Running { .. } = after.phase else {
        return None;
    };
    let rules = after.start.plan.safety.rules.iter();
    let acting = |rule: &&Rule| !rule.dry_run;
    let mut idle = rules.filter(acting).filter(|rule| {
        let tripped = (after.rules.get(&rule.name)).is_some_and(|memory| memory.bad() >= rule.trip.need);
        let done = match rule.action {
            Action::Alert => !opens,
            Action::Pause => after.pauses.contains_key(&PauseOwner::Rule(rule.name.clone())),
            // Past a point of no return both lead back no further than that, and pause.
            Action::Retreat | Action::Rollback => {
                after.no_return.is_some() && after.pauses.contains_key(&PauseOwner::Rule(rule.name.clone()))
            }
        };
        tripped && !done
    });
    idle.next().map(|rule| rule.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Script;
    use crate::simulation::Simulation;
    use crate::story::moment;
    use tidegate_model::policy::read;
    use tidegate_model::span::Span;

    const POLICY: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: tested
schedule:
  type: custom
  stages:
    - { name: a, percentage: 1, duration: 5m }
    - { name: b, percentage: 30, duration: 5m, waitForApproval: true, gate: { target: change } }
    - { name: c, percentage: 100, duration: 5m }
safety:
  rules:
    - { name: errors, query: 'sum(rate(e{flag="{{flag}}"}[{{window}}]))', threshold: 0.02 }
"#;

    /// A step to the second stage, as it should be.
    fn advance() -> Taken {
        let policy = read::read(POLICY).0.unwrap();
        let mut world = Simulation::start(&policy, moment("2026-01-05").unwrap()).unwrap();
        world.answers = Script::healthy(&policy);
        let stage = "b".parse().unwrap();
        let role = tidegate_model::access::Role::Approver;
        world
            .command(RolloutCommand::Approve { stage, plan: None }, "carol", role)
            .unwrap();
        world.open_gates();
        world.run(Span::seconds(400)).unwrap();
        let advances = |taken: &&Taken| taken.after.stage() > taken.before.stage();
        world.taken.iter().find(advances).unwrap().clone()
    }

    fn check(change: impl Fn(&mut Taken), answer: Answer, open: bool, expected: Option<Law>) {
        let mut taken = advance();
        change(&mut taken);
        let answers = BTreeMap::from([(RuleName::new("errors").unwrap(), answer)]);
        let found = broken(&taken, Some(&answers), open);
        assert_eq!(found.as_ref().map(|(law, _)| *law), expected, "{found:?}");
    }

    #[test]
    fn every_law_is_seen_to_be_broken() {
        let good = Answer::Value(0.0);
        let unknown = Answer::Unknown(tidegate_model::verdict::UnknownReason::Timeout);
        check(|_| {}, good, true, None);
        check(|_| {}, unknown, true, Some(Law::NeverOnUnknown));
        check(|_| {}, good, false, Some(Law::NeverUnasked));
        check(
            |taken| taken.before.approval = None,
            good,
            true,
            Some(Law::NeverUnasked),
        );
        check(
            |taken| taken.before.gates.clear(),
            good,
            true,
            Some(Law::NeverUnasked),
        );
        check(
            |taken| taken.observed.looks.clear(),
            good,
            true,
            Some(Law::NeverOnUnknown),
        );
        let skip = |taken: &mut Taken| {
            if let Phase::Running { stage, .. } = &mut taken.after.phase {
                *stage += 1;
            }
        };
        check(skip, good, true, Some(Law::NoStageSkipped));
        let bad = |taken: &mut Taken| {
            let memory = taken.after.rules.values_mut().next().unwrap();
            memory.looks.iter_mut().for_each(|look| *look = Verdict::Breached);
        };
        check(bad, good, true, Some(Law::BreachIsSafe));
        let back = |taken: &mut Taken| {
            taken.before.no_return = Some(1);
            taken.after.share = taken.before.share;
            taken.after.phase = Phase::Running {
                stage: 0,
                since: taken.at,
                effective: None,
            };
        };
        check(back, good, true, Some(Law::NoReturnIsKept));
        let returns = |taken: &mut Taken| {
            taken.before.phase = Phase::RollingBack {
                since: taken.at,
                ending: Ending::RolledBack,
            };
        };
        check(returns, good, true, Some(Law::RollbackIsFinal));
        let rises = |taken: &mut Taken| {
            taken.before.phase = Phase::Ended {
                ending: Ending::RolledBack,
                at: taken.at,
                took: None,
            };
        };
        check(rises, good, true, Some(Law::RollbackIsFinal));
    }
}
