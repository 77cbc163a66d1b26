//! What an experiment stands on: its flag, and the definitions beside it.

use crate::environment::check_target;
use crate::freeze;
use crate::refusal::Refusal;
use tidegate_model::catalog::Catalog;
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::environment::EnvironmentSettings;
use tidegate_model::experiment::{Design, ExperimentState, Outcome, Phase};
use tidegate_model::flag::{FlagState, FlagStatus};
use tidegate_model::freeze::Frozen;
use tidegate_model::invalid::{Invalid, Violation, nearest};
use tidegate_model::key::{EnvironmentKey, FlagKey};

/// What an experiment stands on.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// Where.
    pub environment: &'a EnvironmentKey,
    /// Its settings.
    pub settings: EnvironmentSettings,
    /// Flags and segments.
    pub catalog: &'a Catalog,
    /// The flag that the design names, as it is stored.
    pub flag: Option<&'a FlagState>,
    /// Whether anything opens.
    pub frozen: Option<&'a Frozen>,
}

impl Ground<'_> {
    /// What is wrong with a design here, whether or not it can start at this moment.
    pub fn violations(&self, design: &Design) -> Vec<Violation> {
        let Some(state) = self.flag else {
            let known = self.catalog.flags.keys().map(FlagKey::as_str);
            let fix = match nearest(design.flag.as_str(), known) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "create the flag first, with a variation for each arm".to_owned(),
            };
            return vec![Violation::new("flag", &design.flag, "there is no such flag", fix)];
        };
        let found = design.violations_for(&state.flag);
        if !found.is_empty() {
            return found;
        }
        let dealing = design.dealing(state.unit());
        let beside = match state.clone().hold(&design.key, Some(&dealing)) {
            Ok(held) => self.catalog.violations_with_flag(&held.flag),
            Err(invalid) => invalid.into_violations(),
        };
        beside.into_iter().map(as_of_design).collect()
    }

    pub(super) fn check_thawed(&self) -> Result<(), Refusal> {
        match self.frozen {
            Some(frozen) => Err(freeze::refusal(frozen)),
            None => Ok(()),
        }
    }

    /// The flag deals what the experiment deals, or nothing while that is paused.
    pub(super) fn hold(&self, state: &ExperimentState) -> Result<(EntityRef, Change), Refusal> {
        let Some(flag) = self.flag else {
            let missing = self.violations(&state.design);
            return Err(Refusal::Invalid(missing.into_iter().next().map_or_else(
                || {
                    Invalid::from(Violation::new(
                        "flag",
                        &state.design.flag,
                        "there is no such flag",
                        "create it",
                    ))
                },
                Invalid::from,
            )));
        };
        let dealing = (state.phase == Phase::Running).then(|| Box::new(state.dealing(flag.unit())));
        if let Some(dealing) = &dealing {
            let held = flag.clone().hold(&state.design.key, Some(dealing))?;
            let change = Change::FlagSaved(held.flag);
            check_target(self.environment, self.settings, self.catalog, &change)?;
        }
        let change = Change::FlagHeld {
            experiment: state.design.key.clone(),
            dealing,
        };
        Ok((self.flag_entity(&state.design), change))
    }

    /// The flag deals nothing for now, and stays held.
    pub(super) fn rest(&self, state: &ExperimentState) -> (EntityRef, Change) {
        let change = Change::FlagHeld {
            experiment: state.design.key.clone(),
            dealing: None,
        };
        (self.flag_entity(&state.design), change)
    }

    /// The flag is free.
    pub(super) fn let_go(&self, state: &ExperimentState, outcome: &Outcome) -> (EntityRef, Change) {
        let fallback = match outcome {
            Outcome::Ship { variation } => Some(variation.clone()),
            Outcome::Revert | Outcome::HandOver { .. } => None,
        };
        (self.flag_entity(&state.design), Change::FlagLetGo { fallback })
    }

    fn flag_entity(&self, design: &Design) -> EntityRef {
        EntityRef::Flag(self.environment.clone(), design.flag.clone())
    }
}

