//! Alerts.

use super::{ControlError, ControlPlane, to_the_end};
use crate::alerts::{AlertView, Delivered};
use tidegate_decide::alert::Said;
use tidegate_model::access::Author;
use tidegate_model::key::EnvironmentKey;

impl ControlPlane {
    /// Takes in what an Alertmanager says, and tells the rollouts that it concerns. What was said
    /// before changes nothing. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When there is no such environment, there are too many alerts, or nothing can be stored.
    pub async fn hear_alerts(
        &self,
        environment: &EnvironmentKey,
        said: Vec<Said>,
        by: Author,
    ) -> Result<Delivered, ControlError> {
        let (shell, environment) = (self.shell.clone(), environment.clone());
        to_the_end(async move {
            let home = shell.environment(&environment)?;
            home.alerts.hear(&shell, said, by).await
        })
        .await
    }

    /// Counts alerts that an Alertmanager has but did not deliver: it was told to cut its lists.
    ///
    /// # Errors
    /// When there is no such environment.
    pub fn count_cut_off(&self, environment: &EnvironmentKey, alerts: u64) -> Result<(), ControlError> {
        self.shell.environment(environment)?;
        let counter = &self.shell.measures.others.heard_alerts;
        counter
            .with_label_values(&[environment.as_str(), "cut_off"])
            .inc_by(alerts);
        Ok(())
    }

    /// All alerts that are known of an environment, those that fire first.
    ///
    /// # Errors
    /// When there is no such environment.
    pub fn alerts(&self, environment: &EnvironmentKey) -> Result<Vec<AlertView>, ControlError> {
        Ok(self.shell.environment(environment)?.alerts.views())
    }
}
