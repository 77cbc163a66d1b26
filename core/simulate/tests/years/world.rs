//! A year: one rollout after the other, and what happens to them.

use crate::dice::Dice;
use crate::policies::policy;
use std::collections::BTreeMap;
use tidegate_decide::rollout::Input;
use tidegate_model::Timestamp;
use tidegate_model::access::Role;
use tidegate_model::calendar::{Opening, in_force, opening};
use tidegate_model::flag::Serve;
use tidegate_model::freeze::Frozen;
use tidegate_model::gate::GateVerdict;
use tidegate_model::key::{NodeName, RuleName, StageName, TargetName, VariationKey};
use tidegate_model::rollout::{Ending, PauseOwner, Phase, RolloutCommand};
use tidegate_model::span::Span;
use tidegate_model::verdict::UnknownReason;
use tidegate_simulate::answer::{Answer, Script};
use tidegate_simulate::check::Law;
use tidegate_simulate::crash::Crashes;
use tidegate_simulate::fault::Fault;
use tidegate_simulate::gates::Says;
use tidegate_simulate::setting::{Setting, person};
use tidegate_simulate::simulation::{Simulation, StepFn, Taken};

const YEAR: Span = Span::seconds(366 * 24 * 3600);
/// After so long somebody has had enough of a rollout.
const PATIENCE: Span = Span::seconds(45 * 24 * 3600);
const REASONS: [UnknownReason; 9] = [
    UnknownReason::NoSeries,
    UnknownReason::Nan,
    UnknownReason::Inf,
    UnknownReason::ManySeries,
    UnknownReason::Partial,
    UnknownReason::StaleSample,
    UnknownReason::Timeout,
    UnknownReason::ProviderError,
    UnknownReason::TooFew,
];

/// What happened in years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) rollouts: usize,
    pub(crate) completed: usize,
    pub(crate) rolled_back: usize,
    pub(crate) advances: usize,
    pub(crate) paused: usize,
    pub(crate) steps: usize,
    pub(crate) crashes: usize,
    pub(crate) restarts: usize,
    pub(crate) refused: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.rollouts += other.rollouts;
        self.completed += other.completed;
        self.rolled_back += other.rolled_back;
        self.advances += other.advances;
        self.paused += other.paused;
        self.steps += other.steps;
        self.crashes += other.crashes;
        self.restarts += other.restarts;
        self.refused += other.refused;
    }
}

struct Year {
    dice: Dice,
    world: Simulation<Script>,
    tally: Tally,
    /// Nodes that were cut off, and since when: their leases end after a minute.
    cut_off: BTreeMap<NodeName, Timestamp>,
}

/// A year by `step`; what went wrong, otherwise. Every third year crashes nowhere, every third on both sides of each
/// commit, the others at some.
pub(crate) fn year(seed: u64, step: StepFn) -> Result<Tally, String> {
    let mut dice = Dice::new(seed);
    let begin: Timestamp = "2030-01-01T00:00:00Z".parse().expect("a moment");
    let mut now = Span::seconds(dice.below(366) * 24 * 3600).after(begin);
    let end = YEAR.after(now);
    let mut tally = Tally::default();
    while now < end {
        let policy = policy(&mut dice);
        let setting = Setting::of(&policy).map_err(|fault| fault.to_string())?;
        let mut world = match Simulation::begin(&setting, &policy, Script::healthy(&policy), now) {
            Ok(world) => world,
            // Nothing begins in a freeze.
            Err(Fault::Refused(_)) => {
                now = Span::seconds(24 * 3600).after(now);
                continue;
            }
            Err(fault) => return Err(fault.to_string()),
        };
        world.step = step;
        let commits = match seed % 3 {
            0 => 0,
            1 => 1,
            _ => 10,
        };
        world.crashes = Crashes::one_in(commits, dice.next());
        let mut year = Year {
            dice,
            world,
            tally,
            cut_off: BTreeMap::new(),
        };
        year.rollout()
            .map_err(|what| format!("{}: {what}", year.world.now))?;
        year.tally.rollouts += 1;
        year.tally.crashes += year.world.crashes.count;
        now = Span::seconds(3600).after(year.world.now.max(now));
        (dice, tally) = (year.dice, year.tally);
    }
    Ok(tally)
}

impl Year {
    fn rollout(&mut self) -> Result<(), String> {
        let begun = self.world.now;
        while !self.world.rollout.has_ended() {
            let outcome = if PATIENCE.after(begun) < self.world.now {
                self.enough()
            } else {
                self.happen()
            };
            self.went(outcome)?;
            let minutes = self.dice.one_of(&[1, 10, 60, 60, 360, 360, 1440]);
            let outcome = self.world.run(Span::seconds(60 * minutes));
            self.went(outcome)?;
            self.end_leases();
            self.check()?;
        }
        match self.world.rollout.phase {
            Phase::Ended {
                ending: Ending::Completed,
                ..
            } => self.tally.completed += 1,
            _ => self.tally.rolled_back += 1,
        }
        Ok(())
    }

