//! The order in which a flag's targeting is asked. `docs/evaluation.md` is this file in prose.

use crate::evaluation::{ErrorCode, Reason};
use crate::flag::{CompiledFlag, Prerequisite, Serve, Variation};
use crate::prepared::PreparedContext;
use crate::snapshot::CompiledSnapshot;
use tidegate_model::flag::FlagStatus;

/// What was decided for one flag and context.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decision<'a> {
    pub(crate) variation: Option<&'a Variation>,
    pub(crate) reason: Reason<'a>,
}

impl CompiledSnapshot {
    /// Decides one flag. Prerequisites lead into other flags, at most
    /// [`PREREQUISITE_DEPTH_MAX`](crate::PREREQUISITE_DEPTH_MAX) deep.
    pub(crate) fn decide<'a>(&'a self, flag: &'a CompiledFlag, context: &PreparedContext) -> Decision<'a> {
        let off = |reason| Decision {
            variation: flag.off.as_deref(),
            reason,
        };
        match flag.status {
            FlagStatus::Archived => {
                return Decision {
                    variation: None,
                    reason: Reason::Disabled,
                };
            }
            FlagStatus::Inactive => return off(Reason::Disabled),
            FlagStatus::Active | FlagStatus::Experiment => {}
        }
        for prerequisite in &flag.prerequisites {
            if !self.is_met(prerequisite, context) {
                let flag = self.flag_key(prerequisite.flag);
                return off(Reason::PrerequisiteFailed { flag });
            }
        }
        let unit = context.targeting_key();
        if let Some(individual) = flag.individuals.iter().find(|one| one.units.contains(unit)) {
            return Decision {
                variation: Some(&individual.variation),
                reason: Reason::IndividualOverride,
            };
        }
        for rule in &flag.rules {
            if rule.when.holds(&self.segments, context) {
                let split = rule.serve.is_split();
                let rule_name = &rule.name;
                return serve(
                    flag,
                    &rule.serve,
                    context,
                    Reason::TargetingMatch {
                        rule: rule_name,
                        split,
                    },
                );
            }
        }
        if let Some(rollout) = &flag.rollout {
            let id = rollout.id.as_str();
            return serve(flag, &rollout.serve, context, Reason::Rollout { rollout: id });
        }
        match &flag.fallback {
            Some(fallback) => serve(flag, fallback, context, fallback_reason(flag, fallback)),
            None => Decision {
                variation: None,
                reason: Reason::Default,
            },
        }
    }

    /// Whether the other flag serves one of the variations that will do.
    fn is_met(&self, prerequisite: &Prerequisite, context: &PreparedContext) -> bool {
        let served = context.serves(prerequisite.memo, || {
            let other = self.flags.get(prerequisite.flag as usize)?;
            Some(self.decide(other, context).variation?.place)
        });
        served.is_some_and(|place| prerequisite.accepted.contains(&place))
    }
}

/// Why the fallback decided, if it did.
pub(crate) fn fallback_reason<'a>(flag: &CompiledFlag, fallback: &Serve) -> Reason<'a> {
    let split = fallback.is_split();
    if flag.is_untargeted() && !split {
        Reason::Static
    } else {
        Reason::Fallback { split }
    }
}

/// The variation served, or that there is no unit to choose one for.
fn serve<'a>(
    flag: &CompiledFlag,
    serve: &'a Serve,
    context: &PreparedContext,
    reason: Reason<'a>,
) -> Decision<'a> {
    match serve.variation(|| flag.bucket(context)) {
        Some(variation) => Decision {
            variation: Some(variation),
            reason,
        },
        None => Decision {
            variation: None,
            reason: Reason::Error(ErrorCode::TargetingKeyMissing),
        },
    }
}
