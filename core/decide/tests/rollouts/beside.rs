//! Other rollouts beside the one under attack: where they may be, and what always holds of them.

use crate::simulation::{Simulation, Taken, monday};
use proptest::prelude::*;
use tidegate_decide::neighbour::{Neighbour, Standing, shared};
use tidegate_model::alert::Labels;
use tidegate_model::policy::{DependencyKind, Policy};
use tidegate_model::rollout::{Ending, GivenWay, Phase, RolloutChange};
use tidegate_model::share::Share;
use tidegate_model::span::Span;
use tidegate_model::verdict::Verdict;
use tidegate_simulate::others::{Other, completed};
use tidegate_simulate::setting::Setting;

/// The rollouts that policies under attack wait for, and one that shares something with them.
const NAMES: [&str; 4] = ["x", "y", "z", "w"];

/// Lines of a policy that have something to do with other rollouts.
pub(crate) fn lines() -> impl Strategy<Value = String> {
    let some = |line: &'static str, weight: f64| {
        prop::bool::weighted(weight).prop_map(move |there| if there { line } else { "" })
    };
    (
        some("after x\n", 0.15),
        some("with y\n", 0.15),
        some("not-with z\n", 0.15),
        some("interlock service=shop\n", 0.3),
        some("edits refuse\n", 0.2),
        some("quorum 60 requests\n", 0.2),
        some("exposure 1000 minutes 500 pause\n", 0.2),
    )
        .prop_map(|(after, with, not_with, interlock, edits, quorum, exposure)| {
            format!("{after}{with}{not_with}{interlock}{edits}{quorum}{exposure}")
        })
}

/// What becomes of another rollout.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    who: usize,
    standing: Standing,
    percent: u32,
    proven: u32,
    effective: bool,
    blames: bool,
}

pub(crate) fn moves() -> impl Strategy<Value = Move> {
    let standing = prop_oneof![
        1 => Just(Standing::Waiting),
        4 => Just(Standing::Open),
        1 => Just(Standing::RollingBack),
        3 => Just(Standing::Ended(Ending::Completed)),
        1 => Just(Standing::Ended(Ending::RolledBack)),
    ];
    let parts = (
        0..NAMES.len(),
        standing,
        1u32..=100,
        0u32..=100,
        prop::bool::weighted(0.8),
        any::<bool>(),
    );
    parts.prop_map(|(who, standing, percent, proven, effective, blames)| Move {
        who,
        standing,
        percent,
        proven: proven.min(percent),
        effective,
        blames,
    })
}

pub(crate) fn happen(world: &mut Simulation, event: &Move) {
    let percent = |percent: u32| Share::of_percent(f64::from(percent)).unwrap();
    let done = matches!(event.standing, Standing::Ended(Ending::Completed));
    let shares = Labels([("service".to_owned(), ["shop".to_owned()].into())].into());
    let other = Other {
        name: NAMES[event.who].parse().unwrap(),
        standing: event.standing,
        share: percent(event.percent),
        proven: if done { Share::ALL } else { percent(event.proven) },
        shares: if event.who == 3 { shares } else { Labels::default() },
    };
    let mut seen = other.seen(world.now).unwrap();
    if matches!(
        event.standing,
        Standing::RollingBack | Standing::Ended(Ending::RolledBack)
    ) {
        seen.undone = Some(world.now);
    }
    if !event.effective {
        seen.effective = None;
    }
    if event.blames && event.standing == Standing::Open {
        seen.gives_way = Some(GivenWay {
            to: world.rollout.start.id.clone(),
            advance: world.rollout.opened.last().copied(),
            rules: ["r0".parse().unwrap()].into(),
            passed: [].into(),
            since: world.now,
        });
    }
    world.move_other(seen).unwrap();
}

