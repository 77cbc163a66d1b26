//! Every state that a rollout by a policy can get into, and whether the laws hold in each.
//!
//! Breadth first, so that a counterexample is as short as there is one. What can happen in a state: a
//! look at which each rule is well, between its levels, bad, or unknown in each way that the policy tells
//! apart, inside or outside of a window, with gates that pass, hold or fail; everything that a person can command; a restart of the control
//! plane. The policy is [`scaled`] to a few looks first, because only the order of its times matters.

use crate::answer::{Answer, Script};
use crate::fault::Fault;
use crate::gates::Says;
use crate::setting::Setting;
use crate::simulation::Simulation;
use crate::telling::Entry;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use tidegate_decide::schedule::{Opening, opening};
use tidegate_model::Timestamp;
use tidegate_model::access::Role;
use tidegate_model::gate::GateVerdict;
use tidegate_model::key::{RuleName, StageName, TargetName};
use tidegate_model::policy::{Policy, UnknownMeans, Window, WindowEffect};
use tidegate_model::rollout::{Ending, PauseOwner, Phase, RolloutCommand};
use tidegate_model::span::Span;

mod law;
mod scaled;
mod state;

pub use law::Law;

/// Most ways in which all rules together may answer at one look; with more, rules differ from the
/// healthy one at a time, and the exploration is not complete.
const ANSWERS_MAX: usize = 64;

/// Most ways in which all gates together may answer: two of them.
const GATES_MAX: usize = 9;

/// Who commands, besides the one who started.
const COMMANDER: &str = "carol";

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// How many states were visited.
    pub states: usize,
    /// How many moves from one to another were tried.
    pub moves: usize,
    /// Whether there is no other state.
    pub complete: bool,
    /// Rules that were explored as one, because they are alike to the state machine.
    pub alike: BTreeMap<RuleName, RuleName>,
    /// Rules whose missing series the policy reads as 0, and stages opened on it.
    pub as_zero: BTreeSet<RuleName>,
    /// The laws that were broken, each with the shortest way there.
    pub broken: Vec<Counterexample>,
    /// Stages that were not reached.
    pub unreached: Vec<StageName>,
    /// Whether it was ever completed.
    pub completes: bool,
}

/// A way to a state in which a law is broken.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counterexample {
    /// Which law.
    pub law: Law,
    /// What is wrong.
    pub what: String,
    /// What happened, with every decision.
    pub story: String,
}

impl Findings {
    /// Whether every law was proven.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.complete && self.broken.is_empty() && self.unreached.is_empty() && self.completes
    }
}

/// Something that happens to a state.
#[derive(Debug, Clone, PartialEq)]
enum Move {
    Look(Look),
    Command(RolloutCommand, Role),
    Restart,
}

/// A look at all rules.
#[derive(Debug, Clone, PartialEq)]
struct Look {
    answers: BTreeMap<RuleName, Answer>,
    /// Whether it is inside of a window.
    open: bool,
    /// What gates say that are asked; nothing, if they are not here.
    gates: BTreeMap<TargetName, GateVerdict>,
}

struct Visited {
    /// Where it was come from, and how.
    from: Option<(usize, usize)>,
}

struct Explorer {
    /// Every look that may happen, at whatever state.
    looks: Vec<Look>,
    /// Every way in which all gates together may answer.
    gates: Vec<BTreeMap<TargetName, GateVerdict>>,
    visited: Vec<Visited>,
    known: BTreeMap<String, usize>,
    queue: VecDeque<(usize, Simulation<Script>)>,
    ways: Vec<Move>,
    broken: BTreeMap<Law, (String, usize, Move)>,
    reached: BTreeSet<usize>,
    as_zero: BTreeSet<RuleName>,
    completes: bool,
    moves: usize,
}

/// Explores `policy` until every state is visited, or `states_max` of them. `progress` is called with the
/// number of states so far.
///
/// # Errors
/// When the policy cannot start, or a step cannot be.
pub fn check(policy: &Policy, states_max: usize, mut progress: impl FnMut(usize)) -> Result<Findings, Fault> {
    let scaled::Scaled { plan, alike } = scaled::scale(policy);
    let begin = Timestamp::default();
    let start = Simulation::begin(&Setting::of(&plan)?, &plan, Script::healthy(&plan), begin)?;
    let (answers, all_answers) = scaled::answers(&plan);
    // Windows are opened and shut at will, if they open at all.
    let windows = &policy.schedule.windows;
    let never = matches!(opening(windows, begin), Opening::Closed { opens: None, .. });
    let open: &[bool] = match (windows.is_empty(), never) {
        (true, _) => &[true],
        (false, true) => &[false],
        (false, false) => &[true, false],
    };
    let looks = answers
        .iter()
        .flat_map(|answers| open.iter().map(|open| Look::of(answers.clone(), *open)));
    let (gates, all_gates) = scaled::gates(&plan);
    let mut explorer = Explorer {
        looks: looks.collect(),
        gates,
        as_zero: BTreeSet::new(),
        visited: Vec::new(),
        known: BTreeMap::new(),
        queue: VecDeque::new(),
        ways: Vec::new(),
        broken: BTreeMap::new(),
        reached: BTreeSet::from([0]),
        completes: false,
        moves: 0,
    };
    explorer.visit(start.clone(), None);
    let mut complete = all_answers && all_gates;
    while let Some((index, world)) = explorer.queue.pop_front() {
        if explorer.visited.len() >= states_max {
            complete = false;
            break;
        }
        explorer.expand(index, &world)?;
        progress(explorer.visited.len());
    }
    let stages = policy.schedule.stages.iter().enumerate();
    let unreached = stages.filter(|(index, _)| !explorer.reached.contains(index));
    Ok(Findings {
        states: explorer.visited.len(),
        moves: explorer.moves,
        complete,
        alike,
        unreached: unreached.map(|(_, stage)| stage.name.clone()).collect(),
        completes: explorer.completes,
        as_zero: explorer.as_zero.clone(),
        broken: explorer.counterexamples(&start)?,
    })
}

