//! Starting a rollout.

use crate::judge::remaining;
use crate::neighbour::{Neighbour, Neighbours, check_cycle};
use crate::refusal::Refusal;
use crate::rollout::{Observed, before_opening};
use crate::step::{Effect, Step};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::{Because, Decision, Reason};
use tidegate_model::calendar::{Opening, opening};
use tidegate_model::catalog::Catalog;
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::flag::{FlagState, FlagStatus, Pin};
use tidegate_model::invalid::{Invalid, Violation, nearest};
use tidegate_model::key::{
    EnvironmentKey, FlagKey, PolicyName, Revision, RolloutId, SegmentKey, VariationKey,
};
use tidegate_model::policy::bind::Bindings;
use tidegate_model::policy::{Policy, Rule, Source};
use tidegate_model::rollout::{Ending, Phase, Rollout, RolloutChange, RolloutStart};
use tidegate_model::share::Share;
use tidegate_model::verdict::Measurement;
use tidegate_stats::burn_rate::Objective;

mod sides;
mod value;

use sides::sides;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartRollout {
    /// Which flag to open.
    pub flag: FlagKey,
    /// By which policy.
    pub policy: PolicyName,
    /// Which variation to open; by default `on` if the flag has one. With `value`: how the variation of that value is
    /// called; by default the next free one of `v2`, `v3` and so on.
    #[serde(default)]
    pub candidate: Option<VariationKey>,
    /// Instead of a variation that is there: the value to open. The flag gets a variation of it together with the start,
    /// unless it has one already.
    #[serde(default)]
    pub value: Option<Value>,
    /// What the policy asks for.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
    /// A second policy to judge beside it, which never acts.
    #[serde(default)]
    pub shadow: Option<PolicyName>,
}

/// Whose work a rollout is: none of them can approve it.
#[derive(Debug, Clone, Copy)]
pub struct Authors<'a> {
    /// Who starts it.
    pub starter: &'a Author,
    /// Who wrote the policy last, as far as that is known.
    pub editor: Option<&'a Author>,
}

impl<'a> From<&'a Author> for Authors<'a> {
    fn from(starter: &'a Author) -> Self {
        Self {
            starter,
            editor: None,
        }
    }
}

/// The first step of a rollout: it exists, and holds the flag.
///
/// `latest` is the flag's latest rollout, if it ever had one.
///
/// # Errors
/// Why it cannot start: everything at once where that is possible.
pub fn start<'a>(
    request: &StartRollout,
    environment: &EnvironmentKey,
    flag: &FlagState,
    policy: &Policy,
    latest: Option<&Rollout>,
    authors: impl Into<Authors<'a>>,
    now: Timestamp,
) -> Result<(RolloutId, Step), Refusal> {
    let Authors { starter: by, editor } = authors.into();
    let (opened, sides) = sides(request, &flag.flag, policy)?;
    check_state(flag, policy, latest, now)?;
    let attempt = flag.attempts.saturating_add(1);
    let id = RolloutId::of_attempt(flag.flag.key(), attempt).map_err(Invalid::from)?;
    let plan = policy.bind(&Bindings {
        environment: environment.clone(),
        flag: flag.flag.key().clone(),
        variation: sides.candidate.clone(),
        baseline: sides.safe.clone(),
        arguments: request.arguments.clone(),
    })?;
    let share = plan.stage(0).map_or(Share::ZERO, |stage| stage.percentage);
    let started = RolloutStart {
        id: id.clone(),
        environment: environment.clone(),
        flag: flag.flag.key().clone(),
        attempt,
        policy: policy.name.clone(),
        plan_digest: plan.digest(),
        plan: Arc::new(plan),
        arguments: request.arguments.clone(),
        candidate: sides.candidate.clone(),
        safe: sides.safe.clone(),
        by: by.clone(),
        editor: editor.cloned(),
        shadow: None,
        drill: false,
        segment: None,
    };
    let pin = Pin {
        rollout: id.clone(),
        candidate: sides.candidate,
        safe: sides.safe,
    };
    let held = EntityRef::Flag(environment.clone(), flag.flag.key().clone());
    let mut changes = vec![(
        EntityRef::Rollout(environment.clone(), id.clone()),
        Change::Rollout(RolloutChange::Started(Box::new(started))),
    )];
    if opened != flag.flag {
        changes.push((held.clone(), Change::FlagSaved(opened)));
    }
    changes.push((held, Change::FlagPinned(pin)));
    let step = Step {
        changes,
        effects: vec![Effect::Publish],
        wake_at: Some(now),
        because: Because {
            decision: Decision::Started { share },
            reasons: vec![Reason::Command {
                by: by.to_string(),
                reason: String::new(),
            }],
        },
    };
    Ok((id, step))
}

