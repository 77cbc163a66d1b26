//! Taking every decision of rollouts anew, from what the journal keeps.

use crate::cause::Cause;
use crate::thread::{Given, Thread};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use tidegate_decide::judge::{judge_again, scores, standing};
use tidegate_decide::start::queue;
use tidegate_decide::step::Step;
use tidegate_decide::{quarantine, rollout, shadow};
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::calendar::ZONE_DATA;
use tidegate_model::change::{Change, EntityRef, EntityState, Kind, PolicyState, Record};
use tidegate_model::evidence::Judged;
use tidegate_model::flag::FlagState;
use tidegate_model::key::{EnvironmentKey, PolicyName, Revision, RuleName};
use tidegate_model::policy::{Policy, Rule};
use tidegate_model::rollout::Rollout;

mod start;

use start::drilled;

/// How much of a value is shown where two differ, in characters.
const SHOWN_CHARS: usize = 600;

/// Replays records in their order, from the first of the journal on.
#[derive(Debug, Default)]
pub struct Replay {
    states: BTreeMap<EntityRef, EntityState>,
    /// Every policy as it ever was: a rollout may have been started by one that was saved again meanwhile.
    policies: BTreeMap<(EntityRef, Revision), PolicyState>,
    told: BTreeMap<EntityRef, Told>,
    tally: Tally,
}

/// How much was replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Records, of whatever.
    pub records: u64,
    /// Rollouts.
    pub rollouts: u64,
    /// Decisions of rollouts, each taken anew.
    pub decisions: u64,
    /// Looks, each judged anew.
    pub looks: u64,
}

/// The first record that does not come out as it stands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disagreement {
    /// Its sequence.
    pub record: u64,
    /// When.
    pub at: Timestamp,
    /// About which rollout, or what else.
    pub entity: EntityRef,
    /// What is wrong with it.
    pub what: String,
    /// What should stand there; empty when that cannot be said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// What stands there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub found: String,
}

/// What was told of one rollout.
#[derive(Debug, Default)]
struct Told {
    thread: Thread,
    /// What was told of its shadow.
    shadow: Thread,
    /// The plans that it has followed; a look may have been judged by the one before.
    plans: Vec<Arc<Policy>>,
}

/// What is wrong with a record.
#[derive(Debug, Default)]
struct Wrong {
    what: String,
    expected: String,
    found: String,
}

impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Self {
            what,
            ..Self::default()
        }
    }
}

impl From<&str> for Wrong {
    fn from(what: &str) -> Self {
        what.to_owned().into()
    }
}

impl Wrong {
    /// Two values that should be the same.
    fn differ(what: impl Into<String>, expected: &impl Serialize, found: &impl Serialize) -> Self {
        let text = |value: Result<Value, serde_json::Error>| {
            let text = value.map_or_else(|error| error.to_string(), |value| value.to_string());
            match text.char_indices().nth(SHOWN_CHARS) {
                Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
                None => text,
            }
        };
        Self {
            what: what.into(),
            expected: text(serde_json::to_value(expected)),
            found: text(serde_json::to_value(found)),
        }
    }
}

impl Wrong {
    /// The same, unless it was decided by other time zone data than this program's: then windows may open at other
    /// times here, and nobody has changed the journal.
    fn unless_by(mut self, zone_data: &str) -> Self {
        if !zone_data.is_empty() && zone_data != ZONE_DATA {
            self.what = format!(
                "it was decided by time zone data {zone_data}, and this program has {ZONE_DATA}, by which {}; \
                 replay it with a version of Tidegate that has {zone_data}",
                self.what
            );
        }
        self
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.format("%Y-%m-%d %H:%M:%S UTC");
        write!(
            f,
            "record {} of {at}, {}: {}",
            self.record, self.entity, self.what
        )?;
        if !self.expected.is_empty() || !self.found.is_empty() {
            write!(f, "\n  expected  {}\n  found     {}", self.expected, self.found)?;
        }
        Ok(())
    }
}

impl Replay {
    /// Takes the decision of `record` anew, if it is one of a rollout, and folds it.
    ///
    /// # Errors
    /// What does not come out as it stands there. Nothing that comes later can be trusted then.
    pub fn take(&mut self, record: &Record) -> Result<(), Box<Disagreement>> {
        let disagree = |entity: &EntityRef, wrong: Wrong| {
            Box::new(Disagreement {
                record: record.sequence,
                at: record.at,
                entity: entity.clone(),
                what: wrong.what,
                expected: wrong.expected,
                found: wrong.found,
            })
        };
        let mut entities = record.entries.iter().map(|entry| &entry.entity);
        if let Some(entity) = entities.find(|entity| entity.kind() == Kind::Rollout) {
            self.decide(entity, record)
                .map_err(|wrong| disagree(entity, wrong))?;
        }
        for entry in &record.entries {
            let before = self.states.remove(&entry.entity);
            let after = EntityState::apply(before, &entry.change, record.at, entry.revision)
                .map_err(|error| disagree(&entry.entity, error.to_string().into()))?;
            if let Change::PolicySaved(policy) = &entry.change {
                let version = (entry.entity.clone(), entry.revision);
                self.policies.insert(version, PolicyState::clone(policy));
            }
            self.states
                .extend(after.map(|after| (entry.entity.clone(), after)));
        }
        self.tally.records += 1;
        self.forget_what_has_ended(record);
        Ok(())
    }

