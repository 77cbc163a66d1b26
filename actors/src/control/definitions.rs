//! Flags, segments and policies.

use super::error::check_expected;
use super::lists::check_list;
use super::{ControlError, ControlPlane, to_the_end};
use crate::flag::SaveFlag;
use crate::keeper::FindFlag;
use crate::shell::{Shell, describe, incident};
use crate::view::Revised;
use std::sync::Arc;
use tidegate_decide::definition;
use tidegate_decide::environment::check_target;
use tidegate_decide::refusal::Refusal;
use tidegate_model::access::Author;
use tidegate_model::because::{Because, Decision};
use tidegate_model::change::{Change, EntityRef, EntityState, Kind, PolicyState};
use tidegate_model::flag::{Flag, FlagDefinition, FlagState};
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::{EnvironmentKey, FlagKey, PolicyName, Revision, SegmentKey};
use tidegate_model::policy::diagnostic::{Diagnostic, Severity};
use tidegate_model::policy::read;
use tidegate_model::segment::{SegmentDefinition, SegmentState};
use tidegate_store::{Expect, Proposal, Stored, Write};

impl ControlPlane {
    /// All flags of an environment, sorted by key.
    ///
    /// # Errors
    /// See [`ControlError`]; the same for every method here.
    pub async fn flags(&self, environment: &EnvironmentKey) -> Result<Vec<Revised<FlagState>>, ControlError> {
        self.list(Kind::Flag, environment, flag_of).await
    }

    /// One flag.
    ///
    /// # Errors
    /// When there is no such flag.
    pub async fn flag(
        &self,
        environment: &EnvironmentKey,
        key: &FlagKey,
    ) -> Result<Revised<FlagState>, ControlError> {
        find(
            &self.shell,
            EntityRef::Flag(environment.clone(), key.clone()),
            flag_of,
        )
        .await
    }

    /// Gives a flag this definition. Saving what it has already changes nothing and is no error.
    ///
    /// # Errors
    /// What is wrong with the definition, or what stands in the way.
    pub async fn save_flag(
        &self,
        environment: &EnvironmentKey,
        definition: FlagDefinition,
        expect: Expect,
        by: Author,
    ) -> Result<Revised<FlagState>, ControlError> {
        self.shell.environment(environment)?;
        // Checked here too, so that nonsense never gets an actor of its own.
        Flag::new(definition.clone()).map_err(|invalid| ControlError::Refused(Refusal::Invalid(invalid)))?;
        let find = FindFlag(environment.clone(), definition.key.clone());
        let actor = self
            .shell
            .keeper()?
            .send(find)
            .await
            .map_err(|_dead| ControlError::Busy { retry_after: 1 })?;
        let saved = actor
            .send(SaveFlag {
                definition,
                expect,
                by,
            })
            .await;
        saved.unwrap_or_else(|dead| Err(incident(&format!("the flag's actor died on a save: {dead}"))))
    }

