//! Whatever is thrown at the reader: an answer, never a panic, and never a policy with errors.

use crate::files::shipped;
use crate::schema::{as_json, schema};
use proptest::prelude::*;
use proptest::sample::Index;
use tidegate_model::policy::diagnostic::{Diagnostic, Severity};
use tidegate_model::policy::read::read;

/// Reads and checks what must always hold.
fn answered(text: &str) -> Vec<Diagnostic> {
    let (policy, diagnostics) = read(text);
    let errors = diagnostics.iter().any(|one| one.severity == Severity::Error);
    assert_eq!(policy.is_none(), errors, "{diagnostics:?}\n{text}");
    let lines = text.lines().count() + 1;
    for one in &diagnostics {
        assert!(
            (1..=lines).contains(&one.line) && one.column >= 1,
            "{one:?}\n{text}"
        );
        assert!(!one.to_string().contains(char::is_control), "{one:?}");
    }
    diagnostics
}

fn one_error(text: &str) -> String {
    let diagnostics = answered(text);
    assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
    diagnostics[0].to_string()
}

#[test]
fn huge_and_deep_texts_are_refused() {
    let check = |text: &str, part: &str| {
        let found = one_error(text);
        assert!(found.contains(part), "{found}");
    };
    check(&"#".repeat((1 << 20) + 1), "at most 1048576 are read");
    check(&"[".repeat(1 << 20), "nested deeper than 64 levels");
    check(&"- ".repeat(1 << 19), "nested deeper than 64 levels");
    check(&"{a: ".repeat(10_000), "nested deeper than 64 levels");
    check(
        &format!("{}\n", "- a\n".repeat(200_000)),
        "more than 100000 values",
    );
    let laughs: String = (1..20)
        .map(|n| format!("k{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")))
        .collect();
    check(&format!("k0: &a0 x\n{laughs}"), "more than 100000 values");
    let tower: String = (1..40)
        .map(|n| format!("k{n}: &a{n} [[[*a{}]]]\n", n - 1))
        .collect();
    check(&format!("k0: &a0 x\n{tower}"), "nested deeper than 64 levels");
    check("a: &a [*a]", "the alias refers to something that contains it");
}

#[test]
fn many_mistakes_are_cut_short() {
    let text: String = (0..5000).map(|n| format!("k{n}: 1\n")).collect();
    let diagnostics = answered(&text);
    assert_eq!(diagnostics.len(), 101);
    assert_eq!(diagnostics[100].message, "and 4904 more errors");
    let long = format!("{}: 1\n", "x".repeat(200_000));
    assert!(answered(&long).iter().all(|one| one.to_string().len() < 400));
}

/// Pieces that are likely to mean something where they land.
const SHARDS: [&str; 40] = [
    "0",
    "-1",
    "1e400",
    ".nan",
    "100.0001",
    "2%",
    "%",
    "5M",
    "0s",
    "10y",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "\t",
    "\n",
    "\r\n",
    "  ",
    "#",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!str ",
    "---\n",
    "{{",
    "}}",
    "{{nope}}",
    "{{window}}",
    "null",
    "true",
    "~",
    "\u{feff}",
    "\u{0}",
    "é",
    "|\n",
    "? ",
];

/// A shipped policy with some bytes cut, doubled or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<Index>(), 0..30_usize, any::<Index>(), 0..3_u8);
    (any::<Index>(), prop::collection::vec(edit, 1..6)).prop_map(|(which, edits)| {
        let files = shipped();
        let mut text: Vec<char> = which.get(&files).1.chars().collect();
        for (at, length, shard, kind) in edits {
            if text.is_empty() {
                break;
            }
            let start = at.index(text.len());
            let end = (start + length).min(text.len());
            let new: Vec<char> = match kind {
                0 => Vec::new(),
                1 => shard.get(&SHARDS).chars().collect(),
                _ => text[start..end].repeat(2),
            };
            text.splice(start..end, new);
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        answered(&text);
    }

    #[test]
    fn yaml_like_text_is_answered(text in "([ \t]{0,4}(- |\\? |: |[a-z]{1,6}: ?|&a |\\*a |[\\[\\]{},'\"|>%@`#!~]|[0-9.]{1,3}|\n|---\n|\\.\\.\\.\n)){0,30}") {
        answered(&text);
    }

    #[test]
    fn mutated_policies_are_answered(text in mutated()) {
        answered(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// An editor that follows the schema never refuses what the reader takes.
    #[test]
    fn what_is_read_validates(text in mutated()) {
        if read(&text).0.is_some() {
            let validator = jsonschema::validator_for(&schema()).unwrap();
            let value = as_json(&text);
            prop_assert!(validator.is_valid(&value), "{text}\n{value}");
        }
    }
}
