//! The arms of a metric by themselves, and all of them together.

use super::answer::{Answer, Bounds, Chance};
use super::evidence::{Evidence, Kind};
use crate::sufficient::{Clustered as _, MetricMoments as _, count};
use serde::Serialize;
use tidegate_model::experiment::tally::MetricTally;
use tidegate_model::key::VariationKey;
use tidegate_stats::distribution::{chi_squared, student};
use tidegate_stats::proportion::{self, IntervalMethod};
use tidegate_stats::{Interval, PValue, Refusal, anova, contingency, ratio};

/// Below this expected count no chi-squared test is made.
const EXPECTED_MIN: f64 = 5.0;

/// One arm of one metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArmResult {
    /// Which.
    pub arm: VariationKey,
    /// Units that count for this metric.
    pub units: u64,
    /// Units of whom is known what they did before their exposure.
    pub known: u64,
    /// Of a share the units that have it, of a percentile the events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Its value: a share, a mean, a ratio or a percentile.
    pub value: Answer<f64>,
    /// Where the true value may lie, at the level of the experiment and for one look.
    pub interval: Answer<Bounds>,
    /// The steps of a funnel; empty for others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// One step of a funnel.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Units that reached it.
    pub reached: u64,
    /// As a share of all units.
    pub of_all: Answer<f64>,
    /// As a share of those that reached the step before.
    pub of_previous: Answer<f64>,
}

impl ArmResult {
    pub(crate) fn of(arm: &VariationKey, kind: Kind, tally: &MetricTally, alpha: f64) -> Self {
        let all = tally.all();
        let (value, interval) = match kind {
            Kind::Share => share(tally, alpha),
            Kind::Mean => mean(tally, alpha),
            Kind::Ratio => of_ratio(tally, alpha),
            Kind::Percentile { quantile } => percentile(tally, quantile, alpha),
        };
        let (units, events) = match (kind, &tally.quantile) {
            (Kind::Percentile { .. }, Some(quantile)) => (quantile.clusters, Some(quantile.events)),
            (Kind::Share, _) => (all.n, tally.counts().ok().map(|counts| counts.events)),
            _ => (all.n, None),
        };
        Self {
            arm: arm.clone(),
            units,
            known: if kind == Kind::Ratio { 0 } else { tally.known.n },
            events,
            value: value.into(),
            interval: interval.map(Bounds::from).into(),
            steps: steps(&tally.steps, all.n),
        }
    }
}

type Value = (Result<f64, Refusal>, Result<Interval, Refusal>);

fn nobody() -> Refusal {
    Refusal::TooFew {
        what: "units",
        have: 0.0,
        need: 1.0,
    }
}

fn share(tally: &MetricTally, alpha: f64) -> Value {
    match tally.counts() {
        Ok(counts) if counts.trials > 0 => (
            Ok(count(counts.events) / count(counts.trials)),
            proportion::interval(counts, IntervalMethod::Wilson, alpha),
        ),
        Ok(_) => (Err(nobody()), Err(nobody())),
        Err(refusal) => (Err(refusal), Err(refusal)),
    }
}

fn mean(tally: &MetricTally, alpha: f64) -> Value {
    let moments = match tally.moments() {
        Ok(moments) if moments.n > 0 => moments,
        Ok(_) => return (Err(nobody()), Err(nobody())),
        Err(refusal) => return (Err(refusal), Err(refusal)),
    };
    let interval = moments
        .variance()
        .ok_or(Refusal::TooFew {
            what: "units",
            have: count(moments.n),
            need: 2.0,
        })
        .and_then(|variance| {
            let squared = variance / count(moments.n);
            around(moments.mean, squared, count(moments.n) - 1.0, alpha)
        });
    (Ok(moments.mean), interval)
}

fn of_ratio(tally: &MetricTally, alpha: f64) -> Value {
    // Compared with itself an arm says how its own ratio varies.
    let ratios = tally.comoments().and_then(|arm| ratio::delta(&arm, &arm));
    let interval = ratios.and_then(|ratios| {
        let contrast = ratios.contrast;
        around(
            ratios.control,
            contrast.baseline_variance,
            contrast.control_df,
            alpha,
        )
    });
    let all = tally.all();
    let value = match (ratios, all.x) {
        (Ok(ratios), _) => Ok(ratios.control),
        (Err(Refusal::NoVariance), _) => tally.comoments().map(|arm| arm.mean_y / arm.mean_x),
        (Err(refusal), _) => Err(refusal),
    };
    (value, interval)
}

fn percentile(tally: &MetricTally, share: f64, alpha: f64) -> Value {
    let Some(quantile) = tally.quantile.filter(|quantile| quantile.events > 0) else {
        let none = Refusal::TooFew {
            what: "events",
            have: 0.0,
            need: 1.0,
        };
        return (Err(none), Err(none));
    };
    let interval = quantile.clustered(share).variance().and_then(|squared| {
        let df = count(quantile.clusters) - 1.0;
        around(quantile.value, squared, df, alpha)
    });
    (Ok(quantile.value), interval)
}

