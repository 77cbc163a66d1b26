//! Methods of the topic `bandits`.

use super::{Aim, Answer, Summary, ask, number, numbers, outputs};
use serde::Deserialize;
use serde_json::Value;
use tidegate_stats::Refusal;
use tidegate_stats::bandit::{
    ArmPrior, NormalArm, arm_posterior, thompson_normal, top_two_normal, with_floor,
};

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "thompson_normal" => thompson(input),
        "top_two_normal" => top_two(input),
        "normal_arm_posterior" => posterior(input),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize, Clone, Copy)]
struct Prior {
    mean: f64,
    var: f64,
}

#[derive(Deserialize)]
struct Arms {
    arms: Vec<Summary>,
    prior: Option<Prior>,
}

impl Arms {
    fn posteriors(&self) -> Result<Vec<NormalArm>, Refusal> {
        let prior = self.prior.map(|prior| ArmPrior {
            mean: prior.mean,
            variance: prior.var,
        });
        self.arms
            .iter()
            .map(|arm| arm_posterior(&(*arm).into(), prior))
            .collect()
    }
}

#[derive(Deserialize)]
struct Thompson {
    #[serde(flatten)]
    arms: Arms,
    goal: Aim,
    floor: f64,
}

fn thompson(input: &Value) -> Answer {
    ask(input, |input: Thompson| {
        let chances = thompson_normal(&input.arms.posteriors()?, input.goal.into())?;
        Ok(outputs([
            ("chance_best", numbers(&chances)),
            ("weights_with_floor", numbers(&with_floor(&chances, input.floor)?)),
        ]))
    })
}

#[derive(Deserialize)]
struct TopTwo {
    #[serde(flatten)]
    arms: Arms,
    goal: Aim,
}

fn top_two(input: &Value) -> Answer {
    ask(input, |input: TopTwo| {
        let weights = top_two_normal(&input.arms.posteriors()?, input.goal.into())?;
        Ok(outputs([("weights", numbers(&weights))]))
    })
}

fn posterior(input: &Value) -> Answer {
    ask(input, |input: Arms| {
        let arms = input.posteriors()?;
        let each =
            |value: fn(&NormalArm) -> f64| arms.iter().map(|arm| number(value(arm))).collect::<Value>();
        Ok(outputs([
            ("mean", each(|arm| arm.mean)),
            ("var", each(|arm| arm.variance)),
        ]))
    })
}
