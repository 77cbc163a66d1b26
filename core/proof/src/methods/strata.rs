//! Methods of the topic `strata`.

use super::{Answer, Share, Summary, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::Refusal;
use tidegate_stats::strata::{self, Stratum};

type Outputs = Result<Map<String, Value>, Refusal>;

/// The vectors of post-stratification know no interval; any level does.
const LEVEL: f64 = 0.05;

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "cmh" => ask(input, mantel_haenszel),
        "post_stratified_mean" => ask(input, post_stratified),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize)]
struct Arms<T> {
    control: T,
    treatment: T,
}

fn strata<T, S: From<T>>(arms: Vec<Arms<T>>) -> Vec<Stratum<S>> {
    arms.into_iter()
        .map(|arms| Stratum {
            control: arms.control.into(),
            treatment: arms.treatment.into(),
        })
        .collect()
}

#[derive(Deserialize)]
struct Tables {
    strata: Vec<Arms<Share>>,
    alpha: f64,
}

fn mantel_haenszel(tables: Tables) -> Outputs {
    let found = strata::mantel_haenszel(&strata(tables.strata), tables.alpha)?;
    let [estimate, lower, upper] = found
        .odds_ratio
        .map_or([Value::Null, Value::Null, Value::Null], |odds| {
            [odds.estimate, odds.interval.lower, odds.interval.upper].map(number)
        });
    Ok(outputs([
        ("chi2", number(found.chi_squared)),
        ("p", number(found.p.p)),
        ("odds_ratio", estimate),
        ("lo", lower),
        ("hi", upper),
    ]))
}

#[derive(Deserialize)]
struct Means {
    strata: Vec<Arms<Summary>>,
    difference: Scale,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scale {
    Absolute,
    Relative,
}

fn post_stratified(means: Means) -> Outputs {
    let found = strata::post_stratified(&strata(means.strata), LEVEL)?;
    let effect = match means.difference {
        Scale::Absolute => found.difference,
        Scale::Relative => found.lift?,
    };
    Ok(outputs([
        ("effect", number(effect.estimate)),
        ("se", number(effect.standard_error)),
    ]))
}
