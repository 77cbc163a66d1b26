//! `tidegate rollout`: start, see, watch and steer rollouts.

use super::client::{Answer, Client};
use super::failure::Failure;
use super::screen::{self, Screen, cell, toned};
use super::target::Target;
use clap::{Args, Subcommand};
use history::Format;
use serde_json::json;
use start::Start;
pub(crate) use start::begun;
use std::path::{Path, PathBuf};
use tidegate_actors::view::RolloutView;
use tidegate_model::Timestamp;
use tidegate_model::key::{FlagKey, PolicyName, StageName};
use tidegate_model::rollout::{PauseOwner, Phase, RolloutCommand};

mod history;
mod show;
mod start;
mod watch;

/// What to do about rollouts.
#[derive(Debug, Args)]
pub(crate) struct RolloutArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Open a variation of a flag, or a new value for it, stage by stage
    #[command(after_help = "Examples:
  tidegate rollout start new-checkout --policy canary --argument service=checkout --watch
  tidegate rollout start pricing --policy canary --value '{\"tax\":0.15}'
  tidegate rollout start pricing --policy canary --value-file new-prices.json --candidate prices-2027
  tidegate rollout start new-checkout --policy canary --shadow stricter")]
    Start(Start),
    /// All rollouts, newest first
    #[command(after_help = "Example:\n  tidegate rollout list --active")]
    List {
        /// Only those that have not ended
        #[arg(long)]
        active: bool,
    },
    /// Where a rollout is, and why it is not further
    #[command(after_help = "Example:\n  tidegate rollout status new-checkout")]
    Status {
        /// A flag, for its newest rollout, or a rollout's id
        rollout: String,
    },
    /// Where a rollout stood at a moment, why, on what evidence, and who did what before
    #[command(after_help = "Examples:
  tidegate rollout explain new-checkout --at 2026-11-22T03:14:00Z
  tidegate rollout explain new-checkout.3 --json | jq '.looks[].trace'")]
    Explain {
        /// A flag, for its newest rollout, or a rollout's id
        rollout: String,
        /// The moment, in UTC [default: now]
        #[arg(long, value_name = "TIME", value_parser = super::instant)]
        at: Option<Timestamp>,
    },
    /// How a rollout went, or goes so far: stages, people, metrics, safety, and what the result rests on
    #[command(after_help = "Examples:
  tidegate rollout report new-checkout
  tidegate rollout report new-checkout.3 --format html --output report.html")]
    Report {
        /// A flag, for its newest rollout, or a rollout's id
        rollout: String,
        /// How to write it [default: markdown, with --json json]
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// The file to write it to [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Follow rollouts until they end; exit code 0 if all completed, 3 if one was shut
    #[command(after_help = "Examples:
  tidegate rollout watch new-checkout
  tidegate rollout watch --json | jq .because")]
    Watch {
        /// Flags, for their newest rollouts, or rollouts' ids [default: all that have not ended]
        rollouts: Vec<String>,
    },
    /// Keep a rollout at its share; it is still guarded
    #[command(after_help = "Example:\n  tidegate rollout pause new-checkout --reason 'waiting for support'")]
    Pause(Steer),
    /// Let a paused rollout go on
    #[command(after_help = "Examples:
  tidegate rollout resume new-checkout
  tidegate rollout resume new-checkout --owner rule:error-rate --reason 'the alert was a bad deploy elsewhere'")]
    Resume {
        /// A flag, for its newest rollout, or a rollout's id
        rollout: String,
        /// Whose pause: operator, blind, exposure, rule:NAME, alert:…, gate:…, dependency:… or interlock:…
        #[arg(long, default_value = "operator", value_parser = owner)]
        owner: PauseOwner,
        /// Why; needed where a failure left the pause
        #[arg(long, short, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Let the next stage open
    #[command(after_help = "Example:\n  tidegate rollout approve new-checkout --stage half")]
    Approve {
        /// A flag, for its newest rollout, or a rollout's id
        rollout: String,
        /// The stage [default: the next one]
        #[arg(long, value_parser = super::named::<StageName>)]
        stage: Option<StageName>,
    },
    /// Follow another policy, or the same as it is written now: what tightens at once, what loosens by approval
    #[command(after_help = "Examples:
  tidegate rollout amend new-checkout
  tidegate rollout amend new-checkout --policy fast-fix")]
    Amend {
        /// A flag, for its newest rollout, or a rollout's id
        rollout: String,
        /// The policy to follow [default: its own, as it is written now]
        #[arg(long, short, value_parser = super::named::<PolicyName>)]
        policy: Option<PolicyName>,
    },
    /// Go on by other stages; the stage in force keeps its time, and none ahead is skipped
    #[command(after_help = "Example:
  tidegate rollout accelerate new-checkout --schedule faster.yaml

The file has the part 'schedule:' of a policy, with the stages ahead. What is looser waits for approve-plan.")]
    Accelerate {
        /// A flag, for its newest rollout, or a rollout's id
        rollout: String,
        /// File with the stages ahead, as in a policy
        #[arg(long, value_name = "FILE")]
        schedule: PathBuf,
    },
    /// Let a rollout follow the plan that was proposed
    #[command(after_help = "Example:\n  tidegate rollout approve-plan new-checkout")]
    ApprovePlan {
        /// A flag, for its newest rollout, or a rollout's id
        rollout: String,
    },
    /// Forget the plan that was proposed
    #[command(after_help = "Example:\n  tidegate rollout withdraw-plan new-checkout")]
    WithdrawPlan {
        /// A flag, for its newest rollout, or a rollout's id
        rollout: String,
    },
    /// Go back to the last stage that was proven healthy, and wait for a person
    #[command(
        after_help = "Example:\n  tidegate rollout retreat new-checkout --reason 'slow checkouts in Japan'"
    )]
    Retreat(Steer),
    /// End a rollout that is not wanted any more: everybody gets the safe variation
    #[command(after_help = "Example:\n  tidegate rollout abort new-checkout --reason 'we ship another one'")]
    Abort {
        #[command(flatten)]
        steer: Steer,
        /// Although a stage took effect that is a point of no return
        #[arg(long)]
        past_no_return: bool,
    },
    /// Shut a rollout because something is wrong: everybody gets the safe variation, now
    #[command(after_help = "Example:\n  tidegate rollout rollback new-checkout")]
    Rollback {
        /// A flag, for its newest rollout, or a rollout's id
        rollout: String,
        /// Why, if there is time to say it
        #[arg(long, short, default_value = "", hide_default_value = true)]
        reason: String,
        /// Although a stage took effect that is a point of no return; needs a reason
        #[arg(long)]
        past_no_return: bool,
    },
}

