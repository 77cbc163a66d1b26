//! Rules that watch how fast an error budget burns.

use crate::span::Span;
use serde::{Deserialize, Serialize};

/// A service level objective: the budget of errors that it leaves, and how fast that may burn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slo {
    /// The share of events that must be good; more than 0, less than 1.
    pub objective: f64,
    /// Bad as soon as one of these burns. Never empty.
    pub burn_rates: Vec<BurnRate>,
    /// What must be left of the budget for a stage to open; `None` asks for nothing.
    pub budget: Option<BudgetLeft>,
}

/// A rate that is too fast when both windows burn at it: the long one shows that it matters, the short
/// one that it still goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BurnRate {
    /// The long window.
    pub long: ErrorRatio,
    /// The short window.
    pub short: ErrorRatio,
    /// So many times faster than would use the budget up exactly at the end of its period.
    pub rate: f64,
}

/// The share of events that went wrong within a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorRatio {
    /// How far it looks back; stands in the query as `{{window}}`.
    pub window: Span,
    /// PromQL that yields the share, from 0 to 1.
    pub query: String,
}

/// What must be left of an error budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BudgetLeft {
    /// The period of the objective.
    pub period: ErrorRatio,
    /// The share of the budget below which no stage opens, the first one included.
    pub start_above: f64,
}

impl Slo {
    /// All queries with their windows.
    pub fn ratios_mut(&mut self) -> impl Iterator<Item = &mut ErrorRatio> {
        let burning = self.burn_rates.iter_mut();
        let burning = burning.flat_map(|rate| [&mut rate.long, &mut rate.short]);
        burning.chain(self.budget.iter_mut().map(|budget| &mut budget.period))
    }
}
