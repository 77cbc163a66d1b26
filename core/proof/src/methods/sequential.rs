//! Methods of the topic `sequential`.

use super::{Answer, Share, Side, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::sequential::{
    AlwaysValid, Anytime, BetaPrior, ConfidenceSequence, MixtureTest, Scale, two_proportion_e_value,
};
use tidegate_stats::{Alternative, Counts, Refusal};

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "asymptotic_cs" => ask(input, two_sided),
        "asymptotic_cs_one_sided" => ask(input, one_sided),
        "sequential_prop" => ask(input, proportions),
        "sequential_prop_path" => ask(input, proportions_path),
        "msprt_normal" => ask(input, mixture_of_mean),
        "msprt_difference" => ask(input, mixture_of_difference),
        "msprt_path" => ask(input, mixture_path),
        "two_prop_e_value" => ask(input, e_value),
        _ => Answer::Unsupported,
    }
}

type Outputs = Result<Map<String, Value>, Refusal>;

#[derive(Deserialize)]
struct Estimated {
    n_total: u64,
    estimate: f64,
    se: f64,
    alpha: f64,
    tuned_for: u64,
    alternative: Option<Side>,
}

impl Estimated {
    fn look(&self, alternative: Alternative) -> Result<(f64, Anytime), Refusal> {
        let sequence = ConfidenceSequence::tuned(alternative, self.alpha, self.tuned_for)?;
        Ok((
            sequence.rho(),
            sequence.look(self.n_total, self.estimate, self.se)?,
        ))
    }
}

fn two_sided(input: Estimated) -> Outputs {
    let (rho, look) = input.look(Alternative::TwoSided)?;
    Ok(outputs([
        ("rho", number(rho)),
        ("half_width", number(look.half_width)),
        ("lo", number(look.interval.lower)),
        ("hi", number(look.interval.upper)),
        ("ln_e", number(look.ln_e)),
        ("p_at_this_look", number(look.p.p)),
    ]))
}

fn one_sided(input: Estimated) -> Outputs {
    let alternative = input.alternative.map_or(Alternative::TwoSided, Alternative::from);
    let (rho, look) = input.look(alternative)?;
    let bound = match alternative {
        Alternative::Less => look.interval.upper,
        _ => look.interval.lower,
    };
    Ok(outputs([
        ("rho", number(rho)),
        ("half_width", number(look.half_width)),
        ("bound", number(bound)),
        ("p_at_this_look", number(look.p.p)),
    ]))
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Difference {
    Absolute,
    Relative,
}

impl From<Difference> for Scale {
    fn from(difference: Difference) -> Self {
        match difference {
            Difference::Absolute => Self::Difference,
            Difference::Relative => Self::Lift,
        }
    }
}

#[derive(Deserialize)]
struct Proportions {
    control: Share,
    treatment: Share,
    difference: Difference,
    alpha: f64,
    tuned_for: u64,
}

fn proportions(input: Proportions) -> Outputs {
    let look = ConfidenceSequence::tuned(Alternative::TwoSided, input.alpha, input.tuned_for)?.proportions(
        input.control.into(),
        input.treatment.into(),
        input.difference.into(),
    )?;
    Ok(outputs([
        ("effect", number(look.estimate)),
        ("se", number(look.standard_error)),
        ("lo", number(look.interval.lower)),
        ("hi", number(look.interval.upper)),
        ("p_at_this_look", number(look.p.p)),
    ]))
}

#[derive(Deserialize)]
struct ProportionsPath {
    /// Events and users of the control, then of the treatment.
    looks: Vec<(u64, u64, u64, u64)>,
    difference: Difference,
    alpha: f64,
    tuned_for: u64,
}

fn proportions_path(input: ProportionsPath) -> Outputs {
    let sequence = ConfidenceSequence::tuned(Alternative::TwoSided, input.alpha, input.tuned_for)?;
    let mut together = AlwaysValid::default();
    let (mut at_look, mut so_far, mut intervals) = (Vec::new(), Vec::new(), Vec::new());
    for (x0, n0, x1, n1) in input.looks {
        let arm = |events, trials| Counts { events, trials };
        let look = sequence.proportions(arm(x0, n0), arm(x1, n1), input.difference.into())?;
        together.observe(&look);
        at_look.push(number(look.p.p));
        so_far.push(number(together.p.p));
        intervals.push(Value::from(vec![
            number(look.interval.lower),
            number(look.interval.upper),
        ]));
    }
    Ok(outputs([
        ("p_at_look", at_look.into()),
        ("p_always_valid", so_far.into()),
        ("ci_at_look", intervals.into()),
    ]))
}

#[derive(Deserialize)]
struct Mean {
    n: u64,
    mean: f64,
    sigma: f64,
    tau: f64,
    alpha: f64,
}

fn mixture_of_mean(input: Mean) -> Outputs {
    let look = MixtureTest::new(input.tau, input.alpha)?.mean(input.n, input.mean, input.sigma)?;
    Ok(mixture(&look))
}

#[derive(Deserialize)]
struct Diff {
    diff: f64,
    se: f64,
    tau: f64,
    alpha: f64,
}

fn mixture_of_difference(input: Diff) -> Outputs {
    let look = MixtureTest::new(input.tau, input.alpha)?.difference(input.diff, input.se)?;
    Ok(mixture(&look))
}

fn mixture(look: &Anytime) -> Map<String, Value> {
    outputs([
        ("ln_lambda", number(look.ln_e)),
        ("p_at_this_look", number(look.p.p)),
        ("half_width", number(look.half_width)),
    ])
}

#[derive(Deserialize)]
struct Path {
    values: Vec<f64>,
    sigma: f64,
    tau: f64,
}

fn mixture_path(input: Path) -> Outputs {
    // The p-value does not depend on alpha.
    let test = MixtureTest::new(input.tau, 0.05)?;
    let mut together = AlwaysValid::default();
    let (mut sum, mut p, mut ln_lambda) = (0.0, Vec::new(), Vec::new());
    let mut first = None;
    for (n, value) in (1_u32..).zip(input.values) {
        sum += value;
        let look = test.mean(u64::from(n), sum / f64::from(n), input.sigma)?;
        together.observe(&look);
        p.push(number(together.p.p));
        ln_lambda.push(number(look.ln_e));
        if together.p.p <= 0.05 && first.is_none() {
            first = Some(n);
        }
    }
    Ok(outputs([
        ("p", p.into()),
        ("ln_lambda", ln_lambda.into()),
        ("first_p_at_most_0.05", first.into()),
    ]))
}

#[derive(Deserialize)]
struct Shapes {
    a: f64,
    b: f64,
}

#[derive(Deserialize)]
struct TwoShares {
    control: Share,
    treatment: Share,
    alternative: Side,
    prior: Shapes,
}

fn e_value(input: TwoShares) -> Outputs {
    let Shapes { a, b } = input.prior;
    let found = two_proportion_e_value(
        input.control.into(),
        input.treatment.into(),
        input.alternative.into(),
        BetaPrior { a, b },
    )?;
    Ok(outputs([
        ("ln_e", number(found.ln_e)),
        ("p_at_this_look", number(found.p.p)),
    ]))
}