/// Which rollout, and why: whoever slows one says so to those who come after.
#[derive(Debug, Args)]
struct Steer {
    /// A flag, for its newest rollout, or a rollout's id
    rollout: String,
    /// Why; stands in the audit log
    #[arg(long, short)]
    reason: String,
}

fn owner(text: &str) -> Result<PauseOwner, String> {
    PauseOwner::try_from(text.to_owned()).map_err(|violation| violation.to_string())
}

/// Does what the command line says.
pub(crate) async fn run(args: RolloutArgs) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    match args.verb {
        Verb::Start(start) => start::run(&client, screen, start).await,
        Verb::List { active } => list(&client, screen, active).await,
        Verb::Status { rollout } => {
            let answer = newest(&client, &rollout).await?;
            show(screen, &answer)
        }
        Verb::Explain { rollout, at } => history::explain(&client, screen, &rollout, at).await,
        Verb::Report {
            rollout,
            format,
            output,
        } => history::report(&client, screen, &rollout, format, output.as_deref()).await,
        Verb::Watch { rollouts } => watch::watch(&client, screen, &rollouts).await,
        Verb::Approve { rollout, stage } => approve(&client, screen, &rollout, stage).await,
        Verb::Amend { rollout, policy } => {
            let view: RolloutView = newest(&client, &rollout).await?.read()?;
            let path = client.within(&format!("rollouts/{}/plan", view.id));
            let answer = client.post(&path, &json!({ "policy": policy })).await?;
            show(screen, &answer)
        }
        Verb::Accelerate { rollout, schedule } => accelerate(&client, screen, &rollout, &schedule).await,
        Verb::ApprovePlan { rollout } => approve_plan(&client, screen, &rollout).await,
        Verb::WithdrawPlan { rollout } => {
            command(&client, screen, &rollout, RolloutCommand::WithdrawPlan).await
        }
        Verb::Pause(Steer { rollout, reason }) => {
            command(&client, screen, &rollout, RolloutCommand::Pause { reason }).await
        }
        Verb::Resume {
            rollout,
            owner,
            reason,
        } => {
            let resume = RolloutCommand::Resume { owner, reason };
            command(&client, screen, &rollout, resume).await
        }
        Verb::Retreat(Steer { rollout, reason }) => {
            command(&client, screen, &rollout, RolloutCommand::Retreat { reason }).await
        }
        Verb::Abort {
            steer: Steer { rollout, reason },
            past_no_return,
        } => {
            let abort = RolloutCommand::Abort {
                reason,
                past_no_return,
            };
            command(&client, screen, &rollout, abort).await
        }
        Verb::Rollback {
            rollout,
            reason,
            past_no_return,
        } => {
            let rollback = RolloutCommand::Rollback {
                reason,
                past_no_return,
            };
            command(&client, screen, &rollout, rollback).await
        }
    }
}

