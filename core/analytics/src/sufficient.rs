//! From exact sums to the moments that methods need: rounded once, at the end.

use tidegate_model::experiment::tally::{MetricTally, QuantileTally, RankTally, Sums};
use tidegate_stats::moments::{Comoments, Moments, PairSums};
use tidegate_stats::quantile::{Arm, ClusterSums, ClusteredArm};
use tidegate_stats::rank::RankSums;
use tidegate_stats::{Counts, Refusal};

/// Millionths of one, and of one squared.
const PARTS: f64 = 1e6;
const PARTS_WHOLE: i128 = 1_000_000;

/// The moments of sums.
pub trait SumsMoments {
    /// The moments of the value and of what goes with it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] when no values have such sums.
    fn comoments(&self) -> Result<Comoments, Refusal>;

    /// The moments of the value alone.
    ///
    /// # Errors
    ///
    /// As [`Self::comoments`].
    fn moments(&self) -> Result<Moments, Refusal>;
}

impl SumsMoments for Sums {
    fn comoments(&self) -> Result<Comoments, Refusal> {
        let whole = Comoments::of_sums(&PairSums {
            n: self.n,
            x: self.x,
            y: self.y,
            xx: self.xx,
            yy: self.yy,
            xy: self.xy,
        })?;
        Ok(Comoments {
            n: whole.n,
            mean_x: whole.mean_x / PARTS,
            mean_y: whole.mean_y / PARTS,
            m2_x: whole.m2_x / PARTS / PARTS,
            m2_y: whole.m2_y / PARTS / PARTS,
            c_xy: whole.c_xy / PARTS / PARTS,
        })
    }

    fn moments(&self) -> Result<Moments, Refusal> {
        let whole = Moments::of_sums(self.n, self.y, self.yy)?;
        Ok(Moments {
            n: whole.n,
            mean: whole.mean / PARTS,
            m2: whole.m2 / PARTS / PARTS,
        })
    }
}

/// What methods ask a metric's tally.
pub trait MetricMoments {
    /// The moments of all units' values and of what goes with them.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] when no values have such sums.
    fn comoments(&self) -> Result<Comoments, Refusal>;

    /// The moments of all units' values.
    ///
    /// # Errors
    ///
    /// As [`Self::comoments`].
    fn moments(&self) -> Result<Moments, Refusal>;

    /// Of how many units what is asked for is true, where each value is 0 or 1.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] when there are other values.
    fn counts(&self) -> Result<Counts, Refusal>;

    /// How many units have a value other than 0, or fewer: what was counted, or else what the sums prove. By the
    /// inequality of Cauchy and Schwarz no fewer values than the square of the sum by the sum of squares have them.
    #[must_use]
    fn active_at_least(&self) -> u64;
}

impl MetricMoments for MetricTally {
    fn comoments(&self) -> Result<Comoments, Refusal> {
        self.all().comoments()
    }

    fn moments(&self) -> Result<Moments, Refusal> {
        self.all().moments()
    }

    fn counts(&self) -> Result<Counts, Refusal> {
        let all = self.all();
        let events = u64::try_from(all.y / PARTS_WHOLE).ok();
        // The square of 1 is 1, and of nothing else but 0.
        let zero_or_one = all.y % PARTS_WHOLE == 0 && all.yy == all.y.saturating_mul(PARTS_WHOLE);
        match events {
            Some(events) if zero_or_one && events <= all.n => Ok(Counts {
                events,
                trials: all.n,
            }),
            _ => Err(Refusal::Undefined {
                why: "the values of a share are not all 0 or 1",
            }),
        }
    }

    fn active_at_least(&self) -> u64 {
        let all = self.all();
        let proven = if all.yy > 0 {
            let (sum, squares) = (float(all.y), float(all.yy));
            whole(sum * sum / squares)
        } else {
            0
        };
        self.active.max(proven)
    }
}

/// What methods ask the tally of a percentile.
pub trait Clustered {
    /// The percentile as the statistics ask for it.
    #[must_use]
    fn clustered(&self, share: f64) -> ClusteredArm;
}

impl Clustered for QuantileTally {
    fn clustered(&self, share: f64) -> ClusteredArm {
        ClusteredArm {
            quantile: Arm {
                n: self.events,
                bounds_n: self.events,
                share,
                value: self.value,
                lower: self.lower,
                upper: self.upper,
            },
            sums: ClusterSums {
                clusters: self.clusters,
                below: count(self.below),
                below_squared: wide(self.below_squared),
                events: count(self.events),
                events_squared: wide(self.events_squared),
                below_events: wide(self.below_events),
            },
        }
    }
}

/// What methods ask the tally of ranks.
pub trait Ranked {
    /// The ranks as the statistics ask for them.
    #[must_use]
    fn sums(&self) -> RankSums;
}

impl Ranked for RankTally {
    fn sums(&self) -> RankSums {
        RankSums {
            treatment: self.treatment,
            control: self.control,
            twice_u: self.twice_u,
            tied: self.tied,
            treatment_squares: self.treatment_squares,
            control_squares: self.control_squares,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "rounded to 16 digits")]
fn float(whole: i128) -> f64 {
    whole as f64
}

#[expect(clippy::cast_precision_loss, reason = "rounded to 16 digits")]
const fn wide(whole: u128) -> f64 {
    whole as f64
}

#[expect(clippy::cast_precision_loss, reason = "rounded to 16 digits")]
pub(crate) const fn count(n: u64) -> f64 {
    n as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number at least 0; what is too large becomes the largest"
)]
fn whole(number: f64) -> u64 {
    number.floor() as u64
}
