//! A process that commits and says what was acknowledged, and what must be so of its folder whatever happened to it.

use std::collections::BTreeMap;
use std::env;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tidegate_model::Timestamp;
use tidegate_model::change::{Change, EntityRef, Record};
use tidegate_store::contract::sample::{flag, flag_ref, listed_segment, propose, save};
use tidegate_store::contract::{folded, listed};
use tidegate_store::{
    EmbeddedStore, Expected, Settings, Store as _, StoreError, archive, read_journal, verify_against,
};

/// Set for the process that commits: its folder.
const FOLDER: &str = "TIDEGATE_PROOF_FOLDER";
/// How many commits each of its writers does.
const COMMITS: &str = "TIDEGATE_PROOF_COMMITS";

const WRITERS: usize = 4;
/// After so many commits of a writer one names a list.
const LIST_EVERY: usize = 5;

/// Where the journal of a folder is archived.
pub(crate) fn archive_of(folder: &Path) -> PathBuf {
    folder.with_extension("archive")
}

/// What was acknowledged: words by sequence.
pub(crate) type Said = BTreeMap<u64, String>;

/// Everything as small as it can be, so that little work goes through every step often.
pub(crate) fn settings() -> Settings {
    Settings {
        segment_bytes_max: 2048,
        checkpoint_records: 7,
        ballast_bytes: 0,
        ..Settings::default()
    }
}

/// The command that runs the workload on a folder.
pub(crate) fn command(folder: &Path, commits: usize) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "workload::work", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(COMMITS, commits.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

#[test]
fn work() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let commits = crate::count(COMMITS, 1);
    // A folder that cannot be made or opened is no place to promise anything in.
    let Ok((store, _)) = EmbeddedStore::open_with(&folder, settings()) else {
        return;
    };
    let store = Arc::new(store);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async move {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            let folder = PathBuf::from(&folder);
            writers.spawn(async move {
                for number in 0..commits {
                    write(&store, writer, number).await;
                    // Beside the others, who go on writing.
                    if writer == 0 && (number == commits / 2 || number + 1 == commits) {
                        let folder = folder.clone();
                        let archiving = tokio::task::spawn_blocking(move || {
                            archive(&folder, archive_of(&folder), Timestamp::MAX_UTC, |_, _| {})
                        });
                        // A call that fails may make it fail.
                        let _archived_or_not = archiving.await.unwrap();
                    }
                }
            });
        }
        writers.join_all().await;
        let _failed_already = store.close().await;
    });
}

async fn write(store: &EmbeddedStore, writer: usize, number: usize) {
    let words = format!("{writer}-{number}-{}", "x".repeat(number * 37 % 300));
    let write = if number.is_multiple_of(LIST_EVERY) {
        let mut bytes = b"tgunit01".to_vec();
        bytes.extend_from_slice(&1_u64.to_le_bytes());
        let unit = u64::try_from(writer * 1000 + number).unwrap();
        bytes.extend_from_slice(&unit.to_le_bytes());
        let Ok(digest) = store.put_list(bytes.into()).await else {
            return;
        };
        let segment = format!("segment/production/s{writer}").parse().unwrap();
        save(segment, listed_segment(&format!("s{writer}"), digest.as_str()))
    } else {
        let key = format!("f{writer}");
        save(flag_ref(&key), flag(&key, &words))
    };
    let said = told(&write.changes[0]);
    if let Ok(record) = store.commit(propose(vec![write])).await {
        let line = format!("acknowledged {} {said}\n", record.sequence);
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

/// What a change says, in one word.
fn told(change: &Change) -> String {
    match change {
        Change::FlagSaved(flag) => flag.definition().description.clone(),
        Change::SegmentSaved(segment) => segment
            .definition()
            .list
            .as_ref()
            .map(|list| list.digest.to_string())
            .unwrap_or_default(),
        other => panic!("nobody wrote {other:?}"),
    }
}

/// What whole lines say was acknowledged.
pub(crate) fn read(output: &str) -> Said {
    let whole = output.rfind('\n').map_or("", |end| &output[..end]);
    let lines = whole.lines().filter_map(|line| {
        let line = line.split("acknowledged ").nth(1)?;
        let (sequence, words) = line.split_once(' ')?;
        Some((sequence.parse().unwrap(), words.to_owned()))
    });
    lines.collect()
}

/// Opens what is left of a folder, and compares it with what was said before: nothing is lost, torn or invented, and what
/// comes next is stored.
///
/// # Panics
/// When it is not so, with `what` happened.
pub(crate) fn check(folder: &Path, said: &Said, what: &str) {
    let opened = EmbeddedStore::open_with(folder, settings());
    let (store, report) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        report.head >= said.keys().next_back().copied().unwrap_or(0),
        "{what}: lost"
    );
    let records = records(folder, &archive_of(folder)).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(records.len() as u64, report.head, "{what}: torn");
    for record in &records {
        let found = told(&record.entries[0].change);
        if let Some(words) = said.get(&record.sequence) {
            assert_eq!(&found, words, "{what}: record {}", record.sequence);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert_eq!(
            listed(&store).await,
            folded(records),
            "{what}: the state is another"
        );
        for stored in listed(&store).await.into_values() {
            if let tidegate_model::change::EntityState::Segment(segment) = &stored.state {
                for definition in segment.definitions() {
                    let digest = &definition.list.as_ref().unwrap().digest;
                    let list = store.load_list(digest).await;
                    assert!(matches!(list, Ok(Some(_))), "{what}: {list:?}");
                }
            }
        }
        let entity: EntityRef = flag_ref("after");
        let next = store.commit(propose(vec![save(entity, flag("after", ""))])).await;
        assert_eq!(next.unwrap().sequence, report.head + 1, "{what}");
        store.close().await.unwrap();
    });
    let archived = archive(folder, archive_of(folder), Timestamp::MAX_UTC, |_, _| {});
    archived.unwrap_or_else(|error| panic!("{what}: {error}"));
    let archive = archive_of(folder);
    let expected = Expected {
        archive: Some(archive.as_path()).filter(|to| to.exists()),
        ..Expected::default()
    };
    let verified = verify_against(folder, expected).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!((verified.first, verified.records), (1, report.head + 1), "{what}");
}

/// All records of a folder, those that were moved to the archive too.
pub(crate) fn records(folder: &Path, archive: &Path) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    // An archive that was only begun has nothing that is not in the folder.
    let archive = Some(archive).filter(|to| to.join("FORMAT").exists());
    let read = read_journal(folder, archive, |record| {
        records.push(record);
        ControlFlow::<()>::Continue(())
    });
    read.map(|_| records)
}
