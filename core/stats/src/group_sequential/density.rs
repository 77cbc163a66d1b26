//! The density of the score process without an effect, among the paths that have not crossed a bound yet.
//!
//! It is kept on panels of Gauss-Legendre nodes and as its logarithm, so that chances of 1e-300 have as many
//! digits as large ones. The panels are as fine as what comes next needs: a short step to the next look asks
//! for narrow ones everywhere, and a bound that was cut at a short while ago asks for narrow ones near it.
//!
//! The density is log-concave, as a product of log-concave factors smoothed by a normal one is (Prékopa
//! 1973). So each sum over it has one hump, which is found by climbing and added up until nothing is left.
//!
//! With a drift the density at `s` is the one without times `exp(drift s - drift^2 t / 2)`, so one recursion
//! serves all effects.

use crate::distribution::normal;
use std::f64::consts::PI;

/// Abscissas and weights of 16 Gauss-Legendre nodes, the positive half.
const GAUSS: [(f64, f64); 8] = [
    (0.095_012_509_837_637_44, 0.189_450_610_455_068_5),
    (0.281_603_550_779_258_9, 0.182_603_415_044_923_6),
    (0.458_016_777_657_227_4, 0.169_156_519_395_002_54),
    (0.617_876_244_402_643_7, 0.149_595_988_816_576_73),
    (0.755_404_408_355_003, 0.124_628_971_255_533_87),
    (0.865_631_202_387_831_7, 0.095_158_511_682_492_78),
    (0.944_575_023_073_232_6, 0.062_253_523_938_647_89),
    (0.989_400_934_991_649_9, 0.027_152_459_411_754_1),
];
/// Terms that are e^-42 of the largest add nothing.
const NEGLIGIBLE: f64 = 42.0;
/// With a drift chances are needed to so many digits, and no more.
const NEGLIGIBLE_DRIFTED: f64 = -60.0;
/// The width of a panel in standard deviations of what is integrated: 16 nodes have 13 digits of a normal
/// density on it.
const PANEL: f64 = 5.0;
/// The same near a cut.
const PANEL_AT_CUT: f64 = 3.5;
/// Beyond so many standard deviations there is less than [`super::SPENT_MIN`].
const REACH: f64 = 39.0;
/// Newton's steps are a handful; more than this is not a number.
const STEPS_MAX: u32 = 200;

#[derive(Debug, Clone, Copy)]
struct Node {
    at: f64,
    weight: f64,
    /// The logarithm of the density.
    ln: f64,
}

/// Where paths were taken out, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) at: f64,
    pub(super) information: f64,
    /// Whether what was above was taken out, or what was below.
    pub(super) above: bool,
}

/// The density at one look, on what is left of it there.
#[derive(Debug, Clone)]
pub(super) struct Density {
    information: f64,
    nodes: Vec<Node>,
    lower: f64,
    upper: f64,
}

/// What is left of the score process after a look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    /// The information at the look.
    pub(super) information: f64,
    /// Where paths were taken out below; `-inf` for nowhere.
    pub(super) lower: f64,
    /// Where paths were taken out above.
    pub(super) upper: f64,
    /// Below this the density is not needed.
    pub(super) deepest: f64,
}

impl Density {
    /// The start: all paths are at 0.
    pub(super) fn start() -> Self {
        Self {
            information: 0.0,
            nodes: vec![Node {
                at: 0.0,
                weight: 1.0,
                ln: 0.0,
            }],
            lower: 0.0,
            upper: 0.0,
        }
    }

    /// The density at the next look, of what is left after it, on nodes that are fine enough to step on to
    /// the information `then`. `cuts` are those at earlier looks.
    pub(super) fn advance(&self, left: Left, cuts: impl Iterator<Item = Cut> + Clone, then: f64) -> Self {
        let information = left.information;
        let reach = REACH * (information - self.information).sqrt();
        let lower = left.lower.max(left.deepest).max(self.lower - reach);
        let upper = left.upper.min(self.upper + reach);
        let smooth = PANEL * (information * (then - information) / then).sqrt();
        let mut nodes = Vec::new();
        let (mut from, mut hint) = (lower, 0);
        while from < upper {
            let widest = cuts.clone().fold(smooth, |widest, cut| {
                widest.min(cut.widest(from, (information - cut.information).sqrt()))
            });
            // Panels of one width where nothing asks for narrow ones.
            let half = 0.5 * (upper - from) / ((upper - from) / widest).ceil();
            let middle = from + half;
            let lower_half = GAUSS.iter().rev().map(|(x, weight)| (-x, weight));
            for (x, weight) in lower_half.chain(GAUSS.iter().map(|(x, weight)| (*x, weight))) {
                let at = middle + half * x;
                let ln = self.ln_at(information, at, &mut hint);
                let weight = weight * half;
                nodes.push(Node { at, weight, ln });
            }
            // Never stuck where a panel is too narrow to have a width in digits.
            from = (middle + half).max(from.next_up());
        }
        Self {
            information,
            nodes,
            lower,
            upper,
        }
    }

