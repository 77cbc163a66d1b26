//! Sealing content under a header, and opening it again only if nothing was changed on the way.

use super::{Digest, KeyId, SigningKey, Snapshot, SnapshotContent, SnapshotHeader, Version};
use crate::key::EnvironmentKey;
use chrono::{DateTime, Utc};

/// Why a snapshot was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotRefusal {
    /// It is cut off, or not what it should be.
    #[error("the snapshot cannot be read: {0}")]
    Unreadable(String),
    /// Its bytes are not those that were published.
    #[error("the digest of the content is {found}, the header says {stated}")]
    Altered {
        /// The digest of what arrived.
        found: Digest,
        /// The digest that was published.
        stated: Digest,
    },
    /// It is another environment's.
    #[error("the snapshot is of environment {found}, this node serves {expected}")]
    OtherEnvironment {
        /// Whose it is.
        found: EnvironmentKey,
        /// Whose it should be.
        expected: EnvironmentKey,
    },
    /// Nobody vouches for it.
    #[error("the snapshot is not signed")]
    Unsigned,
    /// Somebody vouches for it whom this node does not know.
    #[error("the snapshot is signed with the key {0}, which is not trusted here")]
    UnknownKey(KeyId),
    /// The signature is not one of this header.
    #[error("the signature does not fit the snapshot's header")]
    Forged,
}

impl SnapshotRefusal {
    /// The cause, as the label of a metric.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Altered { .. } => "altered",
            Self::OtherEnvironment { .. } => "other_environment",
            Self::Unsigned => "unsigned",
            Self::UnknownKey(_) => "unknown_key",
            Self::Forged => "forged",
        }
    }
}

impl Snapshot {
    /// Seals content under a version.
    ///
    /// # Errors
    /// When the content cannot be written as JSON.
    pub fn seal(
        content: &SnapshotContent,
        version: Version,
        created: DateTime<Utc>,
        previous: Option<Digest>,
    ) -> Result<Self, serde_json::Error> {
        let raw = serde_json::value::to_raw_value(content)?;
        let header = SnapshotHeader {
            environment: content.environment.clone(),
            version,
            created,
            digest: Digest::of(raw.get().as_bytes()),
            previous,
            signature: None,
        };
        Ok(Self { header, content: raw })
    }

    /// The same snapshot, vouched for with this key.
    #[must_use]
    pub fn signed(mut self, key: &SigningKey) -> Self {
        self.header.signature = Some(key.sign(&self.header.signed_text(key.id())));
        self
    }

    /// The content, if the bytes are those that were published for `environment`.
    ///
    /// # Errors
    /// Why the snapshot must not be used.
    pub fn open(&self, environment: &EnvironmentKey) -> Result<SnapshotContent, SnapshotRefusal> {
        self.check(environment)?;
        let content: SnapshotContent = serde_json::from_str(self.content.get())
            .map_err(|error| SnapshotRefusal::Unreadable(error.to_string()))?;
        check_owner(&content.environment, environment)?;
        Ok(content)
    }

    /// Whether the bytes are those that were published for `environment`. Leaves the content unread, which
    /// takes most of the time that [`open`](Self::open) takes.
    ///
    /// # Errors
    /// Why the snapshot must not be used.
    pub fn check(&self, environment: &EnvironmentKey) -> Result<(), SnapshotRefusal> {
        let found = Digest::of(self.content.get().as_bytes());
        if found != self.header.digest {
            return Err(SnapshotRefusal::Altered {
                found,
                stated: self.header.digest.clone(),
            });
        }
        check_owner(&self.header.environment, environment)
    }
}

fn check_owner(found: &EnvironmentKey, expected: &EnvironmentKey) -> Result<(), SnapshotRefusal> {
    if found == expected {
        return Ok(());
    }
    Err(SnapshotRefusal::OtherEnvironment {
        found: found.clone(),
        expected: expected.clone(),
    })
}

impl SnapshotHeader {
    /// What a signature is over: every field, each on a line of its own, whatever the header's JSON
    /// looks like.
    pub(super) fn signed_text(&self, key: &KeyId) -> String {
        let Self {
            environment,
            version: Version { epoch, number },
            created,
            digest,
            previous,
            signature: _,
        } = self;
        let created = created.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
        let previous = previous.as_ref().map_or("none", Digest::as_str);
        format!(
            "tidegate snapshot 1\nenvironment {environment}\nepoch {epoch}\nnumber {number}\ncreated {created}\n\
             digest {digest}\nprevious {previous}\nkey {key}\n"
        )
    }

