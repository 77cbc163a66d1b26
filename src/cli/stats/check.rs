//! `tidegate stats check`: the statistics beside the numbers of other packages.

use crate::cli::failure::Failure;
use crate::cli::{read_text, screen};
use clap::Args;
use serde_json::json;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tidegate_proof::check::{Checked, Outcome, check};

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Files of the schema `stats-vectors/1`; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Answer in JSON, for machines
    #[arg(long)]
    pub(super) json: bool,
}

/// How many cases came out how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Count {
    passed: usize,
    failed: usize,
    unsupported: usize,
}

pub(super) fn run(args: &Check) -> Result<(), Failure> {
    let mut all = Vec::new();
    for file in &args.files {
        let checked = check(&read_text(file)?).map_err(|error| {
            let because = error
                .source()
                .map_or_else(String::new, |cause| format!(": {cause}"));
            Failure::input(
                super::source(file),
                format!("{error}{because}"),
                "core/stats/tests/reference/README.md describes the schema",
            )
        })?;
        all.extend(checked.into_iter().map(|case| (file.as_path(), case)));
    }
    let count = Count::of(all.iter().map(|(_, case)| case));
    if args.json {
        let wrong: Vec<_> = all.iter().filter_map(|(file, case)| told(file, case)).collect();
        let answer = json!({
            "passed": count.passed,
            "failed": count.failed,
            "unsupported": count.unsupported,
            "cases": wrong,
        });
        screen::print(&format!("{answer:#}\n"))?;
    } else {
        screen::print(&lines(&all, count))?;
    }
    if count.failed + count.unsupported == 0 {
        return Ok(());
    }
    Err(Failure::Unproven {
        what: format!(
            "{} cases failed, and {} are unsupported",
            count.failed, count.unsupported
        ),
    })
}

impl Count {
    fn of<'a>(cases: impl Iterator<Item = &'a Checked>) -> Self {
        cases.fold(Self::default(), |mut count, case| {
            match case.outcome {
                Outcome::Passed => count.passed += 1,
                Outcome::Failed(_) => count.failed += 1,
                Outcome::Unsupported => count.unsupported += 1,
            }
            count
        })
    }
}

fn lines(all: &[(&Path, Checked)], count: Count) -> String {
    let mut text = String::new();
    for (file, case) in all {
        let why = match &case.outcome {
            Outcome::Passed => continue,
            Outcome::Failed(why) => format!("failed: {}", why.join("; ")),
            Outcome::Unsupported => "unsupported".to_owned(),
        };
        let line = format!("{}: {} {}: {why}", super::source(file), case.id, case.method);
        // One line a case, whatever its texts hold.
        let line: String = line
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        let _ = writeln!(text, "{line}");
    }
    let Count {
        passed,
        failed,
        unsupported,
    } = count;
    let _ = writeln!(
        text,
        "{passed} passed, {failed} failed, {unsupported} unsupported"
    );
    text
}

/// A case that did not pass.
fn told(file: &Path, case: &Checked) -> Option<serde_json::Value> {
    let (outcome, why) = match &case.outcome {
        Outcome::Passed => return None,
        Outcome::Failed(why) => ("failed", why.clone()),
        Outcome::Unsupported => ("unsupported", Vec::new()),
    };
    Some(json!({
        "file": file,
        "id": case.id,
        "fn": case.method,
        "outcome": outcome,
        "why": why,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(cases: &str) -> Vec<(&'static Path, Checked)> {
        let text = format!(r#"{{"schema":"stats-vectors/1","topic":"t","about":"a","cases":[{cases}]}}"#);
        let cases = check(&text).unwrap().into_iter();
        cases.map(|case| (Path::new("t.json"), case)).collect()
    }

    #[test]
    fn every_case_that_does_not_pass_has_a_line() {
        let all = checked(
            r#"{"id":"t/1","fn":"norm_sf","in":{"x":0},"out":{"value":0.5}},
               {"id":"t/2","fn":"norm_sf","in":{"x":0},"out":{"value":0.6}},
               {"id":"t/3","fn":"norm_of\nthem","in":{},"out":{}}"#,
        );
        let count = Count::of(all.iter().map(|(_, case)| case));
        let text = lines(&all, count);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("t.json: t/2 norm_sf: failed: value: want 0.6, got 0.5"));
        assert_eq!(
            lines[1..],
            [
                "t.json: t/3 norm_of them: unsupported",
                "1 passed, 1 failed, 1 unsupported"
            ]
        );
        assert_eq!(told(all[0].0, &all[0].1), None);
        assert_eq!(told(all[2].0, &all[2].1).unwrap()["outcome"], "unsupported");
    }
}
