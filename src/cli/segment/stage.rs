//! `tidegate segment stage`.

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::{named, pair, read_text, rollout};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_model::key::{PolicyName, SegmentKey};
use tidegate_model::policy::read::document;

/// Which edit, and how it opens.
#[derive(Debug, Args)]
pub(super) struct Stage {
    /// The segment
    #[arg(value_parser = named::<SegmentKey>)]
    key: SegmentKey,
    /// What it is to say, whole, as YAML or JSON; - is the standard input
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// The policy that says how the edit opens
    #[arg(long, short, value_parser = named::<PolicyName>)]
    policy: PolicyName,
    /// A value that the policy asks for; may be given several times
    #[arg(long = "argument", short, value_name = "NAME=VALUE", value_parser = pair)]
    arguments: Vec<(String, String)>,
    /// A second policy to judge beside it: what it would have done is shown, and it never acts
    #[arg(long, value_name = "POLICY", value_parser = named::<PolicyName>)]
    shadow: Option<PolicyName>,
    /// Follow it until it ends
    #[arg(long, short)]
    watch: bool,
}

/// Has the edit begin.
pub(super) async fn run(client: &Client, screen: Screen, stage: Stage) -> Result<(), Failure> {
    let refused = |why: String| {
        let fix = "name a file with a segment's definition, as 'tidegate segment show --json | jq .definition' has it";
        Failure::input(stage.file.display(), why, fix)
    };
    let mut definition = document(&read_text(&stage.file)?).map_err(|found| {
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        refused(found.join("; "))
    })?;
    let Value::Object(members) = &mut definition else {
        return Err(refused("holds no definition".to_owned()));
    };
    members.entry("key").or_insert_with(|| json!(stage.key));
    let arguments: BTreeMap<String, String> = stage.arguments.into_iter().collect();
    let request = json!({
        "definition": definition,
        "policy": stage.policy,
        "arguments": arguments,
        "shadow": stage.shadow,
    });
    let path = client.within(&format!("segments/{}/staged", stage.key));
    let answer = client.post(&path, &request).await?;
    rollout::begun(client, screen, &answer, stage.watch).await
}