    /// Whether one of these keys vouches for the header. That the content is the one that the header
    /// means is for [`Snapshot::open`] to say.
    ///
    /// # Errors
    /// That nobody does, or somebody unknown, or that the signature is of something else.
    pub fn check_signature(&self, trusted: &[super::PublicKey]) -> Result<(), SnapshotRefusal> {
        let signature = self.signature.as_ref().ok_or(SnapshotRefusal::Unsigned)?;
        let key = trusted.iter().find(|key| key.id() == signature.key_id);
        let key = key.ok_or_else(|| SnapshotRefusal::UnknownKey(signature.key_id.clone()))?;
        if key.has_signed(&self.signed_text(&signature.key_id), signature) {
            Ok(())
        } else {
            Err(SnapshotRefusal::Forged)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::snapshot::PublicKey;

    fn environment() -> EnvironmentKey {
        EnvironmentKey::new("production").unwrap()
    }

    fn content() -> SnapshotContent {
        serde_json::from_str(r#"{"environment":"production","flags":[],"segments":[]}"#).unwrap()
    }

    fn sealed() -> Snapshot {
        let version = Version { epoch: 1, number: 7 };
        Snapshot::seal(
            &content(),
            version,
            Timestamp::default(),
            Some(Digest::of(b"before")),
        )
        .unwrap()
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).unwrap()
    }

    #[test]
    fn a_sealed_snapshot_opens_only_unaltered_and_at_home() {
        let text = serde_json::to_string(&sealed()).unwrap();
        let carried: Snapshot = serde_json::from_str(&text).unwrap();
        assert_eq!(carried.open(&environment()).unwrap(), content());
        let staging = EnvironmentKey::new("staging").unwrap();
        assert!(matches!(
            carried.open(&staging),
            Err(SnapshotRefusal::OtherEnvironment { .. })
        ));
        let altered: Snapshot = serde_json::from_str(&text.replace("\"flags\":[]", "\"flags\": []")).unwrap();
        assert!(matches!(
            altered.open(&environment()),
            Err(SnapshotRefusal::Altered { .. })
        ));
    }

    #[test]
    fn f64_every_field_of_the_header_is_vouched_for() {
        let trusted = [*key(1).public()];
        let signed = sealed().signed(&key(1)).header;
        assert_eq!(signed.check_signature(&trusted), Ok(()));
        let change = |change: fn(&mut SnapshotHeader)| {
            let mut header = signed.clone();
            change(&mut header);
            header.check_signature(&trusted).unwrap_err().cause()
        };
        for (what, changed) in [
            (
                "environment",
                change(|header| header.environment = EnvironmentKey::new("staging").unwrap()),
            ),
            ("epoch", change(|header| header.version.epoch += 1)),
            ("number", change(|header| header.version.number += 1)),
            (
                "created",
                change(|header| header.created += chrono::TimeDelta::nanoseconds(1)),
            ),
            ("digest", change(|header| header.digest = Digest::of(b"other"))),
            ("previous", change(|header| header.previous = None)),
        ] {
            assert_eq!(changed, "forged", "{what}");
        }
        assert_eq!(change(|header| header.signature = None), "unsigned");
        let others = sealed().signed(&key(2)).header;
        assert_eq!(
            others.check_signature(&trusted).unwrap_err().cause(),
            "unknown_key"
        );
        // Somebody else's signature under a known name.
        let mut borrowed = others;
        borrowed.signature.as_mut().unwrap().key_id = trusted[0].id();
        assert_eq!(borrowed.check_signature(&trusted).unwrap_err().cause(), "forged");
    }

    #[test]
    fn the_signed_text_is_fixed() {
        let text = sealed().header.signed_text(key(1).id());
        let digest = sealed().header.digest;
        let before = Digest::of(b"before");
        let id = PublicKey::id(key(1).public());
        assert_eq!(
            text,
            format!(
                "tidegate snapshot 1\nenvironment production\nepoch 1\nnumber 7\n\
                 created 1970-01-01T00:00:00.000000000Z\ndigest {digest}\nprevious {before}\nkey {id}\n"
            )
        );
    }
}
