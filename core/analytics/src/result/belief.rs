//! What is to be believed of a treatment: posteriors of its lift, the chance to be the best, what a choice costs.

use super::answer::{Answer, Bounds};
use super::evidence::{Evidence, Kind};
use crate::sufficient::MetricMoments as _;
use serde::Serialize;
use tidegate_model::experiment::tally::MetricTally;
use tidegate_model::experiment::{self, Metric};
use tidegate_model::key::VariationKey;
use tidegate_stats::bandit::{self, NormalArm};
use tidegate_stats::bayes::{
    BetaPrior, EffectEstimate, EffectPosterior, EffectScale, NormalPrior, best_rates, compare_rates,
    effect_posterior, lift_posterior,
};
use tidegate_stats::distribution::normal;
use tidegate_stats::{Counts, Goal, Refusal};

/// The standard deviation of the sceptical prior on the lift: most changes move a metric by less than 30 %.
pub const SCEPTICAL_SD: f64 = 0.3;

/// What is believed of a lift, by two priors.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Belief {
    /// By a flat prior: what the data say alone.
    pub flat: Answer<Posterior>,
    /// By a normal prior around no lift with a standard deviation of 0.3.
    pub sceptical: Answer<Posterior>,
}

/// What is believed of a lift.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Posterior {
    /// The lift that is as likely too small as too large.
    pub lift: f64,
    /// Its standard deviation; `None` where it is not normal.
    pub sd: Option<f64>,
    /// The credible interval at the level of the experiment.
    pub interval: Bounds,
    /// The chance that the treatment beats the control; for the goal `maintain` that the lift is inside of the
    /// margins. Looked at repeatedly it keeps no error rate.
    pub chance: f64,
    /// What shipping the treatment is expected to cost, as a share of the control's value: where it is worse, by how
    /// much. `None` for the goal `maintain`.
    pub loss_if_shipped: Option<f64>,
    /// What staying with the control is expected to cost.
    pub loss_if_not: Option<f64>,
}

/// One arm among all.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Best {
    /// Which.
    pub arm: VariationKey,
    /// The chance that it is the best of all, by a flat prior.
    pub chance: f64,
    /// How much better the best one is expected to be, in the metric's unit.
    pub expected_loss: f64,
}

pub(crate) fn goal(metric: &Metric) -> Option<Goal> {
    match metric.goal {
        experiment::Goal::Increase => Some(Goal::Increase),
        experiment::Goal::Decrease => Some(Goal::Decrease),
        experiment::Goal::Maintain => None,
    }
}

pub(crate) fn belief(evidence: &Evidence, metric: &Metric, alpha: f64) -> Belief {
    if let (true, Some([control, treatment])) = (evidence.is_exact(), evidence.counts) {
        return Belief {
            flat: by_counts(control, treatment, metric, alpha).into(),
            sceptical: Answer::Refused(Refusal::Undefined {
                why: "with so few events no lift is normal",
            }),
        };
    }
    let prior = NormalPrior {
        mean: 0.0,
        variance: SCEPTICAL_SD * SCEPTICAL_SD,
        scale: EffectScale::Relative,
    };
    Belief {
        flat: by_lift(evidence, metric, None, alpha).into(),
        sceptical: by_lift(evidence, metric, Some(prior), alpha).into(),
    }
}

