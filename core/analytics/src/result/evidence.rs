//! Two arms compared in one metric, before any rule about when one may look.

use super::answer::{Answer, Bounds};
use crate::sufficient::{Clustered as _, MetricMoments as _, SumsMoments as _, count};
use serde::Serialize;
use tidegate_model::experiment::tally::MetricTally;
use tidegate_model::experiment::{Aggregation, Measure, Metric};
use tidegate_stats::contingency::{exact_interval, fisher_exact};
use tidegate_stats::cuped::{self, Arm as HistoryArm};
use tidegate_stats::distribution::{normal, student};
use tidegate_stats::effect::Contrast;
use tidegate_stats::proportion::{self, DifferenceMethod, Variance};
use tidegate_stats::quantile::contrast_clustered;
use tidegate_stats::sequential::FirstLook;
use tidegate_stats::{Alternative, Counts, PValue, Refusal, mean, ratio};

/// Below this expected count in any cell the exact test is used.
const EXPECTED_MIN: f64 = 5.0;
/// A percentile is looked at repeatedly once so many events lie on either side of it in each arm.
const BESIDE_MIN: f64 = 20.0;

/// How two arms are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Shares: the pooled z test, with the score intervals that belong to it.
    PooledZ,
    /// Shares with few events: Fisher's exact test, with the interval that belongs to it.
    FisherExact,
    /// Means: Welch's t test; lifts by Fieller's interval, which belongs to it.
    WelchT,
    /// Means or shares, less what the units did before explains (CUPED); units without a history are a stratum.
    Cuped,
    /// A sum by another sum, by the delta method over units.
    RatioDelta,
    /// Percentiles of events, counted by units.
    ClusteredPercentile,
}

/// What the units did before their exposure explains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// What one unit of the past takes off the present.
    pub theta: f64,
    /// The variance that is left, as a share of the one without history.
    pub variance_ratio: f64,
}

/// Which kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// Of how many units something is true.
    Share,
    /// One number of each unit, averaged.
    Mean,
    /// A sum over units by another one.
    Ratio,
    /// A percentile of events.
    Percentile {
        /// From 0 to 1.
        quantile: f64,
    },
}

impl Kind {
    /// Of this metric.
    #[must_use]
    pub fn of(metric: &Metric) -> Self {
        match &metric.measure {
            Measure::Percentile { quantile, .. } => Self::Percentile { quantile: *quantile },
            Measure::Ratio { .. }
            | Measure::Custom {
                aggregation: Aggregation::Average,
                ..
            } => Self::Ratio,
            measure if measure.is_share() => Self::Share,
            _ => Self::Mean,
        }
    }
}

/// What is tested: how far the estimate is from what is claimed to be nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signal {
    /// In standard errors. Of a test with one side, positive is towards what is to be proven.
    pub(crate) z: f64,
    /// Of Student's distribution; `None` for the normal one.
    pub(crate) df: Option<f64>,
    /// Whether either direction is news.
    pub(crate) two_sided: bool,
}

impl Signal {
    /// Twice the chance of one side, so that all signals have one alpha.
    pub(crate) fn p(&self) -> PValue {
        let z = if self.two_sided { self.z.abs() } else { self.z };
        let ln = match self.df {
            Some(df) => student::ln_sf(z, df),
            None => normal::ln_sf(z),
        };
        PValue::from_ln(ln + std::f64::consts::LN_2)
    }

    /// How many standard errors belong to a total error.
    pub(crate) fn critical(&self, alpha: f64) -> f64 {
        match self.df {
            Some(df) => student::isf(alpha / 2.0, df),
            None => normal::isf(alpha / 2.0),
        }
    }

    /// The same evidence on the scale of the normal distribution, without its sign unless it has one side.
    pub(crate) fn normal(&self) -> f64 {
        let z = if self.two_sided { self.z.abs() } else { self.z };
        match self.df {
            // Below this the tails are as good as the same, and above 37 chances underflow.
            Some(df) if z.abs() < 37.0 && df < 1e7 => {
                let tail = student::sf(z.abs(), df);
                if tail > 0.0 {
                    normal::isf(tail).copysign(z)
                } else {
                    z
                }
            }
            _ => z,
        }
    }
}

/// What two arms tell of one metric.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    pub(crate) method: Method,
    /// Both arms, or why they cannot be compared.
    pub(crate) contrast: Result<Contrast, Refusal>,
    /// Control and treatment, where they are compared as counts.
    pub(crate) counts: Option<[Counts; 2]>,
    pub(crate) history: Option<History>,
    /// Units of both arms.
    pub(crate) users: u64,
    /// Whether there is enough for tests that are looked at repeatedly.
    pub(crate) first_look: Result<(), Refusal>,
}

impl Evidence {
    pub(crate) fn of(kind: Kind, control: &MetricTally, treatment: &MetricTally, history: bool) -> Self {
        match kind {
            Kind::Share => Self::of_shares(control, treatment, history),
            Kind::Mean => Self::of_means(control, treatment, history),
            Kind::Ratio => Self::of_ratios(control, treatment),
            Kind::Percentile { quantile } => Self::of_percentiles(control, treatment, quantile),
        }
    }

