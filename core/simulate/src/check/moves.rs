//! What can happen to a rollout in any state, and letting it happen.

use super::scaled;
use crate::answer::{Answer, Script};
use crate::fault::Fault;
use crate::gates::Says;
use crate::simulation::Simulation;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_model::access::Role;
use tidegate_model::gate::GateVerdict;
use tidegate_model::key::{RuleName, TargetName};
use tidegate_model::policy::{Window, WindowEffect};
use tidegate_model::rollout::{PauseOwner, Phase, RolloutCommand};
use tidegate_model::span::Span;

/// Who commands, besides the one who started.
const COMMANDER: &str = "carol";

/// Something that happens to a state.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Move {
    Look(Look),
    Command(RolloutCommand, Role),
    Restart,
}

/// A look at all rules.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    pub(super) answers: BTreeMap<RuleName, Answer>,
    /// Whether it is inside of a window.
    pub(super) open: bool,
    /// What gates say that are asked; nothing, if they are not here.
    pub(super) gates: BTreeMap<TargetName, GateVerdict>,
}

/// What people can do in a state, and a restart.
pub(super) fn commands(world: &Simulation<Script>) -> Vec<Move> {
    let reason = || "because".to_owned();
    let rollout = &world.rollout;
    let mut commands = vec![Move::Restart];
    if !matches!(rollout.phase, Phase::Running { .. }) {
        return commands;
    }
    let mut say = |command| commands.push(Move::Command(command, Role::Operator));
    if !rollout.pauses.contains_key(&PauseOwner::Operator) {
        say(RolloutCommand::Pause { reason: reason() });
    }
    for owner in rollout.pauses.keys() {
        let (owner, reason) = (owner.clone(), reason());
        say(RolloutCommand::Resume { owner, reason });
    }
    if rollout.way_back().is_some() {
        say(RolloutCommand::Retreat { reason: reason() });
    }
    // Past a point of no return whoever does not say that it is meant is refused.
    let past_no_return = rollout.no_return.is_some();
    say(RolloutCommand::Rollback {
        reason: reason(),
        past_no_return,
    });
    say(RolloutCommand::Abort {
        reason: reason(),
        past_no_return,
    });
    let next = rollout
        .next_stage()
        .and_then(|next| rollout.start.plan.stage(next));
    if let Some((next, asked)) = next.and_then(|next| Some((next, next.wait_for_approval.as_ref()?))) {
        let command = RolloutCommand::Approve {
            stage: next.name.clone(),
            plan: None,
        };
        commands.extend(
            asked
                .roles
                .iter()
                .take(1)
                .map(|role| Move::Command(command.clone(), *role)),
        );
    }
    commands
}

/// Lets it happen. `false`: it was refused.
pub(super) fn follow(world: &mut Simulation<Script>, way: &Move) -> Result<bool, Fault> {
    let outcome = match way {
        Move::Look(look) => {
            for (rule, answer) in &look.answers {
                world.answers.insert(rule.clone(), *answer);
            }
            let says = |verdict: &GateVerdict| Says::verdict(*verdict, "because");
            let gates = look.gates.iter();
            world.gates = gates
                .map(|(target, verdict)| (target.clone(), says(verdict)))
                .collect();
            Arc::make_mut(&mut world.rollout.start.plan).schedule.windows =
                if look.open { Vec::new() } else { vec![shut()] };
            world.run(scaled::TICK)
        }
        Move::Command(command, role) => world.command(command.clone(), COMMANDER, *role),
        Move::Restart => {
            // The first looks after it come with the next look.
            for rule in &world.rollout.start.plan.safety.rules {
                world.answers.insert(rule.name.clone(), Answer::Silence);
            }
            world.gates.clear();
            world.wake_anew()
        }
    };
    match outcome {
        Ok(()) => Ok(true),
        Err(Fault::Refused(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

impl Look {
    pub(super) fn of(answers: BTreeMap<RuleName, Answer>, open: bool) -> Self {
        Self {
            answers,
            open,
            gates: BTreeMap::new(),
        }
    }
}

/// A window that is always shut. Yearly, because every step asks when it opens again, and this answers
/// at once that it does not.
fn shut() -> Window {
    Window {
        effect: WindowEffect::Deny,
        cron: "0 0 1 1 *".to_owned(),
        length: Span::seconds(366 * 24 * 3600),
        timezone: "UTC".to_owned(),
        reason: "closed".to_owned(),
    }
}

impl std::fmt::Display for Move {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Look(look) => {
                write!(f, "run {}", scaled::TICK)?;
                for (rule, answer) in &look.answers {
                    write!(f, " {rule}={answer}")?;
                }
                f.write_str(if look.open { "" } else { ", windows closed" })
            }
            Self::Restart => f.write_str("restart"),
            Self::Command(command, role) => match command {
                RolloutCommand::Pause { .. } => write!(f, "pause {COMMANDER} because"),
                RolloutCommand::Resume { owner, .. } => write!(f, "resume {COMMANDER} {owner} because"),
                RolloutCommand::Approve { stage, .. } => write!(f, "approve {COMMANDER} {role} {stage}"),
                RolloutCommand::ApprovePlan { .. } | RolloutCommand::WithdrawPlan => {
                    write!(f, "another plan, {COMMANDER}")
                }
                RolloutCommand::Retreat { .. } => write!(f, "retreat {COMMANDER} because"),
                RolloutCommand::Rollback { .. } => write!(f, "rollback {COMMANDER} because"),
                RolloutCommand::Abort { .. } => write!(f, "abort {COMMANDER} because"),
            },
        }
    }
}
