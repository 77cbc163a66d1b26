//! Methods of the topic `moments`.

use super::{Answer, ask, number, outputs};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map, Value};
use tidegate_stats::moments::{Comoments, Moments};

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "mean_var" => ask(input, |given: Values| {
            Ok(shown(&Moments::of_values(&given.values)))
        }),
        "var_from_sums" => ask(input, |given: Sums| {
            Ok(shown(&Moments::of_sums(given.n, given.sum, given.sum_squares)?))
        }),
        "merge_moments" => ask(input, |given: Stores| Ok(merge(given))),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize)]
struct Values {
    values: Vec<f64>,
}

fn shown(moments: &Moments) -> Map<String, Value> {
    let mean = (moments.n > 0 && moments.mean.is_finite()).then_some(moments.mean);
    outputs([
        ("mean", mean.map_or(Value::Null, number)),
        ("var", moments.variance().map_or(Value::Null, number)),
    ])
}

/// Sums of whole numbers, written as decimal words.
#[derive(Deserialize)]
struct Sums {
    n: u64,
    #[serde(deserialize_with = "whole")]
    sum: i128,
    #[serde(deserialize_with = "whole")]
    sum_squares: i128,
}

fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(|_none| D::Error::custom("no whole number"))
}

#[derive(Deserialize)]
struct Stores {
    a: Store,
    b: Store,
}

#[derive(Deserialize)]
struct Store {
    n: u64,
    mean_x: f64,
    mean_y: f64,
    m2_x: f64,
    m2_y: f64,
    c_xy: f64,
}

impl From<Store> for Comoments {
    fn from(given: Store) -> Self {
        Self {
            n: given.n,
            mean_x: given.mean_x,
            mean_y: given.mean_y,
            m2_x: given.m2_x,
            m2_y: given.m2_y,
            c_xy: given.c_xy,
        }
    }
}

fn merge(given: Stores) -> Map<String, Value> {
    let both = Comoments::from(given.a).merged(&given.b.into());
    outputs([
        ("n", Value::from(both.n)),
        ("mean_x", number(both.mean_x)),
        ("mean_y", number(both.mean_y)),
        ("m2_x", number(both.m2_x)),
        ("m2_y", number(both.m2_y)),
        ("c_xy", number(both.c_xy)),
    ])
}
