//! Gauss-Legendre quadrature on panels, and the running integral of what was sampled at its nodes.
//!
//! Sixteen nodes integrate polynomials of degree 31 exactly (Davis, Rabinowitz 1984, Methods of Numerical
//! Integration, section 2.7). Nodes and weights are found once, by Newton's method on the Legendre polynomial.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Nodes of one panel.
pub(crate) const NODES: usize = 16;
/// The same as a number to count with.
const ORDER: u32 = 16;
/// Newton's method has all digits after five steps from the usual start.
const NEWTON_STEPS: u32 = 12;

/// A polynomial on [-1, 1] as a sum of Chebyshev polynomials, with the constant first.
pub(crate) type Series = [f64; NODES + 1];

struct Rule {
    nodes: [f64; NODES],
    weights: [f64; NODES],
    /// For each node: the integral from -1 to each node, per value at this one.
    partial: [[f64; NODES]; NODES],
    /// For each Chebyshev polynomial: how much of it the integral from -1 has per value at each node.
    running: [[f64; NODES]; NODES + 1],
}

static RULE: LazyLock<Rule> = LazyLock::new(Rule::new);

impl Rule {
    fn new() -> Self {
        let mut nodes = [0.0; NODES];
        let mut weights = [0.0; NODES];
        for (index, (node, weight)) in (0_u32..).zip(nodes.iter_mut().zip(&mut weights)) {
            let mut x = -(PI * (f64::from(index) + 0.75) / (f64::from(ORDER) + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..NEWTON_STEPS {
                let [.., before, last] = legendre(x);
                slope = f64::from(ORDER) * (x * last - before) / (x * x - 1.0);
                x -= last / slope;
            }
            *node = x;
            *weight = 2.0 / ((1.0 - x * x) * slope * slope);
        }
        Self {
            nodes,
            weights,
            partial: partial(&nodes, &weights),
            running: running(&nodes, &weights),
        }
    }
}

/// The Legendre polynomials of the orders 0 to 16 at `x`.
fn legendre(x: f64) -> Series {
    let mut all = [1.0; NODES + 1];
    let (mut before, mut last) = (1.0, x);
    for (order, value) in (1_u32..).zip(all.iter_mut().skip(1)) {
        *value = last;
        let order = f64::from(order);
        let next = ((2.0 * order + 1.0) * x * last - order * before) / (order + 1.0);
        (before, last) = (last, next);
    }
    all
}

/// The integral from -1 to `y` of the polynomial that is 1 at `node` and 0 at all others: its Legendre
/// expansion, integrated term by term with (2l + 1) P_l = P_{l+1}' - P_{l-1}'.
fn cardinal_integral(node: f64, weight: f64, y: f64) -> f64 {
    let (at_node, at_end) = (legendre(node), legendre(y));
    let above = at_end.iter().skip(2);
    let terms = at_node.iter().skip(1).zip(above.zip(&at_end));
    let sum: f64 = terms.map(|(value, (above, below))| value * (above - below)).sum();
    weight / 2.0 * (1.0 + y + sum)
}

/// The matrix that takes values at the nodes to their running integral at the nodes, by columns.
fn partial(nodes: &[f64; NODES], weights: &[f64; NODES]) -> [[f64; NODES]; NODES] {
    let mut matrix = [[0.0; NODES]; NODES];
    for (column, (node, weight)) in matrix.iter_mut().zip(nodes.iter().zip(weights)) {
        for (cell, end) in column.iter_mut().zip(nodes) {
            *cell = cardinal_integral(*node, *weight, *end);
        }
    }
    matrix
}

/// The matrix that takes values at the nodes to the Chebyshev series of their running integral: exact
/// interpolation of a polynomial of degree 16 at the 17 Chebyshev points.
fn running(nodes: &[f64; NODES], weights: &[f64; NODES]) -> [[f64; NODES]; NODES + 1] {
    let points = f64::from(ORDER + 1);
    let mut matrix = [[0.0; NODES]; NODES + 1];
    for (degree, row) in (0_u32..).zip(&mut matrix) {
        let share = if degree == 0 { 1.0 } else { 2.0 } / points;
        for (cell, (node, weight)) in row.iter_mut().zip(nodes.iter().zip(weights)) {
            *cell = (0..=ORDER)
                .map(|point| {
                    let angle = PI * (f64::from(point) + 0.5) / points;
                    let value = cardinal_integral(*node, *weight, angle.cos());
                    share * value * (f64::from(degree) * angle).cos()
                })
                .sum();
        }
    }
    matrix
}

/// The nodes and weights of the panel from `left` to `right`.
pub(crate) fn nodes(left: f64, right: f64) -> impl Iterator<Item = (f64, f64)> {
    let (middle, half) = (f64::midpoint(left, right), (right - left) / 2.0);
    let rule = &*RULE;
    let pairs = rule.nodes.iter().zip(&rule.weights);
    pairs.map(move |(node, weight)| (middle + half * node, half * weight))
}

/// The integral of `f` over one panel.
pub(crate) fn panel(left: f64, right: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    nodes(left, right).map(|(at, weight)| weight * f(at)).sum()
}

/// The integral over the panel of what has these values at its nodes, and the integrals from its left end
/// to each node.
pub(crate) fn partial_integrals(left: f64, right: f64, values: &[f64; NODES]) -> (f64, [f64; NODES]) {
    let rule = &*RULE;
    let half = (right - left) / 2.0;
    let mut partial = [0.0; NODES];
    let mut whole = 0.0;
    for ((value, weight), column) in values.iter().zip(&rule.weights).zip(&rule.partial) {
        let value = value * half;
        whole += value * weight;
        for (sum, cell) in partial.iter_mut().zip(column) {
            *sum += cell * value;
        }
    }
    (whole, partial)
}

/// The running integral from the left end of the panel, as a series on [-1, 1].
pub(crate) fn running_integral(left: f64, right: f64, mut f: impl FnMut(f64) -> f64) -> Series {
    let mut values = [0.0; NODES];
    for (value, (at, _)) in values.iter_mut().zip(nodes(left, right)) {
        *value = f(at) * (right - left) / 2.0;
    }
    let mut series = [0.0; NODES + 1];
    for (term, row) in series.iter_mut().zip(&RULE.running) {
        *term = row.iter().zip(&values).map(|(cell, value)| cell * value).sum();
    }
    series
}

/// The value of a series at `x` in [-1, 1], by Clenshaw's recurrence.
pub(crate) fn series_at(series: &Series, x: f64) -> f64 {
    let [constant, terms @ ..] = series;
    let (mut last, mut before) = (0.0, 0.0);
    for term in terms.iter().rev() {
        (last, before) = (2.0 * x * last + (term - before), last);
    }
    x * last + (constant - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_up_to_degree_31_are_exact() {
        for degree in 0..=31_i32 {
            let found = panel(0.5, 2.0, |x| x.powi(degree));
            let power = degree + 1;
            let exact = (2.0_f64.powi(power) - 0.5_f64.powi(power)) / f64::from(power);
            assert!((found / exact - 1.0).abs() < 1e-13, "{degree}: {found} {exact}");
        }
    }

    #[test]
    fn the_running_integral_of_a_polynomial_is_exact() {
        for degree in 0..16_i32 {
            let series = running_integral(-1.0, 2.0, |x| x.powi(degree));
            for x in [-1.0, -0.9, -0.3, 0.0, 0.5, 1.0] {
                let (at, power) = (0.5 + 1.5 * x, degree + 1);
                let exact = (f64::powi(at, power) - (-1.0_f64).powi(power)) / f64::from(power);
                let found = series_at(&series, x);
                assert!(
                    (found - exact).abs() < 1e-13 * 2.0_f64.powi(power),
                    "{degree} {x}"
                );
            }
            let mut values = [0.0; NODES];
            for (value, (at, _)) in values.iter_mut().zip(nodes(-1.0, 2.0)) {
                *value = at.powi(degree);
            }
            let (whole, partial) = partial_integrals(-1.0, 2.0, &values);
            assert!((whole - series_at(&series, 1.0)).abs() < 1e-13 * 2.0_f64.powi(degree + 1));
            for (sum, (at, _)) in partial.iter().zip(nodes(-1.0, 2.0)) {
                let of_series = series_at(&series, (at - 0.5) / 1.5);
                assert!(
                    (sum - of_series).abs() < 1e-13 * 2.0_f64.powi(degree + 1),
                    "{degree} {at}"
                );
            }
        }
    }
}
