//! Stopping an environment's line, and letting it go on.

use super::{ControlError, ControlPlane, to_the_end};
use crate::freeze::FreezeView;
use tidegate_decide::freeze;
use tidegate_model::access::Author;
use tidegate_model::key::EnvironmentKey;

impl ControlPlane {
    /// Whether an environment's line is stopped.
    ///
    /// # Errors
    /// When there is no such environment.
    pub fn frozen(&self, environment: &EnvironmentKey) -> Result<FreezeView, ControlError> {
        let home = self.shell.environment(environment)?;
        Ok(FreezeView {
            frozen: home.switch.current(),
        })
    }

    /// Stops the line: nothing starts, opens or completes until it is thawed. One that is stopped already
    /// stays as it is. When this returns, nothing opens any more, and it survives a power cut.
    ///
    /// # Errors
    /// When no reason is given, or nothing can be stored.
    pub async fn freeze(
        &self,
        environment: &EnvironmentKey,
        reason: String,
        by: Author,
    ) -> Result<FreezeView, ControlError> {
        let (shell, environment) = (self.shell.clone(), environment.clone());
        to_the_end(async move {
            let home = shell.environment(&environment)?;
            let turned = home.switch.turn(&shell, by, |before, by, now| {
                freeze::freeze(before, &reason, by, now)
            });
            let view = turned.await?;
            home.alerts.tell_again();
            Ok(view)
        })
        .await
    }

    /// Lets the line go on.
    ///
    /// # Errors
    /// When no reason is given, or nothing can be stored.
    pub async fn thaw(
        &self,
        environment: &EnvironmentKey,
        reason: String,
        by: Author,
    ) -> Result<FreezeView, ControlError> {
        let (shell, environment) = (self.shell.clone(), environment.clone());
        to_the_end(async move {
            let home = shell.environment(&environment)?;
            let turned = home
                .switch
                .turn(&shell, by, |before, by, _now| freeze::thaw(before, &reason, by));
            let view = turned.await?;
            home.alerts.tell_again();
            Ok(view)
        })
        .await
    }
}
