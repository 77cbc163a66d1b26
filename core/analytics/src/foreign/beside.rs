//! What stands beside the verdicts: rates of counted events, and comparisons within strata.

use super::cell::Place;
use super::columns::Column;
use super::gathered::{Seen, TooLarge, checked, of};
use super::question::ColumnKind;
use crate::result::{Answer, Bounds, Chance, Effect, Verdict};
use crate::sufficient::SumsMoments as _;
use serde::Serialize;
use std::collections::BTreeMap;
use tidegate_model::experiment::Goal;
use tidegate_model::experiment::tally::Sums;
use tidegate_model::invalid::Violation;
use tidegate_model::key::{MetricName, VariationKey};
use tidegate_stats::count_rate::{self, EventCount};
use tidegate_stats::moments::Moments;
use tidegate_stats::multiplicity::{self, Correction};
use tidegate_stats::strata::{StratifiedEffect, Stratum, mantel_haenszel, post_stratified};
use tidegate_stats::{Alternative, Counts, PValue, Refusal};

/// Most strata of a table.
const STRATA_MAX: usize = 10_000;
/// A stratum with fewer units in an arm has no variance of its own.
const UNITS_MIN: u64 = 2;

/// What stands beside the verdicts of an experiment.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Beside {
    /// Rates, corrected together by Holm.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateResult>,
    /// Conversions and means compared within strata, each by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<Stratified>,
}

/// One rate: counted events by what they were counted over.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RateResult {
    /// Its name.
    pub metric: MetricName,
    /// Which way is good.
    pub goal: Goal,
    /// Each arm, the control first.
    pub arms: Vec<RatedArm>,
    /// Each treatment.
    pub comparisons: Vec<RateComparison>,
}

/// The rate of one arm.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RatedArm {
    /// Which.
    pub arm: VariationKey,
    /// What was counted.
    pub events: u64,
    /// Over how much.
    pub exposure: f64,
    /// The events by the exposure.
    pub rate: Answer<f64>,
}

/// The rate of one treatment against that of the control, by the conditional exact test.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RateComparison {
    /// The treatment.
    pub arm: VariationKey,
    /// Its rate by the control's, less 1.
    pub lift: Answer<f64>,
    /// Where that may lie, at the level of the step of the correction that decided.
    pub interval: Answer<Bounds>,
    /// The exact two-sided p-value: twice the smaller tail, so that it goes with the interval.
    pub p: Answer<Chance>,
    /// Adjusted for all rates and treatments by Holm.
    pub adjusted: Answer<Chance>,
    /// What that proves.
    pub verdict: Verdict,
}

/// One metric within strata.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stratified {
    /// Its name.
    pub metric: MetricName,
    /// Each treatment.
    pub comparisons: Vec<WithinStrata>,
}

/// One treatment against the control within strata, by itself and for one look.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WithinStrata {
    /// The treatment.
    pub arm: VariationKey,
    /// Strata that were compared.
    pub strata: usize,
    /// Strata with fewer than two units in an arm, put together into one.
    pub merged: usize,
    /// The post-stratified difference.
    pub difference: Answer<Effect>,
    /// The same as a share of the control's value.
    pub lift: Answer<Effect>,
    /// The p-value of both.
    pub p: Answer<Chance>,
    /// Of conversions the p-value of Cochran, Mantel and Haenszel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mantel_haenszel: Option<Answer<Chance>>,
    /// Of conversions the odds ratio that the strata have in common.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub odds_ratio: Option<Answer<Effect>>,
}

/// Sums of each metric of each arm in each stratum.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Strata {
    numbers: BTreeMap<String, usize>,
    /// By stratum, arm and metric.
    sums: Vec<Vec<Vec<Sums>>>,
}

impl Strata {
    pub(super) fn number(&mut self, name: &str, place: Place<'_>) -> Result<usize, Violation> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = self.numbers.len();
        if number == STRATA_MAX {
            return Err(place.wrong(
                name,
                "a table has at most 10,000 strata",
                "take a column with few groups, such as a country",
            ));
        }
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }

    pub(super) fn add(
        &mut self,
        (stratum, arm, metric): (usize, usize, usize),
        column: &Column,
        seen: Seen,
        units: u64,
    ) -> Result<(), TooLarge> {
        if self.numbers.is_empty() || column.is_quotient() {
            return Ok(());
        }
        let sums = if column.kind == Some(ColumnKind::Events) {
            let events = u64::try_from(seen.value / 1_000_000).unwrap_or(0);
            checked(
                &of(1_000_000, 0, events)?,
                &of(0, 0, units.saturating_sub(events))?,
            )?
        } else {
            of(column.cap.map_or(seen.value, |cap| seen.value.min(cap)), 0, units)?
        };
        let arms = entry(&mut self.sums, stratum);
        let metrics = entry(arms, arm);
        let into = entry(metrics, metric);
        *into = checked(into, &sums)?;
        Ok(())
    }

