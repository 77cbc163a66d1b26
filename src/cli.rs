//! The command line: one file per noun under `cli/`, each with its arguments, what it asks the
//! control plane for, and how the answer is shown.
//!
//! `serve`, `node` and `demo` are processes: only their arguments are here.

mod alerts;
mod archive;
mod audit;
pub(crate) mod client;
mod completions;
mod data;
pub(crate) mod demo;
mod doctor;
mod drill;
mod environment;
mod eval;
mod experiment;
pub(crate) mod failure;
mod flag;
pub(crate) mod flagd;
mod freeze;
mod key;
pub(crate) mod node;
mod nodes;
mod observed;
mod policy;
mod problem;
mod replay;
mod rollout;
mod screen;
mod segment;
pub(crate) mod serve;
mod stats;
pub(crate) mod target;
mod token;
mod verify;

use clap::{Parser, Subcommand};
use failure::{Exit, Failure};
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use tidegate_model::Timestamp;
use url::Url;

#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    about = "Opens features gradually and shuts them by itself when the numbers turn bad",
    after_help = exit_codes(),
    max_term_width = 110
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the control plane, with an evaluation node inside
    Serve(serve::ServeArgs),
    /// Run an evaluation node
    Node(node::NodeArgs),
    /// Show a rollout that completes and one that is shut, on this machine
    Demo(demo::DemoArgs),
    /// See and change flags
    Flag(flag::FlagArgs),
    /// See segments, and import lists of units into them
    Segment(segment::SegmentArgs),
    /// Start, watch and steer rollouts
    Rollout(rollout::RolloutArgs),
    /// Design, run and read experiments
    Experiment(experiment::ExperimentArgs),
    /// Check, see and change rollout policies
    Policy(policy::PolicyArgs),
    /// See and change what holds for a whole environment
    Environment(environment::EnvironmentArgs),
    /// Stop an environment's line: nothing starts or opens, and rollbacks go on
    #[command(after_help = "Example:\n  tidegate freeze --reason 'the database is on fire'")]
    Freeze(freeze::FreezeArgs),
    /// Let an environment's line go on
    #[command(after_help = "Example:\n  tidegate thaw --reason 'the fire is out'")]
    Thaw(freeze::FreezeArgs),
    /// Measure how long a breach takes to safety on every live node, with no effect on any user
    #[command(after_help = "Example:
  tidegate drill --times 20 --within 1s

