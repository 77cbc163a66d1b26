//! The control plane over HTTP.

use super::news::HttpNews;
use super::{News, Offer, Upstream, UpstreamError};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH, RETRY_AFTER,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use std::io::Write as _;
use std::time::Duration;
use tidegate_model::fleet::{NodeReport, Receipt};
use tidegate_model::key::EnvironmentKey;
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};
use tidegate_model::snapshot::{Digest, KeyList, SNAPSHOT_BYTES_MAX, Version};
use tidegate_model::units::LIST_BYTES_MAX;
use url::Url;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// Largest receipt of a report, in bytes.
const RECEIPT_BYTES_MAX: usize = 4096;

/// How long an answer may take, on top of what upstream was asked to wait.
const ANSWER: Duration = Duration::from_secs(15);

/// How long a list of units may take: up to 40 MB.
const LIST_ANSWER: Duration = Duration::from_secs(120);

/// The media type of a delta.
const DELTA: &str = "application/vnd.tidegate.delta+json";

/// A snapshot with its header.
const ANSWER_BYTES_MAX: usize = SNAPSHOT_BYTES_MAX + (1 << 20);

/// Two keys with their signatures, and then some.
const KEYS_BYTES_MAX: usize = 64 << 10;

/// How much of a refusal is repeated to a person.
const DETAIL_BYTES_MAX: usize = 300;

/// A control plane at a URL.
pub struct HttpUpstream {
    client: Client,
    snapshot: Url,
    stream: Url,
    keys: Url,
    report: Url,
    observations: Url,
    /// Where the lists are; each is at its digest below.
    lists: Url,
    authorization: HeaderValue,
}

/// Why there can be no such upstream.
#[derive(Debug, thiserror::Error)]
pub enum HttpUpstreamError {
    /// The URL is none that requests can be sent to.
    #[error(
        "{url:?} is not the URL of a control plane; write one with http or https, for example https://tidegate.example.com"
    )]
    Url {
        /// What was given.
        url: String,
    },
    /// The token has characters that cannot stand in a header.
    #[error("the node's token has a line break or another character that no token has")]
    Token,
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

impl HttpUpstream {
    /// The control plane at `url`, for example `http://127.0.0.1:7430`, asked with the secret of a token
    /// of the role node.
    ///
    /// # Errors
    /// When the URL or the token cannot be right.
    pub fn new(url: &str, environment: &EnvironmentKey, token: &str) -> Result<Self, HttpUpstreamError> {
        let no_url = || HttpUpstreamError::Url { url: url.to_owned() };
        let base = Url::parse(url).map_err(|_| no_url())?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(no_url());
        }
        let below = |path: &[&str]| -> Result<Url, HttpUpstreamError> {
            let mut url = base.clone();
            url.set_query(None);
            url.set_fragment(None);
            url.path_segments_mut()
                .map_err(|()| no_url())?
                .pop_if_empty()
                .extend(["api", "v1", environment.as_str()])
                .extend(path);
            Ok(url)
        };
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| HttpUpstreamError::Token)?;
        authorization.set_sensitive(true);
        // Refused only when a provider is installed already, which is just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(CONNECT)
            // A redirect would carry the token to somebody else.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("tidegate-node/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(HttpUpstreamError::Client)?;
        Ok(Self {
            client,
            snapshot: below(&["snapshots", "current"])?,
            stream: below(&["snapshots", "stream"])?,
            keys: below(&["keys"])?,
            report: below(&["nodes", "report"])?,
            observations: below(&["observations"])?,
            lists: below(&["lists", ""])?,
            authorization,
        })
    }

    async fn send(&self, request: RequestBuilder, patience: Duration) -> Result<Response, UpstreamError> {
        self.send_for_ever(request.timeout(patience)).await
    }

    /// As `send`, with all the time of the world for the body.
    async fn send_for_ever(&self, request: RequestBuilder) -> Result<Response, UpstreamError> {
        let request = request.header(AUTHORIZATION, self.authorization.clone());
        let response = request.send().await.map_err(away)?;
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => UpstreamError::Credential {
                status: status.as_u16(),
            },
            // A full disk takes no observations and gives snapshots all the same.
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::INSUFFICIENT_STORAGE => UpstreamError::Busy {
                status: status.as_u16(),
                retry_after: retry_after(&response),
            },
            _ => UpstreamError::Refused {
                status: status.as_u16(),
                detail: detail(response).await,
            },
        })
    }
}

#[async_trait]
impl Upstream for HttpUpstream {
    async fn current(&self, after: Option<Version>, wait: Duration) -> Result<Option<Offer>, UpstreamError> {
        let mut request = self.client.get(self.snapshot.clone());
        if let Some(after) = after {
            request = request
                .header(ACCEPT, format!("{DELTA}, application/json"))
                .query(&[("after", after.to_string()), ("wait", wait.as_secs().to_string())])
                .header(IF_NONE_MATCH, format!("\"{after}\""));
        }
        let response = self.send(request, wait + ANSWER).await?;
        match response.status() {
            StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT => Ok(None),
            _ => {
                let media_type = response.headers().get(CONTENT_TYPE);
                let is_delta = media_type.is_some_and(|one| one.as_bytes().starts_with(DELTA.as_bytes()));
                let bytes = body(response, ANSWER_BYTES_MAX).await?;
                let offer = if is_delta { Offer::Delta } else { Offer::Whole };
                Ok(Some(offer(bytes)))
            }
        }
    }