/// What is wrong with a flag's dealing is wrong with the design: by the names that the design has for it.
fn as_of_design(violation: Violation) -> Violation {
    let field = violation
        .field
        .strip_prefix("experiment.")
        .unwrap_or(&violation.field);
    let field = match field {
        "allocation" => "traffic",
        other => other,
    };
    Violation {
        field: field.to_owned(),
        ..violation
    }
}

/// Whether an experiment can start here now.
pub(super) fn check_ground(state: &ExperimentState, ground: &Ground<'_>) -> Result<(), Refusal> {
    let design = &state.design;
    Invalid::unless_empty(design.violations(), ())?;
    Invalid::unless_empty(ground.violations(design), ())?;
    check_held_flag(state, ground)?;
    let Some(flag) = ground.flag else { return Ok(()) };
    if flag.flag.definition().status == FlagStatus::Inactive {
        return Err(Refusal::conflict(
            format!("flag {} is inactive: nobody would meet an arm", design.flag),
            "set its status to active first",
        ));
    }
    check_free(flag)
}

/// Whether the flag of an experiment that is over can go another way. It was free meanwhile, and may be another by now.
pub(super) fn check_settled_flag(
    state: &ExperimentState,
    outcome: &Outcome,
    ground: &Ground<'_>,
) -> Result<(), Refusal> {
    let (design, key) = (&state.design, &state.design.flag);
    let shipped = state.ended.as_ref().map(|ended| &ended.outcome);
    if let (Outcome::Revert, Some(Outcome::Ship { variation })) = (outcome, shipped) {
        return Err(Refusal::conflict(
            format!(
                "experiment {} has shipped {variation}, and what flag {key} served before is not kept",
                design.key
            ),
            format!(
                "ship the control: tidegate experiment stop {} --ship {} --reason TEXT",
                design.key, design.control
            ),
        ));
    }
    check_held_flag(state, ground)?;
    let (Outcome::Ship { variation } | Outcome::HandOver { variation, .. }) = outcome else {
        return Ok(());
    };
    let Some(flag) = ground.flag else {
        return Invalid::unless_empty(ground.violations(design), ()).map_err(Refusal::from);
    };
    if flag.flag.variation(variation).is_none() {
        let known = flag.flag.variation_keys();
        let names: Vec<&str> = known.iter().map(|key| key.as_str()).collect();
        let violation = Violation::new(
            "outcome.variation",
            variation,
            format!("flag {key} has no such variation any more"),
            format!("it has {}; change the flag itself", names.join(", ")),
        );
        return Err(Refusal::Invalid(violation.into()));
    }
    check_free(flag)
}

/// A flag that is put away, or deals an experiment of its own, is nobody else's to change.
fn check_free(state: &FlagState) -> Result<(), Refusal> {
    let (key, definition) = (state.flag.key(), state.flag.definition());
    match definition.status {
        FlagStatus::Active | FlagStatus::Inactive if definition.experiment.is_none() => Ok(()),
        FlagStatus::Active | FlagStatus::Inactive | FlagStatus::Experiment => Err(Refusal::conflict(
            format!("flag {key} deals an experiment that is written into its definition"),
            "set its status to active and take 'experiment' out of it",
        )),
        FlagStatus::Archived => Err(Refusal::conflict(
            format!("flag {key} is archived"),
            "set its status to active or inactive first",
        )),
    }
}

/// Nobody else may have hold of the flag.
pub(super) fn check_held_flag(state: &ExperimentState, ground: &Ground<'_>) -> Result<(), Refusal> {
    let Some(flag) = ground.flag else { return Ok(()) };
    let key = &state.design.flag;
    if let Some(pin) = &flag.pin {
        return Err(Refusal::conflict(
            format!("flag {key} is held by rollout {}", pin.rollout),
            "wait until the rollout has ended, or roll it back or abort it first",
        ));
    }
    match &flag.held {
        Some(other) if *other != state.design.key => Err(Refusal::conflict(
            format!("flag {key} is held by experiment {other}"),
            format!("stop that one first: tidegate experiment stop {other} --revert --reason TEXT"),
        )),
        _ => Ok(()),
    }
}
