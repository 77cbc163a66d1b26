//! Imported lists of units.

use super::definitions::{find, save, segment_of};
use super::{ControlError, ControlPlane, to_the_end};
use crate::shell::{Shell, incident};
use crate::view::Revised;
use bytes::Bytes;
use tidegate_decide::definition;
use tidegate_decide::refusal::Refusal;
use tidegate_model::access::Author;
use tidegate_model::change::EntityRef;
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::{EnvironmentKey, SegmentKey};
use tidegate_model::segment::{Segment, SegmentDefinition, SegmentState, UnitList};
use tidegate_model::snapshot::Digest;
use tidegate_model::units::UnitSet;
use tidegate_store::Expect;

impl ControlPlane {
    /// Gives a segment this list of units, in place of the one it had. A segment that does not exist is
    /// made, of the list alone. The list is durable before the change that names it.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn import_list(
        &self,
        environment: &EnvironmentKey,
        key: &SegmentKey,
        units: UnitSet,
        expect: Expect,
        by: Author,
    ) -> Result<Revised<SegmentState>, ControlError> {
        let (shell, environment, key) = (self.shell.clone(), environment.clone(), key.clone());
        to_the_end(async move {
            let home = shell.environment(&environment)?;
            shell.serving.check()?;
            let count = units.len() as u64;
            let written = tokio::task::spawn_blocking(move || Bytes::from(units.to_bytes())).await;
            let bytes = written.map_err(|panic| incident(&format!("writing a list failed: {panic}")))?;
            let digest = shell.store.put_list(bytes).await.map_err(ControlError::Store)?;
            let entity = EntityRef::Segment(environment.clone(), key.clone());
            let definitions = home.definitions.in_line(shell.store.as_ref()).await?;
            let catalog = &definitions.catalog;
            let before = catalog.segments.get(&key).cloned();
            let definition = SegmentDefinition {
                list: Some(UnitList { digest, count }),
                ..before.map_or_else(|| SegmentDefinition::new(key), SegmentDefinition::from)
            };
            let opening = home.neighbours.opening_to(&definition.key);
            let change = definition::save_segment(catalog, definition, &opening);
            let change = change.map_err(ControlError::Refused)?;
            save(&shell, &entity, change, expect, by).await?;
            find(&shell, entity, segment_of).await
        })
        .await
    }

    /// The bytes of a list: [`UnitSet::from_bytes`].
    ///
    /// # Errors
    /// When there is no such list, or it cannot be read.
    pub async fn list_of_units(&self, digest: &Digest) -> Result<Bytes, ControlError> {
        let bytes = self.shell.store.load_list(digest).await;
        bytes
            .map_err(ControlError::Store)?
            .ok_or_else(|| ControlError::NotFound {
                what: format!("list {digest}"),
            })
    }
}

/// A list that somebody names by hand must be there, and be as long as they say.
pub(crate) async fn check_list(
    shell: &Shell,
    before: Option<&Segment>,
    definition: &SegmentDefinition,
) -> Result<(), ControlError> {
    let Some(list) = &definition.list else {
        return Ok(());
    };
    if before.is_some_and(|before| before.definition().list.as_ref() == Some(list)) {
        return Ok(());
    }
    let refused = |field: &str, value: &dyn std::fmt::Display, rule: String, fix: &str| {
        let violation = Violation::new(field, value, rule, fix);
        Err(ControlError::Refused(Refusal::Invalid(Invalid::from(violation))))
    };
    let bytes = shell
        .store
        .load_list(&list.digest)
        .await
        .map_err(ControlError::Store)?;
    let units = bytes.as_deref().map(UnitSet::from_bytes);
    let Some(Ok(units)) = units else {
        let rule = "there is no such list".to_owned();
        let fix = "import it: PUT the units to the segment's address with /list behind it";
        return refused("list.digest", &list.digest, rule, fix);
    };
    if units.len() as u64 != list.count {
        let rule = format!("the list has {} units", units.len());
        return refused(
            "list.count",
            &list.count,
            rule,
            "write the count that the list has",
        );
    }
    Ok(())
}
