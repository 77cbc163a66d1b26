//! Repeated p-values of a group sequential design: the smallest alpha at which a look rejects.
//!
//! Where the bound of this look lies is computed for a few alphas and interpolated between them. Against the critical
//! value of an ordinary test with that alpha it is nearly a straight line, so that a few are enough.

use std::f64::consts::LN_2;
use tidegate_stats::distribution::normal;
use tidegate_stats::group_sequential::{Boundary, Design, Plan, Spending};
use tidegate_stats::{Alternative, PValue, Refusal};

/// One less than the alphas.
const PIECES: u32 = 7;
/// The largest alpha. A p-value above it is given as 1.
const MOST: f64 = 0.5;
/// The smallest alpha, unless the bounds of smaller ones are out of reach already. Below it bounds are on the safe side.
const LEAST: f64 = 1e-5;
/// A bound so far out is out of reach.
const FAR: f64 = 35.0;
/// Beyond this critical value chances are no numbers.
const FARTHEST: f64 = 37.0;
/// Halvings until a p-value is found.
const HALVINGS: u32 = 60;

/// One look of a design, at all alphas.
#[derive(Debug, Clone)]
pub(crate) struct Ladder {
    taken: Taken,
    /// From the smallest critical value on.
    rungs: Vec<Rung>,
}

#[derive(Debug, Clone, Copy)]
struct Rung {
    /// The critical value of an ordinary test with that alpha.
    plain: f64,
    /// The bound with that alpha.
    bound: f64,
    /// Of the barycentric formula.
    weight: f64,
}

/// A look at a share of the planned information, after others.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) spending: Spending,
    /// The shares at which there were looks before.
    pub(crate) before: Vec<f64>,
    /// The share now.
    pub(crate) now: f64,
    /// Whether no other look will come, whatever this one shows.
    pub(crate) is_last: bool,
}

impl Ladder {
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for looks that do not come one after the other, [`Refusal::Undefined`] when it is so early
    /// that hardly anything may be spent.
    pub(crate) fn of(taken: &Taken) -> Result<Self, Refusal> {
        let least = LEAST.max(4.0 * normal::sf(FAR * taken.now.min(1.0).sqrt()));
        if least >= MOST / 2.0 {
            return Err(TOO_EARLY);
        }
        let (from, to) = (plain(MOST), plain(least));
        let (middle, half) = (f64::midpoint(from, to), (to - from) / 2.0);
        let rungs = (0..=PIECES)
            .map(|piece| {
                let angle = std::f64::consts::PI * f64::from(piece) / f64::from(PIECES);
                let plain = middle - half * angle.cos();
                let sign = if piece % 2 == 0 { 1.0 } else { -1.0 };
                let end = piece == 0 || piece == PIECES;
                Ok(Rung {
                    plain,
                    bound: taken.bound(2.0 * normal::sf(plain))?,
                    weight: if end { sign / 2.0 } else { sign },
                })
            })
            .collect::<Result<Vec<_>, Refusal>>()?;
        Ok(Self {
            taken: taken.clone(),
            rungs,
        })
    }

    /// From how many standard errors on the look rejects, with this total error; infinite where nothing may be spent.
    pub(crate) fn bound(&self, alpha: f64) -> f64 {
        let plain = plain(alpha.min(1.0));
        let (from, to) = self.ends();
        if plain > to.plain {
            self.taken.safe_bound(alpha).max(to.bound)
        } else {
            self.at(plain.max(from.plain))
        }
    }

    /// The smallest total error with which so many standard errors reject.
    pub(crate) fn p(&self, z: f64) -> PValue {
        let (from, to) = self.ends();
        if z < from.bound {
            return PValue::new(1.0, 0.0);
        }
        // Beyond the last rung as far as chances are numbers.
        let far = z >= to.bound;
        let (mut low, mut high) = if far {
            (to.plain, FARTHEST)
        } else {
            (from.plain, to.plain)
        };
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            let bound = if far {
                self.taken.safe_bound(2.0 * normal::sf(middle))
            } else {
                self.at(middle)
            };
            if bound <= z {
                low = middle;
            } else {
                high = middle;
            }
        }
        PValue::from_ln(normal::ln_sf(low) + LN_2)
    }

    fn ends(&self) -> (Rung, Rung) {
        let none = Rung {
            plain: f64::INFINITY,
            bound: f64::INFINITY,
            weight: 0.0,
        };
        (
            self.rungs.first().copied().unwrap_or(none),
            self.rungs.last().copied().unwrap_or(none),
        )
    }

    fn at(&self, plain: f64) -> f64 {
        let (mut up, mut down) = (0.0, 0.0);
        for rung in &self.rungs {
            let away = plain - rung.plain;
            if away == 0.0 {
                return rung.bound;
            }
            up += rung.weight / away * rung.bound;
            down += rung.weight / away;
        }
        up / down
    }
}

