//! One metric of a table or a summary, on its way into a design and its tallies.

use super::beside::Rated;
use super::gathered::Gathered;
use super::names::Names;
use super::percentiles;
use super::question::ColumnKind;
use tidegate_model::experiment::tally::{MetricTally, Sums};
use tidegate_model::experiment::{Aggregation, Goal, Measure, Metric, Part, Role};
use tidegate_model::invalid::Violation;
use tidegate_model::key::{MetricName, VariationKey};
use tidegate_stats::count_rate::EventCount;

/// One metric as it was found, with the arms in their order.
pub(super) struct MetricPart {
    pub(super) metric: Metric,
    pub(super) kind: ColumnKind,
    /// What the columns are called.
    pub(super) events: [Option<String>; 2],
    pub(super) has_covariate: bool,
    pub(super) arms: Vec<Gathered>,
}

impl MetricPart {
    /// The metric with what it measures.
    pub(super) fn designed(&self) -> Result<Metric, Violation> {
        let event = |at: usize| {
            let text = self.events.get(at).and_then(Option::as_deref).unwrap_or_default();
            MetricName::new(&Names::default().key(text))
        };
        let sum = |at: usize| {
            Ok::<_, Violation>(Part {
                event: event(at)?,
                aggregation: Aggregation::Sum,
            })
        };
        let measure = match self.kind {
            ColumnKind::Conversion | ColumnKind::Events => Measure::Conversion { event: event(0)? },
            ColumnKind::Mean | ColumnKind::Rate => Measure::Revenue { event: event(0)? },
            ColumnKind::Ratio => Measure::Ratio {
                numerator: sum(0)?,
                denominator: sum(1)?,
            },
            ColumnKind::Percentile(quantile) => Measure::Percentile {
                event: event(0)?,
                quantile,
            },
        };
        Ok(Metric {
            measure,
            ..self.metric.clone()
        })
    }

    pub(super) fn tally(&self, gathered: &Gathered) -> Result<MetricTally, Violation> {
        let quantile = match self.kind {
            ColumnKind::Percentile(share) => percentiles::tally(&gathered.values, share),
            _ => Ok(None),
        };
        let quantile = quantile.map_err(|refusal| {
            Violation::new(
                format!("metric {}", self.metric.name),
                "",
                refusal.to_string(),
                "check its values",
            )
        })?;
        Ok(MetricTally {
            known: gathered.known,
            new: gathered.new,
            active: gathered.active,
            steps: Vec::new(),
            quantile,
            ranks: None,
        })
    }

    pub(super) fn rated(&self, keys: &[VariationKey], order: &[usize]) -> Result<Rated, Violation> {
        if self.metric.goal == Goal::Maintain || self.metric.margin.is_some() {
            return Err(Violation::new(
                format!("metric {}", self.metric.name),
                "rate",
                "a rate is compared with no margin",
                "use the kind 'ratio' for a claim with a margin",
            ));
        }
        if self.metric.role == Role::Guardrail {
            return Err(Violation::new(
                format!("metric {}", self.metric.name),
                "guardrail",
                "a rate is tested for one look, and a guardrail is watched all the time",
                "use the kind 'ratio', or another role",
            ));
        }
        let count = |at: &usize| {
            let sums = self
                .arms
                .get(*at)
                .map_or(Sums::NONE, |gathered| gathered.known.plus(&gathered.new));
            #[expect(clippy::cast_precision_loss, reason = "rounded to 16 digits")]
            let exposure = sums.x as f64 / 1e6;
            EventCount {
                events: u64::try_from(sums.y / 1_000_000).unwrap_or(0),
                exposure,
            }
        };
        Ok(Rated {
            metric: self.metric.name.clone(),
            goal: self.metric.goal,
            arms: keys.iter().cloned().zip(order.iter().map(count)).collect(),
        })
    }
}
