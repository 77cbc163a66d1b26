//! Who may evaluate flags and send events.

use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use subtle::{Choice, ConstantTimeEq as _};

/// What a secret is worth on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may evaluate and send events.
    Granted,
    /// There is none, or nobody knows it: 401.
    Unknown,
    /// It is known and may not: 403.
    Forbidden,
}

/// Decides who may evaluate flags and send events on a node.
pub trait ClientAccess: Send + Sync + 'static {
    /// What the secret of a request is worth. Called for each request: must not wait.
    fn admit(&self, secret: Option<&str>) -> Admission;

    /// Looks for changes, every few seconds, on a thread that may wait.
    fn refresh(&self) {}
}

/// Everybody may: for nodes that only their own application can reach.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenAccess;

impl ClientAccess for OpenAccess {
    fn admit(&self, _secret: Option<&str>) -> Admission {
        Admission::Granted
    }
}

/// Secrets from a file: one a line; empty lines and lines that start with `#` do not count. Only
/// digests are kept in memory. The file is read again when it changes.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    digests: RwLock<Vec<[u8; 32]>>,
}

/// Why a file of client tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read.
    #[error("cannot read the client tokens in {path}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not a token.
    #[error(
        "line {line} of {path} is not a token: a token has {SECRET_CHARS_MIN} to {SECRET_CHARS_MAX} visible characters and no spaces"
    )]
    NotAToken {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// It names nobody.
    #[error("{path} has no token, so nobody could evaluate; write one a line")]
    Empty {
        /// Which file.
        path: PathBuf,
    },
}

/// Shorter secrets can be guessed.
const SECRET_CHARS_MIN: usize = 16;

/// Longer ones do not fit into a header.
const SECRET_CHARS_MAX: usize = 512;

impl TokenFile {
    /// The tokens in this file.
    ///
    /// # Errors
    /// When the file cannot be read, has a line that is no token, or no token at all.
    pub fn read(path: &Path) -> Result<Self, TokenFileError> {
        Ok(Self {
            path: path.to_owned(),
            digests: RwLock::new(digests_in(path)?),
        })
    }
}

impl ClientAccess for TokenFile {
    fn admit(&self, secret: Option<&str>) -> Admission {
        let Some(secret) = secret else {
            return Admission::Unknown;
        };
        let presented: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let digests = self.digests.read().unwrap_or_else(PoisonError::into_inner);
        // All are compared, each in constant time, so that the answer's time tells nothing.
        let known = digests
            .iter()
            .fold(Choice::from(0), |known, digest| known | digest.ct_eq(&presented));
        if known.into() {
            Admission::Granted
        } else {
            Admission::Unknown
        }
    }

    fn refresh(&self) {
        match digests_in(&self.path) {
            Ok(fresh) => {
                let mut digests = self.digests.write().unwrap_or_else(PoisonError::into_inner);
                if *digests != fresh {
                    tracing::info!(file = %self.path.display(), tokens = fresh.len(), "client tokens changed");
                    *digests = fresh;
                }
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "keeping the client tokens that were read before"
            ),
        }
    }
}

fn digests_in(path: &Path) -> Result<Vec<[u8; 32]>, TokenFileError> {
    let text = std::fs::read_to_string(path).map_err(|source| TokenFileError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut digests = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let secret = line.trim();
        if secret.is_empty() || secret.starts_with('#') {
            continue;
        }
        let visible = secret.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(SECRET_CHARS_MIN..=SECRET_CHARS_MAX).contains(&secret.len()) {
            return Err(TokenFileError::NotAToken {
                path: path.to_owned(),
                line: index + 1,
            });
        }
        digests.push(Sha256::digest(secret.as_bytes()).into());
    }
    if digests.is_empty() {
        return Err(TokenFileError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "first-secret-0123456789";
    const SECOND: &str = "second-secret-0123456789";

    fn write(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn x07_only_known_secrets_are_admitted() {
        let file = write(&format!("# shop\n{FIRST}\n\n  {SECOND}\n"));
        let access = TokenFile::read(file.path()).unwrap();
        for (secret, admission) in [
            (Some(FIRST), Admission::Granted),
            (Some(SECOND), Admission::Granted),
            (Some("# shop"), Admission::Unknown),
            (Some(""), Admission::Unknown),
            (Some("first-secret-0123456788"), Admission::Unknown),
            (None, Admission::Unknown),
        ] {
            assert_eq!(access.admit(secret), admission, "{secret:?}");
        }
        assert!(!format!("{access:?}").contains("secret"));
    }

    #[test]
    fn x07_a_changed_file_counts_and_a_broken_one_does_not() {
        let file = write(FIRST);
        let access = TokenFile::read(file.path()).unwrap();
        std::fs::write(file.path(), SECOND).unwrap();
        access.refresh();
        assert_eq!(access.admit(Some(FIRST)), Admission::Unknown);
        assert_eq!(access.admit(Some(SECOND)), Admission::Granted);
        for broken in ["", "short", "with a space in its middle"] {
            std::fs::write(file.path(), broken).unwrap();
            access.refresh();
            assert_eq!(access.admit(Some(SECOND)), Admission::Granted);
        }
    }

    #[test]
    fn bad_files_are_refused_with_the_line_and_without_the_secret() {
        for (text, expected) in [
            ("", "no token"),
            ("# nothing\n", "no token"),
            (&*format!("{FIRST}\nshort\n"), "line 2"),
            ("with spaces in its middle\n", "line 1"),
        ] {
            let message = TokenFile::read(write(text).path()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(
                !message.contains("short") && !message.contains("middle"),
                "{message}"
            );
        }
        let missing = TokenFile::read(Path::new("/nonexistent/tokens")).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/tokens"));
    }
}
