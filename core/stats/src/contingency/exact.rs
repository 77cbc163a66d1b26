//! Exact tests: the chance of what was seen and of all that is as unlikely, added up.
//!
//! Only the chance of the observed count needs a formula; its neighbours follow by their ratios, outwards,
//! where they fall. A sum ends when the rest cannot be seen, so the time is a few standard deviations of the
//! count: about 10 microseconds at a million units, and a millisecond at a thousand million.

use crate::distribution::binomial;
use crate::moments::count;
use crate::{Alternative, Counts, PValue, Refusal};

/// How much likelier than the observed outcome another may be and still count as equally likely: ties would
/// otherwise depend on rounding. The same as R's `fisher.test` and `binom.test`.
const SLACK: f64 = 1e-7;
/// What share of a sum cannot be seen in it.
const UNSEEN: f64 = 1e-16;

/// Fisher's exact test of two proportions. `Greater` is that the treatment's odds are larger.
///
/// The two-sided p-value is the chance of all tables with these totals that are not likelier than the observed
/// one (R's rule; Fisher 1935, Journal of the Royal Statistical Society 98:39). When the totals allow a single
/// table, which is the observed one, the p-value is truly 1.
///
/// # Errors
///
/// [`Refusal::TooFew`] without trials, [`Refusal::Invalid`] with more events than trials or more than 2^63
/// trials in both arms.
pub fn fisher_exact(control: Counts, treatment: Counts, alternative: Alternative) -> Result<PValue, Refusal> {
    check(control)?;
    check(treatment)?;
    let all = u128::from(control.trials) + u128::from(treatment.trials);
    if all > 1 << 63 {
        return Err(Refusal::Invalid {
            field: "trials",
            value: count(control.trials) + count(treatment.trials),
            rule: "be at most 2^63 in both arms",
        });
    }
    let table = Hypergeometric {
        treatment: treatment.trials,
        control: control.trials,
        events: control.events + treatment.events,
    };
    let (low, high) = table.support();
    if low == high {
        return Ok(PValue::new(1.0, 0.0));
    }
    Ok(p_value(&table, treatment.events, alternative))
}

/// The exact test that events have the chance `share`, more than 0 and less than 1. `Greater` is that they
/// have a larger one.
///
/// The two-sided p-value is the chance of all counts that are not likelier than the observed one (R's rule).
///
/// # Errors
///
/// [`Refusal::TooFew`] without trials, [`Refusal::Invalid`] with more events than trials, more than 2^63
/// trials, or a `share` not between 0 and 1.
pub fn binomial_test(counts: Counts, share: f64, alternative: Alternative) -> Result<PValue, Refusal> {
    check(counts)?;
    if !(share > 0.0 && share < 1.0) {
        return Err(Refusal::Invalid {
            field: "share",
            value: share,
            rule: "lie between 0 and 1",
        });
    }
    if counts.trials > 1 << 63 {
        return Err(Refusal::Invalid {
            field: "trials",
            value: count(counts.trials),
            rule: "be at most 2^63",
        });
    }
    let tosses = Binomial {
        n: counts.trials,
        share,
    };
    Ok(p_value(&tosses, counts.events, alternative))
}

fn check(counts: Counts) -> Result<(), Refusal> {
    if counts.trials == 0 {
        return Err(Refusal::TooFew {
            what: "trials",
            have: 0.0,
            need: 1.0,
        });
    }
    if counts.events > counts.trials {
        return Err(Refusal::Invalid {
            field: "events",
            value: count(counts.events),
            rule: "be at most the number of trials",
        });
    }
    Ok(())
}

/// A distribution of counts with one hump.
trait Counted {
    /// The smallest and the largest possible count.
    fn support(&self) -> (u64, u64);
    /// A count that none is likelier than.
    fn mode(&self) -> u64;
    /// The natural logarithm of the chance of this count.
    fn ln_chance(&self, k: u64) -> f64;
    /// How many times likelier `k + 1` is than `k`, which is less than the largest.
    fn step_up(&self, k: u64) -> f64;
}

/// Events among the treatment's trials when so many fell on both arms by chance.
struct Hypergeometric {
    treatment: u64,
    control: u64,
    events: u64,
}

impl Counted for Hypergeometric {
    fn support(&self) -> (u64, u64) {
        (
            self.events.saturating_sub(self.control),
            self.events.min(self.treatment),
        )
    }

    fn mode(&self) -> u64 {
        let all = u128::from(self.treatment) + u128::from(self.control);
        let mode = (u128::from(self.events) + 1) * (u128::from(self.treatment) + 1) / (all + 2);
        let (low, high) = self.support();
        u64::try_from(mode).unwrap_or(high).clamp(low, high)
    }

    /// By three binomial chances with the same share, which cancels out (Loader 2000, Fast and Accurate
    /// Computation of Binomial Probabilities): factorials of large totals would leave no digits.
    fn ln_chance(&self, k: u64) -> f64 {
        let all = self.treatment + self.control;
        let share = count(self.events) / count(all);
        binomial::ln_pmf(k, self.treatment, share) + binomial::ln_pmf(self.events - k, self.control, share)
            - binomial::ln_pmf(self.events, all, share)
    }