impl Explorer {
    fn visit(&mut self, mut world: Simulation<Script>, from: Option<(usize, usize)>) {
        let key = state::key(&world);
        if self.known.contains_key(&key) {
            return;
        }
        // Where it came from is in `visited`; what was told on the way is told again when it is needed.
        world.forget_the_past();
        let index = self.visited.len();
        self.known.insert(key, index);
        self.visited.push(Visited { from });
        if !world.rollout.has_ended() {
            self.queue.push_back((index, world));
        }
    }

    fn expand(&mut self, index: usize, world: &Simulation<Script>) -> Result<(), Fault> {
        let mut moves = self.looks(world);
        moves.extend(commands(world));
        for way in moves {
            let mut after = world.clone();
            if !follow(&mut after, &way)? {
                continue;
            }
            self.moves += 1;
            for taken in &after.taken {
                self.reached.extend(taken.after.stage());
                self.completes |= matches!(
                    taken.after.phase,
                    Phase::Ended {
                        ending: Ending::Completed,
                        ..
                    }
                );
                let look = match &way {
                    Move::Look(look) => Some(look),
                    Move::Command(..) | Move::Restart => None,
                };
                if law::opens(taken) {
                    let rules = &world.rollout.start.plan.safety.rules;
                    let zero = rules.iter().filter(|rule| {
                        let answer = look.and_then(|look| look.answers.get(&rule.name));
                        matches!(answer, Some(Answer::Unknown(why)) if rule.unknown.means(*why) == UnknownMeans::Zero)
                    });
                    self.as_zero.extend(zero.map(|rule| rule.name.clone()));
                }
                let answers = look.map(|look| &look.answers);
                let open = look.is_none_or(|look| look.open);
                if let Some((law, what)) = law::broken(taken, answers, open) {
                    self.broken.entry(law).or_insert((what, index, way.clone()));
                }
            }
            let number = self.ways.len();
            let known = self.visited.len();
            self.visit(after, Some((index, number)));
            if self.visited.len() > known {
                self.ways.push(way);
            }
        }
        Ok(())
    }

    /// Every look that may happen; what gates say only matters while the next stage has some.
    fn looks(&self, world: &Simulation<Script>) -> Vec<Move> {
        let rollout = &world.rollout;
        let next = rollout
            .next_stage()
            .and_then(|next| rollout.start.plan.stage(next));
        if next.is_none_or(|next| next.gates.is_empty()) {
            return self.looks.iter().cloned().map(Move::Look).collect();
        }
        let with = |look: &Look| -> Vec<Move> {
            let gates = self.gates.iter().cloned();
            let looks = gates.map(|gates| Look {
                gates,
                ..look.clone()
            });
            looks.map(Move::Look).collect()
        };
        self.looks.iter().flat_map(with).collect()
    }

    fn counterexamples(&self, start: &Simulation<Script>) -> Result<Vec<Counterexample>, Fault> {
        let mut told = Vec::new();
        for (law, (what, index, last)) in &self.broken {
            let mut moves = vec![last.clone()];
            let mut at = *index;
            while let Some((from, way)) = self.visited.get(at).and_then(|visited| visited.from) {
                moves.extend(self.ways.get(way).cloned());
                at = from;
            }
            moves.reverse();
            told.push(Counterexample {
                law: *law,
                what: what.clone(),
                story: tell(start.clone(), &moves)?,
            });
        }
        Ok(told)
    }
}

/// What people can do in a state, and a restart.
fn commands(world: &Simulation<Script>) -> Vec<Move> {
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
    if rollout.proven_stage.is_some() {
        say(RolloutCommand::Retreat { reason: reason() });
    }
    say(RolloutCommand::Rollback { reason: reason() });
    say(RolloutCommand::Abort { reason: reason() });
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
fn follow(world: &mut Simulation<Script>, way: &Move) -> Result<bool, Fault> {
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
            world.rollout.start.plan.schedule.windows = if look.open { Vec::new() } else { vec![shut()] };
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
    fn of(answers: BTreeMap<RuleName, Answer>, open: bool) -> Self {
        Self {
            answers,
            open,
            gates: BTreeMap::new(),
        }
    }
}

/// A window that is always shut.
fn shut() -> Window {
    Window {
        effect: WindowEffect::Deny,
        cron: "0 0 * * *".to_owned(),
        length: Span::seconds(48 * 3600),
        timezone: "UTC".to_owned(),
        reason: "closed".to_owned(),
    }
}

/// What happened, with every decision.
fn tell(mut world: Simulation<Script>, moves: &[Move]) -> Result<String, Fault> {
    let begin = world.now;
    let mut text = String::new();
    for way in moves {
        if let Move::Look(look) = way {
            for (target, verdict) in &look.gates {
                let _ = writeln!(text, "> gate {target} {verdict}");
            }
        }
        let _ = writeln!(text, "> {way}");
        world.forget_the_past();
        follow(&mut world, way)?;
        for taken in world.taken.iter().filter(|taken| !taken.holds()) {
            let _ = write!(text, "{}", Entry::of(taken, begin));
        }
    }
    Ok(text)
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
                RolloutCommand::Retreat { .. } => write!(f, "retreat {COMMANDER} because"),
                RolloutCommand::Rollback { .. } => write!(f, "rollback {COMMANDER} because"),
                RolloutCommand::Abort { .. } => write!(f, "abort {COMMANDER} because"),
            },
        }
    }
}
