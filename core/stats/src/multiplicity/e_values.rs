//! The false discovery rate of e-values.

use super::{length, level};
use crate::Refusal;
use crate::moments::count;

/// What is said of a family of e-values.
#[derive(Debug, Clone, PartialEq)]
pub struct EFamily {
    /// For each hypothesis, in the order given.
    pub decisions: Vec<EDecision>,
    /// The logarithm of the e-value from which a hypothesis is rejected; with none rejected, of the one that a
    /// single hypothesis would need.
    pub ln_threshold: f64,
    /// Matching confidence sequences of the rejected hypotheses have the confidence 1 - this: the number of the
    /// rejected times alpha / m keeps the false coverage rate at alpha, whatever they depend on (Xu, Wang, Ramdas
    /// 2024, Electronic Journal of Statistics 18:2292). With none rejected it is alpha / m.
    pub level: f64,
}

/// What is said of one hypothesis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EDecision {
    /// The logarithm of its e-value.
    pub ln_e: f64,
    /// Whether it is rejected.
    pub rejected: bool,
    /// The logarithm of the smallest alpha at which it would be; above 0 for none.
    pub ln_adjusted: f64,
}

/// The procedure of Wang, Ramdas (2022), JRSS B 84:822: rejects the k largest e-values, with k the largest such
/// that the k-th is at least `m / (k alpha)`. It keeps the false discovery rate at `alpha` whatever the e-values
/// depend on, and, for those of sequential tests, whenever it is looked at. E-values come by their logarithms.
///
/// # Errors
///
/// When there is no e-value, one is no number, or `alpha` lies not between 0 and 1.
pub fn e_benjamini_hochberg(ln_e: &[f64], alpha: f64) -> Result<EFamily, Refusal> {
    level(alpha)?;
    if let Some(value) = ln_e.iter().find(|ln_e| ln_e.is_nan()) {
        return Err(Refusal::Invalid {
            field: "logarithm of an e-value",
            value: *value,
            rule: "be a number",
        });
    }
    if ln_e.is_empty() {
        return Err(Refusal::TooFew {
            what: "e-values",
            have: 0.0,
            need: 1.0,
        });
    }
    let m = length(ln_e);
    let mut order: Vec<(f64, usize)> = ln_e.iter().copied().zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    // From the smallest e-value on, the smallest alpha so far at which as many are rejected.
    let mut ln_adjusted = f64::INFINITY;
    let mut adjusted = Vec::with_capacity(order.len());
    for (left, (ln_e, place)) in order.iter().enumerate() {
        let rank = m - count(u64::try_from(left).unwrap_or(u64::MAX));
        ln_adjusted = f64::min(ln_adjusted, (m / rank).ln() - ln_e);
        adjusted.push((*place, *ln_e, ln_adjusted));
    }
    adjusted.sort_by_key(|(place, ..)| *place);
    let decisions: Vec<EDecision> = adjusted
        .into_iter()
        .map(|(_, ln_e, ln_adjusted)| EDecision {
            ln_e,
            rejected: ln_adjusted <= alpha.ln(),
            ln_adjusted,
        })
        .collect();
    let rejected = decisions.iter().filter(|one| one.rejected).count();
    let rejected = count(u64::try_from(rejected).unwrap_or(u64::MAX)).max(1.0);
    Ok(EFamily {
        decisions,
        ln_threshold: (m / (rejected * alpha)).ln(),
        level: alpha * (rejected / m),
    })
}
