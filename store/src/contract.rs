//! What every store must do. A new one implements [`Store`](crate::Store) and runs this:
//!
//! ```ignore
//! tidegate_store::store_contract!(async {
//!     let folder = tempfile::tempdir().unwrap();
//!     let store: Arc<dyn Store> = Arc::new(MyStore::open(folder.path()));
//!     (store, folder)
//! });
//! ```
#![expect(clippy::unwrap_used, clippy::panic, reason = "a contract is a test")]

pub mod sample;

use crate::{CommitError, Expect, KeptAnswer, Proposal, Store, Stored, Write};
use bytes::Bytes;
use sample::{flag, flag_ref, propose, save, segment, segment_ref, token, token_ref};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_model::Timestamp;
use tidegate_model::change::{Change, EntityRef, EntityState, Kind, Record};
use tidegate_model::key::Revision;
use tidegate_model::snapshot::Digest;

/// Makes one test of each behaviour. The expression is a future of a fresh store, as
/// `Arc<dyn Store>`, and of whatever has to live as long as the store.
#[macro_export]
macro_rules! store_contract {
    ($fresh:expr) => {
        $crate::store_contract! { $fresh;
            a_new_store_is_empty,
            writes_become_true_together,
            a_conflict_leaves_nothing,
            a_deleted_thing_is_absent_and_its_revisions_go_on,
            an_unfit_change_leaves_nothing,
            a_malformed_proposal_leaves_nothing,
            what_is_returned_is_what_is_read_back,
            records_come_in_order_without_gaps,
            lists_are_sorted_and_filtered,
            what_has_changed_is_told_as_of_one_moment,
            one_of_many_writers_wins_each_revision,
            a_list_is_there_once_it_was_put,
            an_answer_is_there_until_it_is_swept,
        }
    };
    ($fresh:expr; $($behaviour:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $behaviour() {
            let (store, _alive) = $fresh.await;
            $crate::contract::$behaviour(store).await;
        }
    )*};
}

/// Everything that exists, folded from the store's records alone.
pub async fn replayed(store: &dyn Store) -> BTreeMap<EntityRef, Stored> {
    folded(store.records(0, usize::MAX).await.unwrap())
}

/// Everything that exists after these records, which begin with the first.
pub fn folded(records: Vec<Record>) -> BTreeMap<EntityRef, Stored> {
    let mut all = BTreeMap::new();
    for record in records {
        for entry in record.entries {
            let entity = entry.entity;
            let before = all.remove(&entity).map(|stored: Stored| stored.state);
            let state = EntityState::apply(before, &entry.change, record.at, entry.revision).unwrap();
            if let Some(state) = state {
                let revision = entry.revision;
                let stored = Stored {
                    entity: entity.clone(),
                    revision,
                    state,
                };
                all.insert(entity, stored);
            }
        }
    }
    all
}

/// Everything that exists, as the store lists it.
pub async fn listed(store: &dyn Store) -> BTreeMap<EntityRef, Stored> {
    let mut all = BTreeMap::new();
    for kind in Kind::ALL {
        let stored = store.list(kind, None).await.unwrap();
        all.extend(stored.into_iter().map(|stored| (stored.entity.clone(), stored)));
    }
    all
}

/// Nothing is there, and nothing was.
pub async fn a_new_store_is_empty(store: Arc<dyn Store>) {
    assert_eq!((store.head(), store.epoch()), (0, 1));
    assert_eq!(store.records(0, 10).await.unwrap(), []);
    assert_eq!(store.load(&flag_ref("a")).await.unwrap(), None);
    assert_eq!(listed(&*store).await, BTreeMap::new());
}

