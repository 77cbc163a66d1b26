//! Stages that open to some segments before they open to anybody.

use super::Policy;
use crate::key::SegmentKey;
use crate::share::Share;
use serde::{Deserialize, Serialize};

/// A segment to which a rollout opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wave {
    /// Which segment.
    pub segment: SegmentKey,
    /// How many of its units get the candidate: those whose bucket is inside, by the same buckets as for
    /// everybody.
    pub share: Share,
}

/// Who gets the candidate: anybody inside the share, and the units of each wave inside the wave's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Audience {
    /// How many of everybody.
    pub share: Share,
    /// Segments in which more get it, each once, the widest first.
    pub waves: Vec<Wave>,
}

impl Policy {
    /// Who has the candidate once the stage at `index`, counted from 0, is open. Nobody who had it before
    /// loses it.
    pub fn audience(&self, index: usize) -> Audience {
        let mut audience = Audience::default();
        for stage in self.schedule.stages.iter().take(index.saturating_add(1)) {
            match &stage.wave {
                None => audience.share = stage.percentage,
                Some(wave) => {
                    audience.waves.retain(|other| other.segment != wave.segment);
                    audience.waves.push(wave.clone());
                }
            }
        }
        let Audience { share, waves } = &mut audience;
        waves.retain(|wave| wave.share > *share);
        waves.sort_by(|a, b| b.share.cmp(&a.share).then_with(|| a.segment.cmp(&b.segment)));
        audience
    }

    /// The segments to which it opens before it opens to anybody.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentKey> {
        let waves = self
            .schedule
            .stages
            .iter()
            .filter_map(|stage| stage.wave.as_ref());
        waves.map(|wave| &wave.segment)
    }
}
