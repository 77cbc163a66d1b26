//! The calendar of a rollout: when each stage opens and is left, at best and when windows are missed.
//!
//! Worked out instead of simulated, so that a stage of years costs no more than one of minutes. The
//! tests hold it against the simulation, moment by moment.

use serde::Serialize;
use tidegate_model::Timestamp;
use tidegate_model::calendar::{Opening, closing, in_force, opening};
use tidegate_model::gate::Gate;
use tidegate_model::key::{StageName, TargetName};
use tidegate_model::policy::{Policy, Rule, Score, Source, Stage};
use tidegate_model::share::Share;
use tidegate_model::span::Span;

/// Shortest time between two looks at a rule, as the step functions keep it.
const INTERVAL_MIN: Span = Span::millis(100);

/// How often a window may close again before the look that would use it.
const MISSED_WINDOWS_MAX: usize = 1000;

/// When a rollout is where.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Calendar {
    /// When somebody wants to start it.
    pub asked: Timestamp,
    /// When windows let it start; `None`: never.
    pub starts: Option<Timestamp>,
    /// The time zone in which people read it: that of the first window, or UTC.
    pub timezone: String,
    /// Every stage, in order.
    pub stages: Vec<Planned>,
    /// When everything goes well.
    pub best: Course,
    /// When each stage just misses the window in which the next could have opened.
    pub worst: Course,
}

/// A stage in the calendar.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Its name.
    pub name: StageName,
    /// How far it opens.
    pub share: Share,
    /// How many of the users get the candidate then, if their number is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// Whether somebody's word is asked for before it opens.
    pub approval: bool,
    /// The gates that are asked before it opens.
    pub gates: Vec<TargetName>,
    /// When everything goes well; `None`: it is never reached.
    pub best: Option<Stay>,
    /// When windows are missed; `None`: it is never reached.
    pub worst: Option<Stay>,
}

/// When a stage is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stay {
    /// When it opens.
    pub opens: Timestamp,
    /// When it is left; `None`: never, for no window opens again.
    pub left: Option<Timestamp>,
    /// How long windows alone hold it.
    pub held: Span,
}

/// A way through all stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// When the rollout completes; `None`: never.
    pub finish: Option<Timestamp>,
    /// How long windows alone hold it, all stages together.
    pub held: Span,
}

impl Calendar {
    /// The calendar of a rollout by `plan` that somebody wants to start at `asked`, for so many users.
    #[must_use]
    pub fn of(plan: &Policy, asked: Timestamp, users: Option<u64>) -> Self {
        let windows = &plan.schedule.windows;
        let bake = plan.stage(0).map_or(Span::ZERO, |first| first.duration);
        let starts = match opening(&plan.schedule, bake, asked) {
            Opening::Open => Some(asked),
            Opening::Closed { opens, .. } | Opening::TooShort { opens, .. } => opens,
        };
        let best = starts.map_or_else(Vec::new, |starts| stays(plan, starts, false));
        let worst = starts.map_or_else(Vec::new, |starts| stays(plan, starts, true));
        let stages = plan.schedule.stages.iter().enumerate();
        Self {
            asked,
            starts,
            timezone: windows
                .first()
                .map_or("UTC", |window| &window.timezone)
                .to_owned(),
            stages: stages
                .map(|(index, stage)| Planned {
                    name: stage.name.clone(),
                    share: stage.percentage,
                    users: users.map(|users| part(users, stage.percentage)),
                    approval: stage.wait_for_approval.is_some(),
                    gates: stage.gates.iter().map(|gate| gate.target.clone()).collect(),
                    best: best.get(index).copied(),
                    worst: worst.get(index).copied(),
                })
                .collect(),
            best: course(plan, &best),
            worst: course(plan, &worst),
        }
    }

    /// The stages that are never reached, however well everything goes.
    #[must_use]
    pub fn unreachable(&self) -> Vec<&StageName> {
        let never = self.stages.iter().filter(|stage| stage.best.is_none());
        never.map(|stage| &stage.name).collect()
    }

    /// A moment as people read it in the calendar's time zone.
    #[must_use]
    pub fn shown(&self, at: Timestamp) -> String {
        match self.timezone.parse::<chrono_tz::Tz>() {
            Ok(zone) => at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M %Z").to_string(),
            Err(_) => at.format("%a %Y-%m-%d %H:%M UTC").to_string(),
        }
    }
}

/// So many of the users, to the nearest.
fn part(users: u64, share: Share) -> u64 {
    let all = u128::from(Share::ALL.parts());
    let part = (u128::from(users) * u128::from(share.parts()) + all / 2) / all;
    u64::try_from(part).unwrap_or(u64::MAX)
}

