//! Settings of environments.

use super::definitions::save;
use super::{ControlError, ControlPlane, to_the_end};
use crate::flag::load_settings;
use crate::view::Revised;
use tidegate_decide::environment;
use tidegate_model::access::Author;
use tidegate_model::change::EntityRef;
use tidegate_model::environment::EnvironmentSettings;
use tidegate_model::key::EnvironmentKey;
use tidegate_store::Expect;

impl ControlPlane {
    /// An environment's settings; the usual ones at revision 0 if it was never given any.
    ///
    /// # Errors
    /// When there is no such environment.
    pub async fn settings(
        &self,
        environment: &EnvironmentKey,
    ) -> Result<Revised<EnvironmentSettings>, ControlError> {
        self.shell.environment(environment)?;
        load_settings(self.shell.store.as_ref(), environment).await
    }

    /// Gives an environment these settings. Saving what it has already changes nothing and is no error.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn save_settings(
        &self,
        environment: &EnvironmentKey,
        settings: EnvironmentSettings,
        expect: Expect,
        by: Author,
    ) -> Result<Revised<EnvironmentSettings>, ControlError> {
        let (shell, key) = (self.shell.clone(), environment.clone());
        to_the_end(async move {
            let home = shell.environment(&key)?;
            let store = shell.store.as_ref();
            let definitions = home.definitions.in_line(store).await?;
            let pinned: Vec<_> = definitions.pinned.iter().cloned().collect();
            let (before, catalog) = (definitions.settings, &definitions.catalog);
            let change = environment::save_settings(&key, before, settings, catalog, &pinned)
                .map_err(ControlError::Refused)?;
            save(&shell, &EntityRef::Environment(key.clone()), change, expect, by).await?;
            load_settings(store, &key).await
        })
        .await
    }
}
