//! What another plan for a running rollout changes, and whether that loosens anything.
//!
//! Only what is known to be at least as strict tightens; everything else loosens, and needs somebody's word.

use std::fmt;
use tidegate_model::gate::Gate;
use tidegate_model::policy::{
    Approval, Comparison, Policy, Rule, Schedule, Source, Stage, UnknownMeans, UnknownPolicy, Wave,
    WindowEffect,
};
use tidegate_model::share::Share;
use tidegate_model::verdict::UnknownReason;

/// One thing that is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What, and how.
    pub text: String,
    /// Whether it may let something through that the plan before would not have.
    pub loosens: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.loosens { "looser" } else { "tighter" };
        write!(f, "{} ({how})", self.text)
    }
}

/// What `after` changes of `before` for a rollout in `stage`, counted from 0. What is over is not compared.
pub fn differences(before: &Policy, after: &Policy, stage: usize) -> Vec<Difference> {
    let mut found = Found::default();
    found.rules(before, after);
    found.schedule(&before.schedule, &after.schedule, stage);
    found.rest(before, after);
    found.0
}

/// Why a rollout in `stage` cannot follow `after` instead of `before`; `None` if it can.
pub fn misfit(before: &Policy, after: &Policy, stage: usize) -> Option<String> {
    let so_far = |plan: &Policy| -> Vec<(String, Share, Option<Wave>)> {
        let entered = plan.schedule.stages.iter().take(stage + 1);
        entered
            .map(|stage| (stage.name.to_string(), stage.percentage, stage.wave.clone()))
            .collect()
    };
    let (old, new) = (so_far(before), so_far(after));
    if old != new {
        let names: Vec<String> = old
            .iter()
            .map(|(name, share, wave)| match wave {
                None => format!("{name} ({share})"),
                Some(wave) => format!("{name} ({} of {})", wave.share, wave.segment),
            })
            .collect();
        return Some(format!(
            "its stages so far are {}, and those of the new plan are not",
            names.join(", ")
        ));
    }
    let ends = after.schedule.stages.last().map(|last| last.percentage);
    if ends != Some(Share::ALL) {
        return Some("the last stage of the new plan is not 100 %".to_owned());
    }
    (before.rollback.to != after.rollback.to).then(|| {
        "what a rollback returns to was settled when it started, and is another in the new plan".to_owned()
    })
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn note(&mut self, text: impl Into<String>, loosens: bool) {
        let text = text.into();
        self.0.push(Difference { text, loosens });
    }

    /// Notes that something ordered is different; more of it is stricter.
    fn more_is_stricter<T: PartialOrd + fmt::Display>(&mut self, what: &str, before: &T, after: &T) {
        if before != after {
            let stricter = after > before;
            self.note(format!("{what} {before} -> {after}"), !stricter);
        }
    }

    fn less_is_stricter<T: PartialOrd + fmt::Display>(&mut self, what: &str, before: &T, after: &T) {
        if before != after {
            let stricter = after < before;
            self.note(format!("{what} {before} -> {after}"), !stricter);
        }
    }

    fn rules(&mut self, before: &Policy, after: &Policy) {
        for rule in &after.safety.rules {
            match before.rule(&rule.name) {
                None => self.note(format!("rule {} is new", rule.name), false),
                Some(old) if old != rule => self.rule(old, rule),
                Some(_) => {}
            }
        }
        for old in &before.safety.rules {
            if after.rule(&old.name).is_none() {
                self.note(format!("rule {} is gone", old.name), true);
            }
        }
    }

    fn rule(&mut self, old: &Rule, new: &Rule) {
        let what = |part: &str| format!("rule {}: {part}", new.name);
        let bounded = matches!(
            new.source,
            Source::Query(_) | Source::Events(_) | Source::Sides(_)
        );
        for (part, before, after) in [
            ("threshold", old.threshold, new.threshold),
            ("clear", old.clear, new.clear),
        ] {
            match new.comparison {
                Comparison::GreaterThan if bounded => self.less_is_stricter(&what(part), &before, &after),
                Comparison::LessThan if bounded => self.more_is_stricter(&what(part), &before, &after),
                _ if before.to_bits() != after.to_bits() => {
                    self.note(format!("{} {before} -> {after}", what(part)), true);
                }
                _ => {}
            }
        }
        self.less_is_stricter(&what("interval"), &old.interval, &new.interval);
        self.more_is_stricter(&what("trips within looks"), &old.trip.of, &new.trip.of);
        self.less_is_stricter(&what("trips at bad looks"), &old.trip.need, &new.trip.need);
        if old.action != new.action {
            self.note(what("another action"), new.action < old.action);
        }
        if old.dry_run != new.dry_run {
            self.note(
                what(if new.dry_run {
                    "a dry run"
                } else {
                    "no dry run any more"
                }),
                new.dry_run,
            );
        }
        if old.unknown != new.unknown {
            self.note(
                what("what unknown means"),
                !is_stricter(&old.unknown, &new.unknown),
            );
        }
        if old.source != new.source || old.window != new.window || old.comparison != new.comparison {
            self.note(what("looks at something else"), true);
        }
        if old.minimum != new.minimum {
            self.note(what("another minimum of samples"), true);
        }
    }

    fn schedule(&mut self, old: &Schedule, new: &Schedule, stage: usize) {
        let ahead =
            |schedule: &Schedule| -> Vec<Stage> { schedule.stages.iter().skip(stage).cloned().collect() };
        let (before, after) = (ahead(old), ahead(new));
        for stage in &after {
            match before.iter().find(|one| one.percentage == stage.percentage) {
                Some(one) => self.stage(one, stage),
                None => self.note(
                    format!("stage {} ({}) is new", stage.name, stage.percentage),
                    // Of a segment more have it than would have had it before.
                    stage.wave.is_some(),
                ),
            }
        }
        for stage in &before {
            if after.iter().all(|one| one.percentage != stage.percentage) {
                self.note(
                    format!("stage {} ({}) is gone", stage.name, stage.percentage),
                    true,
                );
            }
        }
        self.more_is_stricter(
            "pause between stages",
            &old.pause_between_stages,
            &new.pause_between_stages,
        );
        self.more_is_stricter("monitored for", &old.monitor_after, &new.monitor_after);
        if old.quorum != new.quorum {
            let stricter = old.quorum.by == new.quorum.by && new.quorum.share > old.quorum.share;
            self.note("another quorum of nodes", !stricter);
        }
        if old.bake_must_fit != new.bake_must_fit {
            self.note("whether stages must fit into their windows", !new.bake_must_fit);
        }
        if old.windows != new.windows {
            // Another time that is closed tightens; another that is open does not.
            let kept = old.windows.iter().all(|window| new.windows.contains(window));
            let mut more = new.windows.iter().filter(|window| !old.windows.contains(window));
            let closes = more.all(|window| window.effect == WindowEffect::Deny);
            self.note("other windows", !(kept && closes));
        }
        if old.freezes != new.freezes {
            let kept = old.freezes.iter().all(|freeze| new.freezes.contains(freeze));
            self.note("other freezes", !kept);
        }
    }

    fn stage(&mut self, old: &Stage, new: &Stage) {
        let what = |part: &str| format!("stage {}: {part}", new.name);
        self.more_is_stricter(&what("lasts"), &old.duration, &new.duration);
        if old.wave != new.wave {
            self.note(what("opens to others"), true);
        }
        if old.wait_for_approval != new.wait_for_approval {
            let stricter = asks_no_less(old.wait_for_approval.as_ref(), new.wait_for_approval.as_ref());
            self.note(what("another approval"), !stricter);
        }
        if old.gates != new.gates {
            let kept = old.gates.iter().all(|gate: &Gate| new.gates.contains(gate));
            self.note(what("other gates"), !kept);
        }
        if old.success_criteria != new.success_criteria {
            let kept = old.success_criteria.iter().all(|old| {
                let same = |new: &&_| criterion(new).0 == &old.rule;
                let found = new.success_criteria.iter().find(same);
                found.is_some_and(|new| new.healthy_for >= old.healthy_for)
            });
            self.note(what("other success criteria"), !kept);
        }
        if old.point_of_no_return != new.point_of_no_return {
            self.note(what("whether anything leads back"), true);
        }
    }

    fn rest(&mut self, before: &Policy, after: &Policy) {
        self.less_is_stricter("blind after", &before.blind.after, &after.blind.after);
        if before.blind.action != after.blind.action {
            self.note(
                "another action when blind",
                after.blind.action < before.blind.action,
            );
        }
        if before.alerts != after.alerts {
            let kept = before.alerts.iter().all(|rule| after.alerts.contains(rule));
            self.note("other alerts act on it", !kept);
        }
        if before.watchdog != after.watchdog {
            self.note("another watchdog", before.watchdog.is_some());
        }
        self.more_is_stricter("cooldown", &before.rollback.cooldown, &after.rollback.cooldown);
        if before.rollback.attempts != after.rollback.attempts {
            let attempts = |policy: &Policy| policy.rollback.attempts.unwrap_or(u32::MAX);
            self.note("another number of attempts", attempts(after) > attempts(before));
        }
        if before.dependencies != after.dependencies {
            let asked: Vec<_> = after.dependencies.all().collect();
            let kept = before.dependencies.all().all(|one| asked.contains(&one));
            self.note("waits for other rollouts", !kept);
        }
        if before.interlock != after.interlock {
            // Who shares less is held by fewer, and who shares more gives way to more.
            self.note("shares something else with other rollouts", true);
        }
        if before.exposure != after.exposure {
            // Less of anything for more of an audience is stricter; more or nothing is not.
            let stricter = match (&before.exposure, &after.exposure) {
                (None, Some(_)) => true,
                (Some(old), Some(new)) => {
                    let less = |old: Option<u64>, new: Option<u64>| match (old, new) {
                        (None, _) => true,
                        (Some(_), None) => false,
                        (Some(old), Some(new)) => new <= old,
                    };
                    new.audience >= old.audience
                        && less(old.user_minutes, new.user_minutes)
                        && less(old.units, new.units)
                        && new.action >= old.action
                }
                (_, None) => false,
            };
            self.note("another budget of exposure", !stricter);
        }
        if before.flag_edits != after.flag_edits {
            self.note("what an edit of the flag does", true);
        }
        if before.notify != after.notify {
            self.note("others are told of it", false);
        }
        if before.traffic != after.traffic {
            self.note("other traffic is declared, which decides nothing", false);
        }
    }
}

