//! What is answered to an enrolment.

use crate::json::Json as _;
use tidegate_eval::{Evaluation, Part};

/// Whether a unit takes part, and what it gets.
pub(super) struct Enrolled<'s> {
    pub(super) why: Why,
    /// Nothing is known of the flag where there is none.
    pub(super) evaluation: Option<Evaluation<'s>>,
}

/// Why a unit takes part or not. A closed list: `docs/nodes.md` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It takes part, and that is recorded.
    Enrolled,
    /// It would take part, and that could not be recorded.
    NotRecorded,
    /// It would take part, and its name is too long to be recorded.
    UnitTooLong,
    /// What the flag says about it.
    Part(Part),
    /// No flag that the caller may see is part of such an experiment.
    NotRunning,
    /// The node knows no flags yet.
    NoSnapshot,
    /// Its context cannot be read.
    InvalidContext,
}

impl Why {
    /// The word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Enrolled | Self::Part(Part::Dealt) => "enrolled",
            Self::NotRecorded => "not_recorded",
            Self::UnitTooLong => "unit_too_long",
            Self::NotRunning | Self::Part(Part::NotRunning) => "not_running",
            Self::NoSnapshot => "no_snapshot",
            Self::InvalidContext => "invalid_context",
            Self::Part(Part::FlagInactive) => "flag_inactive",
            Self::Part(Part::Prerequisite) => "prerequisite",
            Self::Part(Part::Individual) => "individual",
            Self::Part(Part::Rule) => "rule",
            Self::Part(Part::NoUnit) => "no_unit",
            Self::Part(Part::HeldOut) => "held_out",
            Self::Part(Part::Audience) => "audience",
            Self::Part(Part::Layer) => "layer",
            Self::Part(Part::Allocation) => "allocation",
        }
    }
}

impl Enrolled<'_> {
    /// No, and the flag has nothing to say.
    pub(super) fn no(why: Why) -> Self {
        Self {
            why,
            evaluation: None,
        }
    }

    /// Writes it. Names of variations, and words, need no escapes.
    pub(super) fn write(&self, text: &mut Vec<u8>, experiment: &str, flag: Option<&str>) {
        let enrolled = if self.why == Why::Enrolled {
            "true"
        } else {
            "false"
        };
        text.raw("{\"enrolled\":").raw(enrolled);
        text.raw(",\"reason\":\"").raw(self.why.word());
        text.raw("\",\"experiment\":").value(experiment);
        if let Some(flag) = flag {
            text.raw(",\"flag\":").value(flag);
        }
        if let Some(json) = self.evaluation.and_then(|evaluation| evaluation.json()) {
            let variation = self.evaluation.map_or("", |evaluation| evaluation.variation());
            text.raw(",\"variation\":\"").raw(variation);
            text.raw("\",\"value\":").raw(json);
        }
        text.raw("}");
    }
}
