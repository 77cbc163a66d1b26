//! What a control plane measures of itself, before and after.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

const LAG: &str = "tidegate_rollout_wake_lag_seconds";
const LOOKS: &str = "tidegate_rule_looks_total";
const QUERIES: &str = "tidegate_prometheus_queries_total";
const COALESCED: &str = "tidegate_prometheus_queries_coalesced_total";

/// Samples of one moment, by name and labels.
pub(crate) struct Measured(BTreeMap<String, f64>);

/// What happened between two moments.
pub(crate) struct Between {
    seconds: f64,
    looks: BTreeMap<String, f64>,
    queries: f64,
    coalesced: f64,
    /// Upper bounds in seconds, each with how many wake-ups were at most so late.
    lags: Vec<(f64, f64)>,
}

impl Measured {
    /// From Prometheus' text format.
    pub(crate) fn of(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// What happened since `before`, within so many seconds.
    pub(crate) fn since(&self, before: &Self, seconds: f64) -> Between {
        let grown = |name: &str| -> BTreeMap<String, f64> {
            let mine = self.0.iter().filter(|(key, _)| {
                let key = key.split('{').next().unwrap_or_default();
                key == name
            });
            mine.map(|(key, value)| {
                let label = key.split('"').nth(1).unwrap_or_default().to_owned();
                (label, value - before.0.get(key).copied().unwrap_or_default())
            })
            .collect()
        };
        let sum = |name: &str| grown(name).values().sum();
        let mut lags: Vec<(f64, f64)> = grown(&format!("{LAG}_bucket"))
            .into_iter()
            .filter_map(|(bound, count)| Some((bound.replace("+Inf", "inf").parse().ok()?, count)))
            .collect();
        lags.sort_by(|one, other| one.0.total_cmp(&other.0));
        Between {
            seconds,
            looks: grown(LOOKS),
            queries: sum(QUERIES),
            coalesced: sum(COALESCED),
            lags,
        }
    }
}

impl Display for Between {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let looks: f64 = self.looks.values().sum();
        let verdicts = self
            .looks
            .iter()
            .map(|(verdict, count)| format!("{verdict} {count:.0}"));
        let verdicts: Vec<String> = verdicts.collect();
        writeln!(
            f,
            "looks: {:.0} a second ({}); queries: {:.0} a second, {:.0} a second answered by another one",
            looks / self.seconds,
            verdicts.join(", "),
            self.queries / self.seconds,
            self.coalesced / self.seconds
        )?;
        let all = self.lags.last().map_or(0.0, |(_, count)| *count);
        write!(f, "{all:.0} wake-ups;")?;
        for part in [0.5, 0.99, 0.999] {
            let bound = self.lags.iter().find(|(_, count)| *count >= all * part);
            let bound = bound.map_or(f64::INFINITY, |(bound, _)| *bound);
            write!(f, " p{}: at most {:.1} ms late;", part * 100.0, bound * 1000.0)?;
        }
        Ok(())
    }
}
