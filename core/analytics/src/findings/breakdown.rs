//! An experiment by the values of a dimension.

use super::anytime;
use crate::foreign::{Layered, Stratified, WithinStrata};
use crate::result::{Kind, MetricResult};
use serde::Serialize;
use std::collections::BTreeMap;
use tidegate_model::experiment::tally::{ArmTally, Sums, Tallies};
use tidegate_model::experiment::{Design, Metric};
use tidegate_model::key::VariationKey;
use tidegate_stats::Refusal;

/// An experiment by the values of a dimension.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Breakdown {
    /// The metrics for each value, under the always-valid rule. They are for finding out where to look next: who compares
    /// many groups finds differences by chance, and each group stands for itself here. Whether groups differ is not tested.
    pub values: BTreeMap<String, Vec<MetricResult>>,
    /// Each metric with the values as strata: the effect on all units, without the part that comes of arms which have got
    /// the values in another proportion (Miratrix, Sekhon, Yu 2013, Journal of the Royal Statistical Society B 75:369).
    /// For one look, without correction and without history; no verdict comes from it.
    pub adjusted: Vec<Stratified>,
}

type Values = BTreeMap<String, BTreeMap<VariationKey, ArmTally>>;

/// What an experiment says by the values of a dimension, as units had them at their exposure.
#[must_use]
pub fn breakdown(design: &Design, tallies: &Tallies, dimension: &str) -> Breakdown {
    let none = Values::new();
    let values = tallies.breakdown.get(dimension).unwrap_or(&none);
    Breakdown {
        values: values
            .iter()
            .map(|(value, arms)| (value.clone(), anytime(design, arms).metrics))
            .collect(),
        adjusted: design
            .metrics
            .iter()
            .map(|metric| adjusted(design, metric, values))
            .collect(),
    }
}

fn adjusted(design: &Design, metric: &Metric, values: &Values) -> Stratified {
    let kind = Kind::of(metric);
    let refusal = match kind {
        Kind::Ratio | Kind::Percentile { .. } => Some("only shares and means are compared within strata"),
        // Who came when decides the arm then, and strata do not take that out.
        Kind::Share | Kind::Mean if design.bandit.is_some() => {
            Some("units of several dealings are not compared as if they had come at one time")
        }
        Kind::Share | Kind::Mean => None,
    };
    if let Some(why) = refusal {
        let refused = |arm| WithinStrata::refused(arm, Refusal::Undefined { why });
        return Stratified {
            metric: metric.name.clone(),
            comparisons: design.treatments().map(refused).collect(),
        };
    }
    let arms: Vec<VariationKey> = std::iter::once(&design.control)
        .chain(design.treatments())
        .cloned()
        .collect();
    let sums = |of_arms: &BTreeMap<VariationKey, ArmTally>, arm: &VariationKey| {
        let tally = of_arms.get(arm).and_then(|arm| arm.metrics.get(&metric.name));
        tally.map_or(Sums::NONE, |tally| tally.all())
    };
    let layered = Layered {
        metric: metric.name.clone(),
        is_share: kind == Kind::Share,
        sums: values
            .values()
            .map(|of_arms| arms.iter().map(|arm| sums(of_arms, arm)).collect())
            .collect(),
        arms,
    };
    layered.compared(design.alpha)
}
