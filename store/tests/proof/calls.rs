//! Writes, syncs and renames that fail, one at a time.

use crate::{count, shim, workload};

/// Commits of each writer in a run in which a call fails.
const COMMITS: usize = 4;

/// The system's numbers for a disk that is broken, and for one that is full.
const ERRNOS: [i32; 2] = [5, 28];

#[test]
fn f55_whichever_call_fails_nothing_acknowledged_is_lost() {
    let runs = count("TIDEGATE_CALLS", 40);
    let world = tempfile::tempdir().unwrap();
    let folder = world.path().join("whole");
    let trace = world.path().join("trace");
    let mut command = workload::command(&folder, COMMITS);
    shim::watch(&mut command, &folder, &trace);
    assert!(command.output().unwrap().status.success());
    let counted = |what: u8| matches!(what, b'W' | b'S' | b'R');
    let calls = shim::read(&trace)
        .iter()
        .filter(|entry| counted(entry.what))
        .count();
    // Every call, or as many as are wanted, evenly.
    let step = (calls * ERRNOS.len()).div_ceil(runs.max(1)).max(1);
    let mut failed = 0;
    for place in (0..calls * ERRNOS.len()).step_by(step) {
        let (call, errno) = (place / ERRNOS.len() + 1, ERRNOS[place % ERRNOS.len()]);
        let folder = world.path().join(format!("{call}-{errno}"));
        let mut command = workload::command(&folder, COMMITS);
        shim::watch(&mut command, &folder, &world.path().join("unread"));
        command
            .env("SHIM_FAIL", call.to_string())
            .env("SHIM_ERRNO", errno.to_string());
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "call {call} fails by {errno}: {output:?}"
        );
        let said = workload::read(&String::from_utf8(output.stdout).unwrap());
        workload::check(
            &folder,
            &said,
            &format!("call {call} of {calls} failed by {errno}"),
        );
        std::fs::remove_dir_all(&folder).unwrap();
        failed += 1;
    }
    println!("{failed} failing calls of {calls}: nothing lost, torn or invented");
}
