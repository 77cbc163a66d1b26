//! Methods of the topic `power`.

use super::{Answer, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::sample_size::{Design, Sides, Sizes, means, noninferiority, proportions};
use tidegate_stats::{Goal, Refusal};

type Given = Result<Map<String, Value>, Refusal>;

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "sample_size_prop_pooled" => ask(input, |it: Rates| {
            proportions::size(it.p_treatment, it.p_control, &it.plan.design(), it.power).map(sizes)
        }),
        "sample_size_prop_arcsine" => ask(input, by_arcsine),
        "power_prop_pooled" => ask(input, |it: RatesSeen| {
            power(proportions::power(
                it.p_treatment,
                it.p_control,
                &it.plan.design(),
                it.n_control,
            ))
        }),
        "mde_prop_pooled" => ask(input, detectable_rate),
        "sample_size_mean_t" => ask(input, |it: Means| {
            means::size(it.diff, it.sd, &it.plan.design(), it.power).map(sizes)
        }),
        "sample_size_mean_z" => ask(input, |it: Means| {
            means::size_normal(it.diff, it.sd, &it.plan.design(), it.power).map(sizes)
        }),
        "power_mean_t" => ask(input, |it: MeansSeen| {
            power(means::power(it.diff, it.sd, &it.plan.design(), it.n_per_arm))
        }),
        "mde_mean_z" => ask(input, |it: MeanWanted| {
            let found = means::detectable_normal(it.sd, &it.plan.design(), it.power, it.n_per_arm)?;
            Ok(outputs([("diff", number(found))]))
        }),
        "sample_size_noninferiority_prop_unpooled" => ask(input, |it: RatesKept| {
            noninferiority::proportions(it.p_treatment, it.p_control, &it.kept.design(), it.kept.power)
                .map(sizes)
        }),
        "sample_size_noninferiority_prop_fm" => ask(input, |it: RatesKept| {
            let (treatment, control) = (it.p_treatment, it.p_control);
            noninferiority::proportions_score(treatment, control, &it.kept.design(), it.kept.power).map(sizes)
        }),
        "sample_size_noninferiority_mean_z" => ask(input, |it: MeansKept| {
            noninferiority::means(it.diff, it.sd, &it.kept.design(), it.kept.power).map(sizes)
        }),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize)]
struct Plan {
    alpha: f64,
    alternative: Direction,
    #[serde(default = "even")]
    ratio: f64,
}

const fn even() -> f64 {
    1.0
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Direction {
    OneSided,
    TwoSided,
}

impl Plan {
    const fn design(&self) -> Design {
        Design {
            alpha: self.alpha,
            sides: match self.alternative {
                Direction::OneSided => Sides::One,
                Direction::TwoSided => Sides::Two,
            },
            ratio: self.ratio,
        }
    }
}

fn sizes(sizes: Sizes) -> Map<String, Value> {
    let whole = sizes.rounded_up();
    outputs([
        ("n_control", number(sizes.control)),
        ("n_treatment", number(sizes.treatment)),
        ("n_control_ceil", number(whole.control)),
        ("n_treatment_ceil", number(whole.treatment)),
    ])
}

fn power(power: Result<f64, Refusal>) -> Given {
    power.map(|power| outputs([("power", number(power))]))
}

#[derive(Deserialize)]
struct Rates {
    #[serde(flatten)]
    plan: Plan,
    p_control: f64,
    p_treatment: f64,
    power: f64,
}

fn by_arcsine(it: Rates) -> Given {
    let (treatment, control) = (it.p_treatment, it.p_control);
    let sizes = proportions::size_arcsine(treatment, control, &it.plan.design(), it.power)?;
    Ok(outputs([
        ("effect_h", number(proportions::effect_h(treatment, control)?)),
        ("n_control", number(sizes.control)),
    ]))
}

#[derive(Deserialize)]
struct RatesSeen {
    #[serde(flatten)]
    plan: Plan,
    p_control: f64,
    p_treatment: f64,
    n_control: f64,
}

#[derive(Deserialize)]
struct RateWanted {
    #[serde(flatten)]
    plan: Plan,
    p_control: f64,
    n_per_arm: f64,
    power: f64,
}

fn detectable_rate(it: RateWanted) -> Given {
    let design = it.plan.design();
    let found = proportions::detectable(it.p_control, &design, it.power, it.n_per_arm, Goal::Increase)?;
    Ok(outputs([
        ("p_treatment", number(found.treatment)),
        ("lift", number(found.lift)),
    ]))
}

#[derive(Deserialize)]
struct Means {
    #[serde(flatten)]
    plan: Plan,
    diff: f64,
    sd: f64,
    power: f64,
}

#[derive(Deserialize)]
struct MeansSeen {
    #[serde(flatten)]
    plan: Plan,
    diff: f64,
    sd: f64,
    n_per_arm: f64,
}

#[derive(Deserialize)]
struct MeanWanted {
    #[serde(flatten)]
    plan: Plan,
    sd: f64,
    n_per_arm: f64,
    power: f64,
}

/// What a proof of noninferiority is planned with; more is better.
#[derive(Deserialize)]
struct Kept {
    alpha: f64,
    margin: f64,
    power: f64,
    ratio: f64,
}

impl Kept {
    const fn design(&self) -> noninferiority::Design {
        noninferiority::Design {
            alpha: self.alpha,
            ratio: self.ratio,
            margin: self.margin,
            goal: Goal::Increase,
        }
    }
}

#[derive(Deserialize)]
struct RatesKept {
    #[serde(flatten)]
    kept: Kept,
    p_control: f64,
    p_treatment: f64,
}

#[derive(Deserialize)]
struct MeansKept {
    #[serde(flatten)]
    kept: Kept,
    diff: f64,
    sd: f64,
}
