//! A policy tried on history: the whole state machine, over and over, on what was recorded.
//!
//! Whoever is asked approves at once, gates pass at once, and nobody resumes what was paused.

use crate::answer::Source as _;
use crate::fault::Fault;
use crate::history::History;
use crate::setting::Setting;
use crate::simulation::Simulation;
use crate::telling::Entry;
use crate::unhindered::approve_what_is_asked;
use serde::Serialize;
use std::collections::BTreeMap;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::start::check_budget;
use tidegate_model::Timestamp;
use tidegate_model::because::Decision;
use tidegate_model::change::Change;
use tidegate_model::evidence::Found;
use tidegate_model::key::RuleName;
use tidegate_model::policy::Policy;
use tidegate_model::rollout::{Ending, Phase, RolloutChange};
use tidegate_model::share::Share;
use tidegate_model::span::Span;
use tidegate_model::verdict::Verdict;

/// Something bad that a policy should notice.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// From when on.
    pub from: Timestamp,
    /// Until when; `None`: for ever.
    pub until: Option<Timestamp>,
    /// Whether it was injected; else it is a real one that somebody named.
    pub injected: bool,
}

/// What is tried, and when.
#[derive(Debug, Clone)]
pub struct Backtest<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Who and what it is about.
    pub setting: &'a Setting,
    /// When the first rollout starts.
    pub from: Timestamp,
    /// When history ends.
    pub to: Timestamp,
    /// How long after each start the next is; `None`: there is only one.
    pub every: Option<Span>,
    /// What it should notice.
    pub incidents: &'a [Incident],
}

/// What a policy would have done.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Every rollout, in order.
    pub attempts: Vec<Attempt>,
    /// How many times a stage opened.
    pub advances: usize,
    /// How many times a rule turned bad that is no dry run.
    pub breaches: usize,
    /// How many times a dry run did.
    pub dry_breaches: usize,
    /// How many alarms had no incident.
    pub false_alarms: usize,
    /// How many of them were rollbacks.
    pub false_rollbacks: usize,
    /// How long it took to notice incidents, by each rollout that did.
    pub delays: Vec<Span>,
    /// How often a rollout that was under way did not notice an incident.
    pub missed: usize,
}

/// One rollout on history.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// When it started, or would have.
    pub starts: Timestamp,
    /// Why it did not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// How it ended; `None`: it was still open when history ended.
    pub ending: Option<Ending>,
    /// When it ended, or history did.
    pub ends: Timestamp,
    /// How far it was open at most.
    pub reached: Share,
    /// When rules turned bad.
    pub breaches: Vec<Breach>,
    /// When it called for somebody, or shut.
    pub alarms: Vec<Alarm>,
    /// The incidents that it was under way in and did not notice, by their number from 0.
    pub missed: Vec<usize>,
    /// Every decision.
    pub decisions: Vec<Entry>,
}

/// A rule that turned bad.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Breach {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub rule: RuleName,
    /// The value, if there was one.
    pub value: Option<f64>,
    /// Whether the rule is a dry run, and nothing came of it.
    pub dry_run: bool,
}

/// A decision that calls for a person, or shuts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// When.
    pub at: Timestamp,
    /// What was decided, in one word.
    pub decision: String,
    /// The first reason.
    pub because: String,
    /// The incident that it noticed, by its number from 0; `None`: a false alarm.
    pub incident: Option<usize>,
    /// How long after the incident began, or after the rollout started in it.
    pub delay: Option<Span>,
}

