//! What always holds, whatever the policy, the numbers, the nodes and the people do.

use crate::policy_text::policy;
use crate::simulation::{Answer, Simulation, Taken, monday};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tidegate_decide::rollout::{Input, step};
use tidegate_decide::step::Effect;
use tidegate_model::access::Role;
use tidegate_model::change::Change;
use tidegate_model::key::RuleName;
use tidegate_model::policy::{Action, Policy};
use tidegate_model::rollout::{Ending, PauseOwner, Phase, RolloutChange, RolloutCommand};
use tidegate_model::share::Share;
use tidegate_model::span::Span;
use tidegate_model::verdict::{UnknownReason, Verdict};

/// Something that happens to a rollout.
#[derive(Debug, Clone)]
enum Event {
    Run(u64, Vec<Answer>),
    Down(u64, Vec<Answer>),
    /// The newest look comes once more.
    Again,
    /// Someone wakes it for nothing.
    Wake,
    Follow(usize, bool),
    Gone(usize),
    Join(usize),
    ClockBack(i64),
    Command(RolloutCommand, bool),
    /// An alert fires.
    Fires(usize, usize),
    /// It is over.
    Over(usize),
    /// The watchdog is heard.
    Beats,
}

const ALERTS: [&str; 2] = ["a0", "a1"];
const LABELS: [&str; 4] = [
    "tidegate_flag=checkout",
    "service=shop",
    "severity=page",
    "tidegate_flag=other",
];

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const RULES: [&str; 3] = ["r0", "r1", "r2"];

