//! Optimal schedules: they keep what was asked for, nothing on the grid is faster, and they can be pasted.
#![cfg(test)]

use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegate_model::policy::{Policy, read};
use tidegate_model::share::Share;
use tidegate_model::span::Span;
use tidegate_simulate::calendar::Calendar;
use tidegate_simulate::lint::lint;
use tidegate_simulate::lint::sight::POWER;
use tidegate_simulate::optimise::{Optimum, Unable, Wish, optimise};
use tidegate_simulate::story::moment;

fn text(per_minute: u32, schedule: &str) -> String {
    format!(
        "apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: tested\ntraffic: {{ perMinute: {per_minute}, baseline: {{ worse: \
         1% }} }}\n{schedule}safety:\n  rules:\n    - {{ name: errors, query: 'sum(rate(x{{v=\"{{{{variation}}}}\"}}[{{{{window}}}}]))', \
         threshold: 2% }}\n    - name: worse\n      compare:\n        candidate: {{ errors: 'e{{v=\"{{{{variation}}}}\"}}', requests: \
         'r{{v=\"{{{{variation}}}}\"}}' }}\n        baseline: {{ errors: 'e{{v=\"{{{{baseline}}}}\"}}', requests: \
         'r{{v=\"{{{{baseline}}}}\"}}' }}\n        method: sequential\n"
    )
}

fn policy(text: &str) -> Policy {
    let (policy, findings) = read::read(text);
    policy.unwrap_or_else(|| panic!("{findings:?}\n{text}"))
}

fn shares(percent: &[f64]) -> Vec<Share> {
    percent
        .iter()
        .map(|one| Share::of_percent(*one).expect("a share"))
        .collect()
}

fn wish(detect: f64) -> Wish {
    Wish {
        starts: moment("2026-01-05 08:00").expect("a moment"),
        shares: shares(&[1.0, 5.0, 20.0, 50.0, 100.0]),
        first: Share::of_percent(5.0).expect("a share"),
        growth: 10.0,
        step: Span::seconds(300),
        longest: Span::seconds(24 * 3600),
        detect: BTreeMap::from([("worse".parse().expect("a name"), detect)]),
        users: 1000,
        exposure: None,
    }
}

fn best(policy: &Policy, wish: &Wish) -> Result<Optimum, Unable> {
    optimise(policy, policy.traffic.as_ref().expect("declared"), wish)
}

const SCHEDULE: &str = "schedule:
  type: custom
  stages:
    - { name: a, percentage: 1, duration: 15m }
    - { name: b, percentage: 40, duration: 1h, waitForApproval: { roles: [approver], expires: 8d }, gate: { target: change } }
    - { name: c, percentage: 100, duration: 1h, successCriteria: [{ rule: errors, healthyFor: 10m }], pointOfNoReturn: true }
  pauseBetweenStages: 90s
  windows:
    - { allow: '0 9 * * Mon-Thu', for: 8h, timezone: Europe/Paris, reason: 'office \"hours\"' }
    - { deny: '0 12 * * 0,3', for: 1h }
  freezes: [{ from: 2026-12-24, to: 2027-01-02, timezone: Europe/Paris, reason: holidays }]
  monitorAfter: 1h 30m
  bakeMustFit: true
";

#[test]
fn what_is_printed_can_be_pasted() {
    let policy = policy(&text(60_000, SCHEDULE));
    let found = best(&policy, &wish(0.03)).expect("there is one");
    let pasted = self::policy(&text(60_000, &found.yaml()));
    assert_eq!(pasted.schedule, found.schedule, "{}", found.yaml());
    let half = pasted
        .schedule
        .stages
        .iter()
        .find(|stage| stage.percentage.percent() >= 40.0);
    let half = half.expect("a stage");
    assert!(
        half.wait_for_approval.is_some() && half.gates.len() == 1,
        "{}",
        found.yaml()
    );
    assert_eq!(best(&policy, &wish(0.03)), Ok(found), "the same again");
}

#[test]
fn what_cannot_be_is_said() {
    let policy = policy(&text(60, ""));
    let unable = best(&policy, &wish(0.011))
        .expect_err("too little traffic")
        .to_string();
    assert!(
        unable.contains("worse") && unable.contains("5 % sees"),
        "{unable}"
    );
    let policy = self::policy(&text(600_000, ""));
    let tight = Wish {
        exposure: Some(1.0),
        ..wish(0.05)
    };
    let unable = best(&policy, &tight)
        .expect_err("nothing is that little")
        .to_string();
    assert!(unable.contains("the least exposed has"), "{unable}");
}

