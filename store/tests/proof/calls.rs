//! Writes, syncs and renames that fail, one at a time.

use crate::{count, shim, workload};
use std::path::Path;

/// Commits of each writer in a run in which a call fails: few for few runs, and so many that a campaign has calls enough.
const COMMITS: usize = 4;
const COMMITS_CAMPAIGN: usize = 40;
/// More runs than this are a campaign.
const RUNS_FEW: usize = 100;

/// The system's numbers for a disk that is broken, and for one that is full.
const ERRNOS: [i32; 2] = [5, 28];

#[test]
fn f55_whichever_call_fails_nothing_acknowledged_is_lost() {
    let runs = count("TIDEGATE_CALLS", 40);
    let commits = if runs > RUNS_FEW {
        COMMITS_CAMPAIGN
    } else {
        COMMITS
    };
    let world = tempfile::tempdir().unwrap();
    let folder = world.path().join("whole");
    let trace = world.path().join("trace");
    let mut command = workload::command(&folder, commits);
    shim::watch(&mut command, &folder, &trace);
    assert!(command.output().unwrap().status.success());
    let counted = |what: u8| matches!(what, b'W' | b'S' | b'R');
    let calls = shim::read(&trace)
        .iter()
        .filter(|entry| counted(entry.what))
        .count();
    // As many as are wanted, evenly.
    let places = calls * ERRNOS.len();
    assert!(
        runs <= places,
        "{runs} runs are wanted, and there are {places} ways to fail"
    );
    for place in (0..runs).map(|run| run * places / runs) {
        let (mut call, errno) = (place / ERRNOS.len() + 1, ERRNOS[place % ERRNOS.len()]);
        // Threads take turns as they like, so a run may end before the call that was to fail: then an earlier one is.
        while !fails(world.path(), commits, call, errno) {
            call = call * 9 / 10;
        }
    }
    println!("{runs} failing calls, of {calls} in a run: nothing lost, torn or invented");
}

/// A run in which this call fails, if it comes so far. Whether it did.
fn fails(world: &Path, commits: usize, call: usize, errno: i32) -> bool {
    let (folder, trace) = (world.join("failing"), world.join("failing-trace"));
    let mut command = workload::command(&folder, commits);
    shim::watch(&mut command, &folder, &trace);
    command
        .env("SHIM_FAIL", call.to_string())
        .env("SHIM_ERRNO", errno.to_string());
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "call {call} fails by {errno}: {output:?}"
    );
    let said = workload::read(&String::from_utf8(output.stdout).unwrap());
    workload::check(&folder, &said, &format!("call {call} failed by {errno}"));
    let failed = shim::read(&trace).iter().any(|entry| entry.what == b'F');
    for left in [&folder, &workload::archive_of(&folder)] {
        if left.exists() {
            std::fs::remove_dir_all(left).unwrap();
        }
    }
    std::fs::remove_file(&trace).unwrap();
    failed
}