fn course(plan: &Policy, stays: &[Stay]) -> Course {
    let last = stays.get(plan.schedule.stages.len().saturating_sub(1));
    Course {
        finish: last.and_then(|last| last.left),
        held: stays.iter().fold(Span::ZERO, |held, stay| held.plus(stay.held)),
    }
}

/// The stages that are reached, in order.
fn stays(plan: &Policy, starts: Timestamp, misses: bool) -> Vec<Stay> {
    let looks = Looks { plan, starts };
    let mut reached = Vec::new();
    let mut opens = starts;
    for (index, stage) in plan.schedule.stages.iter().enumerate() {
        let next = plan.stage(index + 1);
        let ready = looks.ready(index, stage, opens);
        let counts = next.map_or(Counts::Moving, Counts::of);
        let ready = looks.first(ready, counts);
        let (waited, left) = match next {
            None => looks.completes(ready),
            Some(next) => {
                let from = missed(plan, ready).filter(|_| misses).unwrap_or(ready);
                looks.leaves(next, from)
            }
        };
        reached.push(Stay {
            opens,
            left,
            held: Span::between(ready, waited),
        });
        let Some(left) = left else {
            break;
        };
        opens = left;
    }
    reached
}

/// When the window closes in which `ready` lies, if it lies in one that closes.
fn missed(plan: &Policy, ready: Timestamp) -> Option<Timestamp> {
    closing(&plan.schedule, ready)
}

/// The moments at which rules are looked at.
struct Looks<'a> {
    plan: &'a Policy,
    starts: Timestamp,
}

/// When a stage was entered.
#[derive(Clone, Copy)]
struct Entered {
    opens: Timestamp,
    is_first: bool,
}

/// Which looks are meant.
#[derive(Clone, Copy)]
enum Counts {
    /// Those whose good news moves a rollout.
    Moving,
    /// All, dry runs too: a gate is asked at any of them.
    All,
}

impl Counts {
    /// The looks at one of which the wait for `next` is over, but for its gates.
    fn of(next: &Stage) -> Self {
        if next.gates.is_empty() {
            Self::Moving
        } else {
            Self::All
        }
    }
}

