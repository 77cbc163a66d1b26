//! Whatever is committed: both stores say the same, and the records alone give the same state.

use crate::ground::*;
use proptest::prelude::*;
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::key::Revision;
use tidegate_store::contract::sample::{self, propose};
use tidegate_store::contract::{listed, replayed};
use tidegate_store::{CommitError, EmbeddedStore, Expect, MemoryStore, Store, Write, verify};

const NAMES: [&str; 6] = [
    "flag/production/a",
    "flag/production/b",
    "segment/production/s",
    "segment/staging/s",
    "token/-/t",
    "token/-/u",
];

fn change() -> impl Strategy<Value = Option<Change>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Change::SegmentDeleted)),
        1 => Just(Some(Change::TokenRevoked)),
        1 => any::<f64>().prop_map(|number| Some(sample::number_flag("a", number))),
    ]
}

/// A write of any of the names: what makes it, or something that may not fit.
fn write() -> impl Strategy<Value = Write> {
    let expect = prop_oneof![
        3 => Just(Expect::Any),
        2 => (0_u64..4).prop_map(|revision| Expect::Revision(Revision(revision))),
    ];
    (0..NAMES.len(), expect, proptest::collection::vec(change(), 1..3)).prop_map(|(name, expect, changes)| {
        let entity: EntityRef = NAMES[name].parse().unwrap();
        let changes = changes
            .into_iter()
            .map(|change| change.unwrap_or_else(|| sample::creation(&entity)))
            .collect();
        Write {
            entity,
            expect,
            changes,
        }
    })
}

fn words<T>(outcome: Result<T, CommitError>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn replaying_the_records_gives_the_state(
        proposals in proptest::collection::vec(proptest::collection::vec(write(), 1..4), 1..20),
        reopen_after in 0_usize..20,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let memory = MemoryStore::new();
        let mut embedded = EmbeddedStore::open(folder.path()).unwrap().0;
        runtime().block_on(async {
            for (number, writes) in proposals.into_iter().enumerate() {
                if number == reopen_after {
                    embedded.close().await.unwrap();
                    embedded = EmbeddedStore::open(folder.path()).unwrap().0;
                }
                let expected = words(memory.commit(propose(writes.clone())).await);
                let told = words(embedded.commit(propose(writes)).await);
                assert_eq!(told, expected);
            }
            embedded.close().await.unwrap();
            embedded = EmbeddedStore::open(folder.path()).unwrap().0;
            assert_eq!(listed(&embedded).await, listed(&memory).await);
            assert_eq!(replayed(&embedded).await, listed(&memory).await);
            assert_eq!(
                embedded.records(0, usize::MAX).await.unwrap(),
                memory.records(0, usize::MAX).await.unwrap(),
            );
            embedded.close().await.unwrap();
        });
        prop_assert_eq!(verify(folder.path()).unwrap().records, memory.head());
    }
}
