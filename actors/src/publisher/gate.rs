//! What stands between what is known and what leaves: a snapshot that a node could choke on never does, and
//! nodes keep the last good one (faults.md F67).

use crate::control::Published;
use crate::measures::Measures;
use std::sync::Arc;
use tidegate_eval::CompiledSnapshot;
use tidegate_interop::flagd;
use tidegate_model::Timestamp;
use tidegate_model::environment::FlagdTarget;
use tidegate_model::snapshot::{
    SNAPSHOT_BYTES_MAX, SigningKey, Snapshot, SnapshotContent, SnapshotHeader, Version,
};
use tidegate_model::units::Lists;

/// A snapshot that wants to leave. Looking at it takes time in proportion to everything in it: not to be
/// done on an actor's thread (F58).
pub(super) struct Candidate {
    pub(super) content: Arc<SnapshotContent>,
    pub(super) lists: Lists,
    pub(super) flagd: FlagdTarget,
    pub(super) version: Version,
    pub(super) created: Timestamp,
    /// What was published last.
    pub(super) before: Option<SnapshotHeader>,
    pub(super) key: Arc<SigningKey>,
}

impl Candidate {
    /// What may be published; `None` when it says what the one before said.
    ///
    /// # Errors
    /// Why it may not leave.
    pub(super) fn pass(self, measures: &Measures) -> Result<Option<Published>, String> {
        let Self { content, version, .. } = &self;
        let previous = self.before.as_ref().map(|header| header.digest.clone());
        let sealed = Snapshot::seal(content, *version, self.created, previous.clone());
        let sealed = sealed.map_err(|error| error.to_string())?.signed(&self.key);
        if previous.as_ref() == Some(&sealed.header.digest) {
            return Ok(None);
        }
        if self
            .before
            .as_ref()
            .is_some_and(|header| header.version >= *version)
        {
            return Err(format!("version {version} is not above the one before"));
        }
        CompiledSnapshot::compile_with(content, *version, &self.lists)
            .map_err(|invalid| invalid.to_string())?;
        if self.flagd != FlagdTarget::Off {
            measure_flagd(content, *version, measures);
        }
        let bytes = serde_json::to_vec(&sealed).map_err(|error| error.to_string())?;
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(format!(
                "{} bytes, the limit is {SNAPSHOT_BYTES_MAX}",
                bytes.len()
            ));
        }
        Ok(Some(Published {
            header: sealed.header,
            bytes: bytes.into(),
        }))
    }
}

/// Says which flags flagd's clients do not get. They never keep a snapshot from the nodes: a rollback must
/// reach those whatever flagd can be told.
fn measure_flagd(content: &SnapshotContent, version: Version, measures: &Measures) {
    let environment = content.environment.as_str();
    let (bytes, left_out) = match flagd::lower(content, version) {
        Ok(lowered) => {
            for left in &lowered.left_out {
                let why: Vec<String> = left.why.iter().map(ToString::to_string).collect();
                let why = why.join("; ");
                tracing::warn!(environment, flag = %left.flag, why, "flagd's clients do not get this flag");
            }
            (lowered.configuration.len(), lowered.left_out.len())
        }
        Err(too_large) => {
            tracing::error!(environment, why = %too_large, "flagd's clients keep the configuration before");
            (too_large.bytes, 0)
        }
    };
    let gauges = &measures.flagd;
    for (gauge, value) in [(&gauges.bytes, bytes), (&gauges.left_out, left_out)] {
        gauge
            .with_label_values(&[environment])
            .set(i64::try_from(value).unwrap_or(i64::MAX));
    }
}
