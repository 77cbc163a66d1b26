//! Methods of the topic `multiplicity`.

use super::{Answer, ask, numbers, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::multiplicity::{Correction, adjust, e_benjamini_hochberg};
use tidegate_stats::{PValue, Refusal};

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    let correction = match method {
        "bonferroni" => Correction::Bonferroni,
        "sidak" => Correction::Sidak,
        "holm" => Correction::Holm,
        "holm_sidak" => Correction::HolmSidak,
        "hochberg" => Correction::Hochberg,
        "hommel" => Correction::Hommel,
        "benjamini_hochberg" => Correction::BenjaminiHochberg,
        "benjamini_yekutieli" => Correction::BenjaminiYekutieli,
        "bky_two_stage" => Correction::TwoStage,
        "e_bh" => return ask(input, of_e_values),
        _ => return Answer::Unsupported,
    };
    ask(input, |input| adjusted(&input, correction))
}

#[derive(Deserialize)]
struct Family {
    p: Vec<f64>,
    alpha: f64,
}

fn adjusted(input: &Family, correction: Correction) -> Result<Map<String, Value>, Refusal> {
    let p: Vec<PValue> = input.p.iter().map(|p| PValue::new(*p, p.ln())).collect();
    let answers = adjust(&p, correction, input.alpha)?;
    Ok(outputs([
        ("adjusted", numbers(answers.iter().map(|answer| &answer.p.p))),
        ("rejected", answers.iter().map(|answer| answer.rejected).collect()),
    ]))
}

#[derive(Deserialize)]
struct EValues {
    ln_e: Vec<f64>,
    alpha: f64,
}

fn of_e_values(input: EValues) -> Result<Map<String, Value>, Refusal> {
    let family = e_benjamini_hochberg(&input.ln_e, input.alpha)?;
    let rejected = family.decisions.iter().zip(0_u64..);
    let places: Value = rejected
        .filter_map(|(decision, place)| decision.rejected.then_some(place))
        .collect();
    Ok(outputs([("rejected_indices", places)]))
}
