//! One rollout, the world around it, and what its actor does: read the clock, take in, step, commit,
//! carry out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidegate_decide::alert::{Said, concerning, hear};
use tidegate_decide::judge::{judge, scores};
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::{Answer as GateAnswer, Fleet, Input, Observed, Question, step};
use tidegate_decide::start::{StartRollout, start};
use tidegate_decide::step::{Effect, Step};
use tidegate_model::Timestamp;
use tidegate_model::access::{Author, Role};
use tidegate_model::alert::{Alert, AlertState, Firing};
use tidegate_model::change::{Change, EntityState};
use tidegate_model::flag::FlagState;
use tidegate_model::key::{
    EnvironmentKey, Fingerprint, FlagKey, NodeName, Revision, RuleName, TargetName, TokenName,
};
use tidegate_model::policy::Policy;
use tidegate_model::rollout::{Phase, Rollout, RolloutCommand};
use tidegate_model::span::Span;
use tidegate_model::verdict::{Look, Measurement, UnknownReason};

/// Where and when every simulation begins, unless told otherwise: a Monday.
pub(crate) fn monday() -> Timestamp {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// Somebody with a token.
pub(crate) fn person(name: &str, role: Role) -> Author {
    Author::Token {
        name: TokenName::new(name).unwrap(),
        role,
    }
}

/// A flag with `on` and `off` that serves `off`.
pub(crate) fn flag() -> FlagState {
    FlagState {
        flag: serde_json::from_str(r#"{"key":"checkout","type":"boolean"}"#).unwrap(),
        pin: None,
        attempts: 0,
    }
}

/// A request to open [`flag`] by `policy`, with its examples for arguments.
pub(crate) fn request(policy: &Policy) -> StartRollout {
    StartRollout {
        flag: FlagKey::new("checkout").unwrap(),
        policy: policy.name.clone(),
        candidate: None,
        arguments: (policy.arguments.iter())
            .map(|(name, argument)| (name.clone(), argument.example.clone()))
            .collect(),
    }
}

/// What a rule's source answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    Value(f64),
    Sampled(f64, f64),
    Unknown(UnknownReason),
    /// Nothing at all comes back.
    Silence,
}

/// A node, and whether it takes what is published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Node {
    pub(crate) follows: bool,
    pub(crate) serves: Revision,
}

/// One step and when it was taken.
pub(crate) struct Taken {
    pub(crate) at: Timestamp,
    pub(crate) input: Input,
    pub(crate) before: Rollout,
    pub(crate) after: Rollout,
    pub(crate) step: Step,
    pub(crate) observed: Observed,
}

/// Status, media type and body.
pub(crate) type GateSays = (u16, String, String);

/// One rollout and the world around it.
pub(crate) struct Simulation {
    pub(crate) now: Timestamp,
    pub(crate) rollout: Rollout,
    pub(crate) flag: FlagState,
    pub(crate) observed: Observed,
    pub(crate) answers: BTreeMap<RuleName, Answer>,
    pub(crate) nodes: BTreeMap<NodeName, Node>,
    /// What each gate answers; nothing at all if it is not here.
    pub(crate) gates: BTreeMap<TargetName, GateSays>,
    /// Every question that was asked.
    pub(crate) questions: Vec<Question>,
    pub(crate) known_alerts: BTreeMap<Fingerprint, AlertState>,
    watchdog_heard: Option<Timestamp>,
    listening_since: Timestamp,
    pub(crate) journal: Vec<(Timestamp, Revision, Change)>,
    pub(crate) taken: Vec<Taken>,
    revision: Revision,
    published: Revision,
    wake_at: Option<Timestamp>,
    /// Steps at the present moment, to find rollouts that never sleep.
    restless: usize,
}

