//! Methods of the topic `proportions`.

use super::{Answer, Share, Side, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::proportion::{
    self, DifferenceMethod, IntervalMethod, Ratio, Variance, delta_difference, delta_lift,
};
use tidegate_stats::{Counts, Interval, Refusal};

type Outputs = Result<Map<String, Value>, Refusal>;

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "two_prop_z_pooled" => ask(input, |test| z_test(&test, Variance::Pooled)),
        "two_prop_z_unpooled" => ask(input, |test| z_test(&test, Variance::Unpooled)),
        "diff_ci_newcombe" => ask(input, |pair| difference(&pair, DifferenceMethod::Newcombe)),
        "diff_ci_miettinen_nurminen" => ask(input, |pair| {
            difference(&pair, DifferenceMethod::MiettinenNurminen)
        }),
        "diff_ci_score" => ask(input, |pair| difference(&pair, DifferenceMethod::Score)),
        "diff_ci_agresti_caffo" => ask(input, |pair| difference(&pair, DifferenceMethod::AgrestiCaffo)),
        "diff_ci_wald" => ask(input, |pair| difference(&pair, DifferenceMethod::Wald)),
        "ratio_ci_log" => ask(input, |pair: Pair| {
            proportion::risk_ratio(pair.control.into(), pair.treatment.into(), pair.alpha)
                .map(|found| ratio("ratio", &found))
        }),
        "odds_ratio_ci_logit" => ask(input, |pair: Pair| {
            proportion::odds_ratio(pair.control.into(), pair.treatment.into(), pair.alpha)
                .map(|found| ratio("odds_ratio", &found))
        }),
        "lift_delta_prop" => ask(input, lift_delta),
        "prop_ci_wilson" => ask(input, |one| single(&one, IntervalMethod::Wilson)),
        "prop_ci_clopper_pearson" => ask(input, |one| single(&one, IntervalMethod::ClopperPearson)),
        "prop_ci_jeffreys" => ask(input, |one| single(&one, IntervalMethod::Jeffreys)),
        "prop_ci_agresti_coull" => ask(input, |one| single(&one, IntervalMethod::AgrestiCoull)),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize)]
struct Test {
    control: Share,
    treatment: Share,
    alternative: Side,
}

fn z_test(test: &Test, variance: Variance) -> Outputs {
    let found = proportion::z_test(
        test.control.into(),
        test.treatment.into(),
        variance,
        test.alternative.into(),
    )?;
    Ok(outputs([
        ("z", number(found.z)),
        ("p", number(found.p.p)),
        ("ln_p", number(found.p.ln)),
    ]))
}

#[derive(Deserialize)]
struct Pair {
    control: Share,
    treatment: Share,
    alpha: f64,
}

fn difference(pair: &Pair, method: DifferenceMethod) -> Outputs {
    proportion::difference(pair.control.into(), pair.treatment.into(), method, pair.alpha)
        .map(|found| limits(found.interval))
}

fn limits(interval: Interval) -> Map<String, Value> {
    outputs([("lo", number(interval.lower)), ("hi", number(interval.upper))])
}

fn ratio(name: &str, found: &Ratio) -> Map<String, Value> {
    let (lower, upper) = found.interval.map_or((Value::Null, Value::Null), |interval| {
        (number(interval.lower), number(interval.upper))
    });
    outputs([(name, number(found.estimate)), ("lo", lower), ("hi", upper)])
}

#[derive(Deserialize)]
struct Delta {
    #[serde(flatten)]
    pair: Pair,
    difference: Scale,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scale {
    Absolute,
    Relative,
}

fn lift_delta(delta: Delta) -> Outputs {
    let (control, treatment) = (delta.pair.control.into(), delta.pair.treatment.into());
    let effect = match delta.difference {
        Scale::Absolute => delta_difference(control, treatment, delta.pair.alpha),
        Scale::Relative => delta_lift(control, treatment, delta.pair.alpha),
    }?;
    Ok(outputs([
        ("effect", number(effect.estimate)),
        ("se", number(effect.standard_error)),
        ("df", number(effect.df)),
        ("lo", number(effect.interval.lower)),
        ("hi", number(effect.interval.upper)),
        ("p", number(effect.p.p)),
        ("ln_p", number(effect.p.ln)),
    ]))
}

#[derive(Deserialize)]
struct One {
    #[serde(flatten)]
    share: Share,
    alpha: f64,
}

fn single(one: &One, method: IntervalMethod) -> Outputs {
    proportion::interval(Counts::from(one.share), method, one.alpha).map(limits)
}
