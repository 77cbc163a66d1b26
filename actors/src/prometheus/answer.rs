//! Reading an answer of Prometheus' query API. Whatever it says, the result is a typed reason or a
//! finite number.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use tidegate_model::Timestamp;
use tidegate_model::span::Span;
use tidegate_model::verdict::{Measurement, UnknownReason};

/// How far the provider's clock may be from ours before its samples count as stale (F6, F39).
const SKEW_MAX: Span = Span::seconds(30);

/// Warnings that say nothing about whether the answer is whole (F5).
const HARMLESS_WARNINGS: [&str; 2] = [
    "PromQL info: metric might not be a counter",
    "PromQL info: input to histogram_quantile needed to be fixed",
];

#[derive(Deserialize)]
struct Envelope {
    status: String,
    data: Option<Payload>,
    #[serde(default)]
    warnings: Vec<String>,
    /// VictoriaMetrics says so when some of its storages did not answer.
    #[serde(default, rename = "isPartial")]
    partial: bool,
    #[serde(default)]
    error: String,
    #[serde(default, rename = "errorType")]
    error_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    result_type: String,
    result: Box<RawValue>,
}

/// What an answer with this status and body says; `now` is when it arrived.
#[must_use]
pub fn read(status: u16, body: &[u8], now: Timestamp) -> Measurement {
    match payload(status, body) {
        Ok(payload) => match serde_json::from_str(payload.result.get()) {
            Ok(result) => read_result(&payload.result_type, &result, now),
            Err(_not_json) => unknown(UnknownReason::ProviderError, "a result that is none"),
        },
        Err(unknown) => unknown,
    }
}

/// One series over time: seconds since 1970 and values, oldest first.
pub(super) type Series = Vec<(f64, f64)>;

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    metric: Option<&'a RawValue>,
    #[serde(borrow)]
    values: Vec<(f64, Cow<'a, str>)>,
}

/// All series of an answer with this status and body that holds ranges of samples.
pub(super) fn matrix(status: u16, body: &[u8]) -> Result<Vec<Series>, Measurement> {
    rows(status, body, |_labels, series| series)
}

/// The same, each with the text of its labels, which is the same in every answer.
pub(super) fn labelled_matrix(status: u16, body: &[u8]) -> Result<Vec<(String, Series)>, Measurement> {
    rows(status, body, |labels, series| (labels.to_owned(), series))
}

fn rows<T>(status: u16, body: &[u8], row: impl Fn(&str, Series) -> T) -> Result<Vec<T>, Measurement> {
    let payload = payload(status, body)?;
    if payload.result_type != "matrix" {
        let why = format!("a {} where samples are expected", payload.result_type);
        return Err(unknown(UnknownReason::ProviderError, why));
    }
    let no_samples = || {
        unknown(
            UnknownReason::ProviderError,
            "series that are no times and values",
        )
    };
    let rows: Vec<Row<'_>> =
        serde_json::from_str(payload.result.get()).map_err(|_not_a_matrix| no_samples())?;
    let sample = |(at, value): (f64, Cow<'_, str>)| Some((at, value.parse::<f64>().ok()?));
    let series = rows.into_iter().map(|one| {
        let labels = one.metric.map_or("", RawValue::get);
        let series = one.values.into_iter().map(sample).collect::<Option<Series>>()?;
        Some(row(labels, series))
    });
    series.collect::<Option<_>>().ok_or_else(no_samples)
}

/// What a whole answer carries.
fn payload(status: u16, body: &[u8]) -> Result<Payload, Measurement> {
    let Ok(answer) = serde_json::from_slice::<Envelope>(body) else {
        // Not ready, wrong path and wrong token answer in plain text; proxies in HTML.
        let text: String = String::from_utf8_lossy(body).chars().take(120).collect();
        return Err(unknown(
            UnknownReason::ProviderError,
            format!("status {status}: {}", text.trim()),
        ));
    };
    if answer.status != "success" || !(200..300).contains(&status) {
        let reason = match answer.error_type.as_str() {
            "timeout" => UnknownReason::Timeout,
            _ => UnknownReason::ProviderError,
        };
        return Err(unknown(
            reason,
            format!("{}: {}", answer.error_type, answer.error),
        ));
    }
    let harmless = |warning: &String| HARMLESS_WARNINGS.iter().any(|known| warning.starts_with(known));
    if let Some(warning) = answer.warnings.iter().find(|warning| !harmless(warning)) {
        return Err(unknown(UnknownReason::Partial, warning.clone()));
    }
    if answer.partial {
        return Err(unknown(
            UnknownReason::Partial,
            "the answer says that it is partial",
        ));
    }
    (answer.data).ok_or_else(|| unknown(UnknownReason::ProviderError, "success without data"))
}

fn read_result(kind: &str, result: &Value, now: Timestamp) -> Measurement {
    match (kind, result) {
        ("scalar", sample) => read_sample(sample, now),
        ("vector", Value::Array(series)) => match series.as_slice() {
            [] => unknown(UnknownReason::NoSeries, "the answer is empty"),
            [one] => match one.get("value") {
                Some(sample) => read_sample(sample, now),
                None => unknown(
                    UnknownReason::ProviderError,
                    "a histogram where a number is expected",
                ),
            },
            many => unknown(
                UnknownReason::ManySeries,
                format!("{} series; aggregate them into one", many.len()),
            ),
        },
        (other, _) => unknown(
            UnknownReason::ProviderError,
            format!("a {other} where a number is expected"),
        ),
    }
}

/// A sample is `[seconds, "text"]`. The text is parsed as text: `"NaN"` must not become null on the
/// way through a JSON number (F2).
fn read_sample(sample: &Value, now: Timestamp) -> Measurement {
    let parts = sample.as_array().map(Vec::as_slice);
    let Some([seconds, value]) = parts else {
        return unknown(
            UnknownReason::ProviderError,
            "a sample that is not a time and a value",
        );
    };
    let (Some(seconds), Some(Ok(value))) = (seconds.as_f64(), value.as_str().map(str::parse::<f64>)) else {
        return unknown(
            UnknownReason::ProviderError,
            "a sample that is not a time and a number",
        );
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 stay far below 2^53"
    )]
    let skew = (now.timestamp_millis() as f64 / 1000.0 - seconds).abs();
    if skew > SKEW_MAX.as_seconds() {
        return unknown(
            UnknownReason::StaleSample,
            format!("the sample's time is {skew:.0} s off"),
        );
    }
    Measurement::of(value)
}

