//! Which split of each rollout every published version holds.

use std::collections::{BTreeMap, BTreeSet};
use tidegate_model::Timestamp;
use tidegate_model::key::{Revision, RolloutId};
use tidegate_model::snapshot::Version;

/// How many published versions are remembered. A node that serves an older one has confirmed
/// nothing that is still asked about.
const VERSIONS_KEPT: usize = 1024;

/// The versions that were published. Of each only what differs from the one before is kept: with
/// thousands of rollouts a version moves a few of them.
#[derive(Debug, Default)]
pub(super) struct Issued {
    editions: BTreeMap<Version, Edition>,
    /// The split revision of a rollout, each with the version since which it was published.
    splits: BTreeMap<RolloutId, Vec<(Version, Revision)>>,
}

/// A version that was published.
#[derive(Debug)]
struct Edition {
    at: Timestamp,
    /// Rollouts whose split differs from the version before.
    moved: Vec<RolloutId>,
}

impl Issued {
    /// A version was published with these splits. Says which rollouts' splits differ from the version before, and
    /// which version is forgotten for it.
    pub(super) fn publish(
        &mut self,
        version: Version,
        splits: &BTreeMap<RolloutId, Revision>,
        at: Timestamp,
    ) -> (BTreeSet<RolloutId>, Option<Version>) {
        let mut moved = BTreeSet::new();
        for (rollout, issued) in &mut self.splits {
            let revision = splits.get(rollout).copied().unwrap_or(Revision::ABSENT);
            if newest(issued) != revision {
                issued.push((version, revision));
                moved.insert(rollout.clone());
            }
        }
        for (rollout, revision) in splits {
            if !self.splits.contains_key(rollout) {
                self.splits.insert(rollout.clone(), vec![(version, *revision)]);
                moved.insert(rollout.clone());
            }
        }
        let edition = Edition {
            at,
            moved: moved.iter().cloned().collect(),
        };
        self.editions.insert(version, edition);
        (moved, self.forget())
    }

    /// Forgets the oldest version if there are too many.
    fn forget(&mut self) -> Option<Version> {
        if self.editions.len() <= VERSIONS_KEPT {
            return None;
        }
        let (forgotten, gone) = self.editions.pop_first()?;
        let (oldest, edition) = self.editions.first_key_value()?;
        for rollout in gone.moved.iter().chain(&edition.moved) {
            let Some(issued) = self.splits.get_mut(rollout) else {
                continue;
            };
            // Who asks, asks of the oldest version or of a later one.
            let in_oldest = issued.iter().rposition(|(since, _)| since <= oldest);
            issued.drain(..in_oldest.unwrap_or_default());
            if issued.iter().all(|(_, revision)| *revision == Revision::ABSENT) {
                self.splits.remove(rollout);
            }
        }
        Some(forgotten)
    }

    /// The split revision of a rollout that is in a version; [`Revision::ABSENT`] if none is, or if the version is
    /// not remembered.
    pub(super) fn revision(&self, rollout: &RolloutId, version: Version) -> Revision {
        if !self.editions.contains_key(&version) {
            return Revision::ABSENT;
        }
        let issued = self.splits.get(rollout).into_iter().flatten();
        let until = issued.take_while(|(since, _)| *since <= version);
        until.last().map_or(Revision::ABSENT, |(_, revision)| *revision)
    }

    /// The split revision that was published last.
    pub(super) fn newest(&self, rollout: &RolloutId) -> Revision {
        self.splits
            .get(rollout)
            .map_or(Revision::ABSENT, |issued| newest(issued))
    }

    /// The rollouts whose splits differ between two versions, and perhaps some more; nothing if one of them is not
    /// remembered.
    pub(super) fn between(&self, one: Version, other: Version) -> Option<BTreeSet<RolloutId>> {
        if !self.editions.contains_key(&one) || !self.editions.contains_key(&other) {
            return None;
        }
        let (from, to) = (one.min(other), one.max(other));
        let moved = self.editions.range(from..=to).skip(1);
        Some(
            moved
                .flat_map(|(_, edition)| edition.moved.iter().cloned())
                .collect(),
        )
    }

    /// Since when something is published that who serves this version does not serve.
    pub(super) fn missed_since(&self, serving: Option<Version>) -> Option<Timestamp> {
        let mut later = self
            .editions
            .iter()
            .filter(|(version, _)| Some(**version) > serving);
        later.next().map(|(_, edition)| edition.at)
    }

    /// Whether the version is remembered.
    pub(super) fn remembers(&self, version: Version) -> bool {
        self.editions.contains_key(&version)
    }
}

fn newest(issued: &[(Version, Revision)]) -> Revision {
    issued.last().map_or(Revision::ABSENT, |(_, revision)| *revision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(number: u64) -> Version {
        Version { epoch: 1, number }
    }

    fn id(number: u8) -> RolloutId {
        RolloutId::new(&format!("f{number}.1")).unwrap()
    }

    #[test]
    fn what_is_forgotten_is_in_no_version_any_more() {
        let mut issued = Issued::default();
        let at = Timestamp::default();
        let forgotten: Vec<Version> = (0..2000)
            .filter_map(|number| {
                let splits =
                    BTreeMap::from([(id(u8::try_from(number % 200).unwrap()), Revision(number + 1))]);
                issued.publish(version(number), &splits, at).1
            })
            .collect();
        assert_eq!(forgotten.len(), 2000 - VERSIONS_KEPT);
        assert_eq!(issued.editions.len(), VERSIONS_KEPT);
        let kept: usize = issued.splits.values().map(Vec::len).sum();
        assert!(kept <= 2 * VERSIONS_KEPT + 200, "{kept} splits are kept");
        assert_eq!(issued.revision(&id(175), version(975)), Revision::ABSENT);
        assert_eq!(issued.revision(&id(176), version(1176)), Revision(1177));
        assert_eq!(issued.between(version(1), version(1999)), None);
    }

    proptest! {
        /// Each version kept whole says the same.
        #[test]
        fn differences_say_what_whole_versions_say(
            published in prop::collection::vec(prop::collection::btree_map(0u8..6, 1u64..4, 0..6), 1..12),
        ) {
            let mut issued = Issued::default();
            let whole: Vec<BTreeMap<RolloutId, Revision>> = published
                .into_iter()
                .map(|splits| splits.into_iter().map(|(rollout, revision)| (id(rollout), Revision(revision))).collect())
                .collect();
            for (number, splits) in whole.iter().enumerate() {
                issued.publish(version(number as u64), splits, Timestamp::default());
            }
            let in_version = |number: usize, rollout: u8| whole[number].get(&id(rollout)).copied().unwrap_or(Revision::ABSENT);
            for (number, rollout) in (0..whole.len()).flat_map(|number| (0..6).map(move |rollout| (number, rollout))) {
                prop_assert_eq!(issued.revision(&id(rollout), version(number as u64)), in_version(number, rollout));
                prop_assert_eq!(issued.newest(&id(rollout)), in_version(whole.len() - 1, rollout));
                for other in 0..whole.len() {
                    let moved = issued.between(version(other as u64), version(number as u64)).unwrap();
                    let differs = in_version(number, rollout) != in_version(other, rollout);
                    prop_assert!(!differs || moved.contains(&id(rollout)));
                }
            }
        }
    }
}
