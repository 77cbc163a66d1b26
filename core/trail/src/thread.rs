//! Reading what the decisions of one rollout rest on, record by record.

use crate::cause::Cause;
use crate::patch;
use serde::Deserialize as _;
use serde_json::Value;
use std::collections::BTreeMap;
use tidegate_decide::rollout::Observed;
use tidegate_model::basis::{KeptLook, World};
use tidegate_model::change::Record;
use tidegate_model::evidence::Judged;
use tidegate_model::key::RuleName;

/// What the records of one rollout have told so far. They are read in their order, from the first on.
#[derive(Debug, Clone, Default)]
pub struct Thread {
    world: Option<Value>,
    looks: BTreeMap<RuleName, (u64, Judged)>,
}

/// What one decision rests on.
#[derive(Debug, Clone)]
pub struct Given {
    /// What led to it.
    pub cause: Cause,
    /// What was known of the world.
    pub observed: Observed,
    /// The rules with a look that no earlier record keeps.
    pub new: Vec<RuleName>,
}

impl Thread {
    /// What the decision in `record` rests on.
    ///
    /// # Errors
    /// In words, why that cannot be read.
    pub fn read(&mut self, record: &Record) -> Result<Given, String> {
        let basis = record
            .basis
            .as_ref()
            .ok_or("it keeps nothing of what it was decided on")?;
        let cause: Cause = serde_json::from_str(basis.input.get())
            .map_err(|error| format!("what led to it cannot be read: {error}"))?;
        match &basis.world {
            Some(World::Whole(text)) => self.world = Some(json(text.get())?),
            Some(World::Changed(text)) => {
                let world = self
                    .world
                    .as_mut()
                    .ok_or("the records before it do not say how the world was")?;
                patch::apply(world, json(text.get())?);
            }
            None => {}
        }
        let mut observed: Observed = match &self.world {
            Some(world) => observed_in(world)?,
            None => Observed::default(),
        };
        let mut new = Vec::new();
        let mut looks = BTreeMap::new();
        for (rule, kept) in &basis.looks {
            let known = match kept {
                KeptLook::Here(judged) => {
                    new.push(rule.clone());
                    (record.sequence, Judged::clone(judged))
                }
                KeptLook::In(sequence) => match self.looks.remove(rule) {
                    Some(known) if known.0 == *sequence => known,
                    _ => {
                        return Err(format!(
                            "record {sequence} does not keep the newest look at {rule}"
                        ));
                    }
                },
            };
            observed.looks.insert(rule.clone(), known.1.look.clone());
            looks.insert(rule.clone(), known);
        }
        self.looks = looks;
        Ok(Given { cause, observed, new })
    }

    /// The newest look at each rule, each with the record that keeps it.
    pub fn looks(&self) -> &BTreeMap<RuleName, (u64, Judged)> {
        &self.looks
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("what was known of the world cannot be read: {error}"))
}

fn observed_in(world: &Value) -> Result<Observed, String> {
    Observed::deserialize(world)
        .map_err(|error| format!("what was known of the world cannot be read: {error}"))
}
