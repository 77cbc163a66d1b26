//! Methods of the topic `ranks`.

use super::{Answer, Side, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::rank::{Method, Pooled, hodges_lehmann, kolmogorov_smirnov, mann_whitney};
use tidegate_stats::{Alternative, Refusal};

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "mann_whitney_exact" => ask(input, |input| ranked(&input, Method::Exact)),
        "mann_whitney_asymptotic" => ask(input, |input: Samples| {
            let continuity = input.continuity;
            ranked(&input, Method::Asymptotic { continuity })
        }),
        "prob_superiority" => ask(input, |input: Samples| {
            let method = Method::Asymptotic { continuity: false };
            let test = mann_whitney(&input.pooled()?, Alternative::TwoSided, method)?;
            Ok(outputs([("value", number(test.superiority()))]))
        }),
        "hodges_lehmann" => ask(input, shifted),
        "ks_exact" => ask(input, |input| apart(&input, Method::Exact)),
        "ks_asymptotic" => ask(input, |input| {
            apart(&input, Method::Asymptotic { continuity: false })
        }),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize)]
struct Samples {
    control: Vec<f64>,
    treatment: Vec<f64>,
    #[serde(default = "two_sided")]
    alternative: Side,
    #[serde(default)]
    continuity: bool,
}

const fn two_sided() -> Side {
    Side::TwoSided
}

impl Samples {
    fn pooled(&self) -> Result<Pooled, Refusal> {
        Pooled::of_values(&self.treatment, &self.control)
    }
}

fn ranked(input: &Samples, method: Method) -> Result<Map<String, Value>, Refusal> {
    let test = mann_whitney(&input.pooled()?, input.alternative.into(), method)?;
    let p = test.p.map_or(Value::Null, |p| number(p.p));
    Ok(outputs([("u", number(test.u)), ("p", p)]))
}

fn apart(input: &Samples, method: Method) -> Result<Map<String, Value>, Refusal> {
    let test = kolmogorov_smirnov(&input.pooled()?, method)?;
    let p = test.p.map_or(Value::Null, |p| number(p.p));
    Ok(outputs([("d", number(test.d)), ("p", p)]))
}

#[derive(Deserialize)]
struct Shifted {
    control: Vec<f64>,
    treatment: Vec<f64>,
    alpha: f64,
}

fn shifted(input: Shifted) -> Result<Map<String, Value>, Refusal> {
    let shift = hodges_lehmann(&input.treatment, &input.control, input.alpha)?;
    let (lo, hi) = shift.interval.map_or((Value::Null, Value::Null), |interval| {
        (number(interval.lower), number(interval.upper))
    });
    Ok(outputs([("est", number(shift.estimate)), ("lo", lo), ("hi", hi)]))
}
