//! Where the control plane is, and what opens its door.

use crate::cli::failure::Failure;
use clap::Args;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use tidegate_model::key::EnvironmentKey;
use url::Url;

/// Where `tidegate serve` leaves the first token, seen from the folder it was started in.
const ADMIN_TOKEN_FILE: &str = "data/admin-token";

/// The variable that holds a token.
const TOKEN_VARIABLE: &str = "TIDEGATE_TOKEN";

/// Where to send a command, and how to show the answer.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Connection and output")]
pub(crate) struct Target {
    /// Address of the control plane
    #[arg(
        long,
        env = "TIDEGATE_URL",
        default_value = "http://127.0.0.1:7430",
        global = true,
        value_parser = super::address
    )]
    pub(crate) url: Url,
    /// File with an access token [default: the variable TIDEGATE_TOKEN, else ./data/admin-token for an address on this machine]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) token_file: Option<PathBuf>,
    /// The environment
    #[arg(
        long,
        short,
        env = "TIDEGATE_ENVIRONMENT",
        default_value = "production",
        global = true,
        value_parser = super::named::<EnvironmentKey>
    )]
    pub(crate) environment: EnvironmentKey,
    /// Answer in JSON, for machines
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Target {
    /// The token to show, if there is one: from the file that was named, from the variable, or the
    /// one that a control plane on this machine left behind.
    pub(crate) fn token(&self) -> Result<Option<String>, Failure> {
        if let Some(file) = &self.token_file {
            return read(file).map(Some);
        }
        let variable = std::env::var(TOKEN_VARIABLE).unwrap_or_default();
        if !variable.trim().is_empty() {
            return whole(TOKEN_VARIABLE, &variable).map(Some);
        }
        let left_behind = Path::new(ADMIN_TOKEN_FILE);
        // Never sent elsewhere: this machine's secret is none of another machine's business.
        if self.is_on_this_machine() && left_behind.exists() {
            return read(left_behind).map(Some);
        }
        Ok(None)
    }

    fn is_on_this_machine(&self) -> bool {
        match self.url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let fix = "name a file that holds nothing but the token, with --token-file";
        Failure::input(file.display(), format!("cannot be read: {error}"), fix)
    })?;
    whole(file.display(), &text)
}

/// The text as a token, if it is nothing else: it goes into a header.
fn whole(place: impl Display, text: &str) -> Result<String, Failure> {
    let token = text.trim();
    if token.is_empty() || !token.chars().all(|letter| letter.is_ascii_graphic()) {
        let fix = "it holds one token and nothing else, as 'tidegate token create' writes it";
        return Err(Failure::input(place, "holds no token", fix));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, token_file: Option<PathBuf>) -> Target {
        Target {
            url: url.parse().unwrap(),
            token_file,
            environment: EnvironmentKey::new("production").unwrap(),
            json: false,
        }
    }

    #[test]
    fn only_this_machine_is_shown_its_own_secret() {
        for (url, local) in [
            ("http://127.0.0.1:7430", true),
            ("http://localhost:1", true),
            ("http://[::1]:7430", true),
            ("https://tidegate.example.com", false),
            ("http://localhost.example.com", false),
            ("http://10.0.0.7", false),
        ] {
            assert_eq!(target(url, None).is_on_this_machine(), local, "{url}");
        }
    }

    #[test]
    fn a_named_token_file_is_read_or_complained_about() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "secret\n").unwrap();
        let url = "http://127.0.0.1:7430";
        let found = target(url, Some(file)).token().unwrap();
        assert_eq!(found.as_deref(), Some("secret"));
        for (text, is_token) in [
            ("s3cret\n", true),
            ("", false),
            ("two words", false),
            ("a\nb", false),
        ] {
            assert_eq!(whole("file", text).is_ok(), is_token, "{text:?}");
        }
        let missing = target(url, Some(folder.path().join("none"))).token().unwrap_err();
        assert!(missing.to_string().contains("--token-file"), "{missing}");
    }
}
