//! Power cuts of a real file system: an image that is mounted, shut down without a flush while it is written to, and
//! mounted again.

use crate::{Dice, count, workload};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Commits of each writer in a run that is cut, and of all four.
const COMMITS: usize = 60;
const COMMITS_ALL: usize = 4 * COMMITS;

/// How often it is tried to unmount an image.
const ATTEMPTS_MAX: usize = 1000;

/// Room of the image.
const IMAGE_BYTES: u64 = 96 << 20;

#[test]
fn f27_a_file_system_that_is_cut_off_loses_nothing_that_was_acknowledged() {
    let cuts = count("TIDEGATE_IMAGES", 3);
    if let Err(why) = may_mount() {
        println!("left out: {why}");
        return;
    }
    let mut dice = Dice::of("cuts of a mounted image");
    let world = tempfile::tempdir().unwrap();
    let shutdown = built(world.path());
    let mut records = 0;
    for number in 0..cuts {
        let wanted = dice.up_to(COMMITS_ALL);
        let what = format!("cut {number} after {wanted} acknowledged records");
        records += cut(world.path(), &shutdown, wanted, &what);
    }
    println!("{cuts} cuts of a mounted ext4, {records} acknowledged records: nothing lost, torn or invented");
}

/// Whether this process may mount an image; else why not.
fn may_mount() -> Result<(), String> {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Err("only root mounts an image".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Err("this machine has no loop devices".to_owned());
    }
    for command in ["mkfs.ext4", "mount", "umount"] {
        let found = Command::new(command)
            .arg("-V")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        found.map_err(|error| format!("{command}: {error}"))?;
    }
    Ok(())
}

/// The program that cuts a file system off.
fn built(world: &Path) -> PathBuf {
    let program = world.join("shutdown");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proof/shutdown.c");
    run(Command::new("cc")
        .args(["-O1", "-Wall", "-Werror", "-o"])
        .args([&program, Path::new(source)]));
    program
}

/// One cut of a fresh image after so many records were acknowledged. How many had been when it came.
fn cut(world: &Path, shutdown: &Path, wanted: usize, what: &str) -> usize {
    let image = world.join("image");
    File::create(&image).unwrap().set_len(IMAGE_BYTES).unwrap();
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
    let mounted = Mounted::new(&image, &world.join("mounted"));
    let folder = mounted.0.join("data");
    let mut working = workload::command(&folder, COMMITS).spawn().unwrap();
    let mut said = BufReader::new(working.stdout.take().unwrap());
    let mut output = String::new();
    let mut acknowledged = 0;
    while acknowledged < wanted {
        let before = output.len();
        if said.read_line(&mut output).unwrap() == 0 {
            break;
        }
        acknowledged += usize::from(output[before..].contains("acknowledged "));
    }
    // What was said before the cut counts: what has been read already, and what waits in the pipe.
    output.push_str(std::str::from_utf8(said.buffer()).unwrap());
    let waiting = Stdio::from(said.into_inner());
    let before = run(Command::new(shutdown).arg(&mounted.0).stdin(waiting));
    output.push_str(&String::from_utf8(before).unwrap());
    working.kill().unwrap();
    working.wait().unwrap();
    drop(mounted);

    let mounted = Mounted::new(&image, &world.join("mounted"));
    let said = workload::read(&output);
    workload::check(&mounted.0.join("data"), &said, what);
    said.len()
}

/// A mounted image, until it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        run(Command::new("mount").args(["-o", "loop"]).args([image, at]));
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // sled's threads let go of their files a moment after the database was closed.
        let unmounted = (0..ATTEMPTS_MAX).any(|_| {
            let output = Command::new("umount").arg(&self.0).output();
            output.is_ok_and(|output| output.status.success())
        });
        assert!(
            unmounted || std::thread::panicking(),
            "{} is still in use",
            self.0.display()
        );
    }
}

/// Runs a command that must succeed; what it wrote.
fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output.stdout
}
