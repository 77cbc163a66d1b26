//! Schedules: stages written out, or made by equal steps or factors.

use super::cursor::{Cursor, Mapping};
use super::keys::{self, ScheduleType};
use super::{LIST_MAX, freeze, stage, window};
use crate::calendar::longest_opening;
use crate::key::StageName;
use crate::policy::{Quorum, Schedule, Stage, Window};
use crate::share::Share;
use crate::span::Span;
use chrono::DateTime;

/// What a policy without stages does: per cent, and how long in minutes.
const DEFAULT_STAGES: [(u32, u64); 4] = [(1, 15), (10, 60), (50, 120), (100, 360)];

pub(super) fn read(at: Option<&Cursor<'_>>, rules: Option<&[&str]>) -> Option<Schedule> {
    let Some(at) = at else {
        return Some(Schedule {
            stages: default_stages(),
            ..Schedule::default()
        });
    };
    let schedule = whole(at, rules)?;
    check_first(at, &schedule.stages);
    Some(schedule)
}

/// What a text of `schedule` says of the stages that are still ahead of a rollout with these rules. All else
/// stays as the rollout has it.
pub(super) fn ahead(root: &Cursor<'_>, rules: &[&str]) -> Option<Vec<Stage>> {
    let at = root.mapping(&keys::AHEAD)?.get("schedule")?.clone();
    let others = [
        "pauseBetweenStages",
        "windows",
        "freezes",
        "bakeMustFit",
        "monitorAfter",
        "quorum",
    ];
    let mut sound = true;
    for (key, other) in others.iter().filter_map(|key| Some((key, at.child_of(key)?))) {
        other.error(
            format!("only stages can be given here, and '{key}' stays as the rollout has it"),
            "leave it out; for another one amend the rollout by a policy",
        );
        sound = false;
    }
    let schedule = whole(&at, Some(rules))?;
    sound.then_some(schedule.stages)
}

fn whole(at: &Cursor<'_>, rules: Option<&[&str]>) -> Option<Schedule> {
    let kind = match at.child_of("type") {
        Some(kind) => kind.word(keys::SCHEDULE_TYPES)?,
        None => ScheduleType::Custom,
    };
    let schedule = at.mapping(match kind {
        ScheduleType::Custom => &keys::CUSTOM,
        ScheduleType::Linear => &keys::LINEAR,
        ScheduleType::Exponential => &keys::EXPONENTIAL,
    })?;
    let stages = match kind {
        ScheduleType::Custom => schedule.or("stages", default_stages(), |at| stage::read(at, rules)),
        ScheduleType::Linear => linear(&schedule),
        ScheduleType::Exponential => exponential(&schedule),
    };
    if let Some(stages) = &stages {
        check_last(at, stages);
    }
    let pause = schedule.or("pauseBetweenStages", Span::ZERO, Cursor::span);
    let windows = schedule.or("windows", Vec::new(), window::read);
    let freezes = schedule.or("freezes", Vec::new(), freeze::read);
    let monitor = schedule.or("monitorAfter", Span::ZERO, Cursor::span);
    let quorum = schedule.or("quorum", Quorum::default(), quorum);
    let fit = schedule.or("bakeMustFit", false, Cursor::expect_boolean);
    if let (Some(stages), Some(windows)) = (&stages, &windows) {
        check_windows(at, stages, windows, fit.unwrap_or(false));
    }
    Some(Schedule {
        stages: stages?,
        pause_between_stages: pause?,
        windows: windows?,
        freezes: freezes?,
        bake_must_fit: fit?,
        monitor_after: monitor?,
        quorum: quorum?,
    })
}

fn quorum(at: &Cursor<'_>) -> Option<Quorum> {
    let quorum = at.mapping(&keys::QUORUM)?;
    let usual = Quorum::default();
    let share = quorum.or("share", usual.share, |at| {
        let share = stage::open_share(at)?;
        if share.parts() < Share::TOTAL / 2 {
            at.warning(
                format!("with {share} most of the users may not have the stage yet when its clock starts"),
                "90 is usual",
            );
        }
        Some(share)
    });
    let by = quorum.or("by", usual.by, |at| at.word(keys::QUORUM_BY));
    Some(Quorum {
        share: share?,
        by: by?,
    })
}

/// From where the openings of windows are looked at: nothing here knows what day it is, and in a year
/// from the beginning of a leap year every date comes.
const LEAP_YEAR: i64 = 1_704_067_200;

