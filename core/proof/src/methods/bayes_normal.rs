//! Methods of the topic `bayes_normal`.

use super::{Aim, Answer, Share, Summary, ask, number, outputs};
use serde::Deserialize;
use serde_json::Value;
use tidegate_stats::bayes::{EffectEstimate, EffectScale, NormalPrior, effect_posterior, expected_losses};
use tidegate_stats::{Goal, Refusal};

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "effect_posterior" => posterior(input),
        "normal_expected_loss" => losses(input),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize)]
struct Prior {
    mean: f64,
    var: f64,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Arms {
    Mean { control: Summary, treatment: Summary },
    Prop { control: Share, treatment: Share },
}

impl Arms {
    /// The relative effect.
    fn effect(&self) -> Result<EffectEstimate, Refusal> {
        match *self {
            Self::Mean { control, treatment } => {
                EffectEstimate::of_means(&control.into(), &treatment.into(), EffectScale::Relative)
            }
            Self::Prop { control, treatment } => {
                EffectEstimate::of_rates(control.into(), treatment.into(), EffectScale::Relative)
            }
        }
    }
}

#[derive(Deserialize)]
struct Effect {
    #[serde(flatten)]
    arms: Arms,
    goal: Aim,
    prior: Option<Prior>,
    alpha: f64,
}

fn posterior(input: &Value) -> Answer {
    ask(input, |input: Effect| {
        let prior = input.prior.map(|prior| NormalPrior {
            mean: prior.mean,
            variance: prior.var,
            scale: EffectScale::Relative,
        });
        let found = effect_posterior(&input.arms.effect()?, prior, input.goal.into(), input.alpha)?;
        Ok(outputs([
            ("mean", number(found.mean)),
            ("sd", number(found.sd)),
            ("chance_to_win", number(found.chance_to_win)),
            ("lo", number(found.interval.lower)),
            ("hi", number(found.interval.upper)),
            ("loss_choose_control", number(found.losses.choose_control)),
            ("loss_choose_treatment", number(found.losses.choose_treatment)),
        ]))
    })
}

#[derive(Deserialize)]
struct Normal {
    mean: f64,
    sd: f64,
}

fn losses(input: &Value) -> Answer {
    ask(input, |input: Normal| {
        let found = expected_losses(input.mean, input.sd, Goal::Increase)?;
        Ok(outputs([
            ("loss_choose_control", number(found.choose_control)),
            ("loss_choose_treatment", number(found.choose_treatment)),
        ]))
    })
}
