//! `tidegate alerts`: which alerts are known, and which rollouts they concern.

use super::client::Client;
use super::failure::Failure;
use super::screen::{Screen, Tone, cell, moment, toned};
use super::target::Target;
use clap::Args;
use tidegate_actors::alerts::AlertView;
use tidegate_model::key::RolloutId;

/// Whose alerts.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tidegate alerts --environment production")]
pub(crate) struct AlertsArgs {
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Shows the alerts.
pub(crate) async fn run(args: AlertsArgs) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    let answer = client.get(&client.within("alerts")).await?;
    screen.show(&answer.json()?, || Ok(table(screen, &answer.items()?)))
}

fn table(screen: Screen, alerts: &[AlertView]) -> String {
    let row = |view: &AlertView| {
        let state = if view.fires {
            toned("fires", Tone::Bad)
        } else {
            toned("over", Tone::Good)
        };
        let concerns: Vec<&str> = view.rollouts.iter().map(RolloutId::as_str).collect();
        let concerns = if concerns.is_empty() {
            "-".to_owned()
        } else {
            concerns.join(", ")
        };
        vec![
            cell(view.alert.name()),
            state,
            cell(moment(view.alert.starts)),
            cell(view.heard.map_or_else(|| "-".to_owned(), moment)),
            cell(concerns),
            cell(&view.alert.fingerprint),
            cell(&view.alert.summary),
        ]
    };
    screen.table(
        &[
            "alert",
            "state",
            "since",
            "heard",
            "concerns",
            "fingerprint",
            "summary",
        ],
        alerts.iter().map(row).collect(),
        "no alerts are known; docs/alerts.md says how an Alertmanager sends them",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn alerts_are_a_table() {
        let alerts: Vec<AlertView> = serde_json::from_value(json!([
            {"fingerprint": "64f9f5e172e01281", "starts": "2026-11-22T09:00:00Z", "labels": {"alertname": "HighErrors"},
             "summary": "too many errors", "fires": true, "ended": null, "heard": "2026-11-22T09:05:00Z",
             "rollouts": ["checkout.1", "cart.2"]},
            {"fingerprint": "00000000000000ff", "starts": "2026-11-22T08:00:00Z", "labels": {}, "fires": false,
             "ended": "2026-11-22T08:10:00Z", "heard": null, "rollouts": []},
        ]))
        .unwrap();
        assert_eq!(
            table(Screen::PIPE, &alerts),
            "ALERT             STATE  SINCE                    HEARD                    CONCERNS            FINGERPRINT       SUMMARY
HighErrors        fires  2026-11-22 09:00:00 UTC  2026-11-22 09:05:00 UTC  checkout.1, cart.2  64f9f5e172e01281  too many errors
00000000000000ff  over   2026-11-22 08:00:00 UTC  -                        -                   00000000000000ff
"
        );
        assert!(table(Screen::PIPE, &[]).starts_with("no alerts are known"));
    }
}
