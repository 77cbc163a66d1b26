//! What always holds, whatever the policy, the numbers, the nodes and the people do.

use crate::attack::{Event, event, happen, policies};
use crate::beside;
use crate::simulation::{Simulation, Taken};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use std::collections::BTreeSet;
use tidegate_decide::rollout::{Input, step};
use tidegate_decide::step::Effect;
use tidegate_model::change::Change;
use tidegate_model::gate::GateVerdict;
use tidegate_model::policy::{Action, Policy};
use tidegate_model::rollout::{Budget, Ending, PauseOwner, Phase, RolloutChange, RolloutCommand};
use tidegate_model::share::Share;
use tidegate_model::span::Span;
use tidegate_model::verdict::Verdict;

/// What holds of every single step.
fn check(taken: &Taken) {
    let Taken {
        at,
        before,
        after,
        step,
        ..
    } = taken;
    let plan = &after.start.plan;
    let why = &step.because;
    assert!(!why.reasons.is_empty(), "a decision without a reason: {why}");
    let shares: BTreeSet<Share> = plan
        .schedule
        .stages
        .iter()
        .map(|stage| stage.percentage)
        .collect();
    assert!(
        after.share == Share::ZERO || shares.contains(&after.share),
        "{} was never planned",
        after.share
    );
    if before.has_ended() {
        assert!(
            step.changes.is_empty() && step.effects.is_empty() && step.wake_at.is_none(),
            "it had ended: {why}"
        );
        return;
    }
    match step.wake_at {
        Some(wake_at) => assert!(wake_at >= *at, "wakes in the past: {why}"),
        None => assert!(after.has_ended(), "sleeps for ever: {why}"),
    }
    let publishes = step
        .effects
        .iter()
        .filter(|effect| **effect == Effect::Publish)
        .count();
    let edits = step
        .changes
        .iter()
        .any(|(_, change)| matches!(change, Change::FlagSaved(_)));
    let visible = before.split() != after.split() || edits;
    assert_eq!(
        publishes,
        usize::from(visible),
        "nodes are told once of what they see: {why}"
    );
    check_move(taken);
    if after
        .pauses
        .keys()
        .any(|owner| owner.is_failure() && !before.pauses.contains_key(owner))
    {
        check_alert(taken);
    }
    check_resumed(taken);
    beside::check_first_opening(taken);
    check_tripped(taken);
}

/// A pause is cleared by a person's word for it, or by the end of the alert that made it.
fn check_resumed(taken: &Taken) {
    let Taken {
        before, after, input, ..
    } = taken;
    for owner in before
        .pauses
        .keys()
        .filter(|owner| !after.pauses.contains_key(owner))
    {
        let resumed = matches!(input, Input::Command { command: RolloutCommand::Resume { owner: named, reason }, .. }
            if named == owner && (!owner.is_failure() || !reason.is_empty()));
        let over = match owner {
            PauseOwner::Alert(alert) => {
                before
                    .alerts
                    .get(alert)
                    .is_some_and(|taken| taken.action == Action::Pause)
                    && !taken.observed.firing.alerts.contains_key(alert)
            }
            _ => false,
        };
        assert!(resumed || over, "{owner} was cleared by {input:?}");
    }
}

/// Alerts are over or overruled, the watchdog is heard, and every gate of the stage has passed.
fn check_others(taken: &Taken, to: usize) {
    let Taken { at, before, .. } = taken;
    for (fingerprint, (alert, _)) in &taken.observed.firing.alerts {
        let known = &before.alerts[fingerprint];
        assert!(
            known.overruled && known.starts == alert.starts,
            "left while {fingerprint} fires"
        );
    }
    for gate in before
        .start
        .plan
        .stage(to)
        .into_iter()
        .flat_map(|next| &next.gates)
    {
        let answer = before.gates[&gate.target]
            .answer
            .as_ref()
            .expect("left without a pass");
        assert_eq!(answer.verdict, GateVerdict::Pass, "left through a closed gate");
    }
    if let Some(watchdog) = &before.start.plan.watchdog {
        let heard = taken.observed.firing.watchdog_heard.expect("left unheard");
        assert!(
            watchdog.patience().after(heard) > *at,
            "left while alerts are silent"
        );
    }
}