    fn step_up(&self, k: u64) -> f64 {
        let free = |n: u64| count(n - k);
        // The treatment's other trials and the events elsewhere go down, what they turn into goes up.
        let others_elsewhere = count(self.control + k + 1 - self.events);
        free(self.treatment) * free(self.events) / (count(k + 1) * others_elsewhere)
    }
}

/// Events among `n` trials.
struct Binomial {
    n: u64,
    share: f64,
}

impl Counted for Binomial {
    fn support(&self) -> (u64, u64) {
        (0, self.n)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 0 to 2^63"
    )]
    fn mode(&self) -> u64 {
        let mode = (count(self.n) + 1.0) * self.share;
        (mode.floor() as u64).min(self.n)
    }

    fn ln_chance(&self, k: u64) -> f64 {
        binomial::ln_pmf(k, self.n, self.share)
    }

    fn step_up(&self, k: u64) -> f64 {
        count(self.n - k) / count(k + 1) * (self.share / (1.0 - self.share))
    }
}

fn p_value(counts: &impl Counted, k: u64, alternative: Alternative) -> PValue {
    match alternative {
        Alternative::Greater => at_least(counts, k),
        Alternative::Less => at_most(counts, k),
        Alternative::TwoSided => not_likelier(counts, k),
    }
}

fn at_least(counts: &impl Counted, k: u64) -> PValue {
    if k > counts.mode() {
        PValue::from_ln(ln_upper(counts, k))
    } else {
        complement(ln_below(counts, k))
    }
}

fn at_most(counts: &impl Counted, k: u64) -> PValue {
    if k < counts.mode() {
        PValue::from_ln(ln_lower(counts, k))
    } else if k >= counts.support().1 {
        PValue::new(1.0, 0.0)
    } else {
        complement(ln_upper(counts, k + 1))
    }
}

/// The chance of all counts that are not likelier than this one.
fn not_likelier(counts: &impl Counted, k: u64) -> PValue {
    let mode = counts.mode();
    let limit = counts.ln_chance(k) + SLACK.ln_1p();
    if counts.ln_chance(mode) <= limit {
        return PValue::new(1.0, 0.0);
    }
    let (low, high) = counts.support();
    let (ln_here, ln_there) = if k > mode {
        // From the mode down the chance falls; the first that is small enough is sought.
        let steps = first(mode - low, |steps| counts.ln_chance(mode - steps) <= limit);
        let there = steps.map_or(f64::NEG_INFINITY, |steps| ln_lower(counts, mode - steps));
        (ln_upper(counts, k), there)
    } else {
        let steps = first(high - mode, |steps| counts.ln_chance(mode + steps) <= limit);
        let there = steps.map_or(f64::NEG_INFINITY, |steps| ln_upper(counts, mode + steps));
        (ln_lower(counts, k), there)
    };
    let (more, less) = (ln_here.max(ln_there), ln_here.min(ln_there));
    PValue::from_ln(more + (less - more).exp().ln_1p())
}

/// The smallest number from 1 to `most` for which it holds; once it holds it holds for all larger ones.
fn first(most: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    if most == 0 || !holds(most) {
        return None;
    }
    let (mut without, mut with) = (0, most);
    while with - without > 1 {
        let middle = without + (with - without) / 2;
        if holds(middle) {
            with = middle;
        } else {
            without = middle;
        }
    }
    Some(with)
}

/// The rest of a chance of which this is the logarithm.
fn complement(ln: f64) -> PValue {
    let chance = ln.exp();
    PValue::new((1.0 - chance).clamp(0.0, 1.0), (-chance).ln_1p().min(0.0))
}

/// The logarithm of the chance of less than `k`, which is at most the mode.
fn ln_below(counts: &impl Counted, k: u64) -> f64 {
    if k > counts.support().0 {
        ln_lower(counts, k - 1)
    } else {
        f64::NEG_INFINITY
    }
}

/// The logarithm of the chance of at most `k`, which is below the mode.
fn ln_lower(counts: &impl Counted, k: u64) -> f64 {
    let down = (counts.support().0..k)
        .rev()
        .map(|below| 1.0 / counts.step_up(below));
    counts.ln_chance(k) + sum(down).ln()
}

/// The logarithm of the chance of at least `k`, which is above the mode.
fn ln_upper(counts: &impl Counted, k: u64) -> f64 {
    let up = (k..counts.support().1).map(|here| counts.step_up(here));
    counts.ln_chance(k) + sum(up).ln()
}

/// 1 and all products of the first so many ratios, which fall and are less than 1.
fn sum(ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for ratio in ratios {
        term *= ratio;
        sum += term;
        // The rest is less than a geometric series.
        if term * ratio < UNSEEN * sum * (1.0 - ratio) {
            break;
        }
    }
    sum
}
