//! What a decision of a rollout rests on, kept in its record: enough to take the decision again.

use crate::evidence::Judged;
use crate::key::RuleName;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// What a decision of a rollout rests on, beside the state before it and the time of its record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// What came in.
    pub input: Text,
    /// What was known of the world, but for the looks; `None` when that is the same as in the record before of the same
    /// rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<World>,
    /// The newest look at each rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub looks: BTreeMap<RuleName, KeptLook>,
}

/// What was known of the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum World {
    /// All of it.
    Whole(Text),
    /// How it differs from what it was in the record before of the same rollout: a merge patch (RFC 7396).
    Changed(Text),
}

/// A look, or where it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptLook {
    /// The look itself.
    Here(Box<Judged>),
    /// The same as in the record of this sequence.
    In(u64),
}

/// JSON that only those read who wrote it. Journals are read as a whole at every start, and this is passed over.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(Box<RawValue>);

impl Text {
    /// The JSON of this value.
    ///
    /// # Errors
    /// When JSON cannot carry it.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// As it is written.
    pub fn get(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}
