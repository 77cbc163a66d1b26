//! The policies that are shipped, and the examples of the documentation.

use crate::{completed, good};
use std::fs;
use std::path::{Path, PathBuf};
use tidegate_model::policy::read::keys;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The shipped policies: file name and text.
pub(crate) fn shipped() -> Vec<(String, String)> {
    policies_in("policies")
}

fn policies_in(folder: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// The YAML blocks of the reference, made whole where they show a part.
pub(crate) fn documented() -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/policies.md")).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    blocks
        .map(|block| completed(block.split("```").next().unwrap()))
        .collect()
}

#[test]
fn shipped_policies_have_nothing_wrong() {
    let files = shipped();
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "canary",
            "compared",
            "exponential",
            "fast-fix",
            "linear",
            "rings",
            "staff-first"
        ]
    );
    for (name, text) in &files {
        assert_eq!(good(text).name.as_str(), name, "a policy is called like its file");
    }
}

#[test]
fn policies_of_the_demo_have_nothing_wrong() {
    let files = policies_in("examples/shop/policies");
    assert!(!files.is_empty());
    for (name, text) in &files {
        assert_eq!(good(text).name.as_str(), name, "a policy is called like its file");
    }
}

#[test]
fn documented_examples_have_nothing_wrong() {
    let examples = documented();
    assert!(examples.len() > 10, "only {} found", examples.len());
    for example in examples {
        good(&example);
    }
}

#[test]
fn every_key_is_documented() {
    let text = fs::read_to_string(root().join("docs/policies.md")).unwrap();
    for level in keys::LEVELS {
        for key in level.keys() {
            assert!(text.contains(&format!("`{key}`")), "{}: {key}", level.name);
        }
    }
}
