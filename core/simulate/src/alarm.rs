//! The Alertmanager of a simulated rollout.

use crate::answer::Source;
use crate::fault::Fault;
use crate::simulation::{Simulation, impossible, refused};
use std::collections::BTreeMap;
use tidegate_decide::alert::{Said, concerning, hear};
use tidegate_decide::rollout::Input;
use tidegate_model::Timestamp;
use tidegate_model::alert::{Alert, AlertState, Firing};
use tidegate_model::change::EntityState;
use tidegate_model::key::{Fingerprint, Revision};

/// What an Alertmanager has said.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Every alert that is known.
    pub alerts: BTreeMap<Fingerprint, AlertState>,
    /// When the watchdog was heard last.
    pub watchdog: Option<Timestamp>,
    /// Since when anybody listens.
    pub since: Timestamp,
    /// Whether the watchdog is heard all the time from now on.
    pub always: bool,
}

impl Heard {
    /// Nothing, since `now`.
    pub(crate) fn nothing(now: Timestamp) -> Self {
        Self {
            alerts: BTreeMap::new(),
            watchdog: None,
            since: now,
            always: false,
        }
    }
}

impl<A: Source> Simulation<A> {
    /// An Alertmanager says that this fires; since now, unless it did before.
    ///
    /// # Errors
    /// When that is no fingerprint, or a step cannot be.
    pub fn fires(&mut self, fingerprint: &str, labels: BTreeMap<String, String>) -> Result<(), Fault> {
        let known = self.heard.alerts.get(fingerprint).filter(|known| known.fires());
        let alert = Alert {
            fingerprint: Fingerprint::new(fingerprint).map_err(refused)?,
            starts: known.map_or(self.now, |known| known.alert.starts),
            labels,
            summary: String::new(),
            source: String::new(),
        };
        self.hear(&Said { alert, ended: None })
    }

    /// An Alertmanager says that this is over. Nothing happens if it is not known.
    ///
    /// # Errors
    /// When a step cannot be.
    pub fn over(&mut self, fingerprint: &str) -> Result<(), Fault> {
        let Some(known) = self.heard.alerts.get(fingerprint) else {
            return Ok(());
        };
        let said = Said {
            alert: known.alert.clone(),
            ended: Some(self.now),
        };
        self.hear(&said)
    }

    /// The watchdog is heard; `always`: all the time from now on.
    ///
    /// # Errors
    /// When a step cannot be.
    pub fn beats(&mut self, always: bool) -> Result<(), Fault> {
        self.heard.watchdog = Some(self.now);
        self.heard.always = always;
        self.feed(Input::Alerts(self.firing()))
    }

    /// The control plane starts anew, and has heard no watchdog yet.
    ///
    /// # Errors
    /// When a step cannot be.
    pub fn deaf(&mut self) -> Result<(), Fault> {
        self.heard.watchdog = None;
        self.heard.since = self.now;
        self.feed(Input::Alerts(self.firing()))
    }

    fn hear(&mut self, said: &Said) -> Result<(), Fault> {
        let fingerprint = said.alert.fingerprint.clone();
        let known = self.heard.alerts.get(&fingerprint).cloned();
        if let Some(change) = hear(known.as_ref(), said, self.now) {
            let before = known.map(|known| EntityState::Alert(Box::new(known)));
            let after = EntityState::apply(before, &change, self.now, Revision(1)).map_err(impossible)?;
            match after {
                Some(EntityState::Alert(state)) => self.heard.alerts.insert(fingerprint, *state),
                other => return Err(Fault::Impossible(format!("an alert became {other:?}"))),
            };
        }
        self.feed(Input::Alerts(self.firing()))
    }

    /// What is known of alerts that concern the rollout.
    pub(crate) fn firing(&self) -> Firing {
        let known = self.heard.alerts.values().filter(|known| known.fires());
        Firing {
            watchdog_heard: self.heard.watchdog,
            listening_since: Some(self.heard.since),
            ..concerning(&self.rollout.start, known.map(|known| &known.alert))
        }
    }
}