fn criterion(
    criterion: &tidegate_model::policy::SuccessCriterion,
) -> (&tidegate_model::key::RuleName, tidegate_model::span::Span) {
    (&criterion.rule, criterion.healthy_for)
}

/// Whether everybody who could approve `new` could approve `old`, for no longer.
fn asks_no_less(old: Option<&Approval>, new: Option<&Approval>) -> bool {
    match (old, new) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(old), Some(new)) => {
            let sooner = match (old.expires, new.expires) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(old), Some(new)) => new <= old,
            };
            new.roles.is_subset(&old.roles) && sooner
        }
    }
}

/// Whether no reason is taken more lightly than before.
fn is_stricter(old: &UnknownPolicy, new: &UnknownPolicy) -> bool {
    let strictness = |means: UnknownMeans| match means {
        UnknownMeans::Healthy => Some(0),
        UnknownMeans::Hold => Some(1),
        UnknownMeans::Breached => Some(2),
        // Whether zero is good or bad is for the rule to say.
        UnknownMeans::Zero => None,
    };
    UnknownReason::ALL.into_iter().all(|reason| {
        let (old, new) = (old.means(reason), new.means(reason));
        old == new
            || strictness(old)
                .zip(strictness(new))
                .is_some_and(|(old, new)| new > old)
    })
}