    async fn news(&self, after: Option<Version>) -> Result<Option<Box<dyn News>>, UpstreamError> {
        let mut request = self.client.get(self.stream.clone());
        request = request.header(ACCEPT, "text/event-stream");
        if let Some(after) = after {
            request = request.query(&[("after", after.to_string())]);
        }
        let response = tokio::time::timeout(ANSWER, self.send_for_ever(request)).await;
        match response.map_err(|elapsed| UpstreamError::Away(Box::new(elapsed)))? {
            Ok(response) => Ok(Some(Box::new(HttpNews {
                response,
                unread: BytesMut::new(),
            }))),
            // An upstream without streams.
            Err(UpstreamError::Refused {
                status: 404 | 405, ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn keys(&self) -> Result<Option<KeyList>, UpstreamError> {
        let response = self.send(self.client.get(self.keys.clone()), ANSWER).await?;
        let bytes = body(response, KEYS_BYTES_MAX).await?;
        let list = serde_json::from_slice(&bytes);
        list.map(Some).map_err(|error| UpstreamError::Refused {
            status: 200,
            detail: format!("not a list of keys: {error}"),
        })
    }

    async fn list(&self, digest: &Digest) -> Result<Bytes, UpstreamError> {
        let refused = |error: url::ParseError| UpstreamError::Away(Box::new(error));
        let url = self.lists.join(digest.as_str()).map_err(refused)?;
        let response = self.send(self.client.get(url), LIST_ANSWER).await?;
        body(response, LIST_BYTES_MAX).await
    }

    async fn report(&self, report: &NodeReport) -> Result<Receipt, UpstreamError> {
        let request = self.client.post(self.report.clone()).json(report);
        let receipt = body(self.send(request, ANSWER).await?, RECEIPT_BYTES_MAX).await?;
        serde_json::from_slice(&receipt).map_err(|error| UpstreamError::Away(Box::new(error)))
    }

    async fn observe(&self, batch: &ObservationBatch) -> Result<ObservationReceipt, UpstreamError> {
        let text = serde_json::to_vec(batch).map_err(|error| UpstreamError::Away(Box::new(error)))?;
        // Not on an event loop's thread: a full batch takes milliseconds.
        let packed = tokio::task::spawn_blocking(move || packed(&text)).await;
        let packed = packed.map_err(|error| UpstreamError::Away(Box::new(error)))?;
        let request = self.client.post(self.observations.clone());
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_ENCODING, "gzip");
        let packed = packed.map_err(|error| UpstreamError::Away(Box::new(error)))?;
        let receipt = body(self.send(request.body(packed), ANSWER).await?, RECEIPT_BYTES_MAX).await?;
        serde_json::from_slice(&receipt).map_err(|error| UpstreamError::Away(Box::new(error)))
    }
}

/// The text, compressed: names repeat from observation to observation.
fn packed(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}

/// The body, decompressed, as long as it is not larger than that: what was announced, and how small it
/// was compressed, count for nothing.
async fn body(mut response: Response, limit: usize) -> Result<Bytes, UpstreamError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(away)? {
        if bytes.len() + chunk.len() > limit {
            return Err(UpstreamError::TooLarge { limit });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// The start of what upstream said. That it could not be read tells nothing more than its status.
async fn detail(mut response: Response) -> String {
    let start = response.chunk().await.ok().flatten().unwrap_or_default();
    let shown = start.get(..DETAIL_BYTES_MAX).unwrap_or(&start);
    String::from_utf8_lossy(shown).into_owned()
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

pub(super) fn away(error: reqwest::Error) -> UpstreamError {
    UpstreamError::Away(Box::new(error.without_url()))
}

impl std::fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpUpstream")
            .field("snapshot", &self.snapshot.as_str())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_built_below_any_base() {
        let production = EnvironmentKey::new("production").unwrap();
        for (base, expected) in [
            ("http://a", "http://a/api/v1/production/snapshots/current"),
            ("http://a/", "http://a/api/v1/production/snapshots/current"),
            (
                "https://a:7/tg/?x=1#y",
                "https://a:7/tg/api/v1/production/snapshots/current",
            ),
        ] {
            let upstream = HttpUpstream::new(base, &production, "secret").unwrap();
            assert_eq!(upstream.snapshot.as_str(), expected);
            let list = upstream.lists.join(Digest::of(b"").as_str()).unwrap();
            assert!(
                list.path().ends_with(&format!("/lists/{}", Digest::of(b""))),
                "{list}"
            );
            assert!(!format!("{upstream:?}").contains("secret"));
        }
        for bad in ["", "a:7420", "ftp://a", "mailto:a@b", "127.0.0.1"] {
            assert!(matches!(
                HttpUpstream::new(bad, &production, "secret"),
                Err(HttpUpstreamError::Url { .. })
            ));
        }
        assert!(matches!(
            HttpUpstream::new("http://a", &production, "two\nlines"),
            Err(HttpUpstreamError::Token)
        ));
    }
}
