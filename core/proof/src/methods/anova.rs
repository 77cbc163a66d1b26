//! Methods of the topic `anova`.

use super::{Answer, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::Refusal;
use tidegate_stats::anova::{self, FTest};
use tidegate_stats::moments::Moments;

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "anova" => ask(input, |given: Groups| test(&given.moments(), anova::classic)),
        "welch_anova" => ask(input, |given: Groups| test(&given.moments(), anova::welch)),
        "brown_forsythe_means" => ask(input, |given: Groups| {
            test(&given.moments(), anova::brown_forsythe)
        }),
        "anova_summary" => ask(input, |given: Summaries| test(&given.moments(), anova::classic)),
        "welch_anova_summary" => ask(input, |given: Summaries| test(&given.moments(), anova::welch)),
        "kruskal_wallis" => ask(input, kruskal_wallis),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Vec<f64>>,
}

impl Groups {
    fn moments(&self) -> Vec<Moments> {
        self.groups
            .iter()
            .map(|group| Moments::of_values(group))
            .collect()
    }
}

#[derive(Deserialize)]
struct Summaries {
    ns: Vec<u64>,
    means: Vec<f64>,
    vars: Vec<f64>,
}

impl Summaries {
    fn moments(&self) -> Vec<Moments> {
        let groups = self.ns.iter().zip(&self.means).zip(&self.vars);
        groups
            .map(|((n, mean), var)| Moments::of_variance(*n, *mean, *var))
            .collect()
    }
}

fn test(
    groups: &[Moments],
    method: fn(&[Moments]) -> Result<FTest, Refusal>,
) -> Result<Map<String, Value>, Refusal> {
    let test = method(groups)?;
    Ok(outputs([
        ("f", number(test.f)),
        ("df1", number(test.df1)),
        ("df2", number(test.df2)),
        ("p", number(test.p.p)),
    ]))
}

fn kruskal_wallis(given: Groups) -> Result<Map<String, Value>, Refusal> {
    let test = anova::kruskal_wallis(&given.groups)?;
    Ok(outputs([
        ("h", number(test.h)),
        ("df", number(test.df)),
        ("p", number(test.p.p)),
    ]))
}