/// Those of `others` that concern the rollout which `step` starts.
pub fn concerning<'a>(step: &Step, others: impl IntoIterator<Item = &'a Neighbour>) -> Neighbours {
    let begun = step.changes.iter().find_map(|(_, change)| match change {
        Change::Rollout(RolloutChange::Started(start)) => Some(start),
        _ => None,
    });
    begun.map_or_else(Neighbours::default, |start| {
        Neighbours::concerning(&start.id, &start.flag, &start.plan, others)
    })
}

/// The same first step, beside all `others` that are known: a rollout that has to wait for one of them begins,
/// holds its flag, and opens nothing.
///
/// # Errors
/// When it would wait for itself.
pub fn queue<'a>(
    mut step: Step,
    others: impl IntoIterator<Item = &'a Neighbour> + Clone,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let neighbours = concerning(&step, others.clone());
    let begun = step.changes.iter_mut().find_map(|(_, change)| match change {
        Change::Rollout(change @ RolloutChange::Started(_)) => Some(change),
        _ => None,
    });
    let Some(change) = begun else {
        return Ok(step);
    };
    let RolloutChange::Started(start) = &*change else {
        return Ok(step);
    };
    check_cycle(&start.flag, &start.plan, others)?;
    let observed = Observed {
        neighbours,
        ..Observed::default()
    };
    let queued = RolloutChange::Queued(start.clone());
    let Ok(waiting) = Rollout::apply(None, &queued, now, Revision::ABSENT) else {
        return Ok(step);
    };
    let waits = (before_opening(&waiting, &observed, now).into_iter())
        .filter(|reason| matches!(reason, Reason::Dependency { .. } | Reason::InterlockHeld { .. }));
    let waits: Vec<Reason> = waits.collect();
    if !waits.is_empty() {
        *change = queued;
        step.because.decision = Decision::Started { share: Share::ZERO };
        step.because.reasons.extend(waits);
    }
    Ok(step)
}

/// Refuses a plan that opens to segments which are not there.
///
/// # Errors
/// Which one, and which there are.
pub fn check_segments(plan: &Policy, catalog: &Catalog) -> Result<(), Refusal> {
    let mut violations = Vec::new();
    for (index, stage) in plan.schedule.stages.iter().enumerate() {
        let Some(wave) = &stage.wave else {
            continue;
        };
        let field = format!("policy.schedule.stages[{index}].segment");
        if let Some(staged) = catalog.staged.get(&wave.segment) {
            let rule = format!("an edit of it is being opened by {}", staged.rollout);
            let fix = "wait until that has ended";
            violations.push(Violation::new(&field, &wave.segment, rule, fix));
        }
        if !catalog.segments.contains_key(&wave.segment) {
            let names = catalog.segments.keys().map(SegmentKey::as_str);
            violations.push(Violation::new(
                field,
                &wave.segment,
                "there is no such segment in this environment",
                nearest(wave.segment.as_str(), names).map_or_else(
                    || "make it first".to_owned(),
                    |name| format!("did you mean {name}?"),
                ),
            ));
        }
    }
    Invalid::unless_empty(violations, ()).map_err(Refusal::Invalid)
}

/// Refuses a start while less of an error budget is left than `rule` asks for. `period` is the share of
/// errors within the period of its objective; one that nobody knows lets nothing start.
///
/// # Errors
/// How much is left and how much should be, or why that is unknown.
pub fn check_budget(rule: &Rule, period: &Measurement) -> Result<(), Refusal> {
    let Source::Slo(slo) = &rule.source else {
        return Ok(());
    };
    let (Some(budget), Some(objective)) = (&slo.budget, Objective::new(slo.objective)) else {
        return Ok(());
    };
    let name = &rule.name;
    match remaining(budget, objective, period) {
        Ok(left) if left.enough => Ok(()),
        Ok(left) => Err(Refusal::conflict(
            format!("rule {name}: {}", left.words),
            "wait until the budget has recovered, or use a policy that does not ask for it",
        )),
        Err((reason, detail)) => Err(Refusal::conflict(
            format!("rule {name}: how much of the error budget is left is unknown ({reason}): {detail}"),
            "try again once Prometheus answers the rule's errorRatio over its period",
        )),
    }
}

