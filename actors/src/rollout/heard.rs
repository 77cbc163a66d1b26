//! What reaches a rollout's actor without anybody asking for an answer.

use super::looking::Looked;
use super::{Answered, Reply, RolloutActor, Wake};
use crate::alerts::AlertsMoved;
use crate::neighbours::NeighboursMoved;
use crate::publisher::FleetMoved;
use actix::prelude::*;
use tidegate_decide::rollout::Input;
use tidegate_model::span::Span;

impl RolloutActor {
    /// Takes in something to which nobody waits for an answer: what went wrong is in the log.
    fn take_in(&mut self, input: Input, ctx: &mut Context<Self>) -> Reply<()> {
        AtomicResponse::new(Box::pin(
            self.drive(input, ctx).map(|_told_in_the_log, _actor, _ctx| ()),
        ))
    }
}

impl Handler<Wake> for RolloutActor {
    type Result = Reply<()>;

    fn handle(&mut self, _wake: Wake, ctx: &mut Self::Context) -> Self::Result {
        if let Some((_armed, planned)) = self.wake {
            let lag = Span::between(planned, self.shell.clock.now());
            self.shell.measures.wake_lag.observe(lag.as_seconds());
        }
        self.take_in(Input::Wake, ctx)
    }
}

impl Handler<Looked> for RolloutActor {
    type Result = Reply<()>;

    fn handle(&mut self, looked: Looked, ctx: &mut Self::Context) -> Self::Result {
        let looks = self.judged(looked);
        self.take_in(Input::Looked(looks), ctx)
    }
}

impl Handler<FleetMoved> for RolloutActor {
    type Result = Reply<()>;

    fn handle(&mut self, FleetMoved(fleet): FleetMoved, ctx: &mut Self::Context) -> Self::Result {
        self.take_in(Input::Fleet(fleet), ctx)
    }
}

impl Handler<Answered> for RolloutActor {
    type Result = Reply<()>;

    fn handle(&mut self, Answered(question, answer): Answered, ctx: &mut Self::Context) -> Self::Result {
        let at = self.shell.clock.now();
        self.take_in(Input::Answered { question, answer, at }, ctx)
    }
}

impl Handler<AlertsMoved> for RolloutActor {
    type Result = Reply<()>;

    fn handle(&mut self, AlertsMoved(firing): AlertsMoved, ctx: &mut Self::Context) -> Self::Result {
        self.take_in(Input::Alerts(firing), ctx)
    }
}

impl Handler<NeighboursMoved> for RolloutActor {
    type Result = Reply<()>;

    fn handle(
        &mut self,
        NeighboursMoved(neighbours): NeighboursMoved,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        self.take_in(Input::Neighbours(neighbours), ctx)
    }
}
