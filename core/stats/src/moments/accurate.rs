//! Sums that keep the digits which plain addition drops (Neumaier 1974, Zeitschrift für Angewandte Mathematik und
//! Mechanik 54:39; the exact error of one addition: Knuth, The Art of Computer Programming 2, section 4.2.2,
//! theorem B).

/// A sum and what rounding has taken off it so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    /// With one value more.
    pub(super) fn plus(self, value: f64) -> Self {
        let sum = self.sum + value;
        let moved = sum - self.sum;
        let lost = (self.sum - (sum - moved)) + (value - moved);
        Self {
            sum,
            lost: self.lost + lost,
        }
    }

    /// The sum, rounded once.
    pub(super) fn total(self) -> f64 {
        self.sum + self.lost
    }

    /// The sum divided by the number of its values, with the remainder of the division divided too: equal
    /// values have exactly themselves as their mean.
    pub(super) fn mean(self, n: f64) -> f64 {
        let mean = self.sum / n;
        let remainder = (-mean).mul_add(n, self.sum);
        mean + (remainder + self.lost) / n
    }
}
