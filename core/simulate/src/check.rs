//! Every state that a rollout by a policy can get into, and whether the laws hold in each.
//!
//! Breadth first, so that a counterexample is as short as there is one. What can happen in a state: a
//! look at which each rule is well, between its levels, bad, or unknown in each way that the policy tells
//! apart, inside or outside of a window, with gates that pass, hold or fail; everything that a person can command; a restart of the control
//! plane. The policy is [`scaled`] to a few looks first, because only the order of its times matters.

use crate::answer::{Answer, Script};
use crate::fault::Fault;
use crate::setting::Setting;
use crate::simulation::{Simulation, Taken};
use crate::telling::Entry;
use moves::{Look, Move, commands, follow};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use tidegate_model::Timestamp;
use tidegate_model::gate::GateVerdict;
use tidegate_model::key::{RuleName, StageName, TargetName};
use tidegate_model::policy::{Policy, UnknownMeans};
use tidegate_model::rollout::{Ending, Phase};

mod law;
mod moves;
mod scaled;
mod state;

pub use law::Law;

/// Most ways in which all rules together may answer at one look; with more, rules differ from the
/// healthy one at a time, and the exploration is not complete.
const ANSWERS_MAX: usize = 64;

/// Most ways in which all gates together may answer: two of them.
const GATES_MAX: usize = 9;

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
    let (mut explorer, mut complete) = Explorer::of(policy, &plan);
    explorer.visit(start.clone(), None);
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
    /// One that has seen nothing yet of `plan`, which is `policy` scaled; and whether it tries everything.
    fn of(policy: &Policy, plan: &Policy) -> (Self, bool) {
        let (answers, all_answers) = scaled::answers(plan);
        let (gates, all_gates) = scaled::gates(plan);
        // Windows are opened and shut at will.
        let open: &[bool] = if policy.schedule.windows.is_empty() {
            &[true]
        } else {
            &[true, false]
        };
        let looks = answers
            .iter()
            .flat_map(|answers| open.iter().map(|open| Look::of(answers.clone(), *open)));
        let explorer = Self {
            looks: looks.collect(),
            gates,
            visited: Vec::new(),
            known: BTreeMap::new(),
            queue: VecDeque::new(),
            ways: Vec::new(),
            broken: BTreeMap::new(),
            reached: BTreeSet::from([0]),
            as_zero: BTreeSet::new(),
            completes: false,
            moves: 0,
        };
        (explorer, all_answers && all_gates)
    }

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
                self.note(taken, index, &way);
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

    /// Notes what a step shows that was taken on the `way` from the state `index`.
    fn note(&mut self, taken: &Taken, index: usize, way: &Move) {
        let look = match way {
            Move::Look(look) => Some(look),
            Move::Command(..) | Move::Restart => None,
        };
        self.reached.extend(taken.after.stage());
        self.completes |= matches!(
            taken.after.phase,
            Phase::Ended {
                ending: Ending::Completed,
                ..
            }
        );
        if law::opens(taken) {
            let rules = &taken.before.start.plan.safety.rules;
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
