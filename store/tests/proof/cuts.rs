//! Power cuts at any moment of a run.

use crate::disk::Disk;
use crate::shim::{self, Entry};
use crate::{Dice, count, workload};

/// Commits of each writer in a run that is cut.
const COMMITS: usize = 30;
/// Cuts of one run; then another run is cut.
const CUTS_A_RUN: usize = 50;

#[test]
fn f27_power_cuts_lose_nothing_that_was_acknowledged() {
    let cuts = count("TIDEGATE_CUTS", 20);
    let mut dice = Dice::of("power cuts");
    let mut done = 0;
    let mut records = 0;
    while done < cuts {
        let world = tempfile::tempdir().unwrap();
        let (folder, trace) = (world.path().join("data"), world.path().join("trace"));
        let mut command = workload::command(&folder, COMMITS);
        // The folder above too: its sync is what keeps the name of the store's own.
        shim::watch(&mut command, world.path(), &trace);
        assert!(command.output().unwrap().status.success());
        let entries = shim::read(&trace);
        for _ in 0..CUTS_A_RUN.min(cuts - done) {
            let at = dice.up_to(entries.len());
            records += cut(
                &entries[..at],
                &folder,
                &mut dice,
                &format!("cut {done} after {at} calls"),
            );
            done += 1;
        }
    }
    println!("{done} power cuts, {records} acknowledged records: nothing lost, torn or invented");
}

/// Leaves what a cut after these calls leaves, and checks it. How many records had been acknowledged.
fn cut(entries: &[Entry], folder: &std::path::Path, dice: &mut Dice, what: &str) -> usize {
    let mut disk = Disk::default();
    let mut output = Vec::new();
    for entry in entries {
        disk.follow(entry);
        if entry.what == b'A' {
            output.extend_from_slice(&entry.bytes);
        }
    }
    let said = workload::read(&String::from_utf8(output).unwrap());
    let left = tempfile::tempdir().unwrap();
    let from = folder.parent().unwrap();
    disk.cut(dice, from, left.path());
    workload::check(&left.path().join("data"), &said, what);
    said.len()
}
