//! What an experiment says, for people.

use super::at;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::screen::{Cell, Screen, Tone, cell, number, toned};
use serde_json::Value;
use tidegate_model::key::ExperimentKey;

/// The result that counts, and what follows from it.
pub(super) async fn results(
    client: &Client,
    screen: Screen,
    key: &ExperimentKey,
    breakdown: Option<String>,
) -> Result<(), Failure> {
    let asked = breakdown.map_or_else(String::new, |dimension| format!("?breakdown={dimension}"));
    let answer = client
        .get(&client.within(&format!("experiments/{key}/results{asked}")))
        .await?;
    let found = answer.json()?;
    screen.show(&found, || Ok(told(screen, &found)))
}

/// How each metric came about.
pub(super) async fn course(client: &Client, screen: Screen, key: &ExperimentKey) -> Result<(), Failure> {
    let answer = client
        .get(&client.within(&format!("experiments/{key}/course")))
        .await?;
    let found = answer.json()?;
    screen.show(&found, || {
        let mut rows = Vec::new();
        for (metric, arms) in at(&found, "/metrics").as_object().into_iter().flatten() {
            for (arm, points) in arms.as_object().into_iter().flatten() {
                for point in points.as_array().into_iter().flatten() {
                    rows.push(vec![
                        cell(metric),
                        cell(arm),
                        cell(point["at"].as_str().unwrap_or("-")),
                        cell(&point["units"]),
                        cell(given(&point["difference"])),
                        cell(bounds(&point["interval"])),
                    ]);
                }
            }
        }
        Ok(screen.table(
            &["metric", "arm", "at", "units", "difference", "interval"],
            rows,
            "no moment was kept yet: the first comes a minute after the start",
        ))
    })
}

fn told(screen: Screen, found: &Value) -> String {
    let headline = &found["headline"];
    let decision = &found["decision"];
    let arm = decision["arm"].as_str();
    let arm = arm.map_or_else(String::new, |arm| format!(" {arm}"));
    let action = decision["action"].as_str().unwrap_or_default().replace('_', " ");
    let mut text = format!(
        "{}: {action}{arm}\n",
        found["experiment"].as_str().unwrap_or_default()
    );
    for reason in decision["because"].as_array().into_iter().flatten() {
        text.push_str(&format!("  - {}\n", reason["text"].as_str().unwrap_or_default()));
    }
    text.push('\n');
    text.push_str(&table(screen, &headline["metrics"]));
    for arm in at(found, "/bandit/arms").as_array().into_iter().flatten() {
        text.push_str(&format!(
            "\n  {}: weight {} %, mean {}, best with chance {}",
            arm["arm"].as_str().unwrap_or_default(),
            arm["weight"],
            given(at(arm, "/mean/value")),
            given(&arm["best"]),
        ));
    }
    if found["bandit"].is_object() {
        text.push_str(&format!(
            "\n  given away so far: {}\n",
            given(at(found, "/bandit/regret"))
        ));
    }
    for (value, metrics) in at(found, "/breakdown/values").as_object().into_iter().flatten() {
        text.push_str(&format!("\n{value}\n"));
        text.push_str(&table(screen, metrics));
    }
    if let Some(metrics) = at(found, "/breakdown/adjusted").as_array() {
        text.push_str("\nall units, adjusted by these values; no verdict\n");
        text.push_str(&adjusted(screen, metrics));
    }
    text
}

/// The effects with the values of a dimension as strata.
fn adjusted(screen: Screen, metrics: &[Value]) -> String {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for metric in metrics {
        for comparison in metric["comparisons"].as_array().into_iter().flatten() {
            rows.push(vec![
                cell(metric["metric"].as_str().unwrap_or_default()),
                cell(comparison["arm"].as_str().unwrap_or_default()),
                cell(&comparison["strata"]),
                cell(given(at(comparison, "/difference/estimate"))),
                cell(bounds(at(comparison, "/difference/interval"))),
                cell(percent(at(comparison, "/lift/estimate"))),
                cell(given(at(comparison, "/p/p"))),
                cell(refusal(&comparison["difference"])),
            ]);
        }
    }
    let header = [
        "metric",
        "arm",
        "strata",
        "difference",
        "interval",
        "lift",
        "p",
        "why not",
    ];
    screen.table(&header, rows, "there is nothing to compare")
}

fn table(screen: Screen, metrics: &Value) -> String {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for metric in metrics.as_array().into_iter().flatten() {
        for comparison in metric["comparisons"].as_array().into_iter().flatten() {
            let verdict = comparison["verdict"].as_str().unwrap_or("-");
            let tone = match verdict {
                "better" | "equivalent" => Tone::Good,
                "worse" | "different" => Tone::Bad,
                _ => Tone::Plain,
            };
            rows.push(vec![
                cell(metric["metric"].as_str().unwrap_or_default()),
                cell(metric["role"].as_str().unwrap_or_default()),
                cell(comparison["arm"].as_str().unwrap_or_default()),
                toned(verdict.replace('_', " "), tone),
                cell(given(at(comparison, "/difference/estimate"))),
                cell(bounds(at(comparison, "/difference/interval"))),
                cell(percent(at(comparison, "/lift/estimate"))),
                cell(refusal(&comparison["difference"])),
            ]);
        }
    }
    let header = [
        "metric",
        "role",
        "arm",
        "verdict",
        "difference",
        "interval",
        "lift",
        "why not",
    ];
    screen.table(&header, rows, "there is nothing to compare")
}

fn given(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), number)
}

fn percent(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "-".to_owned(), |lift| format!("{} %", number(lift * 100.0)))
}

fn bounds(interval: &Value) -> String {
    if !interval["refused"].is_null() || interval.is_null() {
        return "-".to_owned();
    }
    let end = |end: &Value, open: &str| end.as_f64().map_or_else(|| open.to_owned(), number);
    format!(
        "{} to {}",
        end(&interval["lower"], "-∞"),
        end(&interval["upper"], "∞")
    )
}

/// Why a number is not there.
fn refusal(value: &Value) -> String {
    at(value, "/refused/why").as_str().unwrap_or_default().to_owned()
}
