//! Which of several independent numbers is the largest, and by how much: integrals over products of one
//! number's density and the others' chances.
//!
//! Each integral is bracketed around its one peak, and all are summed over panels that they share, as
//! narrow as the factors ask for there. So the cost does not grow with the amounts of data, and the chance
//! of a hopeless arm has its digits too.

use super::bracket::{Product, Range, Role};
use super::density::Density;
use super::grid::Grid;
use crate::Refusal;

/// An integrand is left out where it is so many natural logarithms below its peak.
const DEPTH: f64 = 36.0;

/// One integral.
pub(super) struct Term {
    /// For each number.
    pub(super) roles: Vec<Role>,
    /// Whether it is over the width that the axis stands for, and not over the axis.
    pub(super) wide: bool,
    /// Where it is not negligible, if anywhere.
    pub(super) range: Option<Range>,
}

impl Term {
    fn new(numbers: &[Density], wide: bool, role: impl Fn(usize) -> Role) -> Self {
        let roles: Vec<Role> = (0..numbers.len()).map(role).collect();
        let product = Product {
            numbers,
            roles: &roles,
        };
        let range = product.bracket(DEPTH);
        Self { roles, wide, range }
    }
}

/// For each number the chance that it is the largest.
pub(crate) fn best(numbers: &[Density]) -> Vec<f64> {
    chances(Grid::integrals(numbers, &best_terms(numbers), |_| 1.0))
}

/// For each number the chance that it is the largest, and the chance that it is the second largest.
pub(crate) fn places(numbers: &[Density]) -> (Vec<f64>, Vec<f64>) {
    let mut terms = best_terms(numbers);
    for at in 0..numbers.len() {
        for winner in (0..numbers.len()).filter(|winner| *winner != at) {
            terms.push(Term::new(numbers, false, |other| match other {
                _ if other == at => Role::At,
                _ if other == winner => Role::Above,
                _ => Role::Below,
            }));
        }
    }
    let mut all = Grid::integrals(numbers, &terms, |_| 1.0);
    let by_winner = all.split_off(numbers.len());
    let winners = by_winner.chunks(numbers.len().saturating_sub(1).max(1));
    let second = winners.map(|chances| chances.iter().sum()).collect();
    (chances(all), chances(second))
}

/// For each number the chance that it is the largest, and how much the largest of the others is expected to
/// be above `one`, where it is. `width` is what the axis stands for, per unit of it.
///
/// The shortfall is the integral of P(one <= s) P(some other > s), the second factor split by which one is
/// the first to be above. No term is a difference, so a small shortfall keeps its digits.
pub(crate) fn best_and_shortfall(
    numbers: &[Density],
    one: usize,
    width: impl Fn(f64) -> f64,
) -> (Vec<f64>, f64) {
    let mut terms = best_terms(numbers);
    for first in (0..numbers.len()).filter(|first| *first != one) {
        terms.push(Term::new(numbers, true, |other| match other {
            _ if other == one => Role::Below,
            _ if other == first => Role::Above,
            _ if other < first => Role::Below,
            _ => Role::Absent,
        }));
    }
    let mut all = Grid::integrals(numbers, &terms, width);
    let shortfall = all.split_off(numbers.len());
    (chances(all), shortfall.iter().sum())
}

fn best_terms(numbers: &[Density]) -> Vec<Term> {
    let role = |at: usize| move |other: usize| if other == at { Role::At } else { Role::Below };
    let terms = (0..numbers.len()).map(|at| Term::new(numbers, false, role(at)));
    terms.collect()
}

/// What rounding adds to a chance of 1 is taken off.
fn chances(mut integrals: Vec<f64>) -> Vec<f64> {
    for chance in &mut integrals {
        *chance = chance.min(1.0);
    }
    integrals
}

/// There must be something to compare.
pub(crate) fn enough(arms: usize) -> Result<(), Refusal> {
    let too_few = |have| {
        Err(Refusal::TooFew {
            what: "arms",
            have,
            need: 2.0,
        })
    };
    match arms {
        0 => too_few(0.0),
        1 => too_few(1.0),
        _ => Ok(()),
    }
}
