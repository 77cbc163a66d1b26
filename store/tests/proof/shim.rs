//! The library that stands between a program and its files, and what it writes down.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// One thing that was done to files, or said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) what: u8,
    pub(crate) path: PathBuf,
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

static LIBRARY: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("shim.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proof/shim.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"])
        .status()
        .unwrap();
    assert!(built.success(), "the C compiler builds {source}");
    (folder, library)
});

/// Lets a command do what it does to `folder` through the shim, which writes it down in `trace`.
pub(crate) fn watch(command: &mut Command, folder: &Path, trace: &Path) {
    command
        .env("LD_PRELOAD", &LIBRARY.1)
        .env("SHIM_FOLDER", folder)
        .env("SHIM_TRACE", trace);
}

/// What was written down.
pub(crate) fn read(trace: &Path) -> Vec<Entry> {
    let bytes = std::fs::read(trace).unwrap();
    let mut rest = bytes.as_slice();
    let mut entries = Vec::new();
    while let Some((what, after)) = rest.split_first() {
        rest = after;
        let path = take_bytes(&mut rest);
        let path = PathBuf::from(String::from_utf8(path.to_vec()).unwrap());
        let offset = take_number(&mut rest);
        let bytes = take_bytes(&mut rest).to_vec();
        entries.push(Entry {
            what: *what,
            path,
            offset,
            bytes,
        });
    }
    entries
}

fn take_number(rest: &mut &[u8]) -> u64 {
    let (number, after) = rest.split_first_chunk().unwrap();
    *rest = after;
    u64::from_ne_bytes(*number)
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::try_from(take_number(rest)).unwrap();
    let (bytes, after) = rest.split_at(length);
    *rest = after;
    bytes
}
