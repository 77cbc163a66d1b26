//! What a rollout begins from, as it is stored.

use super::start::load_latest_rollout;
use super::{Wanted, load_flag};
use crate::control::{ControlError, check_expected};
use crate::shell::{Shell, describe};
use crate::view::Revised;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::staged::{self, Before};
use tidegate_decide::start::{self, Authors};
use tidegate_decide::step::Step;
use tidegate_model::Timestamp;
use tidegate_model::change::{EntityRef, EntityState, Kind};
use tidegate_model::flag::FlagState;
use tidegate_model::key::{EnvironmentKey, FlagKey, PolicyName, Revision, RolloutId};
use tidegate_model::policy::Policy;
use tidegate_model::rollout::Rollout;
use tidegate_model::segment::SegmentState;

/// What a rollout begins from, as it is stored.
pub(super) enum Ground {
    Flag(Revised<FlagState>, Option<Rollout>),
    /// The flag as it will be when its experiment has let go of it, and the experiment's revision.
    Winner(Revised<FlagState>, Option<Rollout>, Revision),
    Segment {
        segment: Revised<SegmentState>,
        guard: Option<Revised<FlagState>>,
        latest: Option<Rollout>,
    },
}

impl Wanted {
    pub(super) fn policy(&self) -> &PolicyName {
        match self {
            Self::Flag(request) | Self::Winner(request, _) => &request.policy,
            Self::Segment(_, request, _) => &request.policy,
        }
    }

    pub(super) fn shadow(&self) -> Option<&PolicyName> {
        match self {
            Self::Flag(request) | Self::Winner(request, _) => request.shadow.as_ref(),
            Self::Segment(_, request, _) => request.shadow.as_ref(),
        }
    }
}

impl Ground {
    pub(super) async fn load(
        shell: &Shell,
        environment: &EnvironmentKey,
        key: &FlagKey,
        wanted: &Wanted,
    ) -> Result<Self, ControlError> {
        let entity = EntityRef::Flag(environment.clone(), key.clone());
        let flag = load_flag(shell, &entity).await?;
        let attempts = flag.as_ref().map_or(0, |flag| flag.value.attempts);
        let latest = load_latest_rollout(shell.store.as_ref(), environment, key, attempts).await?;
        let Wanted::Segment(segment, _, expect) = wanted else {
            staged::check_by_hand(key).map_err(ControlError::Refused)?;
            let flag = flag.ok_or_else(|| ControlError::NotFound {
                what: describe(&entity),
            })?;
            let Wanted::Winner(_, from) = wanted else {
                return Ok(Self::Flag(flag, latest));
            };
            let free = flag.value.let_go(None);
            let value = free.map_err(|invalid| ControlError::Refused(Refusal::Invalid(invalid)))?;
            let flag = Revised {
                value,
                revision: flag.revision,
            };
            return Ok(Self::Winner(flag, latest, from.experiment.revision));
        };
        let entity = EntityRef::Segment(environment.clone(), segment.clone());
        let stored = shell.store.load(&entity).await.map_err(ControlError::Store)?;
        let Some((EntityState::Segment(value), revision)) = stored.map(|one| (one.state, one.revision))
        else {
            return Err(ControlError::NotFound {
                what: describe(&entity),
            });
        };
        check_expected(&entity, *expect, revision)?;
        Ok(Self::Segment {
            segment: Revised { value, revision },
            guard: flag,
            latest,
        })
    }

    /// The first step from here.
    pub(super) fn step(
        &self,
        wanted: &Wanted,
        environment: &EnvironmentKey,
        policy: &Policy,
        authors: Authors<'_>,
        now: Timestamp,
    ) -> Result<(RolloutId, Step), Refusal> {
        match (self, wanted) {
            (Self::Flag(flag, latest), Wanted::Flag(request)) => {
                let latest = latest.as_ref();
                start::start(request, environment, &flag.value, policy, latest, authors, now)
            }
            (Self::Winner(flag, latest, _), Wanted::Winner(request, _)) => {
                let latest = latest.as_ref();
                start::start(request, environment, &flag.value, policy, latest, authors, now)
            }
            (
                Self::Segment {
                    segment,
                    guard,
                    latest,
                },
                Wanted::Segment(_, request, _),
            ) => {
                let before = Before {
                    segment: &segment.value,
                    guard: guard.as_ref().map(|guard| &guard.value),
                    latest: latest.as_ref(),
                };
                staged::stage(request, environment, before, policy, authors, now)
            }
            _ => Err(Refusal::conflict(
                "it begins from something else than was asked for",
                "this is a mistake in Tidegate itself: please report it",
            )),
        }
    }

    /// The revision at which a thing of this kind was seen; the rollout itself is new.
    pub(super) fn revision(&self, kind: Kind) -> Revision {
        match (self, kind) {
            (Self::Flag(flag, _) | Self::Winner(flag, _, _), Kind::Flag) => flag.revision,
            (Self::Winner(_, _, experiment), Kind::Experiment) => *experiment,
            (Self::Segment { guard, .. }, Kind::Flag) => {
                guard.as_ref().map_or(Revision::ABSENT, |guard| guard.revision)
            }
            (Self::Segment { segment, .. }, Kind::Segment) => segment.revision,
            _ => Revision::ABSENT,
        }
    }
}
