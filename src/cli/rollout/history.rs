//! What the journal tells of a rollout: explanations of any moment, and reports.

use super::newest;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::screen::{self, Screen, cell, moment, number};
use std::path::Path;
use tidegate_actors::view::{DecisionView, ExplanationView, KeptLookView, RolloutView};
use tidegate_model::Timestamp;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For machines.
    Json,
    /// For a ticket or a repository.
    Markdown,
    /// For a browser: one page with charts, without scripts.
    Html,
}

/// Why a rollout was where it was at a moment.
pub(super) async fn explain(
    client: &Client,
    screen: Screen,
    rollout: &str,
    at: Option<Timestamp>,
) -> Result<(), Failure> {
    let view: RolloutView = newest(client, rollout).await?.read()?;
    let at = at.map(|at| format!("?at={}", at.format("%Y-%m-%dT%H:%M:%S%.fZ")));
    let path = format!("rollouts/{}/explanation{}", view.id, at.unwrap_or_default());
    let answer = client.get(&client.within(&path)).await?;
    screen.show(&answer.json()?, || Ok(told(screen, &answer.read()?)))
}

/// How a rollout went.
pub(super) async fn report(
    client: &Client,
    screen: Screen,
    rollout: &str,
    format: Option<Format>,
    output: Option<&Path>,
) -> Result<(), Failure> {
    let format = match format {
        Some(format) => format,
        None if screen.json => Format::Json,
        None => Format::Markdown,
    };
    let view: RolloutView = newest(client, rollout).await?.read()?;
    let name = match format {
        Format::Json => "json",
        Format::Markdown => "markdown",
        Format::Html => "html",
    };
    let path = format!("rollouts/{}/report?format={name}", view.id);
    let answer = client.get(&client.within(&path)).await?;
    let text = match format {
        Format::Json => format!("{:#}\n", answer.json()?),
        Format::Markdown | Format::Html => answer.text(),
    };
    screen::write(&text, output)
}

fn told(screen: Screen, explanation: &ExplanationView) -> String {
    let ExplanationView {
        at,
        decided,
        reasons,
        rollout,
        looks,
        before,
    } = explanation;
    let stage = rollout
        .stage
        .as_ref()
        .map_or_else(String::new, |stage| format!(", in {stage}"));
    let mut lines = vec![
        format!(
            "{} at {}: {}{stage}, {}",
            rollout.id,
            moment(*at),
            rollout.status.replace('_', " "),
            rollout.share
        ),
        format!(
            "  decided  {} by {} (record {})",
            moment(decided.at),
            decided.by,
            decided.record
        ),
        format!("  because  {}", decided.because),
    ];
    lines.extend(reasons.iter().map(|reason| format!("           - {reason}")));
    lines.push(String::new());
    let table = screen.table(
        &[
            "rule",
            "verdict",
            "value",
            "looked at",
            "record",
            "asked",
            "digest of the answer",
        ],
        looks.iter().map(look).collect(),
        "no rule had been looked at",
    );
    lines.extend(table.lines().map(|line| format!("  {line}")));
    if !before.is_empty() {
        lines.push(String::new());
        let row = |decision: &DecisionView| {
            vec![
                cell(decision.record),
                cell(moment(decision.at)),
                cell(&decision.by),
                cell(&decision.because),
            ]
        };
        let table = screen.table(
            &["before", "when", "who", "what"],
            before.iter().map(row).collect(),
            "",
        );
        lines.extend(table.lines().map(|line| format!("  {line}")));
    }
    format!("{}\n", lines.join("\n"))
}

fn look(kept: &KeptLookView) -> Vec<screen::Cell> {
    let queries = kept.trace.iter().flat_map(|trace| &trace.asked);
    let asked: Vec<&str> = queries.clone().map(|query| query.text.as_str()).collect();
    let digests: Vec<&str> = queries
        .filter_map(|query| query.answer.as_ref())
        .map(|digest| digest.short())
        .collect();
    vec![
        cell(&kept.look.rule),
        cell(kept.look.verdict),
        cell(kept.look.value.map_or_else(|| "-".to_owned(), number)),
        cell(moment(kept.look.at)),
        cell(kept.record),
        cell(asked.join("; ").split_whitespace().collect::<Vec<_>>().join(" ")),
        cell(digests.join(", ")),
    ]
}
