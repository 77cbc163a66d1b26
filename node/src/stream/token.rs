//! What opens a stream of change notices instead of a secret.
//!
//! Browsers send no headers of their own with an `EventSource`, so the address of a stream carries a
//! token. It opens change notices and nothing else. What signs it follows from the caller's
//! credential: every node that admits the credential admits its stream tokens, before and after a
//! restart, and one that is revoked takes them with it.

use crate::access::Grant;
use crate::credential::{Credential, Handle};
use crate::node::Node;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use tidegate_model::Timestamp;
use tidegate_model::key::EnvironmentKey;

/// How long an epoch lasts, in seconds. A token is good in its own epoch and the next, so for one to
/// two hours; the epoch is part of a bulk answer's ETag, so nobody keeps one for longer unnoticed.
const EPOCH_SECONDS: i64 = 3600;

/// What is signed begins like this, so that no other signature is ever taken for this one.
const PURPOSE: &[u8] = b"tidegate change notices\0";

const EPOCH_BYTES: usize = 4;
const SIGNATURE_BYTES: usize = 32;

/// The hour of a token. Follows the wall clock: nodes must agree on it across restarts and machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u32);

impl Epoch {
    /// The epoch of this moment.
    pub(crate) fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.timestamp().div_euclid(EPOCH_SECONDS)).unwrap_or_default())
    }

    pub(crate) fn bytes(self) -> [u8; EPOCH_BYTES] {
        self.0.to_be_bytes()
    }

    /// Whether a token of this epoch opens streams in the epoch `now`. The next one does too: the
    /// clock of the node that made it may be ahead.
    fn is_good_in(self, now: Self) -> bool {
        (now.0.saturating_sub(1)..=now.0.saturating_add(1)).contains(&self.0)
    }
}

/// The token with which the holder of a credential may follow an environment's changes.
pub(crate) fn issue(credential: &Credential, environment: &EnvironmentKey, epoch: Epoch) -> String {
    let mut token = Vec::with_capacity(Handle::BYTES + EPOCH_BYTES + SIGNATURE_BYTES);
    token.extend(credential.handle().0);
    token.extend(epoch.bytes());
    token.extend(hmac::sign(&key(credential), &signed(environment, epoch)).as_ref());
    URL_SAFE_NO_PAD.encode(token)
}

/// The node whose changes this token opens, with what its holder was granted.
pub(crate) fn admit<'n>(token: &str, nodes: &'n [Node], now: Epoch) -> Option<(&'n Node, Grant)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (handle, rest) = bytes.split_first_chunk::<{ Handle::BYTES }>()?;
    let (epoch, signature) = rest.split_first_chunk::<EPOCH_BYTES>()?;
    let epoch = Epoch(u32::from_be_bytes(*epoch));
    if !epoch.is_good_in(now) {
        return None;
    }
    nodes.iter().find_map(|node| {
        let grant = node.access().find(Handle(*handle))?;
        let signed = signed(node.environment(), epoch);
        let genuine = hmac::verify(&key(&grant.credential), &signed, signature);
        genuine.is_ok().then_some((node, grant))
    })
}

fn key(credential: &Credential) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, credential.bytes())
}

fn signed(environment: &EnvironmentKey, epoch: Epoch) -> Vec<u8> {
    [PURPOSE, &epoch.bytes(), environment.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Epoch {
        Epoch::of(Timestamp::from_timestamp(seconds, 0).unwrap())
    }

    #[test]
    fn r11_tokens_are_good_in_their_epoch_and_the_next() {
        let made = at(7_200_000);
        for (now, good) in [
            (7_200_000, true),
            (7_203_599, true),
            (7_203_600, true),
            (7_207_199, true),
            (7_207_200, false),
            (7_199_999, true),
            (7_196_399, false),
        ] {
            assert_eq!(made.is_good_in(at(now)), good, "{now}");
        }
    }

    #[test]
    fn tokens_fit_into_an_address() {
        let environment = EnvironmentKey::new("production").unwrap();
        let token = issue(&Credential::of_secret("s"), &environment, at(0));
        assert_eq!(token.len(), 59);
        let unreserved = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        assert!(token.chars().all(unreserved), "{token}");
    }
}
