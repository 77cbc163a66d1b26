//! Methods of the topic `distributions`.

use super::{Answer, Number, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::Refusal;
use tidegate_stats::distribution::{
    beta, binomial, chi_squared, fisher, noncentral_t, normal, poisson, student,
};

#[derive(Deserialize)]
struct At<P> {
    x: f64,
    #[serde(flatten)]
    of: P,
}

#[derive(Deserialize)]
struct Chance<P> {
    p: f64,
    #[serde(flatten)]
    of: P,
}

#[derive(Deserialize)]
struct Plain {}

#[derive(Deserialize)]
struct Degrees {
    df: Number,
}

#[derive(Deserialize)]
struct TwoDegrees {
    d1: f64,
    d2: f64,
}

#[derive(Deserialize)]
struct Shapes {
    a: f64,
    b: f64,
}

#[derive(Deserialize)]
struct Noncentral {
    df: f64,
    nc: f64,
}

#[derive(Deserialize)]
struct Trials {
    k: u64,
    n: u64,
    p: f64,
}

#[derive(Deserialize)]
struct Expected {
    k: u64,
    mean: f64,
}

type Given = Result<Map<String, Value>, Refusal>;

#[expect(clippy::unnecessary_wraps, reason = "what `ask` takes")]
fn value(value: f64) -> Given {
    Ok(outputs([("value", number(value))]))
}

#[expect(clippy::unnecessary_wraps, reason = "what `ask` takes")]
fn both(value: f64, ln: f64) -> Given {
    Ok(outputs([("value", number(value)), ("ln", number(ln))]))
}

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "norm_sf" => ask(input, |i: At<Plain>| both(normal::sf(i.x), normal::ln_sf(i.x))),
        "norm_cdf" => ask(input, |i: At<Plain>| both(normal::cdf(i.x), normal::ln_cdf(i.x))),
        "norm_isf" => ask(input, |i: Chance<Plain>| value(normal::isf(i.p))),
        "norm_ppf" => ask(input, |i: Chance<Plain>| value(normal::ppf(i.p))),
        "beta_sf" => ask(input, |At { x, of }: At<Shapes>| {
            both(beta::sf(x, of.a, of.b), beta::ln_sf(x, of.a, of.b))
        }),
        "beta_cdf" => ask(input, |At { x, of }: At<Shapes>| {
            both(beta::cdf(x, of.a, of.b), beta::ln_cdf(x, of.a, of.b))
        }),
        "beta_ppf" => ask(input, |i: Chance<Shapes>| value(beta::ppf(i.p, i.of.a, i.of.b))),
        "binom_cdf" => ask(input, |i: Trials| {
            both(binomial::cdf(i.k, i.n, i.p), binomial::ln_cdf(i.k, i.n, i.p))
        }),
        "binom_sf" => ask(input, |i: Trials| {
            both(binomial::sf(i.k, i.n, i.p), binomial::ln_sf(i.k, i.n, i.p))
        }),
        "poisson_cdf" => ask(input, |i: Expected| {
            both(poisson::cdf(i.k, i.mean), poisson::ln_cdf(i.k, i.mean))
        }),
        "poisson_sf" => ask(input, |i: Expected| {
            both(poisson::sf(i.k, i.mean), poisson::ln_sf(i.k, i.mean))
        }),
        _ => of_tests(method, input),
    }
}

/// The distributions of test statistics.
fn of_tests(method: &str, input: &Value) -> Answer {
    match method {
        "t_sf" => ask(input, |At { x, of }: At<Degrees>| {
            both(student::sf(x, of.df.0), student::ln_sf(x, of.df.0))
        }),
        "t_cdf" => ask(input, |At { x, of }: At<Degrees>| {
            both(student::cdf(x, of.df.0), student::ln_cdf(x, of.df.0))
        }),
        "t_isf" => ask(input, |i: Chance<Degrees>| value(student::isf(i.p, i.of.df.0))),
        "chi2_sf" => ask(input, |At { x, of }: At<Degrees>| {
            both(chi_squared::sf(x, of.df.0), chi_squared::ln_sf(x, of.df.0))
        }),
        "chi2_cdf" => ask(input, |At { x, of }: At<Degrees>| {
            both(chi_squared::cdf(x, of.df.0), chi_squared::ln_cdf(x, of.df.0))
        }),
        "chi2_isf" => ask(input, |i: Chance<Degrees>| {
            value(chi_squared::isf(i.p, i.of.df.0))
        }),
        "f_sf" => ask(input, |At { x, of }: At<TwoDegrees>| {
            both(fisher::sf(x, of.d1, of.d2), fisher::ln_sf(x, of.d1, of.d2))
        }),
        "f_isf" => ask(input, |i: Chance<TwoDegrees>| {
            value(fisher::isf(i.p, i.of.d1, i.of.d2))
        }),
        "noncentral_t_sf" => ask(input, |At { x, of }: At<Noncentral>| {
            value(noncentral_t::sf(x, of.df, of.nc))
        }),
        _ => Answer::Unsupported,
    }
}
