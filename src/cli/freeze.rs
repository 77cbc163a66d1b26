//! `tidegate freeze` and `tidegate thaw`: stop an environment's line, and let it go on.

use super::client::{Answer, Client};
use super::failure::Failure;
use super::screen::{Screen, moment};
use super::target::Target;
use clap::Args;
use serde_json::json;
use tidegate_actors::freeze::FreezeView;

/// Why.
#[derive(Debug, Args)]
pub(crate) struct FreezeArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Why; shown to everybody whom it holds up, and kept in the audit log
    #[arg(long, short)]
    reason: String,
}

/// Which way the switch is turned.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn {
    /// Nothing opens.
    Freeze,
    /// The line goes on.
    Thaw,
}

/// Turns the switch.
pub(crate) async fn run(args: FreezeArgs, turn: Turn) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    let path = client.within(match turn {
        Turn::Freeze => "freeze",
        Turn::Thaw => "thaw",
    });
    let answer = client.post(&path, &json!({ "reason": args.reason })).await?;
    show(screen, &client, &answer)
}

fn show(screen: Screen, client: &Client, answer: &Answer) -> Result<(), Failure> {
    screen.show(&answer.json()?, || {
        let view: FreezeView = answer.read()?;
        Ok(format!("{}  {}\n", client.environment(), told(&view)))
    })
}

/// How the switch stands, in one line.
pub(super) fn told(view: &FreezeView) -> String {
    match &view.frozen {
        Some(frozen) => format!(
            "frozen by {} since {}: {}",
            frozen.by,
            moment(frozen.since),
            frozen.reason
        ),
        None => "not frozen".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_says_who_turned_it_and_why() {
        let view = json!({"frozen": {"reason": "database on fire", "since": "2026-11-22T09:00:00Z",
            "by": {"token": {"name": "ada", "role": "operator"}}}});
        assert_eq!(
            told(&serde_json::from_value(view).unwrap()),
            "frozen by ada (operator) since 2026-11-22 09:00:00 UTC: database on fire"
        );
        assert_eq!(told(&FreezeView { frozen: None }), "not frozen");
    }
}
