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

/// What snapshots are made of. Alerts are in none, and a storm of them must not delay what is.
const KINDS: [Kind; 4] = [Kind::Flag, Kind::Segment, Kind::Rollout, Kind::Environment];

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
    /// Everything the store has of an environment, and the journal's head at that moment.
    pub(crate) async fn load(
        store: &dyn Store,
        environment: &EnvironmentKey,
    ) -> Result<(Self, u64), StoreError> {
        let mut content = Self::default();
        let all = store.changed(environment, &KINDS, 0).await?;
        for (entity, stored) in all.things {
            content.take(&entity, stored.map(|stored| stored.state));
        }
        content.lists = lists::at_hand(store, content.missing_lists()).await;
        Ok((content, all.head))
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
            staged: (self.segments.values())
                .filter_map(|one| one.staged.as_deref())
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

/// What was changed since `seen`, all as it is at one moment: what became true together is published together, and a
/// version stands for one content. Lists that were missing are looked for again, and those that are named anew.
pub(super) async fn read_since(
    store: &dyn Store,
    environment: &EnvironmentKey,
    seen: u64,
    mut wanted: BTreeSet<Digest>,
    known: BTreeSet<Digest>,
) -> Result<News, StoreError> {
    let changed = store.changed(environment, &KINDS, seen).await?;
    let states = changed.things.into_iter();
    let states: Vec<_> = states
        .map(|(entity, stored)| (entity, stored.map(|stored| stored.state)))
        .collect();
    for (_, state) in &states {
        if let Some(EntityState::Segment(segment)) = state {
            let lists = segment.definitions().filter_map(|one| one.list.as_ref());
            wanted.extend(lists.map(|list| list.digest.clone()));
        }
    }
    wanted.retain(|digest| !known.contains(digest));
    let lists = lists::at_hand(store, wanted).await;
    Ok(News {
        head: changed.head,
        states,
        lists,
    })
}
