//! One rollout, the world around it, and what its actor does: read the clock, take in, step, commit,
//! carry out.

use crate::alarm::Heard;
use crate::answer::{Script, Source};
use crate::crash::{Crash, Crashes};
use crate::fault::Fault;
use crate::gates::Says;
use crate::others::completed;
use crate::setting::{Setting, person};
use std::collections::{BTreeMap, VecDeque};
use tidegate_decide::judge::{judge, scores, test_before};
use tidegate_decide::neighbour::{Neighbour, Neighbours};
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::{Input, Observed, Question, step};
use tidegate_decide::start::{queue, start};
use tidegate_decide::step::{Effect, Step};
use tidegate_model::Timestamp;
use tidegate_model::access::Role;
use tidegate_model::because::Decision;
use tidegate_model::change::{Change, EntityRef, EntityState};
use tidegate_model::flag::FlagState;
use tidegate_model::freeze::Frozen;
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::{NodeName, Revision, RuleName, TargetName};
use tidegate_model::policy::Policy;
use tidegate_model::rollout::{Rollout, RolloutCommand};
use tidegate_model::span::Span;
use tidegate_model::verdict::Look;

mod nodes;

/// The nodes that are there when a simulation begins.
pub const NODES: [&str; 2] = ["n1", "n2"];

/// How many steps one moment may take before it counts as a rollout that never sleeps.
const STEPS_OF_A_MOMENT_MAX: usize = 20;

/// A node, and whether it takes what is published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// Whether it takes what is published.
    pub follows: bool,
    /// The split revision that it serves.
    pub serves: Revision,
    /// The evaluations a minute that it reports.
    pub requests: u64,
}

/// One step and when it was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// When.
    pub at: Timestamp,
    /// What came in.
    pub input: Input,
    /// The rollout before.
    pub before: Rollout,
    /// The rollout after.
    pub after: Rollout,
    /// What the step function answered.
    pub step: Step,
    /// What was known of the world.
    pub observed: Observed,
}

impl Taken {
    /// Whether nothing was decided.
    #[must_use]
    pub fn holds(&self) -> bool {
        matches!(self.step.because.decision, Decision::Holds { .. })
    }
}

/// What a rollout decides by.
pub type StepFn = fn(&Rollout, &Observed, &Input, Timestamp) -> Result<Step, Refusal>;

/// One rollout and the world around it.
#[derive(Debug, Clone)]
pub struct Simulation<A = Script> {
    /// What time it is.
    pub now: Timestamp,
    /// The rollout as the journal tells it.
    pub rollout: Rollout,
    /// Its flag.
    pub flag: FlagState,
    /// What its actor knows of the world.
    pub observed: Observed,
    /// What its rules hear.
    pub answers: A,
    /// The nodes.
    pub nodes: BTreeMap<NodeName, Node>,
    /// What each gate answers; nothing at all if it is not here.
    pub gates: BTreeMap<TargetName, Says>,
    /// Every question that a gate was asked.
    pub questions: Vec<Question>,
    /// What an Alertmanager has said.
    pub heard: Heard,
    /// Other rollouts that concern it.
    pub neighbours: Neighbours,
    /// Whether, and why, nothing opens in the environment.
    pub frozen: Option<Frozen>,
    /// At which commits its control plane ends.
    pub crashes: Crashes,
    /// What it decides by; another one than the real one is a test of those who watch it.
    pub step: StepFn,
    /// Everything that became true.
    pub journal: Vec<(Timestamp, Revision, Change)>,
    /// Every step, or with [`Simulation::forgetting_holds`] every decision and the newest step.
    pub taken: Vec<Taken>,
    revision: Revision,
    published: Revision,
    wake_at: Option<Timestamp>,
    /// Steps at the present moment, to find rollouts that never sleep.
    restless: usize,
    forgets_holds: bool,
}

impl Simulation<Script> {
    /// Starts a rollout of the usual flag, in which every rule hears 0.
    ///
    /// # Errors
    /// Why it cannot start.
    pub fn start(policy: &Policy, now: Timestamp) -> Result<Self, Fault> {
        Self::begin(&Setting::of(policy)?, policy, Script::default(), now)
    }
}

impl<A: Source> Simulation<A> {
    /// Starts a rollout with two nodes that follow.
    ///
    /// # Errors
    /// Why it cannot start.
    pub fn begin(setting: &Setting, policy: &Policy, answers: A, now: Timestamp) -> Result<Self, Fault> {
        Self::beside(setting, policy, answers, completed(policy, now), now)
    }