    fn of_shares(control: &MetricTally, treatment: &MetricTally, history: bool) -> Self {
        let counts = control
            .counts()
            .and_then(|control| Ok([control, treatment.counts()?]));
        let (counts, contrast) = match counts {
            Ok(counts) => (Some(counts), means(control, treatment)),
            Err(refusal) => (None, Err(refusal)),
        };
        let seldom = |counts: &Counts| counts.events.min(counts.trials.saturating_sub(counts.events));
        let fewest = counts.map_or(0, |[control, treatment]| seldom(&control).min(seldom(&treatment)));
        let exact = counts.is_some_and(|[control, treatment]| is_small(control, treatment));
        let plain = Self {
            method: if exact {
                Method::FisherExact
            } else {
                Method::PooledZ
            },
            contrast,
            counts,
            history: None,
            users: users(control, treatment),
            first_look: FirstLook::PROPORTION.reached(fewest_units(control, treatment), fewest),
        };
        if exact || !history {
            plain
        } else {
            plain.adjusted(control, treatment)
        }
    }

    fn of_means(control: &MetricTally, treatment: &MetricTally, history: bool) -> Self {
        let active = control.active_at_least().min(treatment.active_at_least());
        let plain = Self {
            method: Method::WelchT,
            contrast: means(control, treatment),
            counts: None,
            history: None,
            users: users(control, treatment),
            first_look: FirstLook::MEAN.reached(fewest_units(control, treatment), active),
        };
        if history {
            plain.adjusted(control, treatment)
        } else {
            plain
        }
    }

    /// With what history explains taken off, if that can be told.
    fn adjusted(self, control: &MetricTally, treatment: &MetricTally) -> Self {
        let arm = |tally: &MetricTally| {
            Ok(HistoryArm {
                returning: tally.known.comoments()?,
                new: tally.new.moments()?,
            })
        };
        let adjusted = arm(control).and_then(|control| cuped::with_new_users(&control, &arm(treatment)?));
        match adjusted {
            Ok(adjusted) => Self {
                method: Method::Cuped,
                contrast: Ok(adjusted.contrast),
                counts: None,
                history: Some(History {
                    theta: adjusted.theta,
                    variance_ratio: adjusted.variance_ratio,
                }),
                ..self
            },
            Err(_) => self,
        }
    }

    fn of_ratios(control: &MetricTally, treatment: &MetricTally) -> Self {
        let active = control.active_at_least().min(treatment.active_at_least());
        let contrast = control
            .comoments()
            .and_then(|control| Ok(ratio::delta(&control, &treatment.comoments()?)?.contrast));
        Self {
            method: Method::RatioDelta,
            contrast,
            counts: None,
            history: None,
            users: users(control, treatment),
            first_look: FirstLook::MEAN.reached(fewest_units(control, treatment), active),
        }
    }

    fn of_percentiles(control: &MetricTally, treatment: &MetricTally, quantile: f64) -> Self {
        let none = Err(Refusal::TooFew {
            what: "events of a percentile",
            have: 0.0,
            need: 1.0,
        });
        let (contrast, clusters, events) = match (&control.quantile, &treatment.quantile) {
            (Some(control), Some(treatment)) => (
                contrast_clustered(&control.clustered(quantile), &treatment.clustered(quantile)),
                [control.clusters, treatment.clusters],
                control.events.min(treatment.events),
            ),
            _ => (none, [0, 0], 0),
        };
        let [of_control, of_treatment] = clusters;
        let beside = count(events) * quantile.min(1.0 - quantile);
        let enough = if beside >= BESIDE_MIN {
            Ok(())
        } else {
            Err(Refusal::TooFew {
                what: "events on the rarer side of the percentile in an arm",
                have: beside.floor(),
                need: BESIDE_MIN,
            })
        };
        let units = FirstLook::MEAN.reached(of_control.min(of_treatment), u64::MAX);
        Self {
            method: Method::ClusteredPercentile,
            contrast,
            counts: None,
            history: None,
            users: of_control.saturating_add(of_treatment),
            first_look: units.and(enough),
        }
    }

    /// Whether the counts are so small that only an exact test is honest.
    pub(crate) fn is_exact(&self) -> bool {
        self.method == Method::FisherExact
    }

    /// What the difference is in standard errors.
    pub(crate) fn signal(&self) -> Result<Signal, Refusal> {
        let two_sided = true;
        if let (Some([control, treatment]), false) = (self.counts, self.is_exact()) {
            let test = proportion::z_test(control, treatment, Variance::Pooled, Alternative::TwoSided)?;
            return Ok(Signal {
                z: test.z,
                df: None,
                two_sided,
            });
        }
        let distance = self.contrast?.against_nothing()?;
        Ok(Signal {
            z: distance.0,
            df: Some(distance.1),
            two_sided,
        })
    }

