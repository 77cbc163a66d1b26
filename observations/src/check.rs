//! What is wrong with a batch, before anything of it is written.

use chrono::{Datelike as _, TimeDelta};
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::observation::{NAME_BYTES_MAX, OBSERVATIONS_MAX, Observation, ObservationBatch};

/// Longest name of a spool, in bytes.
pub(crate) const SPOOL_BYTES_MAX: usize = 255;
/// Most dimensions of an exposure.
const DIMENSIONS_MAX: usize = 50;
/// Before this year nobody observed anything.
const FIRST_YEAR: i32 = 2000;
/// A time so far ahead of the control plane's clock is none. What is less ahead is left to the fold, which counts it.
const AHEAD_MAX: TimeDelta = TimeDelta::days(366);
/// More are not told of one batch.
const VIOLATIONS_MAX: usize = 20;

/// Whether the batch can be taken in at all.
///
/// # Errors
/// What is wrong with it, the first twenty things.
pub(crate) fn check(batch: &ObservationBatch, now: Timestamp) -> Result<(), Invalid> {
    let mut found = Vec::new();
    if batch.spool.is_empty() || batch.spool.len() > SPOOL_BYTES_MAX {
        found.push(Violation::new(
            "spool",
            &batch.spool,
            "the name of a spool has 1 to 255 bytes",
            "draw it at random when the spool is made",
        ));
    }
    if batch.number == 0 {
        found.push(Violation::new(
            "number",
            batch.number,
            "batches of a spool are numbered from 1",
            "count them, without gaps",
        ));
    }
    if batch.observations.len() > OBSERVATIONS_MAX {
        found.push(Violation::new(
            "observations",
            batch.observations.len(),
            "a batch has at most 10,000 observations",
            "put the rest into the next batch",
        ));
        return Invalid::unless_empty(found, ());
    }
    for (index, observation) in batch.observations.iter().enumerate() {
        observation_violations(index, observation, now, &mut found);
        if found.len() >= VIOLATIONS_MAX {
            break;
        }
    }
    found.truncate(VIOLATIONS_MAX);
    Invalid::unless_empty(found, ())
}

/// Too many bytes in all, though each name is short enough.
pub(crate) fn too_large(bytes: usize) -> Invalid {
    Violation::new(
        "observations",
        bytes,
        "a batch has at most 32 MiB",
        "put the rest into the next batch",
    )
    .into()
}

fn observation_violations(
    index: usize,
    observation: &Observation,
    now: Timestamp,
    found: &mut Vec<Violation>,
) {
    let place = |field: &str| format!("observations[{index}].{field}");
    let name = |field: &str, text: &str, found: &mut Vec<Violation>| {
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            found.push(Violation::new(
                place(field),
                text,
                "it has 1 to 1,024 bytes",
                "send a digest of what is longer",
            ));
        }
    };
    name("unit", observation.unit(), found);
    let at = observation.at();
    if at.year() < FIRST_YEAR || at - now > AHEAD_MAX {
        found.push(Violation::new(
            place("at"),
            at,
            "a time is not before the year 2000 and not more than a year ahead",
            "set the clock of the machine that observed it, or send seconds as seconds",
        ));
    }
    match observation {
        Observation::Event { id, .. } => name("id", id, found),
        Observation::Exposure { dimensions, .. } => dimension_violations(&place, dimensions, found),
    }
}

fn dimension_violations(
    place: &dyn Fn(&str) -> String,
    dimensions: &BTreeMap<String, String>,
    found: &mut Vec<Violation>,
) {
    if dimensions.len() > DIMENSIONS_MAX {
        found.push(Violation::new(
            place("dimensions"),
            dimensions.len(),
            "an exposure has at most 50 dimensions",
            "send those that the experiment names",
        ));
        return;
    }
    for (name, value) in dimensions {
        if name.len() > NAME_BYTES_MAX || value.len() > NAME_BYTES_MAX {
            found.push(Violation::new(
                place(&format!("dimensions.{}", name.get(..80).unwrap_or(name))),
                value,
                "the name and the value of a dimension have at most 1,024 bytes each",
                "send a class instead of what is longer",
            ));
        }
    }
}
