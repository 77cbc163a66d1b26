//! One rate at most so many times another: the test of counters that come in look by look.

use crate::Counts;
use crate::moments::count;

/// Bets of the mixture: rates so many powers of two above the hypothesis.
const BETS_PER_DOUBLING: f64 = 3.0;
/// How many bets: up to 64 times the hypothesis.
const BETS: i32 = 18;
/// Where the mixture expects the ratio to be, and how sure it is, in powers of two. Twice the rate is the
/// regression that a rollout is most often about; tails as wide as Cauchy's cost a tenfold rate little.
const EXPECTED: f64 = 1.0;
const SPREAD: f64 = 1.0;

/// Tests that a rate is at most `ratio` times another, on two pairs of counters, one-sided and always valid.
///
/// Each look brings what was counted since the last one: `x1` events among `n1` trials of the treatment,
/// `x0` among `n0` of the control. A bet on the ratio `w > ratio` multiplies its stake by
///
/// ```text
/// (w / ratio)^x1 * ((n1 ratio + n0) / (n1 w + n0))^(x1 + x0)
/// ```
///
/// This is the likelihood ratio of `w` against `ratio` for the events of the treatment among all events,
/// given how many there were: under equal rates each event falls to the treatment with chance
/// `n1 / (n1 + n0)`, whatever the rate. So the rate itself needs not be known, and may change over the
/// day as long as it does so for both. It is the conditional test of two Poisson rates (Gu et al. 2008,
/// Biometrical Journal 50:283) made sequential (Lindon, Malek 2022, arXiv 2011.03567).
///
/// It is valid for requests too, which fail or not, one by one. With `a = w / ratio`,
/// `b = (n1 ratio + n0) / (n1 w + n0)` and independent trials that fail with chance `p1 <= ratio p0` and
/// `p0`, the expected factor is `(1 + p1 (ab - 1))^n1 (1 + p0 (b - 1))^n0`, which is at most
/// `exp(n1 p1 (ab - 1) + n0 p0 (b - 1)) <= exp(p0 (b (n1 w + n0) - n1 ratio - n0)) = 1`. The same holds if
/// every trial has a chance of its own and only the sums keep the ratio. It does *not* hold for trials that
/// fail together.
///
/// The test is a mixture of such bets on fixed ratios, so it finds small regressions and large ones. All of
/// it is kept as logarithms: nothing overflows, and nothing is rounded away.
#[derive(Debug, Clone, PartialEq)]
pub struct RateRatioTest {
    ratio: f64,
    /// The logarithm of what each bet has made of its stake of 1.
    ln_bets: Vec<f64>,
}

impl RateRatioTest {
    /// A test that has seen nothing. `ratio` is how many times the control's rate the treatment's may be; 1
    /// is no worse at all. `None` unless it is finite and more than 0.
    #[must_use]
    pub fn new(ratio: f64) -> Option<Self> {
        Self::resume(ratio, vec![0.0; bets().count()])
    }

    /// A test that goes on where one with these [`Self::ln_bets`] was. `None` if they are none of this
    /// test's.
    #[must_use]
    pub fn resume(ratio: f64, ln_bets: Vec<f64>) -> Option<Self> {
        let usable = ratio.is_finite() && ratio > 0.0;
        let fits = ln_bets.len() == bets().count() && ln_bets.iter().all(|bet| bet.is_finite());
        (usable && fits).then_some(Self { ratio, ln_bets })
    }

    /// The natural logarithm of what each bet has made of its stake: all that the test remembers.
    #[must_use]
    pub fn ln_bets(&self) -> &[f64] {
        &self.ln_bets
    }

    /// Takes in what was counted since the last look.
    pub fn observe(&mut self, treatment: Counts, control: Counts) {
        let (x1, x0) = (count(treatment.events), count(control.events));
        let (n1, n0) = (count(treatment.trials), count(control.trials));
        if n1 == 0.0 || n0 == 0.0 {
            // Without the other side there is nothing to compare with.
            return;
        }
        for (ln_bet, bet) in self.ln_bets.iter_mut().zip(bets()) {
            let share = (n1 * self.ratio + n0) / (n1 * self.ratio * bet.times + n0);
            *ln_bet += x1 * bet.times.ln() + (x1 + x0) * share.ln();
        }
    }

    /// The natural logarithm of the e-value: evidence against the hypothesis so far.
    #[must_use]
    pub fn ln_e(&self) -> f64 {
        let weighed = || self.ln_bets.iter().zip(bets());
        let ln = |(ln_bet, bet): (&f64, Bet)| ln_bet + bet.weight.ln();
        let largest = weighed().map(ln).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = weighed().map(|one| (ln(one) - largest).exp()).sum();
        largest + sum.ln() - weights().ln()
    }

    /// The always-valid p-value: the hypothesis is rejected at the first look at which this is at most
    /// alpha. More than 0 and at most 1; for extreme evidence see [`Self::ln_e`].
    #[must_use]
    pub fn p_value(&self) -> f64 {
        (-self.ln_e()).exp().clamp(f64::MIN_POSITIVE, 1.0)
    }
}

/// One bet: that the rate is `times` the hypothesis', with this much of the stake.
pub(crate) struct Bet {
    pub(crate) times: f64,
    pub(crate) weight: f64,
}

/// All weights together.
pub(crate) fn weights() -> f64 {
    bets().map(|bet| bet.weight).sum()
}

pub(crate) fn bets() -> impl Iterator<Item = Bet> {
    (1..=BETS).map(|step| {
        let doublings = f64::from(step) / BETS_PER_DOUBLING;
        let off = (doublings - EXPECTED) / SPREAD;
        Bet {
            times: doublings.exp2(),
            weight: 1.0 / (1.0 + off * off),
        }
    })
}