fn unknown(reason: UnknownReason, detail: impl Into<String>) -> Measurement {
    Measurement::unknown(reason, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, expected: Result<f64, UnknownReason>) {
        let now = Timestamp::from_timestamp(1_795_376_074, 500_000_000).unwrap();
        assert_eq!(read(status, body.as_bytes(), now).value, expected, "{body}");
    }

    fn vector(series: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}"#)
    }

    fn series(value: &str) -> String {
        format!(r#"{{"metric":{{}},"value":[1795376074.5,"{value}"]}}"#)
    }

    #[test]
    fn one_finite_number_is_a_value() {
        check(200, &vector(&series("0.02")), Ok(0.02));
        check(
            200,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1795376074.5,"2"]}}"#,
            Ok(2.0),
        );
        let infos = r#"{"status":"success","infos":["PromQL info: x"],"data":{"resultType":"scalar","result":[1795376074.5,"2"]}}"#;
        check(200, infos, Ok(2.0));
    }

    #[test]
    fn f01_empty_is_no_series() {
        check(200, &vector(""), Err(UnknownReason::NoSeries));
    }

    #[test]
    fn f02_nan_and_f03_inf_are_no_numbers() {
        check(200, &vector(&series("NaN")), Err(UnknownReason::Nan));
        check(200, &vector(&series("+Inf")), Err(UnknownReason::Inf));
        check(200, &vector(&series("-Inf")), Err(UnknownReason::Inf));
    }

    #[test]
    fn f04_several_series() {
        check(
            200,
            &vector(&format!("{},{}", series("1"), series("2"))),
            Err(UnknownReason::ManySeries),
        );
    }

    #[test]
    fn f05_warnings_are_partial_answers() {
        let with = |warning: &str| {
            format!(
                r#"{{"status":"success","warnings":["{warning}"],"data":{{"resultType":"scalar","result":[1795376074.5,"2"]}}}}"#
            )
        };
        check(200, &with("remote read failed"), Err(UnknownReason::Partial));
        check(
            200,
            &with("PromQL info: metric might not be a counter, name does not end in _total"),
            Ok(2.0),
        );
    }

    #[test]
    fn f06_stale_and_future_samples() {
        let at = |seconds: &str| vector(&format!(r#"{{"metric":{{}},"value":[{seconds},"1"]}}"#));
        check(200, &at("1795376000"), Err(UnknownReason::StaleSample));
        check(200, &at("1795376174"), Err(UnknownReason::StaleSample));
        check(200, &at("1795376060"), Ok(1.0));
    }

    #[test]
    fn f12_errors_are_provider_errors() {
        check(
            400,
            r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#,
            Err(UnknownReason::ProviderError),
        );
        check(
            503,
            r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#,
            Err(UnknownReason::Timeout),
        );
        check(503, "Service Unavailable", Err(UnknownReason::ProviderError));
        check(404, "404 page not found", Err(UnknownReason::ProviderError));
    }

    #[test]
    fn f13_hostile_answers() {
        for body in [
            "<html>login</html>",
            "",
            "{}",
            "[]",
            "null",
            r#"{"status":"success"}"#,
            r#"{"status":"error","errorType":"x","error":"inside a 200"}"#,
            r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
            r#"{"status":"success","data":{"resultType":"string","result":[1795376074.5,"x"]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,2,3]}]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":["x","1"]}]}}"#,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1795376074.5,"two"]}}"#,
        ] {
            check(200, body, Err(UnknownReason::ProviderError));
        }
    }
    #[test]
    fn ranges_of_samples_are_read_as_text() {
        let matrix_of = |result: &str| {
            let body =
                format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":{result}}}}}"#);
            matrix(200, body.as_bytes()).map_err(|unknown| unknown.value.err())
        };
        assert_eq!(matrix_of("[]"), Ok(Vec::new()));
        let two =
            r#"[{"metric":{"a":"b"},"values":[[1.5,"2"],[3,"+Inf"]]},{"metric":{},"values":[[4,"1e3"]]}]"#;
        assert_eq!(
            matrix_of(two),
            Ok(vec![vec![(1.5, 2.0), (3.0, f64::INFINITY)], vec![(4.0, 1000.0)]])
        );
        let nan = matrix_of(r#"[{"metric":{},"values":[[1,"NaN"]]}]"#).unwrap();
        assert!(nan[0][0].1.is_nan());
        for hostile in [
            r#"[{"metric":{},"histograms":[[1,{}]]}]"#,
            r#"[{"metric":{},"values":[[1,2]]}]"#,
            r#"[{"metric":{},"values":[["1","2"]]}]"#,
            r#"[{"metric":{},"values":[[1,"two"]]}]"#,
            "{}",
        ] {
            assert_eq!(
                matrix_of(hostile),
                Err(Some(UnknownReason::ProviderError)),
                "{hostile}"
            );
        }
        let number = vector(&series("1"));
        assert!(matrix(200, number.as_bytes()).is_err());
        assert!(matrix(503, b"Service Unavailable").is_err());
    }
}
