//! Methods of the topic `contingency`.

use super::{Answer, Share, Side, ask, number, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::contingency::{self, TableTest};
use tidegate_stats::{Counts, Refusal};

type Outputs = Result<Map<String, Value>, Refusal>;

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "fisher_exact" => ask(input, fisher_exact),
        "chi2_independence" => ask(input, |table: Table| {
            contingency::chi_squared(&table.table).map(|found| statistic("chi2", &found))
        }),
        "g_test" => ask(input, |table: Table| {
            contingency::g_test(&table.table).map(|found| statistic("g", &found))
        }),
        "chi2_yates" => ask(input, |pair: Pair| {
            let (treatment, control) = pair.arms();
            contingency::yates(control, treatment).map(|found| statistic("chi2", &found))
        }),
        "binom_test" => ask(input, binomial_test),
        _ => Answer::Unsupported,
    }
}

#[derive(Deserialize)]
struct Table {
    table: Vec<Vec<u64>>,
}

/// A table of events and non-events: the treatment in the first row, the control in the second.
#[derive(Deserialize)]
struct Pair {
    table: [[u64; 2]; 2],
}

impl Pair {
    fn arms(&self) -> (Counts, Counts) {
        let [treatment, control] = self.table.map(|[events, others]| Counts {
            events,
            trials: events + others,
        });
        (treatment, control)
    }
}

fn statistic(name: &str, found: &TableTest) -> Map<String, Value> {
    outputs([
        (name, number(found.statistic)),
        ("df", number(found.df)),
        ("p", number(found.p.p)),
        ("ln_p", number(found.p.ln)),
    ])
}

#[derive(Deserialize)]
struct Exact {
    #[serde(flatten)]
    pair: Pair,
    alternative: Side,
}

fn fisher_exact(exact: Exact) -> Outputs {
    let (treatment, control) = exact.pair.arms();
    let p = contingency::fisher_exact(control, treatment, exact.alternative.into())?;
    Ok(outputs([("p", number(p.p)), ("ln_p", number(p.ln))]))
}

#[derive(Deserialize)]
struct Tosses {
    #[serde(flatten)]
    share: Share,
    p0: f64,
    alternative: Side,
}

fn binomial_test(tosses: Tosses) -> Outputs {
    let p = contingency::binomial_test(tosses.share.into(), tosses.p0, tosses.alternative.into())?;
    Ok(outputs([("p", number(p.p)), ("ln_p", number(p.ln))]))
}