/// What a policy may say and a rollout cannot do.
fn plan_violations(policy: &Policy) -> Vec<Violation> {
    let mut found = Vec::new();
    let stages = &policy.schedule.stages;
    if let Some(last) = stages.last().filter(|last| last.percentage != Share::ALL) {
        found.push(Violation::new(
            format!("policy.schedule.stages[{}].percentage", stages.len() - 1),
            last.percentage,
            "a rollout that completes gives everybody the candidate, so its last stage opens 100 %",
            "add a stage of 100 % to the policy",
        ));
    }
    if stages
        .first()
        .is_some_and(|first| first.wait_for_approval.is_some())
    {
        found.push(Violation::new(
            "policy.schedule.stages[0].waitForApproval",
            "",
            "the first stage opens when somebody starts the rollout, and waits for nobody else",
            "move the approval to the second stage, behind a small first one",
        ));
    }
    found
}

/// Whether the flag may be rolled out now.
fn check_state(
    flag: &FlagState,
    policy: &Policy,
    latest: Option<&Rollout>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let key = flag.flag.key();
    if let Some(pin) = &flag.pin {
        return Err(Refusal::conflict(
            format!("{key} is held by rollout {}", pin.rollout),
            "wait until it has ended, roll it back, or abort it",
        ));
    }
    if let Some(experiment) = &flag.held {
        return Err(Refusal::conflict(
            format!("{key} is held by experiment {experiment}"),
            format!(
                "stop the experiment first, or hand its winner over: tidegate experiment stop {experiment} --help"
            ),
        ));
    }
    let mut why: Vec<(String, String)> = Vec::new();
    let status = flag.flag.definition().status;
    if status != FlagStatus::Active {
        let (state, fix) = match status {
            FlagStatus::Experiment => ("in an experiment", "stop the experiment first"),
            FlagStatus::Archived => ("archived", "set its status to active first"),
            FlagStatus::Active | FlagStatus::Inactive => ("inactive", "set its status to active first"),
        };
        why.push((format!("{key} is {state}"), fix.to_owned()));
    }
    if let Some(attempts) = policy.rollback.attempts
        && flag.attempts >= attempts
    {
        why.push((
            format!(
                "{key} has had {} of the {attempts} attempts that {} allows",
                flag.attempts, policy.name
            ),
            "find out why they failed, then raise 'rollback.attempts' in the policy".to_owned(),
        ));
    }
    if let Some((ended, from)) = cooling(policy, latest, now) {
        let fix = format!("start again from {} on", from.format("%Y-%m-%d %H:%M:%S UTC"));
        why.push((ended, fix));
    }
    why.extend(shut_in(policy, now));
    if why.is_empty() {
        return Ok(());
    }
    let (why, fix): (Vec<String>, Vec<String>) = why.into_iter().unzip();
    Err(Refusal::conflict(why.join("; "), fix.join("; ")))
}

/// How the latest attempt failed, and from when its numbers cannot condemn its successor any more.
fn cooling(policy: &Policy, latest: Option<&Rollout>, now: Timestamp) -> Option<(String, Timestamp)> {
    let latest = latest?;
    let Phase::Ended { ending, at, .. } = latest.phase else {
        return None;
    };
    let from = policy.rollback.cooldown.after(at);
    let failed = matches!(ending, Ending::RolledBack | Ending::Aborted);
    (failed && now < from).then(|| {
        let cooldown = policy.rollback.cooldown;
        (
            format!("{} was {ending} less than {cooldown} ago", latest.start.id),
            from,
        )
    })
}

/// Why the first stage may not open now, by the calendar of the policy.
fn shut_in(policy: &Policy, now: Timestamp) -> Option<(String, String)> {
    let from = |opens: Option<Timestamp>| match opens {
        Some(opens) => format!("start from {} on", opens.format("%Y-%m-%d %H:%M UTC")),
        None => "its windows do not open for more than a year: mend the policy".to_owned(),
    };
    let first = policy.stage(0)?;
    match opening(&policy.schedule, first.duration, now) {
        Opening::Open => None,
        Opening::Closed { opens, reason } if reason.is_empty() => {
            Some((format!("{} lets no stage open now", policy.name), from(opens)))
        }
        Opening::Closed { opens, reason } => Some((
            format!("{} lets no stage open now ({reason})", policy.name),
            from(opens),
        )),
        Opening::TooShort { closes, opens } => Some((
            format!(
                "stage {} lasts {}, and the window of {} closes {}",
                first.name,
                first.duration,
                policy.name,
                closes.format("%Y-%m-%d %H:%M UTC")
            ),
            from(opens),
        )),
    }
}
