//! An environment's flags, segments and settings, as whoever changes them sees them.

use crate::control::ControlError;
use std::collections::BTreeSet;
use tidegate_model::catalog::Catalog;
use tidegate_model::change::{EntityRef, EntityState, Kind};
use tidegate_model::environment::EnvironmentSettings;
use tidegate_model::key::{EnvironmentKey, FlagKey};
use tidegate_model::segment::SegmentState;
use tidegate_store::Store;
use tokio::sync::{Mutex, MutexGuard};

const KINDS: [Kind; 3] = [Kind::Flag, Kind::Segment, Kind::Environment];

/// Where changes of definitions stand in line: two edits that are fine one by one could close a loop together.
pub(crate) struct DefinitionDesk {
    environment: EnvironmentKey,
    line: Mutex<Definitions>,
}

/// An environment's flags, segments and settings.
#[derive(Default)]
pub(crate) struct Definitions {
    pub(crate) catalog: Catalog,
    pub(crate) settings: EnvironmentSettings,
    /// Flags that a rollout or an experiment holds.
    pub(crate) pinned: BTreeSet<FlagKey>,
    /// Every record up to here is in it.
    seen: u64,
}

impl DefinitionDesk {
    pub(crate) fn new(environment: EnvironmentKey) -> Self {
        Self {
            environment,
            line: Mutex::default(),
        }
    }

    /// The definitions as they are stored. They stay so for as long as what is answered is kept, but for what rollouts
    /// do to the flags and segments that they hold.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn in_line(
        &self,
        store: &dyn Store,
    ) -> Result<MutexGuard<'_, Definitions>, ControlError> {
        let mut definitions = self.line.lock().await;
        let changed = store
            .changed(&self.environment, &KINDS, definitions.seen)
            .await
            .map_err(ControlError::Store)?;
        for (entity, stored) in changed.things {
            definitions.take(&entity, stored.map(|stored| stored.state));
        }
        definitions.seen = changed.head;
        Ok(definitions)
    }
}

impl Definitions {
    fn take(&mut self, entity: &EntityRef, state: Option<EntityState>) {
        match (entity, state) {
            (EntityRef::Flag(_, key), Some(EntityState::Flag(state))) => {
                match (&state.pin, &state.held) {
                    (None, None) => self.pinned.remove(key),
                    _ => self.pinned.insert(key.clone()),
                };
                self.catalog.flags.insert(key.clone(), state.flag);
            }
            (EntityRef::Segment(_, key), Some(EntityState::Segment(SegmentState { segment, staged }))) => {
                match staged {
                    Some(staged) => self.catalog.staged.insert(key.clone(), *staged),
                    None => self.catalog.staged.remove(key),
                };
                self.catalog.segments.insert(key.clone(), segment);
            }
            (EntityRef::Segment(_, key), None) => {
                self.catalog.staged.remove(key);
                self.catalog.segments.remove(key);
            }
            (EntityRef::Environment(_), Some(EntityState::Environment(settings))) => self.settings = settings,
            _ => {}
        }
    }
}
