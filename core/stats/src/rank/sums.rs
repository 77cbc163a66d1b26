//! Two samples by their ranks in a few whole numbers, which can be kept where the values cannot.

use super::mann_whitney::{Ranking, normally};
use super::superiority::{Superiority, judged};
use crate::moments::count;
use crate::{Alternative, PValue, Refusal};

/// What ranks say about two samples, in whole numbers: the same for any order of the values, and written down without
/// a digit lost. Exact distributions need [`super::Pooled`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RankSums {
    /// How many values the treatment has.
    pub treatment: u64,
    /// How many the control has.
    pub control: u64,
    /// Twice U: two for each pair with the larger value in the treatment, one for each tie.
    pub twice_u: u128,
    /// Over distinct values the cube of how often both sides have it, less how often.
    pub tied: u128,
    /// Over the treatment's values: of twice the values of the control below, and those beside it, the square.
    pub treatment_squares: u128,
    /// Over the control's values the same against the treatment.
    pub control_squares: u128,
}

impl RankSums {
    /// Takes in a distinct value that is larger than all before: how often either side has it.
    pub const fn add(&mut self, treatment: u64, control: u64) {
        let (ours, theirs) = (treatment as u128, control as u128);
        // Of the other side everything before is smaller.
        let (over_control, over_treatment) = (
            2 * self.control as u128 + theirs,
            2 * self.treatment as u128 + ours,
        );
        let both = ours + theirs;
        self.twice_u = self.twice_u.saturating_add(ours.saturating_mul(over_control));
        self.tied = self.tied.saturating_add(cubed(both).saturating_sub(both));
        self.treatment_squares = self
            .treatment_squares
            .saturating_add(ours.saturating_mul(over_control).saturating_mul(over_control));
        self.control_squares = self.control_squares.saturating_add(
            theirs
                .saturating_mul(over_treatment)
                .saturating_mul(over_treatment),
        );
        self.treatment = self.treatment.saturating_add(treatment);
        self.control = self.control.saturating_add(control);
    }

    /// The chance that a value of the treatment is larger than one of the control, ties counted half.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooFew`] when a side has no value.
    pub fn estimate(&self) -> Result<f64, Refusal> {
        self.check(1)?;
        Ok(wide(self.twice_u) / 2.0 / self.pairs())
    }

    /// The test of [`super::mann_whitney`] by the normal distribution with the variance corrected for ties, and half a
    /// pair taken off. Above 40 values it is good to within three thousandths.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooFew`] when a side has no value, [`Refusal::NoVariance`] when all values are the same.
    pub fn mann_whitney(&self, alternative: Alternative) -> Result<PValue, Refusal> {
        self.check(1)?;
        let all = u128::from(self.treatment) + u128::from(self.control);
        if self.tied >= cubed(all).saturating_sub(all) {
            return Err(Refusal::NoVariance);
        }
        let ranking = Ranking {
            u: wide(self.twice_u) / 2.0,
            pairs: self.pairs(),
            all: wide(all),
            tied: wide(self.tied),
        };
        Ok(normally(&ranking, alternative, true))
    }

    /// As [`super::superiority`].
    ///
    /// # Errors
    ///
    /// As there, and [`Refusal::Invalid`] of sums that no values have or that do not fit into 128 bits, which takes two
    /// thousand million values of each side.
    pub fn superiority(&self, alpha: f64) -> Result<Superiority, Refusal> {
        self.check(2)?;
        let pairs = u128::from(self.treatment) * u128::from(self.control);
        let below = (2 * pairs).checked_sub(self.twice_u);
        // The variance of how much of the other side is smaller, over n: (n S - s s) / (4 m m n n (n - 1)).
        let side = |n: u64, squares: u128, sum: Option<u128>| {
            let sum = sum?;
            let spread = u128::from(n)
                .checked_mul(squares)?
                .checked_sub(sum.checked_mul(sum)?)?;
            Some(wide(spread) / (4.0 * self.pairs() * self.pairs()) / (count(n) - 1.0))
        };
        let of_treatment = side(self.treatment, self.treatment_squares, Some(self.twice_u));
        let of_control = side(self.control, self.control_squares, below);
        let (Some(of_treatment), Some(of_control)) = (of_treatment, of_control) else {
            return Err(Refusal::Invalid {
                field: "twice U",
                value: wide(self.twice_u),
                rule: "be that of at most two thousand million values of each side",
            });
        };
        judged(
            self.estimate()?,
            (self.treatment, of_treatment),
            (self.control, of_control),
            alpha,
        )
    }

    fn pairs(&self) -> f64 {
        count(self.treatment) * count(self.control)
    }

    fn check(&self, need: u64) -> Result<(), Refusal> {
        let fewest = self.treatment.min(self.control);
        if fewest < need {
            return Err(Refusal::TooFew {
                what: "values of each side",
                have: count(fewest),
                need: count(need),
            });
        }
        Ok(())
    }
}

const fn cubed(number: u128) -> u128 {
    number.saturating_mul(number).saturating_mul(number)
}

#[expect(clippy::cast_precision_loss, reason = "rounded to 16 digits")]
const fn wide(whole: u128) -> f64 {
    whole as f64
}
