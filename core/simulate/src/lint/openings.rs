//! Windows and freezes that let nothing through, and stages behind them.

use super::Concern;
use crate::calendar::Calendar;
use tidegate_model::Timestamp;
use tidegate_model::calendar::longest_opening;
use tidegate_model::key::StageName;
use tidegate_model::policy::{Policy, Window, WindowEffect};
use tidegate_model::span::Span;

/// Any opening is as good as a long one here.
const SHORTEST: Span = Span::millis(1);

/// What a rollout that starts at `now` runs into.
pub(super) fn of(policy: &Policy, calendar: &Calendar, now: Timestamp) -> Vec<Concern> {
    let mut concerns = windows(&policy.schedule.windows, now);
    for (index, freeze) in policy.schedule.freezes.iter().enumerate() {
        if freeze.to <= now {
            concerns.push(Concern::new(
                format!("schedule.freezes[{index}]"),
                format!("this freeze was over at {}", calendar.shown(freeze.to)),
                "leave it out, or give it the dates of this year",
            ));
        }
    }
    concerns.extend(unreachable(policy, calendar));
    concerns
}

/// Windows that never begin, and those that are denied whenever they do.
fn windows(windows: &[Window], now: Timestamp) -> Vec<Concern> {
    let opens = |windows: &[Window]| longest_opening(windows, now, SHORTEST).is_some();
    let denied: Vec<Window> = (windows.iter())
        .filter(|window| window.effect == WindowEffect::Deny)
        .cloned()
        .collect();
    let mut concerns = Vec::new();
    for (index, window) in windows.iter().enumerate() {
        let path = format!("schedule.windows[{index}]");
        let alone = Window {
            effect: WindowEffect::Allow,
            ..window.clone()
        };
        if !opens(std::slice::from_ref(&alone)) {
            concerns.push(Concern::new(
                path,
                "this window does not begin within 400 days",
                "mend its cron text: minute, hour, day of month, month, weekday",
            ));
        } else if window.effect == WindowEffect::Allow {
            let against: Vec<Window> = [alone].into_iter().chain(denied.iter().cloned()).collect();
            if !opens(&against) {
                concerns.push(Concern::new(
                    path,
                    "whenever this window is open, a 'deny' is in force, which is stronger",
                    "keep one of the two",
                ));
            }
        }
    }
    concerns
}

/// Stages that no rollout gets to, however well everything goes.
fn unreachable(policy: &Policy, calendar: &Calendar) -> Option<Concern> {
    let never = calendar.unreachable();
    let first = policy
        .schedule
        .stages
        .iter()
        .position(|stage| never.first() == Some(&&stage.name))?;
    let names: Vec<&str> = never.iter().map(|name| StageName::as_str(name)).collect();
    let names = names.join(", ");
    if calendar.starts.is_none() {
        return Some(Concern::new(
            "schedule",
            format!("nothing lets a rollout start within 400 days, so {names} are never reached"),
            "look at the windows and freezes together",
        ));
    }
    let gates = policy
        .stage(first)
        .is_some_and(|stage| stage.gates.iter().any(|gate| gate.expires.is_some()));
    let hint = if gates {
        "a gate's pass counts for at least two intervals of the rules; and windows open within 400 days"
    } else {
        "look at the windows and freezes together: none opens within 400 days after the stage before"
    };
    Some(Concern::new(
        format!("schedule.stages[{first}]"),
        format!("never reached: {names}"),
        hint,
    ))
}
