//! `tidegate policy`: check policy files, see and change policies.

use super::client::{Body, Client};
use super::failure::Failure;
use super::screen::{self, Screen, cell};
use super::target::Target;
use clap::{Args, Subcommand};
use lint::Checked;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;
use tidegate_model::key::{PolicyName, Revision};
use tidegate_model::policy::{BlindAction, Policy};

mod backtest;
mod check;
mod lint;
mod optimise;
mod preview;
mod simulate;

/// What to do about policies.
#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check policy files, without any control plane; exit code 1 if one has mistakes
    #[command(after_help = "Examples:
  tidegate policy lint policies/
  tidegate policy lint canary.yaml --prometheus http://127.0.0.1:9090 --argument service=shop
  tidegate policy lint canary.yaml --json

Each finding is one line: FILE:LINE:COLUMN: SEVERITY: WHERE: WHAT; HINT")]
    Lint(lint::Lint),
    /// Tell what a rollout would do, decision by decision, without any control plane
    #[command(after_help = "Examples:
  tidegate policy simulate canary.yaml
  printf 'run 20m errors=0.001\\nrun 1m errors=0.3\\n' | tidegate policy simulate canary.yaml --script -

Exit code 0 if the rollout completed, 3 if it was shut, 6 if it was still open when the story ended")]
    Simulate(simulate::Simulate),
    /// Show when a rollout would be where, without any control plane: windows, audience, best and worst case
    #[command(after_help = "Example:
  tidegate policy preview canary.yaml --start '2026-01-09 14:00' --users 250000

The worst case is when each stage just misses the window in which the next could have opened.
Exit code 1 if a stage can never be reached")]
    Preview(preview::Preview),
    /// Replay whole rollouts on the history of a Prometheus, without any control plane
    #[command(after_help = "Examples:
  tidegate policy backtest canary.yaml --prometheus http://127.0.0.1:9090 --argument service=shop \\
    --from 2026-01-05 --to 2026-01-06 --every 1h --incident 2026-01-05T10:00:00Z/2026-01-05T10:30:00Z
  tidegate policy backtest canary.yaml --prometheus http://127.0.0.1:9090 --from 2026-01-05 --to 2026-01-06 \\
    --inject 'rule=errors at=2026-01-05T10:00:00Z factor=3'

Exit code 0 if there was no false alarm and every incident was noticed, 7 if not")]
    Backtest(backtest::Backtest),
    /// Prove, state by state, that no rollout by a policy can do what it must not
    #[command(after_help = "Example:
  tidegate policy check canary.yaml

Exit code 0 if every law was proven, 7 if one is broken, a stage cannot be reached, or not all was visited")]
    Check(check::Check),
    /// Print the schedule that finishes first and keeps what is asked for, ready to paste
    #[command(after_help = "Example:
  tidegate policy optimise canary.yaml --start '2026-01-05 09:00' --detect errors=1% \\
    --users 250000 --exposure 2000000

The policy says with `traffic` what the service is used to; its windows, freezes, approvals and gates are kept")]
    Optimise(optimise::Optimise),
    /// All policies
    #[command(after_help = "Example:\n  tidegate policy list")]
    List,
    /// A policy as it was written
    #[command(after_help = "Example:\n  tidegate policy show canary > canary.yaml")]
    Show {
        /// The policy
        #[arg(value_parser = super::named::<PolicyName>)]
        name: PolicyName,
    },
    /// Save policies under the names that they give themselves; all or, if one has mistakes, none
    #[command(after_help = "Example:\n  tidegate policy apply policies/")]
    Apply {
        /// Files, folders with *.yaml files, or `-` for standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// A policy, as the control plane shows it.
#[derive(Debug, Deserialize)]
struct Shown {
    policy: Policy,
    text: String,
    revision: Revision,
}

/// Does what the command line says.
pub(crate) async fn run(args: PolicyArgs) -> Result<(), Failure> {
    let screen = Screen::of(&args.target);
    match &args.verb {
        Verb::Lint(asked) => return lint::run(&args.target, screen, asked).await,
        Verb::Simulate(args) => return simulate::run(screen, args),
        Verb::Preview(args) => return preview::run(screen, args),
        Verb::Check(args) => return check::run(screen, args),
        Verb::Optimise(args) => return optimise::run(screen, args),
        Verb::Backtest(replay) => return backtest::run(&args.target, screen, replay).await,
        Verb::List | Verb::Show { .. } | Verb::Apply { .. } => {}
    }
    let client = Client::new(&args.target)?;
    match args.verb {
        Verb::Lint(_)
        | Verb::Simulate(_)
        | Verb::Preview(_)
        | Verb::Check(_)
        | Verb::Optimise(_)
        | Verb::Backtest(_) => Ok(()),
        Verb::List => {
            let answer = client.get(&client.within("policies")).await?;
            screen.show(&answer.json()?, || Ok(table(screen, &answer.items()?)))
        }
        Verb::Show { name } => {
            let answer = client.get(&client.within(&format!("policies/{name}"))).await?;
            screen.show(&answer.json()?, || Ok(answer.read::<Shown>()?.text))
        }
        Verb::Apply { files } => apply(&client, screen, &files).await,
    }
}

async fn apply(client: &Client, screen: Screen, files: &[PathBuf]) -> Result<(), Failure> {
    let mut policies = Vec::new();
    let checked = lint::check(files)?;
    lint::refuse_mistakes(screen, &checked)?;
    for Checked { policy, text, .. } in checked {
        policies.extend(policy.map(|policy| (policy.name, text)));
    }
    let mut saved = Vec::new();
    for (name, text) in policies {
        let path = client.within(&format!("policies/{name}"));
        let found = client.find(&path).await?;
        let answer = client.put(&path, Body::Yaml(text), found.as_ref()).await?;
        if screen.json {
            saved.push(answer.json()?);
        } else {
            let revision = answer.read::<Shown>()?.revision;
            screen::print(&format!("{name} saved, revision {revision}\n"))?;
        }
    }
    screen.show(&json!({ "items": saved }), || Ok(String::new()))
}

fn table(screen: Screen, policies: &[Shown]) -> String {
    let row = |shown: &Shown| {
        let policy = &shown.policy;
        let stages = policy.schedule.stages.iter();
        let stages: Vec<String> = stages
            .map(|stage| stage.percentage.percent().to_string())
            .collect();
        let rules: Vec<&str> = policy
            .safety
            .rules
            .iter()
            .map(|rule| rule.name.as_str())
            .collect();
        vec![
            cell(&policy.name),
            cell(format!("{} %", stages.join(" -> "))),
            cell(rules.join(", ")),
            cell(format!(
                "{} after {}",
                blind(policy.blind.action),
                policy.blind.after
            )),
            cell(shown.revision),
            cell(&policy.description),
        ]
    };
    screen.table(
        &[
            "policy",
            "stages",
            "rules",
            "when blind",
            "revision",
            "description",
        ],
        policies.iter().map(row).collect(),
        "no policies yet; save one with: tidegate policy apply FILE",
    )
}

fn blind(action: BlindAction) -> &'static str {
    match action {
        BlindAction::Hold => "hold",
        BlindAction::Pause => "pause",
        BlindAction::Retreat => "retreat",
        BlindAction::Rollback => "rollback",
    }
}