    /// One metric: for each stratum the sums of these arms, in this order.
    pub(super) fn of_metric(&self, metric: usize, arms: &[usize]) -> Vec<Vec<Sums>> {
        let each = self.sums.iter().map(|of_arms| {
            let one = |arm: &usize| {
                let sums = of_arms.get(*arm).and_then(|metrics| metrics.get(metric));
                sums.copied().unwrap_or_default()
            };
            arms.iter().map(one).collect()
        });
        each.collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

/// The entry at this place, after so many empty ones as are needed.
fn entry<T: Default>(of: &mut Vec<T>, at: usize) -> &mut T {
    if of.len() <= at {
        of.resize_with(at + 1, T::default);
    }
    // There are more than `at` entries now.
    #[expect(clippy::indexing_slicing, reason = "the line before made it long enough")]
    &mut of[at]
}

/// A rate before it is judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rated {
    pub(super) metric: MetricName,
    pub(super) goal: Goal,
    /// The control first.
    pub(super) arms: Vec<(VariationKey, EventCount)>,
}

/// A metric within strata before it is compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layered {
    pub(crate) metric: MetricName,
    pub(crate) is_share: bool,
    /// The control first.
    pub(crate) arms: Vec<VariationKey>,
    /// By stratum and arm.
    pub(crate) sums: Vec<Vec<Sums>>,
}

pub(super) fn judged(rates: &[Rated], layers: &[Layered], alpha: f64) -> Beside {
    Beside {
        rates: of_rates(rates, alpha),
        strata: layers.iter().map(|layered| layered.compared(alpha)).collect(),
    }
}

fn of_rates(rates: &[Rated], alpha: f64) -> Vec<RateResult> {
    let pairs = rates.iter().flat_map(Rated::pairs);
    let tested: Vec<Result<PValue, Refusal>> = pairs
        .map(|(_, treatment, control)| central(treatment, control))
        .collect();
    let nothing = PValue::new(1.0, 0.0);
    let all: Vec<PValue> = tested.iter().map(|p| p.unwrap_or(nothing)).collect();
    let adjusted = if all.is_empty() {
        Ok(Vec::new())
    } else {
        multiplicity::adjust(&all, Correction::Holm, alpha)
    };
    let mut each = tested.iter().enumerate();
    rates
        .iter()
        .map(|rated| RateResult {
            metric: rated.metric.clone(),
            goal: rated.goal,
            arms: rated
                .arms
                .iter()
                .map(|(arm, count)| RatedArm::of(arm, *count))
                .collect(),
            comparisons: rated
                .pairs()
                .zip(each.by_ref())
                .map(|((arm, treatment, control), (index, p))| {
                    let adjusted = adjusted.as_ref().map_err(|refusal| *refusal);
                    let adjusted = adjusted.map(|all| all.get(index).copied());
                    let level = adjusted.ok().flatten().and_then(|one| one.level).unwrap_or(alpha);
                    let adjusted = p.and_then(|_| {
                        adjusted?.ok_or(Refusal::Undefined {
                            why: "the correction has no answer",
                        })
                    });
                    let significant = adjusted.map(|one| one.rejected);
                    let rises = count_rate::ratio(treatment, control).map_or(true, |ratio| ratio > 1.0);
                    RateComparison {
                        arm: arm.clone(),
                        lift: count_rate::ratio(treatment, control)
                            .map(|ratio| ratio - 1.0)
                            .into(),
                        interval: count_rate::exact_interval(
                            treatment,
                            control,
                            level,
                            Alternative::TwoSided,
                        )
                        .map(|ratio| {
                            let ratio = Bounds::from(ratio);
                            Bounds {
                                lower: ratio.lower.map(|end| end - 1.0),
                                upper: ratio.upper.map(|end| end - 1.0),
                            }
                        })
                        .into(),
                        p: p.map(Chance::from).into(),
                        adjusted: adjusted.map(|one| Chance::from(one.p)).into(),
                        verdict: match significant {
                            Err(_) => Verdict::CannotSay,
                            Ok(false) => Verdict::Undecided,
                            Ok(true) if rises == (rated.goal == Goal::Increase) => Verdict::Better,
                            Ok(true) => Verdict::Worse,
                        },
                    }
                })
                .collect(),
        })
        .collect()
}

/// Twice the smaller one of both tails: the test that the interval of equal tails belongs to.
fn central(treatment: EventCount, control: EventCount) -> Result<PValue, Refusal> {
    let tail = |alternative| count_rate::exact_test(treatment, control, 1.0, alternative);
    let (more, fewer) = (tail(Alternative::Greater)?, tail(Alternative::Less)?);
    let smaller = more.ln.min(fewer.ln) + std::f64::consts::LN_2;
    Ok(PValue::from_ln(smaller.min(0.0)))
}

