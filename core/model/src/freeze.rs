//! The switch that stops the line: nothing opens in an environment until somebody lets it go on.

use crate::access::Author;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An environment in which nothing opens. Safety goes on, and a rollback is never held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Frozen {
    /// Why.
    pub reason: String,
    /// Who said so.
    pub by: Author,
    /// Since when.
    pub since: DateTime<Utc>,
}
