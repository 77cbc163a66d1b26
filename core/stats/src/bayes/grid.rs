//! Panels that several integrals share, with the densities and chances of all numbers at their nodes.

use super::bracket::Role;
use super::contest::Term;
use super::density::{Density, NOTHING};
use crate::quadrature::{self, NODES};

/// Values at the nodes of a panel.
type Values = [f64; NODES];

/// A panel of an axis, with one cell a number.
struct Panel {
    left: f64,
    right: f64,
    /// `None` where no integral needs the number, or it is beyond doubt on which side of the panel it is.
    cells: Vec<Option<Cell>>,
}

/// What there is of a number on a panel.
struct Cell {
    density: Values,
    below: Values,
    above: Values,
    mass: f64,
    /// The mass from the left end to each node.
    partial: Values,
}

/// The panels, left to right.
pub(super) struct Grid<'a> {
    numbers: &'a [Density],
    terms: &'a [Term],
    panels: Vec<Panel>,
}

impl<'a> Grid<'a> {
    /// The integrals of all terms. `width` is what the axis stands for, per unit of it.
    pub(super) fn integrals(
        numbers: &'a [Density],
        terms: &'a [Term],
        width: impl Fn(f64) -> f64,
    ) -> Vec<f64> {
        let mut grid = Self {
            numbers,
            terms,
            panels: Vec::new(),
        };
        grid.lay();
        grid.fill_below();
        if terms.iter().any(|term| term.roles.contains(&Role::Above)) {
            grid.fill_above();
        }
        grid.sum(width)
    }

    /// Lays panels wherever some integral is not negligible.
    fn lay(&mut self) {
        let ranges = || self.terms.iter().filter_map(|term| term.range);
        let end = ranges().map(|range| range.to).fold(f64::NEG_INFINITY, f64::max);
        let mut left = f64::NEG_INFINITY;
        loop {
            let within = ranges().any(|range| range.from <= left && left < range.to);
            if !within {
                let next = ranges().map(|range| range.from).filter(|from| *from > left);
                left = next.fold(f64::INFINITY, f64::min);
            }
            if left >= end {
                break;
            }
            let right = self.end_of_panel(left, end);
            let cells = (0..self.numbers.len())
                .map(|index| self.cell(index, left, right))
                .collect();
            self.panels.push(Panel { left, right, cells });
            left = right;
        }
    }

    /// Where a panel that begins at `left` ends: as far as both of its ends have room.
    fn end_of_panel(&self, left: f64, end: f64) -> f64 {
        // Less than rounding of the axis would never arrive.
        let least = 4.0 * f64::EPSILON * left.abs().max(f64::MIN_POSITIVE);
        let mut right = end.min(left + self.room(left, left, left + least));
        for _ in 0..100 {
            // Integrals that begin on the way may ask for more, but not before they begin.
            let here = left + self.room(left, left, right);
            if right > here {
                right = here.max(self.next_begin(left, right));
            }
            let there = self.room(right, left, right);
            if right - left <= 1.15 * there || right <= left + least {
                break;
            }
            right = left + there.max(0.7 * (right - left));
        }
        let right = right.max(left + least);
        // A rest that is a sliver joins the panel.
        if right + 0.05 * (right - left) >= end {
            end
        } else {
            right
        }
    }

    /// Where the next integral begins, or `right`.
    fn next_begin(&self, left: f64, right: f64) -> f64 {
        let begins = self.terms.iter().filter_map(|term| Some(term.range?.from));
        begins.filter(|from| *from > left).fold(right, f64::min)
    }

    /// How wide a panel at `t` may be for the integrals that are not negligible between these ends.
    fn room(&self, t: f64, left: f64, right: f64) -> f64 {
        let mut room = f64::INFINITY;
        for (index, number) in self.numbers.iter().enumerate() {
            let [at, below, above] = self.roles(index, left, right);
            if !(at || below || above) {
                continue;
            }
            let local = number.local(t);
            let settled = local.ln < -NOTHING;
            let (left_of_it, right_of_it) = (t < number.centre(), t > number.centre());
            if at || (below && !(settled && right_of_it)) || (above && !(settled && left_of_it)) {
                room = room.min(number.reach(t, &local));
            } else if above && left_of_it {
                // It must not be stepped over.
                room = room.min((number.centre() - t) / 2.0);
            }
        }
        room
    }

