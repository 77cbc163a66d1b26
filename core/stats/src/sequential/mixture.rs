//! The mixture sequential probability ratio test with a normal prior on the effect.

use super::asymptotic::around;
use super::{Anytime, check_alpha, check_estimate};
use crate::moments::count;
use crate::{Alternative, PValue, Refusal};

/// The mixture sequential probability ratio test (mSPRT): the likelihood of the data under effects drawn
/// from N(0, tau^2), over that under no effect. Two-sided.
///
/// Robbins (1970), Annals of Mathematical Statistics 41:1397; for experiments Johari, Koomen, Pekelis, Walsh
/// (2022), Operations Research 70:1806. It is exact for normal values of known variance; with an estimated
/// one it is asymptotic, and [`crate::sequential::FirstLook`] holds for it too. Use it where effects have a
/// known size; `tau` far from the real ones costs power and not validity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixtureTest {
    tau: f64,
    alpha: f64,
}

impl MixtureTest {
    /// The test that expects effects of the size `tau`, in the unit of the effect.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] unless tau is finite and above 0 and alpha lies between 0 and 1.
    pub fn new(tau: f64, alpha: f64) -> Result<Self, Refusal> {
        let alpha = check_alpha(alpha, 1.0, "lie between 0 and 1")?;
        if !(tau > 0.0 && tau.is_finite()) {
            return Err(Refusal::Invalid {
                field: "tau",
                value: tau,
                rule: "be a finite number above 0",
            });
        }
        Ok(Self { tau, alpha })
    }

    /// What the mean of `n` values with the known standard deviation `sigma` says against a mean of 0.
    /// [`Anytime::ln_e`] is the logarithm of the likelihood ratio.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooFew`] without values, else as [`Self::difference`].
    pub fn mean(&self, n: u64, mean: f64, sigma: f64) -> Result<Anytime, Refusal> {
        if n == 0 {
            return Err(Refusal::TooFew {
                what: "values",
                have: 0.0,
                need: 1.0,
            });
        }
        self.difference(mean, sigma / count(n).sqrt())
    }

    /// What an estimated difference says: the two-stream form with the estimated variance of the difference
    /// in the place of the known one.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoVariance`] for a standard error of 0, [`Refusal::Invalid`] for what is no finite number.
    pub fn difference(&self, difference: f64, standard_error: f64) -> Result<Anytime, Refusal> {
        check_estimate(difference, standard_error)?;
        let (z, scaled) = (difference / standard_error, self.tau / standard_error);
        let r = scaled * scaled;
        if r == 0.0 || !r.is_finite() {
            return Err(Refusal::Invalid {
                field: "tau",
                value: self.tau,
                rule: "be of the order of the standard error",
            });
        }
        let ln_lambda = 0.5 * (z * z * (r / (1.0 + r)) - r.ln_1p());
        let needed = r.ln_1p() - 2.0 * self.alpha.ln();
        let half_width = standard_error * ((1.0 + r) / r * needed).sqrt();
        Ok(Anytime {
            estimate: difference,
            standard_error,
            half_width,
            interval: around(Alternative::TwoSided, difference, half_width),
            ln_e: ln_lambda,
            p: PValue::from_ln(-ln_lambda.max(0.0)),
        })
    }
}
