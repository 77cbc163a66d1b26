//! Bandits: which weights come next, and what adaptive traffic has shown, without the bias that it has when batches of
//! different weights are simply added up.

use crate::decision::{Action, Decision};
use crate::result::{Answer, Bounds};
use crate::sufficient::{MetricMoments as _, count};
use serde::Serialize;
use tidegate_model::experiment::tally::{MetricTally, Tallies};
use tidegate_model::experiment::{Bandit, Dealing, Design, Goal, Metric};
use tidegate_model::flag::WeightedVariation;
use tidegate_model::key::{MetricName, VariationKey};
use tidegate_model::share::Share;
use tidegate_stats::bandit::{
    Batch, Contrast, NormalArm, WeightedMean, Weighting, arm_posterior, expected_regret, standings,
    thompson_normal, thompson_rates, weighted_difference, weighted_mean,
};
use tidegate_stats::bayes::BetaPrior;
use tidegate_stats::moments::Moments;
use tidegate_stats::{Counts, Refusal};

/// Of an arm that nobody has met.
static NOBODY: MetricTally = MetricTally::NOBODY;

/// One batch: its weights, and what its units did.
pub type Seen<'a> = (&'a Dealing, &'a Tallies);

/// Where a bandit stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The metric that the weights follow.
    pub metric: MetricName,
    /// Each arm, in the order of the design.
    pub arms: Vec<ArmStanding>,
    /// How much more all units together are expected to have brought with the best arm alone: of a conversion, how many
    /// conversions were given away for what was learnt.
    pub regret: Answer<f64>,
    /// The arm that may be chosen for good: it is expected to cost less than [`Bandit::loss`] says.
    pub winner: Option<VariationKey>,
}

/// One arm of a bandit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArmStanding {
    /// Which.
    pub arm: VariationKey,
    /// Its units in all batches.
    pub units: u64,
    /// Its weight now.
    pub weight: Share,
    /// Its value over the units of all batches, each weighted by the inverse of its chance to come to this arm.
    pub mean: Answer<Estimate>,
    /// The same less the control's.
    pub difference: Option<Answer<Estimate>>,
    /// The chance that it is the best arm.
    pub best: Answer<f64>,
    /// What choosing it for good is expected to cost, per unit.
    pub expected_loss: Answer<f64>,
}

/// An estimate and where the truth may lie.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its interval at the design's level.
    pub interval: Bounds,
}

