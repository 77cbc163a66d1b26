//! How what is sent to webhooks is signed.

use ring::hmac;
use std::fmt::Write as _;
use tidegate_model::Timestamp;

/// Signs with one secret.
#[derive(Clone)]
pub(super) struct Signer(hmac::Key);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The header's value: `t=<Unix seconds>,v1=<HMAC-SHA256 of "<t>.<body>" in hexadecimal>`.
    pub(super) fn sign(&self, body: &[u8], at: Timestamp) -> String {
        let seconds = at.timestamp();
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{seconds}.").as_bytes());
        context.update(body);
        let mut value = format!("t={seconds},v1=");
        for byte in context.sign().as_ref() {
            // Writing to a text cannot fail.
            let _infallible = write!(value, "{byte:02x}");
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1767571200.{"id":"x"}' | openssl dgst -sha256 -hmac 'a secret of 32 bytes, or more....'`
    #[test]
    fn signatures_are_what_the_documentation_says() {
        let signer = Signer::new(b"a secret of 32 bytes, or more....");
        let at = "2026-01-05T00:00:00.9Z".parse().unwrap();
        assert_eq!(
            signer.sign(br#"{"id":"x"}"#, at),
            "t=1767571200,v1=a0351ef61082d32d0ac8ea1773f1e7cdcdb162bf8d466691dc08230ce2a10fd5"
        );
        assert_eq!(format!("{signer:?}"), "Signer", "no secret in a log");
    }
}
