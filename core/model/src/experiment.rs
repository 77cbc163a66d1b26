//! Experiments: units dealt to arms at random, kept apart from other experiments.

use crate::condition::Predicate;
use crate::flag::WeightedVariation;
use crate::invalid::Violation;
use crate::key::{ExperimentKey, HoldoutKey, LayerKey};
use crate::share::Share;
use serde::{Deserialize, Serialize};

mod bandit;
mod design;
mod metric;
mod state;
pub mod tally;

pub use bandit::{Bandit, DEALINGS_MAX};
pub use design::{ARMS_MAX, Design, Discipline, EXCLUDED_MAX, HISTORY_MAX, LOOKS_MAX, METRICS_MAX, Spending};
pub use metric::{Aggregation, Cap, FUNNEL_STEPS_MAX, Goal, Measure, Metric, OnBreach, Part, Role};
pub use state::{
    Advice, Dealing, Ended, ExperimentChange, ExperimentCommand, ExperimentState, Outcome, Pause, Phase,
    TakenLook,
};

/// Which units of a flag take part in an experiment, and what they get.
///
/// Asked after the rules and before the rollout, while the flag's status is `experiment`. All buckets
/// are those of the flag's unit; `docs/evaluation.md` says under which salts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Experiment {
    /// Its name. Flags that name the same experiment are parts of one.
    pub key: ExperimentKey,
    /// Keeps its arms and its allocation apart from others'; by default its key. Changing it deals
    /// all units anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// Its part of a layer: experiments with different parts of one layer never share a unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerRange>,
    /// Units that are kept out of this experiment and of every other one with the same holdout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<Holdout>,
    /// Who may take part; left out, everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Predicate>,
    /// How many of the remaining units take part. Raising it moves nobody from arm to arm.
    #[serde(default = "everybody", skip_serializing_if = "is_everybody")]
    pub allocation: Share,
    /// What they get, by bucket, in this order. Weights add up to 100 %.
    pub arms: Vec<WeightedVariation>,
    /// Counts how often the weights of a bandit were dealt anew. Exposures carry it, so that a unit counts with the
    /// weights under which it was dealt its arm.
    #[serde(default, skip_serializing_if = "is_first")]
    pub batch: u32,
    /// Attributes of the context that exposures carry, so that results can be broken down by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<String>,
}

/// Units whose bucket in the layer lies from `from` up to, but not including, `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LayerRange {
    /// Names the layer in the environment.
    pub key: LayerKey,
    /// Where the part begins, per cent.
    pub from: Share,
    /// Where it ends, per cent.
    pub to: Share,
}

/// A share of the units that no experiment of this name touches: what they do tells what all those
/// experiments together changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Holdout {
    /// Names the holdout in the environment.
    pub key: HoldoutKey,
    /// How large it is.
    pub share: Share,
}

fn everybody() -> Share {
    Share::ALL
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_everybody(share: &Share) -> bool {
    *share == Share::ALL
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_first(batch: &u32) -> bool {
    *batch == 0
}

impl LayerRange {
    /// Whether a unit of this layer bucket (0 to 99,999) is in this part.
    pub fn contains(&self, bucket: u32) -> bool {
        self.to.contains(bucket) && !self.from.contains(bucket)
    }

    /// Whether a unit could be in both parts.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.key == other.key && self.from < other.to && other.from < self.to
    }
}

impl Experiment {
    /// What is put before the unit when arms are dealt.
    pub fn salt(&self) -> &str {
        self.salt.as_deref().unwrap_or(self.key.as_str())
    }

    /// What is put before the unit when the allocation is asked.
    pub fn allocation_salt(&self) -> String {
        format!("{}.allocation", self.salt())
    }

    /// Whether a unit could be in this experiment and in another one of the same layer.
    pub fn collides_with(&self, other: &Self) -> bool {
        match (&self.layer, &other.layer) {
            (Some(own), Some(others)) => self.key != other.key && own.overlaps(others),
            _ => false,
        }
    }

    /// Everything wrong with it by itself; its arms are the flag's to check, who knows the variations.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let salted = self.salt.as_deref();
        if salted.is_some_and(|salt| salt.is_empty() || salt.len() > 255) {
            found.push(Violation::new(
                "salt",
                "",
                "'salt' has 1 to 255 bytes",
                "leave it out for the experiment's key",
            ));
        }
        if let Some(layer) = self.layer.as_ref().filter(|layer| layer.from >= layer.to) {
            found.push(Violation::new(
                "layer",
                format!("from {} to {}", layer.from, layer.to),
                "a part of a layer begins before it ends",
                r#"for example {"key": "checkout", "from": 0, "to": 50}"#,
            ));
        }
        if let Some(audience) = &self.audience {
            let inside = audience.violations().into_iter();
            found.extend(inside.map(|one| one.inside("audience")));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(key: &str, from: f64, to: f64) -> LayerRange {
        LayerRange {
            key: LayerKey::new(key).unwrap(),
            from: Share::of_percent(from).unwrap(),
            to: Share::of_percent(to).unwrap(),
        }
    }

    #[test]
    fn a_part_of_a_layer_has_its_beginning_and_not_its_end() {
        let part = range("l", 10.0, 20.0);
        for (bucket, inside) in [(9_999, false), (10_000, true), (19_999, true), (20_000, false)] {
            assert_eq!(part.contains(bucket), inside, "{bucket}");
        }
        for (other, overlaps) in [
            (range("l", 0.0, 10.0), false),
            (range("l", 20.0, 100.0), false),
            (range("l", 0.0, 10.001), true),
            (range("l", 19.999, 100.0), true),
            (range("l", 12.0, 13.0), true),
            (range("m", 12.0, 13.0), false),
        ] {
            assert_eq!(part.overlaps(&other), overlaps, "{other:?}");
            assert_eq!(other.overlaps(&part), overlaps, "{other:?}");
        }
    }
}
