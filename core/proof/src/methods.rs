//! The methods by the names that the vectors have for them.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::{Map, Value};
use tidegate_stats::moments::Moments;
use tidegate_stats::{Alternative, Counts, Goal, Refusal};

mod anova;
mod bandits;
mod bayes_conversion;
mod bayes_normal;
mod contingency;
mod count_rates;
mod cuped;
mod distributions;
mod group_sequential;
mod means;
mod moments;
mod multiplicity;
mod noninferiority;
mod power;
mod proportions;
mod quantiles;
mod ranks;
mod ratio_metrics;
mod sequential;
mod srm;
mod strata;

/// What there is to say to one case.
pub(crate) enum Answer {
    /// The method is not offered.
    Unsupported,
    /// The input is not what the method takes.
    Unreadable(String),
    /// There is no number, for this reason.
    Refused(Refusal),
    /// The outputs by name; `null` where one alone cannot be computed.
    Given(Map<String, Value>),
}

/// The answer of the method with this name.
pub(crate) fn answer(method: &str, input: &Value) -> Answer {
    let topics = [
        anova::answer,
        bandits::answer,
        bayes_conversion::answer,
        bayes_normal::answer,
        contingency::answer,
        count_rates::answer,
        cuped::answer,
        distributions::answer,
        group_sequential::answer,
        means::answer,
        moments::answer,
        multiplicity::answer,
        noninferiority::answer,
        power::answer,
        proportions::answer,
        quantiles::answer,
        ranks::answer,
        ratio_metrics::answer,
        sequential::answer,
        srm::answer,
        strata::answer,
    ];
    for topic in topics {
        match topic(method, input) {
            Answer::Unsupported => {}
            answer => return answer,
        }
    }
    Answer::Unsupported
}

/// Reads the input and asks the method.
fn ask<I: DeserializeOwned>(
    input: &Value,
    method: impl FnOnce(I) -> Result<Map<String, Value>, Refusal>,
) -> Answer {
    match I::deserialize(input) {
        Err(error) => Answer::Unreadable(error.to_string()),
        Ok(input) => match method(input) {
            Ok(given) => Answer::Given(given),
            Err(refusal) => Answer::Refused(refusal),
        },
    }
}

/// Outputs by name.
fn outputs<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A number as the vectors write it: infinities are words, and what is no number is `null`.
fn number(value: f64) -> Value {
    if value == f64::INFINITY {
        Value::from("inf")
    } else if value == f64::NEG_INFINITY {
        Value::from("-inf")
    } else {
        Value::from(value)
    }
}

/// Numbers, each as [`number`] writes it.
fn numbers<'a>(values: impl IntoIterator<Item = &'a f64>) -> Value {
    values.into_iter().map(|value| number(*value)).collect()
}

/// A number that may be written as a word, `"inf"`.
#[derive(Clone, Copy)]
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Number(number) => number
                .as_f64()
                .map(Self)
                .ok_or_else(|| D::Error::custom("no number")),
            Value::String(word) => word
                .parse()
                .map(Self)
                .map_err(|_none| D::Error::custom("no number")),
            _ => Err(D::Error::custom("no number")),
        }
    }
}

/// The words `two-sided`, `greater`, `less`.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Side {
    TwoSided,
    Greater,
    Less,
}

impl From<Side> for Alternative {
    fn from(side: Side) -> Self {
        match side {
            Side::TwoSided => Self::TwoSided,
            Side::Greater => Self::Greater,
            Side::Less => Self::Less,
        }
    }
}

/// The words `increase`, `decrease`.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Aim {
    Increase,
    Decrease,
}

impl From<Aim> for Goal {
    fn from(aim: Aim) -> Self {
        match aim {
            Aim::Increase => Self::Increase,
            Aim::Decrease => Self::Decrease,
        }
    }
}

/// An arm given as `x` of `n`.
#[derive(Deserialize, Clone, Copy)]
struct Share {
    x: u64,
    n: u64,
}

impl From<Share> for Counts {
    fn from(share: Share) -> Self {
        Self {
            events: share.x,
            trials: share.n,
        }
    }
}

/// An arm given as `n`, `mean` and `var`.
#[derive(Deserialize, Clone, Copy)]
struct Summary {
    n: u64,
    mean: f64,
    var: f64,
}

impl From<Summary> for Moments {
    fn from(arm: Summary) -> Self {
        Self::of_variance(arm.n, arm.mean, arm.var)
    }
}
