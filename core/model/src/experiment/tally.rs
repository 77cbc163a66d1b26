//! What a result needs of an experiment: sums, exact in any order.

use crate::key::{MetricName, VariationKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A value in whole millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fixed(i64);

/// Why a value cannot be counted.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// It is NaN or infinite.
    #[error("the value is no finite number")]
    NotFinite,
    /// It is farther from zero than a billion.
    #[error("the value {0} is farther from zero than 1,000,000,000")]
    TooLarge(f64),
}

impl Fixed {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(Self::PARTS);
    /// Millionths of one.
    const PARTS: i64 = 1_000_000;
    /// The largest value, so that a hundred million of their squares have room in 128 bits.
    pub const LARGEST: f64 = 1e9;

    /// The nearest number of millionths.
    ///
    /// # Errors
    /// When it is no finite number, or farther from zero than [`Self::LARGEST`].
    #[expect(clippy::cast_possible_truncation, reason = "checked: at most 10^15")]
    pub fn of(value: f64) -> Result<Self, ValueError> {
        if !value.is_finite() {
            return Err(ValueError::NotFinite);
        }
        if value.abs() > Self::LARGEST {
            return Err(ValueError::TooLarge(value));
        }
        Ok(Self((value * 1e6).round() as i64))
    }

    /// Millionths.
    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// As a number.
    #[expect(
        clippy::cast_precision_loss,
        reason = "at most 10^15, which has an exact number"
    )]
    pub fn number(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// That many millionths.
    pub const fn of_millionths(millionths: i64) -> Self {
        Self(millionths)
    }
}

/// Sums over units of a value `y` and of what goes with it, `x`: what the unit did before its exposure, or what stands
/// below the line of a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sums {
    /// How many units.
    pub n: u64,
    /// Of the values, in millionths.
    pub y: i128,
    /// Of their squares, in millionths squared.
    pub yy: i128,
    /// Of what goes with them.
    pub x: i128,
    /// Of its squares.
    pub xx: i128,
    /// Of the products.
    pub xy: i128,
}

impl Sums {
    /// Of no units.
    pub const NONE: Self = Self {
        n: 0,
        y: 0,
        yy: 0,
        x: 0,
        xx: 0,
        xy: 0,
    };

    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            n: self.n.saturating_add(other.n),
            y: self.y.saturating_add(other.y),
            yy: self.yy.saturating_add(other.yy),
            x: self.x.saturating_add(other.x),
            xx: self.xx.saturating_add(other.xx),
            xy: self.xy.saturating_add(other.xy),
        }
    }
}

/// One metric of one arm.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricTally {
    /// Units of whom is known what they did before their exposure; of ratios all units, numerator and denominator.
    pub known: Sums,
    /// Units without a history: `x` is zero.
    pub new: Sums,
    /// Units whose value is not 0; 0 where they were not counted.
    #[serde(default)]
    pub active: u64,
    /// How many units reached each step of a funnel, the last one included; empty for other measures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<u64>,
    /// What a percentile needs; `None` for other measures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile: Option<QuantileTally>,
    /// Of a treatment, its units against those of the control by their ranks, where the design asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranks: Option<RankTally>,
}

impl MetricTally {
    /// Of nobody.
    pub const NOBODY: Self = Self {
        known: Sums::NONE,
        new: Sums::NONE,
        active: 0,
        steps: Vec::new(),
        quantile: None,
        ranks: None,
    };

    /// All units, those with a history and those without.
    #[must_use]
    pub const fn all(&self) -> Sums {
        self.known.plus(&self.new)
    }
}

/// What a percentile of events needs, found by one walk over the units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuantileTally {
    /// Events.
    pub events: u64,
    /// The percentile.
    pub value: f64,
    /// The events' values at the lower and the upper rank of its interval, as
    /// `tidegate_stats::quantile` asks for them.
    pub lower: f64,
    /// See [`Self::lower`].
    pub upper: f64,
    /// Units that have events.
    pub clusters: u64,
    /// Over units: of the number of events at or below the percentile.
    pub below: u64,
    /// Of its square.
    pub below_squared: u128,
    /// Of the number of events, squared.
    pub events_squared: u128,
    /// Of the product of both.
    pub below_events: u128,
}

/// What ranks say of a treatment and the control, found by one walk over the units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RankTally {
    /// Units of the treatment that have a value.
    pub treatment: u64,
    /// Units of the control that have one.
    pub control: u64,
    /// Over pairs of a unit of each: 2 where the treatment's has more, 1 where both have as much.
    pub twice_u: u128,
    /// Over distinct values: the cube of how many units of both arms have it, less how many.
    pub tied: u128,
    /// Over units of the treatment: the square of twice the units of the control with less, and those with as much.
    pub treatment_squares: u128,
    /// Over units of the control the same against the treatment.
    pub control_squares: u128,
}

