//! Methods of the topic `srm`.

use super::{Answer, ask, number, outputs};
use serde::Deserialize;
use serde_json::Value;
use tidegate_stats::sample_ratio;

#[derive(Deserialize)]
struct Arms {
    observed: Vec<u64>,
    weights: Vec<f64>,
}

#[derive(Deserialize)]
struct Look {
    observed: Vec<u64>,
    weights: Vec<f64>,
    concentration: f64,
}

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "srm_chi2" => ask(input, |i: Arms| {
            let test = sample_ratio::chi_squared(&i.observed, &i.weights)?;
            Ok(outputs([
                ("chi2", number(test.chi2)),
                ("df", number(test.df)),
                ("p", number(test.p.p)),
                ("ln_p", number(test.p.ln)),
            ]))
        }),
        "srm_sequential" => ask(input, |i: Look| {
            let look = sample_ratio::sequential(&i.observed, &i.weights, i.concentration)?;
            Ok(outputs([
                ("ln_e", number(look.ln_e)),
                ("p_at_this_look", number(look.p.p)),
            ]))
        }),
        _ => Answer::Unsupported,
    }
}
