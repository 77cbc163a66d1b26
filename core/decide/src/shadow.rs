//! A second policy, judged beside the one that acts.
//!
//! The same step function, on a state of its own. What comes out can say nothing to the world: a
//! [`ShadowStep`] has a change of the shadow, rules to look at, and a time to look again, and no room for
//! anything else. People and gates are taken to say yes at once, nodes to follow at once, and no alert to
//! fire: what is compared are rules and schedules.

use crate::refusal::Refusal;
use crate::rollout::{self, Fleet, Input, Observed};
use crate::step::{Effect, Step};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tidegate_model::Timestamp;
use tidegate_model::alert::Labels;
use tidegate_model::because::{Because, Decision};
use tidegate_model::change::Change;
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::{NodeName, Revision, RuleName};
use tidegate_model::policy::bind::Bindings;
use tidegate_model::policy::{Dependencies, Policy, RollbackTarget};
use tidegate_model::rollout::{Phase, Rollout, RolloutChange, RolloutStart};
use tidegate_model::span::Span;
use tidegate_model::verdict::Look;

/// Most steps that one input leads to: a stage that opens takes effect at once, and a rollback is final at
/// once.
const STEPS_MAX: usize = 8;
/// How soon it is asked again whether anybody has the candidate.
const RECHECK: Span = Span::seconds(1);

/// What a shadow sees. Nobody commands it.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Time passed.
    Time,
    /// Sources answered.
    Looks(Vec<Look>),
}

/// All that can come of a shadow.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowStep {
    /// What becomes true of the shadow, if anything, and what would have been decided.
    pub change: Option<(RolloutChange, Because)>,
    /// The rules whose sources are to be asked.
    pub measure: Vec<RuleName>,
    /// When to look again; `None`: never, it has ended.
    pub wake_at: Option<Timestamp>,
}

/// Puts `policy` beside the rollout that `step` starts.
///
/// # Errors
/// When it does not fit the rollout: another safe variation, or arguments that it does not take.
pub fn beside(step: &mut Step, policy: &Policy) -> Result<(), Refusal> {
    for (_, change) in &mut step.changes {
        if let Change::Rollout(RolloutChange::Started(start)) = change {
            start.shadow = Some(Arc::new(plan(start, policy)?));
        }
    }
    Ok(())
}

/// The plan that a shadow of the rollout follows: nobody is asked, told or listened to.
fn plan(start: &RolloutStart, policy: &Policy) -> Result<Policy, Refusal> {
    if let RollbackTarget::Variation(safe) = &policy.rollback.to
        && *safe != start.safe
    {
        let violation = Violation::new(
            "shadow",
            &policy.name,
            format!("it goes back to {safe}, and the rollout to {}", start.safe),
            "name a policy with the same 'rollback.to'",
        );
        return Err(Refusal::Invalid(Invalid::from(violation)));
    }
    let known = |name: &&String| policy.arguments.contains_key(*name);
    let arguments = start.arguments.keys().filter(known);
    let arguments = arguments.filter_map(|name| Some((name.clone(), start.arguments.get(name)?.clone())));
    let mut plan = policy.bind(&Bindings {
        environment: start.environment.clone(),
        flag: start.flag.clone(),
        variation: start.candidate.clone(),
        baseline: start.safe.clone(),
        arguments: arguments.collect(),
    })?;
    for stage in &mut plan.schedule.stages {
        stage.wait_for_approval = None;
        stage.gates.clear();
    }
    plan.alerts.clear();
    plan.watchdog = None;
    plan.notify.clear();
    plan.dependencies = Dependencies::default();
    plan.interlock = Labels::default();
    plan.exposure = None;
    Ok(plan)
}

/// The next step of the shadow of `rollout`, if it has one that is not over. `observed` is what the shadow
/// knows of the world, and already contains what was seen.
#[must_use]
pub fn step(rollout: &Rollout, observed: &Observed, seen: &Seen, now: Timestamp) -> Option<ShadowStep> {
    let shadow = rollout.shadow.as_ref()?;
    let Phase::Running { stage, effective, .. } = rollout.phase else {
        // Its numbers would be those of users who do not have the candidate any more.
        return None;
    };
    if stage == 0 && effective.is_none() {
        return Some(ShadowStep {
            change: None,
            measure: Vec::new(),
            wake_at: Some(RECHECK.after(now)),
        });
    }
    let mut inputs = VecDeque::from([match seen {
        Seen::Time => Input::Wake,
        Seen::Looks(looks) => Input::Looked(looks.clone()),
    }]);
    let mut state = shadow.rollout.clone();
    let mut observed = Observed {
        fleet: following(),
        ..observed.clone()
    };
    let mut taken = Taken::default();
    for _ in 0..STEPS_MAX {
        let Some(input) = inputs.pop_front() else {
            break;
        };
        observed.take_in(&input);
        // Only people are refused anything.
        let step = rollout::step(&state, &observed, &input, now).ok()?;
        let publishes = step.effects.contains(&Effect::Publish);
        state = taken.take(state, step, now)?;
        if publishes {
            inputs.push_back(Input::Fleet(following()));
        }
    }
    Some(taken.step())
}

/// Nodes that follow whatever is published, at once.
fn following() -> Fleet {
    let latest = Revision(u64::MAX);
    Fleet {
        requests: BTreeMap::new(),
        published: latest,
        live: NodeName::new("all")
            .into_iter()
            .map(|node| (node, latest))
            .collect(),
        all_heard: true,
    }
}

/// What became of one input.
#[derive(Default)]
struct Taken {
    changes: Vec<RolloutChange>,
    because: Option<Because>,
    measure: Vec<RuleName>,
    wake_at: Option<Timestamp>,
}

impl Taken {
    /// Keeps what concerns the shadow itself of a step, and answers with the state after it.
    fn take(&mut self, mut state: Rollout, step: Step, now: Timestamp) -> Option<Rollout> {
        for (_, change) in step.changes {
            if let Change::Rollout(change) = change {
                let revision = state.split_revision.next();
                state = Rollout::apply(Some(state), &change, now, revision).ok()?;
                self.changes.push(change);
            }
        }
        for effect in step.effects {
            if let Effect::Measure(rules) = effect {
                self.measure.extend(rules);
            }
        }
        self.wake_at = step.wake_at;
        let says_nothing = |because: &Because| matches!(because.decision, Decision::Holds { .. });
        if self.because.as_ref().is_none_or(says_nothing) {
            self.because = Some(step.because);
        }
        Some(state)
    }

    fn step(self) -> ShadowStep {
        let change = self.because.filter(|_| !self.changes.is_empty()).map(|because| {
            let changes = self.changes;
            let shadowed = RolloutChange::Shadowed {
                changes,
                because: because.clone(),
            };
            (shadowed, because)
        });
        ShadowStep {
            change,
            measure: self.measure,
            wake_at: self.wake_at,
        }
    }
}
