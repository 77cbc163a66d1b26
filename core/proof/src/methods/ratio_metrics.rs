//! Methods of the topic `ratio_metrics`.

use super::cuped::{Unit, shown};
use super::{Answer, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::moments::{Comoments, Moments};
use tidegate_stats::ratio::{self, RatioMoments};
use tidegate_stats::{Alternative, Refusal};

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "ratio_delta" => ask(input, delta),
        "ratio_cuped_raw" => ask(input, cuped),
        _ => Answer::Unsupported,
    }
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
    mean_m: f64,
    var_m: f64,
    mean_d: f64,
    var_d: f64,
    cov_md: f64,
}

impl Summary {
    fn moments(&self) -> Result<Comoments, Refusal> {
        let denominator = Moments::of_variance(self.n, self.mean_d, self.var_d);
        let numerator = Moments::of_variance(self.n, self.mean_m, self.var_m);
        Comoments::of_covariance(&denominator, &numerator, self.cov_md)
    }
}

fn delta(given: Arms<Summary>) -> Result<Map<String, Value>, Refusal> {
    let ratios = ratio::delta(&given.control.moments()?, &given.treatment.moments()?)?;
    let effect = match given.difference {
        Unit::Absolute => ratios.contrast.difference(Alternative::TwoSided, given.alpha)?,
        Unit::Relative => ratios.contrast.lift_delta(Alternative::TwoSided, given.alpha)?,
    };
    Ok(outputs([
        ("ratio_control", number(ratios.control)),
        ("ratio_treatment", number(ratios.treatment)),
        ("effect", number(effect.estimate)),
        ("se", number(effect.standard_error)),
        ("df", effect.df.map_or(Value::Null, number)),
        ("lo", number(effect.interval.lower)),
        ("hi", number(effect.interval.upper)),
        ("p", number(effect.p.p)),
    ]))
}

/// Rows of users: numerator, denominator, and both from before.
fn cuped(given: Arms<Vec<[f64; 4]>>) -> Result<Map<String, Value>, Refusal> {
    let adjusted = ratio::cuped(
        &RatioMoments::of_rows(&given.control),
        &RatioMoments::of_rows(&given.treatment),
    )?;
    shown(&adjusted, given.difference, given.alpha)
}
