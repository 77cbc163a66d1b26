//! `tidegate policy check`: every state that a rollout by a policy can get into.

use super::lint;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;
use tidegate_model::key::StageName;
use tidegate_simulate::check::{Findings, Law, check};
use tidegate_simulate::fault::Fault;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The policy file, or `-` for standard input
    file: PathBuf,
    /// Visit at most so many states
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    states: usize,
}

pub(super) fn run(screen: Screen, args: &Check) -> Result<(), Failure> {
    let policy = lint::one(screen, &args.file)?;
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} states {elapsed}") {
        bar.set_style(style);
    }
    let findings = check(&policy, args.states, |states| bar.set_position(states as u64));
    bar.finish_and_clear();
    let findings = findings.map_err(|fault| match fault {
        Fault::Refused(refusal) => Failure::NotStarted {
            why: refusal.to_string(),
        },
        fault => Failure::process("the exploration stopped", fault),
    })?;
    let answer = json!({ "policy": policy.name, "holds": findings.holds(), "findings": findings });
    screen.show(&answer, || Ok(shown(&findings)))?;
    if findings.holds() {
        return Ok(());
    }
    let what = match (findings.broken.len(), findings.unreached.len(), findings.complete) {
        (0, _, false) => format!(
            "{}: not everything was visited, so nothing is proven",
            policy.name
        ),
        (broken, unreached, _) => {
            format!(
                "{}: {broken} laws broken, {unreached} stages not reached",
                policy.name
            )
        }
    };
    Err(Failure::Failed { what })
}

fn shown(findings: &Findings) -> String {
    let mut text = String::new();
    for (rule, other) in &findings.alike {
        let _ = writeln!(
            text,
            "{rule} is to the state machine what {other} is, and was explored as it"
        );
    }
    for law in Law::ALL {
        let broken = findings.broken.iter().find(|broken| broken.law == law);
        let verdict = match broken {
            None if findings.complete => "holds",
            None => "not seen broken",
            Some(_) => "BROKEN",
        };
        let _ = writeln!(text, "{law}: {verdict}");
    }
    let reached = match findings.unreached.as_slice() {
        [] if findings.completes => "holds".to_owned(),
        [] => "NOT REACHED: the end".to_owned(),
        stages => {
            let names: Vec<&str> = stages.iter().map(StageName::as_str).collect();
            format!("NOT REACHED: {}", names.join(", "))
        }
    };
    let _ = writeln!(text, "every stage and the end can be reached: {reached}");
    for rule in &findings.as_zero {
        let _ = writeln!(
            text,
            "note: {rule} reads a missing series as 0, and stages open on it; have another rule that misses traffic"
        );
    }
    for broken in &findings.broken {
        let _ = writeln!(text, "\n{}, after this:\n{}", broken.what, broken.story);
    }
    let whole = if findings.complete {
        "all there are"
    } else {
        "not all there are"
    };
    let _ = writeln!(
        text,
        "\n{} states visited, {whole}; {} moves tried",
        findings.states, findings.moves
    );
    text
}
