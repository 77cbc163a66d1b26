//! Asks gates.

use crate::notices::Targets;
use serde::Serialize;
use tidegate_decide::rollout::{Answer, Question};
use tidegate_model::Timestamp;
use tidegate_model::key::{EnvironmentKey, FlagKey, PolicyName, RolloutId, StageName, VariationKey};
use tidegate_model::policy::Wave;
use tidegate_model::rollout::Rollout;
use tidegate_model::share::Share;
use tidegate_model::snapshot::Digest;

/// The body of a question.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    id: &'a str,
    environment: &'a EnvironmentKey,
    rollout: &'a RolloutId,
    attempt: u32,
    flag: &'a FlagKey,
    candidate: &'a VariationKey,
    policy: &'a PolicyName,
    plan_digest: &'a Digest,
    from: Stage<'a>,
    to: Stage<'a>,
    by: String,
}

#[derive(Serialize)]
struct Stage<'a> {
    name: &'a StageName,
    percentage: Share,
    #[serde(skip_serializing_if = "Option::is_none")]
    wave: Option<&'a Wave>,
}

/// A question, ready to be asked.
pub(crate) struct Ready {
    question: Question,
    id: String,
    body: Vec<u8>,
}

impl Ready {
    /// What the gate is asked about the rollout; `None` when there is no such stage to open.
    pub(crate) fn of(question: Question, rollout: &Rollout) -> Option<Self> {
        let start = &rollout.start;
        let stage = |index: usize| {
            let stage = start.plan.stage(index)?;
            Some(Stage {
                name: &stage.name,
                percentage: stage.percentage,
                wave: stage.wave.as_ref(),
            })
        };
        let id = question.id(rollout);
        let body = Body {
            id: &id,
            environment: &start.environment,
            rollout: &start.id,
            attempt: start.attempt,
            flag: &start.flag,
            candidate: &start.candidate,
            policy: &start.policy,
            plan_digest: &start.plan_digest,
            from: stage(question.stage.checked_sub(1)?)?,
            to: stage(question.stage)?,
            by: start.by.to_string(),
        };
        let body = serde_json::to_vec(&body).ok()?;
        Some(Self { question, id, body })
    }

    /// Asks, and says what came back. Never takes longer than the target's deadline.
    pub(crate) async fn ask(self, targets: &Targets, now: Timestamp) -> (Question, Answer) {
        let Some(target) = targets.get(&self.question.target) else {
            let why = "this control plane has no such target";
            return (self.question, Answer::broken(why));
        };
        let answer = match target.post(self.body, &self.id, now).await {
            Ok(reply) => Answer::read(reply.status, &reply.media_type, &reply.body, &self.id),
            Err(why) => Answer::broken(why),
        };
        (self.question, answer)
    }
}
