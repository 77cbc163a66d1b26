//! `tidegate token`: create, see and revoke access tokens.

use super::client::Client;
use super::failure::Failure;
use super::screen::{self, Screen, Tone, cell, moment, toned};
use super::target::Target;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;
use std::io::IsTerminal;
use tidegate_model::Timestamp;
use tidegate_model::access::Role;
use tidegate_model::key::{EnvironmentKey, TokenName};
use tidegate_model::span::Span;

/// What to do about tokens.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a token and write its secret, which is shown only this once, to standard output
    #[command(after_help = "Examples:
  tidegate token create shop --role server > shop-token
  tidegate token create ci --role operator --expires-in 30d
  tidegate token create ada --role admin --everywhere")]
    Create {
        /// Names it in the audit log
        #[arg(value_parser = super::named::<TokenName>)]
        name: TokenName,
        /// What it may do: viewer, editor, approver, operator, admin, alertmanager, node, server, client
        #[arg(long, value_parser = super::named::<Role>)]
        role: Role,
        /// For every environment, not only for the one of --environment
        #[arg(long)]
        everywhere: bool,
        /// Stops working by itself after this long, for example 30d [default: never]
        #[arg(long, value_name = "DURATION", value_parser = super::named::<Span>)]
        expires_in: Option<Span>,
    },
    /// All tokens, without their secrets
    #[command(after_help = "Example:\n  tidegate token list")]
    List,
    /// Make a token stop working, at once
    #[command(after_help = "Example:\n  tidegate token revoke shop")]
    Revoke {
        /// The token
        #[arg(value_parser = super::named::<TokenName>)]
        name: TokenName,
    },
}

/// A token, as the control plane shows it.
#[derive(Debug, Deserialize)]
struct Shown {
    name: TokenName,
    role: Role,
    #[serde(default)]
    environment: Option<EnvironmentKey>,
    created: Timestamp,
    #[serde(default)]
    expires: Option<Timestamp>,
    #[serde(default)]
    revoked: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Created {
    secret: String,
}

/// Does what the command line says.
pub(crate) async fn run(args: TokenArgs) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    let now = chrono::Utc::now();
    match args.verb {
        Verb::Create {
            name,
            role,
            everywhere,
            expires_in,
        } => {
            let request = json!({
                "name": name,
                "role": role,
                "environment": (!everywhere).then_some(client.environment()),
                "expires": expires_in.map(|span| span.after(now)),
            });
            let answer = client.post("/api/v1/tokens", &request).await?;
            if std::io::stdout().is_terminal() {
                eprintln!("keep this secret; it is not shown again:");
            }
            screen.show(&answer.json()?, || {
                Ok(format!("{}\n", answer.read::<Created>()?.secret))
            })
        }
        Verb::List => {
            let answer = client.get("/api/v1/tokens").await?;
            screen.show(&answer.json()?, || Ok(table(screen, &answer.items()?, now)))
        }
        Verb::Revoke { name } => {
            client.delete(&format!("/api/v1/tokens/{name}")).await?;
            if screen.json {
                return Ok(());
            }
            screen::print(&format!("{name} does not work any more\n"))
        }
    }
}

fn table(screen: Screen, tokens: &[Shown], now: Timestamp) -> String {
    let row = |token: &Shown| {
        let status = match (token.revoked, token.expires) {
            (Some(at), _) => toned(format!("revoked {}", moment(at)), Tone::Bad),
            (None, Some(at)) if at <= now => toned(format!("expired {}", moment(at)), Tone::Bad),
            (None, Some(at)) => toned(format!("works until {}", moment(at)), Tone::Good),
            (None, None) => toned("works", Tone::Good),
        };
        let place = token
            .environment
            .as_ref()
            .map_or("everywhere", EnvironmentKey::as_str);
        vec![
            cell(&token.name),
            cell(token.role),
            cell(place),
            cell(moment(token.created)),
            status,
        ]
    };
    screen.table(
        &["token", "role", "environment", "created", "status"],
        tokens.iter().map(row).collect(),
        "no tokens; create one with: tidegate token create NAME --role ROLE",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_say_whether_they_work() {
        let at = |day: u32| format!("2026-11-{day:02}T09:00:00Z");
        let tokens: Vec<Shown> = serde_json::from_value(json!([
            {"name": "ada", "role": "admin", "created": at(1)},
            {"name": "ci", "role": "operator", "environment": "production", "created": at(2), "expires": at(9)},
            {"name": "old", "role": "viewer", "environment": "staging", "created": at(2), "expires": at(3)},
            {"name": "lost", "role": "client", "environment": "staging", "created": at(2), "revoked": at(4)},
        ]))
        .unwrap();
        let now = at(5).parse().unwrap();
        assert_eq!(
            table(Screen::PIPE, &tokens, now),
            "TOKEN  ROLE      ENVIRONMENT  CREATED                  STATUS
ada    admin     everywhere   2026-11-01 09:00:00 UTC  works
ci     operator  production   2026-11-02 09:00:00 UTC  works until 2026-11-09 09:00:00 UTC
old    viewer    staging      2026-11-02 09:00:00 UTC  expired 2026-11-03 09:00:00 UTC
lost   client    staging      2026-11-02 09:00:00 UTC  revoked 2026-11-04 09:00:00 UTC
"
        );
    }
}
