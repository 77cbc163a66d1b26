//! Methods of the topic `means`.

use super::{Answer, Side, Summary, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::effect::Effect;
use tidegate_stats::moments::Moments;
use tidegate_stats::{Alternative, Refusal, mean};

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "welch_t" => ask(input, |given| difference(given, mean::welch_t)),
        "student_t" => ask(input, |given| difference(given, mean::student_t)),
        "z_unpooled" => ask(input, |given| difference(given, mean::z_unpooled)),
        "welch_t_raw" => ask(input, |given: Raw| difference(given.into(), mean::welch_t)),
        "lift_delta_mean" => ask(input, |given| lift(given, mean::lift_delta)),
        "lift_log_ratio_mean" => ask(input, lift_log_ratio),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize)]
struct Raw {
    control: Vec<f64>,
    treatment: Vec<f64>,
    alternative: Side,
    alpha: f64,
}

#[derive(Deserialize)]
#[serde(from = "Summaries")]
struct Arms {
    control: Moments,
    treatment: Moments,
    alternative: Alternative,
    alpha: f64,
}

#[derive(Deserialize)]
struct Summaries {
    control: Summary,
    treatment: Summary,
    alternative: Option<Side>,
    alpha: f64,
}

impl From<Summaries> for Arms {
    fn from(given: Summaries) -> Self {
        Self {
            control: given.control.into(),
            treatment: given.treatment.into(),
            alternative: given.alternative.map_or(Alternative::TwoSided, Into::into),
            alpha: given.alpha,
        }
    }
}

impl From<Raw> for Arms {
    fn from(given: Raw) -> Self {
        Self {
            control: Moments::of_values(&given.control),
            treatment: Moments::of_values(&given.treatment),
            alternative: given.alternative.into(),
            alpha: given.alpha,
        }
    }
}

type Method = fn(&Moments, &Moments, Alternative, f64) -> Result<Effect, Refusal>;

impl Arms {
    fn ask(&self, method: Method) -> Result<Effect, Refusal> {
        method(&self.control, &self.treatment, self.alternative, self.alpha)
    }
}

fn difference(given: Arms, method: Method) -> Result<Map<String, Value>, Refusal> {
    let effect = given.ask(method)?;
    Ok(outputs([
        ("t", number(effect.statistic)),
        ("df", effect.df.map_or(Value::Null, number)),
        ("p", number(effect.p.p)),
        ("ln_p", number(effect.p.ln)),
        ("diff", number(effect.estimate)),
        ("lo", number(effect.interval.lower)),
        ("hi", number(effect.interval.upper)),
    ]))
}

fn lift(given: Arms, method: Method) -> Result<Map<String, Value>, Refusal> {
    let effect = given.ask(method)?;
    Ok(outputs([
        ("lift", number(effect.estimate)),
        ("se", number(effect.standard_error)),
        ("df", effect.df.map_or(Value::Null, number)),
        ("lo", number(effect.interval.lower)),
        ("hi", number(effect.interval.upper)),
        ("p", number(effect.p.p)),
        ("ln_p", number(effect.p.ln)),
    ]))
}

fn lift_log_ratio(given: Arms) -> Result<Map<String, Value>, Refusal> {
    let effect = given.ask(mean::lift_log_ratio)?;
    Ok(outputs([
        ("lift", number(effect.estimate)),
        ("lo", number(effect.interval.lower)),
        ("hi", number(effect.interval.upper)),
    ]))
}
