//! The two variations that a rollout weighs against each other.

use super::value::{self, Opened};
use super::{StartRollout, plan_violations};
use tidegate_model::flag::{Flag, Serve};
use tidegate_model::invalid::{Invalid, Violation, nearest};
use tidegate_model::key::VariationKey;
use tidegate_model::policy::{Policy, RollbackTarget};
use tidegate_model::share::Share;

/// What is opened unless another variation is named.
const CANDIDATE: &str = "on";

/// The two variations that a rollout weighs against each other.
pub(super) struct Sides {
    pub(super) candidate: VariationKey,
    pub(super) safe: VariationKey,
}

/// The flag as it is once the rollout has begun, and the sides, if the request and the policy fit the flag; else
/// everything that does not.
pub(super) fn sides(request: &StartRollout, flag: &Flag, policy: &Policy) -> Result<(Flag, Sides), Invalid> {
    let opened = match &request.value {
        Some(value) => value::opened(flag, value, request.candidate.as_ref()),
        None => candidate(request, flag)
            .map(|candidate| Opened {
                flag: flag.clone(),
                candidate,
            })
            .map_err(Invalid::from),
    };
    let safe = safe(flag, &policy.rollback.to);
    let mut violations: Vec<Violation> = Vec::new();
    violations.extend(
        opened
            .as_ref()
            .err()
            .iter()
            .flat_map(|invalid| invalid.violations())
            .cloned(),
    );
    violations.extend(safe.as_ref().err().cloned());
    if let (Ok(opened), Ok(safe)) = (&opened, &safe)
        && opened.candidate == *safe
    {
        violations.push(value::same(request, safe).unwrap_or_else(|| {
            Violation::new(
                "candidate",
                safe,
                "the variation to open is the one that a rollback returns to",
                format!("name another one; {}", known(flag)),
            )
        }));
    }
    violations.extend(plan_violations(policy));
    Invalid::unless_empty(violations, ())?;
    let Opened { flag, candidate } = opened?;
    let safe = safe?;
    Ok((flag, Sides { candidate, safe }))
}

fn candidate(request: &StartRollout, flag: &Flag) -> Result<VariationKey, Violation> {
    match &request.candidate {
        Some(named) => named_in(flag, "candidate", named),
        None => VariationKey::new(CANDIDATE)
            .ok()
            .filter(|on| flag.variation(on).is_some())
            .ok_or_else(|| {
                Violation::new(
                    "candidate",
                    "",
                    format!("the flag has no variation '{CANDIDATE}', so the one to open must be named"),
                    known(flag),
                )
            }),
    }
}

fn safe(flag: &Flag, target: &RollbackTarget) -> Result<VariationKey, Violation> {
    let to = "policy.rollback.to";
    match (target, flag.fallback()) {
        (RollbackTarget::Variation(named), _) => named_in(flag, to, named),
        (RollbackTarget::Safe, Some(Serve::Variation(key))) => Ok(key.clone()),
        (RollbackTarget::Safe, Some(Serve::Split(parts))) => {
            // A split that leaves nothing to others is a variation in other words.
            let whole = parts.iter().find(|part| part.weight == Share::ALL);
            whole.map(|part| part.variation.clone()).ok_or_else(|| {
                Violation::new(
                    to,
                    "safe",
                    "the flag's fallback is a split, so it is no single variation to go back to",
                    format!(
                        "name a variation in the policy, or as the flag's fallback; {}",
                        known(flag)
                    ),
                )
            })
        }
        (RollbackTarget::Safe, None) => Err(Violation::new(
            to,
            "safe",
            "the flag has no fallback to go back to",
            format!(
                "name a variation in the policy, or as the flag's fallback; {}",
                known(flag)
            ),
        )),
    }
}

fn named_in(flag: &Flag, field: &str, named: &VariationKey) -> Result<VariationKey, Violation> {
    if flag.variation(named).is_some() {
        return Ok(named.clone());
    }
    let names = flag.variation_keys().into_iter().map(VariationKey::as_str);
    let fix = match nearest(named.as_str(), names) {
        Some(near) => format!("did you mean '{near}'? {}", known(flag)),
        None => known(flag),
    };
    Err(Violation::new(
        field,
        named,
        "the flag has no such variation",
        fix,
    ))
}

fn known(flag: &Flag) -> String {
    let names: Vec<&str> = flag
        .variation_keys()
        .into_iter()
        .map(VariationKey::as_str)
        .collect();
    format!("known: {}", names.join(", "))
}
