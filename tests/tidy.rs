//! The shape of the repository, checked: what the compiler and clippy do not see.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A source file longer than this, without its tests, wants its rooms separated.
const LINES_MAX: usize = 520;

/// Names that mean the right one was not found.
const NAMELESS: [&str; 11] = [
    "util", "utils", "common", "helper", "helpers", "types", "service", "manager", "handler", "misc", "mod",
];

/// Which of our own crates each crate may know. Everything points towards the model.
const MAY_KNOW: [(&str, &[&str]); 18] = [
    ("core/stats", &[]),
    ("core/proof", &["stats"]),
    ("core/analytics", &["model", "stats"]),
    ("core/model", &[]),
    ("core/eval", &["model"]),
    ("core/decide", &["model", "interop", "stats"]),
    ("core/simulate", &["model", "decide", "stats"]),
    ("core/interop", &["model"]),
    ("core/trail", &["model", "decide"]),
    ("store", &["model"]),
    (
        "actors",
        &["model", "decide", "eval", "interop", "store", "trail"],
    ),
    // Replicas and nodes never need the control plane to evaluate: they do not even link it.
    ("replica", &["model", "eval"]),
    ("node", &["model", "eval", "interop", "replica"]),
    ("provider", &["model", "eval", "replica"]),
    ("bench", &["model", "eval", "replica"]),
    ("examples/shop", &[]),
    ("fuzz", &["model", "eval", "interop", "replica", "node"]),
    (
        ".",
        &[
            "model",
            "eval",
            "decide",
            "simulate",
            "interop",
            "trail",
            "store",
            "actors",
            "replica",
            "node",
            "proof",
            "analytics",
        ],
    ),
];

