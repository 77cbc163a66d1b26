//! Error budgets and how fast they burn (Beyer et al., The Site Reliability Workbook, 2018, chapter 5).

/// What share of all events must be good, over some period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective(f64);

impl Objective {
    /// An objective of this share of good events, more than 0 and less than 1; `None` otherwise: an
    /// objective of 1 leaves no budget, and any error would burn it infinitely fast.
    #[must_use]
    pub fn new(good: f64) -> Option<Self> {
        (good > 0.0 && good < 1.0).then_some(Self(good))
    }

    /// The share of events that may be bad.
    #[must_use]
    pub fn error_budget(self) -> f64 {
        1.0 - self.0
    }

    /// How many times faster than sustainable the budget burns at this share of bad events: at 1 it is
    /// used up exactly at the end of the period.
    #[must_use]
    pub fn burn_rate(self, error_ratio: f64) -> f64 {
        error_ratio / self.error_budget()
    }

    /// The share of the budget that is left after a whole period with this share of bad events;
    /// negative once it is overspent.
    #[must_use]
    pub fn budget_left(self, error_ratio: f64) -> f64 {
        1.0 - self.burn_rate(error_ratio)
    }
}

/// The share of a period's budget that burning at `rate` for `window` uses up; both times in the same
/// unit.
#[must_use]
pub fn budget_spent(rate: f64, window: f64, period: f64) -> f64 {
    rate * window / period
}

/// How far two windows together are from a burn rate, as a share of it: at 1 and above the budget
/// burns too fast. The long window shows that it matters, the short one that it still goes on, so the
/// slower of the two counts.
#[must_use]
pub fn multi_window(long: f64, short: f64, rate: f64) -> f64 {
    long.min(short) / rate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64) {
        assert!(
            (got - want).abs() <= 1e-12 * want.abs().max(1.0),
            "{got} for {want}"
        );
    }

    /// The numbers of the workbook's table 5-4, for 99.9 % over 30 days.
    #[test]
    fn the_workbooks_table() {
        let objective = Objective::new(0.999).unwrap();
        near(objective.error_budget(), 0.001);
        near(objective.burn_rate(0.0144), 14.4);
        let days = 24.0;
        for (rate, hours, spent) in [(14.4, 1.0, 0.02), (6.0, 6.0, 0.05), (1.0, 72.0, 0.10)] {
            near(budget_spent(rate, hours, 30.0 * days), spent);
        }
    }

    #[test]
    fn what_is_left_of_a_budget() {
        let objective = Objective::new(0.99).unwrap();
        for (ratio, left) in [(0.0, 1.0), (0.0025, 0.75), (0.01, 0.0), (0.02, -1.0)] {
            near(objective.budget_left(ratio), left);
        }
    }

    #[test]
    fn both_windows_must_burn() {
        for (long, short, burning) in [
            (20.0, 20.0, true),
            (14.4, 14.4, true),
            (20.0, 1.0, false),
            (1.0, 20.0, false),
        ] {
            assert_eq!(multi_window(long, short, 14.4) >= 1.0, burning, "{long} {short}");
        }
    }

    #[test]
    fn an_objective_leaves_room_for_something() {
        for wrong in [0.0, 1.0, 1.5, -0.1, f64::NAN] {
            assert_eq!(Objective::new(wrong), None, "{wrong}");
        }
    }
}