impl Simulation {
    pub(crate) fn start(policy: &Policy, now: Timestamp) -> Result<Self, Refusal> {
        let by = person("alice", Role::Operator);
        let environment = EnvironmentKey::new("production").unwrap();
        let flag = flag();
        let (_, first) = start(&request(policy), &environment, &flag, policy, None, &by, now)?;
        let mut journal = Vec::new();
        let mut rollout = None;
        let mut flag = EntityState::Flag(flag);
        for (entity, change) in &first.changes {
            match change {
                Change::Rollout(change) => {
                    rollout = Some(Rollout::apply(rollout, change, now, Revision(1)).unwrap());
                }
                change => {
                    flag = EntityState::apply(Some(flag), change, now, Revision(2))
                        .unwrap()
                        .unwrap()
                }
            }
            journal.push((now, Revision(1), change.clone()));
            assert_eq!(entity.environment(), Some(&environment));
        }
        let EntityState::Flag(flag) = flag else {
            panic!("a flag stays a flag")
        };
        let rollout = rollout.unwrap();
        let mut simulation = Self {
            now,
            flag,
            observed: Observed::default(),
            answers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            gates: BTreeMap::new(),
            questions: Vec::new(),
            known_alerts: BTreeMap::new(),
            watchdog_heard: None,
            listening_since: now,
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
        };
        for node in ["n1", "n2"] {
            simulation.join(node);
        }
        simulation.observed.take_in(&Input::Alerts(simulation.firing()));
        Ok(simulation)
    }

    /// Adds a node that follows.
    pub(crate) fn join(&mut self, node: &str) {
        let serves = self.published;
        self.nodes.insert(
            NodeName::new(node).unwrap(),
            Node {
                follows: true,
                serves,
            },
        );
    }

    /// Lets time pass for `span`, waking when asked to.
    pub(crate) fn run(&mut self, span: Span) {
        let end = span.after(self.now);
        self.feed(Input::Fleet(self.fleet())).unwrap();
        while let Some(at) = self.wake_at.filter(|at| *at <= end) {
            if at > self.now {
                self.now = at;
                self.restless = 0;
            }
            self.restless += 1;
            assert!(
                self.restless < 20,
                "it never sleeps: {}",
                self.taken.last().unwrap().step.because
            );
            self.feed(Input::Wake).unwrap();
        }
        self.now = end;
        self.restless = 0;
    }