/// One arm.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArmTally {
    /// Units that were exposed to it and to no other arm.
    pub units: u64,
    /// Each metric.
    pub metrics: BTreeMap<MetricName, MetricTally>,
}

/// What was left out, by its cause. Nothing is left out without being counted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// Units that met two arms.
    pub double_exposed: u64,
    /// Exposures and events of units that are excluded by name.
    pub excluded: u64,
    /// Exposures to a variation that is no arm.
    pub unknown_arm: u64,
    /// Events that no metric looks at.
    pub unknown_event: u64,
    /// Events that had been counted before.
    pub duplicate: u64,
    /// Exposures and events that came later than is waited for.
    pub late: u64,
    /// Exposures from before the start.
    #[serde(default)]
    pub before_start: u64,
    /// Exposures and events from after the stop.
    pub after_stop: u64,
    /// Exposures and events whose time lies more than five minutes ahead of the control plane's clock.
    pub from_the_future: u64,
    /// Events whose value cannot be counted.
    pub bad_value: u64,
}

impl LeftOut {
    /// Each cause in words, with how many.
    #[must_use]
    pub const fn causes(&self) -> [(&'static str, u64); 10] {
        [
            ("units that met two arms", self.double_exposed),
            (
                "exposures and events of units that are excluded by name",
                self.excluded,
            ),
            ("exposures to a variation that is no arm", self.unknown_arm),
            ("events that no metric looks at", self.unknown_event),
            ("events that had been counted before", self.duplicate),
            ("exposures and events that came too late", self.late),
            ("exposures from before the start", self.before_start),
            ("exposures and events from after the stop", self.after_stop),
            ("exposures and events from the future", self.from_the_future),
            ("events whose value cannot be counted", self.bad_value),
        ]
    }
}

/// All of one experiment that a result needs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tallies {
    /// Each arm.
    pub arms: BTreeMap<VariationKey, ArmTally>,
    /// What is in no arm.
    pub left_out: LeftOut,
    /// Each arm again, for each dimension and each value of it that units had at their exposure.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub breakdown: BTreeMap<String, BTreeMap<String, BTreeMap<VariationKey, ArmTally>>>,
}

impl MetricTally {
    /// Both together. A percentile of both cannot be had from the percentiles of each, nor ranks from the ranks of each.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let longest = self.steps.len().max(other.steps.len());
        let step = |steps: &[u64], place: usize| steps.get(place).copied().unwrap_or(0);
        Self {
            known: self.known.plus(&other.known),
            new: self.new.plus(&other.new),
            active: self.active.saturating_add(other.active),
            steps: (0..longest)
                .map(|place| step(&self.steps, place).saturating_add(step(&other.steps, place)))
                .collect(),
            quantile: None,
            ranks: None,
        }
    }
}

impl ArmTally {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.units = sum.units.saturating_add(other.units);
        for (name, metric) in &other.metrics {
            let before = sum.metrics.entry(name.clone()).or_default();
            *before = before.plus(metric);
        }
        sum
    }
}

impl LeftOut {
    fn plus(&self, other: &Self) -> Self {
        Self {
            double_exposed: self.double_exposed.saturating_add(other.double_exposed),
            excluded: self.excluded.saturating_add(other.excluded),
            unknown_arm: self.unknown_arm.saturating_add(other.unknown_arm),
            before_start: self.before_start.saturating_add(other.before_start),
            unknown_event: self.unknown_event.saturating_add(other.unknown_event),
            duplicate: self.duplicate.saturating_add(other.duplicate),
            late: self.late.saturating_add(other.late),
            after_stop: self.after_stop.saturating_add(other.after_stop),
            from_the_future: self.from_the_future.saturating_add(other.from_the_future),
            bad_value: self.bad_value.saturating_add(other.bad_value),
        }
    }
}

impl Tallies {
    /// All of them together: of one alone itself, of several without percentiles and ranks.
    #[must_use]
    pub fn together(all: &[Self]) -> Self {
        let Some((first, rest)) = all.split_first() else {
            return Self::default();
        };
        rest.iter().fold(first.clone(), |mut sum, one| {
            add_arms(&mut sum.arms, &one.arms);
            sum.left_out = sum.left_out.plus(&one.left_out);
            for (dimension, values) in &one.breakdown {
                let dimension = sum.breakdown.entry(dimension.clone()).or_default();
                for (value, arms) in values {
                    add_arms(dimension.entry(value.clone()).or_default(), arms);
                }
            }
            sum
        })
    }

    /// Units in all arms together.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.arms
            .values()
            .fold(0, |sum, arm| sum.saturating_add(arm.units))
    }
}

fn add_arms(sum: &mut BTreeMap<VariationKey, ArmTally>, more: &BTreeMap<VariationKey, ArmTally>) {
    for (arm, tally) in more {
        let before = sum.entry(arm.clone()).or_default();
        *before = before.plus(tally);
    }
}
