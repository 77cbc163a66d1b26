//! All entities as they are, folded from the records: the truth that reads are answered from.

use crate::api::{Changed, CommitError, Expect, Stored};
use crate::draft::Draft;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidegate_model::Timestamp;
use tidegate_model::change::{EntityRef, EntityState, Entry, Kind, Record};
use tidegate_model::key::{EnvironmentKey, Revision};
use tidegate_model::rollout::FoldError;

/// What is known of one name. A deleted thing keeps its slot, so that its revisions go on counting.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Slot {
    /// How many changes it has seen.
    pub(crate) revision: Revision,
    /// The record that changed it last; 0 when there was none.
    pub(crate) sequence: u64,
    /// Its state; `None` when it is gone.
    pub(crate) state: Option<Arc<EntityState>>,
}

/// Slots by name.
pub(crate) type Slots = BTreeMap<EntityRef, Slot>;

/// A record that can follow, and the slots after it.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The record, with its sequence and revisions.
    pub(crate) record: Record,
    /// The slots that it changes.
    pub(crate) slots: Slots,
}

/// All slots, and how far the journal was folded into them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    slots: Slots,
    /// Names by the record that changed them last.
    order: BTreeMap<u64, Vec<EntityRef>>,
    head: u64,
    fingerprint: u128,
}

impl Slot {
    /// The revision that callers see: a deleted thing is absent.
    fn visible_revision(&self) -> Revision {
        if self.state.is_some() {
            self.revision
        } else {
            Revision::ABSENT
        }
    }

    fn stored(&self, entity: &EntityRef) -> Option<Stored> {
        self.state.as_ref().map(|state| Stored {
            entity: entity.clone(),
            revision: self.revision,
            state: EntityState::clone(state),
        })
    }

    /// The slot after one more entry, of the record `sequence`.
    fn follow(self, entry: &Entry, sequence: u64, at: Timestamp) -> Result<Self, FoldError> {
        let before = self.state.map(Arc::unwrap_or_clone);
        let state = EntityState::apply(before, &entry.change, at, entry.revision)?;
        if state
            .as_ref()
            .is_some_and(|state| kind(state) != entry.entity.kind())
        {
            return Err(FoldError {
                change: format!("{:?}", entry.change),
                state: format!("the name {}", entry.entity),
            });
        }
        Ok(Self {
            revision: entry.revision,
            sequence,
            state: state.map(Arc::new),
        })
    }
}

fn kind(state: &EntityState) -> Kind {
    match state {
        EntityState::Flag(_) => Kind::Flag,
        EntityState::Segment(_) => Kind::Segment,
        EntityState::Policy(_) => Kind::Policy,
        EntityState::Rollout(_) => Kind::Rollout,
        EntityState::Experiment(_) => Kind::Experiment,
        EntityState::Environment(_) => Kind::Environment,
        EntityState::Freeze(_) => Kind::Freeze,
        EntityState::Alert(_) => Kind::Alert,
        EntityState::Token(_) => Kind::Token,
    }
}

impl Table {
    /// The sequence of the last record that was folded; 0 when there was none.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// A sum over (name, revision) of all slots. Two tables with the same sum have seen the same
    /// changes of the same things: this is how a view that lost one write is found out.
    pub(crate) fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    /// All slots, those of deleted things too.
    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// What has changed since the other table, which has seen the same journal up to an earlier record.
    pub(crate) fn newer_than(&self, earlier: &Self) -> BTreeSet<EntityRef> {
        let revision = |entity| earlier.slots.get(entity).map(|slot| slot.revision);
        self.slots
            .iter()
            .filter(|(entity, slot)| revision(entity) != Some(slot.revision))
            .map(|(entity, _)| entity.clone())
            .collect()
    }

    pub(crate) fn load(&self, entity: &EntityRef) -> Option<Stored> {
        self.slots.get(entity).and_then(|slot| slot.stored(entity))
    }

    /// What a record after `after` has changed, as it is now.
    pub(crate) fn changed(&self, environment: &EnvironmentKey, kinds: &[Kind], after: u64) -> Changed {
        let newer = self.order.range(after.saturating_add(1)..);
        let wanted = newer
            .flat_map(|(_, names)| names)
            .filter(|entity| kinds.contains(&entity.kind()) && entity.environment() == Some(environment));
        Changed {
            head: self.head,
            things: wanted.map(|entity| (entity.clone(), self.load(entity))).collect(),
        }
    }

