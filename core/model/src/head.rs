//! What the journal was at a moment, vouched for by the control plane: whoever keeps it elsewhere finds out later whether
//! the past was rewritten, cut or reordered.

use crate::Timestamp;
use crate::snapshot::{Digest, KeyId, PublicKey, Signature, SigningKey};
use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};

/// The newest record of a journal, and what stands for all records up to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    /// Which life of the store it was.
    pub epoch: u64,
    /// The sequence of the newest record; 0 when there is none.
    pub sequence: u64,
    /// The chain up to and with that record: it changes when anything before it is changed, dropped or swapped.
    pub chain: Digest,
    /// When this was so.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The first eight bytes of the chain after each of the last so many records, up to and with the newest, in
    /// hexadecimal: they tell which record it is that differs. May be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub steps: String,
}

/// A head, and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedHead {
    /// The head.
    #[serde(flatten)]
    pub head: Head,
    /// By the key that signs snapshots.
    pub signature: Signature,
}

/// Why nobody vouches for a head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadRefusal {
    /// Somebody vouches for it who is not trusted.
    #[error(
        "the head of record {sequence} is signed with the key {key}, which is not among those that are trusted"
    )]
    UnknownKey {
        /// The head's record.
        sequence: u64,
        /// The key.
        key: KeyId,
    },
    /// The signature is not one of this head.
    #[error("the signature does not fit the head of record {sequence}: the head was changed")]
    Forged {
        /// The head's record.
        sequence: u64,
    },
}

impl Head {
    /// The same head, vouched for with this key.
    #[must_use]
    pub fn signed(self, key: &SigningKey) -> SignedHead {
        SignedHead {
            signature: key.sign(&self.signed_text(key.id())),
            head: self,
        }
    }

    /// What a signature is over: every field, each on a line of its own, whatever the JSON looks like.
    fn signed_text(&self, key: &KeyId) -> String {
        let Self {
            epoch,
            sequence,
            chain,
            at,
            steps,
        } = self;
        let at = at.to_rfc3339_opts(SecondsFormat::Nanos, true);
        let chain = chain.as_str();
        format!(
            "tidegate head 1\nepoch {epoch}\nsequence {sequence}\nchain {chain}\nat {at}\nsteps {steps}\nkey {key}\n"
        )
    }
}

impl SignedHead {
    /// Whether one of these keys vouches for the head.
    ///
    /// # Errors
    /// That nobody does who is trusted, or that the head was changed.
    pub fn check(&self, trusted: &[PublicKey]) -> Result<(), HeadRefusal> {
        let (sequence, signed_by) = (self.head.sequence, &self.signature.key_id);
        let key = trusted.iter().find(|key| key.id() == *signed_by);
        let key = key.ok_or_else(|| HeadRefusal::UnknownKey {
            sequence,
            key: signed_by.clone(),
        })?;
        match key.has_signed(&self.head.signed_text(signed_by), &self.signature) {
            true => Ok(()),
            false => Err(HeadRefusal::Forged { sequence }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).unwrap()
    }

    fn head() -> Head {
        Head {
            epoch: 1,
            sequence: 7,
            chain: Digest::of(b"records"),
            at: Timestamp::default(),
            steps: "0123456789abcdef".to_owned(),
        }
    }

    #[test]
    fn every_field_of_a_head_is_vouched_for() {
        let trusted = [*key(1).public()];
        let signed = head().signed(&key(1));
        let text = serde_json::to_string(&signed).unwrap();
        let read: SignedHead = serde_json::from_str(&text).unwrap();
        assert_eq!((read.check(&trusted), &read), (Ok(()), &signed));
        let changes: [fn(&mut Head); 5] = [
            |head| head.epoch += 1,
            |head| head.sequence = 8,
            |head| head.chain = Digest::of(b"others"),
            |head| head.at += chrono::TimeDelta::nanoseconds(1),
            |head| head.steps.clear(),
        ];
        for (place, change) in changes.into_iter().enumerate() {
            let mut forged = signed.clone();
            change(&mut forged.head);
            let refused = forged.check(&trusted);
            assert!(
                matches!(refused, Err(HeadRefusal::Forged { .. })),
                "field {place}"
            );
        }
    }

    #[test]
    fn only_trusted_keys_vouch() {
        let stranger = head().signed(&key(2));
        let key_id = key(2).id().clone();
        let refused = HeadRefusal::UnknownKey {
            sequence: 7,
            key: key_id,
        };
        assert_eq!(stranger.check(&[*key(1).public()]), Err(refused));
        let mut borrowed = stranger;
        borrowed.signature.key_id = key(1).id().clone();
        assert_eq!(
            borrowed.check(&[*key(1).public()]),
            Err(HeadRefusal::Forged { sequence: 7 })
        );
    }
}
