//! A story told: every decision, with everything that led to it.

use crate::answer::Script;
use crate::fault::Fault;
use crate::simulation::{Simulation, Taken};
use crate::story::{Event, Happening};
use serde::Serialize;
use std::fmt;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::Input;
use tidegate_decide::step::Effect;
use tidegate_model::Timestamp;
use tidegate_model::because::Because;
use tidegate_model::key::TargetName;

/// A decision, and when it was taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// For how long the rollout had been there, in seconds.
    pub elapsed: i64,
    /// What was decided, and why.
    #[serde(flatten)]
    pub because: Because,
    /// What the world felt of it, in order.
    pub effects: Vec<Felt>,
}

/// What the world feels of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Felt {
    /// Nodes are told.
    Publish,
    /// A person is woken.
    WakePerson,
    /// A gate is asked.
    Ask(TargetName),
}

impl Entry {
    /// What a step says of itself, in a rollout that began at `begin`.
    #[must_use]
    pub fn of(taken: &Taken, begin: Timestamp) -> Self {
        let effects = taken.step.effects.iter();
        Self {
            at: taken.at,
            elapsed: (taken.at - begin).num_seconds(),
            because: taken.step.because.clone(),
            effects: effects.flat_map(felt).collect(),
        }
    }
}

fn felt(effect: &Effect) -> Vec<Felt> {
    match effect {
        Effect::Publish => vec![Felt::Publish],
        Effect::Alert(_) => vec![Felt::WakePerson],
        Effect::Ask(questions) => {
            let targets = questions.iter().map(|question| question.target.clone());
            targets.map(Felt::Ask).collect()
        }
        Effect::Measure(_) => Vec::new(),
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes, seconds) = (self.elapsed / 3600, self.elapsed / 60 % 60, self.elapsed % 60);
        writeln!(
            f,
            "{hours:02}:{minutes:02}:{seconds:02} {}",
            self.because.decision
        )?;
        for reason in &self.because.reasons {
            writeln!(f, "         {reason}")?;
        }
        for felt in &self.effects {
            match felt {
                Felt::Publish => writeln!(f, "       ! publish"),
                Felt::WakePerson => writeln!(f, "       ! wake a person"),
                Felt::Ask(target) => writeln!(f, "       ! ask {target}"),
            }?;
        }
        Ok(())
    }
}

/// An event, and what was decided because of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// What happened, as it is written.
    pub event: String,
    /// What was decided, in order. After time has passed also what the rollout waits for then.
    pub decisions: Vec<Entry>,
    /// Why it was refused, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Told {
    /// A start that was refused.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        Self {
            event: "start".to_owned(),
            decisions: Vec::new(),
            refused: Some(refusal.to_string()),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "> {}", self.event)?;
        for entry in &self.decisions {
            entry.fmt(f)?;
        }
        match &self.refused {
            Some(refusal) => writeln!(f, "refused: {refusal}"),
            None => Ok(()),
        }
    }
}

/// Tells a story event by event.
#[derive(Debug)]
pub struct Teller {
    /// The rollout as it is now.
    pub simulation: Simulation<Script>,
    begin: Timestamp,
    /// How many steps have been told.
    said: usize,
}

impl Teller {
    /// A teller of what happens to `simulation` from now on.
    #[must_use]
    pub fn new(simulation: Simulation<Script>) -> Self {
        Self {
            begin: simulation.now,
            simulation,
            said: 0,
        }
    }

    /// Lets something happen, and tells what was decided.
    ///
    /// # Errors
    /// When a step cannot be. A refusal is told.
    pub fn tell(&mut self, event: &Event) -> Result<Told, Fault> {
        let refused = match self.happen(&event.what) {
            Ok(()) => None,
            Err(Fault::Refused(refusal)) => Some(refusal.to_string()),
            Err(fault) => return Err(fault),
        };
        let told = match event.what {
            Happening::Run(..) | Happening::Restart => self.told(event.text.clone()),
            _ => Told {
                event: event.text.clone(),
                decisions: self.decisions(),
                refused: None,
            },
        };
        Ok(Told { refused, ..told })
    }

    /// What was decided while time passed, and what is waited for now.
    pub(crate) fn told(&mut self, event: String) -> Told {
        let mut decisions = self.decisions();
        let last = self.simulation.taken.last().filter(|last| last.holds());
        decisions.extend(last.map(|last| Entry::of(last, self.begin)));
        Told {
            event,
            decisions,
            refused: None,
        }
    }

    fn happen(&mut self, what: &Happening) -> Result<(), Fault> {
        let world = &mut self.simulation;
        match what {
            Happening::Start => Ok(()),
            Happening::Run(span, answers) => {
                for (rule, answer) in answers {
                    world.answers.insert(rule.clone(), *answer);
                }
                world.run(*span)
            }
            Happening::Down(span) => {
                world.now = span.after(world.now);
                world.restart()
            }
            Happening::Restart => world.restart(),
            Happening::Again => {
                let looked = |taken: &&Taken| matches!(taken.input, Input::Looked(_));
                let last = world.taken.iter().rev().find(looked);
                match last.map(|taken| taken.input.clone()) {
                    Some(input) => world.feed(input),
                    None => Ok(()),
                }
            }
            Happening::Follows(node, follows) => {
                if let Some(node) = world.nodes.get_mut(node) {
                    node.follows = *follows;
                }
                if *follows {
                    world.publish();
                }
                Ok(())
            }
            Happening::Gone(node) => {
                world.nodes.remove(node);
                Ok(())
            }
            Happening::Join(node) => world.join(node.as_str()),
            Happening::Fires(fingerprint, labels) => world.fires(fingerprint.as_str(), labels.clone()),
            Happening::Over(fingerprint) => world.over(fingerprint.as_str()),
            Happening::Gate(target, says) => {
                world.gate(target.clone(), says.clone());
                Ok(())
            }
            Happening::Watchdog(always) => world.beats(*always),
            Happening::Other(other) => match other.seen(world.now) {
                Some(other) => world.move_other(other),
                None => Ok(()),
            },
            Happening::Command(command, name, role) => world.command(command.clone(), name, *role),
        }
    }

    /// Everything since the last telling that changed something.
    fn decisions(&mut self) -> Vec<Entry> {
        let taken = &self.simulation.taken;
        let new = taken.iter().skip(self.said).filter(|taken| !taken.holds());
        let entries = new.map(|taken| Entry::of(taken, self.begin)).collect();
        // The newest hold may yet be replaced by what follows it.
        let open = usize::from(taken.last().is_some_and(Taken::holds));
        self.said = taken.len() - open;
        entries
    }
}