async fn list(client: &Client, screen: Screen, active: bool) -> Result<(), Failure> {
    let answer = client.get(&client.within("rollouts")).await?;
    let mut views: Vec<RolloutView> = answer.items()?;
    if active {
        views.retain(|view| !has_ended(view));
    }
    let shown = json!({ "items": views });
    screen.show(&shown, || Ok(table(screen, &views)))
}

fn table(screen: Screen, views: &[RolloutView]) -> String {
    let rows = views.iter().map(|view| {
        vec![
            cell(&view.id),
            toned(show::status(view), show::tone(view)),
            cell(view.stage.as_deref().unwrap_or("-")),
            cell(view.share),
            cell(&view.policy),
            cell(screen::moment(view.started)),
            cell(show::because(view)),
        ]
    });
    screen.table(
        &[
            "rollout", "status", "stage", "share", "policy", "started", "because",
        ],
        rows.collect(),
        "no rollouts; start one with: tidegate rollout start FLAG --policy POLICY",
    )
}

async fn approve(
    client: &Client,
    screen: Screen,
    rollout: &str,
    stage: Option<StageName>,
) -> Result<(), Failure> {
    let view: RolloutView = newest(client, rollout).await?.read()?;
    let stage = match stage {
        Some(stage) => stage,
        None => next_stage(&view)?,
    };
    command(
        client,
        screen,
        view.id.as_str(),
        RolloutCommand::Approve {
            stage,
            plan: Some(view.plan_digest),
        },
    )
    .await
}

async fn accelerate(client: &Client, screen: Screen, rollout: &str, schedule: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(schedule)
        .map_err(|error| Failure::input(schedule.display(), error, "name a file that can be read"))?;
    let view: RolloutView = newest(client, rollout).await?.read()?;
    let path = client.within(&format!("rollouts/{}/plan", view.id));
    let answer = client.post(&path, &json!({ "schedule": text })).await?;
    show(screen, &answer)
}

async fn approve_plan(client: &Client, screen: Screen, rollout: &str) -> Result<(), Failure> {
    let view: RolloutView = newest(client, rollout).await?.read()?;
    let Some(proposal) = view.proposal else {
        let fix = "see where it is with: tidegate rollout status";
        return Err(Failure::input(
            &view.id,
            "has no plan that waits for approval",
            fix,
        ));
    };
    let approve = RolloutCommand::ApprovePlan {
        plan: proposal.plan_digest,
    };
    command(client, screen, view.id.as_str(), approve).await
}

fn next_stage(view: &RolloutView) -> Result<StageName, Failure> {
    let next = match view.phase {
        Phase::Running { stage, .. } => view.stages.get(stage + 1),
        Phase::RollingBack { .. } | Phase::Ended { .. } => None,
    };
    let Some(next) = next else {
        let fix = "see where it is with: tidegate rollout status";
        return Err(Failure::input(&view.id, "has no next stage to approve", fix));
    };
    StageName::new(&next.name)
        .map_err(|violation| Failure::input(&view.id, violation, "name it with --stage"))
}

async fn command(
    client: &Client,
    screen: Screen,
    rollout: &str,
    command: RolloutCommand,
) -> Result<(), Failure> {
    let view: RolloutView = newest(client, rollout).await?.read()?;
    let path = client.within(&format!("rollouts/{}/commands", view.id));
    let answer = client.post(&path, &command).await?;
    show(screen, &answer)
}

fn show(screen: Screen, answer: &Answer) -> Result<(), Failure> {
    screen.show(&answer.json()?, || Ok(show::whole(screen, &answer.read()?)))
}

/// The rollout of this id, or the newest one of this flag.
async fn newest(client: &Client, wanted: &str) -> Result<Answer, Failure> {
    let name: FlagKey = wanted
        .parse()
        .map_err(|violation| Failure::input("rollout", violation, "see: tidegate rollout list"))?;
    if let Some(answer) = client.find(&client.within(&format!("rollouts/{name}"))).await? {
        return Ok(answer);
    }
    let views: Vec<RolloutView> = client.get(&client.within("rollouts")).await?.items()?;
    let newest = views
        .iter()
        .filter(|view| view.flag == name)
        .max_by_key(|view| view.attempt);
    match newest {
        Some(view) => client.get(&client.within(&format!("rollouts/{}", view.id))).await,
        None => Err(Failure::input(
            wanted,
            format!(
                "neither a rollout nor a flag that ever had one in {}",
                client.environment()
            ),
            "see: tidegate rollout list",
        )),
    }
}

/// Whether nothing will change any more.
fn has_ended(view: &RolloutView) -> bool {
    matches!(view.phase, Phase::Ended { .. })
}
