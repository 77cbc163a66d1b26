//! The alerts that Tidegate sends: what of a rollout wants a person, for as long as it does.

use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::alert::{FLAG_LABEL, NAME_LABEL, ORIGIN_LABEL, ROLLOUT_LABEL};
use tidegate_model::because::{Because, Decision};
use tidegate_model::notice::Occasion;
use tidegate_model::rollout::{Ending, PauseOwner, Phase, Rollout};
use tidegate_model::span::Span;

/// How long a rollout that was rolled back is told of. A rollback takes a moment, and an Alertmanager
/// that waits for its group would never say a word.
pub const AFTERMATH: Span = Span::seconds(15 * 60);

/// Something that wants a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// What identifies it.
    pub labels: BTreeMap<String, String>,
    /// Since when.
    pub since: Timestamp,
    /// For people.
    pub summary: String,
    /// What it is an occasion of, for the policy's choice.
    pub occasion: Occasion,
}

/// Everything about the rollout that wants a person at `now`.
pub fn standing(rollout: &Rollout, now: Timestamp) -> Vec<Standing> {
    let mut all = Vec::new();
    match &rollout.phase {
        Phase::Running { .. } => all.extend(running(rollout)),
        Phase::RollingBack { since, .. } => {
            let summary = told(rollout, Decision::RollingBack);
            all.push(one(
                rollout,
                "TidegateRollingBack",
                None,
                *since,
                summary,
                Occasion::RollingBack,
            ));
        }
        Phase::Ended {
            ending: Ending::RolledBack,
            at,
            took,
        } if now < AFTERMATH.after(*at) => {
            let took = took.unwrap_or_default();
            let summary = told(rollout, Decision::RolledBack { took });
            all.push(one(
                rollout,
                "TidegateRolledBack",
                None,
                *at,
                summary,
                Occasion::RolledBack,
            ));
        }
        Phase::Ended { .. } => {}
    }
    all
}

fn running(rollout: &Rollout) -> impl Iterator<Item = Standing> {
    // What an alert has paused is the Alertmanager's to tell, not ours.
    let failures = rollout
        .pauses
        .iter()
        .filter(|(owner, _)| owner.is_failure() && !matches!(owner, PauseOwner::Alert(_)));
    let paused = failures.map(|(owner, pause)| {
        let label = Some(("owner", owner.to_string()));
        let summary = format!("{} is paused by {owner}: {}", rollout.start.id, pause.reason);
        one(
            rollout,
            "TidegateRolloutPaused",
            label,
            pause.since,
            summary,
            Occasion::Paused,
        )
    });
    let rules = rollout.rules.iter().filter(|(_, memory)| memory.alerted);
    let rules = rules.map(|(rule, memory)| {
        let label = Some(("rule", rule.to_string()));
        let summary = format!("{}: rule {rule} is {}", rollout.start.id, memory.last.verdict);
        one(
            rollout,
            "TidegateRule",
            label,
            memory.since,
            summary,
            Occasion::Alerted,
        )
    });
    let gates = rollout.gates.iter().filter(|(_, state)| state.overdue);
    let gates = gates.map(|(target, state)| {
        let label = Some(("gate", target.to_string()));
        let summary = format!("{} waits for gate {target}", rollout.start.id);
        one(
            rollout,
            "TidegateGateOverdue",
            label,
            state.asked,
            summary,
            Occasion::Alerted,
        )
    });
    paused.chain(rules).chain(gates).collect::<Vec<_>>().into_iter()
}

fn told(rollout: &Rollout, decision: Decision) -> String {
    let reasons = rollout.cause.clone();
    format!("{}: {}", rollout.start.id, Because { decision, reasons })
}

fn one(
    rollout: &Rollout,
    name: &str,
    label: Option<(&str, String)>,
    since: Timestamp,
    summary: String,
    occasion: Occasion,
) -> Standing {
    let start = &rollout.start;
    let labels = [
        (NAME_LABEL, name.to_owned()),
        ("severity", "page".to_owned()),
        (FLAG_LABEL, start.flag.to_string()),
        (ROLLOUT_LABEL, start.id.to_string()),
        (ORIGIN_LABEL, start.environment.to_string()),
    ];
    Standing {
        labels: labels
            .into_iter()
            .chain(label)
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        since,
        summary,
        occasion,
    }
}
