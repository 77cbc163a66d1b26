//! Bayesian answers: how likely each arm is the best one, what choosing it is expected to cost, and where
//! its value lies. All by quadrature: the same data give the same number.
//!
//! Under repeated looks none of these keeps an error rate. With a flat prior, an experiment without any
//! effect that stops as soon as a chance is above 95 % or below 5 % stops in about half of the cases within
//! 50 looks. Stop on the expected loss, and say that looks were taken.

mod bracket;
pub(crate) mod contest;
mod cumulative;
pub(crate) mod density;
mod effect;
mod grid;
mod lift;
mod rate;

pub(crate) use effect::combine;
pub use effect::{
    EffectEstimate, EffectPosterior, EffectScale, ExpectedLosses, NormalPrior, effect_posterior,
    expected_losses,
};
pub use lift::{LiftPosterior, lift_posterior};
pub(crate) use rate::chances_best as chances_best_rate;
pub use rate::{BetaPrior, RateArm, RatePosterior, compare_rates};
