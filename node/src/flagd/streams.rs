//! How many streams may be open, and the one way in which all of them end.

use super::Realm;
use super::calls::Calls;
use futures_util::Stream;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use prometheus::IntGauge;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::{Code, Status};

/// Most streams of all protocols together. One that reads nothing holds up to one configuration.
const STREAMS_MAX: usize = 5000;

/// The room for streams.
#[derive(Clone)]
pub(super) struct Streams {
    room: Arc<Semaphore>,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(STREAMS_MAX)),
        }
    }
}

/// A stream that counts itself, and ends with a status that makes clients come back when the server
/// stops: they take an ordinary end for the end of their work.
pub(super) struct Counted<T> {
    items: BoxStream<'static, Result<T, Status>>,
    realm: Arc<Realm>,
    method: &'static str,
    open: IntGauge,
    code: Option<Code>,
    _room: OwnedSemaphorePermit,
}

impl Streams {
    /// The items as a stream of this method, until it ends by itself or `stopping` turns true.
    ///
    /// # Errors
    /// When there are too many already.
    pub(super) fn open<T: Send + 'static>(
        &self,
        realm: Arc<Realm>,
        method: &'static str,
        stopping: watch::Receiver<bool>,
        items: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> Result<Counted<T>, Status> {
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_full| {
            Status::resource_exhausted(format!(
                "there are {STREAMS_MAX} streams already; put more nodes in front of the clients"
            ))
        })?;
        let stopped = stream::once(told_to_stop(stopping));
        let items = stream::select(
            items.map(Some).chain(stream::once(async { None })),
            stopped.map(Some),
        );
        // Whatever ends first ends all: an error, the items, or the server.
        let items = items.take_while(|item| std::future::ready(item.is_some()));
        let open = realm.calls.open_streams(method);
        open.inc();
        Ok(Counted {
            items: items.filter_map(std::future::ready).boxed(),
            realm,
            method,
            open,
            code: None,
            _room: room,
        })
    }
}

async fn told_to_stop<T>(mut stopping: watch::Receiver<bool>) -> Result<T, Status> {
    // The sender is gone only when the process is ending, which is a reason to stop too.
    drop(stopping.wait_for(|stopping| *stopping).await);
    Err(Status::unavailable(
        "the server is stopping; come back, or go to another one",
    ))
}

impl<T> Stream for Counted<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.code.is_some() {
            return Poll::Ready(None);
        }
        let next = self.items.as_mut().poll_next(context);
        match &next {
            Poll::Ready(None) => self.code = Some(Code::Ok),
            Poll::Ready(Some(Err(status))) => self.code = Some(status.code()),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        next
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        self.open.dec();
        let calls: &Calls = &self.realm.calls;
        // Nobody saw it end: the client went away.
        calls.ended(self.method, self.code.unwrap_or(Code::Cancelled));
    }
}
