//! Approvals that expire before they can be used.

use super::Concern;
use crate::calendar::Calendar;
use tidegate_model::Timestamp;
use tidegate_model::calendar::{Opening, closing, longest_opening, opening};
use tidegate_model::policy::{Policy, Schedule};
use tidegate_model::span::Span;

/// Less than this is too little time for somebody who is asked to say yes.
const ANSWERING: Span = Span::seconds(2 * 3600);
/// How far ahead closed stretches are looked at: a year and a bit, so that yearly ones are found.
const HORIZON: Span = Span::seconds(400 * 24 * 3600);
/// Most stretches that are looked at.
const STRETCHES_MAX: usize = 2000;

pub(super) fn of(policy: &Policy, calendar: &Calendar) -> Vec<Concern> {
    let rules = policy.safety.rules.iter().filter(|rule| !rule.dry_run);
    let look = rules.map(|rule| rule.interval).min().unwrap_or_default();
    let mut concerns = Vec::new();
    for (index, stage) in policy.schedule.stages.iter().enumerate() {
        let asked = stage.wait_for_approval.as_ref();
        let Some(expires) = asked.and_then(|asked| asked.expires) else {
            continue;
        };
        let path = format!("schedule.stages[{index}].waitForApproval");
        if expires <= look {
            concerns.push(Concern::new(
                path,
                format!("an approval counts for {expires}, and a rollout only moves at a look, every {look}: it may never be used"),
                "let it count for longer",
            ));
            continue;
        }
        let schedule = &policy.schedule;
        let Some(starts) = calendar.starts else {
            continue;
        };
        let shut = shortest_closed(schedule, stage.duration, starts).filter(|shut| *shut > expires);
        let open = longest_opening(&schedule.windows, starts, ANSWERING);
        let (Some(shut), Some(open)) = (shut, open) else {
            continue;
        };
        let counts = open.plus(expires);
        if counts < ANSWERING {
            concerns.push(Concern::new(
                path,
                format!(
                    "an approval counts for {expires}, and windows are open for {open} at most and shut for {shut} at least: whoever does not approve within the same {counts} has approved in vain"
                ),
                "let it count for longer, leave 'expires' out, or widen the windows",
            ));
        }
    }
    concerns
}

/// The shortest stretch from `from` on in which no stage that lasts `bake` may open, between two in which
/// one may.
fn shortest_closed(schedule: &Schedule, bake: Span, from: Timestamp) -> Option<Span> {
    let horizon = HORIZON.after(from);
    let mut shortest: Option<Span> = None;
    let mut at = from;
    for _ in 0..STRETCHES_MAX {
        let Some(closes) = closing(schedule, at).filter(|closes| *closes < horizon) else {
            break;
        };
        let (Opening::Closed { opens, .. } | Opening::TooShort { opens, .. }) =
            opening(schedule, bake, closes)
        else {
            break;
        };
        let Some(opens) = opens else {
            break;
        };
        let length = Span::between(closes, opens);
        shortest = Some(shortest.map_or(length, |known| known.min(length)));
        at = opens;
    }
    shortest
}