fn by_lift(
    evidence: &Evidence,
    metric: &Metric,
    prior: Option<NormalPrior>,
    alpha: f64,
) -> Result<Posterior, Refusal> {
    let contrast = evidence.contrast?;
    // The lift by the delta method, at the observed lift.
    let lift = contrast.difference / contrast.baseline.abs();
    let error = contrast.against(lift)?.standard_error / contrast.baseline.abs();
    let effect = EffectEstimate {
        estimate: lift,
        standard_error: error,
        scale: EffectScale::Relative,
        baseline: contrast.baseline,
    };
    let aim = goal(metric);
    let posterior = effect_posterior(&effect, prior, aim.unwrap_or(Goal::Increase), alpha)?;
    let EffectPosterior {
        mean,
        sd,
        interval,
        losses,
        ..
    } = posterior;
    let within = |margin: f64| normal::cdf((margin - mean) / sd) - normal::cdf((-margin - mean) / sd);
    Ok(Posterior {
        lift: mean,
        sd: Some(sd),
        interval: interval.into(),
        chance: match aim {
            Some(_) => posterior.chance_to_win,
            None => within(metric.margin.unwrap_or(0.0)),
        },
        loss_if_shipped: aim.map(|_| losses.choose_treatment),
        loss_if_not: aim.map(|_| losses.choose_control),
    })
}

/// Few events: beta posteriors of both shares.
fn by_counts(control: Counts, treatment: Counts, metric: &Metric, alpha: f64) -> Result<Posterior, Refusal> {
    let aim = goal(metric).ok_or(Refusal::Undefined {
        why: "with so few events nothing is known of a margin",
    })?;
    let arms = compare_rates(&[control, treatment], BetaPrior::UNIFORM, aim, alpha)?;
    let [of_control, of_treatment] = arms.as_slice() else {
        return Err(Refusal::Undefined {
            why: "two arms are compared",
        });
    };
    let lift = lift_posterior(control, treatment, BetaPrior::UNIFORM, alpha)?;
    let relative = |loss: f64| loss / of_control.rate_mean;
    Ok(Posterior {
        lift: lift.median,
        sd: None,
        interval: lift.interval.into(),
        chance: of_treatment.chance_best,
        loss_if_shipped: Some(relative(of_treatment.expected_loss)),
        loss_if_not: Some(relative(of_control.expected_loss)),
    })
}

/// How likely each arm is the best one: shares by beta posteriors, other metrics by normal ones.
pub(crate) fn best(
    metric: &Metric,
    kind: Kind,
    arms: &[(&VariationKey, &MetricTally)],
    pairs: &[Evidence],
) -> Result<Vec<Best>, Refusal> {
    let aim = goal(metric).ok_or(Refusal::Undefined {
        why: "where nothing is to change, no arm is the best",
    })?;
    let adjusted = pairs.iter().any(|pair| pair.history.is_some());
    let found: Vec<(f64, f64)> = if kind == Kind::Share && !adjusted {
        let counts = arms
            .iter()
            .map(|(_, tally)| tally.counts())
            .collect::<Result<Vec<_>, _>>()?;
        best_rates(&counts, BetaPrior::UNIFORM, aim)?
    } else {
        let arms = normal_arms(pairs)?;
        let standings = bandit::standings(&arms, aim)?.into_iter();
        standings
            .map(|arm| (arm.chance_best, arm.expected_loss))
            .collect()
    };
    let each = arms.iter().zip(found);
    Ok(each
        .map(|((arm, _), (chance, expected_loss))| Best {
            arm: (*arm).clone(),
            chance,
            expected_loss,
        })
        .collect())
}

/// The control, and each treatment as far from it as it is estimated to be.
fn normal_arms(pairs: &[Evidence]) -> Result<Vec<NormalArm>, Refusal> {
    let contrasts = pairs
        .iter()
        .map(|pair| pair.contrast)
        .collect::<Result<Vec<_>, _>>()?;
    let control = contrasts.first().map(|one| NormalArm {
        mean: 0.0,
        variance: one.variance() - one.treatment_variance,
    });
    let treatments = contrasts.iter().map(|one| NormalArm {
        mean: one.difference,
        variance: one.treatment_variance,
    });
    let arms: Vec<NormalArm> = control.into_iter().chain(treatments).collect();
    if arms.iter().any(|arm| arm.variance <= 0.0) {
        return Err(Refusal::NoVariance);
    }
    Ok(arms)
}
