//! Methods of the topic `bayes_conversion`.

use super::{Aim, Answer, Share, ask, number, numbers, outputs};
use serde::Deserialize;
use serde_json::Value;
use tidegate_stats::bayes::{BetaPrior, RateArm, compare_rates, lift_posterior};
use tidegate_stats::{Counts, Interval};

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "beta_binomial_arms" => arms(input),
        "beta_binomial_lift" => lift(input),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize, Clone, Copy)]
struct Prior {
    a: f64,
    b: f64,
}

impl From<Prior> for BetaPrior {
    fn from(prior: Prior) -> Self {
        Self {
            a: prior.a,
            b: prior.b,
        }
    }
}

#[derive(Deserialize)]
struct Arms {
    arms: Vec<Share>,
    prior: Prior,
    goal: Aim,
}

fn arms(input: &Value) -> Answer {
    ask(input, |input: Arms| {
        let counts: Vec<Counts> = input.arms.iter().map(|arm| (*arm).into()).collect();
        let found = compare_rates(&counts, input.prior.into(), input.goal.into(), 0.05)?;
        let each = |value: fn(&RateArm) -> f64| found.iter().map(|arm| number(value(arm))).collect::<Value>();
        let ends = |Interval { lower, upper }: Interval| numbers(&[lower, upper]);
        Ok(outputs([
            ("chance_best", each(|arm| arm.chance_best)),
            ("expected_loss", each(|arm| arm.expected_loss)),
            ("rate_mean", each(|arm| arm.rate_mean)),
            (
                "rate_ci95",
                found.iter().map(|arm| ends(arm.rate_interval)).collect(),
            ),
        ]))
    })
}

#[derive(Deserialize)]
struct Lift {
    control: Share,
    treatment: Share,
    prior: Prior,
}

fn lift(input: &Value) -> Answer {
    ask(input, |input: Lift| {
        let (control, treatment) = (input.control.into(), input.treatment.into());
        let lift = lift_posterior(control, treatment, input.prior.into(), 0.05)?;
        Ok(outputs([
            ("q025", number(lift.interval.lower)),
            ("median", number(lift.median)),
            ("q975", number(lift.interval.upper)),
        ]))
    })
}
