//! Secrets of access tokens, and the first one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use tidegate_actors::control::{ControlError, ControlPlane};
use tidegate_model::access::{Author, Role, Token};
use tidegate_model::invalid::Violation;
use tidegate_model::key::TokenName;
use tidegate_model::snapshot::Digest;

/// The secret of a token. It is shown once and kept nowhere; what is kept is its digest.
pub(crate) struct Secret(String);

impl Secret {
    /// Marks secrets, so that scanners find those that leaked.
    const PREFIX: &'static str = "tg_";
    const RANDOM_BYTES: usize = 32;

    /// A new secret.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; Self::RANDOM_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// What is kept of it.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// The secret itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tg_…")
    }
}

/// Sixteen hexadecimal digits that nobody had before; for names, not for secrets.
pub(crate) fn random_hex() -> String {
    // Without random numbers the names are all the same, which hurts nobody.
    format!("{:016x}", getrandom::u64().unwrap_or_default())
}

/// Why the first token could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FirstStartError {
    /// The system has no random numbers.
    #[error("the system gives no random numbers for a secret")]
    Random(#[source] getrandom::Error),
    /// The name is not one; cannot happen.
    #[error("the name of the first token is refused: {0}")]
    Name(Violation),
    /// The file cannot be written.
    #[error("cannot write the first token to {file}; see to it that the folder can be written to")]
    File {
        /// Which file.
        file: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The control plane refused it.
    #[error("cannot keep the first token")]
    Control(#[source] ControlError),
}

/// Makes an admin token if there is none that works, and writes its secret to `admin-token` in the
/// folder, readable by its owner only. Returns the file, or `None` when there is such a token.
///
/// # Errors
/// Why there is no admin token now.
pub(crate) async fn first_start(
    control: &ControlPlane,
    folder: &Path,
) -> Result<Option<PathBuf>, FirstStartError> {
    let tokens = control.tokens().await.map_err(FirstStartError::Control)?;
    let now = control.clock().now();
    let administers = |token: &Token| {
        token.role == Role::Admin
            && token.environment.is_none()
            && token.expires.is_none()
            && token.is_valid(now)
    };
    if tokens.iter().any(administers) {
        return Ok(None);
    }
    let secret = Secret::generate().map_err(FirstStartError::Random)?;
    let file = folder.join("admin-token");
    // The file comes first: after a crash in between there is a secret that does not work and is
    // replaced at the next start, never a token whose secret nobody knows.
    write(folder, &file, &secret).map_err(|source| FirstStartError::File {
        file: file.clone(),
        source,
    })?;
    let token = Token {
        name: free_name(&tokens).map_err(FirstStartError::Name)?,
        role: Role::Admin,
        environment: None,
        secret_digest: secret.digest(),
        created: now,
        expires: None,
        revoked: None,
    };
    let created = control.create_token(token, Author::Tidegate).await;
    created.map_err(FirstStartError::Control)?;
    Ok(Some(file))
}

/// `admin`, or `admin-2` and so on when admin tokens were revoked before.
fn free_name(tokens: &[Token]) -> Result<TokenName, Violation> {
    let names = std::iter::once("admin".to_owned()).chain((2_u64..).map(|number| format!("admin-{number}")));
    let mut free = names.filter(|name| tokens.iter().all(|token| token.name.as_str() != name));
    TokenName::new(&free.next().unwrap_or_default())
}

/// Whole or not at all. Temporary files are readable by their owner only from the beginning.
fn write(folder: &Path, file: &Path, secret: &Secret) -> std::io::Result<()> {
    let mut written = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(written, "{}", secret.reveal())?;
    written.as_file().sync_all()?;
    written.persist(file)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn secrets_differ_and_hide() {
        let secret = Secret::generate().unwrap();
        assert_eq!(secret.reveal().len(), "tg_".len() + 43);
        assert!(secret.reveal().starts_with("tg_"));
        assert_ne!(secret.digest(), Secret::generate().unwrap().digest());
        assert_eq!(format!("{secret:?}"), "tg_…");
    }

    #[test]
    fn the_file_is_its_owners_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("admin-token");
        for _ in 0..2 {
            let secret = Secret::generate().unwrap();
            write(folder.path(), &file, &secret).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), secret.reveal());
            assert_eq!(
                std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }
}