/// Crates that would let the world into core.
const WORLDLY: [&str; 10] = [
    "actix",
    "actix-rt",
    "actix-web",
    "tokio",
    "reqwest",
    "sled",
    "tracing",
    "getrandom",
    "rand",
    "futures-util",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files git knows or would add, as paths from the root.
fn files() -> Vec<String> {
    let listing = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    let listing = String::from_utf8(listing.stdout).expect("paths are text");
    listing
        .lines()
        .map(str::to_owned)
        .filter(|path| root().join(path).exists())
        .collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

fn with_extension(extension: &str) -> Vec<String> {
    files()
        .into_iter()
        .filter(|path| Path::new(path).extension().is_some_and(|it| it == extension))
        .collect()
}

fn assert_none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn dependencies_point_one_way() {
    let mut wrong = Vec::new();
    for (folder, known) in MAY_KNOW {
        let manifest = read(&format!("{folder}/Cargo.toml"));
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        let names: Vec<&str> = dependencies
            .lines()
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .collect();
        for name in &names {
            if name
                .strip_prefix("tidegate-")
                .is_some_and(|ours| !known.contains(&ours))
            {
                wrong.push(format!("{folder} depends on {name}"));
            }
            if folder.starts_with("core/") && WORLDLY.contains(name) {
                wrong.push(format!("{folder} depends on {name}, which lets the world in"));
            }
        }
    }
    assert_none("dependencies that point the wrong way", wrong);
}

#[test]
fn every_crate_is_in_the_table() {
    let known: BTreeSet<String> = MAY_KNOW
        .iter()
        .map(|(folder, _)| {
            if *folder == "." {
                "Cargo.toml".to_owned()
            } else {
                format!("{folder}/Cargo.toml")
            }
        })
        .collect();
    let manifests = files()
        .into_iter()
        .filter(|path| path.ends_with("Cargo.toml"))
        // Workspaces of their own, which need much that is no part of ours.
        .filter(|path| !path.starts_with("compat/") && !path.starts_with("bench/engines/"));
    assert_none(
        "crates that the table of dependencies does not have",
        manifests.filter(|path| !known.contains(path)).collect(),
    );
}

#[test]
fn names_say_something() {
    let nameless = |path: &String| {
        let stem = Path::new(path)
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        NAMELESS.contains(&stem)
    };
    assert_none(
        "files whose name says nothing",
        with_extension("rs").into_iter().filter(nameless).collect(),
    );
}

#[test]
fn files_are_short() {
    let mut long = Vec::new();
    for path in with_extension("rs") {
        let text = read(&path);
        let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = own.lines().count();
        if lines > LINES_MAX {
            long.push(format!("{path}: {lines} lines"));
        }
    }
    assert_none("files whose rooms want separating", long);
}

#[test]
fn no_leftovers() {
    // Written in pieces, so that this file does not find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("unimplemented", "!("),
    ];
    let mut found = Vec::new();
    for extension in ["rs", "md", "yaml", "yml", "toml", "js", "py"] {
        for path in with_extension(extension) {
            for (number, line) in read(&path).lines().enumerate() {
                if words.iter().any(|word| line.contains(word)) {
                    found.push(format!("{path}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    assert_none("leftovers", found);
}

#[test]
fn no_machine_is_named() {
    let folders = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/home", "/"),
    ];
    let mut found = Vec::new();
    for path in files()
        .into_iter()
        .filter(|path| !path.ends_with(".lock") && !path.ends_with("package-lock.json"))
    {
        for (number, line) in read(&path).lines().enumerate() {
            if folders.iter().any(|folder| line.contains(folder)) {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none("paths of one machine", found);
}

#[test]
fn every_module_is_reached() {
    let mut declared: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let sources: Vec<String> = with_extension("rs")
        .into_iter()
        .filter(|path| path.contains("src/"))
        .collect();
    let crate_of = |path: &str| path.split("src/").next().unwrap_or_default().to_owned();
    for path in &sources {
        for line in read(path).lines() {
            let line = line
                .trim()
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub(super) ");
            let line = line.trim_start_matches("pub ");
            if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                declared
                    .entry(crate_of(path))
                    .or_default()
                    .insert(name.to_owned());
            }
        }
    }
    let orphan = |path: &String| {
        let stem = Path::new(path)
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let root = matches!(stem, "lib" | "main") || path.contains("src/bin/");
        !root
            && !declared
                .get(&crate_of(path))
                .is_some_and(|names| names.contains(stem))
    };
    assert_none(
        "files that no module names",
        sources.iter().filter(|path| orphan(path)).cloned().collect(),
    );
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for path in with_extension("md") {
        let text = read(&path);
        let folder = root()
            .join(&path)
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_default();
        // What people wrote stands escaped in reports.
        let text = text.replace(r"\](", "");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            let elsewhere =
                file.is_empty() || file.contains("://") || file.contains(' ') || file.starts_with('<');
            if !elsewhere && !folder.join(file).exists() {
                broken.push(format!("{path}: {target}"));
            }
        }
    }
    assert_none("links that lead nowhere", broken);
}

#[test]
fn every_guide_is_linked() {
    let texts: Vec<(String, String)> = with_extension("md")
        .into_iter()
        .map(|path| (path.clone(), read(&path)))
        .collect();
    let guides = texts
        .iter()
        .map(|(path, _)| path)
        .filter(|path| path.starts_with("docs/") && !path.starts_with("docs/errors/"));
    let unlinked = guides.filter(|guide| {
        let name = Path::new(guide)
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        !texts
            .iter()
            .any(|(path, text)| path != *guide && text.contains(name))
    });
    assert_none("guides that nothing links to", unlinked.cloned().collect());
}

#[test]
fn metrics_that_are_named_exist() {
    let sources: String = with_extension("rs")
        .iter()
        .filter(|path| !path.starts_with("tests/"))
        .map(|path| read(path))
        .collect();
    let mut unknown = BTreeSet::new();
    let texts = files()
        .into_iter()
        .filter(|path| path.starts_with("grafana/") || path.ends_with(".md"));
    for path in texts {
        let text = read(&path);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("tidegate_") && !word.ends_with('_')) {
            let crates = [
                "tidegate_model",
                "tidegate_eval",
                "tidegate_decide",
                "tidegate_store",
                "tidegate_actors",
                "tidegate_node",
            ];
            let labels = ["tidegate_flag", "tidegate_rollout"];
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| word.strip_suffix(end))
                .unwrap_or(word);
            let known = [word, base]
                .iter()
                .any(|name| sources.contains(&format!("\"{name}\"")));
            if !known && !crates.contains(&word) && !labels.contains(&word) {
                unknown.insert(format!("{path}: {word}"));
            }
        }
    }
    assert_none("metrics that nothing exports", unknown.into_iter().collect());
}

#[test]
fn tests_do_not_sleep() {
    // Waiting for a condition with a deadline is the harness's business, in one place.
    let asleep = |path: &String| {
        let text = read(path);
        let tests = if path.contains("/src/") || path.starts_with("src/") {
            text.split("#[cfg(test)]").nth(1).unwrap_or_default().to_owned()
        } else {
            text
        };
        tests.contains(concat!("sleep", "("))
            && !path.ends_with("tests/e2e/until.rs")
            && path != "tests/tidy.rs"
            && path != "actors/src/world.rs"
    };
    let tests = with_extension("rs")
        .into_iter()
        .filter(|path| path.contains("tests/") || path.contains("src/"));
    assert_none("tests that sleep", tests.filter(asleep).collect());
}
