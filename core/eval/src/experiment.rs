//! Experiments, compiled: who takes part, and in which arm.

use crate::bucket::Salt;
use crate::flag::{CompiledFlag, Serve};
use crate::predicate::Predicate;
use crate::prepared::PreparedContext;
use crate::segment::Segment;
use crate::vocabulary::AttributeId;
use tidegate_model::key::{ExperimentKey, HoldoutKey, LayerKey};
use tidegate_model::share::Share;

/// An experiment, compiled. All buckets are those of the flag's unit.
#[derive(Debug)]
pub(crate) struct Experiment {
    pub(crate) holdout: Option<Range>,
    pub(crate) audience: Option<Predicate>,
    pub(crate) layer: Option<Range>,
    /// Left out where everybody is allocated.
    pub(crate) allocation: Option<Range>,
    pub(crate) salt: Salt,
    pub(crate) arms: Serve,
    pub(crate) key: ExperimentKey,
    pub(crate) holdout_key: Option<HoldoutKey>,
    pub(crate) layer_key: Option<LayerKey>,
    /// Counts how often arms were dealt anew.
    pub(crate) batch: u32,
    /// What exposures tell of a context: names, and where the context has them.
    pub(crate) dimensions: Box<[(Box<str>, AttributeId)]>,
    /// Stands for this dealing and each of the flag's variations, by their places.
    pub(crate) traces: Box<[u64]>,
}

/// Buckets under a salt, from the first up to but not including the last.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) salt: Salt,
    pub(crate) from: Share,
    pub(crate) to: Share,
}

/// What an experiment is to a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Participation {
    /// The unit is kept out, and out of what would come behind.
    HeldOut,
    /// It takes part: an arm is dealt.
    In,
    /// The experiment is nothing to it.
    Out,
}

impl Range {
    /// Whether the bucket is one of them.
    pub(crate) fn contains(&self, bucket: u32) -> bool {
        self.to.contains(bucket) && !self.from.contains(bucket)
    }

    /// Whether the context's unit, which is the flag's, has one of these buckets.
    #[inline]
    pub(crate) fn has_unit_of(&self, flag: &CompiledFlag, context: &PreparedContext<'_>) -> bool {
        let bucket = context.bucket(flag.unit, &self.salt);
        bucket.is_some_and(|bucket| self.contains(bucket))
    }
}

impl Experiment {
    /// What it is to a context. Nobody without a unit takes part: nothing could be learnt from them.
    pub(crate) fn participation(
        &self,
        flag: &CompiledFlag,
        segments: &[Segment],
        context: &PreparedContext<'_>,
    ) -> Participation {
        let within = |range: &Range| range.has_unit_of(flag, context);
        if self.holdout.as_ref().is_some_and(within) {
            return Participation::HeldOut;
        }
        let audience = self.audience.as_ref();
        let takes_part = audience.is_none_or(|when| when.holds(segments, context))
            && self.layer.as_ref().is_none_or(within)
            && self.allocation.as_ref().is_none_or(within)
            && context.has_unit(flag.unit);
        if takes_part {
            Participation::In
        } else {
            Participation::Out
        }
    }
}
