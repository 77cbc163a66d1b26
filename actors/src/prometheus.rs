//! A real Prometheus as a source of measurements.

use async_trait::async_trait;
use reqwest::{Client, Url, header};
use std::time::Duration;
use tidegate_model::verdict::{Measurement, UnknownReason};

pub mod answer;

/// Longest answer that is read, in bytes (faults.md F13).
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// What Prometheus is asked to keep to.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// Our own deadline, slightly above: what Prometheus says of its timeout is worth hearing.
const DEADLINE: Duration = Duration::from_millis(5500);

/// Something that turns an expression into one number.
#[async_trait]
pub trait MetricSource: Send + Sync + 'static {
    /// The value of a PromQL expression now.
    async fn query(&self, promql: &str) -> Measurement;
}

/// A Prometheus server.
#[derive(Debug, Clone)]
pub struct PrometheusSource {
    client: Client,
    base: Url,
}

/// Why a Prometheus server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// The address is not one.
    #[error("{url:?} is not the address of a Prometheus server: {why}; it looks like http://127.0.0.1:9090")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The token cannot stand in a header.
    #[error("the bearer token for Prometheus holds characters that cannot stand in a header")]
    Token,
    /// No HTTP client could be made.
    #[error("no http client for prometheus: {0}")]
    Client(#[source] reqwest::Error),
    /// It does not answer as a Prometheus would.
    #[error("prometheus at {url} does not answer: {why}")]
    Unreachable {
        /// Its address.
        url: String,
        /// What came back.
        why: String,
    },
}

impl PrometheusSource {
    /// A source at `url`, authorised by `bearer` if given.
    ///
    /// # Errors
    /// When the address or the token is unusable.
    pub fn new(url: &str, bearer: Option<&str>) -> Result<Self, PrometheusError> {
        let wrong = |why: String| PrometheusError::Address {
            url: url.to_owned(),
            why,
        };
        let mut base = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(wrong("it is no http or https address".to_owned()));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let mut headers = header::HeaderMap::new();
        if let Some(token) = bearer {
            let mut value = header::HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_not_a_header| PrometheusError::Token)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        // Without a choice of cryptography no client can be made. Only a second choice is refused.
        let _first_choice = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .default_headers(headers)
            .timeout(DEADLINE)
            // A redirect would carry the token to a host that nobody configured.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(PrometheusError::Client)?;
        Ok(Self { client, base })
    }

    /// Its address, without anything secret.
    #[must_use]
    pub fn address(&self) -> String {
        let mut shown = self.base.clone();
        // Only an address that cannot have a user refuses to lose one.
        let _nothing_to_hide = shown.set_username("").and_then(|()| shown.set_password(None));
        shown.to_string()
    }

    /// Asks whether it is there and ready.
    ///
    /// # Errors
    /// What came back instead.
    pub async fn check(&self) -> Result<(), PrometheusError> {
        let measurement = self.query("vector(1)").await;
        match measurement.value {
            Ok(_one) => Ok(()),
            Err(reason) => Err(PrometheusError::Unreachable {
                url: self.address(),
                why: if measurement.detail.is_empty() {
                    reason.to_string()
                } else {
                    measurement.detail
                },
            }),
        }
    }

    async fn ask(&self, promql: &str) -> Result<Measurement, reqwest::Error> {
        let Ok(url) = self.base.join("api/v1/query") else {
            return Ok(Measurement::unknown(
                UnknownReason::ProviderError,
                "the address has no room for a path",
            ));
        };
        let timeout = format!("{}s", QUERY_TIMEOUT.as_secs());
        let form = [("query", promql), ("timeout", &timeout)];
        let mut response = self.client.post(url).form(&form).send().await?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                let why = format!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
                return Ok(Measurement::unknown(UnknownReason::ProviderError, why));
            }
            body.extend_from_slice(&chunk);
        }
        // Measured against the machine's clock on purpose: whether the provider's clock agrees with
        // ours is the question.
        Ok(answer::read(status, &body, chrono::Utc::now()))
    }
}

#[async_trait]
impl MetricSource for PrometheusSource {
    async fn query(&self, promql: &str) -> Measurement {
        match self.ask(promql).await {
            Ok(measurement) => measurement,
            Err(error) if error.is_timeout() => {
                Measurement::unknown(UnknownReason::Timeout, format!("no answer within {DEADLINE:?}"))
            }
            Err(error) => Measurement::unknown(UnknownReason::ProviderError, cause(&error)),
        }
    }
}

/// The innermost cause, which says "connection refused" where the outer ones say "error sending
/// request for url" with the whole address.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
