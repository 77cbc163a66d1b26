//! What an expression said over a stretch of the past.

use super::answer::{self, Series};
use super::{PrometheusError, PrometheusSource, QUERY_RANGE, seconds};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate_model::Timestamp;
use tidegate_model::span::Span;
use tidegate_model::verdict::{Measurement, UnknownReason};

/// Most moments that are asked for at once. Prometheus refuses more than 11,000.
pub const POINTS_MAX: u32 = 5000;
/// How long Prometheus may work on one question. Nobody waits for a rollback meanwhile.
const TIMEOUT_SECONDS: u64 = 60;

/// A moment, and what an expression said then.
pub type Point = (Timestamp, Result<f64, UnknownReason>);

impl PrometheusSource {
    /// What `promql` said at `from` and every `step` after it, `points` times and at most
    /// [`POINTS_MAX`]: for each moment one finite number, or why there is none.
    ///
    /// # Errors
    /// When Prometheus does not answer, or not this question.
    pub async fn range(
        &self,
        promql: &str,
        from: Timestamp,
        step: Span,
        points: u32,
    ) -> Result<Vec<Point>, PrometheusError> {
        let moments = moments(from, step, points);
        match self.between(promql, &moments, step).await? {
            Some(series) => Ok(one_by_one(&series, &moments)),
            None => {
                let partial = |at: &Timestamp| (*at, Err(UnknownReason::Partial));
                Ok(moments.iter().map(partial).collect())
            }
        }
    }

    /// Every series of `selector` at the same moments, with no number where it was not there. Nothing is
    /// known of moments of which the answer is partial.
    ///
    /// # Errors
    /// When Prometheus does not answer, or not this question.
    pub async fn series(
        &self,
        selector: &str,
        from: Timestamp,
        step: Span,
        points: u32,
    ) -> Result<Vec<(String, Vec<(Timestamp, f64)>)>, PrometheusError> {
        let moments = moments(from, step, points);
        let series = self.between(selector, &moments, step).await?;
        let by_millis: BTreeMap<i64, Timestamp> =
            moments.iter().map(|at| (at.timestamp_millis(), *at)).collect();
        let timed = |(at, value): (f64, f64)| Some((*by_millis.get(&millis(at))?, value));
        let series = series.into_iter().flatten();
        Ok(series
            .map(|(labels, points)| (labels, points.into_iter().filter_map(timed).collect()))
            .collect())
    }

    /// All series of an expression with their labels; `None`: the answer is partial.
    async fn between(
        &self,
        promql: &str,
        moments: &[Timestamp],
        step: Span,
    ) -> Result<Option<Vec<(String, Series)>>, PrometheusError> {
        let (Some(from), Some(to)) = (moments.first(), moments.last()) else {
            return Ok(Some(Vec::new()));
        };
        let (start, end, timeout) = (seconds(*from), seconds(*to), format!("{TIMEOUT_SECONDS}s"));
        let step = step.as_seconds().to_string();
        let form = [
            ("query", promql),
            ("start", &start),
            ("end", &end),
            ("step", &step),
            ("timeout", &timeout),
        ];
        let deadline = Duration::from_secs(TIMEOUT_SECONDS + 1);
        let sent = self.send_within(deadline, QUERY_RANGE, &form).await;
        let read = sent.and_then(|(status, body)| answer::labelled_matrix(status, &body));
        match read {
            Ok(series) => Ok(Some(series)),
            Err(unknown) if unknown.value == Err(UnknownReason::Partial) => Ok(None),
            Err(unknown) => Err(PrometheusError::Unreachable {
                url: self.address(),
                why: unknown.detail,
            }),
        }
    }
}

fn moments(from: Timestamp, step: Span, points: u32) -> Vec<Timestamp> {
    let points = 0..points.min(POINTS_MAX);
    points.map(|index| step.times(index).after(from)).collect()
}

fn one_by_one(series: &[(String, Series)], moments: &[Timestamp]) -> Vec<Point> {
    let mut said: BTreeMap<i64, Result<f64, UnknownReason>> = BTreeMap::new();
    for (at, value) in series.iter().flat_map(|(_, points)| points) {
        said.entry(millis(*at))
            .and_modify(|value| *value = Err(UnknownReason::ManySeries))
            .or_insert_with(|| Measurement::of(*value).value);
    }
    let at = |at: &Timestamp| {
        let value = said.get(&at.timestamp_millis()).copied();
        (*at, value.unwrap_or(Err(UnknownReason::NoSeries)))
    };
    moments.iter().map(at).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970 stay far below 2^53"
)]
fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(result: &str, expected: [Result<f64, UnknownReason>; 4]) {
        let body = format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{result}]}}}}"#);
        let series = answer::labelled_matrix(200, body.as_bytes()).unwrap();
        let from = Timestamp::from_timestamp_millis(1_795_376_074_500).unwrap();
        let points = one_by_one(&series, &moments(from, Span::seconds(10), 4));
        let values: Vec<_> = points.into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, expected, "{result}");
    }

    #[test]
    fn each_moment_has_a_number_or_a_reason() {
        use UnknownReason::{Inf, ManySeries, Nan, NoSeries};
        check("", [Err(NoSeries); 4]);
        let one =
            r#"{"metric":{},"values":[[1795376074.5,"0.25"],[1795376094.5,"NaN"],[1795376104.5,"+Inf"]]}"#;
        check(one, [Ok(0.25), Err(NoSeries), Err(Nan), Err(Inf)]);
        let other = r#"{"metric":{"a":"b"},"values":[[1795376074.5,"1"],[1795376084.5,"2"]]}"#;
        check(
            &format!("{one},{other}"),
            [Err(ManySeries), Ok(2.0), Err(Nan), Err(Inf)],
        );
    }
}