/// A commit of several things makes all of them true, in one record.
pub async fn writes_become_true_together(store: Arc<dyn Store>) {
    let twice = Write {
        entity: flag_ref("a"),
        expect: Expect::Revision(Revision::ABSENT),
        changes: vec![flag("a", "first"), flag("a", "second")],
    };
    let record = store
        .commit(propose(vec![twice, save(segment_ref("s"), segment("s", "u1"))]))
        .await
        .unwrap();
    let revisions: Vec<u64> = record.entries.iter().map(|entry| entry.revision.0).collect();
    assert_eq!((record.sequence, revisions), (1, vec![1, 2, 1]));
    assert_eq!(store.head(), 1);
    let stored = store.load(&flag_ref("a")).await.unwrap().unwrap();
    assert_eq!(stored.revision, Revision(2));
    assert_eq!(sample::description(&stored.state), "second");
    assert_eq!(listed(&*store).await.len(), 2);
    assert_eq!(listed(&*store).await, replayed(&*store).await);
}

/// One unmet expectation, and none of the writes happens. Others are told what stands there.
pub async fn a_conflict_leaves_nothing(store: Arc<dyn Store>) {
    let fresh = |expect| Write {
        expect,
        ..save(flag_ref("a"), flag("a", ""))
    };
    let absent = Expect::Revision(Revision::ABSENT);
    store.commit(propose(vec![fresh(absent)])).await.unwrap();
    let before = listed(&*store).await;
    for expected in [0, 2, 7] {
        let stale = fresh(Expect::Revision(Revision(expected)));
        let other = save(segment_ref("s"), segment("s", "u1"));
        match store.commit(propose(vec![other, stale])).await {
            Err(CommitError::Conflict {
                entity,
                expected: told,
                actual,
            }) => {
                let told = (entity, told, actual);
                assert_eq!(told, (flag_ref("a"), Revision(expected), Revision(1)));
            }
            other => panic!("expected {expected}: {other:?}"),
        }
    }
    assert_eq!((store.head(), listed(&*store).await), (1, before));
    store
        .commit(propose(vec![fresh(Expect::Revision(Revision(1)))]))
        .await
        .unwrap();
    store.commit(propose(vec![fresh(Expect::Any)])).await.unwrap();
    assert_eq!(
        store.load(&flag_ref("a")).await.unwrap().unwrap().revision,
        Revision(3)
    );
}

/// What was deleted is gone for readers and for expectations, and is never at an old revision again.
pub async fn a_deleted_thing_is_absent_and_its_revisions_go_on(store: Arc<dyn Store>) {
    let write = |expect, change| Write {
        expect,
        ..save(segment_ref("s"), change)
    };
    let absent = Expect::Revision(Revision::ABSENT);
    let at = |revision| Expect::Revision(Revision(revision));
    store
        .commit(propose(vec![write(absent, segment("s", "u1"))]))
        .await
        .unwrap();
    store
        .commit(propose(vec![write(at(1), Change::SegmentDeleted)]))
        .await
        .unwrap();
    assert_eq!(store.load(&segment_ref("s")).await.unwrap(), None);
    assert_eq!(listed(&*store).await, BTreeMap::new());
    let late = store
        .commit(propose(vec![write(at(2), segment("s", "u2"))]))
        .await;
    assert!(
        matches!(
            late,
            Err(CommitError::Conflict {
                actual: Revision::ABSENT,
                ..
            })
        ),
        "{late:?}"
    );
    let again = store
        .commit(propose(vec![write(absent, segment("s", "u3"))]))
        .await
        .unwrap();
    let revisions: Vec<u64> = again.entries.iter().map(|entry| entry.revision.0).collect();
    assert_eq!(revisions, [3]);
    assert_eq!(listed(&*store).await, replayed(&*store).await);
}

