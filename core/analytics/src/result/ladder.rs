//! Repeated p-values of a group sequential design: the smallest alpha at which a look rejects.
//!
//! Where the bound of this look lies is computed for a few alphas and interpolated between them. Along the root of
//! -ln(alpha) it is nearly a straight line, so that a few are enough.

use tidegate_stats::distribution::normal;
use tidegate_stats::group_sequential::{Boundary, Design, Plan, Spending};
use tidegate_stats::{Alternative, PValue, Refusal};

/// One less than the alphas.
const PIECES: u32 = 7;
/// The largest alpha: above it nobody is interested.
const MOST: f64 = 0.9;
/// The smallest alpha, unless the bounds of smaller ones are out of reach already.
const LEAST: f64 = 1e-12;
/// A bound so far out is out of reach.
const FAR: f64 = 35.0;
/// Halvings until a p-value is found.
const HALVINGS: u32 = 60;

/// One look of a design, at all alphas.
#[derive(Debug, Clone)]
pub(crate) struct Ladder {
    /// The root of -ln(alpha), from the smallest on, and the bound there.
    rungs: Vec<Rung>,
}

#[derive(Debug, Clone, Copy)]
struct Rung {
    root: f64,
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
        let (from, to) = (root(MOST), root(least));
        let (middle, half) = (f64::midpoint(from, to), (to - from) / 2.0);
        let rungs = (0..=PIECES)
            .map(|piece| {
                let angle = std::f64::consts::PI * f64::from(piece) / f64::from(PIECES);
                let root = middle - half * angle.cos();
                let sign = if piece % 2 == 0 { 1.0 } else { -1.0 };
                let end = piece == 0 || piece == PIECES;
                Ok(Rung {
                    root,
                    bound: taken.bound((-root * root).exp())?,
                    weight: if end { sign / 2.0 } else { sign },
                })
            })
            .collect::<Result<Vec<_>, Refusal>>()?;
        Ok(Self { rungs })
    }

    /// From how many standard errors on the look rejects, with this total error; infinite below the smallest one.
    pub(crate) fn bound(&self, alpha: f64) -> f64 {
        let root = root(alpha.min(1.0));
        let (from, to) = self.ends();
        if root > to.root {
            f64::INFINITY
        } else {
            self.at(root.max(from.root))
        }
    }

    /// The smallest total error with which so many standard errors reject; the smallest there is for more.
    pub(crate) fn p(&self, z: f64) -> PValue {
        let (from, to) = self.ends();
        if z < from.bound {
            return PValue::new(1.0, 0.0);
        }
        if z >= to.bound {
            return PValue::from_ln(-to.root * to.root);
        }
        let (mut low, mut high) = (from.root, to.root);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if self.at(middle) <= z {
                low = middle;
            } else {
                high = middle;
            }
        }
        PValue::from_ln(-low * low)
    }

    fn ends(&self) -> (Rung, Rung) {
        let none = Rung {
            root: f64::INFINITY,
            bound: f64::INFINITY,
            weight: 0.0,
        };
        (
            self.rungs.first().copied().unwrap_or(none),
            self.rungs.last().copied().unwrap_or(none),
        )
    }

    fn at(&self, root: f64) -> f64 {
        let (mut up, mut down) = (0.0, 0.0);
        for rung in &self.rungs {
            let away = root - rung.root;
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

fn root(alpha: f64) -> f64 {
    (-alpha.ln()).max(0.0).sqrt()
}

impl Taken {
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
                for alpha in [0.2, 0.05, 0.025, 0.05 / 3.0, 0.005, 1e-4, 1e-7] {
                    let (got, want) = (ladder.bound(alpha), taken.bound(alpha).unwrap());
                    assert!((got - want).abs() < 2e-4 * want, "{spending:?} {before:?} {alpha}: {got} {want}");
                    let back = ladder.p(got);
                    assert!((back.ln - alpha.ln()).abs() < 1e-9, "{alpha}: {back:?}");
                }
            }
        }
    }

    #[test]
    fn a_single_look_is_an_ordinary_test() {
        let ladder = Ladder::of(&taken(Spending::OBrienFleming, &[], 1.0)).unwrap();
        for z in [1.0, 1.96, 2.5, 4.0, 6.0] {
            let want = 2.0 * normal::sf(z);
            assert!((ladder.p(z).p - want).abs() < 2e-3 * want, "{z}");
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
        assert!(ladder.p(40.0).p > 0.0, "what is beyond the last rung is no smaller than that");
    }

    #[test]
    fn what_is_too_early_is_refused() {
        let early = Ladder::of(&taken(Spending::OBrienFleming, &[], 1e-4));
        assert_eq!(early.unwrap_err(), TOO_EARLY);
        let backwards = Ladder::of(&taken(Spending::OBrienFleming, &[0.5], 0.4));
        assert!(matches!(backwards.unwrap_err(), Refusal::Invalid { .. }));
    }
}
