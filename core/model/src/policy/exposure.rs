//! How much of the users' time a rollout may cost before a person says that it may go on.

use crate::policy::Action;
use crate::share::Share;
use serde::{Deserialize, Serialize};

/// How many users, and how much of their time, may meet the candidate before a person says more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exposure {
    /// How many units there are, all together.
    pub audience: u64,
    /// How many minutes of units the candidate may serve.
    pub user_minutes: Option<u64>,
    /// How many units may have it at a time.
    pub units: Option<u64>,
    /// What to do when the minutes are spent: pause, retreat or roll back.
    #[serde(rename = "do")]
    pub action: Action,
}

impl Exposure {
    /// How many units a share of them is, to the nearest.
    pub fn units_of(&self, share: Share) -> u64 {
        let all = u128::from(Share::TOTAL);
        let units = (u128::from(self.audience) * u128::from(share.parts()) + all / 2) / all;
        u64::try_from(units).unwrap_or(u64::MAX)
    }
}
