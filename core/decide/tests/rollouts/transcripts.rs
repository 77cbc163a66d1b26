//! The stories in `tests/rollouts/*.txt`: a policy, what happens, and every decision.
//!
//! Lines that begin with `>` are what happens; all others below the policy are what Tidegate says.
//! `TIDEGATE_BLESS=1` writes what it says now.

use crate::policy_text::policy;
use crate::simulation::{Simulation, monday};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tidegate_simulate::fault::Fault;
use tidegate_simulate::story::Story;
use tidegate_simulate::telling::{Teller, Told};

#[test]
fn every_story_is_told_as_before() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test asks whether to rewrite what it expects"
    )]
    let bless = std::env::var("TIDEGATE_BLESS").is_ok();
    let mut told = 0;
    let mut changed = Vec::new();
    for path in stories() {
        let before = std::fs::read_to_string(&path).unwrap();
        let after = tell(&before);
        told += 1;
        if before != after && bless {
            std::fs::write(&path, after).unwrap();
        } else if before != after {
            changed.push(format!(
                "{}\n{}",
                path.display(),
                first_difference(&before, &after)
            ));
        }
    }
    assert!(told >= 10, "the stories are gone: only {told} were found");
    assert!(
        changed.is_empty(),
        "look at each difference as you would at code; TIDEGATE_BLESS=1 accepts all\n{}",
        changed.join("\n")
    );
}

fn stories() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/rollouts");
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut stories: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    stories.sort();
    stories
}

fn first_difference(before: &str, after: &str) -> String {
    let mut lines = before.lines().zip(after.lines()).enumerate();
    match lines.find(|(_, (before, after))| before != after) {
        Some((index, (before, after))) => format!("line {}:\n  was {before:?}\n  is  {after:?}", index + 1),
        None => format!(
            "{} lines became {}",
            before.lines().count(),
            after.lines().count()
        ),
    }
}

/// The story with what Tidegate says now.
fn tell(text: &str) -> String {
    let (head, _) = text.split_once("\n>").expect("a story has events");
    let lines: Vec<&str> = head.lines().filter(|line| !line.starts_with("at ")).collect();
    let policy = policy(&lines.join("\n"));
    let story = Story::read(text, &policy).unwrap();
    let mut told = format!("{}\n", head.trim_end());
    let simulation = match Simulation::start(&policy, story.begins.unwrap_or_else(monday)) {
        Ok(simulation) => simulation,
        Err(Fault::Refused(refusal)) => {
            write!(told, "\n{}", Told::refused(&refusal)).unwrap();
            return told;
        }
        Err(fault) => panic!("{fault}"),
    };
    let mut teller = Teller::new(simulation);
    for event in &story.events {
        write!(told, "\n{}", teller.tell(event).unwrap()).unwrap();
    }
    told
}
