//! Which request is being done: its key, and the digest of everything that it says.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use ring::digest::{Context, SHA256};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tidegate_model::request::{RequestKey, RequestMark, Through};
use tidegate_model::snapshot::Digest;

/// A request, as far as it was heard. Cheap to clone: all clones are of one request.
#[derive(Clone)]
pub(crate) struct Asked {
    /// What its caller calls it.
    pub(crate) key: RequestKey,
    /// Method, path and query.
    head: Rc<str>,
    body: Rc<RefCell<Context>>,
    whole: Rc<Cell<bool>>,
}

impl Asked {
    /// The request of this head, its body not yet heard.
    pub(super) fn new(key: RequestKey, request: &HttpRequest) -> Self {
        Self {
            key,
            head: format!("{} {}", request.method(), request.uri()).into(),
            body: Rc::new(RefCell::new(Context::new(&SHA256))),
            whole: Rc::default(),
        }
    }

    /// More of the body.
    pub(super) fn hear(&self, piece: &[u8]) {
        self.body.borrow_mut().update(piece);
    }

    /// The body is over.
    pub(super) fn end(&self) {
        self.whole.set(true);
    }

    /// The same body, heard while somebody else reads it.
    pub(super) fn listen(&self, payload: Payload) -> Payload {
        let heard = unfold((payload, self.clone()), |(mut payload, asked)| async move {
            let piece: Option<Result<Bytes, _>> = payload.next().await;
            match &piece {
                Some(Ok(bytes)) => asked.hear(bytes),
                Some(Err(_)) => {}
                None => asked.end(),
            }
            piece.map(|piece| (piece, (payload, asked)))
        });
        Payload::Stream {
            payload: heard.boxed_local(),
        }
    }

    /// Which request it is; nothing as long as its body was not heard to the end.
    pub(crate) fn mark(&self) -> Option<RequestMark> {
        self.whole.get().then(|| {
            let body = self.body.borrow().clone().finish();
            let all = [self.head.as_bytes(), b"\n", body.as_ref()].concat();
            RequestMark {
                key: self.key.clone(),
                digest: Digest::of(&all),
            }
        })
    }

    /// What stands with what is done through it.
    pub(crate) fn through(&self) -> Through {
        Through(self.mark().map(Box::new))
    }
}
