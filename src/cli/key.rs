//! `tidegate key`: the keys that snapshots are signed with.

use super::client::{Answer, Client};
use super::failure::Failure;
use super::screen::{Screen, Tone, cell, toned};
use super::target::Target;
use clap::{Args, Subcommand};
use serde_json::json;
use tidegate_model::snapshot::{KeyId, KeyList};

/// What to do about keys.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The public keys that are valid, as `tidegate node --trusted-key` takes them
    #[command(after_help = "Example:\n  tidegate key list")]
    List,
    /// Make a new key that signs from now on; the one before stays valid until it is retired
    #[command(after_help = "Example:\n  tidegate key rotate")]
    Rotate,
    /// Retire the key that does not sign any more, for good
    #[command(after_help = "Example:\n  tidegate key retire 0123456789abcdef")]
    Retire {
        /// The key, as `tidegate key list` names it
        #[arg(value_parser = super::named::<KeyId>)]
        id: KeyId,
    },
}

/// Does what the command line says.
pub(crate) async fn run(args: KeyArgs) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    let answer: Answer = match args.verb {
        Verb::List => client.get(&client.within("keys")).await?,
        Verb::Rotate => client.post(&client.within("keys/rotate"), &json!({})).await?,
        Verb::Retire { id } => {
            let path = client.within(&format!("keys/{id}/retire"));
            client.post(&path, &json!({})).await?
        }
    };
    screen.show(&answer.json()?, || Ok(table(screen, &answer.read()?)))
}

fn table(screen: Screen, list: &KeyList) -> String {
    let row = |(index, key): (usize, &tidegate_model::snapshot::PublicKey)| {
        let role = if index == 0 {
            toned("signs", Tone::Good)
        } else {
            toned("still valid", Tone::Wait)
        };
        vec![cell(key.id()), role, cell(key)]
    };
    screen.table(
        &["key", "role", "public key"],
        list.keys.iter().enumerate().map(row).collect(),
        "no keys",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::snapshot::SigningKey;

    #[test]
    fn the_key_that_signs_stands_first() {
        let (new, old) = (
            SigningKey::from_seed(&[2; 32]).unwrap(),
            SigningKey::from_seed(&[1; 32]).unwrap(),
        );
        let text = table(Screen::PIPE, &KeyList::sign(2, &[&new, &old], &[]));
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].starts_with(new.id().as_str()) && lines[1].contains("  signs  "),
            "{text}"
        );
        assert!(
            lines[2].starts_with(old.id().as_str()) && lines[2].contains("still valid"),
            "{text}"
        );
        assert!(lines[2].ends_with(&old.public().to_string()), "{text}");
    }
}
