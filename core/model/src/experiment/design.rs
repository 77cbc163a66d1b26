//! An experiment as it is designed: what is claimed, who takes part, what is measured, and how it is judged.

use super::bandit::Bandit;
use super::metric::{Metric, Role};
use super::{Experiment, Holdout, LayerRange};
use crate::condition::{Condition, Operator, Predicate};
use crate::context::Context;
use crate::flag::{Flag, WeightedVariation};
use crate::invalid::{Invalid, Violation, nearest};
use crate::key::{ExperimentKey, FlagKey, VariationKey};
use crate::share::Share;
use crate::span::Span;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most arms of an experiment.
pub const ARMS_MAX: usize = 20;
/// Most metrics of an experiment.
pub const METRICS_MAX: usize = 50;
/// Most units that are left out one by one.
pub const EXCLUDED_MAX: usize = 10_000;
/// Longest history: observations that are older are not kept.
pub const HISTORY_MAX: Span = Span::seconds(30 * 24 * 3600);
/// Most looks of a group sequential design.
pub const LOOKS_MAX: u32 = 50;

/// What is written down before an experiment starts. Nothing of it but `excluded` and the texts for people changes
/// afterwards: that is what makes its result a test of the hypothesis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Design {
    /// Its name in the environment.
    pub key: ExperimentKey,
    /// What is claimed, in a sentence that the metrics can prove wrong.
    pub hypothesis: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// For people and their tools.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The flag whose variations are compared.
    pub flag: FlagKey,
    /// The arm that the others are compared with.
    pub control: VariationKey,
    /// All arms, the control among them. Weights add up to 100 %.
    pub arms: Vec<WeightedVariation>,
    /// Who may take part; left out, everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Predicate>,
    /// How many of them take part.
    #[serde(default = "super::everybody", skip_serializing_if = "super::is_everybody")]
    pub traffic: Share,
    /// Its part of a layer: experiments with different parts of one layer never share a unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerRange>,
    /// Units that are kept out of this experiment and of every other one with the same holdout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<Holdout>,
    /// Units that are left out one by one: staff, testers, robots.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub excluded: BTreeSet<String>,
    /// What is measured. At least one has the role `success`.
    pub metrics: Vec<Metric>,
    /// How it is judged.
    #[serde(default)]
    pub discipline: Discipline,
    /// The chance of a false alarm that is accepted, for two sides together.
    #[serde(default = "alpha")]
    pub alpha: f64,
    /// The chance to find the smallest effect worth finding.
    #[serde(default = "power")]
    pub power: f64,
    /// How long it is to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    /// When it starts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<DateTime<Utc>>,
    /// How much of what units did before their exposure is used to make results sharper (CUPED); zero for nothing.
    #[serde(default = "history", skip_serializing_if = "is_usual_history")]
    pub history: Span,
    /// Attributes of the context by which results are broken down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<String>,
    /// How its weights follow what is seen; left out, they stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandit: Option<Bandit>,
}

/// When results may be looked at without making false alarms likelier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Discipline {
    /// Once, when `units` have been enrolled in all arms together. Every look before is labelled as a peek.
    Fixed {
        /// Units in all arms together.
        units: u64,
    },
    /// At looks on the way to a planned maximum.
    GroupSequential {
        /// Units in all arms together at the last look.
        units: u64,
        /// How many looks are planned, evenly spread. Which ones are taken is free.
        #[serde(default = "looks")]
        looks: u32,
        /// How the accepted error is spent.
        #[serde(default)]
        spending: Spending,
    },
    /// Whenever one likes.
    AlwaysValid {
        /// Units in all arms together at which it is sharpest.
        #[serde(default = "tuned_for", rename = "tunedFor")]
        tuned_for: u64,
    },
}

/// How a group sequential design spends the accepted error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spending {
    /// Hardly anything early: Lan and DeMets' function in the manner of O'Brien and Fleming.
    #[default]
    ObrienFleming,
    /// Evenly: Lan and DeMets' function in the manner of Pocock.
    Pocock,
}