    /// All segments of an environment, sorted by key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn segments(
        &self,
        environment: &EnvironmentKey,
    ) -> Result<Vec<Revised<SegmentState>>, ControlError> {
        self.list(Kind::Segment, environment, segment_of).await
    }

    /// One segment.
    ///
    /// # Errors
    /// When there is no such segment.
    pub async fn segment(
        &self,
        environment: &EnvironmentKey,
        key: &SegmentKey,
    ) -> Result<Revised<SegmentState>, ControlError> {
        find(
            &self.shell,
            EntityRef::Segment(environment.clone(), key.clone()),
            segment_of,
        )
        .await
    }

    /// Gives a segment this definition. Saving what it has already changes nothing and is no error.
    ///
    /// # Errors
    /// What is wrong with the definition.
    pub async fn save_segment(
        &self,
        environment: &EnvironmentKey,
        definition: SegmentDefinition,
        expect: Expect,
        by: Author,
    ) -> Result<Revised<SegmentState>, ControlError> {
        let (shell, environment) = (self.shell.clone(), environment.clone());
        to_the_end(async move {
            let home = shell.environment(&environment)?;
            let entity = EntityRef::Segment(environment.clone(), definition.key.clone());
            let definitions = home.definitions.in_line(shell.store.as_ref()).await?;
            let catalog = &definitions.catalog;
            check_list(&shell, catalog.segments.get(&definition.key), &definition).await?;
            let opening = home.neighbours.opening_to(&definition.key);
            let change = definition::save_segment(catalog, definition, &opening);
            let change = change.map_err(ControlError::Refused)?;
            if let Some(change) = &change {
                let settings = definitions.settings;
                check_target(&environment, settings, catalog, change).map_err(ControlError::Refused)?;
            }
            save(&shell, &entity, change, expect, by).await?;
            find(&shell, entity, segment_of).await
        })
        .await
    }

    /// Removes a segment that nothing uses.
    ///
    /// # Errors
    /// Who uses it.
    pub async fn delete_segment(
        &self,
        environment: &EnvironmentKey,
        key: &SegmentKey,
        expect: Expect,
        by: Author,
    ) -> Result<(), ControlError> {
        let (shell, environment, key) = (self.shell.clone(), environment.clone(), key.clone());
        to_the_end(async move {
            let home = shell.environment(&environment)?;
            let entity = EntityRef::Segment(environment.clone(), key.clone());
            let definitions = home.definitions.in_line(shell.store.as_ref()).await?;
            find(&shell, entity.clone(), segment_of).await?;
            let opening = home.neighbours.opening_to(&key);
            let change = definition::delete_segment(&definitions.catalog, &key, &opening)
                .map_err(ControlError::Refused)?;
            save(&shell, &entity, Some(change), expect, by).await
        })
        .await
    }

    /// All policies of an environment, sorted by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn policies(
        &self,
        environment: &EnvironmentKey,
    ) -> Result<Vec<Revised<PolicyState>>, ControlError> {
        self.list(Kind::Policy, environment, policy_of).await
    }

    /// One policy.
    ///
    /// # Errors
    /// When there is no such policy.
    pub async fn policy(
        &self,
        environment: &EnvironmentKey,
        name: &PolicyName,
    ) -> Result<Revised<PolicyState>, ControlError> {
        find(
            &self.shell,
            EntityRef::Policy(environment.clone(), name.clone()),
            policy_of,
        )
        .await
    }

    /// Reads a policy's text and saves it under its own name, which must be `name`. Returns the
    /// warnings too. Saving the same text again changes nothing and is no error.
    ///
    /// # Errors
    /// All that is wrong with the text.
    pub async fn save_policy(
        &self,
        environment: &EnvironmentKey,
        name: &PolicyName,
        text: String,
        expect: Expect,
        by: Author,
    ) -> Result<(Revised<PolicyState>, Vec<Diagnostic>), ControlError> {
        let (policy, diagnostics) = read::read(&text);
        let Some(policy) = policy.filter(|_| diagnostics.iter().all(|one| one.severity < Severity::Error))
        else {
            return Err(ControlError::Policy(diagnostics));
        };
        if policy.name != *name {
            let violation = Violation::new(
                "name",
                &policy.name,
                format!("the policy is saved under the name {name}, and its text must say the same"),
                "change the address or the text",
            );
            return Err(ControlError::Refused(Refusal::Invalid(Invalid::from(violation))));
        }
        let (shell, entity) = (
            self.shell.clone(),
            EntityRef::Policy(environment.clone(), name.clone()),
        );
        let saved = to_the_end(async move {
            let home = entity
                .environment()
                .map(|key| shell.environment(key))
                .transpose()?;
            let _line = match home {
                Some(home) => Some(home.definitions.in_line(shell.store.as_ref()).await?),
                None => None,
            };
            let state = PolicyState {
                policy,
                text,
                by: Some(by.clone()),
            };
            let before = shell
                .store
                .load(&entity)
                .await
                .map_err(ControlError::Store)?
                .and_then(policy_of);
            // Whoever saves the same text again has written nothing.
            let same = before.is_some_and(|before| {
                (&before.value.policy, &before.value.text) == (&state.policy, &state.text)
            });
            let change = (!same).then(|| Change::PolicySaved(Box::new(state)));
            save(&shell, &entity, change, expect, by).await?;
            find(&shell, entity, policy_of).await
        })
        .await?;
        Ok((saved, diagnostics))
    }

    /// Removes a policy. Rollouts that pinned it go on with their copy.
    ///
    /// # Errors
    /// When there is no such policy.
    pub async fn delete_policy(
        &self,
        environment: &EnvironmentKey,
        name: &PolicyName,
        expect: Expect,
        by: Author,
    ) -> Result<(), ControlError> {
        let (shell, entity) = (
            self.shell.clone(),
            EntityRef::Policy(environment.clone(), name.clone()),
        );
        to_the_end(async move {
            find(&shell, entity.clone(), policy_of).await?;
            save(&shell, &entity, Some(Change::PolicyDeleted), expect, by).await
        })
        .await
    }

    async fn list<T>(
        &self,
        kind: Kind,
        environment: &EnvironmentKey,
        take: fn(Stored) -> Option<Revised<T>>,
    ) -> Result<Vec<Revised<T>>, ControlError> {
        self.shell.environment(environment)?;
        let all = self
            .shell
            .store
            .list(kind, Some(environment))
            .await
            .map_err(ControlError::Store)?;
        Ok(all.into_iter().filter_map(take).collect())
    }
}

