//! Which secret a caller showed, without the secret.

use sha2::{Digest as _, Sha256};
use std::fmt;
use tidegate_model::snapshot::Digest;

/// Which secret a caller showed: its SHA-256. Worth as much as the secret to nobody, but it tells
/// apart who is who, so it stays in the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Credential([u8; 32]);

/// The part of a credential by which it is found again. May be told to its holder: what signs
/// stream tokens is the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub [u8; Self::BYTES]);

impl Handle {
    /// So long that two of an environment's credentials do not share one.
    pub const BYTES: usize = 8;
}

impl Credential {
    /// Everybody's, where no secret is asked for.
    pub const NOBODY: Self = Self([0; 32]);

    /// The credential that this secret is.
    pub fn of_secret(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// The credential of the secret with this digest; `None` when the digest is not one.
    pub fn of_digest(digest: &Digest) -> Option<Self> {
        let mut bytes = [0; 32];
        let pairs = (0..64).step_by(2).map(|at| digest.as_str().get(at..at + 2));
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            *byte = u8::from_str_radix(pair?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// By what it is found again.
    pub fn handle(&self) -> Handle {
        let mut start = [0; Handle::BYTES];
        for (to, from) in start.iter_mut().zip(self.0) {
            *to = from;
        }
        Handle(start)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Handle {
    /// In hexadecimal digits: how the digest of the secret starts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Credential {
    /// Without what it is: it could be used to try out secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_and_its_secret_are_one_credential() {
        let credential = Credential::of_secret("first-secret-0123456789");
        let digest = Digest::of(b"first-secret-0123456789");
        assert_eq!(Credential::of_digest(&digest), Some(credential));
        assert!(digest.as_str().starts_with(&credential.handle().to_string()));
        assert_eq!(format!("{credential:?}"), "Credential");
    }
}
