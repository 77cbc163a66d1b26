//! What is counted about flagd's protocols.

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use tonic::{Code, Status};

/// The counters of one environment.
#[derive(Debug)]
pub(super) struct Calls {
    calls: IntCounterVec,
    streams: IntGaugeVec,
    configuration_bytes: IntGauge,
}

impl Calls {
    /// Counters at nought, registered.
    ///
    /// # Errors
    /// When the registry has them already.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let calls = IntCounterVec::new(
            Opts::new(
                "tidegate_flagd_calls_total",
                "Calls of flagd's clients that ended",
            ),
            &["method", "code"],
        )?;
        let streams = IntGaugeVec::new(
            Opts::new(
                "tidegate_flagd_streams",
                "Streams of flagd's clients that are open",
            ),
            &["method"],
        )?;
        let configuration_bytes = IntGauge::new(
            "tidegate_node_flagd_configuration_bytes",
            "Size of the flag configuration that flagd's clients get; 0 until one asked for it",
        )?;
        registry.register(Box::new(calls.clone()))?;
        registry.register(Box::new(streams.clone()))?;
        registry.register(Box::new(configuration_bytes.clone()))?;
        Ok(Self {
            calls,
            streams,
            configuration_bytes,
        })
    }

    /// A call ended.
    pub(super) fn ended(&self, method: &str, code: Code) {
        self.calls.with_label_values(&[method, code_name(code)]).inc();
    }

    /// The same, for a call with one answer.
    pub(super) fn counted<T>(&self, method: &str, answer: Result<T, Status>) -> Result<T, Status> {
        self.ended(method, answer.as_ref().err().map_or(Code::Ok, Status::code));
        answer
    }

    /// How many streams of a method are open.
    pub(super) fn open_streams(&self, method: &str) -> IntGauge {
        self.streams.with_label_values(&[method])
    }

    /// The size of what was lowered last.
    pub(super) fn configuration(&self, bytes: usize) {
        self.configuration_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

/// A code as it is called in Connect and in the metrics.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "canceled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}
