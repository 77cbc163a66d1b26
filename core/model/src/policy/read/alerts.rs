//! What alerts do to a rollout.

use super::arguments::Arguments;
use super::cursor::{Cursor, shown};
use super::{LIST_MAX, keys};
use crate::alert::{AlertRule, DEFAULT_WATCHDOG_EVERY, Labels, NAME_LABEL, ORIGIN_LABEL, Watchdog};
use crate::policy::Action;
use crate::span::Span;
use std::collections::{BTreeMap, BTreeSet};

/// What the alert that always fires is called in every rule file.
const WATCHDOG_NAME: &str = "Watchdog";

/// `alerts`: a list, by default the one rule that alerts addressed to the rollout pause it.
pub(super) fn rules(at: Option<&Cursor<'_>>, arguments: &Arguments<'_>) -> Option<Vec<AlertRule>> {
    let Some(at) = at else {
        return Some(vec![AlertRule::addressed()]);
    };
    let items = at.list()?;
    if items.len() > LIST_MAX {
        at.error(format!("{} rules; at most {LIST_MAX} are read", items.len()), "");
        return None;
    }
    let rules: Vec<_> = items.iter().map(|item| rule(item, arguments)).collect();
    rules.into_iter().collect()
}

fn rule(at: &Cursor<'_>, arguments: &Arguments<'_>) -> Option<AlertRule> {
    let rule = at.mapping(&keys::ALERT)?;
    let labels = rule.or("match", Labels::default(), |at| labels(at, arguments));
    let action = rule.or("do", Action::Pause, |at| at.word(keys::ACTIONS));
    Some(AlertRule {
        labels: labels?,
        action: action?,
    })
}

/// `watchdog`
pub(super) fn watchdog(at: &Cursor<'_>, arguments: &Arguments<'_>) -> Option<Watchdog> {
    let watchdog = at.mapping(&keys::WATCHDOG)?;
    let usual = Labels(BTreeMap::from([(
        NAME_LABEL.to_owned(),
        BTreeSet::from([WATCHDOG_NAME.to_owned()]),
    )]));
    let named = watchdog.or("match", usual, |at| {
        let labels = labels(at, arguments)?;
        if labels.0.is_empty() {
            at.error(
                "without a label any alert would show that alerts come through",
                "for example { alertname: Watchdog }",
            );
            return None;
        }
        Some(labels)
    });
    let every = watchdog.or("every", DEFAULT_WATCHDOG_EVERY, |at| {
        let every = at.positive_span("a watchdog is heard from time to time")?;
        if every < Span::seconds(1) {
            at.error("no Alertmanager repeats an alert that often", "for example 1m");
            return None;
        }
        Some(every)
    });
    Some(Watchdog {
        labels: named?,
        every: every?,
    })
}

/// `interlock`: what rollouts have in common.
pub(super) fn shared(at: &Cursor<'_>, arguments: &Arguments<'_>) -> Option<Labels> {
    let labels = labels(at, arguments)?;
    if labels.0.is_empty() {
        at.error(
            "without a label nothing is shared with anybody",
            "for example { service: checkout }, or leave it out",
        );
        return None;
    }
    Some(labels)
}

/// Labels, each with one value or a list of values that fit.
fn labels(at: &Cursor<'_>, arguments: &Arguments<'_>) -> Option<Labels> {
    let entries = at.entries()?;
    let labels: Vec<_> = entries
        .iter()
        .map(|(name, at)| {
            let name = label_name(name, at);
            let values = values(at, arguments);
            Some((name?, values?))
        })
        .collect();
    labels.into_iter().collect::<Option<_>>().map(Labels)
}

fn label_name(name: &str, at: &Cursor<'_>) -> Option<String> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        at.error(
            format!("{} is no name of a label", shown(name)),
            "a letter or '_', then letters, digits or '_'",
        );
        return None;
    }
    if name == ORIGIN_LABEL {
        at.error(
            "this label marks the alerts that Tidegate sends, and those act on no rollout",
            "choose another label",
        );
        return None;
    }
    Some(name.to_owned())
}

fn values(at: &Cursor<'_>, arguments: &Arguments<'_>) -> Option<BTreeSet<String>> {
    let Some(items) = at.items() else {
        return arguments.text(at).map(|value| BTreeSet::from([value]));
    };
    if items.is_empty() {
        at.error("no value would ever fit", "name one at least");
        return None;
    }
    let values: Vec<_> = items.iter().map(|item| arguments.text(item)).collect();
    values.into_iter().collect()
}