    /// The same, with these rollouts beside it.
    ///
    /// # Errors
    /// Why it cannot start.
    pub fn beside(
        setting: &Setting,
        policy: &Policy,
        answers: A,
        neighbours: Neighbours,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let (_, first) = start(
            &setting.request,
            &setting.environment,
            &setting.flag,
            policy,
            None,
            &setting.by,
            now,
        )?;
        let first = queue(first, neighbours.0.values(), now)?;
        let mut journal = Vec::new();
        let mut rollout = None;
        let mut flag = setting.flag.clone();
        for (entity, change) in &first.changes {
            match (entity, change) {
                (EntityRef::Rollout(..), Change::Rollout(change)) => {
                    rollout = Some(Rollout::apply(rollout, change, now, Revision(1)).map_err(impossible)?);
                }
                (_, change) => flag = flag_after(flag, change, now, Revision(2))?,
            }
            journal.push((now, Revision(1), change.clone()));
        }
        let rollout = rollout.ok_or_else(|| Fault::Impossible("a start without a rollout".to_owned()))?;
        let mut simulation = Self {
            now,
            flag,
            observed: Observed::default(),
            answers,
            nodes: BTreeMap::new(),
            gates: BTreeMap::new(),
            questions: Vec::new(),
            heard: Heard::nothing(now),
            neighbours,
            frozen: None,
            crashes: Crashes::default(),
            step,
            journal,
            taken: vec![Taken {
                at: now,
                input: Input::Wake,
                before: rollout.clone(),
                after: rollout.clone(),
                step: first,
                observed: Observed::default(),
            }],
            rollout,
            revision: Revision(1),
            published: Revision(1),
            wake_at: Some(now),
            restless: 0,
            forgets_holds: false,
        };
        for node in NODES {
            simulation.join(node)?;
        }
        simulation.observed.take_in(&Input::Alerts(simulation.firing()));
        simulation.observed.neighbours = simulation.neighbours.clone();
        Ok(simulation)
    }

    /// Keeps only the steps that decided something, and the newest: a month of looks fits in no memory.
    #[must_use]
    pub fn forgetting_holds(mut self) -> Self {
        self.forgets_holds = true;
        self
    }

    /// Another rollout is somewhere else from now on.
    ///
    /// # Errors
    /// When a step cannot be.
    pub fn move_other(&mut self, other: Neighbour) -> Result<(), Fault> {
        self.neighbours.0.insert(other.id.clone(), other);
        self.feed(Input::Neighbours(self.neighbours.clone()))
    }

    /// Lets time pass for `span`, waking when asked to.
    ///
    /// # Errors
    /// When a step cannot be.
    pub fn run(&mut self, span: Span) -> Result<(), Fault> {
        let end = span.after(self.now);
        self.run_until(end, |_| false)
    }

    /// Lets time pass until `end`, or until `enough` says so before it goes on.
    ///
    /// # Errors
    /// When a step cannot be.
    pub fn run_until(&mut self, end: Timestamp, enough: impl Fn(&Self) -> bool) -> Result<(), Fault> {
        self.feed(Input::Fleet(self.fleet()))?;
        while let Some(at) = self.wake_at.filter(|at| *at <= end) {
            if at > self.now {
                if enough(self) {
                    return Ok(());
                }
                self.now = at;
                self.restless = 0;
            }
            self.restless += 1;
            if self.restless >= STEPS_OF_A_MOMENT_MAX {
                let because = self.taken.last().map(|taken| taken.step.because.to_string());
                return Err(Fault::Restless {
                    at: self.now,
                    because: because.unwrap_or_default(),
                });
            }
            self.feed(Input::Wake)?;
        }
        if !enough(self) {
            self.now = end;
            self.restless = 0;
        }
        Ok(())
    }

