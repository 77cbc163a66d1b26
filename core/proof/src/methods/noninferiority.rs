//! Methods of the topic `noninferiority`.

use super::{Aim, Answer, Share, Summary, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::Refusal;
use tidegate_stats::margin::{self, LiftMethod, ProportionMethod};
use tidegate_stats::moments::Moments;

type Outputs = Result<Map<String, Value>, Refusal>;

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "noninferiority_prop_wald" => ask(input, |test| of_proportions(&test, ProportionMethod::Wald)),
        "noninferiority_prop_score" => ask(input, |test| of_proportions(&test, ProportionMethod::Score)),
        "tost_prop_wald" => ask(input, equivalence_of_proportions),
        "tost_welch_raw" => ask(input, equivalence_of_means),
        "noninferiority_lift" => ask(input, of_lift),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize)]
struct Proportions {
    control: Share,
    treatment: Share,
    margin: f64,
    goal: Aim,
}

fn of_proportions(test: &Proportions, method: ProportionMethod) -> Outputs {
    let (control, treatment) = (test.control.into(), test.treatment.into());
    let found =
        margin::noninferiority_of_proportions(control, treatment, test.margin, test.goal.into(), method)?;
    Ok(outputs([
        ("z", number(found.z)),
        ("p", number(found.p.p)),
        ("ln_p", number(found.p.ln)),
    ]))
}

#[derive(Deserialize)]
struct Pair {
    control: Share,
    treatment: Share,
    margin: f64,
}

fn equivalence_of_proportions(pair: Pair) -> Outputs {
    let (control, treatment) = (pair.control.into(), pair.treatment.into());
    let found = margin::equivalence_of_proportions(control, treatment, pair.margin, ProportionMethod::Wald)?;
    Ok(outputs([
        ("p_lower", number(found.lower.p.p)),
        ("p_upper", number(found.upper.p.p)),
        ("p", number(found.p.p)),
    ]))
}

#[derive(Deserialize)]
struct Values {
    control: Vec<f64>,
    treatment: Vec<f64>,
    margin: f64,
}

fn equivalence_of_means(values: Values) -> Outputs {
    let (control, treatment) = (moments(&values.control), moments(&values.treatment));
    let found = margin::equivalence_of_means(control, treatment, values.margin)?;
    Ok(outputs([
        ("t_lower", number(found.lower.statistic)),
        ("p_lower", number(found.lower.p.p)),
        ("t_upper", number(found.upper.statistic)),
        ("p_upper", number(found.upper.p.p)),
        ("p", number(found.p.p)),
        ("df", number(found.df)),
    ]))
}

fn moments(values: &[f64]) -> Moments {
    let (mut n, mut count) = (0, 0.0);
    for _value in values {
        n += 1;
        count += 1.0;
    }
    let mean = values.iter().sum::<f64>() / count;
    Moments {
        n,
        mean,
        m2: values.iter().map(|value| (value - mean).powi(2)).sum(),
    }
}

#[derive(Deserialize)]
struct Lift {
    control: Summary,
    treatment: Summary,
    margin: f64,
    goal: Aim,
    alpha: f64,
}

fn of_lift(lift: Lift) -> Outputs {
    let found = margin::noninferiority_of_lift(
        lift.control.into(),
        lift.treatment.into(),
        lift.margin,
        lift.goal.into(),
        lift.alpha,
        LiftMethod::Delta,
    )?;
    Ok(outputs([
        ("t", number(found.t)),
        ("df", number(found.df)),
        ("p", number(found.p.p)),
        ("bound", number(found.bound)),
    ]))
}