impl Rated {
    /// Each treatment with its count and that of the control.
    fn pairs(&self) -> impl Iterator<Item = (&VariationKey, EventCount, EventCount)> {
        let control = self.arms.first().map(|(_, count)| *count);
        let treatments = self.arms.iter().skip(1);
        treatments.filter_map(move |(arm, count)| Some((arm, *count, control?)))
    }
}

impl RatedArm {
    fn of(arm: &VariationKey, count: EventCount) -> Self {
        let rate = if count.exposure > 0.0 {
            Answer::Given(crate::sufficient::count(count.events) / count.exposure)
        } else {
            Answer::Refused(Refusal::TooFew {
                what: "exposure",
                have: count.exposure,
                need: f64::MIN_POSITIVE,
            })
        };
        Self {
            arm: arm.clone(),
            events: count.events,
            exposure: count.exposure,
            rate,
        }
    }
}

impl WithinStrata {
    /// A treatment that is not compared within strata.
    pub(crate) fn refused(arm: &VariationKey, refusal: Refusal) -> Self {
        Self {
            arm: arm.clone(),
            strata: 0,
            merged: 0,
            difference: Answer::Refused(refusal),
            lift: Answer::Refused(refusal),
            p: Answer::Refused(refusal),
            mantel_haenszel: None,
            odds_ratio: None,
        }
    }
}

impl Layered {
    pub(crate) fn compared(&self, alpha: f64) -> Stratified {
        let treatments = self.arms.iter().enumerate().skip(1);
        Stratified {
            metric: self.metric.clone(),
            comparisons: treatments
                .map(|(index, arm)| self.pair(index, arm, alpha))
                .collect(),
        }
    }

    fn pair(&self, treatment: usize, arm: &VariationKey, alpha: f64) -> WithinStrata {
        let sums = |of_arms: &Vec<Sums>, arm: usize| of_arms.get(arm).copied().unwrap_or_default();
        let pairs = self.sums.iter().map(|of_arms| Stratum {
            control: sums(of_arms, 0),
            treatment: sums(of_arms, treatment),
        });
        let pairs: Vec<Stratum<Sums>> = pairs
            .filter(|stratum| stratum.control.n + stratum.treatment.n > 0)
            .collect();
        let is_small = |stratum: &&Stratum<Sums>| stratum.control.n.min(stratum.treatment.n) < UNITS_MIN;
        let merged = pairs.iter().filter(is_small).count();
        let rest = pairs.iter().filter(is_small).fold(
            Stratum {
                control: Sums::NONE,
                treatment: Sums::NONE,
            },
            |all, one| Stratum {
                control: all.control.plus(&one.control),
                treatment: all.treatment.plus(&one.treatment),
            },
        );
        let mut compared: Vec<Stratum<Sums>> = pairs
            .iter()
            .filter(|stratum| !is_small(stratum))
            .copied()
            .collect();
        if merged > 0 && !is_small(&&rest) {
            compared.push(rest);
        }
        let moments: Result<Vec<Stratum<Moments>>, Refusal> = compared
            .iter()
            .map(|stratum| {
                Ok(Stratum {
                    control: stratum.control.moments()?,
                    treatment: stratum.treatment.moments()?,
                })
            })
            .collect();
        let found = moments.and_then(|moments| post_stratified(&moments, alpha));
        let tested = self.is_share.then(|| mantel_haenszel(&counts(&pairs), alpha));
        WithinStrata {
            arm: arm.clone(),
            strata: compared.len(),
            merged,
            difference: found.map(|found| effect(found.difference)).into(),
            lift: found.and_then(|found| found.lift).map(effect).into(),
            p: found.map(|found| Chance::from(found.difference.p)).into(),
            mantel_haenszel: tested.map(|tested| tested.map(|tested| Chance::from(tested.p)).into()),
            odds_ratio: tested.map(|tested| {
                let odds = tested.and_then(|tested| tested.odds_ratio);
                odds.map(|odds| Effect {
                    estimate: odds.estimate,
                    standard_error: odds.ln_standard_error * odds.estimate,
                    interval: Answer::Given(odds.interval.into()),
                })
                .into()
            }),
        }
    }
}

fn effect(of: StratifiedEffect) -> Effect {
    Effect {
        estimate: of.estimate,
        standard_error: of.standard_error,
        interval: Answer::Given(of.interval.into()),
    }
}

/// Conversions of both arms in each stratum; none that is small is left out, for the test needs no variances.
fn counts(strata: &[Stratum<Sums>]) -> Vec<Stratum<Counts>> {
    let counts = |sums: &Sums| Counts {
        events: u64::try_from(sums.y / 1_000_000).unwrap_or(0),
        trials: sums.n,
    };
    strata
        .iter()
        .map(|stratum| Stratum {
            control: counts(&stratum.control),
            treatment: counts(&stratum.treatment),
        })
        .collect()
}
