//! Bodies that are larger than memory should hold at once.

use super::check_media_type;
use crate::http::problem::{Kind, Problem};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::StreamExt;
use std::future::{Ready, ready};
use std::time::Duration;

/// Largest body that is read piece by piece, in bytes.
pub(crate) const STREAMED_BYTES_MAX: usize = 64 << 20;
/// How long one piece may take to arrive.
const PIECE_PATIENCE: Duration = Duration::from_secs(15);
/// How long the whole body may take.
const WHOLE_PATIENCE: Duration = Duration::from_secs(600);

/// A body that is read piece by piece, and not before it is known who sends it.
pub(crate) struct Streamed {
    request: HttpRequest,
    payload: Payload,
}

impl Streamed {
    /// The body's media type, which is one of these.
    ///
    /// # Errors
    /// When it is another one, or the body is compressed.
    pub(crate) fn media_type(&self, known: &[&str]) -> Result<String, Problem> {
        check_media_type(&self.request, known)?;
        Ok(self.request.content_type().to_ascii_lowercase())
    }

    /// A parameter of the body's media type.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let media_type = self.request.mime_type().ok().flatten()?;
        media_type.get_param(name).map(|value| value.to_string())
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// When it is too large, too slow, or breaks off.
    pub(crate) async fn read(mut self, mut take: impl FnMut(&[u8])) -> Result<(), Problem> {
        let arrival = async {
            let mut read = 0;
            while let Some(piece) = self.next().await? {
                read += piece.len();
                if read > STREAMED_BYTES_MAX {
                    let detail = format!("this body has at most {STREAMED_BYTES_MAX} bytes; divide it");
                    return Err(Problem::new(Kind::BodyTooLarge, detail));
                }
                take(&piece);
            }
            Ok(())
        };
        let arrived = tokio::time::timeout(WHOLE_PATIENCE, arrival).await;
        arrived.unwrap_or_else(|_| Err(too_slow(WHOLE_PATIENCE)))
    }

    async fn next(&mut self) -> Result<Option<bytes::Bytes>, Problem> {
        let piece = tokio::time::timeout(PIECE_PATIENCE, self.payload.next()).await;
        let piece = piece.map_err(|_| too_slow(PIECE_PATIENCE))?.transpose();
        piece.map_err(|error| Problem::new(Kind::MalformedBody, format!("the body broke off: {error}")))
    }
}

fn too_slow(patience: Duration) -> Problem {
    let seconds = patience.as_secs();
    Problem::new(
        Kind::RequestTimeout,
        format!("the body, or a piece of it, did not arrive within {seconds} s"),
    )
}

impl FromRequest for Streamed {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Self {
            request: request.clone(),
            payload: payload.take(),
        }))
    }
}
