//! Whatever may happen to a rollout, at random: policies, numbers, nodes, people, alerts, gates.

use crate::beside::{self, Move};
use crate::policy_text::policy;
use crate::simulation::{Answer, Simulation, gate, labelled, pass, person};
use proptest::prelude::*;
use tidegate_decide::rollout::{Input, Question};
use tidegate_model::access::Role;
use tidegate_model::flag::Flag;
use tidegate_model::freeze::Frozen;
use tidegate_model::key::RuleName;
use tidegate_model::policy::Policy;
use tidegate_model::rollout::{Phase, RolloutCommand};
use tidegate_model::span::Span;
use tidegate_model::verdict::UnknownReason;

/// Something that happens to a rollout.
#[derive(Debug, Clone)]
pub(crate) enum Event {
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
    /// From now on the gate says this.
    Gate(&'static str),
    /// A question of old is answered with a pass.
    LatePass(usize),
    /// The line is stopped, or goes on.
    Freeze(bool),
    /// Somebody wants another plan.
    Amend(usize),
    /// Somebody else approves it.
    ApprovePlan,
    /// Another rollout moves.
    Other(Move),
    /// Somebody wants other stages ahead, this many seconds each.
    Accelerate(u64),
    /// Somebody edits the flag: its words, or who gets what.
    EditFlag(bool),
}

/// What other plans change of the one that is followed.
const AMENDMENTS: [fn(&mut Policy); 5] = [
    |plan| plan.safety.rules[0].threshold /= 2.0,
    |plan| plan.safety.rules[0].threshold *= 2.0,
    |plan| plan.schedule.pause_between_stages = Span::seconds(20),
    |plan| plan.schedule.monitor_after = Span::seconds(60),
    |plan| {
        plan.schedule
            .stages
            .iter_mut()
            .for_each(|stage| stage.duration = Span::seconds(30))
    },
];

const ALERTS: [&str; 2] = ["a0", "a1"];
const LABELS: [&str; 4] = [
    "tidegate_flag=checkout",
    "service=shop",
    "severity=page",
    "tidegate_flag=other",
];

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const RULES: [&str; 3] = ["r0", "r1", "r2"];

pub(crate) fn policies() -> impl Strategy<Value = Policy> {
    let stage = (
        1u32..40,
        prop::bool::weighted(0.2),
        prop::option::weighted(0.3, 1u64..120),
        prop::option::weighted(0.2, 10u64..100),
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
        (prop::option::weighted(0.3, 1u64..300), prop::option::weighted(0.3, 0usize..4)),
        beside::lines(),
    )
        .prop_map(|(stages, rules, (watchdog, alerts), (blind, then, between), (monitor, no_return), others)| {
            let mut text = format!("blind {blind}s {then}\nbetween {between}s\n{alerts}\n{others}\n");
            if let Some(every) = watchdog {
                text.push_str(&format!("watchdog {every}s\n"));
            }
            if let Some(monitor) = monitor {
                text.push_str(&format!("monitor {monitor}s\n"));
            }
            let count = stages.len();
            for (index, (duration, approval, healthy, gate)) in stages.into_iter().enumerate() {
                let percentage = 100 * (index + 1) / count;
                text.push_str(&format!("stage s{index} {percentage} for {}s", duration * 5));
                if approval && index > 0 {
                    text.push_str(" approval approver expires 2m");
                }
                if let (Some(deadline), 1..) = (gate, index) {
                    text.push_str(&format!(" gate change {deadline}s"));
                }
                if let Some(seconds) = healthy {
                    text.push_str(&format!(" healthy r0 {seconds}s"));
                }
                if no_return == Some(index) {
                    text.push_str(" no-return");
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

pub(crate) fn event() -> impl Strategy<Value = Event> {
    let word = || prop::sample::select(vec!["", "because"]).prop_map(str::to_owned);
    let owner = prop::sample::select(vec![
        "operator",
        "blind",
        "rule:r0",
        "rule:r1",
        "rule:r2",
        "alert:a0",
        "alert:a1",
        "gate:change",
        "gate:change",
        "dependency:x",
        "dependency:y",
        "interlock:w",
    ])
    .prop_map(|owner| owner.to_owned().try_into().unwrap());
    let stage = prop::sample::select(vec!["s0", "s1", "s2", "s3"]);
    let command = prop_oneof![
        3 => word().prop_map(|reason| RolloutCommand::Pause { reason }),
        6 => (owner, word()).prop_map(|(owner, reason)| RolloutCommand::Resume { owner, reason }),
        6 => stage.prop_map(|stage| RolloutCommand::Approve { stage: stage.parse().unwrap(), plan: None }),
        2 => word().prop_map(|reason| RolloutCommand::Retreat { reason }),
        1 => Just(RolloutCommand::WithdrawPlan),
        1 => (word(), any::<bool>()).prop_map(|(reason, past_no_return)| RolloutCommand::Rollback { reason, past_no_return }),
        1 => word().prop_map(|reason| RolloutCommand::Rollback { reason, past_no_return: false }),
        1 => word().prop_map(|reason| RolloutCommand::Abort { reason, past_no_return: false }),
    ];
    prop_oneof![
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
        4 => prop::sample::select(vec!["pass", "pass", "hold x", "hold y", "fail no", "gone", "html", "error", "huge", "wrong"]).prop_map(Event::Gate),
        2 => (0usize..4).prop_map(Event::LatePass),
        3 => prop::bool::weighted(0.3).prop_map(Event::Freeze),
        2 => (0..AMENDMENTS.len()).prop_map(Event::Amend),
        2 => Just(Event::ApprovePlan),
        6 => beside::moves().prop_map(Event::Other),
        2 => (1u64..100).prop_map(Event::Accelerate),
        2 => any::<bool>().prop_map(Event::EditFlag),
        8 => (command, any::<bool>()).prop_map(|(command, other)| Event::Command(command, other)),
    ]
}

pub(crate) fn happen(world: &mut Simulation, event: &Event) {
    match event {
        Event::Run(seconds, answers) => {
            answer(world, answers);
            world.run(Span::seconds(*seconds)).unwrap();
        }
        Event::Down(seconds, answers) => {
            answer(world, answers);
            world.now = Span::seconds(*seconds).after(world.now);
            world.restart().unwrap();
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
        Event::Join(node) => world.join(NODES[*node]).unwrap(),
        Event::ClockBack(seconds) => {
            world.now -= chrono::TimeDelta::seconds(*seconds);
            world.feed(Input::Wake).unwrap();
        }
        Event::Fires(alert, labels) => world.fires(ALERTS[*alert], labelled(LABELS[*labels])).unwrap(),
        Event::Over(alert) => {
            world.over(ALERTS[*alert]).unwrap();
        }
        Event::Beats => world.beats(false).unwrap(),
        Event::Gate(says) => gate(world, "change", says),
        Event::LatePass(index) => late_pass(world, *index),
        Event::Other(other) => beside::happen(world, other),
        Event::Freeze(_)
        | Event::Amend(_)
        | Event::ApprovePlan
        | Event::Accelerate(_)
        | Event::EditFlag(_) => steer(world, event),
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

/// Stops the line or lets it go on, or has the rollout follow another plan.
fn steer(world: &mut Simulation, event: &Event) {
    match event {
        Event::Freeze(stops) => {
            world.frozen = stops.then(|| Frozen {
                reason: "fire".to_owned(),
                by: person("ops", Role::Operator),
                since: world.now,
            });
            world.feed(Input::Wake).unwrap();
        }
        Event::Amend(which) => {
            let mut policy = Policy::clone(&world.rollout.start.plan);
            AMENDMENTS[*which](&mut policy);
            let amend = Input::Amend {
                policy: Box::new(policy),
                editor: None,
                by: person("bob", Role::Operator),
            };
            unless_refused(world, amend);
        }
        Event::Accelerate(seconds) => {
            let stages = format!("stage fast 70 for {seconds}s\nstage all 100 for {seconds}s");
            let stages = policy(&stages).schedule.stages;
            let by = person("bob", Role::Operator);
            unless_refused(world, Input::Accelerate { stages, by });
        }
        Event::EditFlag(words) => {
            let before = world.flag.flag.clone();
            let mut definition = before.definition().clone();
            if *words {
                definition.description.push('x');
            } else {
                let individual = format!(
                    r#"{{"units":["u{}"],"variation":"on"}}"#,
                    definition.individuals.len()
                );
                definition
                    .individuals
                    .push(serde_json::from_str(&individual).unwrap());
            }
            let after = Flag::new(definition).unwrap();
            let by = person("erin", Role::Editor);
            unless_refused(world, Input::FlagEdited { before, after, by });
        }
        Event::ApprovePlan => {
            let proposal = world.rollout.proposal.as_ref();
            if let Some(plan) = proposal.map(|proposal| proposal.digest.clone()) {
                let before = world.rollout.clone();
                let approve = RolloutCommand::ApprovePlan { plan };
                if world.command(approve, "carol", Role::Approver).is_err() {
                    assert_eq!(world.rollout, before);
                }
            }
        }
        _ => {}
    }
}

/// Lets it happen; a refusal changes nothing.
fn unless_refused(world: &mut Simulation, input: Input) {
    let before = (world.rollout.clone(), world.flag.clone());
    if world.feed(input).is_err() {
        assert_eq!((&world.rollout, &world.flag), (&before.0, &before.1));
    }
}

/// Answers a question about another stage, or about the same one before a retreat.
fn late_pass(world: &mut Simulation, index: usize) {
    // Only the questions about other stages, or the same one before a retreat.
    let late = world.questions.iter().rev().filter(|question| {
        world.rollout.next_stage() != Some(question.stage)
            || !matches!(world.rollout.phase, Phase::Running { since, .. } if since == question.entered)
    });
    let late: Vec<Question> = late.cloned().collect();
    if let Some(question) = late.get(index) {
        let answers = |world: &Simulation| -> Vec<_> {
            world
                .rollout
                .gates
                .values()
                .map(|gate| gate.answer.clone())
                .collect()
        };
        let before = answers(world);
        let pass = world.answered(question, &pass());
        world.feed(pass).unwrap();
        assert_eq!(answers(world), before, "an answer that came too late was heard");
    }
}

fn answer(world: &mut Simulation, answers: &[Answer]) {
    for (rule, answer) in RULES.iter().zip(answers) {
        world.answers.insert(RuleName::new(rule).unwrap(), *answer);
    }
}
