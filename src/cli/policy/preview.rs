//! `tidegate policy preview`: when a rollout would be where, at best and when windows are missed.

use super::lint;
use crate::cli::failure::Failure;
use crate::cli::instant;
use crate::cli::screen::{Cell, Screen, Tone, cell, toned};
use clap::Args;
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;
use tidegate_model::Timestamp;
use tidegate_model::key::StageName;
use tidegate_model::span::Span;
use tidegate_simulate::calendar::{Calendar, Course, Planned};
use tidegate_simulate::fault::Fault;
use tidegate_simulate::simulation::Simulation;

#[derive(Debug, Args)]
pub(super) struct Preview {
    /// The policy file, or `-` for standard input
    file: PathBuf,
    /// When somebody wants to start the rollout, for example 2026-01-05T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    start: Timestamp,
    /// How many users there are, to see how many each stage reaches
    #[arg(long, value_name = "N")]
    users: Option<u64>,
}

pub(super) fn run(screen: Screen, args: &Preview) -> Result<(), Failure> {
    let policy = lint::one(screen, &args.file)?;
    let calendar = Calendar::of(&policy, args.start, args.users);
    // Everything but the windows that forbids a start: the same words as at the start itself.
    if let Some(starts) = calendar.starts
        && let Err(fault) = Simulation::start(&policy, starts)
    {
        return Err(match fault {
            Fault::Refused(refusal) => Failure::NotStarted {
                why: refusal.to_string(),
            },
            fault => Failure::process("the start cannot be tried", fault),
        });
    }
    let unreachable = calendar.unreachable();
    let answer = json!({ "policy": policy.name, "calendar": calendar, "unreachable": unreachable });
    screen.show(&answer, || Ok(shown(screen, &calendar)))?;
    if unreachable.is_empty() && calendar.best.finish.is_some() {
        return Ok(());
    }
    let names: Vec<&str> = unreachable.iter().map(|name| StageName::as_str(name)).collect();
    Err(Failure::input(
        policy.name,
        format!("never reached: {}", names.join(", ")),
        "no window opens for more than a year after the stage before; mend 'schedule.windows'",
    ))
}

fn shown(screen: Screen, calendar: &Calendar) -> String {
    let rows = calendar.stages.iter().map(|stage| row(calendar, stage)).collect();
    let header = [
        "stage",
        "share",
        "users",
        "opens",
        "is left",
        "held",
        "opens at worst",
        "waits for",
    ];
    let mut text = screen.table(&header, rows, "the policy has no stages");
    text.push('\n');
    match calendar.starts {
        Some(starts) if starts > calendar.asked => {
            let _ = writeln!(text, "windows let it start at {}", calendar.shown(starts));
        }
        Some(_) => {}
        None => text.push_str("no window lets it start for more than a year\n"),
    }
    let finish = |course: &Course| match course.finish {
        Some(finish) => format!("{}, held by windows for {}", calendar.shown(finish), course.held),
        None => "never".to_owned(),
    };
    let _ = writeln!(text, "best case:   {}", finish(&calendar.best));
    let _ = writeln!(text, "worst case:  {}", finish(&calendar.worst));
    text
}

fn row(calendar: &Calendar, stage: &Planned) -> Vec<Cell> {
    let at = |at: Option<Timestamp>| match at {
        Some(at) => cell(calendar.shown(at)),
        None => toned("never", Tone::Bad),
    };
    let held = stage.best.map_or(Span::ZERO, |stay| stay.held);
    vec![
        cell(&stage.name),
        cell(stage.share),
        cell(stage.users.map_or_else(String::new, |users| users.to_string())),
        at(stage.best.map(|stay| stay.opens)),
        at(stage.best.and_then(|stay| stay.left)),
        if held.is_zero() {
            cell("")
        } else {
            toned(held, Tone::Wait)
        },
        at(stage.worst.map(|stay| stay.opens)),
        cell(waits_for(stage).join(", ")),
    ]
}

fn waits_for(stage: &Planned) -> Vec<String> {
    let approval = stage.approval.then(|| "approval".to_owned());
    let gates = stage.gates.iter().map(|gate| format!("gate {gate}"));
    approval.into_iter().chain(gates).collect()
}