/// A change that cannot follow the state, or does not belong to the name, is refused with all others.
pub async fn an_unfit_change_leaves_nothing(store: Arc<dyn Store>) {
    let good = || save(flag_ref("a"), flag("a", ""));
    for unfit in [
        save(segment_ref("s"), Change::SegmentDeleted),
        save(segment_ref("s"), flag("s", "")),
        save(token_ref("t"), Change::TokenRevoked),
        Write {
            changes: vec![token("t"), token("t")],
            ..save(token_ref("t"), token("t"))
        },
    ] {
        let entity = unfit.entity.clone();
        match store.commit(propose(vec![good(), unfit])).await {
            Err(CommitError::Unfit { entity: told, .. }) => assert_eq!(told, entity),
            other => panic!("{entity}: {other:?}"),
        }
    }
    assert_eq!((store.head(), listed(&*store).await), (0, BTreeMap::new()));
    assert_eq!(store.records(0, 10).await.unwrap(), []);
}

/// A proposal that could not be read back is refused before it is written.
pub async fn a_malformed_proposal_leaves_nothing(store: Arc<dyn Store>) {
    let good = || save(flag_ref("a"), flag("a", ""));
    let huge = "x".repeat(9 << 20);
    for (what, writes) in [
        ("writes nothing", vec![]),
        (
            "nothing changes",
            vec![Write {
                changes: vec![],
                ..good()
            }],
        ),
        ("twice", vec![good(), good()]),
        (
            "read back",
            vec![save(flag_ref("a"), sample::nested_flag("a", 126))],
        ),
        ("bytes", vec![save(flag_ref("a"), flag("a", &huge))]),
    ] {
        match store.commit(propose(writes)).await {
            Err(CommitError::Malformed { what: told }) => assert!(told.contains(what), "{what}: {told}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    assert_eq!((store.head(), listed(&*store).await), (0, BTreeMap::new()));
}

/// Numbers come back to the last bit, and nothing is different in the journal from what was told.
pub async fn what_is_returned_is_what_is_read_back(store: Arc<dyn Store>) {
    let numbers = [
        0.1 + 0.2,
        5e-324,
        1.797_693_134_862_315_7e308,
        -0.0,
        f64::NAN,
        122.416_294_033_786_58,
    ];
    for (index, number) in numbers.into_iter().enumerate() {
        let key = format!("f{index}");
        let proposal = Proposal {
            because: Some(sample::because(number)),
            ..propose(vec![save(flag_ref(&key), sample::number_flag(&key, number))])
        };
        let told = store.commit(proposal).await.unwrap();
        let read = store.records(told.sequence - 1, 1).await.unwrap();
        assert_eq!(read, [told], "{number}");
    }
    assert_eq!(listed(&*store).await, replayed(&*store).await);
}

/// Records are numbered from 1, and any part of them can be asked for.
pub async fn records_come_in_order_without_gaps(store: Arc<dyn Store>) {
    const RECORDS: u64 = 200;
    let mut told = Vec::new();
    for number in 1..=RECORDS {
        let change = flag("a", &number.to_string());
        told.push(
            store
                .commit(propose(vec![save(flag_ref("a"), change)]))
                .await
                .unwrap(),
        );
        assert_eq!(store.head(), number);
    }
    for (after, limit) in [
        (0, 10),
        (0, 200),
        (0, usize::MAX),
        (63, 2),
        (64, 1),
        (150, 500),
        (199, 1),
    ] {
        let read = store.records(after, limit).await.unwrap();
        let skipped = usize::try_from(after).unwrap();
        let expected: Vec<_> = told.iter().skip(skipped).take(limit).cloned().collect();
        assert_eq!(read, expected, "after {after}, at most {limit}");
    }
    for (after, limit) in [(RECORDS, 10), (u64::MAX, 10), (5, 0)] {
        assert_eq!(
            store.records(after, limit).await.unwrap(),
            [],
            "after {after}, at most {limit}"
        );
    }
}

/// Lists hold one kind, of one environment or of all, sorted by environment and name.
pub async fn lists_are_sorted_and_filtered(store: Arc<dyn Store>) {
    let names = [
        "flag/b/z",
        "flag/a/y",
        "segment/a/s",
        "flag/b/x",
        "token/-/t",
        "flag/a/w",
        "segment/b/gone",
    ];
    for name in names {
        let entity: EntityRef = name.parse().unwrap();
        let change = sample::creation(&entity);
        store.commit(propose(vec![save(entity, change)])).await.unwrap();
    }
    let gone: EntityRef = "segment/b/gone".parse().unwrap();
    store
        .commit(propose(vec![save(gone, Change::SegmentDeleted)]))
        .await
        .unwrap();
    let a = "a".parse().unwrap();
    for (kind, environment, expected) in [
        (
            Kind::Flag,
            None,
            vec!["flag/a/w", "flag/a/y", "flag/b/x", "flag/b/z"],
        ),
        (Kind::Flag, Some(&a), vec!["flag/a/w", "flag/a/y"]),
        (Kind::Segment, None, vec!["segment/a/s"]),
        (Kind::Token, None, vec!["token/-/t"]),
        (Kind::Token, Some(&a), vec![]),
        (Kind::Policy, None, vec![]),
    ] {
        let found = store.list(kind, environment).await.unwrap();
        let found: Vec<String> = found.iter().map(|stored| stored.entity.to_string()).collect();
        assert_eq!(found, expected, "{kind} {environment:?}");
    }
}

/// What has changed since a record is told once, as it is now, with what is gone; of one environment and some kinds.
pub async fn what_has_changed_is_told_as_of_one_moment(store: Arc<dyn Store>) {
    let names = ["flag/a/x", "segment/a/s", "flag/b/x", "token/-/t", "flag/a/y"];
    for name in names.into_iter().chain(["flag/a/x"]) {
        let entity: EntityRef = name.parse().unwrap();
        let change = sample::creation(&entity);
        store.commit(propose(vec![save(entity, change)])).await.unwrap();
    }
    let gone: EntityRef = "segment/a/s".parse().unwrap();
    store
        .commit(propose(vec![save(gone, Change::SegmentDeleted)]))
        .await
        .unwrap();
    let both = [Kind::Flag, Kind::Segment];
    for (environment, kinds, after, expected) in [
        (
            "a",
            &both[..],
            0,
            vec![("flag/a/y", 1), ("flag/a/x", 2), ("segment/a/s", 0)],
        ),
        ("a", &both[..1], 0, vec![("flag/a/y", 1), ("flag/a/x", 2)]),
        ("a", &both[..], 5, vec![("flag/a/x", 2), ("segment/a/s", 0)]),
        ("a", &both[..], 6, vec![("segment/a/s", 0)]),
        ("a", &both[..], 7, vec![]),
        ("a", &both[..], u64::MAX, vec![]),
        ("b", &both[..], 0, vec![("flag/b/x", 1)]),
        ("b", &both[..], 3, vec![]),
        ("c", &both[..], 0, vec![]),
    ] {
        let environment = environment.parse().unwrap();
        let changed = store.changed(&environment, kinds, after).await.unwrap();
        let told: BTreeMap<String, u64> = (changed.things.iter())
            .map(|(entity, stored)| {
                let revision = stored.as_ref().map_or(0, |stored| stored.revision.0);
                (entity.to_string(), revision)
            })
            .collect();
        let expected = expected
            .into_iter()
            .map(|(name, revision)| (name.to_owned(), revision));
        assert_eq!(changed.head, 7);
        assert_eq!(changed.things.len(), told.len(), "each once");
        assert_eq!(told, expected.collect(), "{environment} {kinds:?} after {after}");
    }
}

/// Of many writers that expect the same revision exactly one succeeds, and nobody's write is lost.
/// Meanwhile the head never goes back, and what a reader sees is never newer than the head.
pub async fn one_of_many_writers_wins_each_revision(store: Arc<dyn Store>) {
    const WRITERS: u64 = 64;
    const WINS_EACH: u64 = 3;
    store
        .commit(propose(vec![save(flag_ref("a"), flag("a", ""))]))
        .await
        .unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let (mut won, mut head) = (Vec::new(), 0);
            while (won.len() as u64) < WINS_EACH {
                let revision = store.load(&flag_ref("a")).await.unwrap().unwrap().revision;
                assert!(store.head() >= head.max(revision.0));
                head = store.head();
                let change = flag("a", &writer.to_string());
                let expect = Expect::Revision(revision);
                let write = Write {
                    expect,
                    ..save(flag_ref("a"), change)
                };
                match store.commit(propose(vec![write])).await {
                    Ok(record) => won.push(record.sequence),
                    Err(CommitError::Conflict { actual, .. }) => assert!(actual > revision),
                    Err(other) => panic!("{other:?}"),
                }
            }
            won
        });
    }
    let mut won: Vec<u64> = writers.join_all().await.into_iter().flatten().collect();
    won.sort_unstable();
    assert_eq!(won, (2..=1 + WRITERS * WINS_EACH).collect::<Vec<_>>());
    assert_eq!(store.head(), 1 + WRITERS * WINS_EACH);
    assert_eq!(listed(&*store).await, replayed(&*store).await);
}

