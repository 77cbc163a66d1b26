//! `tidegate policy simulate`: a rollout without a server, told decision by decision.

use super::lint;
use crate::cli::failure::Failure;
use crate::cli::screen::{self, Screen, moment};
use crate::cli::{instant, read_text};
use clap::Args;
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tidegate_model::Timestamp;
use tidegate_model::policy::Policy;
use tidegate_model::rollout::{Ending, Phase, Rollout};
use tidegate_model::span::Span;
use tidegate_simulate::fault::Fault;
use tidegate_simulate::simulation::Simulation;
use tidegate_simulate::story::{Event, Happening, Story};
use tidegate_simulate::telling::{Teller, Told};

/// When a story begins that does not say so, in seconds since 1970: a Monday, so that the same story is
/// always told the same.
const MONDAY_SECONDS: i64 = 1_767_571_200;

#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// The policy file, or `-` for standard input
    file: PathBuf,
    /// What happens, one event a line, or `-` for standard input; left out, everything goes well
    #[arg(long, value_name = "STORY")]
    script: Option<PathBuf>,
    /// When the rollout starts [default: what the story says, else Monday 2026-01-05 00:00 UTC]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    start: Option<Timestamp>,
}

pub(super) fn run(screen: Screen, args: &Simulate) -> Result<(), Failure> {
    let policy = lint::one(screen, &args.file)?;
    let story = args
        .script
        .as_deref()
        .map(|file| read(file, &policy))
        .transpose()?;
    let monday = Timestamp::from_timestamp(MONDAY_SECONDS, 0).unwrap_or_default();
    let written = story.as_ref().and_then(|story| story.begins);
    let begin = args.start.or(written).unwrap_or(monday);
    let simulation = match Simulation::start(&policy, begin) {
        Ok(simulation) => simulation.forgetting_holds(),
        Err(Fault::Refused(refusal)) => {
            if !screen.json {
                screen::print(&transcript(begin, &[Told::refused(&refusal)]))?;
            }
            return Err(Failure::NotStarted {
                why: refusal.to_string(),
            });
        }
        Err(fault) => return Err(Failure::process("the simulation stopped", fault)),
    };
    let mut teller = Teller::new(simulation);
    let told = tell(&mut teller, story.as_ref()).map_err(|fault| match fault {
        Fault::Refused(refusal) => Failure::input("the story", refusal, "change it"),
        fault => Failure::process("the simulation stopped", fault),
    })?;
    let rollout = &teller.simulation.rollout;
    let now = teller.simulation.now;
    let answer = json!({
        "policy": policy.name,
        "begins": begin,
        "ends": now,
        "ending": ending(rollout),
        "share": rollout.share,
        "story": told,
    });
    screen.show(&answer, || {
        let mut text = transcript(begin, &told);
        let _ = writeln!(text, "\n# {}", outcome(rollout, begin, now));
        Ok(text)
    })?;
    match ending(rollout) {
        Some(Ending::Completed) => Ok(()),
        Some(Ending::RolledBack | Ending::Aborted) => Err(Failure::RolledBack {
            rollouts: vec![rollout.start.id.to_string()],
        }),
        None => Err(Failure::StillOpen {
            what: rollout.start.id.to_string(),
        }),
    }
}

fn read(file: &Path, policy: &Policy) -> Result<Story, Failure> {
    let text = read_text(file)?;
    Story::read(&text, policy).map_err(|invalid| {
        Failure::input(
            file.display(),
            invalid,
            "the language of stories is in docs/policy-tools.md",
        )
    })
}

fn tell(teller: &mut Teller, story: Option<&Story>) -> Result<Vec<Told>, Fault> {
    let start = Event {
        text: "start".to_owned(),
        what: Happening::Start,
    };
    let mut told = vec![teller.tell(&start)?];
    match story {
        None => told.extend(teller.go_well()?),
        Some(story) => {
            for event in story.events.iter().filter(|event| **event != start) {
                told.push(teller.tell(event)?);
            }
        }
    }
    Ok(told)
}

/// The story with what Tidegate says to it: a story again.
fn transcript(begin: Timestamp, told: &[Told]) -> String {
    let mut text = format!("at {}\n", begin.format("%Y-%m-%dT%H:%M:%SZ"));
    for told in told {
        let _ = write!(text, "\n{told}");
    }
    text
}

fn ending(rollout: &Rollout) -> Option<Ending> {
    match rollout.phase {
        Phase::Ended { ending, .. } => Some(ending),
        Phase::Running { .. } | Phase::RollingBack { .. } => None,
    }
}

/// How it went, in a line.
fn outcome(rollout: &Rollout, begin: Timestamp, now: Timestamp) -> String {
    match rollout.phase {
        Phase::Ended { ending, at, .. } => {
            let after = Span::between(begin, at).rounded();
            format!("{ending} after {after}, at {}", moment(at))
        }
        Phase::RollingBack { .. } => format!("still rolling back at {}", moment(now)),
        Phase::Running { .. } => format!("still open at {}, {} of the units", moment(now), rollout.share),
    }
}
