//! A proposal on its way to becoming a record.

use crate::api::{CommitError, Expect, Proposal};
use std::collections::BTreeSet;
use tidegate_model::change::{EntityRef, Entry, Record};
use tidegate_model::key::Revision;

/// Longest record, in bytes of its text. Sequence and revisions are filled in later and at most
/// double it, which stays below what a frame can hold.
const RECORD_BYTES_MAX: usize = 8 << 20;

/// A proposal in the words in which it will be read back.
#[derive(Debug)]
pub(crate) struct Draft {
    /// What is expected of each thing, in the order of the writes.
    pub(crate) expects: Vec<(EntityRef, Expect)>,
    /// The record, its sequence and revisions still 0.
    pub(crate) record: Record,
}

impl Draft {
    /// Checks the proposal, writes it down and reads it back. A number or a nesting that JSON cannot
    /// carry is found here, before it is in the journal, where it would be damage.
    pub(crate) fn new(proposal: Proposal) -> Result<Self, CommitError> {
        let malformed = |what: String| CommitError::Malformed { what };
        let mut named = BTreeSet::new();
        let mut expects = Vec::new();
        let mut entries = Vec::new();
        for write in proposal.writes {
            if write.changes.is_empty() {
                return Err(malformed(format!("nothing changes in {}", write.entity)));
            }
            if !named.insert(write.entity.clone()) {
                return Err(malformed(format!("{} is written twice", write.entity)));
            }
            entries.extend(write.changes.into_iter().map(|change| Entry {
                entity: write.entity.clone(),
                revision: Revision::ABSENT,
                change,
            }));
            expects.push((write.entity, write.expect));
        }
        if entries.is_empty() {
            return Err(malformed("it writes nothing".to_owned()));
        }
        let record = Record {
            sequence: 0,
            at: proposal.at,
            request: proposal.by.request().cloned(),
            by: proposal.by,
            because: proposal.because,
            basis: proposal.basis,
            entries,
        };
        let text = serde_json::to_vec(&record).map_err(|error| malformed(error.to_string()))?;
        if text.len() > RECORD_BYTES_MAX {
            let bytes = text.len();
            return Err(malformed(format!(
                "its text has {bytes} bytes, and at most {RECORD_BYTES_MAX} are kept in one record"
            )));
        }
        let record = serde_json::from_slice(&text)
            .map_err(|error| malformed(format!("its text cannot be read back: {error}")))?;
        Ok(Self { expects, record })
    }
}
