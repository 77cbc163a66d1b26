//! Which of several independent numbers is the largest, and by how much: integrals over products of one
//! number's density and the others' chances.
//!
//! Every factor is log-concave, so each integrand has one peak. It is bracketed first and then integrated by
//! panels that are as narrow as the factors ask for. So the cost does not grow with the amounts of data, and
//! the chance of a hopeless arm has its digits too.

use super::cumulative::{Cumulative, end_of_panel};
use super::density::{Density, Local, NOTHING, Way};
use crate::quadrature;

/// An integrand is left out where it is so many natural logarithms below its peak.
const DEPTH: f64 = 40.0;
/// A peak below this logarithm is none: the number underflows.
const UNDERFLOW: f64 = -760.0;

/// What one number does in an integral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Absent,
    /// It has the value.
    At,
    /// It is at most the value.
    Below,
    /// It is more than the value.
    Above,
}

/// One integral.
struct Term {
    /// For each number.
    roles: Vec<Role>,
    /// Whether it is over the width that the axis stands for, and not over the axis.
    wide: bool,
}

#[derive(Debug, Clone, Copy)]
struct Range {
    from: f64,
    to: f64,
}

/// For each number the chance that it is the largest.
pub(crate) fn best(numbers: &[Density]) -> Vec<f64> {
    let terms: Vec<Term> = (0..numbers.len())
        .map(|at| Term::new(numbers.len(), |other| if other == at { Role::At } else { Role::Below }))
        .collect();
    integrals(numbers, &terms, |_| 1.0)
}

/// For each number the chance that it is the second largest: the sum over who is the largest.
pub(crate) fn second(numbers: &[Density]) -> Vec<f64> {
    let pairs = |at: usize| (0..numbers.len()).filter(move |winner| *winner != at).map(move |winner| (at, winner));
    let role = |at: usize, winner: usize, other: usize| match other {
        _ if other == at => Role::At,
        _ if other == winner => Role::Above,
        _ => Role::Below,
    };
    let terms: Vec<Term> = (0..numbers.len())
        .flat_map(pairs)
        .map(|(at, winner)| Term::new(numbers.len(), |other| role(at, winner, other)))
        .collect();
    let chances = integrals(numbers, &terms, |_| 1.0);
    let winners = numbers.len().saturating_sub(1).max(1);
    chances.chunks(winners).map(|chances| chances.iter().sum()).collect()
}

/// How much the largest of the others is expected to be above `one`, where it is: the integral of
/// P(one <= s) P(some other > s), the second factor split by which one is the first to be above. No term is
/// a difference, so a small loss keeps its digits. `width` is what the axis stands for, per unit of it.
pub(crate) fn shortfall(numbers: &[Density], one: usize, width: impl Fn(f64) -> f64) -> f64 {
    let role = |first: usize, other: usize| match other {
        _ if other == one => Role::Below,
        _ if other == first => Role::Above,
        _ if other < first => Role::Below,
        _ => Role::Absent,
    };
    let terms: Vec<Term> = (0..numbers.len())
        .filter(|first| *first != one)
        .map(|first| Term {
            wide: true,
            ..Term::new(numbers.len(), |other| role(first, other))
        })
        .collect();
    integrals(numbers, &terms, width).iter().sum()
}

/// The range outside of which a number has no mass to speak of.
pub(super) fn span(number: &Density) -> (f64, f64) {
    let cast = [(number, Role::At)];
    let range = bracket(&cast, NOTHING).unwrap_or(Range {
        from: number.centre(),
        to: number.centre(),
    });
    (range.from, range.to)
}

impl Term {
    fn new(numbers: usize, role: impl Fn(usize) -> Role) -> Self {
        Self {
            roles: (0..numbers).map(role).collect(),
            wide: false,
        }
    }

    /// Those that take part.
    fn cast<'a>(&self, numbers: &'a [Density]) -> Vec<(&'a Density, Role)> {
        let all = numbers.iter().zip(self.roles.iter().copied());
        all.filter(|(_, role)| *role != Role::Absent).collect()
    }
}

fn integrals(numbers: &[Density], terms: &[Term], width: impl Fn(f64) -> f64) -> Vec<f64> {
    let ranges: Vec<Option<Range>> = terms.iter().map(|term| bracket(&term.cast(numbers), DEPTH)).collect();
    let tables: Vec<Option<Cumulative>> = numbers
        .iter()
        .enumerate()
        .map(|(index, number)| tabulate(index, number, terms, &ranges))
        .collect();
    terms
        .iter()
        .zip(&ranges)
        .map(|(term, range)| range.map_or(0.0, |range| integral(numbers, &tables, term, range, &width)))
        .collect()
}

/// The chances of a number wherever an integral needs them and they are neither 0 nor 1.
fn tabulate(index: usize, number: &Density, terms: &[Term], ranges: &[Option<Range>]) -> Option<Cumulative> {
    let (first, last) = span(number);
    let needed = terms.iter().zip(ranges).filter_map(|(term, range)| {
        let range = (*range)?;
        let (from, to) = match term.roles.get(index)? {
            Role::Below => (range.from, range.to.min(last)),
            Role::Above => (range.from.max(first), range.to),
            Role::At | Role::Absent => return None,
        };
        (from < to).then_some(Range { from, to })
    });
    let hull = needed.reduce(|a, b| Range {
        from: a.from.min(b.from),
        to: a.to.max(b.to),
    })?;
    Some(Cumulative::new(number, hull.from, hull.to))
}