/// Starts by `policy` while one that it may have to keep away from is open.
pub(crate) fn start(policy: &Policy) -> Simulation {
    let now = monday();
    let mut others = completed(policy, now);
    let open = Other {
        name: "z".parse().unwrap(),
        standing: Standing::Open,
        share: Share::of_percent(10.0).unwrap(),
        proven: Share::ZERO,
        shares: Labels::default(),
    };
    let open = open.seen(now).unwrap();
    others.0.insert(open.id.clone(), open);
    let setting = Setting::of(policy).unwrap();
    Simulation::beside(&setting, policy, Default::default(), others, now).unwrap()
}

/// A stage opens only beside others that let it.
pub(crate) fn check_opening(taken: &Taken, to: usize) {
    let Taken { at, before, .. } = taken;
    let plan = &before.start.plan;
    let Some(next) = plan.stage(to) else {
        return;
    };
    assert_eq!(before.gives_way, None, "opened while it gives way");
    let others = &taken.observed.neighbours;
    for (how, name) in plan.dependencies.all() {
        let other = others.named(name);
        match how {
            DependencyKind::After => assert_eq!(
                other.expect("opened after nothing").standing,
                Standing::Ended(Ending::Completed),
                "opened before {name} has completed"
            ),
            DependencyKind::With => {
                let other = other.expect("opened with nothing");
                assert!(
                    !other.has_failed() && next.percentage <= other.proven,
                    "further than {name}"
                );
            }
            DependencyKind::NotWith => {
                let theirs = other.filter(|other| other.standing == Standing::Open);
                let first = before.opened.first();
                assert!(
                    theirs.is_none_or(|other| first.is_some_and(|first| *first <= other.opened[0])),
                    "open at the same time as {name}"
                );
            }
        }
    }
    for other in others.0.values().filter(|other| is_beside(plan, other)) {
        let window = plan.longest_window().max(other.window);
        let settled = other
            .effective
            .is_some_and(|effective| window.after(effective) <= *at);
        assert!(
            settled && other.standing == Standing::Open && other.gives_way.is_none(),
            "opened beside {other:?}"
        );
    }
}

fn is_beside(plan: &Policy, other: &Neighbour) -> bool {
    let open = matches!(other.standing, Standing::Open | Standing::RollingBack);
    open && !shared(&plan.interlock, &other.interlock).is_empty()
}

/// The first stage of one that waits opens by itself, unpaused and unfrozen.
pub(crate) fn check_first_opening(taken: &Taken) {
    if taken.before.is_waiting()
        && matches!(taken.after.phase, Phase::Running { .. })
        && !taken.after.is_waiting()
    {
        assert_eq!(taken.before.pauses.len(), 0);
        assert_eq!(taken.observed.frozen, None, "opened while frozen");
        check_opening(taken, 0);
    }
    if taken.after.is_waiting() {
        assert_eq!(taken.after.share, Share::ZERO);
        let measures = taken.step.changes.iter().any(|(_, change)| {
            matches!(
                change,
                tidegate_model::change::Change::Rollout(RolloutChange::Looked(_))
            )
        });
        assert!(!measures, "nothing is open, and so nothing is judged");
    }
}

/// Whether a rule that has tripped may go unpunished, for it is another rollout's turn.
pub(crate) fn gives_way(taken: &Taken, rule: &tidegate_model::policy::Rule) -> bool {
    let Taken { at, after, .. } = taken;
    if !rule.shared || after.start.plan.interlock.0.is_empty() {
        return false;
    }
    let memory = after.rules.get(&rule.name);
    if memory.and_then(|memory| memory.looks.back()) != Some(&Verdict::Breached) {
        return true;
    }
    let retreated = match after.phase {
        Phase::Running { since, .. } if after.retreated => Some(since),
        _ => None,
    };
    let given = after.gives_way.as_ref().map(|given| given.since);
    let window = after.start.plan.longest_window();
    let mut since = given.into_iter().chain(retreated);
    since.any(|since| *at < Span::seconds(90).plus(window).after(since))
}
