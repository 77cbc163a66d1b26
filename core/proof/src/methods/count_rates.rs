//! Methods of the topic `count_rates`.

use super::{Answer, Side, ask, number, outputs};
use serde::Deserialize;
use serde_json::Value;
use tidegate_stats::count_rate::{self, EventCount};
use tidegate_stats::{Alternative, Interval};

#[derive(Deserialize)]
struct Arm {
    count: u64,
    exposure: f64,
}

impl From<Arm> for EventCount {
    fn from(arm: Arm) -> Self {
        Self {
            events: arm.count,
            exposure: arm.exposure,
        }
    }
}

#[derive(Deserialize)]
struct Test {
    treatment: Arm,
    control: Arm,
    alternative: Side,
}

#[derive(Deserialize)]
struct Range {
    treatment: Arm,
    control: Arm,
    alpha: f64,
}

/// The hypothesis of the tests: no difference.
const EQUAL: f64 = 1.0;

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "rate_exact" => ask(input, |i: Test| {
            let p =
                count_rate::exact_test(i.treatment.into(), i.control.into(), EQUAL, i.alternative.into())?;
            Ok(outputs([("p", number(p.p)), ("ln_p", number(p.ln))]))
        }),
        "rate_score" => ask(input, |i: Test| {
            let test =
                count_rate::score_test(i.treatment.into(), i.control.into(), EQUAL, i.alternative.into())?;
            Ok(outputs([
                ("z", number(test.z)),
                ("p", number(test.p.p)),
                ("ln_p", number(test.p.ln)),
            ]))
        }),
        "rate_ratio_ci_exact" => range(input, count_rate::exact_interval),
        "rate_ratio_ci_score" => range(input, count_rate::score_interval),
        _ => Answer::Unsupported,
    }
}

type Method = fn(EventCount, EventCount, f64, Alternative) -> Result<Interval, tidegate_stats::Refusal>;

fn range(input: &Value, method: Method) -> Answer {
    ask(input, |i: Range| {
        let (treatment, control) = (i.treatment.into(), i.control.into());
        let interval = method(treatment, control, i.alpha, Alternative::TwoSided)?;
        Ok(outputs([
            (
                "ratio",
                count_rate::ratio(treatment, control).map_or(Value::Null, number),
            ),
            ("lo", number(interval.lower)),
            ("hi", number(interval.upper)),
        ]))
    })
}
