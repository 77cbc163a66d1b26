//! One request to a target, and what came of it.

use super::Target;
use reqwest::header;
use std::time::Duration;
use tidegate_model::Timestamp;
use tidegate_model::target::Channel;

/// The header with the signature.
pub(super) const SIGNATURE: &str = "Tidegate-Signature";
/// The header with what names the notice or the question.
pub(super) const ID: &str = "Tidegate-Id";
/// Longest answer that is read, in bytes.
const REPLY_BYTES_MAX: usize = tidegate_decide::rollout::ANSWER_BYTES_MAX + 1;

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    /// The media type; empty when none was given.
    pub(crate) media_type: String,
    /// When to come back, if it said so.
    pub(crate) retry_after: Option<Duration>,
    /// The body, cut off one byte after the longest that is read.
    pub(crate) body: Vec<u8>,
}

/// Whether what was sent has arrived.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It has.
    Taken,
    /// Not now: send it again.
    Later {
        why: String,
        /// Not before this.
        after: Option<Duration>,
    },
    /// Sending it again is no use.
    Refused { why: String },
}

impl Target {
    /// Sends a body of JSON; signed if the target has a secret.
    ///
    /// # Errors
    /// Why nothing came back, in a few words.
    pub(crate) async fn post(&self, body: Vec<u8>, id: &str, now: Timestamp) -> Result<Reply, String> {
        let mut request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json");
        if self.channel() == Channel::Webhook {
            request = request.header(ID, id);
        }
        if let Some(signer) = &self.signer {
            request = request.header(SIGNATURE, signer.sign(&body, now));
        }
        // An address may be a secret, so nothing is told of an error but its innermost cause.
        let mut response = request.body(body).send().await.map_err(|error| cause(&error))?;
        let status = response.status().as_u16();
        let text = |name: header::HeaderName| {
            let value = response.headers().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let media_type = text(header::CONTENT_TYPE);
        let retry_after = text(header::RETRY_AFTER).parse().ok().map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
            let room = REPLY_BYTES_MAX.saturating_sub(body.len());
            body.extend(chunk.iter().take(room));
            if chunk.len() >= room {
                break;
            }
        }
        Ok(Reply {
            status,
            media_type,
            retry_after,
            body,
        })
    }

    /// Sends what is to be told.
    pub(super) async fn tell(&self, body: Vec<u8>, id: &str, now: Timestamp) -> Outcome {
        let reply = match self.post(body, id, now).await {
            Ok(reply) => reply,
            Err(why) => return Outcome::Later { why, after: None },
        };
        let why = format!("status {}", reply.status);
        match reply.status {
            200..300 => Outcome::Taken,
            // 404 and 410 too: a chat room that is gone does not come back for this notice.
            400..500 if !matches!(reply.status, 401 | 403 | 408 | 425 | 429) => Outcome::Refused { why },
            _ => Outcome::Later {
                why,
                after: reply.retry_after,
            },
        }
    }
}

fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes
        .last()
        .map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}
