//! Another plan for a running rollout.

use crate::access::Author;
use crate::policy::Policy;
use crate::snapshot::Digest;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Another plan, which waits for somebody's word because it loosens something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanProposal {
    /// The policy with every query filled in.
    pub plan: Arc<Policy>,
    /// Its digest: what the word for it is bound to.
    pub digest: Digest,
    /// Who wants it.
    pub by: Author,
    /// Who wrote the policy last, as far as that is known.
    pub editor: Option<Author>,
    /// What it changes, one thing a line.
    pub differences: Vec<String>,
    /// Since when.
    pub at: DateTime<Utc>,
}
