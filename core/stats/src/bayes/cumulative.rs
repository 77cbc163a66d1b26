//! Chances of at most and of more than a value, tabulated from a density once and then cheap anywhere.

use super::density::Density;
use crate::quadrature::{self, Series};

/// Halvings until a value of given chance is found to the last digits.
const HALVINGS: u32 = 200;

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
    /// The chances from `from` to `to`; outside they are those at the ends.
    pub(super) fn new(density: &Density, from: f64, to: f64) -> Self {
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

    /// The ends of the panels, ascending.
    pub(super) fn ends(&self) -> impl Iterator<Item = f64> {
        let first = self.panels.first().map(|panel| panel.left);
        first.into_iter().chain(self.panels.iter().map(|panel| panel.right))
    }

    /// The value that is not exceeded with the chance `p`, which lies in the range.
    pub(super) fn quantile(&self, p: f64) -> f64 {
        let before = |panel: &Panel| panel.below + panel.mass < p;
        let at = self.panels.partition_point(before).min(self.panels.len().saturating_sub(1));
        let Some(panel) = self.panels.get(at) else {
            return self.centre;
        };
        let (mut left, mut right) = (panel.left, panel.right);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(left, right);
            if middle <= left || middle >= right {
                break;
            }
            if panel.below + panel.mass_to(middle) < p {
                left = middle;
            } else {
                right = middle;
            }
        }
        f64::midpoint(left, right)
    }

    fn panel(&self, t: f64) -> Option<&Panel> {
        self.panels.get(self.panels.partition_point(|panel| panel.right < t))
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
