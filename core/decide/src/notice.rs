//! What is told of a record of the journal.

use std::collections::BTreeSet;
use tidegate_model::Timestamp;
use tidegate_model::change::{Change, EntityRef, Entry, Record};
use tidegate_model::key::{EnvironmentKey, RolloutId, TargetName};
use tidegate_model::notice::{Notice, NotifyRule, Occasion};
use tidegate_model::rollout::RolloutStart;
use tidegate_model::span::Span;
use tidegate_model::target::Channel;

/// After this long a notice is no news any more, and is not sent.
const STALE: Span = Span::seconds(24 * 3600);
/// Most reasons that a chat message shows.
const REASONS_SHOWN: usize = 6;

/// The rollout that a record is about, if there is one.
pub fn rollout_of(record: &Record) -> Option<(&EnvironmentKey, &RolloutId)> {
    record.entries.iter().find_map(|entry| match &entry.entity {
        EntityRef::Rollout(environment, id) => Some((environment, id)),
        _ => None,
    })
}

/// What is told of a record about a rollout, in the life `epoch` of the store.
pub fn notice(record: &Record, start: &RolloutStart, epoch: u64) -> Option<Notice> {
    let because = record.because.as_ref()?;
    let about = |entry: &&Entry| {
        matches!((&entry.entity, &entry.change), (EntityRef::Rollout(environment, id), Change::Rollout(_))
            if *environment == start.environment && *id == start.id)
    };
    record.entries.iter().find(about)?;
    let reasons = because.reasons.iter().map(ToString::to_string).collect();
    Some(Notice {
        id: format!("{}/{epoch}.{}/{}", start.environment, record.sequence, start.id),
        at: record.at,
        environment: start.environment.clone(),
        rollout: start.id.clone(),
        flag: start.flag.clone(),
        policy: start.policy.clone(),
        occasion: Occasion::of(&because.decision)?,
        summary: because.decision.to_string(),
        reasons,
        by: record.by.to_string(),
    })
}

/// Whether this target is told of it.
pub fn is_told(rules: &[NotifyRule], target: &TargetName, occasion: Occasion) -> bool {
    rules
        .iter()
        .any(|rule| rule.to == *target && rule.on.contains(&occasion))
}

/// Whether the notice is no news any more.
pub fn is_stale(notice: &Notice, now: Timestamp) -> bool {
    STALE.after(notice.at) <= now
}

/// The notice as a chat message in Slack's words, where three characters have a meaning.
pub fn message(notice: &Notice) -> String {
    let mut text = format!(
        "*{}* ({}): {}",
        escaped(notice.rollout.as_str()),
        escaped(notice.environment.as_str()),
        escaped(&notice.summary)
    );
    for reason in notice.reasons.iter().take(REASONS_SHOWN) {
        text.push_str("\n• ");
        text.push_str(&escaped(reason));
    }
    let more = notice.reasons.len().saturating_sub(REASONS_SHOWN);
    if more > 0 {
        text.push_str(&format!("\n• and {more} more"));
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What is wrong with the targets that a rollout names, in words; `channel` knows those that there are.
pub fn unfit_targets(start: &RolloutStart, channel: impl Fn(&TargetName) -> Option<Channel>) -> Vec<String> {
    let told = start.plan.notify.iter().map(|rule| (&rule.to, false));
    let gates = start.plan.schedule.stages.iter().flat_map(|stage| &stage.gates);
    let asked = gates.map(|gate| (&gate.target, true));
    let named: BTreeSet<(&TargetName, bool)> = told.chain(asked).collect();
    let unfit = named
        .into_iter()
        .filter_map(|(name, is_gate)| match channel(name) {
            None => Some(format!("there is no target {name}")),
            Some(Channel::Slack | Channel::Alertmanager) if is_gate => Some(format!(
                "target {name} is no webhook, and only those can be gates"
            )),
            Some(_) => None,
        });
    unfit.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::because::Decision;

    fn notice(reasons: usize) -> Notice {
        let summary = Decision::Completed.to_string();
        serde_json::from_value(serde_json::json!({
            "id": "production/1.42/checkout.1", "at": "2026-01-05T00:00:00Z", "environment": "production",
            "rollout": "checkout.1", "flag": "checkout", "policy": "canary", "occasion": "completed",
            "summary": summary, "by": "tidegate",
            "reasons": (0..reasons).map(|n| format!("rule {n} <!channel> & more")).collect::<Vec<_>>(),
        }))
        .unwrap()
    }

    #[test]
    fn x13_words_of_others_are_text_in_a_chat() {
        let text = message(&notice(1));
        assert_eq!(
            text,
            "*checkout.1* (production): completed\n• rule 0 &lt;!channel&gt; &amp; more"
        );
        assert!(message(&notice(9)).ends_with("\n• and 3 more"));
    }

    #[test]
    fn old_news_is_none() {
        let notice = notice(0);
        assert!(!is_stale(&notice, Span::seconds(86_399).after(notice.at)));
        assert!(is_stale(&notice, Span::seconds(86_400).after(notice.at)));
    }
}