    /// A refusal is an answer; everything else is a mistake.
    fn went(&mut self, outcome: Result<(), Fault>) -> Result<(), String> {
        match outcome {
            Ok(()) => Ok(()),
            Err(Fault::Refused(_)) => {
                self.tally.refused += 1;
                Ok(())
            }
            Err(fault) => Err(fault.to_string()),
        }
    }

    /// Everything that was in the way goes, and it is ended.
    fn enough(&mut self) -> Result<(), Fault> {
        for node in self.world.nodes.values_mut() {
            node.follows = true;
        }
        self.world.publish();
        let abort = RolloutCommand::Abort {
            reason: "enough".to_owned(),
            past_no_return: true,
        };
        self.world.command(abort, "carol", Role::Operator)?;
        self.world.run(Span::seconds(60))
    }

    /// Something happens, or nothing.
    fn happen(&mut self) -> Result<(), Fault> {
        match self.dice.below(16) {
            0..=3 => self.answer(),
            4..=6 => return self.command(),
            7 | 8 => return self.approve(),
            9 => self.gate(),
            10 => return self.alert(),
            11 | 12 => return self.node(),
            13 => self.freeze(),
            14 if self.dice.percent(30) => return self.edit(),
            15 => return self.restart(),
            _ => {}
        }
        Ok(())
    }

    fn answer(&mut self) {
        let plan = self.world.rollout.start.plan.clone();
        let mut answers = Script::healthy(&plan);
        for rule in &plan.safety.rules {
            let answer = match self.dice.below(20) {
                0 => Answer::Value(0.5),
                1 => Answer::Value(0.015),
                2 | 3 => Answer::Unknown(self.dice.one_of(&REASONS)),
                4 => Answer::Silence,
                _ => continue,
            };
            answers.insert(rule.name.clone(), answer);
        }
        self.world.answers = answers;
    }

    fn command(&mut self) -> Result<(), Fault> {
        let reason = "because".to_owned();
        let owners: Vec<PauseOwner> = self.world.rollout.pauses.keys().cloned().collect();
        let command = match self.dice.below(12) {
            0 => RolloutCommand::Pause { reason },
            1 => RolloutCommand::Retreat { reason },
            2 if self.dice.percent(20) => RolloutCommand::Rollback {
                reason,
                past_no_return: self.dice.percent(50),
            },
            3 if self.dice.percent(20) => RolloutCommand::Abort {
                reason,
                past_no_return: self.dice.percent(50),
            },
            _ if owners.is_empty() => return Ok(()),
            _ => RolloutCommand::Resume {
                owner: self.dice.one_of(&owners),
                reason,
            },
        };
        self.world.command(command, "carol", Role::Operator)
    }

    /// An approval, sometimes of a stage that is not next, or by somebody who may not.
    fn approve(&mut self) -> Result<(), Fault> {
        let next = self.world.rollout.next_stage().unwrap_or(0);
        let stage = match self.dice.below(5) {
            0 => next + 1,
            _ => next,
        };
        let stage = StageName::new(&format!("stage-{stage}")).expect("a name");
        let (name, role) = self.dice.one_of(&[
            ("carol", Role::Approver),
            ("carol", Role::Approver),
            ("alice", Role::Approver),
            ("bob", Role::Viewer),
        ]);
        self.world
            .command(RolloutCommand::Approve { stage, plan: None }, name, role)
    }

    fn gate(&mut self) {
        let verdicts = [
            GateVerdict::Pass,
            GateVerdict::Pass,
            GateVerdict::Hold,
            GateVerdict::Fail,
        ];
        let says = match self.dice.below(8) {
            0 => Some(Says::page()),
            1 => Some(Says::error()),
            2 => None,
            _ => Some(Says::verdict(self.dice.one_of(&verdicts), "because")),
        };
        self.world.gate(TargetName::new("change").expect("a name"), says);
    }

    /// Alerts come and go, and sometimes the end of one comes first.
    fn alert(&mut self) -> Result<(), Fault> {
        let fingerprint = self.dice.one_of(&["64f9f5e172e01281", "64f9f5e172e01282"]);
        if self.dice.percent(65) {
            return self.world.over(fingerprint);
        }
        let labels = BTreeMap::from([("tidegate_flag".to_owned(), "checkout".to_owned())]);
        self.world.fires(fingerprint, labels)
    }