/// What holds of a step from one stage to another, or out of the last.
fn check_move(taken: &Taken) {
    let Taken { before, after, .. } = taken;
    match (before.stage(), after.stage()) {
        (Some(from), Some(to)) if to > from => check_advance(taken, from, to),
        (Some(from), Some(to)) if to <= from && matches!(taken.input, Input::FlagEdited { .. }) => {
            check_edit(taken, to);
        }
        (Some(from), Some(to)) if to < from => {
            assert_eq!(after.proven_stage, to.checked_sub(1));
            assert!(!after.pauses.is_empty(), "a retreat waits for a person");
            assert!(
                before.no_return.is_none_or(|limit| to >= limit),
                "back past a point of no return"
            );
            check_alert(taken);
        }
        (Some(from), None) if after.has_ended() => {
            assert_eq!(after.share, Share::ALL);
            check_advance(taken, from, after.start.plan.schedule.stages.len());
        }
        (Some(_), None) => {
            assert_eq!(after.share, Share::ZERO);
            let meant = matches!(&taken.input, Input::Command { command: RolloutCommand::Rollback { past_no_return: true, reason }, .. }
                if !reason.is_empty());
            assert!(
                before.no_return.is_none() || meant,
                "back past a point of no return by {:?}",
                taken.input
            );
            check_alert(taken);
        }
        (None, Some(_)) => panic!("nothing comes back from a rollback: {}", taken.step.because),
        _ => {}
    }
}

/// A budget that is spent, or would be, keeps stages from opening until a person was told and has said more.
fn check_exposure(taken: &Taken, to: usize) {
    let (before, plan) = (&taken.before, &taken.before.start.plan);
    let (Some(exposure), Some(next)) = (&plan.exposure, plan.stage(to)) else {
        return;
    };
    let told = |budget: Budget| before.exposed.told.contains(&budget);
    let minutes = before.user_minutes(exposure, taken.at);
    let units = exposure.units_of(next.percentage);
    assert!(exposure.user_minutes.is_none_or(|of| minutes < of) || told(Budget::UserMinutes));
    assert!(exposure.units.is_none_or(|of| units <= of) || told(Budget::Units));
}

/// F47: an edit of the flag changes nothing, or has the rollout begin again with nothing known.
fn check_edit(taken: &Taken, to: usize) {
    let Taken { before, after, .. } = taken;
    if before.split_revision == after.split_revision {
        assert_eq!(before, after);
        return;
    }
    assert_eq!(to, before.no_return.unwrap_or(0));
    assert_eq!(
        (after.rules.len(), after.proven_stage, &after.approval),
        (0, None, &None)
    );
    assert_eq!(after.start.safe, before.start.safe);
}

/// L2: once the numbers call for it, nothing stands in front.
fn check_tripped(taken: &Taken) {
    let Phase::Running { .. } = taken.after.phase else {
        return;
    };
    if !matches!(taken.input, Input::Looked(_) | Input::Wake) {
        return;
    }
    for rule in &taken.after.start.plan.safety.rules {
        let Some(memory) = taken.after.rules.get(&rule.name) else {
            continue;
        };
        let tripped = memory.bad() >= rule.trip.need && !beside::gives_way(taken, rule);
        let paused = taken
            .after
            .pauses
            .contains_key(&PauseOwner::Rule(rule.name.clone()));
        match rule.action {
            // Past a point of no return it leads back as far as that, and pauses there.
            Action::Rollback | Action::Retreat => {
                let stays = taken.after.no_return.is_some() && paused;
                assert!(!tripped || stays, "{} tripped and nothing happened", rule.name)
            }
            Action::Pause => assert!(!tripped || paused, "{} tripped without a pause", rule.name),
            Action::Alert => {}
        }
    }
}

fn check_alert(taken: &Taken) {
    let alerts = taken
        .step
        .effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Alert(_)))
        .count();
    assert_eq!(alerts, 1, "a person is woken once: {}", taken.step.because);
}