/// What was put is read back by its digest, however often and by however many it is put.
pub async fn a_list_is_there_once_it_was_put(store: Arc<dyn Store>) {
    let large = Bytes::from(vec![7; 3 << 20]);
    for bytes in [Bytes::new(), Bytes::from_static(b"a list"), large] {
        let digest = Digest::of(&bytes);
        assert_eq!(store.load_list(&digest).await.unwrap(), None);
        let puts: tokio::task::JoinSet<_> = (0..8)
            .map(|_| {
                let (store, bytes) = (Arc::clone(&store), bytes.clone());
                async move { store.put_list(bytes).await }
            })
            .collect();
        for put in puts.join_all().await {
            assert_eq!(put.unwrap(), digest);
        }
        assert_eq!(store.load_list(&digest).await.unwrap(), Some(bytes));
    }
    // Lists are no changes.
    assert_eq!((store.head(), listed(&*store).await), (0, BTreeMap::new()));
}

/// What was kept last is read back by its name, until it has had its time or younger ones are enough.
pub async fn an_answer_is_there_until_it_is_swept(store: Arc<dyn Store>) {
    let at = |second| Timestamp::from_timestamp(second, 0).unwrap();
    let answer = |second, text: &str| KeptAnswer {
        at: at(second),
        bytes: Bytes::copy_from_slice(text.as_bytes()),
    };
    let names: Vec<Digest> = (0..4_u8).map(|number| Digest::of(&[number])).collect();
    let first = names.first().unwrap();
    assert_eq!(store.load_answer(first).await.unwrap(), None);
    assert_eq!(store.sweep_answers(at(0), 10).await.unwrap(), 0);
    store.keep_answer(first, answer(1, "before")).await.unwrap();
    for (second, name) in (1..).zip(&names) {
        store.keep_answer(name, answer(second, "after")).await.unwrap();
    }
    let left = async |until, at_most| {
        let left = store.sweep_answers(at(until), at_most).await.unwrap();
        let mut found = Vec::new();
        for (second, name) in (1..).zip(&names) {
            if let Some(kept) = store.load_answer(name).await.unwrap() {
                assert_eq!(kept, answer(second, "after"));
                found.push(second);
            }
        }
        assert_eq!(found.len(), left);
        found
    };
    assert_eq!(left(0, 10).await, [1, 2, 3, 4]);
    assert_eq!(left(1, 10).await, [2, 3, 4], "what was kept then goes too");
    assert_eq!(left(0, 2).await, [3, 4], "the oldest go first");
    assert_eq!(left(3, 0).await, [0_i64; 0]);
    // Answers are no changes.
    assert_eq!((store.head(), listed(&*store).await), (0, BTreeMap::new()));
}
