//! A process that is killed with -9 while many write: what it acknowledged is there.

use crate::ground::{Clock, NINE, batch, copy, kept, open, small};
use crate::{Dice, count};
use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use tokio::task::JoinSet;

/// Set for the process that takes batches in: its data folder.
const FOLDER: &str = "TIDEGATE_PROOF_FOLDER";

const WRITERS: usize = 8;

/// Takes batches in until it is killed, and says which it acknowledged. Each writer goes on where its line is.
#[test]
fn work() {
    let Some(data) = env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let log = open(Path::new(&data), &Clock::at_nine(), small());
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let log = log.clone();
            writers.spawn(async move {
                let spool = format!("spool-{writer}");
                let mut number = 0;
                loop {
                    number += 1;
                    let receipt = log.take_in(&batch(&spool, number)).await.unwrap();
                    number = number.max(receipt.through);
                    let line = format!("acknowledged {spool} {}\n", receipt.through);
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            });
        }
        writers.join_all().await;
    });
}

#[test]
fn a_process_that_is_killed_keeps_what_it_acknowledged() {
    let kills = count("TIDEGATE_KILLS", 5);
    let mut dice = Dice::of("killed writers of observations");
    let world = tempfile::tempdir().unwrap();
    let data = world.path().join("data");
    let mut acknowledged = BTreeSet::new();
    for kill in 0..kills {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "kills::work", "--nocapture", "--test-threads=1"])
            .env(FOLDER, &data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 1 + dice.up_to(400);
        let mut hear = |line: std::io::Result<String>| {
            let line = line.unwrap();
            let (_, said) = line.split_once("acknowledged ")?;
            let (spool, number) = said.split_once(' ')?;
            acknowledged
                .insert((spool.to_owned(), number.parse::<u64>().ok()?))
                .then_some(())
        };
        while left > 0 {
            let line = lines.next().expect("it goes on until it is killed");
            left -= usize::from(hear(line).is_some());
        }
        child.kill().unwrap();
        // What it had said before it was killed counts too; but for a line that the kill cut in two.
        let rest: Vec<std::io::Result<String>> = lines.collect();
        let whole = rest.len().saturating_sub(1);
        for line in rest.into_iter().take(whole) {
            hear(line);
        }
        child.wait().unwrap();
        let copied = world.path().join("copied");
        copy(&data, &copied);
        let clock = Clock::at_nine();
        clock.set(NINE + 1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let log = open(&copied, &clock, small());
            assert_eq!(log.status().damaged, [], "kill {kill}");
            assert_eq!(log.status().missing, 0, "kill {kill}");
            log.close().await;
        });
        let found = kept(&copied);
        let once: BTreeSet<(String, u64)> = found.iter().cloned().collect();
        assert_eq!(once.len(), found.len(), "kill {kill}: taken in twice");
        let lost: Vec<_> = acknowledged.difference(&once).collect();
        assert!(lost.is_empty(), "kill {kill}: {lost:?}");
    }
    println!(
        "{kills} kills, {} acknowledged batches: none lost, none doubled",
        acknowledged.len()
    );
}
