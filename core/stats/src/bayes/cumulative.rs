//! Chances of at most and of more than a value, tabulated from a density once and then cheap anywhere.

use super::bracket::{Range, span};
use super::density::{Density, NOTHING};
use crate::quadrature::{self, Series};

#[derive(Debug, Clone)]
struct Panel {
    left: f64,
    right: f64,
    /// The chance of at most `left`.
    below: f64,
    /// The chance of more than `right`.
    above: f64,
    mass: f64,
    /// The mass from `left` on.
    series: Series,
}

impl Panel {
    fn mass_to(&self, t: f64) -> f64 {
        let x = ((t - self.left) - (self.right - t)) / (self.right - self.left);
        quadrature::series_at(&self.series, x).clamp(0.0, self.mass)
    }
}

/// The chances of one density over a range. Both are summed from their own tail, so that small ones keep
/// their digits.
#[derive(Debug, Clone)]
pub(super) struct Cumulative {
    centre: f64,
    panels: Vec<Panel>,
    /// The chance of at most the begin of the range.
    below: f64,
    /// The chance of more than the end of the range.
    above: f64,
}

impl Cumulative {
    /// The chances wherever the density has mass to speak of.
    pub(super) fn new(density: &Density) -> Self {
        let Range { from, to } = span(density, NOTHING);
        let below = density.below(from);
        let above = density.above(to);
        let mut panels = Vec::new();
        let (mut left, mut so_far) = (from, below);
        while left < to {
            let right = end_of_panel(left, to, |t| density.reach(t, &density.local(t)));
            let series = quadrature::running_integral(left, right, |t| density.value(t));
            let mass = quadrature::series_at(&series, 1.0).max(0.0);
            panels.push(Panel {
                left,
                right,
                below: so_far,
                above: 0.0,
                mass,
                series,
            });
            so_far += mass;
            left = right;
        }
        let mut beyond = above;
        for panel in panels.iter_mut().rev() {
            panel.above = beyond;
            beyond += panel.mass;
        }
        Self {
            centre: density.centre(),
            panels,
            below,
            above,
        }
    }

    /// The chance of at most `t`.
    pub(super) fn below(&self, t: f64) -> f64 {
        match self.panel(t) {
            Some(panel) if t >= panel.left => (panel.below + panel.mass_to(t)).min(1.0),
            _ if self.is_before(t) => self.below,
            _ => 1.0 - self.above,
        }
    }

    /// The chance of more than `t`.
    pub(super) fn above(&self, t: f64) -> f64 {
        match self.panel(t) {
            Some(panel) if t >= panel.left => (panel.above + (panel.mass - panel.mass_to(t))).min(1.0),
            _ if self.is_before(t) => 1.0 - self.below,
            _ => self.above,
        }
    }

    fn panel(&self, t: f64) -> Option<&Panel> {
        self.panels
            .get(self.panels.partition_point(|panel| panel.right < t))
    }

    fn is_before(&self, t: f64) -> bool {
        t < self.panels.first().map_or(self.centre, |panel| panel.left)
    }
}

/// Where a panel that begins at `left` ends: as far as both of its ends have room, and not beyond `to`.
pub(super) fn end_of_panel(left: f64, to: f64, room: impl Fn(f64) -> f64) -> f64 {
    // Less than rounding of the axis would never arrive.
    let least = 4.0 * f64::EPSILON * left.abs().max(f64::MIN_POSITIVE);
    let mut step = room(left).min(to - left);
    for _ in 0..60 {
        let there = room(left + step);
        if step <= 1.15 * there || step <= least {
            break;
        }
        step = there.max(0.7 * step);
    }
    let right = left + step.max(least);
    // A rest that is a sliver joins the panel.
    if right + 0.05 * step >= to { to } else { right }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_digits_of_both_tails() {
        for density in [
            Density::logit_beta(95.5, 571.5),
            Density::logit_beta(0.5, 113.5),
            Density::logit_beta(0.1, 0.1),
            Density::logit_beta(1e9, 3.0),
            Density::normal(2.0, 0.5),
        ] {
            let table = Cumulative::new(&density);
            let Range { from, to } = span(&density, NOTHING);
            for step in 0..=200_u32 {
                let t = from + (to - from) * f64::from(step) / 200.0;
                for (got, want) in [
                    (table.below(t), density.below(t)),
                    (table.above(t), density.above(t)),
                ] {
                    assert!(
                        (got - want).abs() <= 1e-8 * want,
                        "{density:?} at {t}: {got} for {want}"
                    );
                }
            }
        }
    }
}
