//! Who may evaluate flags and send events.

use crate::credential::{Credential, Handle};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use tidegate_model::flag::Visibility;
use tidegate_replica::ServedFlag;

/// What an admitted caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Values, and only of the flags that are visible to clients. All others do not exist.
    Client,
    /// Every flag, and why it answers what it does.
    Server,
}

impl Scope {
    /// Whether a flag exists for those who have it.
    pub(crate) fn sees(self, flag: &ServedFlag) -> bool {
        match self {
            Self::Server => true,
            Self::Client => flag.visibility == Visibility::Client,
        }
    }
}

/// What an admitted caller showed, and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// What the caller may see.
    pub scope: Scope,
    /// Which credential it showed.
    pub credential: Credential,
}

/// What a secret is worth on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may evaluate and send events.
    Granted(Grant),
    /// There is none, or nobody knows it: 401.
    Unknown,
    /// It is known and may not: 403.
    Forbidden,
}

/// Decides who may evaluate flags and send events on a node.
pub trait ClientAccess: Send + Sync + 'static {
    /// What the secret of a request is worth. Called for each request: must not wait.
    fn admit(&self, secret: Option<&str>) -> Admission;

    /// The grant whose credential has this handle, while it works: for those who cannot show a
    /// secret any more, such as change streams. Must not wait.
    fn find(&self, handle: Handle) -> Option<Grant>;

    /// Looks for changes, every few seconds, on a thread that may wait.
    fn refresh(&self) {}
}

/// Everybody may, and sees everything: for nodes that only their own application can reach.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenAccess;

impl OpenAccess {
    const GRANT: Grant = Grant {
        scope: Scope::Server,
        credential: Credential::NOBODY,
    };
}

impl ClientAccess for OpenAccess {
    fn admit(&self, _secret: Option<&str>) -> Admission {
        Admission::Granted(Self::GRANT)
    }

    fn find(&self, handle: Handle) -> Option<Grant> {
        (handle == Credential::NOBODY.handle()).then_some(Self::GRANT)
    }
}

/// Secrets from a file: one a line, after `server` if it may see every flag, else alone or after
/// `client`. Empty lines and lines that start with `#` do not count. Only digests are kept in memory.
/// The file is read again when it changes.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    grants: RwLock<Vec<Grant>>,
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
        "line {line} of {path} is not a token: a token has {SECRET_CHARS_MIN} to {SECRET_CHARS_MAX} visible characters and no spaces; before it may stand 'client' or 'server'"
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
            grants: RwLock::new(grants_in(path)?),
        })
    }
}

impl ClientAccess for TokenFile {
    fn admit(&self, secret: Option<&str>) -> Admission {
        let Some(secret) = secret else {
            return Admission::Unknown;
        };
        let presented = Credential::of_secret(secret);
        let grants = self.grants.read().unwrap_or_else(PoisonError::into_inner);
        // All are compared, each in constant time, so that the answer's time tells nothing.
        let (mut known, mut place) = (Choice::from(0), 0_u64);
        for (at, grant) in (0_u64..).zip(&*grants) {
            let same = grant.credential.bytes().ct_eq(presented.bytes());
            place.conditional_assign(&at, same);
            known |= same;
        }
        let grant = usize::try_from(place).ok().and_then(|place| grants.get(place));
        match grant {
            Some(grant) if bool::from(known) => Admission::Granted(*grant),
            _ => Admission::Unknown,
        }
    }

    fn find(&self, handle: Handle) -> Option<Grant> {
        let grants = self.grants.read().unwrap_or_else(PoisonError::into_inner);
        grants
            .iter()
            .find(|grant| grant.credential.handle() == handle)
            .copied()
    }

    fn refresh(&self) {
        match grants_in(&self.path) {
            Ok(fresh) => {
                let mut grants = self.grants.write().unwrap_or_else(PoisonError::into_inner);
                if *grants != fresh {
                    tracing::info!(file = %self.path.display(), tokens = fresh.len(), "client tokens changed");
                    *grants = fresh;
                }
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "keeping the client tokens that were read before"
            ),
        }
    }
}

fn grants_in(path: &Path) -> Result<Vec<Grant>, TokenFileError> {
    let text = std::fs::read_to_string(path).map_err(|source| TokenFileError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut grants = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let grant = grant_on(line).ok_or_else(|| TokenFileError::NotAToken {
            path: path.to_owned(),
            line: index + 1,
        })?;
        grants.push(grant);
    }
    if grants.is_empty() {
        return Err(TokenFileError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(grants)
}

fn grant_on(line: &str) -> Option<Grant> {
    let (scope, secret) = match line.split_once(' ') {
        None => (Scope::Client, line),
        Some(("client", secret)) => (Scope::Client, secret.trim_start()),
        Some(("server", secret)) => (Scope::Server, secret.trim_start()),
        Some(_) => return None,
    };
    let visible = secret.bytes().all(|byte| byte.is_ascii_graphic());
    let long_enough = (SECRET_CHARS_MIN..=SECRET_CHARS_MAX).contains(&secret.len());
    (visible && long_enough).then(|| Grant {
        scope,
        credential: Credential::of_secret(secret),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "first-secret-0123456789";
    const SECOND: &str = "second-secret-0123456789";
    const THIRD: &str = "third-secret-0123456789";

    fn write(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn granted(scope: Scope, secret: &str) -> Admission {
        Admission::Granted(Grant {
            scope,
            credential: Credential::of_secret(secret),
        })
    }

    #[test]
    fn x07_only_known_secrets_are_admitted() {
        let file = write(&format!(
            "# shop\n{FIRST}\n\n  server {SECOND}\nclient  {THIRD}\n"
        ));
        let access = TokenFile::read(file.path()).unwrap();
        for (secret, admission) in [
            (Some(FIRST), granted(Scope::Client, FIRST)),
            (Some(SECOND), granted(Scope::Server, SECOND)),
            (Some(THIRD), granted(Scope::Client, THIRD)),
            (Some("# shop"), Admission::Unknown),
            (Some(""), Admission::Unknown),
            (Some("server second-secret-0123456789"), Admission::Unknown),
            (Some("first-secret-0123456788"), Admission::Unknown),
            (None, Admission::Unknown),
        ] {
            assert_eq!(access.admit(secret), admission, "{secret:?}");
        }
        for secret in [FIRST, SECOND] {
            let found = access.find(Credential::of_secret(secret).handle());
            assert_eq!(found.map(Admission::Granted), Some(access.admit(Some(secret))));
        }
        assert_eq!(access.find(Credential::NOBODY.handle()), None);
        let shown = format!("{access:?}");
        assert!(!shown.contains("secret-"), "{shown}");
    }

    #[test]
    fn x07_a_changed_file_counts_and_a_broken_one_does_not() {
        let file = write(FIRST);
        let access = TokenFile::read(file.path()).unwrap();
        std::fs::write(file.path(), SECOND).unwrap();
        access.refresh();
        assert_eq!(access.admit(Some(FIRST)), Admission::Unknown);
        assert_eq!(access.admit(Some(SECOND)), granted(Scope::Client, SECOND));
        for broken in ["", "short", "with a space in its middle"] {
            std::fs::write(file.path(), broken).unwrap();
            access.refresh();
            assert_eq!(access.admit(Some(SECOND)), granted(Scope::Client, SECOND));
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
