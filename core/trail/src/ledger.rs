//! Writing down what decisions rest on.

use crate::cause::Cause;
use crate::patch;
use serde_json::Value;
use std::collections::BTreeMap;
use tidegate_decide::rollout::Observed;
use tidegate_model::Timestamp;
use tidegate_model::basis::{Basis, KeptLook, Text, World};
use tidegate_model::evidence::{Judged, Trace};
use tidegate_model::key::RuleName;

/// What one rollout's records keep already, so that nothing is kept twice. Begins empty with its actor.
#[derive(Debug, Default)]
pub struct Ledger {
    /// What was known of the world at the last record, without looks.
    world: Option<Observed>,
    /// How the newest look at each rule came about.
    /// Boxed: a map of few large values keeps room for many.
    looks: BTreeMap<RuleName, Box<Noted>>,
}

#[derive(Debug)]
struct Noted {
    at: Timestamp,
    trace: Trace,
    /// The record that keeps it, if one does.
    record: Option<u64>,
}

impl Ledger {
    /// A rule was looked at.
    pub fn note(&mut self, rule: RuleName, at: Timestamp, trace: Trace) {
        let record = None;
        self.looks.insert(rule, Box::new(Noted { at, trace, record }));
    }

    /// What a decision for this cause rests on.
    ///
    /// # Errors
    /// When JSON cannot carry it.
    pub fn basis(&self, observed: &Observed, cause: &Cause) -> Result<Box<Basis>, serde_json::Error> {
        let looks = observed.looks.iter().map(|(rule, look)| {
            let noted = self.looks.get(rule).filter(|noted| noted.at == look.at);
            let kept = match noted.and_then(|noted| noted.record) {
                Some(record) => KeptLook::In(record),
                None => KeptLook::Here(Box::new(Judged {
                    look: look.clone(),
                    trace: noted.map(|noted| noted.trace.clone()),
                })),
            };
            (rule.clone(), kept)
        });
        let looks = looks.collect();
        let now = value(observed)?;
        let world = match &self.world {
            None => Some(World::Whole(Text::of(&now)?)),
            Some(before) => match patch::diff(&value(before)?, &now) {
                Some(patch) => Some(World::Changed(Text::of(&patch)?)),
                None => None,
            },
        };
        Ok(Box::new(Basis {
            input: Text::of(cause)?,
            world,
            looks,
        }))
    }

    /// The record of this sequence keeps all that was known.
    pub fn stored(&mut self, observed: &Observed, sequence: u64) {
        self.world = Some(without_looks(observed));
        for noted in self.looks.values_mut() {
            noted.record.get_or_insert(sequence);
        }
    }
}

fn without_looks(observed: &Observed) -> Observed {
    Observed {
        looks: BTreeMap::new(),
        ..observed.clone()
    }
}

fn value(observed: &Observed) -> Result<Value, serde_json::Error> {
    serde_json::to_value(without_looks(observed))
}