    /// How much was replayed so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn forget_what_has_ended(&mut self, record: &Record) {
        for entity in record.entries.iter().map(|entry| &entry.entity) {
            if self.rollout(entity).is_some_and(Rollout::has_ended) {
                self.told.remove(entity);
            }
        }
    }

    fn rollout(&self, entity: &EntityRef) -> Option<&Rollout> {
        match self.states.get(entity)? {
            EntityState::Rollout(rollout) => Some(rollout),
            _ => None,
        }
    }

    fn flag(&self, entity: &EntityRef) -> Option<&FlagState> {
        match self.states.get(entity)? {
            EntityState::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    fn decide(&mut self, entity: &EntityRef, record: &Record) -> Result<(), Wrong> {
        let mut told = self.told.remove(entity).unwrap_or_default();
        let thread = match record.is_of_shadow() {
            true => &mut told.shadow,
            false => &mut told.thread,
        };
        let given = thread.read(record)?;
        if let Err(wrong) = self.again(entity, record, &mut told, &given) {
            let zone_data = match &given.cause {
                Cause::Started { zone_data, .. } => zone_data,
                _ => &given.observed.zone_data,
            };
            return Err(wrong.unless_by(zone_data));
        }
        let begun = matches!(given.cause, Cause::Started { .. } | Cause::Drilled);
        self.tally.rollouts += u64::from(begun);
        self.tally.looks += given.new.len() as u64;
        self.tally.decisions += 1;
        self.told.insert(entity.clone(), told);
        Ok(())
    }

    /// Takes a decision again on what it rests on.
    fn again(
        &self,
        entity: &EntityRef,
        record: &Record,
        told: &mut Told,
        given: &Given,
    ) -> Result<(), Wrong> {
        let thread = match record.is_of_shadow() {
            true => &told.shadow,
            false => &told.thread,
        };
        let rollout = self.rollout(entity);
        if let Some(rollout) = rollout
            && told.plans.last() != Some(&rollout.start.plan)
        {
            told.plans.push(rollout.start.plan.clone());
        }
        let beside = rollout.and_then(|rollout| rollout.start.shadow.clone());
        let plans = match (record.is_of_shadow(), &beside) {
            (true, Some(plan)) => std::slice::from_ref(plan),
            _ => &told.plans,
        };
        for rule in &given.new {
            let judged = thread.looks().get(rule);
            let (_, judged) = judged.ok_or_else(|| format!("there is no look at {rule}"))?;
            check_look(plans, judged)?;
        }
        match &given.cause {
            Cause::Started {
                policy,
                shadow,
                neighbours,
                ..
            } => {
                let step = self.start(record, *policy, shadow.as_ref())?;
                let others = neighbours.0.values();
                let step = queue(step, others, record.at)
                    .map_err(|refusal| format!("it could not be started: {refusal}"))?;
                compare(&step, record)?;
            }
            Cause::Drilled => {
                compare(&drilled(entity, record)?, record)?;
            }
            Cause::Shadow(_) => {
                let rollout = rollout.ok_or("there is no rollout before it")?;
                check_author(&given.cause, &record.by)?;
                shadowed(rollout, thread, given, record)?;
            }
            _ => {
                let rollout = rollout.ok_or("there is no rollout before it")?;
                check_author(&given.cause, &record.by)?;
                check_input(rollout, thread, given)?;
                compare(&next(rollout, given, record)?, record)?;
            }
        }
        Ok(())
    }

    fn policy(
        &self,
        environment: &EnvironmentKey,
        name: &PolicyName,
        revision: Revision,
    ) -> Result<&PolicyState, Wrong> {
        let version = (EntityRef::Policy(environment.clone(), name.clone()), revision);
        let found = self.policies.get(&version);
        Ok(found.ok_or_else(|| format!("policy {name} was never at revision {revision}"))?)
    }
}

/// What the shadow of `rollout` would have done, again.
fn shadowed(rollout: &Rollout, thread: &Thread, given: &Given, record: &Record) -> Result<(), Wrong> {
    let shadow = rollout.shadow.as_ref().ok_or("it has no shadow")?;
    if let Cause::Shadow(rules) = &given.cause
        && !rules.is_empty()
    {
        check_looks(&shadow.rollout, thread, given, rules)?;
    }
    let seen = given.cause.seen(&given.observed);
    let seen = seen.ok_or("a look that led to it is missing")?;
    let step = shadow::step(rollout, &given.observed, &seen, record.at);
    let (change, because) = step.and_then(|step| step.change).unzip();
    let expected: Vec<Change> = change.into_iter().map(Change::Rollout).collect();
    let found: Vec<Change> = record.entries.iter().map(|entry| entry.change.clone()).collect();
    if expected != found {
        return Err(Wrong::differ(
            "its shadow would have done something else",
            &expected,
            &found,
        ));
    }
    let expected = because.map(|because| shadow.told(because));
    if expected != record.because {
        let what = "it is explained by something else";
        return Err(Wrong::differ(what, &expected, &record.because));
    }
    Ok(())
}

/// Judges a look again, by the plan that it was judged by.
fn check_look(plans: &[Arc<Policy>], judged: &Judged) -> Result<(), Wrong> {
    let look = &judged.look;
    let trace = (judged.trace.as_ref())
        .ok_or_else(|| format!("it keeps no evidence of the look at {}", look.rule))?;
    let rules: Vec<&Rule> = plans
        .iter()
        .rev()
        .filter_map(|plan| plan.rule(&look.rule))
        .collect();
    let again = |rule: &Rule| judge_again(&trace.standing, rule, &trace.evidence, look.at);
    let newest = rules
        .first()
        .ok_or_else(|| format!("no plan of it has a rule {}", look.rule))?;
    if rules.iter().any(|rule| again(rule) == *look) {
        return Ok(());
    }
    let what = format!("the look at {} says something else than its evidence", look.rule);
    Err(Wrong::differ(what, &again(newest), look))
}

fn check_author(cause: &Cause, by: &Author) -> Result<(), Wrong> {
    match cause.author() {
        Some(author) if author != by => Err(Wrong::differ("somebody else decided it", author, by)),
        _ => Ok(()),
    }
}

/// What came in now was judged where the rollout stands now, and the scores follow from it.
fn check_input(rollout: &Rollout, thread: &Thread, given: &Given) -> Result<(), Wrong> {
    match &given.cause {
        Cause::Looked(rules) => check_looks(rollout, thread, given, rules),
        _ => Ok(()),
    }
}

fn check_looks(rollout: &Rollout, thread: &Thread, given: &Given, rules: &[RuleName]) -> Result<(), Wrong> {
    let came = |rule| thread.looks().get(rule).map(|(_, judged)| judged);
    let looks: Vec<&Judged> = rules.iter().filter_map(came).collect();
    let Some((first, scored)) = looks.split_first() else {
        return Err("no rule was looked at".into());
    };
    let rule = rollout.start.plan.rule(&first.look.rule);
    if let (Some(rule), Some(trace)) = (rule, &first.trace) {
        let stands = standing(rollout, rule, &trace.evidence);
        if stands != trace.standing {
            let what = format!(
                "the look at {} was judged for a rollout that stands elsewhere",
                rule.name
            );
            return Err(Wrong::differ(what, &stands, &trace.standing));
        }
    }
    let weighed = scores(rollout, &given.observed, &first.look, first.look.at);
    let scored: Vec<_> = scored.iter().map(|judged| judged.look.clone()).collect();
    if weighed == scored {
        return Ok(());
    }
    Err(Wrong::differ(
        "the scores do not follow from the looks",
        &weighed,
        &scored,
    ))
}

/// Any later step.
fn next(rollout: &Rollout, given: &Given, record: &Record) -> Result<Step, Wrong> {
    let Given { cause, observed, .. } = given;
    let refused = |refusal| format!("it would be refused: {refusal}");
    match cause {
        Cause::Apart(seen) => {
            let step = quarantine::step(rollout, seen, &record.by, record.at).map_err(refused)?;
            step.ok_or_else(|| "there is nothing to do for it".into())
        }
        _ => {
            let input = cause.input(observed).ok_or("a look that led to it is missing")?;
            Ok(rollout::step(rollout, observed, &input, record.at).map_err(refused)?)
        }
    }
}

fn compare(step: &Step, record: &Record) -> Result<(), Wrong> {
    if record.because.as_ref() != Some(&step.because) {
        let found = record.because.as_ref().map(ToString::to_string);
        return Err(match found {
            Some(found) if found != step.because.to_string() => Wrong::differ(
                "it is explained by something else",
                &step.because.to_string(),
                &found,
            ),
            _ => Wrong::differ(
                "it is explained by something else",
                &step.because,
                &record.because,
            ),
        });
    }
    // As they are written: what becomes true of one thing stands together.
    let mut seen = BTreeSet::new();
    let order = step.changes.iter().map(|(entity, _)| entity);
    let order = order.filter(|entity| seen.insert(*entity));
    let expected = order.flat_map(|entity| step.changes.iter().filter(move |(of, _)| of == entity));
    let expected: Vec<(&EntityRef, &Change)> = expected.map(|(entity, change)| (entity, change)).collect();
    let entries = record.entries.iter();
    let found: Vec<(&EntityRef, &Change)> = entries.map(|entry| (&entry.entity, &entry.change)).collect();
    if expected == found {
        return Ok(());
    }
    let odd = expected
        .iter()
        .zip(&found)
        .find(|(expected, found)| expected != found);
    Err(match odd {
        Some((expected, found)) => Wrong::differ("something else follows", expected, found),
        None => Wrong::differ("not as much follows, or more", &expected, &found),
    })
}
