//! Drills: a breach that is no breach, through everything that a real one goes through.
//!
//! A drill is a rollout of nothing: it opens a key that no flag has, to everybody, and nodes confirm it as they
//! confirm any rollout. Then a bad number is put in where measurements come in, and the rest is the real
//! thing: it is judged, decided, stored, published, and confirmed by every live node.

use crate::refusal::Refusal;
use crate::start::{StartRollout, start};
use crate::step::Step;
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::Reason;
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::evidence::Evidence;
use tidegate_model::flag::FlagState;
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::{EnvironmentKey, RolloutId};
use tidegate_model::policy::{Policy, Rule, read};
use tidegate_model::rollout::{DRILL_FLAG, RolloutChange};
use tidegate_model::verdict::Measurement;

/// A rule that hears nothing by itself, in a stage for everybody. A drill that nobody ended goes back by itself
/// after an hour.
const POLICY: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: drill
description: Opens nothing, and shuts it again.
schedule: { type: custom, stages: [{ name: everyone, percentage: 100, duration: 1d }] }
safety: { interval: 1h, rules: [{ name: drill, events: { metric: tidegate.drill, per: exposure }, threshold: 50% }] }
blind: { after: 1h, do: rollback }
"#;

/// The first step of the drill of this number.
///
/// # Errors
/// When there is no such name.
pub fn begin(
    environment: &EnvironmentKey,
    number: u32,
    by: &Author,
    now: Timestamp,
) -> Result<(RolloutId, Step), Refusal> {
    let own = |what: &str| {
        Refusal::conflict(
            what.to_owned(),
            "this is a mistake in Tidegate itself: please report it",
        )
    };
    let policy: Policy = read::read(POLICY)
        .0
        .ok_or_else(|| own("the policy of drills cannot be read"))?;
    let flag = serde_json::from_value(serde_json::json!({ "key": DRILL_FLAG, "type": "boolean" }))
        .map_err(|_no_flag| own("the flag of drills cannot be read"))?;
    let flag = FlagState {
        flag,
        pin: None,
        attempts: number.saturating_sub(1),
        held: None,
    };
    let request = StartRollout {
        flag: flag.flag.key().clone(),
        policy: policy.name.clone(),
        candidate: None,
        value: None,
        arguments: BTreeMap::new(),
        shadow: None,
    };
    let (id, mut step) = start(&request, environment, &flag, &policy, None, by, now)?;
    // There is no flag to hold.
    step.changes
        .retain(|(entity, _)| matches!(entity, EntityRef::Rollout(..)));
    for (_, change) in &mut step.changes {
        if let Change::Rollout(RolloutChange::Started(start)) = change {
            start.drill = true;
        }
    }
    step.because.reasons = vec![Reason::Command {
        by: by.to_string(),
        reason: "a drill".to_owned(),
    }];
    Ok((id, step))
}

/// The number that a drill puts in: every user complains.
#[must_use]
pub fn breach() -> Evidence {
    Evidence::from(Measurement {
        samples: Ok(Some(1.0)),
        ..Measurement::of(1.0)
    })
}

/// The rule that hears it.
///
/// # Errors
/// When the rollout is no drill: nothing is ever put in for a real one.
pub fn rule(plan: &Policy, is_drill: bool) -> Result<&Rule, Refusal> {
    plan.safety.rules.first().filter(|_| is_drill).ok_or_else(|| {
        let violation = Violation::new("rollout", &plan.name, "it is no drill", "measure it instead");
        Refusal::Invalid(Invalid::from(violation))
    })
}
