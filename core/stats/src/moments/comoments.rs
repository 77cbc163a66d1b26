//! Moments of pairs.

use super::{Apart, JointMoments, Moments, at_least_zero, count, integers};
use crate::Refusal;

/// Rounding may put a correlation so far outside its range.
const ROUNDING: f64 = 1e-9;

/// Count, means, centred sums of squares and of products of two values of the same user: a covariate and a
/// metric, or a denominator and a numerator.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Comoments {
    /// How many pairs.
    pub n: u64,
    /// The mean of x; 0 while there is none.
    pub mean_x: f64,
    /// The mean of y; 0 while there is none.
    pub mean_y: f64,
    /// The sum of squared distances of x from its mean.
    pub m2_x: f64,
    /// The sum of squared distances of y from its mean.
    pub m2_y: f64,
    /// The sum of products of both distances.
    pub c_xy: f64,
}

/// What pairs of whole numbers add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PairSums {
    /// How many pairs.
    pub n: u64,
    /// The sum of x.
    pub x: i128,
    /// The sum of y.
    pub y: i128,
    /// The sum of squares of x.
    pub xx: i128,
    /// The sum of squares of y.
    pub yy: i128,
    /// The sum of products.
    pub xy: i128,
}

impl Comoments {
    /// Of all pairs `[x, y]` at once, as exactly as [`Moments::of_values`].
    #[must_use]
    pub fn of_values(pairs: &[[f64; 2]]) -> Self {
        let joint = JointMoments::of_rows(pairs);
        let ([mean_x, mean_y], [[m2_x, c_xy], [_, m2_y]]) = (joint.means, joint.products);
        Self {
            n: joint.n,
            mean_x,
            mean_y,
            m2_x,
            m2_y,
            c_xy,
        }
    }

    /// From the moments of each and the sample covariance with the divisor n - 1.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] when the moments are of different numbers of values.
    pub fn of_covariance(x: &Moments, y: &Moments, covariance: f64) -> Result<Self, Refusal> {
        if x.n != y.n {
            return Err(Refusal::Invalid {
                field: "n",
                value: count(x.n),
                rule: "be the same for both values of a pair",
            });
        }
        Ok(Self {
            n: x.n,
            mean_x: x.mean,
            mean_y: y.mean,
            m2_x: x.m2,
            m2_y: y.m2,
            c_xy: covariance * (count(x.n) - 1.0).max(0.0),
        })
    }

    /// From exact sums of whole numbers.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] when no pairs have such sums.
    pub fn of_sums(sums: &PairSums) -> Result<Self, Refusal> {
        let x = Moments::of_sums(sums.n, sums.x, sums.xx)?;
        let y = Moments::of_sums(sums.n, sums.y, sums.yy)?;
        let c_xy = if sums.n == 0 && sums.xy == 0 {
            Some(0.0)
        } else {
            integers::centred(sums.n, sums.x, sums.y, sums.xy)
        };
        let pairs = Self {
            n: sums.n,
            mean_x: x.mean,
            mean_y: y.mean,
            m2_x: x.m2,
            m2_y: y.m2,
            c_xy: c_xy.unwrap_or(f64::NAN),
        };
        pairs.correlated()?;
        Ok(pairs)
    }

    /// The moments of x alone.
    #[must_use]
    pub const fn x(&self) -> Moments {
        Moments {
            n: self.n,
            mean: self.mean_x,
            m2: self.m2_x,
        }
    }

    /// The moments of y alone.
    #[must_use]
    pub const fn y(&self) -> Moments {
        Moments {
            n: self.n,
            mean: self.mean_y,
            m2: self.m2_y,
        }
    }

    /// The sample covariance with the divisor n - 1; `None` below two pairs, and when it is not finite.
    #[must_use]
    pub fn covariance(&self) -> Option<f64> {
        (self.n > 1)
            .then(|| self.c_xy / (count(self.n) - 1.0))
            .filter(|covariance| covariance.is_finite())
    }

    /// Pearson's correlation, from -1 to 1; `None` when one of the values does not vary.
    #[must_use]
    pub fn correlation(&self) -> Option<f64> {
        let spread = self.m2_x.sqrt() * self.m2_y.sqrt();
        (self.n > 1 && spread > 0.0 && spread.is_finite()).then(|| (self.c_xy / spread).clamp(-1.0, 1.0))
    }

    /// Takes in one more pair.
    pub fn push(&mut self, x: f64, y: f64) {
        self.n = self.n.saturating_add(1);
        let n = count(self.n);
        let (away_x, away_y) = (x - self.mean_x, y - self.mean_y);
        self.mean_x += away_x / n;
        self.mean_y += away_y / n;
        self.m2_x += away_x * (x - self.mean_x);
        self.m2_y += away_y * (y - self.mean_y);
        self.c_xy += away_x * (y - self.mean_y);
    }

    /// Takes in all that the other has seen: the result is that of all pairs together (Chan, Golub, LeVeque
    /// 1983, The American Statistician 37:242, equation 2.1, and the same for products).
    pub fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        if self.n == 0 {
            *self = *other;
            return;
        }
        let apart = Apart::of(self.n, other.n);
        let (away_x, away_y) = (other.mean_x - self.mean_x, other.mean_y - self.mean_y);
        self.n = apart.n;
        self.mean_x += away_x * apart.share;
        self.mean_y += away_y * apart.share;
        self.m2_x += other.m2_x + away_x * away_x * apart.weight;
        self.m2_y += other.m2_y + away_y * away_y * apart.weight;
        self.c_xy += other.c_xy + away_x * away_y * apart.weight;
    }

    /// Both together, see [`Self::merge`].
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        self.merge(other);
        self
    }

    /// # Errors
    ///
    /// [`Refusal::Invalid`] unless the products can be those of values with such squares.
    fn correlated(&self) -> Result<(), Refusal> {
        let most = at_least_zero(self.m2_x).sqrt() * at_least_zero(self.m2_y).sqrt();
        if self.c_xy.abs() <= most * (1.0 + ROUNDING) {
            return Ok(());
        }
        Err(Refusal::Invalid {
            field: "c_xy",
            value: self.c_xy,
            rule: "be a covariance that such variances can have",
        })
    }

    /// # Errors
    ///
    /// Below two pairs, and for what is no moments of pairs.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        self.x().sample()?;
        self.y().sample()?;
        self.correlated()
    }
}
