//! Where a drill's bad number comes in: where real ones do.

use super::looking::Looked;
use super::{Reply, RolloutActor};
use crate::control::ControlError;
use actix::prelude::*;
use tidegate_decide::drill;
use tidegate_decide::rollout::Input;

/// The breach of a drill. Answered when what was decided is stored.
#[derive(Message)]
#[rtype(result = "Result<(), ControlError>")]
pub(crate) struct Breach;

impl Handler<Breach> for RolloutActor {
    type Result = Reply<Result<(), ControlError>>;

    fn handle(&mut self, _breach: Breach, ctx: &mut Self::Context) -> Self::Result {
        let start = &self.rollout.start;
        let rule = match drill::rule(&start.plan, start.drill) {
            Ok(rule) => rule.clone(),
            Err(refusal) => {
                let refused = std::future::ready(Err(ControlError::Refused(refusal)));
                return AtomicResponse::new(Box::pin(refused.into_actor(self)));
            }
        };
        let breach = Looked::given(rule, drill::breach(), self.shell.clock.now());
        let looks = self.judged(breach);
        AtomicResponse::new(self.drive(Input::Looked(looks), ctx))
    }
}
