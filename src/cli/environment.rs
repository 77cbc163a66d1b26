//! `tidegate environment`: what holds for an environment as a whole.

use super::client::{Answer, Body, Client};
use super::failure::Failure;
use super::freeze;
use super::screen::Screen;
use super::target::Target;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;
use tidegate_actors::freeze::FreezeView;
use tidegate_model::environment::{Bucketing, EnvironmentSettings, FlagdTarget};
use tidegate_model::key::Revision;

/// What to do about an environment.
#[derive(Debug, Args)]
pub(crate) struct EnvironmentArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The settings
    #[command(after_help = "Example:\n  tidegate environment show --environment production")]
    Show,
    /// Change settings
    #[command(after_help = "Examples:
  tidegate environment set --flagd warn
  tidegate environment set --flagd require --bucketing flagd-v2")]
    Set(Changes),
}

/// At least one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// Whether flagd's clients get the flags: off, warn, require
    #[arg(long, value_parser = super::word::<FlagdTarget>)]
    flagd: Option<FlagdTarget>,
    /// What units are hashed by: v3, flagd-v2; another one deals all units anew
    #[arg(long, value_parser = super::word::<Bucketing>)]
    bucketing: Option<Bucketing>,
}

/// Settings, as the control plane shows them.
#[derive(Debug, Deserialize)]
struct Shown {
    settings: EnvironmentSettings,
    revision: Revision,
}

/// Does what the command line says.
pub(crate) async fn run(args: EnvironmentArgs) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    let path = client.within("settings");
    let found = client.get(&path).await?;
    match args.verb {
        Verb::Show => show(screen, &client, &found).await,
        Verb::Set(changes) => {
            let Shown { settings, revision } = found.read()?;
            let settings = EnvironmentSettings {
                flagd: changes.flagd.unwrap_or(settings.flagd),
                bucketing: changes.bucketing.unwrap_or(settings.bucketing),
            };
            let seen = (revision != Revision::ABSENT).then_some(&found);
            let answer = client.put(&path, Body::Json(json!(settings)), seen).await?;
            show(screen, &client, &answer).await
        }
    }
}

async fn show(screen: Screen, client: &Client, answer: &Answer) -> Result<(), Failure> {
    let line: FreezeView = client.get(&client.within("freeze")).await?.read()?;
    screen.show(&answer.json()?, || {
        let shown: Shown = answer.read()?;
        Ok(whole(client.environment().as_str(), &shown, &line))
    })
}

fn whole(environment: &str, Shown { settings, revision }: &Shown, line: &FreezeView) -> String {
    let line = freeze::told(line);
    let flagd = match settings.flagd {
        FlagdTarget::Off => "off: its clients get no flags",
        FlagdTarget::Warn => "warn: its clients get what can be said in its language",
        FlagdTarget::Require => "require: what cannot be said in its language is not saved",
    };
    let bucketing = settings.bucketing.name();
    format!(
        "{environment}  revision {revision}\n  flagd         {flagd}\n  bucketing     {bucketing}\n  line          {line}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_say_what_they_mean() {
        let shown = json!({"settings": {"flagd": "require", "bucketing": "flagd-v2"}, "revision": 2});
        assert_eq!(
            whole(
                "production",
                &serde_json::from_value(shown).unwrap(),
                &FreezeView { frozen: None }
            ),
            "production  revision 2
  flagd         require: what cannot be said in its language is not saved
  bucketing     flagd-v2
  line          not frozen
"
        );
    }
}
