//! What is known of an environment's alerts, and who is told.
//!
//! A delivery is stored before it is answered, and told to the rollouts that it concerns at once. What
//! is known survives a restart; when something was last heard does not, so that after one nothing is
//! taken for heard that was not.

use crate::control::ControlError;
use crate::shell::Shell;
use actix::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tidegate_decide::alert::{Said, concerning, hear, is_forgotten};
use tidegate_decide::refusal::Refusal;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::alert::{Alert, AlertState, Firing, Watchdog};
use tidegate_model::change::{Change, EntityRef, EntityState, Kind, Record};
use tidegate_model::key::{EnvironmentKey, Fingerprint, Revision, RolloutId};
use tidegate_model::rollout::RolloutStart;
use tidegate_store::{Expect, Proposal, Store, StoreError, Write};

/// Most alerts that are known of one environment. More than that are no signal any more.
const ALERTS_MAX: usize = 10_000;
/// Most alerts that one delivery has forgotten on its way.
const FORGOTTEN_AT_ONCE: usize = 100;

/// The alerts that concern a rollout have changed, or its watchdog was heard.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub(crate) struct AlertsMoved(pub(crate) Firing);

/// What a delivery brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivered {
    /// Alerts that fire and did not, as far as was known.
    pub fired: usize,
    /// Alerts that are over.
    pub resolved: usize,
    /// What was known already, or is old news.
    pub repeated: usize,
}

/// An alert, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertView {
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
    /// Whether it fires, as far as was ever heard.
    pub fires: bool,
    /// When it was over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    /// When it was last said to fire; `None`: not since the control plane started.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub heard: Option<Timestamp>,
    /// The running rollouts that it concerns.
    pub rollouts: Vec<RolloutId>,
}

/// What is known of an environment's alerts.
pub(crate) struct AlertDesk {
    environment: EnvironmentKey,
    /// Deliveries stand in line: each is decided on what the one before left.
    line: tokio::sync::Mutex<()>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    alerts: BTreeMap<Fingerprint, (AlertState, Revision)>,
    /// When each was last said to fire.
    heard: BTreeMap<Fingerprint, Timestamp>,
    since: Option<Timestamp>,
    attached: BTreeMap<RolloutId, Attached>,
}

struct Attached {
    start: RolloutStart,
    recipient: Recipient<AlertsMoved>,
    told: Option<Firing>,
}

impl AlertDesk {
    pub(crate) fn new(environment: EnvironmentKey) -> Self {
        Self {
            environment,
            line: tokio::sync::Mutex::new(()),
            book: Mutex::default(),
        }
    }

    /// Takes in what the store has, and listens from `now` on.
    pub(crate) async fn load(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        let stored = store.list(Kind::Alert, Some(&self.environment)).await?;
        let mut book = self.book();
        for stored in stored {
            if let EntityState::Alert(state) = stored.state {
                let fingerprint = state.alert.fingerprint.clone();
                book.alerts.insert(fingerprint, (*state, stored.revision));
            }
        }
        book.since = Some(now);
        Ok(())
    }

