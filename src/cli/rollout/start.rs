//! `tidegate rollout start`.

use super::{show, watch};
use crate::cli::client::{Answer, Client};
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::{named, pair, read_text};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_actors::view::RolloutView;
use tidegate_model::key::{FlagKey, PolicyName, VariationKey};

/// What to open, and how.
#[derive(Debug, Args)]
pub(super) struct Start {
    /// The flag to open
    #[arg(value_parser = named::<FlagKey>)]
    flag: FlagKey,
    /// The policy that says how
    #[arg(long, short, value_parser = named::<PolicyName>)]
    policy: PolicyName,
    /// The variation to open [default: on]; for a new value, what to call it [default: v2, v3, ...]
    #[arg(long, value_parser = named::<VariationKey>)]
    candidate: Option<VariationKey>,
    /// A new value to open, as JSON; needs a token that may edit, too
    #[arg(long, value_name = "JSON", value_parser = value, conflicts_with = "value_file")]
    value: Option<Value>,
    /// The same from a file; - is the standard input
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
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

/// A flag's value. A text has its quotes, so that `"10"` is not taken for `10`.
fn value(text: &str) -> Result<Value, String> {
    let fix = "a value is JSON: true, 10, '\"a text\"' with its quotes, or '{\"an\": \"object\"}'";
    let value: Value = serde_json::from_str(text).map_err(|error| format!("{error}; {fix}"))?;
    match value {
        Value::Null => Err(format!("no flag has the value null; {fix}")),
        value => Ok(value),
    }
}

/// Starts a rollout.
pub(super) async fn run(client: &Client, screen: Screen, start: Start) -> Result<(), Failure> {
    let value = match (start.value, &start.value_file) {
        (None, Some(file)) => {
            let read = value(&read_text(file)?);
            let fix = "name a file that holds one value as JSON";
            Some(read.map_err(|why| Failure::input(file.display(), why, fix))?)
        }
        (given, _) => given,
    };
    let arguments: BTreeMap<String, String> = start.arguments.into_iter().collect();
    let request = json!({
        "flag": start.flag,
        "policy": start.policy,
        "candidate": start.candidate,
        "value": value,
        "arguments": arguments,
        "shadow": start.shadow,
    });
    let answer = client.post(&client.within("rollouts"), &request).await?;
    begun(client, screen, &answer, start.watch).await
}

/// Shows a rollout that has just begun, or follows it.
pub(crate) async fn begun(
    client: &Client,
    screen: Screen,
    answer: &Answer,
    watch: bool,
) -> Result<(), Failure> {
    if watch {
        let view: RolloutView = answer.read()?;
        return watch::watch(client, screen, &[view.id.to_string()]).await;
    }
    screen.show(&answer.json()?, || Ok(show::whole(screen, &answer.read()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json() {
        for (text, is) in [
            ("true", json!(true)),
            ("10", json!(10)),
            (r#""10""#, json!("10")),
            (r#"{"tax": 0.15}"#, json!({"tax": 0.15})),
        ] {
            assert_eq!(value(text), Ok(is));
        }
        for (text, says) in [
            ("red", "with its quotes"),
            ("{", "a value is JSON"),
            ("null", "value null"),
        ] {
            assert!(value(text).unwrap_err().contains(says), "{text}");
        }
    }
}