    /// Takes one step, and all that follow from it at the same moment.
    ///
    /// # Errors
    /// When a command is refused, or a step cannot be.
    pub fn feed(&mut self, input: Input) -> Result<(), Fault> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.observed.take_in(&input);
            self.observed.frozen.clone_from(&self.frozen);
            if self.heard.always {
                self.heard.watchdog = Some(self.now);
                self.observed.firing.watchdog_heard = Some(self.now);
            }
            let step = (self.step)(&self.rollout, &self.observed, &input, self.now)?;
            self.observed.note_asked(&step, self.now);
            let before = self.rollout.clone();
            let crash = match step.changes.is_empty() {
                true => None,
                false => self.crashes.next(self.revision),
            };
            if crash == Some(Crash::BeforeCommit) {
                return self.restart();
            }
            self.commit(&step)?;
            if crash == Some(Crash::BeforeEffects) {
                self.note(input, before, step);
                return self.restart();
            }
            self.wake_at = step.wake_at;
            for effect in &step.effects {
                match effect {
                    Effect::Measure(rules) => {
                        let looks = self.looks(rules);
                        inputs.extend((!looks.is_empty()).then_some(Input::Looked(looks)));
                    }
                    Effect::Publish => {
                        self.publish();
                        inputs.push_back(Input::Fleet(self.fleet()));
                    }
                    Effect::Ask(questions) => {
                        inputs.extend(questions.iter().filter_map(|one| self.answer_of_gate(one)));
                        self.questions.extend(questions.iter().cloned());
                    }
                    Effect::Alert(_) => {}
                }
            }
            self.note(input, before, step);
        }
        Ok(())
    }

    /// Somebody wants something.
    ///
    /// # Errors
    /// When it is refused.
    pub fn command(&mut self, command: RolloutCommand, name: &str, role: Role) -> Result<(), Fault> {
        let by = person(name, role).map_err(|invalid| Fault::Refused(invalid.into()))?;
        self.feed(Input::Command { command, by, role })
    }

    /// Loses everything but the journal, and starts again from it.
    ///
    /// # Errors
    /// When the journal tells no state, or a step cannot be.
    pub fn restart(&mut self) -> Result<(), Fault> {
        self.rollout = self.replay()?;
        self.wake_anew()
    }

    /// Loses what a restart loses, and starts again from the state as it is.
    pub(crate) fn wake_anew(&mut self) -> Result<(), Fault> {
        self.observed = Observed::default();
        self.publish();
        self.observed.take_in(&Input::Fleet(self.fleet()));
        self.observed.take_in(&Input::Alerts(self.firing()));
        self.observed.neighbours = self.neighbours.clone();
        self.feed(Input::Wake)
    }

    /// Forgets what was told and journalled so far, and nothing that the next step reads.
    pub(crate) fn forget_the_past(&mut self) {
        self.taken.clear();
        self.journal.clear();
        self.questions.clear();
    }

    /// The state that the journal tells, read from its text.
    ///
    /// # Errors
    /// When it tells none.
    pub fn replay(&self) -> Result<Rollout, Fault> {
        let mut rollout = None;
        for (at, revision, change) in &self.journal {
            let text = serde_json::to_string(change).map_err(impossible)?;
            if let Change::Rollout(change) = serde_json::from_str(&text).map_err(impossible)? {
                rollout = Some(Rollout::apply(rollout, &change, *at, *revision).map_err(impossible)?);
            }
        }
        rollout.ok_or_else(|| Fault::Impossible("a journal without a rollout".to_owned()))
    }

    /// The text of the alerts so far.
    pub fn alerts(&self) -> Vec<&str> {
        let effects = self.taken.iter().flat_map(|taken| &taken.step.effects);
        effects
            .filter_map(|effect| match effect {
                Effect::Alert(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// All stages that were ever entered, in order, by their percentage.
    pub fn shares(&self) -> Vec<f64> {
        let mut shares: Vec<f64> = self
            .taken
            .iter()
            .map(|taken| taken.after.share.percent())
            .collect();
        shares.dedup();
        shares
    }

    /// Notes a step that was taken on the rollout as it was `before`.
    fn note(&mut self, input: Input, before: Rollout, step: Step) {
        let taken = Taken {
            at: self.now,
            input,
            before,
            after: self.rollout.clone(),
            step,
            observed: self.observed.clone(),
        };
        // The first step is the start, and no hold.
        if self.forgets_holds && self.taken.last().is_some_and(Taken::holds) {
            self.taken.pop();
        }
        self.taken.push(taken);
    }

    /// What is seen of these rules, and what the scores make of it that weigh them.
    fn looks(&self, rules: &[RuleName]) -> Vec<Look> {
        let looks: Vec<Look> = rules.iter().filter_map(|rule| self.look(rule)).collect();
        let mut known = self.observed.clone();
        known.take_in(&Input::Looked(looks.clone()));
        let mut scored: Vec<Look> = Vec::new();
        for look in &looks {
            let scores = scores(&self.rollout, &known, look, self.now);
            scored.retain(|one| scores.iter().all(|score| score.rule != one.rule));
            scored.extend(scores);
        }
        looks.into_iter().chain(scored).collect()
    }

    fn look(&self, rule: &RuleName) -> Option<Look> {
        let rule = self.rollout.start.plan.rule(rule)?;
        let before = test_before(&self.rollout, &self.observed, rule);
        let evidence = self.answers.answer(rule, before, self.now)?;
        Some(judge(&self.rollout, rule, &evidence, self.now))
    }

    fn commit(&mut self, step: &Step) -> Result<(), Fault> {
        let start = self.rollout.start.clone();
        let own = [
            EntityRef::Rollout(start.environment.clone(), start.id),
            EntityRef::Flag(start.environment, start.flag),
        ];
        for (entity, change) in &step.changes {
            if !own.contains(entity) {
                return Err(Fault::Impossible(format!(
                    "a rollout changes itself and its flag, and not {entity:?}"
                )));
            }
            match change {
                Change::Rollout(change) => {
                    self.revision = self.revision.next();
                    let before = Some(self.rollout.clone());
                    self.rollout =
                        Rollout::apply(before, change, self.now, self.revision).map_err(impossible)?;
                }
                change => self.flag = flag_after(self.flag.clone(), change, self.now, Revision(3))?,
            }
            self.journal.push((self.now, self.revision, change.clone()));
        }
        Ok(())
    }
}

fn flag_after(
    flag: FlagState,
    change: &Change,
    at: Timestamp,
    revision: Revision,
) -> Result<FlagState, Fault> {
    let after = EntityState::apply(Some(EntityState::Flag(flag)), change, at, revision);
    match after.map_err(impossible)? {
        Some(EntityState::Flag(flag)) => Ok(flag),
        other => Err(Fault::Impossible(format!("a flag became {other:?}"))),
    }
}

pub(crate) fn impossible(error: impl std::fmt::Display) -> Fault {
    Fault::Impossible(error.to_string())
}

pub(crate) fn refused(violation: Violation) -> Fault {
    Fault::Refused(Invalid::from(violation).into())
}
