//! From a measurement to a verdict.

use tidegate_model::Timestamp;
use tidegate_model::policy::Rule;
use tidegate_model::verdict::{Look, Measurement, Verdict};

/// What `measurement`, taken at `at`, says about `rule` in a stage that took effect at `effective`.
pub fn judge(rule: &Rule, measurement: &Measurement, _effective: Option<Timestamp>, at: Timestamp) -> Look {
    Look {
        rule: rule.name.clone(),
        verdict: Verdict::Undecided,
        value: measurement.value.ok(),
        samples: None,
        detail: String::new(),
        at,
    }
}
