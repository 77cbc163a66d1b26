//! The stories in `tests/rollouts/*.txt`: a policy, what happens, and every decision.
//!
//! Lines that begin with `>` are what happens; all others below the policy are what Tidegate says.
//! `TIDEGATE_BLESS=1` writes what it says now.

use crate::policy_text::{named, policy};
use crate::simulation::{Answer, Simulation, Taken, monday};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::Input;
use tidegate_decide::step::Effect;
use tidegate_model::Timestamp;
use tidegate_model::access::Role;
use tidegate_model::because::Decision;
use tidegate_model::key::{NodeName, RuleName};
use tidegate_model::rollout::RolloutCommand;
use tidegate_model::span::Span;

#[test]
fn every_story_is_told_as_before() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test asks whether to rewrite what it expects"
    )]
    let bless = std::env::var("TIDEGATE_BLESS").is_ok();
    let mut told = 0;
    let mut changed = Vec::new();
    for path in stories() {
        let before = std::fs::read_to_string(&path).unwrap();
        let after = tell(&before);
        told += 1;
        if before != after && bless {
            std::fs::write(&path, after).unwrap();
        } else if before != after {
            changed.push(format!(
                "{}\n{}",
                path.display(),
                first_difference(&before, &after)
            ));
        }
    }
    assert!(told >= 10, "the stories are gone: only {told} were found");
    assert!(
        changed.is_empty(),
        "look at each difference as you would at code; TIDEGATE_BLESS=1 accepts all\n{}",
        changed.join("\n")
    );
}

fn stories() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/rollouts");
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut stories: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    stories.sort();
    stories
}

fn first_difference(before: &str, after: &str) -> String {
    let mut lines = before.lines().zip(after.lines()).enumerate();
    match lines.find(|(_, (before, after))| before != after) {
        Some((index, (before, after))) => format!("line {}:\n  was {before:?}\n  is  {after:?}", index + 1),
        None => format!(
            "{} lines became {}",
            before.lines().count(),
            after.lines().count()
        ),
    }
}

