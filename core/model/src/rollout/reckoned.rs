//! By which time zone data the next opening was reckoned.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// When windows let the next stage open, as it was reckoned last while they were shut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reckoned {
    /// The version of the time zone data that it was reckoned by.
    pub zone_data: String,
    /// When; `None` if no window opens within the horizon that is searched.
    pub opens: Option<DateTime<Utc>>,
}
