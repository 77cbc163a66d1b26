//! How fast an error budget burns.

use super::sides::side;
use super::{Said, finite};
use tidegate_model::because::Figure;
use tidegate_model::policy::{BudgetLeft, Rule, Slo};
use tidegate_model::verdict::{Measurement, UnknownReason, Verdict};
use tidegate_stats::burn_rate::{Objective, multi_window};

/// What the windows say: bad when both windows of a pair burn at its rate. One pair that burns is enough,
/// even if others could not be judged; to be healthy, all must be judged.
pub(super) fn say(
    rule: &Rule,
    slo: &Slo,
    rates: &[(Measurement, Measurement)],
    period: Option<&Measurement>,
) -> Said {
    let Some(objective) = Objective::new(slo.objective) else {
        return Said::unknown(UnknownReason::ProviderError, "an objective without a budget");
    };
    let mut fastest: Option<Said> = None;
    let mut unknown = None;
    for (burn, (long, short)) in slo.burn_rates.iter().zip(rates) {
        match (ratio(long), ratio(short)) {
            (Ok(long), Ok(short)) => {
                let (long, short) = (objective.burn_rate(long), objective.burn_rate(short));
                let value = multi_window(long, short, burn.rate);
                let detail = format!(
                    "the budget burns at {} over {} and {} over {}; bad is {}",
                    Figure(long),
                    burn.long.window,
                    Figure(short),
                    burn.short.window,
                    Figure(burn.rate)
                );
                if fastest.as_ref().is_none_or(|fastest| fastest.value < Some(value)) {
                    fastest = Some(Said::compared(rule, value, detail));
                }
            }
            (Err((reason, detail)), _) | (_, Err((reason, detail))) => {
                let which = format!("{} and {}", burn.long.window, burn.short.window);
                unknown.get_or_insert_with(|| Said::unknown(reason, side(&which, &detail)));
            }
        }
    }
    match (fastest, unknown) {
        (Some(fastest), _) if fastest.verdict == Ok(Verdict::Breached) => fastest,
        (_, Some(unknown)) => unknown,
        (Some(fastest), None) => left(slo.budget.as_ref(), objective, fastest, period),
        (None, None) => Said::unknown(UnknownReason::NoSeries, "no burn rate was measured"),
    }
}

/// A share of errors, which is one from 0 to 1.
fn ratio(measurement: &Measurement) -> Result<f64, (UnknownReason, String)> {
    match finite(measurement) {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        Ok(other) => Err((
            UnknownReason::ProviderError,
            format!("{} is no share of errors", Figure(other)),
        )),
        Err(reason) => Err((reason, measurement.detail.clone())),
    }
}

/// Good as it is, but nothing opens while too little of the budget is left.
fn left(budget: Option<&BudgetLeft>, objective: Objective, said: Said, period: Option<&Measurement>) -> Said {
    let (Some(budget), Some(period)) = (budget, period) else {
        return said;
    };
    match remaining(budget, objective, period) {
        Ok(Remaining { enough: true, .. }) => said,
        Ok(Remaining { words, .. }) => Said {
            verdict: said.verdict.map(|_healthy| Verdict::Undecided),
            detail: words,
            ..said
        },
        Err((reason, detail)) => Said::unknown(reason, side(&budget.period.window.to_string(), &detail)),
    }
}

/// What is left of a budget.
pub(crate) struct Remaining {
    /// Whether a stage may open.
    pub(crate) enough: bool,
    /// How much it is and should be.
    pub(crate) words: String,
}

/// What is left of `budget` after a period with this share of errors.
pub(crate) fn remaining(
    budget: &BudgetLeft,
    objective: Objective,
    period: &Measurement,
) -> Result<Remaining, (UnknownReason, String)> {
    let left = objective.budget_left(ratio(period)?);
    Ok(Remaining {
        enough: left >= budget.start_above,
        words: format!(
            "{} % of the error budget of {} is left; a stage opens from {} %",
            Figure(left * 100.0),
            budget.period.window,
            Figure(budget.start_above * 100.0)
        ),
    })
}