    /// Takes one step, and all that follow from it at the same moment.
    pub(crate) fn feed(&mut self, input: Input) -> Result<(), Refusal> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.observed.take_in(&input);
            let step = step(&self.rollout, &self.observed, &input, self.now)?;
            self.observed.note_asked(&step, self.now);
            let before = self.rollout.clone();
            self.commit(&step);
            self.wake_at = step.wake_at;
            for effect in &step.effects {
                match effect {
                    Effect::Measure(rules) => {
                        let looks: Vec<Look> = rules.iter().filter_map(|rule| self.look(rule)).collect();
                        let mut heard = self.observed.clone();
                        heard.take_in(&Input::Looked(looks.clone()));
                        let mut scored: Vec<Look> = Vec::new();
                        for look in &looks {
                            let scores = scores(&self.rollout, &heard, look, self.now);
                            scored.retain(|one| scores.iter().all(|score| score.rule != one.rule));
                            scored.extend(scores);
                        }
                        let looks: Vec<Look> = looks.into_iter().chain(scored).collect();
                        inputs.extend((!looks.is_empty()).then_some(Input::Looked(looks)));
                    }
                    Effect::Publish => {
                        self.publish();
                        inputs.push_back(Input::Fleet(self.fleet()));
                    }
                    Effect::Ask(questions) => {
                        for question in questions {
                            self.questions.push(question.clone());
                            inputs.extend(self.gate_answer(question));
                        }
                    }
                    Effect::Alert(_) => {}
                }
            }
            self.taken.push(Taken {
                at: self.now,
                input,
                before,
                after: self.rollout.clone(),
                step,
                observed: self.observed.clone(),
            });
        }
        Ok(())
    }

    pub(crate) fn command(&mut self, command: RolloutCommand, name: &str, role: Role) -> Result<(), Refusal> {
        let by = person(name, role);
        self.feed(Input::Command { command, by, role })
    }

    /// Loses everything but the journal, and starts again from it.
    pub(crate) fn restart(&mut self) {
        self.rollout = self.replay();
        self.observed = Observed::default();
        self.publish();
        self.observed.take_in(&Input::Fleet(self.fleet()));
        self.observed.take_in(&Input::Alerts(self.firing()));
        self.feed(Input::Wake).unwrap();
    }

    /// An Alertmanager says that this fires; since now, unless it did before. Labels as `a=b c=d`.
    pub(crate) fn fires(&mut self, fingerprint: &str, labels: &str) {
        let labels = labels.split_whitespace().map(|label| {
            let (name, value) = label.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        });
        let known = self.known_alerts.get(fingerprint).filter(|known| known.fires());
        let alert = Alert {
            fingerprint: Fingerprint::new(fingerprint).unwrap(),
            starts: known.map_or(self.now, |known| known.alert.starts),
            labels: labels.collect(),
            summary: String::new(),
            source: String::new(),
        };
        self.hear(Said { alert, ended: None });
    }

    /// An Alertmanager says that this is over.
    pub(crate) fn over(&mut self, fingerprint: &str) {
        let alert = self.known_alerts[fingerprint].alert.clone();
        let ended = Some(self.now);
        self.hear(Said { alert, ended });
    }

    /// The watchdog is heard.
    pub(crate) fn beats(&mut self) {
        self.watchdog_heard = Some(self.now);
        self.feed(Input::Alerts(self.firing())).unwrap();
    }

    /// The control plane starts anew, and has heard no watchdog yet.
    pub(crate) fn deaf(&mut self) {
        self.watchdog_heard = None;
        self.listening_since = self.now;
        self.feed(Input::Alerts(self.firing())).unwrap();
    }

    /// The answer that a question gets at once, if any.
    fn gate_answer(&self, question: &Question) -> Option<Input> {
        let (status, media_type, body) = self.gates.get(&question.target)?;
        Some(self.answered(question, *status, media_type, body))
    }

    /// An HTTP answer to a question, perhaps one that was asked long ago.
    pub(crate) fn answered(&self, question: &Question, status: u16, media_type: &str, body: &str) -> Input {
        let id = question.id(&self.rollout);
        Input::Answered {
            question: question.clone(),
            answer: GateAnswer::read(status, media_type, body.as_bytes(), &id),
            at: self.now,
        }
    }

    /// From now on the gate answers this; `gone` is no answer at all.
    pub(crate) fn gate(&mut self, target: &str, says: &str) {
        let target = TargetName::new(target).unwrap();
        let json = |body: String| (200, "application/json".to_owned(), body);
        let says = match says.split_once(' ').unwrap_or((says, "")) {
            ("gone", _) => {
                self.gates.remove(&target);
                return;
            }
            ("html", _) => (200, "text/html".to_owned(), "<h1>pass</h1>".to_owned()),
            ("error", _) => (503, String::new(), String::new()),
            ("huge", _) => json(format!(
                r#"{{"verdict":"pass","reason":"{}"}}"#,
                "x".repeat(70_000)
            )),
            ("wrong", _) => json(r#"{"verdict":"yes"}"#.to_owned()),
            (verdict, reason) => json(serde_json::json!({"verdict": verdict, "reason": reason}).to_string()),
        };
        self.gates.insert(target, says);
    }

    fn hear(&mut self, said: Said) {
        let fingerprint = said.alert.fingerprint.clone();
        let known = self.known_alerts.get(&fingerprint).cloned();
        if let Some(change) = hear(known.as_ref(), &said, self.now) {
            let before = known.map(|known| EntityState::Alert(Box::new(known)));
            let after = EntityState::apply(before, &change, self.now, Revision(1)).unwrap();
            let Some(EntityState::Alert(state)) = after else {
                panic!("an alert stays an alert")
            };
            self.known_alerts.insert(fingerprint, *state);
        }
        self.feed(Input::Alerts(self.firing())).unwrap();
    }

    fn firing(&self) -> Firing {
        let known = self.known_alerts.values().filter(|known| known.fires());
        Firing {
            watchdog_heard: self.watchdog_heard,
            listening_since: Some(self.listening_since),
            ..concerning(&self.rollout.start, known.map(|known| &known.alert))
        }
    }

    /// The state that the journal tells, read from its text.
    pub(crate) fn replay(&self) -> Rollout {
        let mut rollout = None;
        for (at, revision, change) in &self.journal {
            let text = serde_json::to_string(change).unwrap();
            if let Change::Rollout(change) = serde_json::from_str(&text).unwrap() {
                rollout = Some(Rollout::apply(rollout, &change, *at, *revision).unwrap());
            }
        }
        rollout.unwrap()
    }

    pub(crate) fn fleet(&self) -> Fleet {
        Fleet {
            published: self.published,
            all_heard: true,
            live: self
                .nodes
                .iter()
                .map(|(name, node)| (name.clone(), node.serves))
                .collect(),
        }
    }

    /// All nodes that follow take what is published.
    pub(crate) fn publish(&mut self) {
        self.published = match self.rollout.phase {
            // The split is gone: whoever took the newest snapshot serves beyond every revision of it.
            Phase::Ended { .. } => self.revision,
            _ => self.rollout.split_revision,
        };
        for node in self.nodes.values_mut().filter(|node| node.follows) {
            node.serves = self.published;
        }
    }

    /// The text of the alerts so far.
    pub(crate) fn alerts(&self) -> Vec<&str> {
        let effects = self.taken.iter().flat_map(|taken| &taken.step.effects);
        effects
            .filter_map(|effect| match effect {
                Effect::Alert(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// All stages that were ever entered, in order, by their percentage.
    pub(crate) fn shares(&self) -> Vec<f64> {
        let mut shares: Vec<f64> = self
            .taken
            .iter()
            .map(|taken| taken.after.share.percent())
            .collect();
        shares.dedup();
        shares
    }

    fn look(&self, rule: &RuleName) -> Option<Look> {
        let rule = self.rollout.start.plan.rule(rule).unwrap();
        let measurement = match self
            .answers
            .get(&rule.name)
            .copied()
            .unwrap_or(Answer::Value(0.0))
        {
            Answer::Value(value) => Measurement::of(value),
            Answer::Sampled(value, samples) => Measurement {
                samples: Ok(Some(samples)),
                ..Measurement::of(value)
            },
            Answer::Unknown(reason) => Measurement::unknown(reason, ""),
            Answer::Silence => return None,
        };
        Some(judge(&self.rollout, rule, &measurement.into(), self.now))
    }

    fn commit(&mut self, step: &Step) {
        let mut seen = BTreeSet::new();
        for (entity, change) in &step.changes {
            seen.insert(entity.clone());
            match change {
                Change::Rollout(change) => {
                    self.revision = self.revision.next();
                    let before = Some(self.rollout.clone());
                    self.rollout = Rollout::apply(before, change, self.now, self.revision).unwrap();
                }
                change => {
                    let before = EntityState::Flag(self.flag.clone());
                    let after = EntityState::apply(Some(before), change, self.now, Revision(3)).unwrap();
                    let Some(EntityState::Flag(flag)) = after else {
                        panic!("a flag stays a flag")
                    };
                    self.flag = flag;
                }
            }
            self.journal.push((self.now, self.revision, change.clone()));
        }
        assert!(
            seen.len() <= 2,
            "a rollout changes itself and its flag, nothing else: {seen:?}"
        );
    }
}