    /// The logarithm of the density at `x` when the process has gone on to `information`. The hint is where
    /// the largest term was for an `x` near by.
    pub(super) fn ln_at(&self, information: f64, x: f64, hint: &mut usize) -> f64 {
        let variance = information - self.information;
        let precision = 0.5 / variance;
        let term = |node: &Node| {
            let step = x - node.at;
            node.ln - step * step * precision
        };
        self.ln_sum(hint, term) - 0.5 * (2.0 * PI * variance).ln()
    }

    /// The logarithm of the chance of more than `x` at `information`.
    pub(super) fn ln_above(&self, information: f64, x: f64) -> f64 {
        let per_step = (information - self.information).sqrt().recip();
        let mut hint = self.nodes.len().saturating_sub(1);
        self.ln_sum(&mut hint, |node| {
            node.ln + normal::ln_sf((x - node.at) * per_step)
        })
    }

    /// `ln(sum of weight exp(term))` for a term with one hump.
    fn ln_sum(&self, hint: &mut usize, term: impl Fn(&Node) -> f64) -> f64 {
        let largest = climb(&self.nodes, hint, &term);
        if largest == f64::NEG_INFINITY {
            return largest;
        }
        let part = |node: &Node| {
            let below = term(node) - largest;
            (below > -NEGLIGIBLE).then(|| node.weight * below.exp())
        };
        let (left, right) = self.nodes.split_at_checked(*hint).unwrap_or_default();
        let sum = |nodes: &mut dyn Iterator<Item = &Node>| -> f64 { nodes.map_while(part).sum() };
        largest + (sum(&mut left.iter().rev()) + sum(&mut right.iter())).ln()
    }

    /// The chance of more than `x` at `information`, under a drift.
    pub(super) fn above(&self, information: f64, x: f64, drift: f64) -> f64 {
        let step = information - self.information;
        let (x, per_step) = (x - drift * step, step.sqrt().recip());
        self.drifted(drift)
            .map(|(at, mass)| mass * normal::sf((x - at) * per_step))
            .sum()
    }

    /// The chance of less than `x` at `information`, under a drift.
    pub(super) fn below(&self, information: f64, x: f64, drift: f64) -> f64 {
        let step = information - self.information;
        let (x, per_step) = (x - drift * step, step.sqrt().recip());
        self.drifted(drift)
            .map(|(at, mass)| mass * normal::sf((at - x) * per_step))
            .sum()
    }

    /// Where the process is, with which chance, under a drift.
    fn drifted(&self, drift: f64) -> impl Iterator<Item = (f64, f64)> {
        let half = 0.5 * drift * self.information;
        self.nodes.iter().filter_map(move |node| {
            let ln = node.ln + drift * (node.at - half);
            (ln > NEGLIGIBLE_DRIFTED).then(|| (node.at, node.weight * ln.exp()))
        })
    }

    /// Where the chance of more is `exp(ln_chance)` at `information`; the chance is below one half.
    ///
    /// The logarithm of the chance is concave and falls, so Newton's steps from above never go past the
    /// place: what is found has at most the chance asked for, to within rounding.
    pub(super) fn bound(&self, information: f64, ln_chance: f64) -> Option<f64> {
        // The tail of the normal distribution beyond z is at most exp(-z^2 / 2) / 2.
        let z = (-2.0 * (ln_chance + 2.0_f64.ln())).sqrt();
        let sd = (information - self.information).sqrt();
        let mut x = (z * information.sqrt()).min(self.upper + z * sd);
        let mut hint = self.nodes.len().saturating_sub(1);
        for _ in 0..STEPS_MAX {
            let ln = self.ln_above(information, x);
            let slope = (self.ln_at(information, x, &mut hint) - ln).exp();
            let back = (ln_chance - ln) / slope;
            if back.is_nan() {
                return None;
            }
            x -= back;
            if back <= 1e-12 * sd {
                return Some(x);
            }
        }
        None
    }
}

impl Cut {
    /// The widest panel from `from` upwards that resolves what the cut left of an edge, which since has been
    /// smoothed over `sd`. Away from the edge on the side that was left, panels grow with the distance;
    /// where paths were taken out, those that came back fall off as steeply everywhere.
    fn widest(&self, from: f64, sd: f64) -> f64 {
        let narrow = PANEL_AT_CUT * sd;
        let away = if self.above {
            // The panel must end at a distance of twice its width.
            (self.at - from) / 3.0
        } else {
            (from - self.at) / 2.0
        };
        narrow.max(away)
    }
}

/// The largest term, and where it is, beginning at the hint.
fn climb(nodes: &[Node], hint: &mut usize, term: &impl Fn(&Node) -> f64) -> f64 {
    let last = nodes.len().saturating_sub(1);
    let mut at = (*hint).min(last);
    let mut largest = nodes.get(at).map_or(f64::NEG_INFINITY, term);
    while let Some(next) = nodes.get(at + 1).map(term).filter(|next| *next > largest) {
        (at, largest) = (at + 1, next);
    }
    while let Some(next) = at.checked_sub(1).and_then(|before| nodes.get(before)).map(term) {
        if next < largest || next.is_nan() {
            break;
        }
        (at, largest) = (at - 1, next);
    }
    *hint = at;
    largest
}
