//! Several hypotheses tested at once: adjusted p-values, decisions and the levels of matching intervals.
//!
//! Of many tests of nothing some alarm. [`adjust`] holds down either the chance of any false alarm (family-wise:
//! Bonferroni, Šidák, Holm, Hochberg, Hommel) or the share of false ones among the alarms (false discovery rate:
//! Benjamini and Hochberg, Benjamini and Yekutieli, two stages). [`e_benjamini_hochberg`] does the latter for
//! e-values, at any time. A p-value that underflows keeps its place by its logarithm, and one that is no number
//! is refused, never sorted.

mod e_values;
mod scale;
mod steps;

pub use e_values::{EDecision, EFamily, e_benjamini_hochberg};

use crate::moments::count;
use crate::{PValue, Refusal};
use scale::smaller;
use steps::Ordered;

/// How p-values are adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// Times the number of hypotheses. Family-wise, whatever the tests depend on.
    Bonferroni,
    /// `1 - (1 - p)^m`. Family-wise for independent tests; Šidák (1967), JASA 62:626.
    Sidak,
    /// Bonferroni in steps, from the smallest p on. Family-wise, whatever the tests depend on, and never weaker
    /// than Bonferroni; Holm (1979), Scandinavian Journal of Statistics 6:65.
    Holm,
    /// Šidák in steps, from the smallest p on. Family-wise for independent tests.
    HolmSidak,
    /// In steps from the largest p on. Family-wise for independent tests or positively dependent ones; Hochberg
    /// (1988), Biometrika 75:800.
    Hochberg,
    /// The closure of Simes' test, never weaker than [`Self::Hochberg`] and under the same conditions; Hommel
    /// (1988), Biometrika 75:383.
    Hommel,
    /// The false discovery rate for independent tests or positively dependent ones; Benjamini, Hochberg (1995),
    /// JRSS B 57:289.
    BenjaminiHochberg,
    /// The false discovery rate whatever the tests depend on; Benjamini, Yekutieli (2001), Annals of
    /// Statistics 29:1165.
    BenjaminiYekutieli,
    /// The false discovery rate for independent tests, with the number of true nulls told from a first stage;
    /// Benjamini, Krieger, Yekutieli (2006), Biometrika 93:491, definition 6. What it adjusts to depends on alpha.
    TwoStage,
}

/// What intervals at the levels of [`Adjusted::level`] promise together. In every case the interval of a test
/// leaves the null out exactly when its hypothesis is rejected, if both come from one statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All of them cover with the chance 1 - alpha, under the conditions of the correction.
    Simultaneous,
    /// Of those that belong to rejected hypotheses, the share that misses is at most alpha on average: the false
    /// coverage rate of Benjamini, Yekutieli (2005), JASA 100:71. The others agree with their decisions.
    FalseCoverageRate,
    /// They agree with the decisions, and promise nothing together: each is at the level of the step that
    /// decided.
    Agreeing,
}

impl Correction {
    /// What intervals at its levels promise together; `None` where no interval matches.
    #[must_use]
    pub const fn coverage(self) -> Option<Coverage> {
        match self {
            Self::Bonferroni | Self::Sidak => Some(Coverage::Simultaneous),
            Self::BenjaminiHochberg | Self::BenjaminiYekutieli => Some(Coverage::FalseCoverageRate),
            Self::Holm | Self::HolmSidak | Self::Hochberg | Self::Hommel => Some(Coverage::Agreeing),
            Self::TwoStage => None,
        }
    }
}

/// What is said of one hypothesis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adjusted {
    /// The smallest alpha at which it would be rejected; for [`Correction::TwoStage`] the p-value that is
    /// compared with this alpha.
    pub p: PValue,
    /// Whether that is at most alpha.
    pub rejected: bool,
    /// The matching interval has the confidence 1 - this; see [`Coverage`]. `None` for [`Correction::TwoStage`],
    /// which rejects p-values above alpha when most others are small: no interval can match that.
    pub level: Option<f64>,
}

/// Adjusts the p-values of one family of hypotheses at the level `alpha`; the answers are in their order.
///
/// # Errors
///
/// When there is no p-value, one is no number from 0 to 1 or its logarithm is not its own, or `alpha` lies not
/// between 0 and 1.
pub fn adjust(p_values: &[PValue], correction: Correction, alpha: f64) -> Result<Vec<Adjusted>, Refusal> {
    level(alpha)?;
    let ordered = Ordered::of(p_values)?;
    let (adjusted, levels) = match correction {
        Correction::Bonferroni => ordered.bonferroni(alpha),
        Correction::Sidak => ordered.sidak(alpha),
        Correction::Holm => ordered.holm(alpha),
        Correction::HolmSidak => ordered.holm_sidak(alpha),
        Correction::Hochberg => ordered.hochberg(alpha),
        Correction::Hommel => ordered.hommel(alpha),
        Correction::BenjaminiHochberg => ordered.step_up(alpha, 1.0),
        Correction::BenjaminiYekutieli => ordered.step_up(alpha, harmonic(p_values.len())),
        Correction::TwoStage => ordered.two_stage(alpha),
    };
    Ok(
        ordered.in_place(adjusted.into_iter().zip(levels).map(|(p, level)| Adjusted {
            p,
            rejected: at_most(&p, alpha),
            level,
        })),
    )
}

fn level(alpha: f64) -> Result<(), Refusal> {
    if alpha > 0.0 && alpha < 1.0 {
        Ok(())
    } else {
        Err(Refusal::Invalid {
            field: "alpha",
            value: alpha,
            rule: "lie between 0 and 1",
        })
    }
}

fn at_most(p: &PValue, alpha: f64) -> bool {
    !smaller(&PValue::new(alpha, alpha.ln()), p)
}

fn length<T>(slice: &[T]) -> f64 {
    count(u64::try_from(slice.len()).unwrap_or(u64::MAX))
}

/// 1 + 1/2 + ... + 1/m, added up from the small end.
fn harmonic(m: usize) -> f64 {
    let m = u64::try_from(m).unwrap_or(u64::MAX);
    (1..=m).rev().map(|i| 1.0 / count(i)).sum()
}
