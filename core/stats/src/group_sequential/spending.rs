//! How alpha may be spent as information comes in.

use crate::Refusal;
use crate::distribution::normal;
use std::f64::consts::E;

/// How much of the error of one side may be spent once the share `t` of the information is there; all of it
/// from `t = 1` on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spending {
    /// Little early, bounds as O'Brien and Fleming's: `2 - 2 Phi(z(alpha/2) / sqrt(t))` (Lan, DeMets 1983).
    OBrienFleming,
    /// Much early, bounds as Pocock's: `alpha ln(1 + (e - 1) t)` (Lan, DeMets 1983).
    Pocock,
    /// `alpha t^exponent`, the exponent above 0 (Kim, DeMets 1987, Biometrika 74:149).
    Power {
        /// 1 spends evenly; 3 is near O'Brien and Fleming.
        exponent: f64,
    },
    /// `alpha (1 - exp(-gamma t)) / (1 - exp(-gamma))`, evenly for a gamma of 0 (Hwang, Shih, DeCani 1990,
    /// Statistics in Medicine 9:1439).
    HwangShihDeCani {
        /// -4 is near O'Brien and Fleming, 1 near Pocock.
        gamma: f64,
    },
}

impl Spending {
    pub(super) fn check(self) -> Result<(), Refusal> {
        match self {
            Self::Power { exponent } if !(exponent > 0.0 && exponent.is_finite()) => Err(Refusal::Invalid {
                field: "exponent",
                value: exponent,
                rule: "be a finite number above 0",
            }),
            Self::HwangShihDeCani { gamma } if !gamma.is_finite() => Err(Refusal::Invalid {
                field: "gamma",
                value: gamma,
                rule: "be a finite number",
            }),
            _ => Ok(()),
        }
    }

    /// What may be spent of `alpha`, the error of one side, up to the share `t` of the information.
    #[must_use]
    pub fn spent(self, t: f64, alpha: f64) -> f64 {
        if t >= 1.0 {
            return alpha;
        }
        let share = match self {
            Self::OBrienFleming => {
                return (2.0 * normal::sf(normal::isf(0.5 * alpha) / t.sqrt())).min(alpha);
            }
            Self::Pocock => ((E - 1.0) * t).ln_1p(),
            Self::Power { exponent } => t.powf(exponent),
            Self::HwangShihDeCani { gamma: 0.0 } => t,
            Self::HwangShihDeCani { gamma } if gamma > 0.0 => (-gamma * t).exp_m1() / (-gamma).exp_m1(),
            // The same without exponentials of large numbers.
            Self::HwangShihDeCani { gamma } => {
                (gamma * (1.0 - t)).exp() * (gamma * t).exp_m1() / gamma.exp_m1()
            }
        };
        alpha * share.min(1.0)
    }
}