impl Default for Discipline {
    fn default() -> Self {
        Self::AlwaysValid {
            tuned_for: tuned_for(),
        }
    }
}

fn alpha() -> f64 {
    0.05
}

fn power() -> f64 {
    0.8
}

fn looks() -> u32 {
    5
}

fn tuned_for() -> u64 {
    5_000
}

fn history() -> Span {
    Span::seconds(14 * 24 * 3600)
}

fn is_usual_history(span: &Span) -> bool {
    *span == history()
}

impl Design {
    /// What a flag is told while the experiment runs, if this attribute is its unit.
    pub fn dealing(&self, unit: &str) -> Experiment {
        Experiment {
            key: self.key.clone(),
            salt: None,
            layer: self.layer.clone(),
            holdout: self.holdout.clone(),
            audience: self.everybody_but_excluded(unit),
            allocation: self.traffic,
            arms: self.arms.clone(),
            batch: 0,
            dimensions: self.dimensions.clone(),
        }
    }

    /// Who may take part, without the units that are left out one by one.
    fn everybody_but_excluded(&self, unit: &str) -> Option<Predicate> {
        let excluded = (!self.excluded.is_empty()).then(|| {
            Predicate::Condition(Condition {
                attribute: unit.to_owned(),
                operator: Operator::NotIn,
                value: self.excluded.iter().map(String::as_str).collect(),
            })
        });
        match (self.audience.clone(), excluded) {
            (Some(audience), Some(excluded)) => Some(Predicate::All(vec![excluded, audience])),
            (one, other) => one.or(other),
        }
    }

    /// The arms that are compared with the control, in their order.
    pub fn treatments(&self) -> impl Iterator<Item = &VariationKey> {
        let arms = self.arms.iter().map(|arm| &arm.variation);
        arms.filter(|arm| **arm != self.control)
    }

