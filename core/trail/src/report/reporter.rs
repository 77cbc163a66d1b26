//! From the records of a rollout to its report.

use super::measured::Measured;
use super::{Beside, Done, Report, Rollback, Safety, Validation, Visit};
use crate::thread::Thread;
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::{Because, Decision, Reason};
use tidegate_model::change::{Change, EntityRef, Record};
use tidegate_model::key::RuleName;
use tidegate_model::policy::Policy;
use tidegate_model::rollout::{Ending, Phase, Rollout, RolloutChange};
use tidegate_model::share::Share;
use tidegate_model::span::Span;
use tidegate_model::verdict::{Look, Verdict};

/// So many decisions of each kind are told.
const TOLD_MAX: usize = 500;

/// Reads the records of one rollout in their order, from the first on.
#[derive(Debug)]
pub struct Reporter {
    entity: EntityRef,
    thread: Thread,
    rollout: Option<Rollout>,
    progress: Vec<Visit>,
    people: Vec<Done>,
    measured: BTreeMap<RuleName, Measured>,
    safety: Safety,
    /// What the last advance, or the end, rested on.
    because: Vec<String>,
    /// What its shadow would have decided.
    shadowed: Vec<Done>,
}

impl Reporter {
    /// A report about this rollout.
    pub fn of(entity: EntityRef) -> Self {
        Self {
            entity,
            thread: Thread::default(),
            rollout: None,
            progress: Vec::new(),
            people: Vec::new(),
            measured: BTreeMap::new(),
            safety: Safety::default(),
            because: Vec::new(),
            shadowed: Vec::new(),
        }
    }

    /// Whether nothing more comes.
    pub fn has_ended(&self) -> bool {
        self.rollout.as_ref().is_some_and(Rollout::has_ended)
    }

    /// Takes in the next record. Those that are about something else are passed over.
    ///
    /// # Errors
    /// In words, why it cannot be read.
    pub fn take(&mut self, record: &Record) -> Result<(), String> {
        if record.entries.iter().all(|entry| entry.entity != self.entity) {
            return Ok(());
        }
        let shadowed = record.is_of_shadow();
        if record.basis.is_some() && !shadowed {
            let given = self.thread.read(record)?;
            for rule in &given.new {
                if let Some((_, judged)) = self.thread.looks().get(rule) {
                    let queries = judged.trace.iter().flat_map(|trace| &trace.asked);
                    let queries = queries.map(|query| query.text.clone()).collect();
                    let look = judged.look.clone();
                    self.look(&look, record.sequence).asked(queries);
                }
            }
        }
        let own = record.entries.iter().filter(|entry| entry.entity == self.entity);
        for entry in own.collect::<Vec<_>>() {
            if let Change::Rollout(change) = &entry.change {
                self.follow(change, record);
                let before = self.rollout.take();
                let after = Rollout::apply(before, change, record.at, entry.revision);
                self.rollout = Some(after.map_err(|error| format!("record {}: {error}", record.sequence))?);
            }
        }
        if let Some(because) = record.because.as_ref().filter(|_| !shadowed) {
            self.decided(because, record);
        }
        Ok(())
    }

    /// All that was read, until a moment; `None` when nothing was.
    pub fn report(mut self, now: Timestamp) -> Option<Report> {
        let rollout = self.rollout?;
        let start = &rollout.start;
        let plan = &start.plan;
        let ended = match rollout.phase {
            Phase::Ended { at, .. } => Some(at),
            _ => None,
        };
        let until = ended.unwrap_or(now);
        for visit in &mut self.progress {
            visit.lasted = Span::between(visit.opened, visit.left.unwrap_or(until));
        }
        let metrics: Vec<_> = plan
            .safety
            .rules
            .iter()
            .map(|rule| {
                let measured = self.measured.remove(&rule.name).unwrap_or_default();
                measured.metric(rule, until)
            })
            .collect();
        let acting = |rule: &RuleName| plan.rule(rule).is_some_and(|rule| !rule.dry_run);
        let looks = metrics.iter().filter(|metric| acting(&metric.rule));
        let completed = matches!(
            rollout.phase,
            Phase::Ended {
                ending: Ending::Completed,
                ..
            }
        );
        let validation = Validation {
            completed,
            because: self.because,
            rules: looks.clone().map(|metric| metric.rule.clone()).collect(),
            looks: looks.flat_map(|metric| metric.verdicts.values()).sum(),
        };
        Some(Report {
            rollout: start.id.clone(),
            environment: start.environment.clone(),
            flag: start.flag.clone(),
            attempt: start.attempt,
            policy: start.policy.clone(),
            plan_digest: start.plan_digest.clone(),
            candidate: start.candidate.clone(),
            safe: start.safe.clone(),
            by: start.by.to_string(),
            started: rollout.started,
            ended,
            until,
            result: result(&rollout, plan),
            progress: self.progress,
            people: self.people,
            metrics,
            safety: self.safety,
            validation,
            shadow: rollout.shadow.as_ref().map(|shadow| Beside {
                policy: shadow.rollout.start.policy.clone(),
                result: result(&shadow.rollout, &shadow.rollout.start.plan),
                decisions: self.shadowed,
            }),
        })
    }

    fn look(&mut self, look: &Look, record: u64) -> &mut Measured {
        let measured = self.measured.entry(look.rule.clone()).or_default();
        measured.take(look, record);
        measured
    }

