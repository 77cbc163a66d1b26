//! Evaluation over gRPC, in the two versions that clients speak.

mod v1;
mod v2;

use super::Flagd;
use super::admit::{Caller, Door, Introduction, Purpose};
use super::events::{Event, events};
use super::resolve::{self, Resolved, Wanted};
use super::streams::Counted;
use super::structs;
use crate::access::Scope;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use prost_types::Struct;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

/// Evaluation, behind a door.
#[derive(Clone)]
pub(super) struct Evaluation {
    pub(super) flagd: Flagd,
    pub(super) door: Door,
    pub(super) stopping: watch::Receiver<bool>,
}

impl Evaluation {
    fn admit<T>(&self, method: &str, request: &Request<T>) -> Result<Caller, Status> {
        let introduction = Introduction {
            door: self.door,
            anonymous: Scope::Server,
            purpose: Purpose::Evaluate,
            headers: request.metadata().as_ref(),
            selector: "",
        };
        let admitted = self.flagd.admit(&introduction);
        admitted.inspect_err(|status| self.flagd.refused(method, status))
    }

    /// The answer for one flag, in the version's own message.
    fn resolve<T: Wanted, M, R>(
        &self,
        method: &str,
        request: &Request<M>,
        (flag, context): (&str, Option<&Struct>),
        written: impl FnOnce(Resolved<T>) -> Result<R, Status>,
    ) -> Result<Response<R>, Status> {
        let caller = self.admit(method, request)?;
        let attributes = context.cloned().map(structs::to_json).unwrap_or_default();
        let answer = resolve::context(&attributes).and_then(|context| caller.resolve(flag, &context));
        let answer = answer.and_then(written);
        caller.realm.calls.counted(method, answer).map(Response::new)
    }

    fn events<M, R: Send + 'static>(
        &self,
        method: &'static str,
        request: &Request<M>,
        written: fn(Event) -> R,
    ) -> Result<BoxStream<'static, Result<R, Status>>, Status> {
        let caller = self.admit(method, request)?;
        let items = events(&caller.realm);
        let (streams, stopping) = (&self.flagd.streams, self.stopping.clone());
        let stream: Counted<Event> = streams.open(caller.realm, method, stopping, items)?;
        Ok(stream.map(move |event| event.map(written)).boxed())
    }
}

impl Flagd {
    /// A call that no environment let in is the first one's to count.
    pub(super) fn refused(&self, method: &str, status: &Status) {
        if let Some(realm) = self.realms.first() {
            realm.calls.ended(method, status.code());
        }
    }
}
