//! Methods of the topic `quantiles`.

use super::{Answer, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::Refusal;
use tidegate_stats::quantile::{
    Arm, ClusterSums, ClusteredArm, Definition, Degrees, Difference, Scale, Sorted, bounds, difference,
    difference_clustered, sample,
};

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "sample_quantile" => ask(input, sampled),
        "quantile_ci_exact" => ask(input, enclosed),
        "quantile_diff" => ask(input, |input: Compared<Independent>| {
            let (treatment, control) = (input.treatment.into(), input.control.into());
            difference(&treatment, &control, input.difference.into(), input.alpha).map(|it| said(&it))
        }),
        "quantile_diff_clustered" => ask(input, |input: Compared<Clustered>| {
            let (treatment, control) = (input.treatment.into(), input.control.into());
            let scale = input.difference.into();
            difference_clustered(&treatment, &control, scale, input.alpha, Degrees::Events)
                .map(|it| said(&it))
        }),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize)]
struct Sampled {
    values: Vec<f64>,
    p: f64,
}

fn sampled(input: Sampled) -> Result<Map<String, Value>, Refusal> {
    let values = Sorted::of(input.values)?;
    let by = |definition| sample(&values, input.p, definition).map(number);
    Ok(outputs([
        ("type1", by(Definition::InverseDistribution)?),
        ("type2", by(Definition::AveragedInverse)?),
        ("type4", by(Definition::LinearDistribution)?),
        ("type5", by(Definition::Hazen)?),
        ("type6", by(Definition::Weibull)?),
        ("type7", by(Definition::Modes)?),
        ("type8", by(Definition::Medians)?),
        ("type9", by(Definition::Normal)?),
    ]))
}

#[derive(Deserialize)]
struct Enclosed {
    values: Vec<f64>,
    p: f64,
    confidence: f64,
}

fn enclosed(input: Enclosed) -> Result<Map<String, Value>, Refusal> {
    let bounds = bounds(&Sorted::of(input.values)?, input.p, 1.0 - input.confidence)?;
    let end = |end: Option<f64>| end.map_or(Value::Null, number);
    Ok(outputs([("lo", end(bounds.lower)), ("hi", end(bounds.upper))]))
}

#[derive(Deserialize)]
struct Compared<A> {
    control: A,
    treatment: A,
    difference: Unit,
    alpha: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Unit {
    Absolute,
    Relative,
}

impl From<Unit> for Scale {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Absolute => Self::Absolute,
            Unit::Relative => Self::Relative,
        }
    }
}

#[derive(Deserialize)]
struct Independent {
    n: u64,
    n_star: u64,
    nu: f64,
    q: f64,
    q_lower: f64,
    q_upper: f64,
}

impl From<Independent> for Arm {
    fn from(arm: Independent) -> Self {
        Self {
            n: arm.n,
            bounds_n: arm.n_star,
            share: arm.nu,
            value: arm.q,
            lower: arm.q_lower,
            upper: arm.q_upper,
        }
    }
}

#[derive(Deserialize)]
struct Clustered {
    #[serde(flatten)]
    quantile: Independent,
    clusters: u64,
    below_sum: f64,
    below_sumsq: f64,
    events_sum: f64,
    events_sumsq: f64,
    below_events_sum: f64,
}

impl From<Clustered> for ClusteredArm {
    fn from(arm: Clustered) -> Self {
        Self {
            quantile: arm.quantile.into(),
            sums: ClusterSums {
                clusters: arm.clusters,
                below: arm.below_sum,
                below_squared: arm.below_sumsq,
                events: arm.events_sum,
                events_squared: arm.events_sumsq,
                below_events: arm.below_events_sum,
            },
        }
    }
}

fn said(difference: &Difference) -> Map<String, Value> {
    outputs([
        ("effect", number(difference.estimate)),
        ("se", number(difference.standard_error)),
        ("df", number(difference.df)),
        ("lo", number(difference.interval.lower)),
        ("hi", number(difference.interval.upper)),
        ("p", number(difference.p.p)),
    ])
}