    /// What a change means for the stages; the rollout is as it was before.
    fn follow(&mut self, change: &RolloutChange, record: &Record) {
        match change {
            RolloutChange::Started(start) => self.enter("started", &start.plan, 0, record.at),
            RolloutChange::Opened => self.enter_next("opened", 0, record.at),
            RolloutChange::Restarted { stage } => self.enter_next("restarted", *stage, record.at),
            RolloutChange::TookEffect => {
                let confirmed = record.because.iter().flat_map(|because| &because.reasons);
                let confirmed = confirmed.filter(|reason| matches!(reason, Reason::Acknowledgement { .. }));
                let confirmed = confirmed.map(ToString::to_string).next();
                if let Some(visit) = self.progress.last_mut() {
                    visit.effective = Some(record.at);
                    visit.confirmed = confirmed;
                }
            }
            RolloutChange::Advanced { stage } => self.enter_next("advanced", *stage, record.at),
            RolloutChange::Retreated { stage } => self.enter_next("retreated", *stage, record.at),
            RolloutChange::RollingBack { cause, .. } => {
                self.leave(record.at);
                self.safety.rollback = Some(Rollback {
                    decided: record.at,
                    cause: cause.iter().map(ToString::to_string).collect(),
                    time_to_safe: None,
                    proof: None,
                });
            }
            RolloutChange::Ended { .. } => self.end(record),
            RolloutChange::Shadowed { because, .. } => {
                let news = !matches!(because.decision, Decision::Holds { .. });
                if news && self.shadowed.len() < TOLD_MAX {
                    self.shadowed.push(told(because, record));
                }
            }
            RolloutChange::Looked(look) => {
                self.safety.breaches += u64::from(look.verdict == Verdict::Breached);
                self.look(look, record.sequence);
            }
            _ => {}
        }
    }

    fn enter_next(&mut self, how: &str, stage: usize, at: Timestamp) {
        let Some(rollout) = self.rollout.as_ref() else {
            return;
        };
        let plan = rollout.start.plan.clone();
        let approval = rollout.approval.as_ref().filter(|given| given.stage == stage);
        let approved = approval
            .filter(|_| how == "advanced")
            .map(|given| given.by.to_string());
        self.leave(at);
        self.enter(how, &plan, stage, at);
        if let Some(visit) = self.progress.last_mut() {
            visit.approved_by = approved;
        }
    }

    fn enter(&mut self, how: &str, plan: &Policy, stage: usize, at: Timestamp) {
        let stage = plan.stage(stage);
        self.progress.push(Visit {
            stage: stage.map(|stage| stage.name.to_string()).unwrap_or_default(),
            share: stage.map_or(Share::ZERO, |stage| stage.percentage),
            entered: how.to_owned(),
            opened: at,
            effective: None,
            confirmed: None,
            left: None,
            lasted: Span::ZERO,
            approved_by: None,
        });
    }

    fn leave(&mut self, at: Timestamp) {
        if let Some(visit) = self.progress.last_mut() {
            visit.left.get_or_insert(at);
        }
    }

    fn end(&mut self, record: &Record) {
        self.leave(record.at);
        if let Some(rollback) = &mut self.safety.rollback {
            rollback.time_to_safe = Some(Span::between(rollback.decided, record.at));
            let reasons = record.because.iter().flat_map(|because| &because.reasons);
            let mut proof = reasons.filter(|reason| matches!(reason, Reason::Acknowledgement { .. }));
            rollback.proof = proof.next().map(ToString::to_string);
        }
    }

    fn decided(&mut self, because: &Because, record: &Record) {
        if record.by != Author::Tidegate && self.people.len() < TOLD_MAX {
            self.people.push(told(because, record));
        }
        match because.decision {
            Decision::Alerted { .. }
            | Decision::Paused { .. }
            | Decision::Resumed { .. }
            | Decision::Retreated { .. }
            | Decision::RollingBack
            | Decision::RolledBack { .. }
            | Decision::Aborted
                if self.safety.decisions.len() < TOLD_MAX =>
            {
                self.safety.decisions.push(told(because, record));
            }
            _ => {}
        }
        if matches!(
            because.decision,
            Decision::Advanced { .. }
                | Decision::Monitoring { .. }
                | Decision::Completed
                | Decision::RolledBack { .. }
                | Decision::Aborted
        ) {
            self.because = because.reasons.iter().map(ToString::to_string).collect();
        }
    }
}

fn result(rollout: &Rollout, plan: &Policy) -> String {
    let paused = if rollout.pauses.is_empty() { "" } else { ", paused" };
    match &rollout.phase {
        Phase::Running { stage, .. } => {
            let stage = plan.stage(*stage).map(|stage| stage.name.to_string());
            format!(
                "running, in {} at {}{paused}",
                stage.unwrap_or_default(),
                rollout.share
            )
        }
        Phase::RollingBack { .. } => "rolling back, not confirmed by every live node yet".to_owned(),
        Phase::Ended { ending, took, .. } => match took {
            Some(took) => format!("{ending}, safe after {}", took.rounded()),
            None => ending.to_string(),
        },
    }
}

fn told(because: &Because, record: &Record) -> Done {
    Done {
        record: record.sequence,
        at: record.at,
        by: record.by.to_string(),
        what: gist(because),
    }
}

/// A decision and what called for it: the person's words, or the first of the reasons.
fn gist(because: &Because) -> String {
    match because.reasons.first() {
        Some(Reason::Command { reason, .. }) if reason.is_empty() => because.decision.to_string(),
        Some(Reason::Command { reason, .. }) => format!("{}: {reason}", because.decision),
        Some(first) => format!("{}: {first}", because.decision),
        None => because.decision.to_string(),
    }
}