fn around(value: f64, squared_error: f64, df: f64, alpha: f64) -> Result<Interval, Refusal> {
    if squared_error <= 0.0 {
        return Err(Refusal::NoVariance);
    }
    let half = student::isf(alpha / 2.0, df) * squared_error.sqrt();
    Ok(Interval {
        lower: value - half,
        upper: value + half,
    })
}

fn steps(reached: &[u64], all: u64) -> Vec<Step> {
    let share = |part: u64, whole: u64| {
        if whole > 0 {
            Answer::Given(count(part) / count(whole))
        } else {
            Answer::Refused(nobody())
        }
    };
    let before = std::iter::once(all).chain(reached.iter().copied());
    reached
        .iter()
        .zip(before)
        .map(|(reached, before)| Step {
            reached: *reached,
            of_all: share(*reached, all),
            of_previous: share(*reached, before),
        })
        .collect()
}

/// Whether the arms differ at all, where there are more than two. It is for one look, and is no condition of the
/// pairs: those are corrected together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Omnibus {
    /// Which test it is.
    pub method: OmnibusMethod,
    /// What it compares with its distribution.
    pub statistic: f64,
    /// The degrees of freedom between arms.
    pub df: f64,
    /// The chance of such arms or more different ones, if they are alike.
    pub p: Chance,
}

/// A test of all arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OmnibusMethod {
    /// Shares: the chi-squared test of arms by outcomes.
    ChiSquared,
    /// Means: Welch's analysis of variance.
    WelchAnova,
    /// Ratios and percentiles: squared distances from the weighted mean in standard errors (Cochran 1954).
    CochranQ,
}

/// # Errors
///
/// Why the arms cannot be tested together.
pub(crate) fn omnibus(kind: Kind, arms: &[&MetricTally], pairs: &[Evidence]) -> Result<Omnibus, Refusal> {
    match kind {
        Kind::Share => shares_differ(arms),
        Kind::Mean => {
            let groups = arms
                .iter()
                .map(|arm| arm.moments())
                .collect::<Result<Vec<_>, _>>()?;
            let test = anova::welch(&groups)?;
            Ok(Omnibus {
                method: OmnibusMethod::WelchAnova,
                statistic: test.f,
                df: test.df1,
                p: test.p.into(),
            })
        }
        Kind::Ratio | Kind::Percentile { .. } => estimates_differ(pairs),
    }
}

fn shares_differ(arms: &[&MetricTally]) -> Result<Omnibus, Refusal> {
    let rows = arms
        .iter()
        .map(|arm| {
            let counts = arm.counts()?;
            Ok([counts.events, counts.trials - counts.events])
        })
        .collect::<Result<Vec<_>, Refusal>>()?;
    let sum = |of: fn(&[u64; 2]) -> u64| rows.iter().map(|row| count(of(row))).sum::<f64>();
    let rarer = sum(|[events, _]| *events).min(sum(|[_, others]| *others));
    let all = sum(|[events, others]| events + others);
    let smallest = rows.iter().map(|[events, others]| count(events + others));
    let expected = rarer * smallest.fold(f64::INFINITY, f64::min) / all.max(1.0);
    if rarer > 0.0 && expected < EXPECTED_MIN {
        return Err(Refusal::TooFew {
            what: "events or others to be expected in the smallest arm",
            have: expected,
            need: EXPECTED_MIN,
        });
    }
    let test = contingency::chi_squared(&rows)?;
    Ok(Omnibus {
        method: OmnibusMethod::ChiSquared,
        statistic: test.statistic,
        df: test.df,
        p: test.p.into(),
    })
}

fn estimates_differ(pairs: &[Evidence]) -> Result<Omnibus, Refusal> {
    let contrasts = pairs
        .iter()
        .map(|pair| pair.contrast)
        .collect::<Result<Vec<_>, _>>()?;
    let control = contrasts.first().map(|one| (0.0, one.baseline_variance));
    let others = contrasts
        .iter()
        .map(|one| (one.difference, one.treatment_variance));
    // Distances from the control, which keep their digits.
    let arms: Vec<(f64, f64)> = control.into_iter().chain(others).collect();
    if arms.iter().any(|(_, variance)| *variance <= 0.0) {
        return Err(Refusal::NoVariance);
    }
    let weight: f64 = arms.iter().map(|(_, variance)| variance.recip()).sum();
    let middle = arms.iter().map(|(value, variance)| value / variance).sum::<f64>() / weight;
    let squared = |(value, variance): &(f64, f64)| (value - middle).powi(2) / variance;
    let statistic = arms.iter().map(squared).sum::<f64>();
    let df = count(u64::try_from(contrasts.len()).unwrap_or(u64::MAX));
    Ok(Omnibus {
        method: OmnibusMethod::CochranQ,
        statistic,
        df,
        p: PValue::new(
            chi_squared::sf(statistic, df),
            chi_squared::ln_sf(statistic, df).min(0.0),
        )
        .into(),
    })
}