    fn node(&mut self) -> Result<(), Fault> {
        let names: Vec<NodeName> = self.world.nodes.keys().cloned().collect();
        match self.dice.below(4) {
            0 if names.len() < 5 => {
                let number = self.dice.below(9);
                self.world.join(&format!("n{number}"))?;
            }
            1 if names.len() > 1 => {
                self.world.nodes.remove(&self.dice.one_of(&names));
            }
            2 if names.len() > 1 => {
                let name = self.dice.one_of(&names);
                if let Some(node) = self.world.nodes.get_mut(&name) {
                    node.follows = false;
                    self.cut_off.insert(name, self.world.now);
                }
            }
            _ => {
                for node in self.world.nodes.values_mut() {
                    node.follows = true;
                }
                self.cut_off.clear();
                self.world.publish();
            }
        }
        Ok(())
    }

    /// A node that is cut off for longer than its lease is not live any more: it serves the safe variation by itself.
    fn end_leases(&mut self) {
        let now = self.world.now;
        let over = |since: &Timestamp| Span::seconds(60).after(*since) <= now;
        for (name, _) in self.cut_off.iter().filter(|(_, since)| over(since)) {
            self.world.nodes.remove(name);
        }
        self.cut_off.retain(|_, since| !over(since));
        if self.world.nodes.is_empty() {
            self.world.join("n1").expect("a name");
        }
    }

    fn freeze(&mut self) {
        self.world.frozen = match self.world.frozen {
            Some(_) => None,
            None if self.dice.percent(40) => Some(Frozen {
                reason: "because".to_owned(),
                by: person("dora", Role::Operator).expect("a name"),
                since: self.world.now,
            }),
            None => None,
        };
    }

    fn edit(&mut self) -> Result<(), Fault> {
        let before = self.world.flag.flag.clone();
        let variation = VariationKey::new(self.dice.one_of(&["on", "off"])).expect("a key");
        let after = before
            .with_fallback(Serve::Variation(variation))
            .expect("it has both");
        let by = person("erin", Role::Editor).expect("a name");
        self.world.feed(Input::FlagEdited { before, after, by })
    }

    /// A restart, sometimes after a while, sometimes with a clock that was set.
    fn restart(&mut self) -> Result<(), Fault> {
        self.tally.restarts += 1;
        let seconds = Span::seconds(self.dice.one_of(&[0, 60, 3600, 12 * 3600]));
        self.world.now = match self.dice.below(5) {
            0 => Span::seconds(self.dice.below(3600)).before(self.world.now),
            _ => seconds.after(self.world.now),
        };
        self.world.restart()
    }

    /// The laws, in every step since the last time; and that the journal tells the state.
    fn check(&mut self) -> Result<(), String> {
        let steps = std::mem::take(&mut self.world.taken);
        for taken in &steps {
            self.tally.steps += 1;
            self.tally.advances += usize::from(taken.after.stage() > taken.before.stage());
            self.tally.paused += usize::from(taken.after.pauses.len() > taken.before.pauses.len());
            if let Some(broken) = self.broken(taken) {
                return Err(format!(
                    "{broken}\n  at {}\n  by {:?}\n  because {}",
                    taken.at, taken.input, taken.step.because
                ));
            }
        }
        let told = self.world.replay().map_err(|fault| fault.to_string())?;
        if told != self.world.rollout {
            return Err("the journal tells another state".to_owned());
        }
        Ok(())
    }

    fn broken(&self, taken: &Taken) -> Option<String> {
        let schedule = &taken.before.start.plan.schedule;
        let frozen = taken.observed.frozen.is_some() || in_force(&schedule.freezes, taken.at).is_some();
        let open = in_force(&schedule.freezes, taken.at).is_some()
            || matches!(opening(schedule, Span::ZERO, taken.at), Opening::Open);
        if Law::opens(taken) && frozen {
            return Some("nothing opens frozen".to_owned());
        }
        if let Some(what) = unproven(taken) {
            return Some(what);
        }
        let (law, what) = Law::broken(taken, None::<&BTreeMap<RuleName, Answer>>, open)?;
        Some(format!("{law}: {what}"))
    }
}

/// A rollback is over only when every live node serves what was decided (faults.md F44).
fn unproven(taken: &Taken) -> Option<String> {
    let ended = taken.after.has_ended() && !taken.before.has_ended();
    let Phase::RollingBack { .. } = taken.before.phase else {
        return None;
    };
    let behind = |serves: &tidegate_model::key::Revision| *serves < taken.before.split_revision;
    let live = &taken.observed.fleet.live;
    let node = live
        .iter()
        .find(|(_, serves)| behind(serves))
        .map(|(node, _)| node)?;
    ended.then(|| format!("nothing is said before it is so: {node} does not serve it yet"))
}
