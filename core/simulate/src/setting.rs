//! Who and what a simulated rollout is about.

use crate::fault::Fault;
use std::collections::BTreeMap;
use tidegate_decide::start::StartRollout;
use tidegate_model::access::{Author, Role};
use tidegate_model::flag::FlagState;
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::{EnvironmentKey, FlagKey, TokenName, VariationKey};
use tidegate_model::policy::bind::Bindings;
use tidegate_model::policy::{Policy, RollbackTarget};

/// Who and what a simulated rollout is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Where.
    pub environment: EnvironmentKey,
    /// The flag before the rollout.
    pub flag: FlagState,
    /// What is asked for.
    pub request: StartRollout,
    /// Who asks.
    pub by: Author,
}

impl Setting {
    /// A flag `checkout` with `on` and `off`, or whatever `policy` returns to, that serves it; and the
    /// policy's examples for arguments.
    ///
    /// # Errors
    /// When the policy returns to a variation that no flag can have.
    pub fn of(policy: &Policy) -> Result<Self, Fault> {
        let examples = policy.arguments.iter();
        let arguments = examples.map(|(name, argument)| (name.clone(), argument.example.clone()));
        let flag = FlagKey::new("checkout").map_err(Invalid::from);
        let environment = EnvironmentKey::new("production").map_err(Invalid::from);
        Self::with(
            policy,
            environment.map_err(refused)?,
            flag.map_err(refused)?,
            None,
            arguments.collect(),
        )
    }

    /// The same with names and arguments of one's own.
    ///
    /// # Errors
    /// When the policy returns to a variation that no flag can have.
    pub fn with(
        policy: &Policy,
        environment: EnvironmentKey,
        flag: FlagKey,
        candidate: Option<VariationKey>,
        arguments: BTreeMap<String, String>,
    ) -> Result<Self, Fault> {
        Ok(Self {
            environment,
            flag: FlagState {
                flag: definition(policy, &flag, candidate.as_ref())?,
                pin: None,
                attempts: 0,
                held: None,
            },
            request: StartRollout {
                flag,
                policy: policy.name.clone(),
                candidate,
                value: None,
                arguments,
                shadow: None,
            },
            by: person("alice", Role::Operator).map_err(refused)?,
        })
    }
}

impl Setting {
    /// `policy` with every query filled in, as a rollout would pin it.
    ///
    /// # Errors
    /// Missing and unknown arguments, and queries that are no PromQL once filled in.
    pub fn plan(&self, policy: &Policy) -> Result<Policy, Invalid> {
        let opened = match &self.request.candidate {
            Some(candidate) => candidate.clone(),
            None => VariationKey::new("on").map_err(Invalid::from)?,
        };
        let safe = match &policy.rollback.to {
            RollbackTarget::Variation(safe) => safe.clone(),
            RollbackTarget::Safe => VariationKey::new("off").map_err(Invalid::from)?,
        };
        policy.bind(&Bindings {
            environment: self.environment.clone(),
            flag: self.request.flag.clone(),
            variation: opened,
            baseline: safe,
            arguments: self.request.arguments.clone(),
        })
    }
}

/// Somebody with a token.
///
/// # Errors
/// When that is no name.
pub fn person(name: &str, role: Role) -> Result<Author, Invalid> {
    let name = TokenName::new(name).map_err(Invalid::from)?;
    Ok(Author::token(name, role))
}

/// A flag that has what the rollout needs, and serves what it returns to.
fn definition(
    policy: &Policy,
    flag: &FlagKey,
    candidate: Option<&VariationKey>,
) -> Result<tidegate_model::flag::Flag, Fault> {
    let opened = candidate.map_or("on", VariationKey::as_str);
    let safe = match &policy.rollback.to {
        RollbackTarget::Variation(safe) => safe.as_str(),
        RollbackTarget::Safe => "off",
    };
    let written = if (opened, safe) == ("on", "off") {
        serde_json::json!({ "key": flag, "type": "boolean" })
    } else {
        let mut names = vec![safe];
        names.extend((opened != safe).then_some(opened));
        let variations: Vec<_> = names
            .iter()
            .map(|name| serde_json::json!({ "key": name, "value": name }))
            .collect();
        serde_json::json!({
            "key": flag, "type": "string", "variations": variations, "fallback": { "variation": safe },
        })
    };
    serde_json::from_value(written).map_err(|error| {
        let fix = "name a variation as flags have them, for example off";
        refused(Violation::new("rollback.to", safe, error.to_string(), fix).into())
    })
}

fn refused(invalid: Invalid) -> Fault {
    Fault::Refused(invalid.into())
}
