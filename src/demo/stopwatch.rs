//! How long it takes from the moment a breach can be seen until every node serves the safe
//! variation: measured from outside, by asking Prometheus and the nodes.

use super::EAGERLY;
use super::cast::Cast;
use crate::cli::failure::Failure;
use serde_json::{Value, json};
use std::time::Instant;
use tidegate_actors::prometheus::PrometheusSource;
use url::Url;

/// Asks what can be seen from outside.
pub(super) struct Stopwatch {
    http: reqwest::Client,
    source: Option<PrometheusSource>,
    nodes: Vec<Url>,
    token: String,
}

impl Stopwatch {
    pub(super) fn of(cast: &Cast) -> Result<Self, Failure> {
        let source = cast
            .prometheus
            .as_ref()
            .map(|url| PrometheusSource::new(url.as_str(), None));
        let source = source
            .transpose()
            .map_err(|error| Failure::input("--prometheus", error, "check the address"))?;
        Ok(Self {
            http: reqwest::Client::new(),
            source,
            nodes: vec![cast.plane.clone(), cast.node.clone()],
            token: cast.client_token.clone(),
        })
    }

    /// Somebody who gets the candidate on every node.
    pub(super) async fn find_somebody_inside(&self, flag: &str) -> String {
        for number in 0_u64.. {
            let unit = format!("visitor-{number}");
            if self.everywhere(flag, &unit, "on").await {
                return unit;
            }
            if number % 2000 == 1999 {
                tokio::time::sleep(EAGERLY).await;
            }
        }
        String::new()
    }

    /// Resolves when Prometheus shows the breach that the rule looks for.
    pub(super) async fn breach_is_visible(
        &self,
        query: &str,
        threshold: f64,
        counting: (&str, f64),
    ) -> Instant {
        let (samples, minimum) = counting;
        loop {
            if let Some(source) = &self.source {
                let (value, samples) = tokio::join!(source.query(query), source.query(samples));
                let enough = samples.value.is_ok_and(|samples| samples >= minimum);
                if enough && value.value.is_ok_and(|value| value > threshold) {
                    return Instant::now();
                }
            }
            tokio::time::sleep(EAGERLY).await;
        }
    }

    /// Resolves when every node serves this unit the safe variation.
    pub(super) async fn everybody_is_safe(&self, flag: &str, unit: &str) -> Instant {
        loop {
            if self.everywhere(flag, unit, "off").await {
                return Instant::now();
            }
            tokio::time::sleep(EAGERLY).await;
        }
    }

    async fn everywhere(&self, flag: &str, unit: &str, variation: &str) -> bool {
        for node in &self.nodes {
            if self.variation(node, flag, unit).await.as_deref() != Some(variation) {
                return false;
            }
        }
        true
    }

    async fn variation(&self, node: &Url, flag: &str, unit: &str) -> Option<String> {
        let url = format!("{node}ofrep/v1/evaluate/flags/{flag}");
        let body = json!({"context": {"targetingKey": unit}});
        let answer = self
            .http
            .post(url)
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await
            .ok()?;
        let answer: Value = answer.json().await.ok()?;
        answer.get("variant")?.as_str().map(str::to_owned)
    }
}
