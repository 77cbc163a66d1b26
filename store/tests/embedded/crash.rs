//! Killed in the middle of everything: what was acknowledged is there.

use crate::ground::*;
use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tidegate_store::contract::replayed;
use tidegate_store::contract::sample::{description, flag, flag_ref, propose, save};
use tidegate_store::{EmbeddedStore, Store as _, verify};

/// Set for the process that is going to be killed: its folder.
const FOLDER: &str = "TIDEGATE_STORE_TO_KILL";

const WRITERS: usize = 8;

/// After how many acknowledgements the process is killed, one round after the other.
const ROUNDS: [usize; 10] = [1, 2, 7, 20, 55, 90, 150, 300, 501, 777];

/// Commits until it is killed, and prints `acknowledged <sequence> <words>` for each commit.
#[test]
fn writer() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let (store, report) = EmbeddedStore::open(&folder).unwrap();
    assert_eq!(report.epoch, 1);
    let store = Arc::new(store);
    runtime().block_on(async move {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            writers.spawn(async move {
                for number in 0.. {
                    let key = format!("f{writer}");
                    let words = format!("{}-{writer}-{number}", report.head);
                    let change = flag(&key, &words);
                    let record = store
                        .commit(propose(vec![save(flag_ref(&key), change)]))
                        .await
                        .unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "acknowledged {} {words}", record.sequence).unwrap();
                    out.flush().unwrap();
                }
            });
        }
        writers.join_all().await;
    });
}

/// Lets a process write, kills it, and adds what it acknowledged.
fn kill_after(acknowledgements: usize, folder: &Path, acknowledged: &mut BTreeMap<u64, String>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::writer", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    for line in lines {
        let line = line.unwrap();
        let mut words = line.split(' ').skip_while(|word| !word.ends_with("acknowledged"));
        // A line that the kill has cut short has no end, and is not an acknowledgement.
        let (Some(_), Some(sequence), Some(text)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        seen += 1;
        acknowledged.insert(sequence.parse().unwrap(), text.to_owned());
        if seen == acknowledgements {
            // SIGKILL. What the process has printed until now is still read.
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    assert!(seen >= acknowledgements, "only {seen} acknowledged");
}

#[test]
fn f27_what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in ROUNDS {
        kill_after(round, folder.path(), &mut acknowledged);
        let verified = verify(folder.path()).unwrap();
        let (store, report) = EmbeddedStore::open(folder.path()).unwrap();
        assert_eq!((report.epoch, report.head), (1, verified.records));
        runtime().block_on(async {
            let records = store.records(0, usize::MAX).await.unwrap();
            let by_sequence: BTreeMap<u64, _> = records
                .iter()
                .map(|record| (record.sequence, &record.entries[0].change))
                .collect();
            for (sequence, text) in &acknowledged {
                let saved = format!("{:?}", by_sequence[sequence]);
                assert!(
                    saved.contains(text.as_str()),
                    "record {sequence} is {saved}, not {text}"
                );
            }
            let state = replayed(&store).await;
            assert_eq!(tidegate_store::contract::listed(&store).await, state);
            assert!(
                state
                    .values()
                    .all(|stored| !description(&stored.state).is_empty())
            );
            store.close().await.unwrap();
        });
    }
}
