//! `tidegate nodes`: which nodes serve what.

use super::client::Client;
use super::failure::Failure;
use super::screen::{Screen, Tone, cell, moment, toned};
use super::target::Target;
use clap::Args;
use serde::{Deserialize, Serialize};
use tidegate_model::fleet::{BreakerState, CLOCK_OFF_MAX_MS, NodeState, NodeView};
use tidegate_model::key::{FlagKey, NodeName};

/// Whose nodes.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tidegate nodes --environment production")]
pub(crate) struct NodesArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Confirm that the flags which wait may vanish from the snapshots
    #[arg(long)]
    pub(crate) confirm: bool,
}

/// Flags that vanish only when somebody confirms it.
#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    flags: Vec<FlagKey>,
}

/// Shows the nodes.
pub(crate) async fn run(args: NodesArgs) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    let waiting: Waiting = client.get(&client.within("snapshots/waiting")).await?.read()?;
    if args.confirm && !waiting.flags.is_empty() {
        client.post(&client.within("snapshots/confirm"), &waiting).await?;
    }
    let answer = client.get(&client.within("nodes")).await?;
    screen.show(&answer.json()?, || {
        let nodes = table(screen, &answer.items()?);
        Ok(format!("{nodes}{}", told(&waiting.flags, args.confirm)))
    })
}

fn table(screen: Screen, nodes: &[NodeView]) -> String {
    let row = |node: &NodeView| {
        let serving = node
            .serving
            .map_or_else(|| "nothing yet".to_owned(), |version| version.to_string());
        let state = match (node.live, node.current) {
            (true, true) => toned("up to date", Tone::Good),
            (true, false) => toned("behind", Tone::Wait),
            (false, _) => toned("silent", Tone::Bad),
        };
        let behind = match node.behind_ms {
            Some(0) => "-".to_owned(),
            Some(milliseconds) => seconds(milliseconds),
            None => "unknown".to_owned(),
        };
        let via: Vec<&str> = node.via.iter().map(NodeName::as_str).collect();
        let via = if via.is_empty() {
            "-".to_owned()
        } else {
            via.join(" < ")
        };
        let health = node.health.as_ref();
        vec![
            cell(&node.name),
            state,
            cell(serving),
            cell(behind),
            cell(own_words(node)),
            cell(health.map_or("-", |health| breaker_word(health.breaker))),
            cell(via),
            cell(
                node.hop_lag_ms
                    .map_or_else(|| "-".to_owned(), |lag| format!("{lag} ms")),
            ),
            cell(health.map_or_else(
                || "-".to_owned(),
                |health| format!("{:.0}", health.evaluations_per_second),
            )),
            cell(moment(node.last_seen)),
        ]
    };
    screen.table(
        &[
            "node",
            "state",
            "serves",
            "behind",
            "says",
            "breaker",
            "via",
            "hop",
            "eval/s",
            "last seen",
        ],
        nodes.iter().map(row).collect(),
        "no node has been heard of; start one with: tidegate node --upstream URL --token-file FILE",
    )
}

/// What there is to say about flags that wait.
fn told(waiting: &[FlagKey], confirmed: bool) -> String {
    let keys: Vec<&str> = waiting.iter().map(FlagKey::as_str).collect();
    match (keys.as_slice(), confirmed) {
        ([], false) => String::new(),
        ([], true) => "no flags wait\n".to_owned(),
        (keys, true) => format!("{} vanish from the snapshots now\n", keys.join(", ")),
        (keys, false) => format!(
            "{} vanish only when somebody confirms it: tidegate nodes --confirm\n",
            keys.join(", ")
        ),
    }
}

fn seconds(milliseconds: i64) -> String {
    format!("{:.1} s", milliseconds as f64 / 1000.0)
}

/// What a node says of itself, and what is wrong with the clock by which it says so.
fn own_words(node: &NodeView) -> String {
    let word = node.health.as_ref().map_or("-", |health| own_word(health.state));
    match node.clock_off_ms {
        Some(off) if off > CLOCK_OFF_MAX_MS => format!("{word}, clock {} ahead", seconds(off)),
        Some(off) if off < -CLOCK_OFF_MAX_MS => format!("{word}, clock {} behind", seconds(-off)),
        _ => word.to_owned(),
    }
}

fn own_word(state: NodeState) -> &'static str {
    match state {
        NodeState::Blind => "blind",
        NodeState::Current => "current",
        NodeState::Stale => "stale",
    }
}

fn breaker_word(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::HalfOpen => "half-open",
        BreakerState::Open => "open",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_say_whether_they_keep_up() {
        let node = |name: &str, live: bool, current: bool| {
            json!({"name": name, "serving": {"epoch": 1, "number": 42}, "current": current, "live": live,
                "behindMs": if current { 0 } else { 1234 }, "lastSeen": "2026-11-22T09:00:00Z"})
        };
        let mut far = node("n2", true, false);
        far["via"] = json!(["fra-1", "hub"]);
        far["hopLagMs"] = json!(17);
        far["health"] = json!({"state": "stale", "breaker": "half_open", "evaluationsPerSecond": 1200.4});
        let mut late = node("n3", false, false);
        late["health"] = json!({"state": "current", "breaker": "closed", "evaluationsPerSecond": 0});
        late["clockOffMs"] = json!(-31_000);
        let nodes = json!([node("n1", true, true), far, late]);
        let nodes: Vec<NodeView> = serde_json::from_value(nodes).unwrap();
        assert_eq!(
            table(Screen::PIPE, &nodes),
            "NODE  STATE       SERVES  BEHIND  SAYS                          BREAKER    VIA          HOP    EVAL/S  LAST SEEN
n1    up to date  1.42    -       -                             -          -            -      -       2026-11-22 09:00:00 UTC
n2    behind      1.42    1.2 s   stale                         half-open  fra-1 < hub  17 ms  1200    2026-11-22 09:00:00 UTC
n3    silent      1.42    1.2 s   current, clock 31.0 s behind  closed     -            -      0       2026-11-22 09:00:00 UTC
"
        );
        assert!(table(Screen::PIPE, &[]).starts_with("no node has been heard of"));
    }
}