/// L3: a stage is left by one step, after its time, unpaused, approved, on fresh health alone.
fn check_advance(taken: &Taken, from: usize, to: usize) {
    let Taken {
        at, before, input, ..
    } = taken;
    assert_eq!(to, from + 1, "no stage is skipped");
    let Input::Looked(looks) = input else {
        panic!("left by {input:?}")
    };
    assert!(looks.iter().any(|look| look.verdict == Verdict::Healthy));
    assert_eq!(before.pauses.len(), 0);
    assert_eq!(taken.observed.frozen, None, "left while frozen");
    check_others(taken, to);
    beside::check_opening(taken, to);
    check_exposure(taken, to);
    let Phase::Running {
        effective: Some(effective),
        ..
    } = before.phase
    else {
        panic!("left before it was in force")
    };
    let plan = &before.start.plan;
    let stage = plan.stage(from).unwrap();
    let pause = if plan.stage(to).is_some() {
        plan.schedule.pause_between_stages
    } else {
        Span::ZERO
    };
    assert!(
        pause.after(stage.duration.after(effective)) <= *at,
        "left too early"
    );
    if plan.stage(to).is_none() && plan.schedule.monitor_after > Span::ZERO {
        let since = before.monitoring.expect("completed unwatched");
        assert!(
            plan.schedule.monitor_after.after(since) <= *at,
            "completed too early"
        );
    }
    if plan
        .stage(to)
        .is_some_and(|next| next.wait_for_approval.is_some())
    {
        let given = before.approval.as_ref().expect("left without approval");
        assert_eq!((given.stage, &given.plan_digest), (to, &before.start.plan_digest));
        assert_ne!(given.by, before.start.by);
        assert!(Span::seconds(120).after(given.at) > *at);
    }
    for rule in &plan.safety.rules {
        let memory = &taken.after.rules[&rule.name];
        assert_eq!(
            memory.looks.back(),
            Some(&Verdict::Healthy),
            "{} is not healthy",
            rule.name
        );
        assert!(memory.bad() < rule.trip.need, "{} is tripped", rule.name);
        let look = &taken.observed.looks[&rule.name];
        assert_eq!(look.verdict, Verdict::Healthy);
        assert!(
            rule.window.before(look.at) >= effective,
            "{} was judged on another stage",
            rule.name
        );
        assert!(
            rule.interval.times(2).plus(Span::seconds(5)).after(look.at) >= *at,
            "{} is old news",
            rule.name
        );
    }
}

/// What holds of the whole story.
fn check_story(world: &Simulation) {
    assert_eq!(
        world.replay().unwrap(),
        world.rollout,
        "replay tells another story"
    );
    for pair in world.taken.windows(2) {
        let (one, other) = (&pair[0], &pair[1]);
        if one.input == other.input {
            let advanced = |taken: &Taken| taken.after.stage() > taken.before.stage();
            assert!(!(advanced(one) && advanced(other)), "one look, two stages");
        }
    }
    if let Phase::Ended { ending, .. } = world.rollout.phase {
        assert_eq!(world.flag.pin, None, "the flag is let go");
        let start = &world.rollout.start;
        let serves = if ending == Ending::Completed {
            &start.candidate
        } else {
            &start.safe
        };
        assert_eq!(world.flag.flag.fallback().unwrap().variations(), [serves]);
        let last = world.taken.iter().find(|taken| taken.after.has_ended()).unwrap();
        if ending != Ending::Completed {
            assert!(
                matches!(last.before.phase, Phase::RollingBack { .. }),
                "ended before it was confirmed"
            );
        }
    } else {
        assert!(world.flag.pin.is_some());
    }
    // The journal stays small: looks are told only while what they say changes.
    for rule in &world.rollout.start.plan.safety.rules {
        let saturated = world.journal.windows(2).filter(|pair| {
            let [
                (_, _, Change::Rollout(RolloutChange::Looked(one))),
                (_, _, Change::Rollout(RolloutChange::Looked(other))),
            ] = pair
            else {
                return false;
            };
            one.rule == rule.name
                && (one.at, one.verdict, &one.rule) == (other.at, other.verdict, &other.rule)
        });
        assert_eq!(saturated.count(), 0, "the same look twice in the journal");
    }
}

/// What happens to a rollout by some policy. Whatever happens may always happen next: nothing of a model is needed
/// to say what may follow.
#[derive(Debug)]
struct Attack;

impl ReferenceStateMachine for Attack {
    type State = Policy;
    type Transition = Event;

    fn init_state() -> BoxedStrategy<Policy> {
        policies().boxed()
    }

    fn transitions(_policy: &Policy) -> BoxedStrategy<Event> {
        event().boxed()
    }

    fn apply(policy: Policy, _event: &Event) -> Policy {
        policy
    }
}

/// A rollout under attack.
struct Attacked {
    world: Simulation,
    /// How many of its steps hold what must hold.
    checked: usize,
}

impl StateMachineTest for Attacked {
    type SystemUnderTest = Self;
    type Reference = Attack;

    fn init_test(policy: &Policy) -> Self {
        let world = beside::start(policy);
        // The first step is the start itself.
        Self { world, checked: 1 }
    }

    fn apply(mut attacked: Self, _policy: &Policy, event: Event) -> Self {
        let world = &mut attacked.world;
        happen(world, &event);
        for taken in &world.taken[attacked.checked..] {
            check(taken);
        }
        attacked.checked = world.taken.len();
        // A step is a function: the same again gives the same again.
        let once = step(&world.rollout, &world.observed, &Input::Wake, world.now).unwrap();
        let again = step(&world.rollout, &world.observed, &Input::Wake, world.now).unwrap();
        assert_eq!(once, again);
        attacked
    }

    fn teardown(attacked: Self, _policy: Policy) {
        check_story(&attacked.world);
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 20_000, max_shrink_iters: 5000, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_under_random_attack(sequential 1..60 => Attacked);
}