impl Looks<'_> {
    /// From when on nothing but windows, gates and a look is missing before the stage `index` is left, if
    /// every rule is well.
    fn ready(&self, index: usize, stage: &Stage, opens: Timestamp) -> Timestamp {
        let is_last = index + 1 == self.plan.schedule.stages.len();
        let pause = if is_last {
            Span::ZERO
        } else {
            self.plan.schedule.pause_between_stages
        };
        let soaked = pause.after(stage.duration.after(opens));
        let entered = Entered {
            opens,
            is_first: index == 0,
        };
        let rules = self.plan.safety.rules.iter().filter(|rule| !rule.dry_run);
        let looks = rules.map(|rule| self.healthy(rule, entered));
        let criteria = stage.success_criteria.iter().filter_map(|criterion| {
            let rule = self.plan.rule(&criterion.rule)?;
            Some(criterion.healthy_for.after(self.healthy_since(rule, entered)))
        });
        looks.chain(criteria).fold(soaked, Timestamp::max)
    }

    /// The first look at which a rule that is well is healthy in the stage: one whose whole window lies in it.
    fn healthy(&self, rule: &Rule, entered: Entered) -> Timestamp {
        let inside = rule.window.after(entered.opens);
        let Source::Score(score) = &rule.source else {
            return tick(rule, self.starts, inside);
        };
        let parts = self.parts(score);
        let mut known: Vec<(Timestamp, f64)> = parts
            .iter()
            .map(|(rule, weight)| (self.healthy_since(rule, entered), *weight))
            .collect();
        known.sort_by_key(|(at, _)| *at);
        let all: f64 = known.iter().map(|(_, weight)| weight).sum();
        let mut sure = 0.0;
        // A part that is not judged yet leaves the score open, unless the others are enough.
        let enough = known.iter().find(|(_, weight)| {
            sure += weight;
            sure / all >= rule.clear
        });
        let from = enough.or(known.last()).map_or(inside, |(at, _)| inside.max(*at));
        self.look_at(rule, from)
    }

    /// Since when a rule that is well is healthy without a break, from the beginning of the stage on. What it
    /// said in the stage before goes on, unless a look between says that its window reaches back.
    fn healthy_since(&self, rule: &Rule, entered: Entered) -> Timestamp {
        let healthy = self.healthy(rule, entered);
        let next = self.look_at(rule, Span::millis(1).after(entered.opens));
        if !entered.is_first && next == healthy {
            entered.opens
        } else {
            healthy
        }
    }

    /// The first look at the rule from `from` on; at a score whenever one of its parts is looked at.
    fn look_at(&self, rule: &Rule, from: Timestamp) -> Timestamp {
        let Source::Score(score) = &rule.source else {
            return tick(rule, self.starts, from);
        };
        let parts = self.parts(score);
        let looks = parts.iter().map(|(part, _)| tick(part, self.starts, from));
        looks.min().unwrap_or(from)
    }

    /// What a score weighs, and how much.
    fn parts(&self, score: &Score) -> Vec<(&Rule, f64)> {
        let parts = score.of.iter();
        parts
            .filter_map(|part| Some((self.plan.rule(&part.rule)?, part.weight)))
            .collect()
    }

    /// The first look from `from` on.
    fn first(&self, from: Timestamp, counts: Counts) -> Timestamp {
        let rules = self.plan.safety.rules.iter();
        let asked = rules.filter(|rule| !matches!(rule.source, Source::Score(_)));
        let counted = asked.filter(|rule| match counts {
            Counts::All => true,
            Counts::Moving => self.moves(rule),
        });
        let ticks = counted.map(|rule| tick(rule, self.starts, from));
        ticks.min().unwrap_or(from)
    }

    /// Whether good news of the rule moves a rollout, by itself or by a score that weighs it.
    fn moves(&self, rule: &Rule) -> bool {
        let weighs = |other: &Rule| match &other.source {
            Source::Score(score) => score.of.iter().any(|part| part.rule == rule.name),
            _ => false,
        };
        let mut acting = self.plan.safety.rules.iter().filter(|other| !other.dry_run);
        acting.any(|other| other.name == rule.name || weighs(other))
    }

    /// Until when windows hold the stage before `next`, and when that opens. Gates pass at once when they are
    /// asked, and the next look sees it.
    fn leaves(&self, next: &Stage, from: Timestamp) -> (Timestamp, Option<Timestamp>) {
        if next.gates.is_empty() {
            let left = self.first_open(next, from, Counts::Moving);
            return (left.unwrap_or(from), left);
        }
        let asked = self.first_open(next, from, Counts::All);
        let opens = asked.and_then(|asked| {
            let opens = self.first_open(next, Span::millis(1).after(asked), Counts::Moving)?;
            let expired = |gate: &Gate| gate.expires.is_some_and(|expires| expires.after(asked) <= opens);
            (!next.gates.iter().any(expired)).then_some(opens)
        });
        (asked.unwrap_or(from), opens)
    }

    /// The first look from `from` on at which the stage `next` may open.
    fn first_open(&self, next: &Stage, from: Timestamp, counts: Counts) -> Option<Timestamp> {
        let mut at = self.first(from, counts);
        for _ in 0..MISSED_WINDOWS_MAX {
            match opening(&self.plan.schedule, next.duration, at) {
                Opening::Open => return Some(at),
                Opening::Closed { opens, .. } | Opening::TooShort { opens, .. } => {
                    at = self.first(opens?, counts);
                }
            }
        }
        None
    }

    /// Until when freezes hold the last stage once it is done, and when the rollout completes, after it was
    /// watched as long as the policy says.
    fn completes(&self, ready: Timestamp) -> (Timestamp, Option<Timestamp>) {
        let done = self.thawed(ready);
        let monitor = self.plan.schedule.monitor_after;
        if monitor == Span::ZERO {
            return (done, Some(done));
        }
        let watched = self.first(monitor.after(done), Counts::Moving);
        (done, Some(self.thawed(watched)))
    }

    /// The first look from the look at `at` on at which no freeze is in force.
    fn thawed(&self, mut at: Timestamp) -> Timestamp {
        while let Some(freeze) = in_force(&self.plan.schedule.freezes, at) {
            at = self.first(freeze.to, Counts::Moving);
        }
        at
    }
}

/// The first look at `rule` from `from` on, in a rollout that began at `starts`.
fn tick(rule: &Rule, starts: Timestamp, from: Timestamp) -> Timestamp {
    let interval = rule.interval.max(INTERVAL_MIN).duration().as_millis();
    let since = Span::between(starts, from).duration();
    let since = since.as_millis() + u128::from(!since.subsec_nanos().is_multiple_of(1_000_000));
    let millis = since.div_ceil(interval).saturating_mul(interval);
    Span::millis(u64::try_from(millis).unwrap_or(u64::MAX)).after(starts)
}
