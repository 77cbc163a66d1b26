//! A real Prometheus as a source of measurements.

use crate::question::{Answer, MetricSource, Question, Reply};
use async_trait::async_trait;
use reqwest::{Client, Url, header};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidegate_model::Timestamp;
use tidegate_model::breaker::Breaker;
use tidegate_model::evidence::Samples;
use tidegate_model::snapshot::Digest;
use tidegate_model::span::Span;
use tidegate_model::verdict::{Measurement, UnknownReason};

pub mod answer;
mod matrix;
pub mod range;

const QUERY: &str = "api/v1/query";
const QUERY_RANGE: &str = "api/v1/query_range";
/// How old the sample may be that a counter is counted from: as old as Prometheus lets one stand for now.
const BASE_AGE_MAX: Span = Span::seconds(300);

/// Longest answer that is read, in bytes (faults.md F13).
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// What Prometheus is asked to keep to.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// Our own deadline, slightly above: what Prometheus says of its timeout is worth hearing.
const DEADLINE: Duration = Duration::from_millis(5500);

/// A question that failed sooner than this is asked once more: the interval of a rule has room for it (F12).
const QUICK: Duration = Duration::from_millis(500);
/// Longest pause before that.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// How long a provider that mostly fails is left alone at most. Short: while it is, nobody sees a breach.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// A Prometheus server, behind a breaker.
#[derive(Debug, Clone)]
pub struct PrometheusSource {
    client: Client,
    base: Url,
    breaker: Arc<Mutex<Breaker>>,
}

/// Why there is no answer.
struct Failed {
    measurement: Measurement,
    /// Whether asking again may help, because it was the provider or the way to it that failed.
    may_pass: bool,
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
        Ok(Self {
            client,
            base,
            breaker: Arc::new(Mutex::new(Breaker::new(LEFT_ALONE))),
        })
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

    /// The value of a PromQL expression now.
    pub async fn query(&self, promql: &str) -> Measurement {
        self.number(promql).await.0
    }

    /// Sends a form to `path` and reads what comes back, up to a limit. What fails quickly is tried once more.
    async fn send(&self, path: &str, form: &[(&str, &str)]) -> Result<(u16, Vec<u8>), Measurement> {
        self.send_within(DEADLINE, path, form).await
    }