/// Complains about windows that never let a stage open, or never long enough (faults.md F41).
fn check_windows(at: &Cursor<'_>, stages: &[Stage], windows: &[Window], fit: bool) {
    let (Some(place), Some(from)) = (at.child_of("windows"), DateTime::from_timestamp(LEAP_YEAR, 0)) else {
        return;
    };
    let bakes = stages.iter().map(|stage| stage.duration);
    let longest_bake = bakes.max().unwrap_or_default();
    let Some(longest) = longest_opening(windows, from, longest_bake) else {
        place.error(
            "these windows never let any stage open",
            "there is no moment inside an 'allow' and outside of every 'deny'",
        );
        return;
    };
    if let Some(stage) = stages.iter().find(|stage| fit && stage.duration > longest) {
        place.error(
            format!(
                "stage {} lasts {}, but the windows never stay open for longer than {longest}",
                stage.name, stage.duration
            ),
            "shorten the stage, widen the windows, or let stages outlast them: leave 'bakeMustFit' out",
        );
    }
}

/// A rollout that completes leaves the candidate to everybody, so its last stage has to be that.
fn check_last(at: &Cursor<'_>, stages: &[Stage]) {
    let place = at.child_of("stages");
    let place = place.as_ref().unwrap_or(at);
    if let Some(last) = stages.last().filter(|last| last.percentage < Share::ALL) {
        place.error(
            format!(
                "the last stage opens {}, but a completed rollout is what everybody gets",
                last.percentage
            ),
            "end with a stage of 100",
        );
    }
}

/// Nobody can be asked about the first stage, because the rollout begins in it.
fn check_first(at: &Cursor<'_>, stages: &[Stage]) {
    let place = at.child_of("stages");
    let place = place.as_ref().unwrap_or(at);
    if let Some(first) = stages.first().filter(|first| first.wait_for_approval.is_some()) {
        place.error(
            format!(
                "the rollout begins in stage {}, so nobody could approve it first",
                first.name
            ),
            "let the second stage wait for approval; whoever starts the rollout approves the first",
        );
    }
    if let Some(first) = stages.first().filter(|first| !first.gates.is_empty()) {
        place.error(
            format!(
                "the rollout begins in stage {}, so no gate could be asked first",
                first.name
            ),
            "move the gate to the second stage, behind a small first one",
        );
    }
}

fn default_stages() -> Vec<Stage> {
    let stage = |(percent, minutes)| {
        let share = Share::of_percent(f64::from(percent)).ok()?;
        generated(share, Span::seconds(minutes * 60))
    };
    DEFAULT_STAGES.into_iter().filter_map(stage).collect()
}

/// A stage of this share, named after it.
fn generated(share: Share, duration: Span) -> Option<Stage> {
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

/// `10-percent`.
pub(super) fn name_of(share: Share) -> Option<StageName> {
    StageName::new(&format!("{}-percent", share.percent())).ok()
}

/// What linear and exponential schedules have in common.
struct Ramp {
    from: Share,
    duration: Span,
}

fn ramp(schedule: &Mapping<'_>) -> Option<Ramp> {
    let from = schedule.get("from").and_then(stage::open_share);
    let duration = schedule.get("duration").and_then(stage::lasting);
    Some(Ramp {
        from: from?,
        duration: duration?,
    })
}

fn linear(schedule: &Mapping<'_>) -> Option<Vec<Stage>> {
    let ramp = ramp(schedule);
    let step = schedule.get("step").and_then(stage::open_share)?;
    ramp?.climb(schedule, |share| share.saturating_add(step.parts()))
}

fn exponential(schedule: &Mapping<'_>) -> Option<Vec<Stage>> {
    let ramp = ramp(schedule);
    let factor = schedule.or("factor", 2.0, |at| {
        let factor = at.number()?;
        if factor <= 1.0 {
            at.error(
                format!("a factor of {factor} never opens any further"),
                "for example 2",
            );
            return None;
        }
        Some(factor)
    })?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number, and casts of floats saturate"
    )]
    ramp?.climb(schedule, |share| (f64::from(share) * factor).round() as u32)
}

impl Ramp {
    /// Stages from the first share by `next` to the last, which is everybody.
    fn climb(&self, schedule: &Mapping<'_>, next: impl Fn(u32) -> u32) -> Option<Vec<Stage>> {
        let mut stages = Vec::new();
        let mut share = self.from;
        while share < Share::ALL {
            stages.push(generated(share, self.duration)?);
            // A factor just above 1 may round to no progress at all.
            let parts = next(share.parts()).max(share.parts() + 1);
            share = Share::of_parts(parts).unwrap_or(Share::ALL);
            if stages.len() >= LIST_MAX {
                schedule.at().error(
                    format!("this makes more than {LIST_MAX} stages"),
                    "take larger steps",
                );
                return None;
            }
        }
        stages.push(generated(Share::ALL, self.duration)?);
        Some(stages)
    }
}
