//! The interval that belongs to Fisher's exact test, in any unit.

use super::fisher_exact;
use crate::moments::count;
use crate::{Alternative, Counts, Interval, Refusal};

/// Halvings until an end of an interval is found: more digits than a number has.
const HALVINGS: u32 = 200;
/// An end whose logarithm is closer than this is found.
const CLOSE: f64 = 1e-12;
/// Doublings until an end lies between two points.
const DOUBLINGS: u32 = 12;
/// What is less likely than this, as a share of the likeliest count, is left out.
const UNSEEN: f64 = 1e-20;
/// Counts whose chances differ by no more than rounding are taken for as likely.
const SLACK: f64 = 1e-7;

/// The shares of both arms: the control's and the treatment's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Of the control.
    pub control: f64,
    /// Of the treatment.
    pub treatment: f64,
}

/// Two pairs of shares between which the truth lies with the coverage 1 - `alpha`: the first has the smallest odds
/// ratio that Fisher's exact test does not reject on the treatment's side of the estimate, the second the largest.
/// Both have the observed total of events, as the test does, so that the difference, the ratio and the odds ratio of
/// the shares all come from one test: each leaves "no difference" out exactly when the two-sided p-value of
/// [`fisher_exact`] is below `alpha`.
///
/// The odds ratios are those whose two-sided test, by the order of likelihood, has a p-value of at least `alpha`
/// (Sterne 1954, Biometrika 41:275; for two shares Baptista, Pike 1977, Applied Statistics 26:214).
///
/// # Errors
///
/// As [`fisher_exact`], [`Refusal::NoVariance`] when the totals allow a single table, [`Refusal::Invalid`] when `alpha`
/// lies not between 0 and 1.
pub fn exact_interval(control: Counts, treatment: Counts, alpha: f64) -> Result<(Shares, Shares), Refusal> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Refusal::Invalid {
            field: "alpha",
            value: alpha,
            rule: "lie between 0 and 1",
        });
    }
    let p = fisher_exact(control, treatment, Alternative::TwoSided)?;
    let table = Table::of(control, treatment);
    if table.low == table.high {
        return Err(Refusal::NoVariance);
    }
    let equal_kept = p.p >= alpha;
    let ends = Interval {
        lower: table.end(alpha, -1.0, equal_kept),
        upper: table.end(alpha, 1.0, equal_kept),
    };
    Ok((table.shares(ends.lower), table.shares(ends.upper)))
}

/// Events of the treatment when so many fell on both arms.
struct Table {
    control: u64,
    treatment: u64,
    events: u64,
    low: u64,
    high: u64,
    here: u64,
}

impl Table {
    const fn of(control: Counts, treatment: Counts) -> Self {
        let events = control.events + treatment.events;
        Self {
            control: control.trials,
            treatment: treatment.trials,
            events,
            low: events.saturating_sub(control.trials),
            high: if events < treatment.trials {
                events
            } else {
                treatment.trials
            },
            here: treatment.events,
        }
    }

    /// How many times likelier `k + 1` is than `k` at equal shares.
    fn step_up(&self, k: u64) -> f64 {
        let up = count(self.treatment - k) * count(self.events - k);
        up / (count(k + 1) * count(self.control + k + 1 - self.events))
    }

    /// The likeliest count at these odds.
    fn mode(&self, odds: f64) -> u64 {
        let (mut below, mut above) = (self.low, self.high);
        while below < above {
            let middle = below + (above - below) / 2;
            if self.step_up(middle) * odds >= 1.0 {
                below = middle + 1;
            } else {
                above = middle;
            }
        }
        below
    }

    /// The chances of all counts that matter as shares of the likeliest one's, going away from it to one side.
    fn fall(&self, mode: u64, odds: f64, up: bool) -> impl Iterator<Item = (u64, f64)> {
        let mut at = mode;
        let mut weight = 1.0;
        std::iter::from_fn(move || {
            if up {
                if at >= self.high {
                    return None;
                }
                weight *= self.step_up(at) * odds;
                at += 1;
            } else {
                if at <= self.low {
                    return None;
                }
                at -= 1;
                weight /= self.step_up(at) * odds;
            }
            (weight > UNSEEN).then_some((at, weight))
        })
    }

    /// The chance, at these odds, of all counts that are not likelier than the observed one.
    fn p(&self, odds: f64) -> f64 {
        let mode = self.mode(odds);
        let all = || {
            let around = self.fall(mode, odds, false).chain(self.fall(mode, odds, true));
            around.chain(std::iter::once((mode, 1.0)))
        };
        let observed = all().find(|(k, _)| *k == self.here).map_or(0.0, |one| one.1);
        let limit = observed * (1.0 + SLACK);
        let total: f64 = all().map(|one| one.1).sum();
        let extreme: f64 = all().map(|one| one.1).filter(|weight| *weight <= limit).sum();
        extreme / total
    }

    /// The smallest (-1) or the largest (1) odds ratio that is kept.
    fn end(&self, alpha: f64, side: f64, equal_kept: bool) -> f64 {
        let edge = if side > 0.0 { self.high } else { self.low };
        if self.here == edge {
            return if side > 0.0 { f64::INFINITY } else { 0.0 };
        }
        let kept = |ln_odds: f64| self.p(ln_odds.exp()) >= alpha;
        let estimate = self.estimate();
        // Equal shares lie between the estimate and this end, or at it.
        let towards_equal = estimate * side <= 0.0;
        let (mut inside, mut outside) = if towards_equal && !equal_kept {
            (estimate, 0.0)
        } else {
            let from = if towards_equal { 0.0 } else { estimate };
            let mut step = 1.0;
            for _ in 0..DOUBLINGS {
                if !kept(from + side * step) {
                    break;
                }
                step *= 2.0;
            }
            (from, from + side * step)
        };
        for _ in 0..HALVINGS {
            if (outside - inside).abs() <= CLOSE {
                break;
            }
            let middle = f64::midpoint(inside, outside);
            if kept(middle) {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        inside.exp()
    }

    /// The logarithm of the observed odds ratio, half an event in empty cells: inside of what is kept.
    fn estimate(&self) -> f64 {
        let cell = |n: u64| count(n).max(0.5);
        let elsewhere = self.events - self.here;
        let odds = cell(self.here) / cell(self.treatment - self.here);
        (odds / (cell(elsewhere) / cell(self.control - elsewhere))).ln()
    }

    /// The shares with the observed total of events that have this odds ratio.
    fn shares(&self, odds: f64) -> Shares {
        let (low, high) = (count(self.low), count(self.high));
        let (mut below, mut above) = (low, high);
        let (control, treatment, events) = (count(self.control), count(self.treatment), count(self.events));
        if odds == 0.0 {
            above = low;
        } else if odds.is_infinite() {
            below = high;
        }
        for _ in 0..HALVINGS {
            let x = f64::midpoint(below, above);
            if x <= below || x >= above {
                break;
            }
            // The odds of the treatment less so many times the control's, times both denominators.
            let elsewhere = events - x;
            if x * (control - elsewhere) > odds * elsewhere * (treatment - x) {
                above = x;
            } else {
                below = x;
            }
        }
        let x = f64::midpoint(below, above);
        Shares {
            control: (events - x) / control,
            treatment: x / treatment,
        }
    }
}