    /// How far the lift is inside of the margin on either side: the worse one of two tests of one side.
    pub(crate) fn within_margin(&self, margin: f64) -> Result<Signal, Refusal> {
        let contrast = self.contrast?;
        let (above, below) = (contrast.against(-margin)?, contrast.against(margin)?);
        let lower = (above.estimate / above.standard_error, above.df);
        let upper = (-below.estimate / below.standard_error, below.df);
        let (z, df) = if lower.0 <= upper.0 { lower } else { upper };
        Ok(Signal {
            z,
            df: Some(df),
            two_sided: false,
        })
    }

    /// The two-sided p-value of Fisher's test.
    pub(crate) fn exact_p(&self) -> Result<PValue, Refusal> {
        match self.counts {
            Some([control, treatment]) => {
                let [events, others] = [
                    control.events + treatment.events,
                    (control.trials - control.events) + (treatment.trials - treatment.events),
                ];
                if events == 0 || others == 0 {
                    return Err(Refusal::NoVariance);
                }
                fisher_exact(control, treatment, Alternative::TwoSided)
            }
            None => Err(Refusal::Undefined {
                why: "only shares have an exact test",
            }),
        }
    }

    /// The intervals, of the difference and of the lift, that belong to an exact test at the level.
    pub(crate) fn exact_bounds(&self, level: f64) -> [Answer<Bounds>; 2] {
        let ends = match self.counts {
            Some([control, treatment]) => exact_interval(control, treatment, level),
            None => Err(Refusal::Undefined {
                why: "only shares have an exact test",
            }),
        };
        let (lower, upper) = match ends {
            Ok(ends) => ends,
            Err(refusal) => return [Answer::Refused(refusal), Answer::Refused(refusal)],
        };
        let difference = Bounds {
            lower: Some(lower.treatment - lower.control),
            upper: Some(upper.treatment - upper.control),
        };
        let baseline = self.counts.is_some_and(|[control, _]| control.events > 0);
        let lift = if baseline {
            let ratio = |shares: &tidegate_stats::contingency::Shares| {
                Some(shares.treatment / shares.control - 1.0).filter(|lift| lift.is_finite())
            };
            Answer::Given(Bounds {
                lower: ratio(&lower),
                upper: ratio(&upper),
            })
        } else {
            Answer::Refused(Refusal::ZeroBaseline)
        };
        [Answer::Given(difference), lift]
    }

    /// The intervals, of the difference and of the lift, of all effects at most so many standard errors away: by
    /// the score test for counts, and otherwise by the contrast.
    pub(crate) fn bounds(&self, critical: f64) -> [Answer<Bounds>; 2] {
        let Some([control, treatment]) = self.counts else {
            return self.plain_bounds(critical);
        };
        // The total error of which the normal distribution makes this critical value.
        let level = 2.0 * normal::sf(critical);
        let difference = proportion::difference(control, treatment, DifferenceMethod::Score, level);
        let ratio = proportion::ratio_score(control, treatment, level);
        [
            Answer::from(difference.map(|difference| Bounds::from(difference.interval))),
            Answer::from(ratio.map(|ratio| {
                let ratio = Bounds::from(ratio);
                Bounds {
                    lower: ratio.lower.map(|end| end - 1.0),
                    upper: ratio.upper.map(|end| end - 1.0),
                }
            })),
        ]
    }

    /// The same by the contrast alone.
    pub(crate) fn plain_bounds(&self, critical: f64) -> [Answer<Bounds>; 2] {
        let of = |interval: fn(&Contrast, f64) -> Result<tidegate_stats::Interval, Refusal>| {
            Answer::from(
                self.contrast
                    .and_then(|contrast| interval(&contrast, critical))
                    .map(Bounds::from),
            )
        };
        [of(Contrast::within), of(Contrast::lift_within)]
    }
}

/// The contrast in standard errors of no effect, with the degrees of freedom.
trait AgainstNothing {
    fn against_nothing(&self) -> Result<(f64, f64), Refusal>;
}

impl AgainstNothing for Contrast {
    fn against_nothing(&self) -> Result<(f64, f64), Refusal> {
        // Refuses what does not vary.
        self.within(0.0)?;
        Ok((self.difference / self.variance().sqrt(), self.df()))
    }
}

fn means(control: &MetricTally, treatment: &MetricTally) -> Result<Contrast, Refusal> {
    mean::contrast(&control.moments()?, &treatment.moments()?)
}

fn users(control: &MetricTally, treatment: &MetricTally) -> u64 {
    control.all().n.saturating_add(treatment.all().n)
}

fn fewest_units(control: &MetricTally, treatment: &MetricTally) -> u64 {
    control.all().n.min(treatment.all().n)
}

/// Whether fewer than 5 events or non-events are to be expected in an arm.
fn is_small(control: Counts, treatment: Counts) -> bool {
    let trials = count(control.trials) + count(treatment.trials);
    let events = count(control.events) + count(treatment.events);
    let smallest = count(control.trials.min(treatment.trials));
    trials > 0.0 && events.min(trials - events) * (smallest / trials) < EXPECTED_MIN
}