    async fn send_within(
        &self,
        deadline: Duration,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<(u16, Vec<u8>), Measurement> {
        let started = Instant::now();
        let first = self.send_guarded(deadline, path, form).await;
        let may_pass = match &first {
            Ok((status, _)) => *status >= 500,
            Err(failure) => failure.may_pass,
        };
        if !may_pass || started.elapsed() > QUICK {
            return first.map_err(|failure| failure.measurement);
        }
        // Not all at once: others failed in the same moment.
        tokio::time::sleep(RETRY_AFTER.mul_f64(0.5 + 0.5 * draw())).await;
        let second = self.send_guarded(deadline, path, form).await;
        second.map_err(|failure| failure.measurement)
    }

    /// Sends it unless the provider is left alone.
    async fn send_guarded(
        &self,
        deadline: Duration,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<(u16, Vec<u8>), Failed> {
        let admitted = self.breaker().admit(Instant::now());
        if let Err(wait) = admitted {
            let why = format!(
                "half of the last calls failed; not asked for {} ms",
                wait.as_millis()
            );
            return Err(Failed {
                measurement: Measurement::unknown(UnknownReason::ProviderError, why),
                may_pass: false,
            });
        }
        let outcome = self.send_once(deadline, path, form).await;
        // A query that it refuses, or that brings too much, says nothing against the provider.
        let failed = match &outcome {
            Ok((status, _)) => *status >= 500,
            Err(failure) => failure.may_pass,
        };
        self.breaker().note(failed, Instant::now(), draw());
        outcome
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send_once(
        &self,
        deadline: Duration,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<(u16, Vec<u8>), Failed> {
        let Ok(url) = self.base.join(path) else {
            return Err(Failed {
                measurement: Measurement::unknown(
                    UnknownReason::ProviderError,
                    "the address has no room for a path",
                ),
                may_pass: false,
            });
        };
        let failed = |error: reqwest::Error| Failed {
            measurement: match error {
                error if error.is_timeout() => {
                    Measurement::unknown(UnknownReason::Timeout, format!("no answer within {deadline:?}"))
                }
                error => Measurement::unknown(UnknownReason::ProviderError, cause(&error)),
            },
            may_pass: true,
        };
        let mut response = self
            .client
            .post(url)
            .timeout(deadline)
            .form(form)
            .send()
            .await
            .map_err(failed)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                let why = format!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
                return Err(Failed {
                    measurement: Measurement::unknown(UnknownReason::ProviderError, why),
                    may_pass: false,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok((status, body))
    }

    async fn number(&self, promql: &str) -> (Measurement, Option<Digest>) {
        let timeout = timeout();
        let form = [("query", promql), ("timeout", &timeout)];
        match self.send(QUERY, &form).await {
            // Measured against the machine's clock on purpose: whether the provider's clock agrees with
            // ours is the question.
            Ok((status, body)) => (
                answer::read(status, &body, chrono::Utc::now()),
                Some(Digest::of(&body)),
            ),
            Err(failed) => (failed, None),
        }
    }

    async fn samples(
        &self,
        promql: &str,
        (from, to): (Timestamp, Timestamp),
        step: Span,
    ) -> (Samples, Option<Digest>) {
        let (timeout, start, end) = (timeout(), seconds(from), seconds(to));
        let step_text = step.as_seconds().to_string();
        let form = [
            ("query", promql),
            ("timeout", &timeout),
            ("start", &start),
            ("end", &end),
            ("step", &step_text),
        ];
        let unknown = |failed: Measurement| {
            let reason = failed.value.err().unwrap_or(UnknownReason::ProviderError);
            Samples::unknown(reason, failed.detail)
        };
        match self.send(QUERY_RANGE, &form).await {
            Ok((status, body)) => {
                let series = answer::matrix(status, &body);
                let samples = series.map(|series| matrix::samples(&series, to, step));
                (samples.unwrap_or_else(unknown), Some(Digest::of(&body)))
            }
            Err(failed) => (unknown(failed), None),
        }
    }

    async fn increase(
        &self,
        selector: &str,
        (since, until): (Timestamp, Timestamp),
        alive: bool,
    ) -> (Measurement, Option<Digest>) {
        // The scraped samples themselves: `increase` would guess what happened between them, and a guess
        // is no count.
        let range = Span::between(since, until).plus(BASE_AGE_MAX);
        let promql = format!("{}\n[{}]", selector.trim(), range.promql());
        let (timeout, time) = (timeout(), seconds(until));
        let form = [("query", promql.as_str()), ("timeout", &timeout), ("time", &time)];
        match self.send(QUERY, &form).await {
            Ok((status, body)) => {
                let series = answer::matrix(status, &body);
                let risen = series.map(|series| matrix::increase(&series, since, until, alive));
                (risen.unwrap_or_else(|failed| failed), Some(Digest::of(&body)))
            }
            Err(failed) => (failed, None),
        }
    }
}

/// A random number from 0 to 1.
fn draw() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX))
}

fn timeout() -> String {
    format!("{}s", QUERY_TIMEOUT.as_secs())
}

/// A moment as Prometheus reads it.
fn seconds(at: Timestamp) -> String {
    let millis = at.timestamp_millis();
    format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
}

#[async_trait]
impl MetricSource for PrometheusSource {
    async fn ask(&self, question: &Question) -> Reply {
        let (answer, digest) = match question {
            Question::Number { promql } => {
                let (number, digest) = self.number(promql).await;
                (Answer::Number(number), digest)
            }
            Question::Samples {
                promql,
                from,
                to,
                step,
            } => {
                let (samples, digest) = self.samples(promql, (*from, *to), *step).await;
                (Answer::Samples(samples), digest)
            }
            Question::Increase {
                selector,
                since,
                until,
                alive,
            } => {
                let (risen, digest) = self.increase(selector, (*since, *until), *alive).await;
                (Answer::Number(risen), digest)
            }
        };
        Reply { answer, digest }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const ONE: &str = r#"{"status":"success","data":{"resultType":"scalar","result":[AT,"1"]}}"#;

    /// A server that answers its first calls with 503 and then what is asked; it counts the calls.
    fn failing(failures: usize) -> (PrometheusSource, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                while !request.windows(8).any(|part| part == b"timeout=") {
                    let mut part = [0; 4096];
                    let read = stream.read(&mut part).unwrap();
                    request.extend_from_slice(&part[..read]);
                }
                let call = counted.fetch_add(1, Ordering::SeqCst);
                let (status, body) = match call < failures {
                    true => ("503 Service Unavailable", "busy".to_owned()),
                    false => (
                        "200 OK",
                        ONE.replace("AT", &chrono::Utc::now().timestamp().to_string()),
                    ),
                };
                let length = body.len();
                let _gone = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        (PrometheusSource::new(&url, None).unwrap(), calls)
    }

    #[tokio::test]
    async fn f12_what_fails_quickly_is_asked_once_more() {
        let (source, calls) = failing(1);
        assert_eq!(source.query("up").await.value, Ok(1.0));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        let (source, calls) = failing(usize::MAX);
        assert_eq!(source.query("up").await.value, Err(UnknownReason::ProviderError));
        assert_eq!(calls.load(Ordering::SeqCst), 2, "and no oftener");
    }

    #[tokio::test]
    async fn f12_a_provider_that_mostly_fails_is_left_alone() {
        let (source, calls) = failing(usize::MAX);
        for _ in 0..5 {
            assert_eq!(source.query("up").await.value, Err(UnknownReason::ProviderError));
        }
        assert_eq!(calls.load(Ordering::SeqCst), 10, "each was asked twice");
        let kept = source.query("up").await;
        assert_eq!(kept.value, Err(UnknownReason::ProviderError));
        assert!(
            kept.detail.contains("half of the last calls failed"),
            "{}",
            kept.detail
        );
        assert_eq!(calls.load(Ordering::SeqCst), 10);
    }
}
