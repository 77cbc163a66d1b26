//! One experiment, for people.

use super::at;
use crate::cli::screen::moment;
use serde_json::Value;

/// Everything about one experiment.
pub(super) fn whole(view: &Value) -> String {
    let design = &view["design"];
    let mut lines = vec![
        format!("{} is {}", word(&design["key"]), word(&view["phase"])),
        format!("  claims   {}", word(&design["hypothesis"])),
        format!(
            "  flag     {}, compared with {}",
            word(&design["flag"]),
            word(&design["control"])
        ),
        format!("  arms     {}", arms(design, view)),
        format!("  metrics  {}", metrics(design)),
        format!("  judged   {}", discipline(&design["discipline"])),
    ];
    if let Some(started) = view["started"].as_str() {
        lines.push(format!("  started  {}", when(started)));
    }
    if let Some(why) = at(view, "/pause/why").as_str() {
        lines.push(format!("  paused   by {}: {why}", word(at(view, "/pause/by"))));
    }
    if let Some(ended_at) = at(view, "/ended/at").as_str() {
        let ended = &view["ended"];
        lines.push(format!(
            "  ended    {}, {}: {}",
            when(ended_at),
            outcome(&ended["outcome"]),
            word(&ended["why"])
        ));
        let numbers = match view["concluded"].as_bool() {
            Some(true) => "final",
            _ => "late events are still waited for",
        };
        lines.push(format!("  numbers  {numbers}"));
    }
    if let Some(action) = at(view, "/advice/action").as_str() {
        let arm = at(view, "/advice/arm").as_str();
        let arm = arm.map_or_else(String::new, |arm| format!(" {arm}"));
        let since = at(view, "/advice/at").as_str().map_or_else(String::new, when);
        lines.push(format!(
            "  says     {}{arm}, since {since}, because",
            action.replace('_', " ")
        ));
        let because = at(view, "/advice/because").as_array();
        for reason in because.into_iter().flatten() {
            lines.push(format!("           - {}", word(reason)));
        }
    }
    format!("{}\n", lines.join("\n"))
}

/// A moment as people read it.
pub(super) fn when(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), moment)
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(inner) => inner.values().map(word).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn arms(design: &Value, view: &Value) -> String {
    let dealt = view["dealings"].as_array().and_then(|all| all.last());
    let arms = dealt.map_or(&design["arms"], |last| &last["arms"]);
    let each = arms.as_array().into_iter().flatten();
    let each = each.map(|arm| format!("{} {} %", word(&arm["variation"]), arm["weight"]));
    each.collect::<Vec<_>>().join(", ")
}

fn metrics(design: &Value) -> String {
    let each = design["metrics"].as_array().into_iter().flatten();
    let each = each.map(|metric| {
        let role = metric["role"].as_str().unwrap_or("success");
        format!("{} ({role})", word(&metric["name"]))
    });
    each.collect::<Vec<_>>().join(", ")
}

fn discipline(discipline: &Value) -> String {
    match discipline["kind"].as_str() {
        Some("fixed") => format!("once, at {} units", discipline["units"]),
        Some("group_sequential") => {
            let (looks, units) = (&discipline["looks"], &discipline["units"]);
            format!("at {looks} looks on the way to {units} units")
        }
        _ => "whenever one likes".to_owned(),
    }
}

fn outcome(outcome: &Value) -> String {
    match outcome["kind"].as_str() {
        Some("ship") => format!("everybody gets {}", word(&outcome["variation"])),
        Some("hand_over") => format!(
            "{} goes on as a rollout by {}",
            word(&outcome["variation"]),
            word(&outcome["policy"])
        ),
        _ => "everybody gets what the flag serves without it".to_owned(),
    }
}