fn integral(
    numbers: &[Density],
    tables: &[Option<Cumulative>],
    term: &Term,
    range: Range,
    width: impl Fn(f64) -> f64,
) -> f64 {
    let cast = term.cast(numbers);
    let factors = || numbers.iter().zip(tables).zip(&term.roles);
    let value = |t: f64| {
        let product: f64 = factors()
            .map(|((number, table), role)| match (role, table) {
                (Role::At, _) => number.value(t),
                (Role::Below, Some(table)) => table.below(t),
                (Role::Above, Some(table)) => table.above(t),
                // Without a table the chance is 1 wherever this integral goes.
                (Role::Absent | Role::Below | Role::Above, _) => 1.0,
            })
            .product();
        if term.wide { product * width(t) } else { product }
    };
    let mut sum = 0.0;
    let mut left = range.from;
    while left < range.to {
        let right = end_of_panel(left, range.to, |t| room(&cast, t));
        sum += quadrature::panel(left, right, value);
        left = right;
    }
    sum
}

/// How wide a panel at `t` may be for all factors.
fn room(cast: &[(&Density, Role)], t: f64) -> f64 {
    let each = cast.iter().map(|(number, role)| {
        let local = number.local(t);
        let settled = local.ln < -NOTHING;
        match role {
            Role::Below if settled && t > number.centre() => f64::INFINITY,
            // It is 1 here, and must not be stepped over.
            Role::Above if settled && t < number.centre() => (number.centre() - t) / 2.0,
            _ => number.reach(t, &local),
        }
    });
    each.fold(f64::INFINITY, f64::min)
}

/// An upper bound of the logarithm of the integrand, up to constants: a chance of a tail is less than the
/// density at its end relative to the peak, times what changes slowly.
fn bound(cast: &[(&Density, Role)], t: f64) -> Local {
    let mut sum = Local::default();
    for (number, role) in cast {
        let matters = match role {
            Role::Absent => false,
            Role::At => true,
            Role::Below => t <= number.centre(),
            Role::Above => t >= number.centre(),
        };
        if matters {
            let local = number.local(t);
            sum.ln += local.ln;
            sum.slope += local.slope;
            sum.curvature += local.curvature;
        }
    }
    sum
}

/// Where the integrand is not negligible: less than `depth` natural logarithms below its peak. `None` if it
/// underflows everywhere.
fn bracket(cast: &[(&Density, Role)], depth: f64) -> Option<Range> {
    let peak = peak(cast);
    let top = bound(cast, peak);
    if top.ln < UNDERFLOW {
        return None;
    }
    let guess = (2.0 * depth / top.curvature).sqrt();
    let edge = |way| edge(cast, peak, top.ln - depth, guess, way);
    Some(Range {
        from: edge(Way::Down),
        to: edge(Way::Up),
    })
}

/// The peak of the bound, which is concave, by Newton's method kept between the outermost centres.
fn peak(cast: &[(&Density, Role)]) -> f64 {
    let centres = || cast.iter().map(|(number, _)| number.centre());
    let mut left = centres().fold(f64::INFINITY, f64::min);
    let mut right = centres().fold(f64::NEG_INFINITY, f64::max);
    let mut at = f64::midpoint(left, right);
    for step in 0..200_u32 {
        let here = bound(cast, at);
        if here.slope > 0.0 {
            left = at;
        } else {
            right = at;
        }
        // What a step can gain is far less than the depth.
        let enough = here.slope * here.slope <= 0.1 * here.curvature;
        if enough || right - left <= 4.0 * f64::EPSILON * at.abs() {
            break;
        }
        let newton = at + here.slope / here.curvature;
        let inside = newton > left && newton < right;
        // Every third step halves, so that slow progress ends.
        at = if inside && step % 3 < 2 { newton } else { f64::midpoint(left, right) };
    }
    at
}

/// A point where the bound has fallen to `least` or a little below.
fn edge(cast: &[(&Density, Role)], peak: f64, least: f64, guess: f64, way: Way) -> f64 {
    let (mut near, mut far) = (0.0, f64::INFINITY);
    let mut step = if guess.is_finite() { guess } else { 1.0 };
    for _ in 0..200 {
        let ln = bound(cast, peak + way.sign() * step).ln;
        if ln <= least && ln >= least - 0.3 * DEPTH {
            break;
        }
        if ln > least {
            near = step;
        } else {
            far = step;
        }
        step = if far.is_finite() { f64::midpoint(near, far) } else { 2.0 * step };
        if step <= near || step >= far {
            step = far;
            break;
        }
    }
    peak + way.sign() * step
}

/// There must be something to compare.
pub(crate) fn enough(arms: usize) -> Result<(), crate::Refusal> {
    match arms {
        0 => Err(too_few(0.0)),
        1 => Err(too_few(1.0)),
        _ => Ok(()),
    }
}

const fn too_few(have: f64) -> crate::Refusal {
    crate::Refusal::TooFew {
        what: "arms",
        have,
        need: 2.0,
    }
}
