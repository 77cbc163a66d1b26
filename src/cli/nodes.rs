//! `tidegate nodes`: which nodes serve what.

use super::client::Client;
use super::failure::Failure;
use super::screen::{Screen, Tone, cell, moment, toned};
use super::target::Target;
use clap::Args;
use tidegate_model::fleet::NodeView;

/// Whose nodes.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tidegate nodes --environment production")]
pub(crate) struct NodesArgs {
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Shows the nodes.
pub(crate) async fn run(args: NodesArgs) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    let answer = client.get(&client.within("nodes")).await?;
    screen.show(&answer.json()?, || Ok(table(screen, &answer.items()?)))
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
        vec![
            cell(&node.name),
            state,
            cell(serving),
            cell(moment(node.last_seen)),
        ]
    };
    screen.table(
        &["node", "state", "serves", "last seen"],
        nodes.iter().map(row).collect(),
        "no node has been heard of; start one with: tidegate node --upstream URL --token-file FILE",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_say_whether_they_keep_up() {
        let node = |name: &str, live: bool, current: bool| {
            json!({"name": name, "serving": {"epoch": 1, "number": 42}, "current": current, "live": live,
                "lastSeen": "2026-11-22T09:00:00Z"})
        };
        let nodes = json!([
            node("n1", true, true),
            node("n2", true, false),
            node("n3", false, false)
        ]);
        let nodes: Vec<NodeView> = serde_json::from_value(nodes).unwrap();
        assert_eq!(
            table(Screen::PIPE, &nodes),
            "NODE  STATE       SERVES  LAST SEEN
n1    up to date  1.42    2026-11-22 09:00:00 UTC
n2    behind      1.42    2026-11-22 09:00:00 UTC
n3    silent      1.42    2026-11-22 09:00:00 UTC
"
        );
        assert!(table(Screen::PIPE, &[]).starts_with("no node has been heard of"));
    }
}
