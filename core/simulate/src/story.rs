//! What happens to a rollout, in a few words a line.
//!
//! ```text
//! # Numbers stay as they are until others are given.
//! at 2026-01-05T09:00:00Z
//! > run 10m errors=0.001 latency=0.3
//! > gate change hold CHG-7 waits for review
//! > approve carol approver half
//! > run 30s errors=0.05/1200
//! > run 5m errors=timeout
//! > resume bob rule:errors a bad deployment, since undone
//! ```
//!
//! If any line begins with `>`, all others but `at` are what somebody says to it, and passed over: so
//! a transcript is a story again.

use crate::answer::Answer;
use crate::gates::{self, Says};
use crate::others::Other;
use crate::simulation::NODES;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;
use tidegate_model::Timestamp;
use tidegate_model::access::Role;
use tidegate_model::gate::GateVerdict;
use tidegate_model::invalid::{Invalid, Violation, nearest};
use tidegate_model::key::{Fingerprint, NodeName, RuleName, TargetName};
use tidegate_model::policy::{Policy, Source};
use tidegate_model::rollout::{PauseOwner, RolloutCommand};
use tidegate_model::span::Span;
use tidegate_model::verdict::UnknownReason;

/// Longest story, in events.
const EVENTS_MAX: usize = 10_000;

/// A story that can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// When the rollout starts, if the story says so.
    pub begins: Option<Timestamp>,
    /// What happens, in order.
    pub events: Vec<Event>,
}

/// Something that happens, as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// As it is written, without the `>`.
    pub text: String,
    /// What.
    pub what: Happening,
}

/// Something that happens to a rollout.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// The rollout starts. It does so anyway: it says where.
    Start,
    /// Time passes, with these answers from its beginning on.
    Run(Span, Vec<(RuleName, Answer)>),
    /// The control plane is down for so long.
    Down(Span),
    /// The control plane stops and starts at once.
    Restart,
    /// The newest look comes once more.
    Again,
    /// A node stops, or goes on, taking what is published.
    Follows(NodeName, bool),
    /// A node is gone.
    Gone(NodeName),
    /// A node comes.
    Join(NodeName),
    /// An alert fires, with these labels.
    Fires(Fingerprint, BTreeMap<String, String>),
    /// An alert is over.
    Over(Fingerprint),
    /// From now on a gate answers this when it is asked; `None`: nothing at all.
    Gate(TargetName, Option<Says>),
    /// The watchdog is heard; all the time from now on, if so.
    Watchdog(bool),
    /// Another rollout is somewhere else from now on.
    Other(Other),
    /// Somebody wants something.
    Command(RolloutCommand, String, Role),
}

/// Every word that begins a line, for those who misspell one.
const VERBS: [&str; 20] = [
    "run", "down", "restart", "again", "stuck", "unstuck", "gone", "join", "start", "pause", "resume",
    "alert", "over", "watchdog", "gate", "approve", "retreat", "rollback", "abort", "other",
];

impl Story {
    /// Reads a story about a rollout by `plan`.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line.
    pub fn read(text: &str, plan: &Policy) -> Result<Self, Invalid> {
        let marked = text.lines().any(|line| line.starts_with('>'));
        let mut reader = Reader {
            plan,
            nodes: NODES.iter().map(|node| (*node).to_owned()).collect(),
        };
        let mut story = Self {
            begins: None,
            events: Vec::new(),
        };
        let mut wrong = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let place = format!("line {}", index + 1);
            let line = line.trim();
            if let Some(at) = line.strip_prefix("at ").filter(|_| story.events.is_empty()) {
                match moment(at.trim()) {
                    Ok(at) => story.begins = Some(at),
                    Err(violation) => wrong.push(violation.inside(&place)),
                }
                continue;
            }
            let event = match line.strip_prefix('>') {
                Some(event) => event.trim(),
                None if marked || line.is_empty() || line.starts_with('#') => continue,
                None => line,
            };
            match reader.read(event) {
                Ok(what) => story.events.push(Event {
                    text: event.to_owned(),
                    what,
                }),
                Err(violation) => wrong.push(violation.inside(&place)),
            }
        }
        if story.events.len() > EVENTS_MAX {
            let rule = format!("a story has at most {EVENTS_MAX} events");
            wrong.push(Violation::new(
                "story",
                story.events.len(),
                rule,
                "tell a shorter one",
            ));
        }
        Invalid::unless_empty(wrong, story)
    }
}