impl Backtest<'_> {
    /// Tries every rollout. `progress` is called after each.
    ///
    /// # Errors
    /// When a step cannot be.
    pub fn run(&self, history: &History, mut progress: impl FnMut()) -> Result<Report, Fault> {
        let mut report = Report::default();
        for starts in self.starts() {
            let attempt = self.attempt(starts, history)?;
            let advanced = |entry: &&Entry| matches!(entry.because.decision, Decision::Advanced { .. });
            report.advances += attempt.decisions.iter().filter(advanced).count();
            let dry = attempt.breaches.iter().filter(|breach| breach.dry_run).count();
            report.dry_breaches += dry;
            report.breaches += attempt.breaches.len() - dry;
            let falsely = attempt.alarms.iter().filter(|alarm| alarm.incident.is_none());
            report.false_alarms += falsely.clone().count();
            report.false_rollbacks += falsely.filter(|alarm| alarm.decision == "rolling_back").count();
            report
                .delays
                .extend(attempt.alarms.iter().filter_map(|alarm| alarm.delay));
            report.missed += attempt.missed.len();
            report.attempts.push(attempt);
            progress();
        }
        Ok(report)
    }

    /// When rollouts start.
    #[must_use]
    pub fn starts(&self) -> Vec<Timestamp> {
        let next = |at: &Timestamp| {
            let every = self.every.filter(|every| !every.is_zero())?;
            Some(every.after(*at)).filter(|at| *at < self.to)
        };
        std::iter::successors(Some(self.from), next).collect()
    }

    fn attempt(&self, starts: Timestamp, history: &History) -> Result<Attempt, Fault> {
        if let Err(refusal) = self.check_budgets(starts, history) {
            return Ok(Attempt::refused(starts, refusal.to_string()));
        }
        let begun = Simulation::begin(self.setting, self.policy, history, starts);
        let mut world = match begun {
            Ok(world) => world.forgetting_holds(),
            Err(Fault::Refused(refusal)) => return Ok(Attempt::refused(starts, refusal.to_string())),
            Err(fault) => return Err(fault),
        };
        approve_what_is_asked(&mut world, self.to)?;
        let (ending, ends) = match world.rollout.phase {
            Phase::Ended { ending, at, .. } => (Some(ending), at),
            Phase::Running { .. } | Phase::RollingBack { .. } => (None, self.to),
        };
        let taken = world.taken.iter().filter(|taken| !taken.holds());
        let decisions: Vec<Entry> = taken.map(|taken| Entry::of(taken, starts)).collect();
        let alarms = self.alarms(starts, &decisions);
        Ok(Attempt {
            starts,
            refused: None,
            ending,
            ends,
            reached: world
                .taken
                .iter()
                .map(|taken| taken.after.share)
                .max()
                .unwrap_or(Share::ZERO),
            breaches: breaches(&world),
            missed: self.missed(starts, ends, &alarms),
            alarms,
            decisions,
        })
    }

    /// Whether enough is left of every error budget to start.
    fn check_budgets(&self, starts: Timestamp, history: &History) -> Result<(), Refusal> {
        for rule in self.policy.safety.rules.iter().filter(|rule| !rule.dry_run) {
            let evidence = history.answer(rule, None, starts);
            if let Some(Found::Burns {
                period: Some(period), ..
            }) = evidence.map(|evidence| evidence.found)
            {
                check_budget(rule, &period)?;
            }
        }
        Ok(())
    }

    /// Every alarm, with the incident that it noticed. An incident is noticed once.
    fn alarms(&self, starts: Timestamp, decisions: &[Entry]) -> Vec<Alarm> {
        let mut alarms: Vec<Alarm> = Vec::new();
        for entry in decisions.iter().filter(|entry| is_alarm(&entry.because.decision)) {
            let incident = (self.incidents.iter()).position(|incident| self.covers(incident, entry.at));
            let noticed = alarms.iter().any(|alarm| alarm.incident == incident);
            let delay = incident
                .filter(|_| !noticed)
                .and_then(|index| self.incidents.get(index))
                .map(|incident| Span::between(incident.from.max(starts), entry.at));
            alarms.push(Alarm {
                at: entry.at,
                decision: entry.because.decision.name().to_owned(),
                because: entry
                    .because
                    .reasons
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                incident,
                delay,
            });
        }
        alarms
    }

    /// Whether an alarm at `at` is about the incident: its numbers stay in the windows for a while.
    fn covers(&self, incident: &Incident, at: Timestamp) -> bool {
        let lingers = |until: Timestamp| self.policy.longest_window().after(until);
        incident.from <= at && incident.until.is_none_or(|until| at <= lingers(until))
    }

    /// The incidents that began or went on while the rollout was under way, and were not noticed. Once
    /// an alarm was raised the rollout waits for a person, and does not notice more.
    fn missed(&self, starts: Timestamp, ends: Timestamp, alarms: &[Alarm]) -> Vec<usize> {
        let incidents = self.incidents.iter().enumerate();
        let missed = incidents.filter(|(index, incident)| {
            let under_way = incident.from < ends && incident.until.is_none_or(|until| until > starts);
            let waits = alarms.iter().any(|alarm| alarm.at < incident.from);
            under_way && !waits && alarms.iter().all(|alarm| alarm.incident != Some(*index))
        });
        missed.map(|(index, _)| index).collect()
    }
}

impl Attempt {
    fn refused(starts: Timestamp, why: String) -> Self {
        Self {
            starts,
            refused: Some(why),
            ending: None,
            ends: starts,
            reached: Share::ZERO,
            breaches: Vec::new(),
            alarms: Vec::new(),
            missed: Vec::new(),
            decisions: Vec::new(),
        }
    }
}

fn is_alarm(decision: &Decision) -> bool {
    matches!(
        decision,
        Decision::Alerted { .. }
            | Decision::Paused { .. }
            | Decision::Retreated { .. }
            | Decision::RollingBack
    )
}

/// When each rule turned bad, as the journal has it.
fn breaches(world: &Simulation<&History>) -> Vec<Breach> {
    let mut newest: BTreeMap<&RuleName, Verdict> = BTreeMap::new();
    let mut breaches = Vec::new();
    for (_, _, change) in &world.journal {
        let Change::Rollout(RolloutChange::Looked(look)) = change else {
            continue;
        };
        let before = newest.insert(&look.rule, look.verdict);
        if look.verdict == Verdict::Breached && before != Some(Verdict::Breached) {
            breaches.push(Breach {
                at: look.at,
                rule: look.rule.clone(),
                value: look.value,
                dry_run: world
                    .rollout
                    .start
                    .plan
                    .rule(&look.rule)
                    .is_some_and(|rule| rule.dry_run),
            });
        }
    }
    breaches
}
