//! The simulation of `tidegate-simulate`, and where, when and with whom these tests begin.

pub(crate) use tidegate_simulate::answer::Answer;
pub(crate) use tidegate_simulate::simulation::{Simulation, Taken};

use std::collections::BTreeMap;
use tidegate_decide::start::StartRollout;
use tidegate_model::Timestamp;
use tidegate_model::access::{Author, Role};
use tidegate_model::flag::FlagState;
use tidegate_model::gate::GateVerdict;
use tidegate_model::key::TargetName;
use tidegate_model::policy::Policy;
use tidegate_simulate::gates::Says;
use tidegate_simulate::setting::{self, Setting};

/// Where and when every simulation begins, unless told otherwise: a Monday.
pub(crate) fn monday() -> Timestamp {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// Somebody with a token.
pub(crate) fn person(name: &str, role: Role) -> Author {
    setting::person(name, role).unwrap()
}

/// A flag with `on` and `off` that serves `off`.
pub(crate) fn flag() -> FlagState {
    FlagState {
        flag: serde_json::from_str(r#"{"key":"checkout","type":"boolean"}"#).unwrap(),
        pin: None,
        attempts: 0,
        held: None,
    }
}

/// A request to open [`flag`] by `policy`, with its examples for arguments.
pub(crate) fn request(policy: &Policy) -> StartRollout {
    Setting::of(policy).unwrap().request
}

/// Labels from `a=b c=d`.
pub(crate) fn labelled(labels: &str) -> BTreeMap<String, String> {
    let pairs = labels
        .split_whitespace()
        .map(|label| label.split_once('=').unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// An answer of a gate that is JSON.
pub(crate) fn json(body: &str) -> Says {
    Says {
        body: body.to_owned(),
        ..Says::verdict(GateVerdict::Pass, "")
    }
}

/// A gate's pass.
pub(crate) fn pass() -> Says {
    json(r#"{"verdict":"pass"}"#)
}

/// From now on the gate answers this; `gone` is no answer at all.
pub(crate) fn gate(world: &mut Simulation, target: &str, says: &str) {
    let (word, reason) = says.split_once(' ').unwrap_or((says, ""));
    let says = match word {
        "gone" => None,
        "html" => Some(Says::page()),
        "error" => Some(Says::error()),
        "huge" => Some(Says::verdict(GateVerdict::Pass, &"x".repeat(70_000))),
        "wrong" => Some(json(r#"{"verdict":"yes"}"#)),
        verdict => {
            let body = serde_json::json!({ "verdict": verdict, "reason": reason });
            Some(json(&body.to_string()))
        }
    };
    world.gate(TargetName::new(target).unwrap(), says);
}