/// A moment as people write it: RFC 3339, or a date with or without a time, in UTC.
///
/// # Errors
/// When it is none.
pub fn moment(text: &str) -> Result<Timestamp, Violation> {
    let spaced = text.replacen(' ', "T", 1);
    let forms = [
        text.to_owned(),
        spaced.clone(),
        format!("{spaced}Z"),
        format!("{spaced}:00Z"),
        format!("{spaced}T00:00:00Z"),
    ];
    let read = forms.iter().find_map(|form| form.parse::<Timestamp>().ok());
    read.ok_or_else(|| {
        let fix = "write 2026-01-05T09:00:00Z, 2026-01-05 09:00 or 2026-01-05";
        Violation::new("time", text, "this is no moment", fix)
    })
}

struct Reader<'a> {
    plan: &'a Policy,
    nodes: BTreeSet<String>,
}

impl Reader<'_> {
    fn read(&mut self, event: &str) -> Result<Happening, Violation> {
        let mut words = event.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        let what = match verb {
            "start" => Happening::Start,
            "restart" => Happening::Restart,
            "again" => Happening::Again,
            "run" => {
                let span = self.word(&rest, 0, "how long", "run 10m errors=0.001")?;
                let answers = rest.iter().skip(1).map(|word| self.answer(word));
                return Ok(Happening::Run(span, answers.collect::<Result<_, _>>()?));
            }
            "down" => Happening::Down(self.word(&rest, 0, "how long", "down 9h")?),
            "stuck" | "unstuck" => Happening::Follows(self.node(&rest)?, verb == "unstuck"),
            "gone" => {
                let node = self.node(&rest)?;
                self.nodes.remove(node.as_str());
                Happening::Gone(node)
            }
            "join" => {
                let node: NodeName = self.word(&rest, 0, "which node", "join n3")?;
                self.nodes.insert(node.to_string());
                Happening::Join(node)
            }
            "alert" => {
                let example = "alert a1 alertname=HighErrors severity=page";
                let fingerprint = self.word(&rest, 0, "which alert", example)?;
                let labels = rest.iter().skip(1).map(|label| match label.split_once('=') {
                    Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
                    None => Err(Violation::new(
                        "",
                        label,
                        "this is no label",
                        format!("for example '{example}'"),
                    )),
                });
                return Ok(Happening::Fires(fingerprint, labels.collect::<Result<_, _>>()?));
            }
            "gate" => return self.gate(&rest),
            "other" => return Other::read(&rest).map(Happening::Other),
            "over" => Happening::Over(self.word(&rest, 0, "which alert", "over a1")?),
            "watchdog" if rest.first() == Some(&"always") => Happening::Watchdog(true),
            "watchdog" => Happening::Watchdog(false),
            _ => return self.command(verb, &rest),
        };
        let read = match what {
            Happening::Start | Happening::Restart | Happening::Again | Happening::Watchdog(false) => 0,
            _ => 1,
        };
        match rest.get(read) {
            None => Ok(what),
            Some(more) => Err(Violation::new(
                "",
                more,
                format!("'{verb}' takes nothing more here"),
                "leave it out, or begin a new line",
            )),
        }
    }

    /// What a person says, as `verb name words`.
    fn command(&self, verb: &str, rest: &[&str]) -> Result<Happening, Violation> {
        let reason = |from: usize| rest.get(from..).unwrap_or_default().join(" ");
        let command = match verb {
            "pause" => RolloutCommand::Pause { reason: reason(1) },
            "retreat" => RolloutCommand::Retreat { reason: reason(1) },
            "rollback" => RolloutCommand::Rollback {
                reason: reason(1),
                past_no_return: false,
            },
            "abort" => RolloutCommand::Abort {
                reason: reason(1),
                past_no_return: false,
            },
            "resume" => {
                let example = "resume bob rule:errors a bad deployment, since undone";
                let owner = rest.get(1).copied().unwrap_or_default();
                let owner = PauseOwner::try_from(owner.to_owned())
                    .map_err(|wrong| Violation::new("", owner, wrong.rule, format!("write '{example}'")))?;
                let reason = reason(2);
                RolloutCommand::Resume { owner, reason }
            }
            "approve" => {
                let example = "approve carol approver half";
                let role: Role = self.word(rest, 1, "as what", example)?;
                let stage = self.word(rest, 2, "which stage", example)?;
                let name = self.name(rest, example)?;
                return Ok(Happening::Command(
                    RolloutCommand::Approve { stage, plan: None },
                    name,
                    role,
                ));
            }
            other => {
                let known = VERBS.join(", ");
                let fix = match nearest(other, VERBS) {
                    Some(near) => format!("did you mean '{near}'? known: {known}"),
                    None => format!("known: {known}"),
                };
                return Err(Violation::new("", other, "nothing of this name happens", fix));
            }
        };
        let name = self.name(rest, &format!("{verb} bob because of this"))?;
        Ok(Happening::Command(command, name, Role::Operator))
    }

    /// What a gate says from now on, as `target word reason`.
    fn gate(&self, rest: &[&str]) -> Result<Happening, Violation> {
        let example = "gate change hold CHG-7 waits for review";
        let target: TargetName = self.word(rest, 0, "which gate", example)?;
        let known: BTreeSet<&str> = gates::gates_of(self.plan).map(TargetName::as_str).collect();
        if !known.contains(target.as_str()) {
            let all: Vec<&str> = known.iter().copied().collect();
            let fix = match nearest(target.as_str(), known) {
                Some(near) => format!("did you mean '{near}'? known: {}", all.join(", ")),
                None => format!("known: {}", all.join(", ")),
            };
            return Err(Violation::new("", target, "the policy asks no such gate", fix));
        }
        let word = rest.get(1).copied().unwrap_or_default();
        let reason = rest.get(2..).unwrap_or_default().join(" ");
        let verdict = |verdict| Some(Says::verdict(verdict, &reason));
        let says = match word {
            "pass" => verdict(GateVerdict::Pass),
            "hold" => verdict(GateVerdict::Hold),
            "fail" => verdict(GateVerdict::Fail),
            "error" => Some(Says::error()),
            "html" => Some(Says::page()),
            "gone" => None,
            other => {
                let fix = format!("one of {}; for example '{example}'", gates::WORDS.join(", "));
                return Err(Violation::new("", other, "no gate says this", fix));
            }
        };
        Ok(Happening::Gate(target, says))
    }

    fn name(&self, rest: &[&str], example: &str) -> Result<String, Violation> {
        let name: tidegate_model::key::TokenName = self.word(rest, 0, "who", example)?;
        Ok(name.to_string())
    }

    fn word<T: FromStr<Err: Display>>(
        &self,
        rest: &[&str],
        index: usize,
        what: &str,
        example: &str,
    ) -> Result<T, Violation> {
        let fix = format!("for example '{example}'");
        let word = rest
            .get(index)
            .ok_or_else(|| Violation::new("", "", format!("here is missing {what}"), fix.clone()))?;
        word.parse()
            .map_err(|error: T::Err| Violation::new("", word, error.to_string(), fix))
    }

    fn node(&self, rest: &[&str]) -> Result<NodeName, Violation> {
        let node: NodeName = self.word(rest, 0, "which node", "stuck n2")?;
        if self.nodes.contains(node.as_str()) {
            return Ok(node);
        }
        let here: Vec<&str> = self.nodes.iter().map(String::as_str).collect();
        let fix = format!("nodes here: {}; 'join {node}' adds it", here.join(", "));
        Err(Violation::new("", node, "there is no such node", fix))
    }

    fn answer(&self, word: &str) -> Result<(RuleName, Answer), Violation> {
        let fix = "write RULE=0.02, RULE=0.02/1200 (with samples), RULE=timeout or RULE=silence";
        let Some((rule, text)) = word.split_once('=') else {
            return Err(Violation::new("", word, "this is no answer of a rule", fix));
        };
        let rules = &self.plan.safety.rules;
        let names = || rules.iter().map(|rule| rule.name.as_str());
        let Some(rule) = rules.iter().find(|known| known.name.as_str() == rule) else {
            let known = names().collect::<Vec<_>>().join(", ");
            let fix = match nearest(rule, names()) {
                Some(near) => format!("did you mean '{near}'? known: {known}"),
                None => format!("known: {known}"),
            };
            return Err(Violation::new("", rule, "the policy has no such rule", fix));
        };
        if let Source::Score(score) = &rule.source {
            let parts: Vec<&str> = score.of.iter().map(|part| part.rule.as_str()).collect();
            let fix = format!("give answers of the rules that it weighs: {}", parts.join(", "));
            let rule = "a score is made of other rules and has no answer of its own";
            return Err(Violation::new("", word, rule, fix));
        }
        let number = |text: &str| text.parse::<f64>().ok();
        let answer = match text.split_once('/') {
            _ if text == "silence" => Some(Answer::Silence),
            Some((value, samples)) => number(value)
                .zip(number(samples))
                .map(|(value, samples)| Answer::Sampled(value, samples)),
            None => number(text).map(Answer::Value).or_else(|| {
                let reason = UnknownReason::ALL.iter().find(|reason| reason.name() == text);
                reason.copied().map(Answer::Unknown)
            }),
        };
        match answer {
            Some(answer) => Ok((rule.name.clone(), answer)),
            None => Err(Violation::new(
                "",
                word,
                "this is neither a number, nor a reason why there is none, nor silence",
                format!(
                    "{fix}; reasons: {}",
                    UnknownReason::ALL.map(UnknownReason::name).join(", ")
                ),
            )),
        }
    }
}