const TOO_EARLY: Refusal = Refusal::Undefined {
    why: "so early hardly any of alpha may be spent",
};

/// The critical value of an ordinary two-sided test.
fn plain(alpha: f64) -> f64 {
    normal::isf(alpha / 2.0)
}

impl Taken {
    /// A bound that is on the safe side: that of a test which cannot have ended before, with no more than this look
    /// may spend. Where alpha is small it is hardly beyond the one that counts on earlier looks.
    fn safe_bound(&self, alpha: f64) -> f64 {
        let side = alpha / 2.0;
        let now = if self.is_last {
            side
        } else {
            self.spending.spent(self.now, side)
        };
        let before = self
            .before
            .last()
            .map_or(0.0, |before| self.spending.spent(*before, side));
        let left = now - before;
        if left > 0.0 {
            normal::isf(left)
        } else {
            f64::INFINITY
        }
    }

    /// The bound of this look with this total error.
    fn bound(&self, alpha: f64) -> Result<f64, Refusal> {
        let plan = Plan {
            alternative: Alternative::TwoSided,
            alpha,
            boundary: Boundary::Spending(self.spending),
        };
        let mut design = Design::new(plan, &self.before)?;
        let look = if self.is_last {
            design.last_look(self.now)?
        } else {
            design.look(self.now)?
        };
        if look.bound.is_finite() {
            Ok(look.bound)
        } else {
            Err(TOO_EARLY)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(spending: Spending, before: &[f64], now: f64) -> Taken {
        Taken {
            spending,
            before: before.to_vec(),
            now,
            is_last: false,
        }
    }

    /// Between the rungs the bound is that of a design of its own.
    #[test]
    fn interpolated_bounds_are_those_of_designs() {
        for spending in [Spending::OBrienFleming, Spending::Pocock] {
            for (before, now) in [
                (vec![], 0.2),
                (vec![0.2], 0.45),
                (vec![0.2, 0.4], 0.6),
                (vec![0.2, 0.4, 0.6, 0.8], 1.0),
                (vec![0.5], 1.1),
            ] {
                let taken = taken(spending, &before, now);
                let ladder = Ladder::of(&taken).unwrap();
                for alpha in [0.2, 0.05, 0.025, 0.05 / 3.0, 0.005, 1e-4, 1e-6] {
                    let (got, want) = (ladder.bound(alpha), taken.bound(alpha).unwrap());
                    let off = (got - want) / want;
                    let within = if alpha > LEAST { -1e-4..1e-4 } else { -1e-9..0.01 };
                    assert!(
                        within.contains(&off),
                        "{spending:?} {before:?} {alpha}: {got} for {want}"
                    );
                    let back = ladder.p(got);
                    assert!((back.ln - alpha.ln()).abs() < 1e-9, "{alpha}: {back:?}");
                }
            }
        }
    }

    #[test]
    fn a_single_look_is_an_ordinary_test() {
        let ladder = Ladder::of(&taken(Spending::OBrienFleming, &[], 1.0)).unwrap();
        for z in [1.0, 1.96, 2.5, 4.0, 6.0, 30.0] {
            let want = normal::ln_sf(z) + LN_2;
            assert!((ladder.p(z).ln - want).abs() < 1e-9 * want.abs(), "{z}");
        }
    }

    #[test]
    fn evidence_never_speaks_less_for_being_larger() {
        let ladder = Ladder::of(&taken(Spending::Pocock, &[0.3], 0.7)).unwrap();
        let steps: Vec<f64> = (0..200).map(|step| f64::from(step) * 0.05).collect();
        for pair in steps.windows(2) {
            assert!(ladder.p(pair[1]).ln <= ladder.p(pair[0]).ln, "{pair:?}");
        }
        assert_eq!(ladder.p(0.0).p, 1.0);
        assert!(ladder.p(60.0).p > 0.0, "no evidence is beyond chance");
    }

    #[test]
    fn what_is_too_early_is_refused() {
        let early = Ladder::of(&taken(Spending::OBrienFleming, &[], 1e-4));
        assert_eq!(early.unwrap_err(), TOO_EARLY);
        let backwards = Ladder::of(&taken(Spending::OBrienFleming, &[0.5], 0.4));
        assert!(matches!(backwards.unwrap_err(), Refusal::Invalid { .. }));
    }
}
