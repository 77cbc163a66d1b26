//! Methods of the topic `cuped`.

use super::{Answer, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::cuped::{self, Adjusted, PairCounts};
use tidegate_stats::moments::{Comoments, Moments};
use tidegate_stats::{Alternative, Refusal};

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "cuped_mean" => ask(input, |given: Arms<Summary>| {
            let adjusted = cuped::means(&given.control.moments()?, &given.treatment.moments()?)?;
            shown(&adjusted, given.difference, given.alpha)
        }),
        "cuped_proportion" => ask(input, |given: Arms<Counted>| {
            let adjusted = cuped::proportions(&given.control.into(), &given.treatment.into())?;
            shown(&adjusted, given.difference, given.alpha)
        }),
        _ => Answer::Unsupported,
    }
}

/// The words `absolute`, `relative`.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    Absolute,
    Relative,
}

#[derive(Deserialize)]
struct Arms<A> {
    control: A,
    treatment: A,
    difference: Unit,
    alpha: f64,
}

#[derive(Deserialize)]
struct Summary {
    n: u64,
    mean_y: f64,
    var_y: f64,
    mean_x: f64,
    var_x: f64,
    cov_xy: f64,
}

impl Summary {
    fn moments(&self) -> Result<Comoments, Refusal> {
        let x = Moments::of_variance(self.n, self.mean_x, self.var_x);
        let y = Moments::of_variance(self.n, self.mean_y, self.var_y);
        Comoments::of_covariance(&x, &y, self.cov_xy)
    }
}

#[derive(Deserialize)]
struct Counted {
    n: u64,
    x: u64,
    y: u64,
    xy: u64,
}

impl From<Counted> for PairCounts {
    fn from(given: Counted) -> Self {
        Self {
            trials: given.n,
            before: given.x,
            events: given.y,
            both: given.xy,
        }
    }
}

/// The outputs of an adjusted comparison.
pub(super) fn shown(adjusted: &Adjusted, unit: Unit, alpha: f64) -> Result<Map<String, Value>, Refusal> {
    let effect = match unit {
        Unit::Absolute => adjusted.contrast.difference(Alternative::TwoSided, alpha)?,
        Unit::Relative => adjusted.contrast.lift_delta(Alternative::TwoSided, alpha)?,
    };
    Ok(outputs([
        ("theta", number(adjusted.theta)),
        ("variance_ratio", number(adjusted.variance_ratio)),
        ("effect", number(effect.estimate)),
        ("se", number(effect.standard_error)),
        ("df", effect.df.map_or(Value::Null, number)),
        ("lo", number(effect.interval.lower)),
        ("hi", number(effect.interval.upper)),
        ("p", number(effect.p.p)),
        ("ln_p", number(effect.p.ln)),
    ]))
}
