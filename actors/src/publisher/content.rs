//! What goes into an environment's snapshots, kept up with the journal.

use super::lists;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_model::change::{EntityRef, EntityState, Kind};
use tidegate_model::environment::EnvironmentSettings;
use tidegate_model::flag::Flag;
use tidegate_model::key::{EnvironmentKey, FlagKey, SegmentKey};
use tidegate_model::rollout::DRILL_FLAG;
use tidegate_model::segment::SegmentState;
use tidegate_model::snapshot::{Digest, RolloutSplit, SnapshotContent, SnapshotFlag};
use tidegate_model::units::Lists;
use tidegate_store::{Store, StoreError};

/// Most records that are read from the journal at once.
const RECORDS_AT_ONCE: usize = 1000;

/// What goes into a snapshot.
#[derive(Default)]
pub(crate) struct Content {
    pub(super) flags: BTreeMap<FlagKey, Flag>,
    pub(super) segments: BTreeMap<SegmentKey, SegmentState>,
    pub(super) splits: BTreeMap<FlagKey, RolloutSplit>,
    pub(super) settings: EnvironmentSettings,
    /// The lists that segments name and that can be had.
    pub(super) lists: Lists,
}

impl Content {
    /// Everything the store has of an environment, and the journal's head from before it was read.
    pub(crate) async fn load(
        store: &dyn Store,
        environment: &EnvironmentKey,
    ) -> Result<(Self, u64), StoreError> {
        let head = store.head();
        let mut content = Self::default();
        for kind in [Kind::Flag, Kind::Segment, Kind::Rollout, Kind::Environment] {
            for stored in store.list(kind, Some(environment)).await? {
                content.take(&stored.entity, Some(stored.state));
            }
        }
        content.lists = lists::at_hand(store, content.missing_lists()).await;
        Ok((content, head))
    }

    /// Lists that segments name and that are not known to be there.
    pub(super) fn missing_lists(&self) -> BTreeSet<Digest> {
        let missing = self
            .named_lists()
            .filter(|digest| !self.lists.contains_key(digest));
        missing.cloned().collect()
    }

    fn named_lists(&self) -> impl Iterator<Item = &Digest> {
        let definitions = self.segments.values().flat_map(SegmentState::definitions);
        let lists = definitions.filter_map(|one| one.list.as_ref());
        lists.map(|list| &list.digest)
    }

    /// Takes in which lists can be had, and forgets those that nothing names any more.
    pub(super) fn take_lists(&mut self, found: Lists) {
        self.lists.extend(found);
        let named: BTreeSet<Digest> = self.named_lists().cloned().collect();
        self.lists.retain(|digest, _| named.contains(digest));
    }

    pub(super) fn take(&mut self, entity: &EntityRef, state: Option<EntityState>) {
        match (entity, state) {
            (EntityRef::Flag(..), Some(EntityState::Flag(state))) => {
                self.flags.insert(state.flag.key().clone(), state.flag);
            }
            (EntityRef::Segment(..), Some(EntityState::Segment(segment))) => {
                self.segments.insert(segment.segment.key().clone(), segment);
            }
            (EntityRef::Environment(_), Some(EntityState::Environment(settings))) => {
                self.settings = settings;
            }
            (EntityRef::Segment(_, key), None) => {
                self.segments.remove(key);
            }
            (EntityRef::Rollout(..), Some(EntityState::Rollout(rollout))) => match rollout.split() {
                Some(split) => {
                    self.splits.insert(rollout.start.flag.clone(), split);
                }
                None => {
                    let of_this = |split: &RolloutSplit| split.rollout == rollout.start.id;
                    if self.splits.get(&rollout.start.flag).is_some_and(of_this) {
                        self.splits.remove(&rollout.start.flag);
                    }
                }
            },
            _ => {}
        }
    }

    /// What there is, with some flags as they were.
    pub(super) fn snapshot(
        &self,
        environment: &EnvironmentKey,
        kept: &BTreeMap<FlagKey, Flag>,
    ) -> SnapshotContent {
        let flag = |(key, flag): (&FlagKey, &Flag)| SnapshotFlag {
            flag: kept.get(key).unwrap_or(flag).clone(),
            rollout: self.splits.get(key).cloned(),
        };
        SnapshotContent {
            environment: environment.clone(),
            bucketing: self.settings.bucketing,
            flags: self.flags.iter().map(flag).collect(),
            segments: self.segments.values().map(|one| one.segment.clone()).collect(),
            // The guard is stored with the edit, and may be read before it.
            staged: (self.segments.values())
                .filter_map(|one| one.staged.as_deref())
                .filter(|staged| self.flags.contains_key(&staged.guard))
                .cloned()
                .collect(),
            drill: self
                .splits
                .iter()
                .find(|(flag, _)| flag.as_str() == DRILL_FLAG)
                .map(|(_, split)| split.clone()),
        }
    }
}

/// What has changed since somebody looked.
pub(super) struct News {
    pub(super) head: u64,
    pub(super) states: Vec<(EntityRef, Option<EntityState>)>,
    pub(super) lists: Lists,
}

/// The present state of everything that was touched since `seen`. The head is read from the
/// records, before the states: a state may be newer than the head says, never older, so a version
/// can only ever stand for one content.
/// Lists that were missing are looked for again, and those that are named anew.
pub(super) async fn read_since(
    store: &dyn Store,
    environment: &EnvironmentKey,
    seen: u64,
    mut wanted: BTreeSet<Digest>,
    known: BTreeSet<Digest>,
) -> Result<News, StoreError> {
    let records = store.records(seen, RECORDS_AT_ONCE).await?;
    let head = records.last().map_or(seen, |record| record.sequence);
    let entries = records.into_iter().flat_map(|record| record.entries);
    let ours = entries
        .map(|entry| entry.entity)
        .filter(|entity| entity.environment() == Some(environment));
    let mut states = Vec::new();
    for entity in ours.collect::<BTreeSet<_>>() {
        let state = store.load(&entity).await?.map(|stored| stored.state);
        if let Some(EntityState::Segment(segment)) = &state {
            let lists = segment.definitions().filter_map(|one| one.list.as_ref());
            wanted.extend(lists.map(|list| list.digest.clone()));
        }
        states.push((entity, state));
    }
    wanted.retain(|digest| !known.contains(digest));
    let lists = lists::at_hand(store, wanted).await;
    Ok(News { head, states, lists })
}
