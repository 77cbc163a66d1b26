//! Single stages: how short they may be, and what they carry over.

use super::{Bound, Unable, Why, Wish, chances, name_of, part, sees};
use crate::lint::sight::{Eye, POWER, Percent};
use tidegate_model::policy::{Policy, Stage, Traffic};
use tidegate_model::share::Share;
use tidegate_model::span::Span;
use tidegate_stats::power;

/// The shortest stage of a share that sees all that is asked of it.
pub(super) struct Shortest {
    pub(super) share: Share,
    pub(super) duration: Span,
    pub(super) why: Why,
}

/// `None` if none does that is short enough.
pub(super) fn shortest(policy: &Policy, traffic: &Traffic, wish: &Wish, share: Share) -> Option<Shortest> {
    let window = policy.longest_window();
    let mut duration = wish.step;
    let mut bound = Bound::Window;
    loop {
        let stage = bare(share, duration)?;
        if duration >= window {
            if sees(policy, traffic, &stage, wish) {
                return Some(Shortest {
                    share,
                    duration,
                    why: why(policy, traffic, wish, &stage, bound),
                });
            }
            let blind = chances(policy, traffic, &stage, wish).find(|(_, _, chance)| *chance < POWER);
            if let Some((rule, ..)) = blind {
                bound = Bound::Rule(rule.clone());
            }
        }
        duration = duration.plus(wish.step);
        if duration > wish.longest {
            return None;
        }
    }
}

fn why(policy: &Policy, traffic: &Traffic, wish: &Wish, stage: &Stage, bound: Bound) -> Why {
    let minutes = stage.duration.as_seconds() / 60.0;
    let sees = chances(policy, traffic, stage, wish);
    Why {
        requests: (traffic.per_minute * minutes * part(stage.percentage)).floor(),
        sees: sees
            .map(|(rule, asked, chance)| (rule.clone(), (asked, chance)))
            .collect(),
        bound,
    }
}

/// What keeps any rollout from beginning.
pub(super) fn unseen(policy: &Policy, traffic: &Traffic, wish: &Wish) -> Unable {
    let widest = wish.shares.iter().filter(|share| **share <= wish.first).max();
    let stage = widest.and_then(|share| bare(*share, wish.longest));
    let found = stage.as_ref().and_then(|stage| {
        let (name, asked, _) =
            chances(policy, traffic, stage, wish).find(|(_, _, chance)| *chance < POWER)?;
        let eye = Eye::of(policy, stage, policy.rule(name)?, traffic)?;
        let from = power::smallest(eye.usual(), POWER, |rate| eye.chance(rate));
        Some(Unable::Unseen {
            first: wish.first,
            rule: name.clone(),
            asked,
            longest: wish.longest,
            from: match from {
                Some(from) => format!("{} sees from {} on", stage.percentage, Percent(from)),
                None => format!("{} sees nothing", stage.percentage),
            },
        })
    });
    found.unwrap_or(Unable::Nothing {
        compared: 0,
        least: format!(
            "no share is at most {}, or no stage is at most {}",
            wish.first, wish.longest
        ),
    })
}

fn bare(share: Share, duration: Span) -> Option<Stage> {
    Some(Stage {
        name: name_of(share)?,
        percentage: share,
        wave: None,
        duration,
        wait_for_approval: None,
        success_criteria: Vec::new(),
        gates: Vec::new(),
        point_of_no_return: false,
    })
}

/// New stages with what the old ones ask for: each of the old ones' approvals, gates, criteria and points of
/// no return is in the first new stage that opens as far. Nothing can be asked before the very first.
pub(super) fn carried(old: &[Stage], new: impl Iterator<Item = (Share, Span)>) -> Vec<Stage> {
    let mut old = old.iter().peekable();
    let mut carried = Vec::new();
    for (share, duration) in new {
        let Some(mut stage) = bare(share, duration) else {
            continue;
        };
        let mut later: Vec<&Stage> = Vec::new();
        while let Some(before) = old.next_if(|before| before.percentage <= share) {
            later.push(before);
        }
        for before in later {
            stage.wait_for_approval = before.wait_for_approval.clone().or(stage.wait_for_approval);
            stage
                .success_criteria
                .extend(before.success_criteria.iter().cloned());
            for gate in &before.gates {
                if !stage.gates.contains(gate) {
                    stage.gates.push(gate.clone());
                }
            }
            stage.point_of_no_return |= before.point_of_no_return;
        }
        carried.push(stage);
    }
    carried
}