    /// Whether some integral that is not negligible between these ends has the number in the roles
    /// [at, below, above].
    fn roles(&self, index: usize, left: f64, right: f64) -> [bool; 3] {
        let mut found = [false; 3];
        let [at, below, above] = &mut found;
        for term in self.terms {
            if term
                .range
                .is_some_and(|range| range.from < right && left < range.to)
            {
                match term.roles.get(index) {
                    Some(Role::At) => *at = true,
                    Some(Role::Below) => *below = true,
                    Some(Role::Above) => *above = true,
                    Some(Role::Absent) | None => {}
                }
            }
        }
        found
    }

    fn cell(&self, index: usize, left: f64, right: f64) -> Option<Cell> {
        let number = self.numbers.get(index)?;
        let [at, below, above] = self.roles(index, left, right);
        let certainly_below = || left > number.centre() && number.ln(left) < -NOTHING;
        let certainly_above = || right < number.centre() && number.ln(right) < -NOTHING;
        if !(at || (below && !certainly_below()) || (above && !certainly_above())) {
            return None;
        }
        let mut density = [0.0; NODES];
        for (value, (t, _)) in density.iter_mut().zip(quadrature::nodes(left, right)) {
            *value = number.value(t);
        }
        let (mass, partial) = quadrature::partial_integrals(left, right, &density);
        Some(Cell {
            density,
            below: [0.0; NODES],
            above: [0.0; NODES],
            mass,
            partial,
        })
    }

    /// Chances of at most the nodes, summed from the left so that small ones keep their digits.
    fn fill_below(&mut self) {
        for (index, number) in self.numbers.iter().enumerate() {
            // Up to where the chance is known, and how large it is there.
            let mut known: Option<(f64, f64)> = None;
            for panel in &mut self.panels {
                let Some(Some(Cell {
                    below, mass, partial, ..
                })) = panel.cells.get_mut(index)
                else {
                    continue;
                };
                let so_far = match known {
                    Some((end, chance)) if end.to_bits() == panel.left.to_bits() => chance,
                    _ => number.below(panel.left),
                };
                for (chance, part) in below.iter_mut().zip(&*partial) {
                    *chance = (so_far + part.max(0.0)).min(1.0);
                }
                known = Some((panel.right, so_far + *mass));
            }
        }
    }

    /// Chances of more than the nodes, summed from the right.
    fn fill_above(&mut self) {
        for (index, number) in self.numbers.iter().enumerate() {
            let mut known: Option<(f64, f64)> = None;
            for panel in self.panels.iter_mut().rev() {
                let Some(Some(Cell {
                    above, mass, partial, ..
                })) = panel.cells.get_mut(index)
                else {
                    continue;
                };
                let so_far = match known {
                    Some((end, chance)) if end.to_bits() == panel.right.to_bits() => chance,
                    _ => number.above(panel.right),
                };
                for (chance, part) in above.iter_mut().zip(&*partial) {
                    *chance = (so_far + (*mass - part).max(0.0)).min(1.0);
                }
                known = Some((panel.left, so_far + *mass));
            }
        }
    }

    fn sum(&self, width: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.terms.len()];
        for panel in &self.panels {
            let mut weights = [0.0; NODES];
            let mut wide = [0.0; NODES];
            let nodes = quadrature::nodes(panel.left, panel.right);
            for ((weight, wide), (t, share)) in weights.iter_mut().zip(&mut wide).zip(nodes) {
                *weight = share;
                *wide = share * width(t);
            }
            for (sum, term) in sums.iter_mut().zip(self.terms) {
                if term
                    .range
                    .is_some_and(|range| range.from < panel.right && panel.left < range.to)
                {
                    let mut product = if term.wide { wide } else { weights };
                    for (role, cell) in term.roles.iter().zip(&panel.cells) {
                        multiply(&mut product, *role, cell.as_ref());
                    }
                    *sum += product.iter().sum::<f64>();
                }
            }
        }
        sums
    }
}

fn multiply(product: &mut Values, role: Role, cell: Option<&Cell>) {
    // A settled number has the chance 1 of being where an integral has it.
    let Some(cell) = cell else { return };
    let factor = match role {
        Role::Absent => return,
        Role::At => &cell.density,
        Role::Below => &cell.below,
        Role::Above => &cell.above,
    };
    for (product, factor) in product.iter_mut().zip(factor) {
        *product *= factor;
    }
}
