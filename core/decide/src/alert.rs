//! What becomes known of alerts when an Alertmanager says something.
//!
//! Deliveries repeat, come late and out of order. What is known of an alert is its newest firing and
//! whether that is over; whatever the order in which the same things are said, the same is known at
//! the end. Nothing is ever concluded from silence.

use tidegate_model::Timestamp;
use tidegate_model::alert::{Alert, AlertState, Firing};
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::policy::Action;
use tidegate_model::rollout::{RolloutChange, RolloutStart};
use tidegate_model::span::Span;

use crate::refusal::Refusal;

/// How long after an end was heard a firing with the same start, or an earlier one, is taken for a
/// delivery that came late. An Alertmanager gives up a delivery within its `group_interval`, 5 minutes
/// by default. Said later than this, the alert fires again: Prometheus keeps the start of an alert
/// that an Alertmanager gave up meanwhile.
pub const LATE: Span = Span::seconds(300);
/// How long an alert that is over is remembered.
const REMEMBERED: Span = Span::seconds(24 * 3600);

/// What an Alertmanager says of one alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The alert.
    pub alert: Alert,
    /// When it was over; `None` when it fires.
    pub ended: Option<Timestamp>,
}

/// What becomes true of an alert when this is said of it; `None` when it was known, or is old news.
pub fn hear(before: Option<&AlertState>, said: &Said, now: Timestamp) -> Option<Change> {
    let fired = || Some(Change::AlertFired(Box::new(said.alert.clone())));
    let starts = said.alert.starts;
    let Some(ended) = said.ended.map(|ended| ended.max(starts)) else {
        let news = match before {
            None => true,
            Some(known) if known.fires() || starts > known.alert.starts => starts > known.alert.starts,
            Some(over) => LATE.after(over.heard) <= now,
        };
        return news.then(fired).flatten();
    };
    let news = match before {
        None => true,
        // The end of an earlier firing says nothing of this one.
        Some(known) if known.fires() => starts >= known.alert.starts || ended > known.alert.starts,
        Some(over) => starts > over.alert.starts,
    };
    news.then(|| Change::AlertResolved {
        alert: Box::new(said.alert.clone()),
        ended,
    })
}

/// Whether an alert that is over need not be remembered any more.
pub fn is_forgotten(state: &AlertState, now: Timestamp) -> bool {
    !state.fires() && REMEMBERED.after(state.heard) <= now
}

/// Whether a rollout may start while these alerts fire: not if one of them would stop it at once.
///
/// # Errors
/// Which alerts would.
pub fn may_start(changes: &[(EntityRef, Change)], firing: &[Alert]) -> Result<(), Refusal> {
    let started = changes.iter().find_map(|(_, change)| match change {
        Change::Rollout(RolloutChange::Started(start)) => Some(start),
        _ => None,
    });
    let stops = |start: &RolloutStart, alert: &Alert| {
        let action = alert.action_on(start)?;
        (action >= Action::Pause).then(|| format!("{} (alert:{})", alert.told(), alert.fingerprint))
    };
    let why: Vec<String> = started
        .into_iter()
        .flat_map(|start| firing.iter().filter_map(|alert| stops(start, alert)))
        .collect();
    if why.is_empty() {
        return Ok(());
    }
    Err(Refusal::conflict(
        format!("alerts fire that would stop it at once: {}", why.join("; ")),
        "wait until they are over",
    ))
}

/// What of `alerts` concerns a rollout, with nothing said of its watchdog.
pub fn concerning<'a>(start: &RolloutStart, alerts: impl IntoIterator<Item = &'a Alert>) -> Firing {
    let concern = |alert: &Alert| {
        Some((
            alert.fingerprint.clone(),
            (alert.clone(), alert.action_on(start)?),
        ))
    };
    Firing {
        alerts: alerts.into_iter().filter_map(concern).collect(),
        ..Firing::default()
    }
}