fn policies() -> impl Strategy<Value = Policy> {
    let stage = (
        1u32..40,
        prop::bool::weighted(0.2),
        prop::option::weighted(0.3, 1u64..120),
    );
    let rule = (
        (5u64..90, 3u64..20, 1u32..5, 1u32..5),
        prop::sample::select(vec!["alert", "pause", "retreat", "rollback"]),
        prop::sample::select(vec!["hold", "hold", "hold", "healthy", "breached"]),
        any::<bool>(),
    );
    (
        prop::collection::vec(stage, 1..5),
        prop::collection::vec(rule, 1..=RULES.len()),
        (prop::option::weighted(0.2, 10u64..60), prop::sample::select(vec!["", "alert do pause", "alert do pause\nalert service=shop do retreat", "alert do alert\nalert severity=page do rollback"])),
        (20u64..200, prop::sample::select(vec!["hold", "pause", "retreat", "rollback"]), 0u64..30),
    )
        .prop_map(|(stages, rules, (watchdog, alerts), (blind, then, between))| {
            let mut text = format!("blind {blind}s {then}\nbetween {between}s\n{alerts}\n");
            if let Some(every) = watchdog {
                text.push_str(&format!("watchdog {every}s\n"));
            }
            let count = stages.len();
            for (index, (duration, approval, healthy)) in stages.into_iter().enumerate() {
                let percentage = 100 * (index + 1) / count;
                text.push_str(&format!("stage s{index} {percentage} for {}s", duration * 5));
                if approval && index > 0 {
                    text.push_str(" approval approver expires 2m");
                }
                if let Some(seconds) = healthy {
                    text.push_str(&format!(" healthy r0 {seconds}s"));
                }
                text.push('\n');
            }
            for (index, ((window, every, of, need), action, timeout, hysteresis)) in rules.into_iter().enumerate() {
                let clear = if hysteresis { "0.5" } else { "1" };
                let need = need.min(of);
                text.push_str(&format!(
                    "rule r{index} > 1 clear {clear} window {window}s every {every}s trip {need}/{of} {action} \
                     timeout={timeout}\n"
                ));
            }
            policy(&text)
        })
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let answer = prop_oneof![
        12 => Just(Answer::Value(0.1)),
        1 => Just(Answer::Value(0.7)),
        2 => Just(Answer::Value(2.0)),
        1 => Just(Answer::Unknown(UnknownReason::Timeout)),
        1 => Just(Answer::Unknown(UnknownReason::NoSeries)),
        1 => Just(Answer::Silence),
    ];
    prop_oneof![
        3 => Just(vec![Answer::Value(0.1); RULES.len()]),
        1 => prop::collection::vec(answer, RULES.len()),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let word = || prop::sample::select(vec!["", "because"]).prop_map(str::to_owned);
    let owner = prop::sample::select(vec![
        "operator", "blind", "rule:r0", "rule:r1", "rule:r2", "alert:a0", "alert:a1",
    ])
    .prop_map(|owner| owner.to_owned().try_into().unwrap());
    let stage = prop::sample::select(vec!["s0", "s1", "s2", "s3"]);
    let command = prop_oneof![
        3 => word().prop_map(|reason| RolloutCommand::Pause { reason }),
        6 => (owner, word()).prop_map(|(owner, reason)| RolloutCommand::Resume { owner, reason }),
        6 => stage.prop_map(|stage| RolloutCommand::Approve { stage: stage.parse().unwrap() }),
        2 => word().prop_map(|reason| RolloutCommand::Retreat { reason }),
        1 => word().prop_map(|reason| RolloutCommand::Rollback { reason }),
        1 => word().prop_map(|reason| RolloutCommand::Abort { reason }),
    ];
    let event = prop_oneof![
        20 => (1u64..180, answers()).prop_map(|(seconds, answers)| Event::Run(seconds, answers)),
        2 => (1u64..2000, answers()).prop_map(|(seconds, answers)| Event::Down(seconds, answers)),
        3 => Just(Event::Again),
        2 => Just(Event::Wake),
        2 => (0..NODES.len(), any::<bool>()).prop_map(|(node, follows)| Event::Follow(node, follows)),
        1 => (0..NODES.len()).prop_map(Event::Gone),
        3 => (0..NODES.len()).prop_map(Event::Join),
        1 => (1i64..500).prop_map(Event::ClockBack),
        4 => (0..ALERTS.len(), 0..LABELS.len()).prop_map(|(alert, labels)| Event::Fires(alert, labels)),
        4 => (0..ALERTS.len()).prop_map(Event::Over),
        4 => Just(Event::Beats),
        8 => (command, any::<bool>()).prop_map(|(command, other)| Event::Command(command, other)),
    ];
    prop::collection::vec(event, 1..60)
}

fn happen(world: &mut Simulation, event: &Event) {
    match event {
        Event::Run(seconds, answers) => {
            answer(world, answers);
            world.run(Span::seconds(*seconds));
        }
        Event::Down(seconds, answers) => {
            answer(world, answers);
            world.now = Span::seconds(*seconds).after(world.now);
            world.restart();
        }
        Event::Again => {
            let last = world
                .taken
                .iter()
                .rev()
                .find(|taken| matches!(taken.input, Input::Looked(_)));
            if let Some(input) = last.map(|taken| taken.input.clone()) {
                world.feed(input).unwrap();
            }
        }
        Event::Wake => world.feed(Input::Wake).unwrap(),
        Event::Follow(node, follows) => {
            if let Some(node) = world.nodes.get_mut(NODES[*node]) {
                node.follows = *follows;
            }
            world.publish();
        }
        Event::Gone(node) => {
            world.nodes.remove(NODES[*node]);
        }
        Event::Join(node) => world.join(NODES[*node]),
        Event::ClockBack(seconds) => {
            world.now -= chrono::TimeDelta::seconds(*seconds);
            world.feed(Input::Wake).unwrap();
        }
        Event::Fires(alert, labels) => world.fires(ALERTS[*alert], LABELS[*labels]),
        Event::Over(alert) => {
            if world.known_alerts.contains_key(ALERTS[*alert]) {
                world.over(ALERTS[*alert]);
            }
        }
        Event::Beats => world.beats(),
        Event::Command(command, other) => {
            let (name, role) = if *other {
                ("carol", Role::Approver)
            } else {
                ("alice", Role::Operator)
            };
            // A refusal changes nothing, and that is checked like everything else.
            let before = world.rollout.clone();
            if world.command(command.clone(), name, role).is_err() {
                assert_eq!(world.rollout, before);
            }
        }
    }
}

fn answer(world: &mut Simulation, answers: &[Answer]) {
    for (rule, answer) in RULES.iter().zip(answers) {
        world.answers.insert(RuleName::new(rule).unwrap(), *answer);
    }
}

/// What holds of every single step.
fn check(taken: &Taken) {
    let Taken {
        at,
        before,
        after,
        step,
        input,
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
    let visible = before.split() != after.split();
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
    check_tripped(taken);
}

/// What holds of a step from one stage to another, or out of the last.
fn check_move(taken: &Taken) {
    let Taken { before, after, .. } = taken;
    match (before.stage(), after.stage()) {
        (Some(from), Some(to)) if to > from => check_advance(taken, from, to),
        (Some(from), Some(to)) if to < from => {
            assert_eq!(after.proven_stage, to.checked_sub(1));
            assert!(!after.pauses.is_empty(), "a retreat waits for a person");
            check_alert(taken);
        }
        (Some(from), None) if after.has_ended() => {
            assert_eq!(after.share, Share::ALL);
            check_advance(taken, from, after.start.plan.schedule.stages.len());
        }
        (Some(_), None) => {
            assert_eq!(after.share, Share::ZERO);
            check_alert(taken);
        }
        (None, Some(_)) => panic!("nothing comes back from a rollback: {}", taken.step.because),
        _ => {}
    }
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
        let tripped = memory.bad() >= rule.trip.need;
        let paused = taken
            .after
            .pauses
            .contains_key(&PauseOwner::Rule(rule.name.clone()));
        match rule.action {
            Action::Rollback | Action::Retreat => {
                assert!(!tripped, "{} tripped and nothing happened", rule.name)
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
    for (fingerprint, (alert, _)) in &taken.observed.firing.alerts {
        let known = &before.alerts[fingerprint];
        assert!(
            known.overruled && known.starts == alert.starts,
            "left while {fingerprint} fires"
        );
    }
    if let Some(watchdog) = &before.start.plan.watchdog {
        let heard = taken.observed.firing.watchdog_heard.expect("left unheard");
        assert!(
            watchdog.patience().after(heard) > *at,
            "left while alerts are silent"
        );
    }
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
    assert_eq!(world.replay(), world.rollout, "replay tells another story");
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_under_random_attack(policy in policies(), events in events()) {
        let mut world = Simulation::start(&policy, monday()).unwrap();
        // The first step is the start itself.
        let mut checked = 1;
        for event in &events {
            happen(&mut world, event);
            for taken in &world.taken[checked..] {
                check(taken);
            }
            checked = world.taken.len();
            // A step is a function: the same again gives the same again.
            let once = step(&world.rollout, &world.observed, &Input::Wake, world.now).unwrap();
            prop_assert_eq!(&once, &step(&world.rollout, &world.observed, &Input::Wake, world.now).unwrap());
        }
        check_story(&world);
    }
}
