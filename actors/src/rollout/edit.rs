//! Another plan for a running rollout, or another definition of its flag.

use super::RolloutActor;
use crate::control::ControlError;
use crate::keeper::{FindRollout, Found};
use crate::shell::{Shell, describe, incident};
use crate::view::{self, RolloutView};
use actix::prelude::*;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::Input;
use tidegate_model::access::Author;
use tidegate_model::change::EntityRef;
use tidegate_model::flag::Flag;
use tidegate_model::policy::{Policy, Stage};
use tidegate_store::Expect;

/// A person wants something else of a rollout.
#[derive(Message)]
#[rtype(result = "Result<RolloutView, ControlError>")]
pub(crate) struct Edit {
    pub(crate) what: Edited,
    pub(crate) expect: Expect,
    pub(crate) by: Author,
}

/// What is to be another.
pub(crate) enum Edited {
    /// The whole plan.
    Plan {
        policy: Box<Policy>,
        editor: Option<Author>,
    },
    /// The stages ahead.
    Stages(Vec<Stage>),
    /// The flag that it holds.
    Flag { before: Flag, after: Flag },
}

/// Has the rollout's actor do it.
pub(crate) async fn edit(shell: &Shell, entity: &EntityRef, edit: Edit) -> Result<RolloutView, ControlError> {
    let busy = |_dead: MailboxError| ControlError::Busy { retry_after: 1 };
    let found = shell.keeper()?.send(FindRollout(entity.clone())).await;
    match found.map_err(busy)? {
        Found::Live(actor) => actor
            .send(edit)
            .await
            .unwrap_or_else(|dead| Err(incident(&format!("the rollout's actor died on an edit: {dead}")))),
        Found::Rebuilding => Err(ControlError::Busy { retry_after: 1 }),
        Found::Apart(_) => Err(ControlError::Refused(Refusal::conflict(
            format!("{} failed too often and is kept apart", describe(entity)),
            "roll it back or abort it, or restart the control plane to give it another chance",
        ))),
        Found::Gone => match super::load(shell.store.as_ref(), entity).await? {
            Some((rollout, revision)) => Err(ControlError::Refused(view::ended(&view::at_rest(
                &rollout, revision,
            )))),
            None => Err(ControlError::NotFound {
                what: describe(entity),
            }),
        },
    }
}

impl Handler<Edit> for RolloutActor {
    type Result = super::Reply<Result<RolloutView, ControlError>>;

    fn handle(&mut self, edit: Edit, ctx: &mut Self::Context) -> Self::Result {
        let Edit { what, expect, by } = edit;
        if let Err(error) = crate::control::check_expected(&self.entity, expect, self.revision) {
            return AtomicResponse::new(Box::pin(std::future::ready(Err(error)).into_actor(self)));
        }
        let input = match what {
            Edited::Plan { policy, editor } => Input::Amend { policy, editor, by },
            Edited::Stages(stages) => Input::Accelerate { stages, by },
            Edited::Flag { before, after } => Input::FlagEdited { before, after, by },
        };
        let driven = self.drive(input, ctx);
        AtomicResponse::new(Box::pin(
            driven.map(|done, actor, _ctx| done.map(|()| actor.view())),
        ))
    }
}