/// The weights that come next, in the order of the design: Thompson sampling by quadrature, with a floor.
///
/// # Errors
/// When an arm has met fewer units than [`Bandit::units`], or its values do not vary.
pub fn weigh(
    design: &Design,
    bandit: &Bandit,
    batches: &[Seen<'_>],
) -> Result<Vec<WeightedVariation>, Refusal> {
    let course = Course::of(design, bandit, batches)?;
    for arm in &course.arms {
        if arm.units < bandit.units {
            return Err(Refusal::TooFew {
                what: "units of an arm",
                have: count(arm.units),
                need: count(bandit.units),
            });
        }
    }
    let names = design.arms.iter().map(|arm| arm.variation.clone());
    Ok(names
        .zip(shares(&course.chances()?, bandit.floor))
        .map(|(variation, weight)| WeightedVariation { variation, weight })
        .collect())
}

/// Where a bandit stands; `None` of an experiment that is none.
#[must_use]
pub fn standing(design: &Design, batches: &[Seen<'_>]) -> Option<Standing> {
    let bandit = design.bandit.as_ref()?;
    let course = Course::of(design, bandit, batches).ok()?;
    let posteriors = course.posteriors();
    let known = posteriors.as_ref().map_err(|refusal| *refusal);
    let standings = known.and_then(|arms| standings(arms, course.goal()));
    let chances = course.chances_of_best(&standings);
    let arms: Vec<ArmStanding> = design
        .arms
        .iter()
        .enumerate()
        .map(|(index, arm)| course.arm(index, &arm.variation, &chances, &standings))
        .collect();
    let regret = standings.as_ref().map_err(|refusal| *refusal);
    let regret = regret.and_then(|arms| {
        let losses: Vec<f64> = arms.iter().map(|arm| arm.expected_loss).collect();
        course.regret(&losses)
    });
    Some(Standing {
        metric: bandit.metric.clone(),
        winner: winner(&arms, bandit),
        arms,
        regret: regret.into(),
    })
}

/// What a bandit speaks for: the arm whose choice is expected to cost nearly nothing, if there is one. What a guardrail
/// asks for, and units that are missing, come before that; of an experiment that is no bandit nothing changes.
#[must_use]
pub fn decided(design: &Design, batches: &[Seen<'_>], decision: Decision) -> Decision {
    if design.bandit.is_none() || decision.by_itself || decision.action == Action::CannotSay {
        return decision;
    }
    let winner = standing(design, batches).and_then(|standing| standing.winner);
    Decision {
        action: winner.map_or(Action::KeepRunning, |arm| Action::Ship { arm }),
        ..decision
    }
}

fn winner(arms: &[ArmStanding], bandit: &Bandit) -> Option<VariationKey> {
    if arms.iter().any(|arm| arm.units < bandit.units) {
        return None;
    }
    let tolerated = bandit.loss;
    let cheap = arms.iter().filter_map(|arm| {
        let (loss, value) = (*arm.expected_loss.given()?, arm.mean.given()?.value.abs());
        (value > 0.0 && loss < tolerated * value).then_some((arm, loss))
    });
    cheap
        .min_by(|one, other| one.1.total_cmp(&other.1))
        .map(|(arm, _)| arm.arm.clone())
}

/// The arms of a bandit with all their batches.
struct Course<'a> {
    design: &'a Design,
    metric: &'a Metric,
    batches: &'a [Seen<'a>],
    arms: Vec<Arm>,
}

struct Arm {
    units: u64,
    moments: Moments,
    counts: Option<Counts>,
    batches: Vec<Batch>,
}

impl<'a> Course<'a> {
    fn of(design: &'a Design, bandit: &Bandit, batches: &'a [Seen<'a>]) -> Result<Self, Refusal> {
        let metric = design.metric(bandit.metric.as_str()).ok_or(Refusal::Undefined {
            why: "the weights follow a metric that the design has not",
        })?;
        let arms = design.arms.iter();
        let arms = arms.map(|arm| Arm::of(&arm.variation, metric, batches));
        Ok(Self {
            design,
            metric,
            batches,
            arms: arms.collect::<Result<_, _>>()?,
        })
    }

    fn goal(&self) -> tidegate_stats::Goal {
        match self.metric.goal {
            Goal::Decrease => tidegate_stats::Goal::Decrease,
            Goal::Increase | Goal::Maintain => tidegate_stats::Goal::Increase,
        }
    }

    /// Whether units came under different weights, so that plain means would mix times in another proportion for each
    /// arm.
    fn has_adapted(&self) -> bool {
        let met = self.batches.iter().filter(|(_, tallies)| tallies.units() > 1);
        met.count() > 1
    }

    /// What is known of each arm's mean.
    fn posteriors(&self) -> Result<Vec<NormalArm>, Refusal> {
        if !self.has_adapted() {
            return self.plain_posteriors();
        }
        let each = self.arms.iter().map(|arm| {
            let mean = weighted_mean(&arm.batches, Weighting::Hajek)?;
            Ok(NormalArm {
                mean: mean.estimate,
                variance: mean.variance,
            })
        });
        each.collect()
    }

    fn plain_posteriors(&self) -> Result<Vec<NormalArm>, Refusal> {
        let each = self.arms.iter();
        each.map(|arm| arm_posterior(&arm.moments, None)).collect()
    }

    /// How likely each arm is the best one, by what choosing it would cost.
    fn chances_of_best(
        &self,
        standings: &Result<Vec<tidegate_stats::bandit::ArmStanding>, Refusal>,
    ) -> Result<Vec<f64>, Refusal> {
        match standings {
            Ok(arms) if self.has_adapted() => Ok(arms.iter().map(|arm| arm.chance_best).collect()),
            Err(refusal) if self.has_adapted() => Err(*refusal),
            _ => self.chances(),
        }
    }

    /// How likely each arm is the best one, as Thompson sampling has it: all units alike.
    fn chances(&self) -> Result<Vec<f64>, Refusal> {
        let counts: Option<Vec<Counts>> = self.arms.iter().map(|arm| arm.counts).collect();
        match counts {
            Some(counts) => thompson_rates(&counts, BetaPrior::UNIFORM, self.goal()),
            None => thompson_normal(&self.plain_posteriors()?, self.goal()),
        }
    }

    /// What was given away: in each batch by its weights.
    fn regret(&self, losses: &[f64]) -> Result<f64, Refusal> {
        let mut regret = 0.0;
        for (dealing, tallies) in self.batches {
            let weights: Vec<f64> = self
                .design
                .arms
                .iter()
                .map(|arm| weight(dealing, &arm.variation).percent() / 100.0)
                .collect();
            regret += count(tallies.units()) * expected_regret(&weights, losses)?;
        }
        Ok(regret)
    }

    fn arm(
        &self,
        index: usize,
        name: &VariationKey,
        chances: &Result<Vec<f64>, Refusal>,
        standings: &Result<Vec<tidegate_stats::bandit::ArmStanding>, Refusal>,
    ) -> ArmStanding {
        let missing = Refusal::Undefined {
            why: "the arm is not among those that were compared",
        };
        let at = |list: &Result<Vec<f64>, Refusal>| match list {
            Ok(list) => list.get(index).copied().ok_or(missing),
            Err(refusal) => Err(*refusal),
        };
        let loss = match standings {
            Ok(list) => list.get(index).map(|arm| arm.expected_loss).ok_or(missing),
            Err(refusal) => Err(*refusal),
        };
        let own = self.arms.get(index).ok_or(missing);
        let mean = own.and_then(|arm| weighted_mean(&arm.batches, Weighting::Hajek));
        ArmStanding {
            arm: name.clone(),
            units: self.arms.get(index).map_or(0, |arm| arm.units),
            weight: self
                .batches
                .last()
                .map_or(Share::ZERO, |(dealing, _)| weight(dealing, name)),
            mean: mean.and_then(|mean| self.estimate(&mean)).into(),
            difference: (*name != self.design.control).then(|| self.difference(index).into()),
            best: at(chances).into(),
            expected_loss: loss.into(),
        }
    }

    fn difference(&self, index: usize) -> Result<Estimate, Refusal> {
        let missing = Refusal::Undefined {
            why: "there is no control to compare with",
        };
        let arms = &self.design.arms;
        let control = arms.iter().position(|arm| arm.variation == self.design.control);
        let control = control.and_then(|place| self.arms.get(place)).ok_or(missing)?;
        let treatment = self.arms.get(index).ok_or(missing)?;
        let pairs: Vec<Contrast> = control
            .batches
            .iter()
            .zip(&treatment.batches)
            .map(|(control, treatment)| Contrast {
                users: control.users,
                control: (control.weight, control.observed),
                treatment: (treatment.weight, treatment.observed),
            })
            .collect();
        self.estimate(&weighted_difference(&pairs, Weighting::Hajek)?)
    }

    fn estimate(&self, mean: &WeightedMean) -> Result<Estimate, Refusal> {
        Ok(Estimate {
            value: mean.estimate,
            interval: mean.interval(self.design.alpha)?.into(),
        })
    }
}

impl Arm {
    fn of(name: &VariationKey, metric: &Metric, batches: &[Seen<'_>]) -> Result<Self, Refusal> {
        let mut all = MetricTally::NOBODY;
        let mut own = Vec::with_capacity(batches.len());
        for (dealing, tallies) in batches {
            let tally = tallies
                .arms
                .get(name)
                .and_then(|arm| arm.metrics.get(&metric.name));
            let tally = tally.unwrap_or(&NOBODY);
            all = all.plus(tally);
            // One unit alone has no spread, and is not worth a batch.
            let users = match tallies.units() {
                1 => 0,
                more => more,
            };
            own.push(Batch {
                users,
                weight: weight(dealing, name).percent() / 100.0,
                observed: tally.moments()?,
            });
        }
        Ok(Self {
            units: all.all().n,
            moments: all.moments()?,
            counts: if metric.measure.is_share() {
                Some(all.counts()?)
            } else {
                None
            },
            batches: own,
        })
    }
}

fn weight(dealing: &Dealing, name: &VariationKey) -> Share {
    let arm = dealing.arms.iter().find(|arm| arm.variation == *name);
    arm.map_or(Share::ZERO, |arm| arm.weight)
}

/// Chances as shares of the traffic that add up to all of it: every arm gets the floor, and what is left is shared by the
/// chances, by the largest remainder.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of 100,000 parts"
)]
fn shares(chances: &[f64], floor: Share) -> Vec<Share> {
    let floors = chances.iter().map(|_| floor.parts()).sum();
    let left = Share::TOTAL.saturating_sub(floors);
    let all: f64 = chances.iter().sum();
    let exact: Vec<f64> = chances
        .iter()
        .map(|chance| chance.max(0.0) / all * f64::from(left))
        .collect();
    let mut parts: Vec<u32> = exact.iter().map(|parts| parts.floor() as u32).collect();
    let mut order: Vec<usize> = (0..exact.len()).collect();
    let rest = |index: &usize| exact.get(*index).map_or(0.0, |parts| parts.fract());
    order.sort_by(|one, other| rest(other).total_cmp(&rest(one)).then(one.cmp(other)));
    let missing = left.saturating_sub(parts.iter().sum());
    for index in order.into_iter().cycle().take(missing as usize) {
        if let Some(part) = parts.get_mut(index) {
            *part += 1;
        }
    }
    let share = |parts: u32| Share::of_parts(parts.saturating_add(floor.parts()).min(Share::TOTAL));
    parts
        .into_iter()
        .map(|parts| share(parts).unwrap_or(Share::ZERO))
        .collect()
}
