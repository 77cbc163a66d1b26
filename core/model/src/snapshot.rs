//! What a node needs to know about one environment, and how it is carried there.

mod delta;
mod seal;
mod signature;

pub use delta::{Chain, Changes, Delta, DeltaRefusal};
pub use seal::SnapshotRefusal;
pub use signature::{
    KEYS_MAX, KeyId, KeyList, KeyListRefusal, PublicKey, Signature, SigningKey, TrustedKeys,
};

use crate::environment::Bucketing;
use crate::flag::Flag;
use crate::invalid::Violation;
use crate::key::{EnvironmentKey, Revision, RolloutId, VariationKey};
use crate::policy::Wave;
use crate::segment::{Segment, StagedSegment};
use crate::share::Share;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt;

/// Largest snapshot that may be published, in bytes (faults.md F67).
pub const SNAPSHOT_BYTES_MAX: usize = 32 << 20;

/// Flags and segments of one environment, each sorted by key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnapshotContent {
    /// Whose it is.
    pub environment: EnvironmentKey,
    /// What units are hashed by.
    #[serde(default, skip_serializing_if = "Bucketing::is_usual")]
    pub bucketing: Bucketing,
    /// All flags.
    pub flags: Vec<SnapshotFlag>,
    /// All segments.
    pub segments: Vec<Segment>,
    /// Edits of segments that are being opened, sorted by the segments' keys. Each one's guard is among the flags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub staged: Vec<StagedSegment>,
    /// A drill that is under way: nodes take it in and confirm it like a rollout, and no evaluation reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<RolloutSplit>,
}

impl SnapshotContent {
    /// The lists of units that its segments name, each once.
    pub fn lists(&self) -> BTreeSet<&Digest> {
        let staged = self.staged.iter().map(|staged| &staged.definition);
        let segments = self.segments.iter().chain(staged);
        let lists = segments.filter_map(|segment| segment.definition().list.as_ref());
        lists.map(|list| &list.digest).collect()
    }
}

/// A flag with the part of a running rollout that nodes act on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnapshotFlag {
    /// Its definition.
    pub flag: Flag,
    /// The running rollout, which stands in front of the fallback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutSplit>,
}

/// Units whose bucket is inside `share`, or inside that of a wave whose segment they are in, get the candidate, all
/// others the safe variation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutSplit {
    /// Which rollout decided it.
    pub rollout: RolloutId,
    /// The rollout's revision at which the share was last set: a node that serves this snapshot
    /// has confirmed that revision.
    pub revision: Revision,
    /// The variation being opened.
    pub candidate: VariationKey,
    /// The variation for everybody else.
    pub safe: VariationKey,
    /// How far it is open to anybody.
    pub share: Share,
    /// Segments to which it is open further, the widest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<Wave>,
}

impl RolloutSplit {
    /// Everybody gets the safe variation.
    pub fn shut(&mut self) {
        self.share = Share::ZERO;
        self.waves.clear();
    }
}

/// Where in the history of an environment a snapshot stands. Ordered: a node never goes back.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Version {
    /// Which life of the store; a restored store starts a new one.
    pub epoch: u64,
    /// The journal sequence of the newest change that the snapshot contains.
    pub number: u64,
}

impl fmt::Display for Version {
    /// For example `1.42`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.number)
    }
}

impl std::str::FromStr for Version {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (epoch, number) = text.split_once('.')?;
            Some(Self {
                epoch: epoch.parse().ok()?,
                number: number.parse().ok()?,
            })
        };
        parse().ok_or_else(|| format!("{text:?} is not a version; a version looks like 1.42"))
    }
}

/// SHA-256 of the bytes of a snapshot's content, or of a list's, in lower-case hexadecimal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
pub struct Digest(String);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        <[u8; 32]>::from(Sha256::digest(bytes)).into()
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, enough for people to tell two apart.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl From<[u8; 32]> for Digest {
    /// The digest that these bytes are.
    fn from(bytes: [u8; 32]) -> Self {
        let digit = |four_bits: u8| char::from_digit(u32::from(four_bits), 16).unwrap_or_default();
        let digits = bytes
            .into_iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        Self(digits.collect())
    }
}

impl std::str::FromStr for Digest {
    type Err = Violation;
    fn from_str(text: &str) -> Result<Self, Violation> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Digest {
    type Error = Violation;
    fn try_from(text: String) -> Result<Self, Violation> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 64 && text.bytes().all(digit) {
            return Ok(Self(text));
        }
        Err(Violation::new(
            "digest",
            &text,
            "a digest has 64 digits, each one of 0-9 and a-f",
            "copy the digest whole",
        ))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// What identifies a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnapshotHeader {
    /// Whose it is.
    pub environment: EnvironmentKey,
    /// Where in the history it stands.
    pub version: Version,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Digest of the content, byte for byte as it is carried.
    pub digest: Digest,
    /// Digest of the snapshot before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// Who vouches for it; `None` on one that has not left its maker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// A snapshot as it is carried and kept on disk: the digest is over the very bytes of `content`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// What identifies it.
    pub header: SnapshotHeader,
    /// [`SnapshotContent`] as JSON.
    pub content: Box<RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_epoch_first() {
        let order = ["1.9", "1.10", "2.1"].map(|text| text.parse::<Version>().unwrap());
        assert!(order.is_sorted());
        assert!("1".parse::<Version>().is_err() && "a.b".parse::<Version>().is_err());
    }
}
