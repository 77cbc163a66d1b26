//! Two shares compared at any time and at any size: nothing is assumed to be normal.

use crate::moments::count;
use crate::{Alternative, Counts, PValue, Refusal};
use std::f64::consts::PI;

/// From here on Stirling's series has all digits.
const SERIES_FROM: f64 = 15.0;

/// What is expected of each share before there are data: the shapes of a beta distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BetaPrior {
    /// The shape that counts events, above 0.
    pub a: f64,
    /// The shape that counts trials without one, above 0.
    pub b: f64,
}

impl Default for BetaPrior {
    /// Jeffreys' prior, Beta(1/2, 1/2).
    fn default() -> Self {
        Self { a: 0.5, b: 0.5 }
    }
}

/// Evidence against a hypothesis: what a fair bet against it has made of a stake of 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EValue {
    /// Its natural logarithm. The hypothesis is rejected as soon as it is at least `-ln(alpha)`.
    pub ln_e: f64,
    /// 1 over it and at most 1; with several looks the smallest counts.
    pub p: PValue,
}

/// The e-value against equal shares (two-sided), or against a treatment's share that is at most (`Greater`)
/// or at least (`Less`) the control's. Exact at any size, in any allocation, at every look.
///
/// It is universal inference (Wasserman, Ramdas, Balakrishnan 2020, PNAS 117:16880): the likelihood of both
/// arms, each mixed over the prior, over the largest likelihood that the hypothesis can give. The mixture
/// predicts each user from those before, so the ratio is below an e-process. What it pays for being exact is
/// power at small effects; for rare errors in a canary it is the right one.
///
/// All that is large cancels before it is computed, so 1e9 users leave as many digits as 10 do.
///
/// # Errors
///
/// [`Refusal::Invalid`] for more events than trials, or shapes that are not finite and above 0. Empty arms
/// are no error: they are evidence of nothing.
pub fn two_proportion_e_value(
    control: Counts,
    treatment: Counts,
    alternative: Alternative,
    prior: BetaPrior,
) -> Result<EValue, Refusal> {
    for (field, shape) in [("a", prior.a), ("b", prior.b)] {
        if !(shape > 0.0 && shape.is_finite()) {
            return Err(Refusal::Invalid {
                field,
                value: shape,
                rule: "be a finite number above 0",
            });
        }
    }
    let (control, treatment) = (Arm::of(control)?, Arm::of(treatment)?);
    let cross = control.cross(treatment);
    let hypothesis_holds = match alternative {
        Alternative::TwoSided => false,
        Alternative::Greater => cross <= 0,
        Alternative::Less => cross >= 0,
    };
    // The largest likelihood of all is that of the observed shares. If the hypothesis allows them, it is the
    // hypothesis' own; else that one is at equal shares, and lower by the likelihood ratio of the two.
    let apart = if hypothesis_holds {
        0.0
    } else {
        likelihood_ratio(control, treatment, cross)
    };
    let ln_e = control.mixture(prior) + treatment.mixture(prior) + apart;
    Ok(EValue {
        ln_e,
        p: PValue::from_ln(-ln_e.max(0.0)),
    })
}

#[derive(Clone, Copy)]
struct Arm {
    counts: Counts,
    /// Events, trials without one, trials.
    x: f64,
    y: f64,
    n: f64,
}

impl Arm {
    fn of(counts: Counts) -> Result<Self, Refusal> {
        let without = counts
            .trials
            .checked_sub(counts.events)
            .ok_or_else(|| Refusal::Invalid {
                field: "events",
                value: count(counts.events),
                rule: "be at most the trials",
            })?;
        Ok(Self {
            counts,
            x: count(counts.events),
            y: count(without),
            n: count(counts.trials),
        })
    }

    /// `x1 n0 - x0 n1`: above 0 when the treatment's share is the larger. Counts below 2^63 do not overflow.
    fn cross(self, treatment: Self) -> i128 {
        let product = |x: u64, n: u64| i128::from(x).saturating_mul(i128::from(n));
        product(treatment.counts.events, self.counts.trials)
            .saturating_sub(product(self.counts.events, treatment.counts.trials))
    }

    /// The logarithm of the likelihood mixed over the prior, over that of the observed share: at most 0.
    /// Stirling's formula on both sides, without what cancels.
    fn mixture(self, BetaPrior { a, b }: BetaPrior) -> f64 {
        let part = |x: f64, a: f64| grown(x, a) + (a - 0.5) * (x + a).ln() + stirling(x + a);
        let ln_sqrt_tau = 0.5 * (2.0 * PI).ln();
        let beta = |x: f64, y: f64, n: f64| part(x, a) + part(y, b) - part(n, a + b) + ln_sqrt_tau;
        beta(self.x, self.y, self.n) - beta(0.0, 0.0, 0.0)
    }
}

/// The logarithm of the likelihood ratio of two shares of their own against one common share.
fn likelihood_ratio(control: Arm, treatment: Arm, cross: i128) -> f64 {
    let cross = float(cross);
    let (events, without) = (control.x + treatment.x, control.y + treatment.y);
    let total = control.n + treatment.n;
    // How far the cells are from what the common share expects, as a share of that; 0 times it if none are.
    let part = |n: f64, of: f64, sign: f64| {
        if n * of > 0.0 {
            n * of / total * excess(sign * cross / (n * of))
        } else {
            0.0
        }
    };
    part(treatment.n, events, 1.0)
        + part(treatment.n, without, -1.0)
        + part(control.n, events, -1.0)
        + part(control.n, without, 1.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the difference was exact; 16 digits of it do"
)]
const fn float(number: i128) -> f64 {
    number as f64
}

/// `(1 + d) ln(1 + d) - d` for d from -1 on, with all digits near 0.
fn excess(d: f64) -> f64 {
    if d <= -1.0 {
        return 1.0;
    }
    if d.abs() >= 0.1 {
        return (1.0 + d) * d.ln_1p() - d;
    }
    // d^2/2 - d^3/6 + d^4/12 - ...
    let terms = (2..=18).map(f64::from);
    let (sum, _) = terms.fold((0.0, d * d), |(sum, power), k| {
        (sum + power / (k * (k - 1.0)), -power * d)
    });
    sum
}

/// `x ln((x + a) / x)`, 0 for no x.
fn grown(x: f64, a: f64) -> f64 {
    if x > 0.0 { x * (a / x).ln_1p() } else { 0.0 }
}

/// What Stirling's formula lacks of the logarithm of the gamma function at `z` above 0.
fn stirling(z: f64) -> f64 {
    let (mut z, mut lacks) = (z, 0.0);
    while z < SERIES_FROM {
        lacks += (z + 0.5) * (1.0 / z).ln_1p() - 1.0;
        z += 1.0;
    }
    let s = 1.0 / (z * z);
    let series = 1.0 / 12.0 - s * (1.0 / 360.0 - s * (1.0 / 1260.0 - s * (1.0 / 1680.0 - s / 1188.0)));
    lacks + series / z
}
