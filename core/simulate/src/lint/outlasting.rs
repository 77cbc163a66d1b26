//! Approvals that expire before they can be used.

use super::Concern;
use crate::calendar::Calendar;
use tidegate_model::Timestamp;
use tidegate_model::calendar::{Opening, closing, opening};
use tidegate_model::policy::{Policy, Schedule};
use tidegate_model::span::Span;

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
        let closed = calendar
            .starts
            .and_then(|starts| longest_closed(&policy.schedule, stage.duration, starts));
        if let Some((closes, opens)) =
            closed.filter(|(closes, opens)| Span::between(*closes, *opens) > expires)
        {
            concerns.push(Concern::new(
                path,
                format!(
                    "an approval counts for {expires}, and nothing opens for {} from {} on: one that is given when it is asked for then has expired before it can be used",
                    Span::between(closes, opens),
                    calendar.shown(closes),
                ),
                "let it count for longer, or leave 'expires' out",
            ));
        }
    }
    concerns
}

/// The longest stretch from `from` on in which no stage that lasts `bake` may open, between two in which
/// one may.
fn longest_closed(schedule: &Schedule, bake: Span, from: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let horizon = HORIZON.after(from);
    let mut longest: Option<(Timestamp, Timestamp)> = None;
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
        let length = |stretch: &(Timestamp, Timestamp)| Span::between(stretch.0, stretch.1);
        if longest
            .as_ref()
            .is_none_or(|known| length(known) < length(&(closes, opens)))
        {
            longest = Some((closes, opens));
        }
        at = opens;
    }
    longest
}
