//! Broken policies and what is said about them, word by word: `diagnostics.md` beside this file.
//!
//! Run with `TIDEGATE_BLESS=1` to write down what is said now, then read the difference like code.

use crate::completed;
use std::fmt::Write;
use std::{fs, path::Path};
use tidegate_model::policy::read::read;

/// What is said about `policy`, one finding per line.
fn said(policy: &str) -> String {
    let (_, diagnostics) = read(policy);
    diagnostics.iter().map(|one| format!("{one}\n")).collect()
}

/// A policy of the file and what it expects to be said.
struct Case<'t> {
    title: &'t str,
    policy: &'t str,
    expected: &'t str,
}

fn case(section: &str) -> Case<'_> {
    let (title, rest) = section.split_once('\n').unwrap();
    let block = |language: &str| {
        let (_, block) = rest.split_once(&format!("```{language}\n")).unwrap();
        block.split_once("```").unwrap().0
    };
    Case {
        title,
        policy: block("yaml"),
        expected: block("text"),
    }
}

#[test]
fn broken_policies_are_explained() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy/diagnostics.md");
    let written = fs::read_to_string(&path).unwrap();
    let mut sections = written.split("\n## ");
    let mut now = sections.next().unwrap().to_owned();
    let mut different = String::new();
    let mut cases = 0;
    for Case {
        title,
        policy,
        expected,
    } in sections.map(case)
    {
        let found = said(&completed(policy));
        assert!(!found.is_empty(), "nothing is said about: {title}");
        write!(
            now,
            "\n## {title}\n\n```yaml\n{policy}```\n\n```text\n{found}```\n"
        )
        .unwrap();
        if found != expected {
            write!(different, "\n{title}\nexpected:\n{expected}found:\n{found}").unwrap();
        }
        cases += 1;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a test may be told to rewrite its expectation"
    )]
    if std::env::var("TIDEGATE_BLESS").is_ok() {
        fs::write(&path, &now).unwrap();
    }
    assert!(different.is_empty(), "{different}");
    assert!(cases > 70, "only {cases} cases found");
}
