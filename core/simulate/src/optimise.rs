//! The schedule that finishes first, of all that keep what somebody asks for.
//!
//! Searched is a grid: every way through given shares, with each stage as short as it may be. No stage is
//! ever left earlier because it, or one before it, lasts longer: windows and freezes hold whoever comes
//! first at least as early. So the shortest stages are enough, and nothing on the grid is faster.

use crate::calendar::{Calendar, Stay};
use crate::lint::sight::{Eye, POWER};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use tidegate_model::Timestamp;
use tidegate_model::because::Figure;
use tidegate_model::key::{RuleName, StageName};
use tidegate_model::policy::{Policy, Schedule, Stage, Traffic};
use tidegate_model::share::Share;
use tidegate_model::span::Span;

mod stages;
mod yaml;

/// Most shares that are tried: every one more doubles the ways.
pub const SHARES_MAX: usize = 14;

/// What is asked of a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// When somebody wants to start.
    pub starts: Timestamp,
    /// What stages may open, strictly increasing; the last is everybody.
    pub shares: Vec<Share>,
    /// How far the first stage opens at most.
    pub first: Share,
    /// How many times as far as the one before a stage opens at most.
    pub growth: f64,
    /// Durations are multiples of this, more than zero.
    pub step: Span,
    /// Longest stage.
    pub longest: Span,
    /// What each stage must be able to see: for each rule the share of bad requests.
    pub detect: BTreeMap<RuleName, f64>,
    /// How many users there are.
    pub users: u64,
    /// At most so many user-minutes with the candidate before everybody has it; `None` is no limit.
    pub exposure: Option<f64>,
}

/// A schedule that keeps a wish.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Optimum {
    /// The schedule.
    pub schedule: Schedule,
    /// When each stage opens and is left, if everything goes well.
    pub stays: Vec<Stay>,
    /// When the rollout completes.
    pub finish: Timestamp,
    /// User-minutes with the candidate before everybody has it.
    pub exposure: f64,
    /// Why each stage is as it is.
    pub why: Vec<Why>,
    /// How many schedules were compared.
    pub compared: usize,
}

/// Why a stage is as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// Requests of the candidate while it lasts.
    pub requests: f64,
    /// For each rule: what it must see, and with what chance it does.
    pub sees: BTreeMap<RuleName, (f64, f64)>,
    /// What keeps it from being shorter.
    pub bound: Bound,
}

/// What keeps a stage from being shorter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The longest window of the rules has to lie in it.
    Window,
    /// This rule needs so long.
    Rule(RuleName),
}

/// Why there is no such schedule.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unable {
    /// Whom a wave opens to is nobody's to compute.
    #[error(
        "stage {0} opens to a segment, and how many users that has is not known here; give the policy without such stages, and put them in front of what comes out"
    )]
    Wave(StageName),
    /// No share that may come first can see enough.
    #[error("no first stage of at most {first} lets {rule} see {} of bad requests within {longest}: {from}", crate::lint::sight::Percent(*.asked))]
    Unseen {
        /// How far it opens at most.
        first: Share,
        /// Which rule.
        rule: RuleName,
        /// What it should see.
        asked: f64,
        /// How long it may take.
        longest: Span,
        /// What it sees.
        from: String,
    },
    /// Every way is too exposed, or is never left.
    #[error("none of {compared} schedules keeps everything: {least}")]
    Nothing {
        /// How many were compared.
        compared: usize,
        /// What comes nearest.
        least: String,
    },
}

/// The schedule that finishes first; of several the one with the least exposure, then with the fewest
/// stages, then that begins smallest.
///
/// # Errors
/// When there is none.
pub fn optimise(policy: &Policy, traffic: &Traffic, wish: &Wish) -> Result<Optimum, Unable> {
    if let Some(stage) = policy.schedule.stages.iter().find(|stage| stage.wave.is_some()) {
        return Err(Unable::Wave(stage.name.clone()));
    }
    let stages: Vec<Option<stages::Shortest>> = (wish.shares.iter())
        .map(|share| stages::shortest(policy, traffic, wish, *share))
        .collect();
    let usable = |index: usize| stages.get(index).is_some_and(Option::is_some);
    let may_begin = |index: usize| wish.shares.get(index).is_some_and(|share| *share <= wish.first);
    if !(0..stages.len()).any(|index| usable(index) && may_begin(index)) {
        return Err(stages::unseen(policy, traffic, wish));
    }
    let mut search = Search {
        policy,
        wish,
        stages: &stages,
        compared: 0,
        best: None,
        least_exposed: None,
    };
    for first in (0..stages.len()).filter(|index| may_begin(*index)) {
        search.go_on(&mut vec![first]);
    }
    let Search {
        compared,
        best,
        least_exposed,
        ..
    } = search;
    best.map(|found| Optimum { compared, ..found })
        .ok_or(Unable::Nothing {
            compared,
            least: match least_exposed {
                Some(least) => format!("the least exposed has {} user-minutes", Figure(least.ceil())),
                None => "no way leads to everybody, or windows let none through within 400 days".to_owned(),
            },
        })
}

