//! `tidegate eval`: which variation somebody gets, and why.

use super::client::Client;
use super::failure::Failure;
use super::screen::Screen;
use super::target::Target;
use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tidegate_model::context::Context;
use tidegate_model::key::FlagKey;

/// Which flag, and for whom.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate eval new-checkout --key ada
  tidegate eval new-checkout --key ada --context location.country=FR --context age=41")]
pub(crate) struct EvalArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The flag
    #[arg(value_parser = super::named::<FlagKey>)]
    flag: FlagKey,
    /// The targeting key: the user, or whatever the flag is split by
    #[arg(long, short)]
    key: Option<String>,
    /// A fact about them; numbers, true, false and JSON are taken as such; may be given several times
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = super::pair)]
    context: Vec<(String, String)>,
}

/// An answer of the OpenFeature Remote Evaluation Protocol.
#[derive(Debug, Deserialize)]
struct Evaluation {
    key: String,
    #[serde(default)]
    value: Option<Value>,
    #[serde(default)]
    variant: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
}

/// Asks the node at the address, as an application would.
pub(crate) async fn run(args: EvalArgs) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    let body = json!({ "context": context(args.key, args.context) });
    let path = format!("/ofrep/v1/evaluate/flags/{}", args.flag);
    let answer = client.post(&path, &body).await?;
    screen.show(&answer.json()?, || Ok(text(&answer.read()?)))
}

fn context(key: Option<String>, facts: Vec<(String, String)>) -> Map<String, Value> {
    let mut context = Map::new();
    for (name, value) in facts {
        let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
        context.insert(name, value);
    }
    if let Some(key) = key {
        context.insert(Context::TARGETING_KEY.to_owned(), Value::String(key));
    }
    context
}

fn text(evaluation: &Evaluation) -> String {
    let served = match &evaluation.value {
        Some(value) => format!("{} = {value}", evaluation.variant),
        None => "the caller's default".to_owned(),
    };
    let mut facts = vec![("reason", evaluation.reason.clone())];
    for (name, value) in &evaluation.metadata {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        facts.push((name, value));
    }
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut text = format!("{}  {served}\n", evaluation.key);
    for (name, value) in facts {
        text.push_str(&format!("  {name:<width$}  {value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_keep_their_types() {
        let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let facts = vec![
            fact("location.country", "FR"),
            fact("age", "41"),
            fact("beta", "true"),
            fact("zip", "\"0041\""),
        ];
        assert_eq!(
            json!(context(Some("ada".to_owned()), facts)),
            json!({"targetingKey": "ada", "location.country": "FR", "age": 41, "beta": true, "zip": "0041"})
        );
        assert_eq!(json!(context(None, Vec::new())), json!({}));
    }

    #[test]
    fn evaluations_say_what_and_why() {
        let on = json!({"key": "new-checkout", "value": true, "variant": "on", "reason": "SPLIT",
            "metadata": {"version": "1.42", "tidegateReason": "rollout"}});
        assert_eq!(
            text(&serde_json::from_value(on).unwrap()),
            "new-checkout  on = true\n  reason          SPLIT\n  tidegateReason  rollout\n  version         1.42\n"
        );
        let disabled = json!({"key": "old", "variant": "", "reason": "DISABLED", "metadata": {}});
        assert_eq!(
            text(&serde_json::from_value(disabled).unwrap()),
            "old  the caller's default\n  reason  DISABLED\n"
        );
    }
}