pub(super) async fn find<T>(
    shell: &Shell,
    entity: EntityRef,
    take: fn(Stored) -> Option<Revised<T>>,
) -> Result<Revised<T>, ControlError> {
    if let Some(environment) = entity.environment() {
        shell.environment(environment)?;
    }
    let stored = shell.store.load(&entity).await.map_err(ControlError::Store)?;
    stored.and_then(take).ok_or_else(|| ControlError::NotFound {
        what: describe(&entity),
    })
}

/// Stores a change of one thing, unless there is none; checks the revision either way.
pub(super) async fn save(
    shell: &Arc<Shell>,
    entity: &EntityRef,
    change: Option<Change>,
    expect: Expect,
    by: Author,
) -> Result<(), ControlError> {
    let before = shell.store.load(entity).await.map_err(ControlError::Store)?;
    let revision = before.as_ref().map_or(Revision::ABSENT, |before| before.revision);
    check_expected(entity, expect, revision)?;
    let Some(change) = change else { return Ok(()) };
    // A thing that was deleted goes on counting, so "absent" is left to the store to compare.
    let expect = if before.is_some() {
        Expect::Revision(revision)
    } else {
        Expect::Any
    };
    let write = Write {
        entity: entity.clone(),
        expect,
        changes: vec![change],
    };
    let because = Some(Because {
        decision: Decision::Saved,
        reasons: Vec::new(),
    });
    shell
        .commit(Proposal {
            at: shell.clock.now(),
            by,
            because,
            basis: None,
            writes: vec![write],
        })
        .await
        .map(drop)
}

fn flag_of(stored: Stored) -> Option<Revised<FlagState>> {
    match stored.state {
        EntityState::Flag(value) => Some(Revised {
            value,
            revision: stored.revision,
        }),
        _ => None,
    }
}

pub(super) fn segment_of(stored: Stored) -> Option<Revised<SegmentState>> {
    match stored.state {
        EntityState::Segment(value) => Some(Revised {
            value,
            revision: stored.revision,
        }),
        _ => None,
    }
}

fn policy_of(stored: Stored) -> Option<Revised<PolicyState>> {
    match stored.state {
        EntityState::Policy(value) => Some(Revised {
            value: *value,
            revision: stored.revision,
        }),
        _ => None,
    }
}