/// The story with what Tidegate says now.
fn tell(text: &str) -> String {
    let (head, _) = text.split_once("\n>").expect("a story has events");
    let begin = head.lines().find_map(|line| line.strip_prefix("at "));
    let begin: Timestamp = begin.map_or_else(monday, |at| at.trim().parse().unwrap());
    let policy = policy(
        &head
            .lines()
            .filter(|line| !line.starts_with("at "))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    let mut told = format!("{}\n", head.trim_end());
    let mut teller = match Simulation::start(&policy, begin) {
        Ok(simulation) => Teller {
            begin,
            simulation,
            said: 0,
        },
        Err(refusal) => {
            write!(told, "\n> start\nrefused: {refusal}\n").unwrap();
            return told;
        }
    };
    for event in text.lines().filter_map(|line| line.strip_prefix('>')) {
        write!(told, "\n>{event}\n").unwrap();
        told.push_str(&teller.tell(event.trim()));
    }
    told
}

/// What a person says, as `verb name words`.
fn command(words: &[&str]) -> Option<(RolloutCommand, Role)> {
    let reason = || words[2..].join(" ");
    let command = match words[0] {
        "pause" => RolloutCommand::Pause { reason: reason() },
        "retreat" => RolloutCommand::Retreat { reason: reason() },
        "rollback" => RolloutCommand::Rollback { reason: reason() },
        "abort" => RolloutCommand::Abort { reason: reason() },
        "resume" => RolloutCommand::Resume {
            owner: words[2].to_owned().try_into().unwrap(),
            reason: words[3..].join(" "),
        },
        "approve" => {
            let stage = words[3].parse().unwrap();
            return Some((RolloutCommand::Approve { stage }, words[2].parse().unwrap()));
        }
        _ => return None,
    };
    Some((command, Role::Operator))
}

struct Teller {
    begin: Timestamp,
    simulation: Simulation,
    /// How many steps have been told.
    said: usize,
}

impl Teller {
    fn tell(&mut self, event: &str) -> String {
        let outcome = self.happen(event);
        let mut told = self.decisions();
        if let Err(refusal) = outcome {
            writeln!(told, "refused: {refusal}").unwrap();
        }
        // A story says at the end of each event what is waited for.
        if event.starts_with("run") || event == "restart" {
            let last = self.simulation.taken.last().unwrap();
            if matches!(last.step.because.decision, Decision::Holds { .. }) {
                told.push_str(&self.decision(self.simulation.taken.len() - 1));
            }
        }
        told
    }

    fn happen(&mut self, event: &str) -> Result<(), Refusal> {
        let words: Vec<&str> = event.split_whitespace().collect();
        let world = &mut self.simulation;
        if let Some((command, role)) = command(&words) {
            return world.command(command, words[1], role);
        }
        let node = |index: usize| NodeName::new(words[index]).unwrap();
        match words[0] {
            "start" => {}
            "run" => {
                self.answer(&words[2..]);
                self.simulation.run(words[1].parse().unwrap());
            }
            "down" => {
                world.now = words[1].parse::<Span>().unwrap().after(world.now);
                world.restart();
            }
            "restart" => world.restart(),
            "alert" => world.fires(words[1], &words[2..].join(" ")),
            "over" => world.over(words[1]),
            "watchdog" => world.beats(),
            "gate" => world.gate(words[1], &words[2..].join(" ")),
            "again" => {
                let looked = |taken: &&Taken| matches!(taken.input, Input::Looked(_));
                let last = world.taken.iter().rev().find(looked).unwrap().input.clone();
                world.feed(last)?;
            }
            "stuck" => world.nodes.get_mut(&node(1)).unwrap().follows = false,
            "unstuck" => {
                world.nodes.get_mut(&node(1)).unwrap().follows = true;
                world.publish();
            }
            "gone" => {
                world.nodes.remove(&node(1)).unwrap();
            }
            other => panic!("{other}? in > {event}"),
        }
        Ok(())
    }

    fn answer(&mut self, answers: &[&str]) {
        for answer in answers {
            let (rule, answer) = answer.split_once('=').unwrap();
            let answer = match (answer, answer.split_once('/')) {
                ("silence", _) => Answer::Silence,
                (_, Some((value, samples))) => {
                    Answer::Sampled(value.parse().unwrap(), samples.parse().unwrap())
                }
                (text, None) => text
                    .parse()
                    .map_or_else(|_| Answer::Unknown(named(text)), Answer::Value),
            };
            self.simulation
                .answers
                .insert(RuleName::new(rule).unwrap(), answer);
        }
    }

    /// Everything since the last telling that changed something.
    fn decisions(&mut self) -> String {
        let mut told = String::new();
        for index in self.said..self.simulation.taken.len() {
            let step = &self.simulation.taken[index].step;
            if !matches!(step.because.decision, Decision::Holds { .. }) {
                told.push_str(&self.decision(index));
            }
        }
        self.said = self.simulation.taken.len();
        told
    }

    fn decision(&self, index: usize) -> String {
        let taken = &self.simulation.taken[index];
        let seconds = (taken.at - self.begin).num_seconds();
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let mut told = format!(
            "{hours:02}:{minutes:02}:{seconds:02} {}\n",
            taken.step.because.decision
        );
        for reason in &taken.step.because.reasons {
            writeln!(told, "         {reason}").unwrap();
        }
        for effect in &taken.step.effects {
            match effect {
                Effect::Publish => told.push_str("       ! publish\n"),
                Effect::Alert(_) => told.push_str("       ! wake a person\n"),
                Effect::Ask(questions) => {
                    for question in questions {
                        writeln!(told, "       ! ask {}", question.target).unwrap();
                    }
                }
                Effect::Measure(_) => {}
            }
        }
        told
    }
}
