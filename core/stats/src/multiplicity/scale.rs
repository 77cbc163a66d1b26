//! P-values that are compared and multiplied on whichever of their two scales has the digits.

use crate::{PValue, Refusal};
use std::cmp::Ordering;

/// Below this the number itself may have lost digits, and its logarithm counts.
const EXACT_MIN: f64 = 1e-290;

/// A p-value that can be sorted: both of its numbers are numbers and say the same.
pub(super) fn checked(p: &PValue) -> Result<PValue, Refusal> {
    if !(0.0..=1.0).contains(&p.p) {
        return Err(Refusal::Invalid {
            field: "p",
            value: p.p,
            rule: "lie from 0 to 1",
        });
    }
    // A chance near 1 has few digits of its logarithm, and one below 1e-290 few digits itself.
    let same = if p.p >= EXACT_MIN {
        (p.ln - p.p.ln()).abs() <= 1e-6
    } else {
        p.ln <= EXACT_MIN.ln() + 1e-6
    };
    if !same {
        return Err(Refusal::Invalid {
            field: "logarithm of p",
            value: p.ln,
            rule: "be the logarithm of p",
        });
    }
    Ok(*p)
}

pub(super) fn order(a: &PValue, b: &PValue) -> Ordering {
    if a.p >= EXACT_MIN || b.p >= EXACT_MIN {
        a.p.total_cmp(&b.p)
    } else {
        a.ln.total_cmp(&b.ln)
    }
}

pub(super) fn smaller(a: &PValue, b: &PValue) -> bool {
    order(a, b) == Ordering::Less
}

pub(super) fn larger_of(a: PValue, b: PValue) -> PValue {
    if smaller(&a, &b) { b } else { a }
}

pub(super) fn smaller_of(a: PValue, b: PValue) -> PValue {
    if smaller(&b, &a) { b } else { a }
}

/// 1, which no chance exceeds.
pub(super) const ONE: PValue = PValue::new(1.0, 0.0);

/// The chance times `factor`, at most 1.
pub(super) fn times(p: PValue, factor: f64) -> PValue {
    let ln = p.ln + factor.ln();
    if p.p < EXACT_MIN {
        return PValue::from_ln(ln);
    }
    let product = p.p * factor;
    if product >= 1.0 {
        ONE
    } else {
        PValue::new(product, ln.min(0.0))
    }
}

/// The chance times `size`, by `rank`: what Simes' test has for one of several p-values. It is evaluated as
/// it is written down, product first, so that a p-value of alpha itself is at times kept by rounding.
pub(super) fn simes(p: PValue, size: f64, rank: f64) -> PValue {
    let ln = p.ln + (size / rank).ln();
    if p.p < EXACT_MIN {
        return PValue::from_ln(ln);
    }
    let quotient = p.p * size / rank;
    if quotient >= 1.0 {
        ONE
    } else {
        PValue::new(quotient, ln.min(0.0))
    }
}

/// The chance that any of `m` independent events of this chance happens: `1 - (1 - p)^m`.
pub(super) fn any_of(p: PValue, m: f64) -> PValue {
    if p.p < EXACT_MIN {
        return PValue::from_ln(p.ln + m.ln());
    }
    let none = m * (-p.p).ln_1p();
    let any = -none.exp_m1();
    // Near 1 the chance of none is what has the digits.
    let ln = if none < -1.0 {
        (-none.exp()).ln_1p()
    } else {
        any.ln()
    };
    PValue::new(any, ln)
}
