//! The classical designs, whose bounds are a constant that is found once for all planned looks.

use super::walk::{GROWTH_MIN, Stage, Walk};
use super::{Boundary, Design, Refusal, root};
use crate::distribution::normal;

/// A bound so far out is never met, to all digits; the process need not be followed there.
const NEVER: f64 = 37.0;

/// Finds the constant and notes the looks.
pub(super) fn fill(design: &mut Design, information: &[f64]) -> Result<(), Refusal> {
    if information.is_empty() {
        return Err(Refusal::TooFew {
            what: "looks",
            have: 0.0,
            need: 1.0,
        });
    }
    let mut last = 0.0;
    for share in information {
        if *share < last * (1.0 + GROWTH_MIN) {
            return Err(Refusal::Invalid {
                field: "information",
                value: *share,
                rule: "grow by at least a ten-thousandth for classical constants",
            });
        }
        last = *share;
    }
    let alpha = design.plan.side_alpha();
    let fixed = normal::isf(alpha);
    let constant = if information.len() == 1 {
        fixed * scale(design, last)
    } else {
        let rising = |constant: f64| alpha.ln() - crossing(&walk(design, information, constant)).ln();
        root::rising(rising, 1.1 * fixed * scale(design, last), 0.2).ok_or(Refusal::Undefined {
            why: "no constant spends alpha at these looks",
        })?
    };
    let walk = walk(design, information, constant);
    let mut spent = 0.0;
    for (look, share) in information.iter().enumerate() {
        let stage = walk.stages().iter().find(|stage| stage.look == look);
        spent += stage.map_or(0.0, |stage| {
            stage.before.ln_above(stage.information, stage.upper).exp()
        });
        design.note(*share, constant / scale(design, *share), spent);
    }
    design.walk = walk;
    Ok(())
}

/// By what the constant is divided at a look.
fn scale(design: &Design, information: f64) -> f64 {
    match design.plan.boundary {
        Boundary::OBrienFleming => information.sqrt(),
        _ => 1.0,
    }
}

fn walk(design: &Design, information: &[f64], constant: f64) -> Walk {
    let mut walk = Walk::default();
    for (look, share) in information.iter().enumerate() {
        let z = constant / scale(design, *share);
        if z < NEVER {
            let bound = z * share.sqrt();
            let before = walk.on_the_way_to(*share);
            walk.push(before, *share, design.lower(bound), bound, look);
        }
    }
    walk
}

/// The chance to ever cross one side.
fn crossing(walk: &Walk) -> f64 {
    let at = |stage: &Stage| stage.before.ln_above(stage.information, stage.upper).exp();
    walk.stages().iter().map(at).sum()
}
