//! A body that holds its leave until it is sent, or its reader is gone.

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tidegate_replica::publication::OnItsWay;

/// How much is given to the connection at once, in bytes: what it has not taken yet counts as on its
/// way.
const PIECE: usize = 64 << 10;

/// Bytes on their way.
pub(super) struct Admitted {
    rest: Bytes,
    _leave: OnItsWay,
}

impl Admitted {
    pub(super) fn new(bytes: Bytes, leave: OnItsWay) -> Self {
        Self {
            rest: bytes,
            _leave: leave,
        }
    }
}

impl MessageBody for Admitted {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let rest = &mut self.get_mut().rest;
        let piece = rest.split_to(rest.len().min(PIECE));
        Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
    }
}
