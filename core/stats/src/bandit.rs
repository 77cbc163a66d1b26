//! Bandits: traffic that follows the evidence while it comes in, and honest means of what it brought.

mod thompson;
mod weighting;

pub use thompson::{
    ArmPrior, NormalArm, arm_posterior, expected_losses, expected_regret, thompson_normal, thompson_rates,
    top_two_normal, with_floor,
};
pub use weighting::{Batch, Contrast, WeightedMean, Weighting, weighted_difference, weighted_mean};