/// User-minutes before everybody has it, worked out another way.
fn exposed(policy: &Policy, wish: &Wish) -> f64 {
    let calendar = Calendar::of(policy, wish.starts, None);
    let stages = calendar.stages.iter().filter(|stage| stage.share < Share::ALL);
    stages
        .map(|stage| {
            let stay = stage.best.expect("reached");
            let minutes = Span::between(stay.opens, stay.left.expect("left")).as_seconds() / 60.0;
            wish.users as f64 * stage.share.percent() / 100.0 * minutes
        })
        .sum()
}

/// Every schedule of the grid with stages of up to `most` steps: the shares in order, each in or out.
fn grid(wish: &Wish, most: u32) -> Vec<Vec<(Share, Span)>> {
    let mut all: Vec<Vec<(Share, Span)>> = vec![Vec::new()];
    for share in &wish.shares {
        let mut next = Vec::new();
        for way in &all {
            if *share < Share::ALL {
                next.push(way.clone());
            }
            for steps in 1..=most {
                let mut way = way.clone();
                way.push((*share, wish.step.times(steps)));
                next.push(way);
            }
        }
        all = next;
    }
    all
}

/// Whether a schedule keeps what was asked for, and when it completes.
fn keeps(policy: &Policy, way: &[(Share, Span)], wish: &Wish) -> Option<tidegate_model::Timestamp> {
    let first = way.first()?;
    let grows = way
        .windows(2)
        .all(|pair| f64::from(pair[1].0.parts()) <= wish.growth * f64::from(pair[0].0.parts()));
    if first.0 > wish.first || !grows {
        return None;
    }
    let mut policy = policy.clone();
    let template = policy.schedule.stages[0].clone();
    policy.schedule.stages = way
        .iter()
        .enumerate()
        .map(|(index, (share, duration))| tidegate_model::policy::Stage {
            name: format!("s{index}").parse().expect("a name"),
            percentage: *share,
            wave: None,
            duration: *duration,
            ..template.clone()
        })
        .collect();
    let detect = wish.detect.values().copied().next().expect("asked");
    let sight = lint(&policy, wish.starts).sight;
    let unseen = sight.iter().zip(way).any(|(sight, (share, _))| {
        *share < Share::ALL && sight.smallest.is_none_or(|smallest| smallest > detect)
    });
    let short = way
        .iter()
        .any(|(_, duration)| *duration < policy.longest_window());
    let finish = Calendar::of(&policy, wish.starts, None).best.finish?;
    let over = wish.exposure.is_some_and(|most| exposed(&policy, wish) > most);
    (!unseen && !short && !over).then_some(finish)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// It keeps everything, and nothing on the grid that keeps everything is faster.
    #[test]
    fn nothing_is_faster(
        per_minute in 2_000..60_000_u32, detect in 0.02..0.2_f64, exposure in prop::option::of(100.0..20_000.0_f64),
        window in prop::option::of((0..24_u32, 1..24_u32)), fit in any::<bool>(), start in 0..24_u32,
    ) {
        let windows = window.map_or_else(String::new, |(hour, length)| {
            format!("  windows: [{{ allow: '0 {hour} * * *', for: {length}h }}]\n")
        });
        let stages = "schedule:\n  type: custom\n  stages: [{ name: a, percentage: 100, duration: 5m }]\n";
        let policy = policy(&text(per_minute, &format!("{stages}{windows}  bakeMustFit: {fit}\n")));
        let wish = Wish {
            starts: Span::seconds(u64::from(start) * 3600).after(moment("2026-01-05").expect("a moment")),
            shares: shares(&[1.0, 10.0, 50.0, 100.0]),
            first: Share::of_percent(10.0).expect("a share"),
            longest: Span::seconds(4 * 300),
            exposure,
            ..wish(detect)
        };
        let fastest = grid(&wish, 4).iter().filter_map(|way| keeps(&policy, way, &wish)).min();
        match best(&policy, &wish) {
            Err(_) => prop_assert_eq!(fastest, None),
            Ok(found) => {
                let way: Vec<_> = found.schedule.stages.iter().map(|stage| (stage.percentage, stage.duration)).collect();
                prop_assert_eq!(keeps(&policy, &way, &wish), Some(found.finish));
                prop_assert_eq!(fastest, Some(found.finish));
                prop_assert!(exposure.is_none_or(|most| found.exposure <= most));
                prop_assert!(found.why.iter().all(|why| why.sees.values().all(|(_, chance)| *chance >= POWER)));
            }
        }
    }
}