    /// The metric of this name.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name.as_str() == name)
    }

    /// Whether it holds together.
    ///
    /// # Errors
    /// Everything that is wrong with it by itself.
    pub fn checked(self) -> Result<Self, Invalid> {
        Invalid::unless_empty(self.violations(), self)
    }

    /// Everything wrong with it by itself.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if self.hypothesis.trim().is_empty() {
            found.push(Violation::new(
                "hypothesis",
                "",
                "an experiment says what it claims",
                "write a sentence that the metrics can prove wrong",
            ));
        }
        found.extend(self.arm_violations());
        found.extend(self.metric_violations());
        found.extend(self.number_violations());
        if let Some(bandit) = &self.bandit {
            found.extend(
                bandit
                    .violations(self)
                    .into_iter()
                    .map(|one| one.inside("bandit")),
            );
        }
        found.extend(self.dealing(Context::TARGETING_KEY).violations());
        if self.excluded.len() > EXCLUDED_MAX {
            found.push(Violation::new(
                "excluded",
                self.excluded.len(),
                "at most 10,000 units are left out one by one",
                "put them into a segment, and name it in the audience",
            ));
        }
        found
    }

    /// What is wrong with it for this flag.
    pub fn violations_for(&self, flag: &Flag) -> Vec<Violation> {
        let known = flag.variation_keys();
        let unknown = (0..)
            .zip(&self.arms)
            .filter(|(_, arm)| !known.contains(&arm.variation));
        unknown
            .map(|(index, arm): (usize, _)| {
                let near = nearest(arm.variation.as_str(), known.iter().map(|key| key.as_str()));
                let names: Vec<&str> = known.iter().map(|key| key.as_str()).collect();
                let fix = near.map_or_else(
                    || format!("choose one of {}", names.join(", ")),
                    |near| format!("did you mean {near:?}?"),
                );
                Violation::new(
                    format!("arms[{index}].variation"),
                    &arm.variation,
                    format!("flag {} has no such variation", flag.key()),
                    fix,
                )
            })
            .collect()
    }

    fn arm_violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if !(2..=ARMS_MAX).contains(&self.arms.len()) {
            found.push(Violation::new(
                "arms",
                self.arms.len(),
                "an experiment has 2 to 20 arms",
                "name the control and what it is compared with",
            ));
        }
        let mut seen = BTreeSet::new();
        for (index, arm) in self.arms.iter().enumerate() {
            if !seen.insert(&arm.variation) {
                found.push(Violation::new(
                    format!("arms[{index}].variation"),
                    &arm.variation,
                    "each variation is one arm",
                    "add the weights up",
                ));
            }
            if arm.weight == Share::ZERO {
                found.push(Violation::new(
                    format!("arms[{index}].weight"),
                    arm.weight,
                    "an arm that nobody gets cannot be compared",
                    "give it a weight, or leave it out",
                ));
            }
        }
        let total: u64 = self.arms.iter().map(|arm| u64::from(arm.weight.parts())).sum();
        if total != u64::from(Share::TOTAL) {
            found.push(Violation::new(
                "arms",
                format!("{}.{:03} %", total / 1000, total % 1000),
                "the weights of all arms add up to 100 %",
                "for two arms 50 and 50",
            ));
        }
        if !self.arms.iter().any(|arm| arm.variation == self.control) {
            let names: Vec<&str> = self.arms.iter().map(|arm| arm.variation.as_str()).collect();
            found.push(Violation::new(
                "control",
                &self.control,
                "the control is one of the arms",
                format!("choose one of {}", names.join(", ")),
            ));
        }
        found
    }

    fn metric_violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if self.metrics.len() > METRICS_MAX {
            found.push(Violation::new(
                "metrics",
                self.metrics.len(),
                "an experiment has at most 50 metrics",
                "every further one makes all of them harder to prove: keep those that decide",
            ));
        }
        if !self.metrics.iter().any(|metric| metric.role == Role::Success) {
            found.push(Violation::new(
                "metrics",
                self.metrics.len(),
                "at least one metric has the role 'success': it decides",
                "add the metric that the hypothesis is about",
            ));
        }
        let mut seen = BTreeSet::new();
        for (index, metric) in self.metrics.iter().enumerate() {
            let place = format!("metrics[{index}]");
            if !seen.insert(&metric.name) {
                found.push(Violation::new(
                    format!("{place}.name"),
                    &metric.name,
                    "each metric has a name of its own",
                    "rename one of them",
                ));
            }
            found.extend(metric.violations().into_iter().map(|one| one.inside(&place)));
        }
        found
    }

    fn number_violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut check = |good: bool, field: &str, value: String, rule: &str, fix: &str| {
            if !good {
                found.push(Violation::new(field, value, rule, fix));
            }
        };
        check(
            self.alpha >= 1e-6 && self.alpha <= 0.5,
            "alpha",
            self.alpha.to_string(),
            "the accepted chance of a false alarm is from 0.000001 to 0.5",
            "0.05 is usual",
        );
        check(
            self.power >= 0.5 && self.power < 1.0,
            "power",
            self.power.to_string(),
            "the chance to find the smallest effect worth finding is from 0.5 up to 1",
            "0.8 is usual",
        );
        let (units, looks) = match self.discipline {
            Discipline::Fixed { units } => (units, 1),
            Discipline::GroupSequential { units, looks, .. } => (units, looks),
            Discipline::AlwaysValid { tuned_for } => (tuned_for, 1),
        };
        check(
            (10..=1_000_000_000_000).contains(&units),
            "discipline.units",
            units.to_string(),
            "an experiment plans with 10 to 1,000,000,000,000 units",
            "ask `tidegate experiment plan` how many it needs",
        );
        check(
            (1..=LOOKS_MAX).contains(&looks),
            "discipline.looks",
            looks.to_string(),
            "a group sequential design has 1 to 50 looks",
            "5 is usual",
        );
        check(
            self.history <= HISTORY_MAX,
            "history",
            self.history.to_string(),
            "what units did before is kept for 30 days",
            "\"14d\" is usual",
        );
        check(
            self.duration.is_none_or(|duration| !duration.is_zero()),
            "duration",
            "0s".to_owned(),
            "an experiment runs for some time",
            "whole weeks are usual: \"14d\"",
        );
        found
    }
}