struct Search<'a> {
    policy: &'a Policy,
    wish: &'a Wish,
    /// For each share its shortest stage, if it can see enough.
    stages: &'a [Option<stages::Shortest>],
    compared: usize,
    best: Option<Optimum>,
    least_exposed: Option<f64>,
}

impl Search<'_> {
    /// Tries every way that begins like `way`.
    fn go_on(&mut self, way: &mut Vec<usize>) {
        let Some(last) = way
            .last()
            .copied()
            .filter(|last| matches!(self.stages.get(*last), Some(Some(_))))
        else {
            return;
        };
        if last + 1 == self.stages.len() {
            self.compare(way);
            return;
        }
        for next in last + 1..self.stages.len() {
            if self.may_follow(last, next) {
                way.push(next);
                self.go_on(way);
                way.pop();
            }
        }
    }

    fn may_follow(&self, last: usize, next: usize) -> bool {
        let (Some(from), Some(to)) = (self.wish.shares.get(last), self.wish.shares.get(next)) else {
            return false;
        };
        f64::from(to.parts()) <= f64::from(from.parts()) * self.wish.growth
    }

    /// Compares a whole way with the best so far.
    fn compare(&mut self, way: &[usize]) {
        let shortest: Vec<&stages::Shortest> = way
            .iter()
            .filter_map(|index| self.stages.get(*index)?.as_ref())
            .collect();
        let mut plan = self.policy.clone();
        let durations = shortest.iter().map(|one| (one.share, one.duration));
        plan.schedule.stages = stages::carried(&self.policy.schedule.stages, durations);
        self.compared += 1;
        let Some((stays, finish)) = stays(&plan, self.wish.starts) else {
            return;
        };
        let exposure = exposure(&plan, &stays, self.wish.users);
        if self.least_exposed.is_none_or(|least| exposure < least) {
            self.least_exposed = Some(exposure);
        }
        if self.wish.exposure.is_some_and(|most| exposure > most) {
            return;
        }
        let found = Optimum {
            schedule: plan.schedule,
            stays,
            finish,
            exposure,
            why: shortest.iter().map(|one| one.why.clone()).collect(),
            compared: 0,
        };
        let better = |best: &Optimum| {
            let stages = |one: &Optimum| one.schedule.stages.len();
            let sooner = found.finish.cmp(&best.finish);
            let less = sooner.then(found.exposure.total_cmp(&best.exposure));
            less.then(stages(&found).cmp(&stages(best))).is_lt()
        };
        if self.best.as_ref().is_none_or(better) {
            self.best = Some(found);
        }
    }
}

/// When each stage opens and is left, and when it completes; `None`: it does not.
fn stays(plan: &Policy, starts: Timestamp) -> Option<(Vec<Stay>, Timestamp)> {
    let calendar = Calendar::of(plan, starts, None);
    let stays: Option<Vec<Stay>> = calendar.stages.iter().map(|stage| stage.best).collect();
    Some((stays?, calendar.best.finish?))
}

/// User-minutes with the candidate until everybody has it.
fn exposure(plan: &Policy, stays: &[Stay], users: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 users")]
    let users = users as f64;
    let exposed = plan.schedule.stages.iter().zip(stays).map(|(stage, stay)| {
        let left = stay.left.unwrap_or(stay.opens);
        let minutes = Span::between(stay.opens, left).as_seconds() / 60.0;
        if stage.percentage == Share::ALL {
            0.0
        } else {
            users * part(stage.percentage) * minutes
        }
    });
    exposed.sum()
}

/// A share as a number from 0 to 1.
fn part(share: Share) -> f64 {
    f64::from(share.parts()) / f64::from(Share::ALL.parts())
}

/// Whether a stage sees all that is asked of it.
fn sees(policy: &Policy, traffic: &Traffic, stage: &Stage, wish: &Wish) -> bool {
    chances(policy, traffic, stage, wish).all(|(_, _, chance)| chance >= POWER)
}

/// What is asked of each rule in a stage, and its chance. Of whoever compares with a baseline that nobody
/// has any more, nothing is asked.
fn chances<'a>(
    policy: &'a Policy,
    traffic: &'a Traffic,
    stage: &'a Stage,
    wish: &'a Wish,
) -> impl Iterator<Item = (&'a RuleName, f64, f64)> {
    wish.detect.iter().filter_map(move |(name, asked)| {
        let rule = policy.rule(name)?;
        if rule.source.is_relative() && stage.percentage == Share::ALL {
            return None;
        }
        let eye = Eye::of(policy, stage, rule, traffic)?;
        Some((name, *asked, eye.chance(*asked)))
    })
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window => f.pad("no shorter, because the longest window has to lie in it"),
            Self::Rule(rule) => f.pad(&format!("no shorter, because {rule} would not see enough")),
        }
    }
}

/// `10-percent`.
fn name_of(share: Share) -> Option<StageName> {
    StageName::new(&format!("{}-percent", share.percent())).ok()
}