Exit code 0 if every drill was as quick as that, 7 if not")]
    Drill(drill::DrillArgs),
    /// See which nodes serve what
    Nodes(nodes::NodesArgs),
    /// See which alerts are known, and which rollouts they concern
    Alerts(alerts::AlertsArgs),
    /// See and turn the keys that snapshots are signed with
    Key(key::KeyArgs),
    /// Ask which variation somebody gets, and why
    Eval(eval::EvalArgs),
    /// See who changed what, when and why
    Audit(audit::AuditArgs),
    /// Analyse tables, and check the statistics: against numbers of other packages, and by simulation
    Stats(stats::StatsArgs),
    /// Take every decision of rollouts anew from what the journal keeps, and say whether it comes out the same
    Replay(replay::ReplayArgs),
    /// Copy a data folder while a server works on it
    Backup(data::BackupArgs),
    /// Put a backup back
    Restore(data::RestoreArgs),
    /// Move old segments of the journal to another place, while a server works or not
    Archive(archive::ArchiveArgs),
    /// Check every byte of a data folder or a backup, and whether the past is what was signed
    Verify(verify::VerifyArgs),
    /// Make a data folder smaller
    Compact(data::CompactArgs),
    /// See on one page how a control plane and the machine under it are
    Doctor(doctor::DoctorArgs),
    /// Create, see and revoke access tokens
    Token(token::TokenArgs),
    /// Write completions for a shell
    Completions(completions::CompletionsArgs),
}

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    let command = Cli::parse().command;
    let json = command.wants_json();
    match command.run() {
        Ok(()) => Exit::Done.code(),
        Err(failure) => {
            if json {
                eprintln!("{}", failure.document());
            } else {
                eprint!("{}", failure.explain());
            }
            failure.exit().code()
        }
    }
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Serve(args) => crate::serve::run(args),
            Self::Node(args) => crate::node_process::run(args),
            Self::Demo(args) => crate::demo::run(args),
            Self::Flag(args) => wait_for(flag::run(args)),
            Self::Segment(args) => wait_for(segment::run(args)),
            Self::Rollout(args) => wait_for(rollout::run(args)),
            Self::Experiment(args) => wait_for(experiment::run(args)),
            Self::Policy(args) => wait_for(policy::run(args)),
            Self::Environment(args) => wait_for(environment::run(args)),
            Self::Freeze(args) => wait_for(freeze::run(args, freeze::Turn::Freeze)),
            Self::Thaw(args) => wait_for(freeze::run(args, freeze::Turn::Thaw)),
            Self::Drill(args) => wait_for(drill::run(args)),
            Self::Nodes(args) => wait_for(nodes::run(args)),
            Self::Alerts(args) => wait_for(alerts::run(args)),
            Self::Key(args) => wait_for(key::run(args)),
            Self::Eval(args) => wait_for(eval::run(args)),
            Self::Audit(args) => wait_for(audit::run(args)),
            Self::Stats(args) => stats::run(args),
            Self::Replay(args) => replay::run(&args),
            Self::Backup(args) => data::backup(&args),
            Self::Restore(args) => data::restore(&args),
            Self::Archive(args) => archive::run(&args),
            Self::Verify(args) => verify::run(&args),
            Self::Compact(args) => data::shrink(&args),
            Self::Doctor(args) => wait_for(doctor::run(args)),
            Self::Token(args) => wait_for(token::run(args)),
            Self::Completions(args) => completions::run(&args),
        }
    }

    fn wants_json(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Node(_) | Self::Demo(_) | Self::Completions(_) => false,
            Self::Flag(args) => args.target.json,
            Self::Segment(args) => args.target.json,
            Self::Rollout(args) => args.target.json,
            Self::Experiment(args) => args.target.json,
            Self::Policy(args) => args.target.json,
            Self::Environment(args) => args.target.json,
            Self::Freeze(args) | Self::Thaw(args) => args.target.json,
            Self::Drill(args) => args.target.json,
            Self::Nodes(args) => args.target.json,
            Self::Alerts(args) => args.target.json,
            Self::Key(args) => args.target.json,
            Self::Eval(args) => args.target.json,
            Self::Audit(args) => args.target.json,
            Self::Stats(args) => args.wants_json(),
            Self::Replay(args) => args.json,
            Self::Backup(args) => args.folder.json,
            Self::Restore(args) => args.folder.json,
            Self::Archive(args) => args.folder.json,
            Self::Verify(args) => args.folder.json,
            Self::Compact(args) => args.folder.json,
            Self::Doctor(args) => args.target.json,
            Self::Token(args) => args.target.json,
        }
    }
}

/// Runs a client command on a runtime of its own: it waits for one answer after the other.
fn wait_for(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| Failure::process("cannot start", error))?
        .block_on(command)
}

/// Parses a name; what is wrong with it goes into clap's error.
fn named<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Parses the address of a server.
fn address(text: &str) -> Result<Url, String> {
    let example = "an address looks like http://127.0.0.1:7430";
    match text.parse::<Url>() {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(_) => Err(example.to_owned()),
        Err(error) => Err(format!("{error}; {example}")),
    }
}

/// Parses one of the words that the API has for something; clap's error then names them all.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

/// Parses `name=value`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is written NAME=VALUE".to_owned()),
    }
}

/// The text of a file; `-` is standard input.
pub(crate) fn read_text(file: &Path) -> Result<String, Failure> {
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    text.map_err(|error| {
        Failure::input(
            file.display(),
            format!("cannot be read: {error}"),
            "check the path",
        )
    })
}

/// Parses a moment.
fn instant(text: &str) -> Result<Timestamp, String> {
    tidegate_simulate::story::moment(text).map_err(|error| error.to_string())
}

fn exit_codes() -> String {
    let lines = Exit::ALL.map(|(exit, meaning)| format!("  {:>3}  {meaning}\n", exit.number()));
    format!("Exit codes:\n{}", lines.concat())
}

#[cfg(test)]
mod tests;