    /// Takes in a delivery, and tells the rollouts that it concerns.
    pub(crate) async fn hear(
        &self,
        shell: &Shell,
        said: Vec<Said>,
        by: Author,
    ) -> Result<Delivered, ControlError> {
        let _line = self.line.lock().await;
        let now = shell.clock.now();
        let writes = self.decide(&said, now)?;
        let count = |is: fn(&Change) -> bool| {
            let changes = writes.iter().flat_map(|write| &write.changes);
            changes.filter(|change| is(change)).count()
        };
        let fired = count(|change| matches!(change, Change::AlertFired(_)));
        let resolved = count(|change| matches!(change, Change::AlertResolved { .. }));
        let delivered = Delivered {
            fired,
            resolved,
            repeated: said.len().saturating_sub(fired + resolved),
        };
        if !writes.is_empty() {
            let proposal = Proposal {
                at: now,
                by,
                because: None,
                basis: None,
                writes,
            };
            let record = shell.commit(proposal).await?;
            self.book().fold(&record);
        }
        let mut book = self.book();
        for said in said.iter().filter(|said| said.ended.is_none()) {
            book.heard.insert(said.alert.fingerprint.clone(), now);
        }
        book.tell();
        let measures = &shell.measures.others.heard_alerts;
        for (outcome, count) in [
            ("fired", delivered.fired),
            ("resolved", delivered.resolved),
            ("repeated", delivered.repeated),
        ] {
            let counter = measures.with_label_values(&[self.environment.as_str(), outcome]);
            counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(delivered)
    }

    /// What becomes true when this is said.
    fn decide(&self, said: &[Said], now: Timestamp) -> Result<Vec<Write>, ControlError> {
        let book = self.book();
        let mut after: BTreeMap<&Fingerprint, (Option<AlertState>, Vec<Change>)> = BTreeMap::new();
        for one in said {
            let fingerprint = &one.alert.fingerprint;
            let (state, changes) = after.entry(fingerprint).or_insert_with(|| {
                let known = book.alerts.get(fingerprint).map(|(state, _)| state.clone());
                (known, Vec::new())
            });
            let Some(change) = hear(state.as_ref(), one, now) else {
                continue;
            };
            let before = state.take().map(|state| EntityState::Alert(Box::new(state)));
            if let Ok(Some(EntityState::Alert(next))) =
                EntityState::apply(before, &change, now, Revision::ABSENT)
            {
                *state = Some(*next);
            }
            changes.push(change);
        }
        let old = book
            .alerts
            .iter()
            .filter(|(fingerprint, (state, _))| is_forgotten(state, now) && !after.contains_key(fingerprint));
        let forgotten: Vec<_> = old.map(|(key, _)| key).take(FORGOTTEN_AT_ONCE).collect();
        let new = after
            .keys()
            .filter(|key| !book.alerts.contains_key(**key))
            .count();
        if book.alerts.len() + new > ALERTS_MAX + forgotten.len() {
            return Err(ControlError::Refused(Refusal::conflict(
                format!("{ALERTS_MAX} alerts are known already, and no more are kept"),
                "let the Alertmanager's route send only alerts that are meant for rollouts",
            )));
        }
        let forgotten = forgotten
            .into_iter()
            .map(|key| (key, vec![Change::AlertForgotten]));
        let news = after.into_iter().map(|(key, (_, changes))| (key, changes));
        let writes = news
            .filter(|(_, changes)| !changes.is_empty())
            .chain(forgotten)
            .map(|(key, changes)| {
                let known = book.alerts.get(key).map(|(_, revision)| *revision);
                Write {
                    entity: EntityRef::Alert(self.environment.clone(), key.clone()),
                    expect: Expect::Revision(known.unwrap_or(Revision::ABSENT)),
                    changes,
                }
            });
        Ok(writes.collect())
    }

    /// Tells a rollout's actor which alerts concern it, now and whenever that changes.
    pub(crate) fn attach(&self, start: &RolloutStart, recipient: Recipient<AlertsMoved>) {
        let mut book = self.book();
        let mut attached = Attached {
            start: start.clone(),
            recipient,
            told: None,
        };
        book.tell_one(&mut attached);
        book.attached.insert(start.id.clone(), attached);
    }

    /// Tells all rollouts again what concerns them: something else has changed that they look at then.
    pub(crate) fn tell_again(&self) {
        let mut book = self.book();
        for attached in book.attached.values_mut() {
            attached.told = None;
        }
        book.tell();
    }

    /// The alerts that fire, as far as was ever heard.
    pub(crate) fn firing(&self) -> Vec<Alert> {
        self.book().firing().cloned().collect()
    }

    /// All alerts that are known, those that fire first.
    pub(crate) fn views(&self) -> Vec<AlertView> {
        let book = self.book();
        let running = || {
            let attached = book.attached.values();
            attached.filter(|attached| attached.recipient.connected())
        };
        let view = |(state, _): &(AlertState, Revision)| {
            let concerned = running().filter(|attached| state.alert.action_on(&attached.start).is_some());
            AlertView {
                alert: state.alert.clone(),
                fires: state.fires(),
                ended: state.ended,
                heard: book.heard.get(&state.alert.fingerprint).copied(),
                rollouts: concerned.map(|attached| attached.start.id.clone()).collect(),
            }
        };
        let mut views: Vec<AlertView> = book.alerts.values().map(view).collect();
        views.sort_by(|left, right| {
            let order = |view: &AlertView| (!view.fires, std::cmp::Reverse(view.alert.starts));
            order(left).cmp(&order(right))
        });
        views
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn firing(&self) -> impl Iterator<Item = &Alert> {
        let known = self.alerts.values();
        known
            .filter(|(state, _)| state.fires())
            .map(|(state, _)| &state.alert)
    }

    /// Takes in what was stored: the same fold as the store's.
    fn fold(&mut self, record: &Record) {
        for entry in &record.entries {
            let EntityRef::Alert(_, fingerprint) = &entry.entity else {
                continue;
            };
            let before = self.alerts.remove(fingerprint);
            let before = before.map(|(state, _)| EntityState::Alert(Box::new(state)));
            let after = EntityState::apply(before, &entry.change, record.at, entry.revision);
            match after {
                Ok(Some(EntityState::Alert(state))) => {
                    self.alerts.insert(fingerprint.clone(), (*state, entry.revision));
                }
                _ => drop(self.heard.remove(fingerprint)),
            }
        }
    }

    /// Tells each rollout what concerns it, if that has changed.
    fn tell(&mut self) {
        self.attached.retain(|_, attached| attached.recipient.connected());
        let mut attached = std::mem::take(&mut self.attached);
        for one in attached.values_mut() {
            self.tell_one(one);
        }
        self.attached = attached;
    }

    fn tell_one(&self, attached: &mut Attached) {
        let watchdog = attached.start.plan.watchdog.as_ref();
        let firing = Firing {
            listening_since: self.since,
            watchdog_heard: watchdog.and_then(|watchdog| self.last_heard(watchdog)),
            ..concerning(&attached.start, self.firing())
        };
        if attached.told.as_ref() != Some(&firing) {
            attached.recipient.do_send(AlertsMoved(firing.clone()));
            attached.told = Some(firing);
        }
    }

    fn last_heard(&self, watchdog: &Watchdog) -> Option<Timestamp> {
        let beats = self.firing().filter(|alert| watchdog.labels.fit(alert));
        beats
            .filter_map(|alert| self.heard.get(&alert.fingerprint))
            .max()
            .copied()
    }
}
