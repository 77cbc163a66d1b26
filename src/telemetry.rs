//! Logs and the metrics of requests.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::time::Duration;
use tidegate_model::key::EnvironmentKey;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Names what is logged, for example `info,tidegate=debug`.
const FILTER_VARIABLE: &str = "TIDEGATE_LOG";
/// Less of the server, which tells of each of its threads that starts and stops.
const FILTER_DEFAULT: &str = "info,actix_server=warn";

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    #[default]
    Human,
    /// One JSON object a line
    Json,
}

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// The filter is not one.
    #[error(
        "{FILTER_VARIABLE} is {given:?}, which is not a filter; write for example 'info' or 'info,tidegate=debug'"
    )]
    Filter {
        /// What the variable says.
        given: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging was begun before.
    #[error("logging has begun already")]
    Begun(#[source] tracing_subscriber::util::TryInitError),
}

/// Begins to log, to standard error, what the variable `TIDEGATE_LOG` says: by default everything
/// from `info` on.
///
/// # Errors
/// When the variable is no filter, or logging has begun already.
pub(crate) fn init(format: LogFormat) -> Result<(), TelemetryError> {
    let given = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    let filter = filter(&given)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let begun = match format {
        LogFormat::Human => lines
            .with_ansi(std::io::stderr().is_terminal())
            .finish()
            .try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    };
    begun.map_err(TelemetryError::Begun)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn filter(given: &str) -> Result<EnvFilter, TelemetryError> {
    let directives = if given.trim().is_empty() {
        FILTER_DEFAULT
    } else {
        given
    };
    EnvFilter::try_new(directives).map_err(|source| TelemetryError::Filter {
        given: given.to_owned(),
        source,
    })
}

/// A panic's message may hold what a request sent (faults.md X10): only its place is logged.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "panicked");
}

/// What is counted of requests.
#[derive(Clone)]
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    streams: IntGaugeVec,
}

impl HttpMetrics {
    /// Seconds; waiting for a snapshot takes up to 30.
    const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0];

    /// The metrics, in this registry.
    ///
    /// # Errors
    /// When the registry has metrics of these names already.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new(
                "tidegate_http_requests_total",
                "Requests by route, method and status.",
            ),
            &["route", "method", "status"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "tidegate_http_request_duration_seconds",
                "How long requests took, by route.",
            )
            .buckets(Self::BUCKETS.to_vec()),
            &["route"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        let streams = IntGaugeVec::new(
            Opts::new(
                "tidegate_snapshot_streams",
                "Nodes that follow the control plane by a stream",
            ),
            &["environment"],
        )?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(streams.clone()))?;
        Ok(Self {
            requests,
            seconds,
            streams,
        })
    }

    /// Notes how many streams of an environment are open, right before the metrics are read.
    pub(crate) fn note_streams(&self, environment: &EnvironmentKey, open: usize) {
        let gauge = self.streams.with_label_values(&[environment.as_str()]);
        gauge.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// Counts one request. `route` is the pattern, never the path: the number of series is bounded.
    pub(crate) fn observe(&self, method: &str, route: &str, status: u16, took: Duration) {
        let method = match method {
            known @ ("GET" | "HEAD" | "PUT" | "POST" | "DELETE" | "OPTIONS" | "PATCH") => known,
            _ => "other",
        };
        self.requests
            .with_label_values(&[route, method, &status.to_string()])
            .inc();
        self.seconds
            .with_label_values(&[route])
            .observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::TextEncoder;

    #[test]
    fn filters_are_checked() {
        for good in ["", " ", "debug", "info,tidegate=trace"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        let error = filter("tidegate=loud").unwrap_err().to_string();
        assert!(error.contains("TIDEGATE_LOG is \"tidegate=loud\""), "{error}");
    }

    #[test]
    fn requests_are_counted_by_route() {
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry).unwrap();
        metrics.observe("GET", "/livez", 200, Duration::from_millis(3));
        metrics.observe("BREW", "none", 405, Duration::from_millis(3));
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            r#"tidegate_http_requests_total{method="GET",route="/livez",status="200"} 1"#,
            r#"tidegate_http_requests_total{method="other",route="none",status="405"} 1"#,
            r#"tidegate_http_request_duration_seconds_bucket{route="/livez",le="0.005"} 1"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(HttpMetrics::register(&registry).is_err());
    }
}