    pub(crate) fn list(&self, kind: Kind, environment: Option<&EnvironmentKey>) -> Vec<Stored> {
        self.slots
            .iter()
            .filter(|(entity, _)| entity.kind() == kind)
            .filter(|(entity, _)| environment.is_none() || entity.environment() == environment)
            .filter_map(|(entity, slot)| slot.stored(entity))
            .collect()
    }

    /// The draft as the record `sequence`, behind what is staged but not yet in the table.
    pub(crate) fn plan(&self, staged: &Slots, sequence: u64, draft: Draft) -> Result<Planned, CommitError> {
        let slot_of = |entity: &EntityRef| {
            let slot = staged.get(entity).or_else(|| self.slots.get(entity));
            slot.cloned().unwrap_or_default()
        };
        let mut slots = Slots::new();
        for (entity, expect) in draft.expects {
            let slot = slot_of(&entity);
            let actual = slot.visible_revision();
            match expect {
                Expect::Revision(expected) if expected != actual => {
                    return Err(CommitError::Conflict {
                        entity,
                        expected,
                        actual,
                    });
                }
                Expect::Revision(_) | Expect::Any => slots.insert(entity, slot),
            };
        }
        let mut record = draft.record;
        record.sequence = sequence;
        for entry in &mut record.entries {
            let slot = slots.entry(entry.entity.clone()).or_default();
            entry.revision = slot.revision.next();
            *slot = std::mem::take(slot)
                .follow(entry, sequence, record.at)
                .map_err(|source| CommitError::Unfit {
                    entity: entry.entity.clone(),
                    source,
                })?;
        }
        Ok(Planned { record, slots })
    }

    /// Takes over slots that are durable now.
    pub(crate) fn adopt(&mut self, slots: Slots, head: u64) {
        for (entity, slot) in slots {
            self.put(entity, slot);
        }
        self.head = head;
    }

    /// Folds the next record of the journal; says in words why it cannot follow. The table is of no use after that.
    pub(crate) fn replay(&mut self, record: &Record) -> Result<(), String> {
        let expected = self.head + 1;
        if record.sequence != expected {
            return Err(format!(
                "record {} stands where {expected} belongs",
                record.sequence
            ));
        }
        let mut slots = Slots::new();
        for entry in &record.entries {
            let entity = &entry.entity;
            let before = slots.remove(entity).or_else(|| self.take(entity));
            let before = before.unwrap_or_default();
            if entry.revision != before.revision.next() {
                return Err(format!(
                    "record {expected} makes revision {} of {entity} out of {}",
                    entry.revision, before.revision
                ));
            }
            let after = before.follow(entry, expected, record.at);
            let after = after.map_err(|error| format!("record {expected} does not fit: {error}"))?;
            slots.insert(entity.clone(), after);
        }
        self.adopt(slots, expected);
        Ok(())
    }

    /// The slot of a thing, whose state is taken out: nobody else holds it then, and it need not be copied to be changed.
    fn take(&mut self, entity: &EntityRef) -> Option<Slot> {
        let slot = self.slots.get_mut(entity)?;
        let state = slot.state.take();
        Some(Slot { state, ..*slot })
    }

    fn put(&mut self, entity: EntityRef, slot: Slot) {
        let after = weight(&entity, slot.revision);
        let before = self.slots.get(&entity).map(|slot| weight(&entity, slot.revision));
        self.fingerprint = self
            .fingerprint
            .wrapping_sub(before.unwrap_or_default())
            .wrapping_add(after);
        if let Some(before) = self.slots.get(&entity).map(|slot| slot.sequence)
            && let Some(names) = self.order.get_mut(&before)
        {
            names.retain(|name| *name != entity);
            if names.is_empty() {
                self.order.remove(&before);
            }
        }
        self.order.entry(slot.sequence).or_default().push(entity.clone());
        self.slots.insert(entity, slot);
    }
}

/// What one slot adds to the fingerprint: the first half of a SHA-256.
fn weight(entity: &EntityRef, revision: Revision) -> u128 {
    let mut hash = Sha256::new();
    hash.update(revision.0.to_le_bytes());
    hash.update(entity.to_string());
    let full: [u8; 32] = hash.finalize().into();
    full.first_chunk().map_or(0, |half| u128::from_le_bytes(*half))
}
