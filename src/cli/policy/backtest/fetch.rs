//! Fetching what rules would have heard, in bounded pieces.

use crate::cli::failure::Failure;
use indicatif::ProgressBar;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_actors::prometheus::PrometheusSource;
use tidegate_actors::prometheus::range::POINTS_MAX;
use tidegate_model::Timestamp;
use tidegate_model::key::RuleName;
use tidegate_model::policy::{Policy, Rule};
use tidegate_model::span::Span;
use tidegate_simulate::history::{Counter, Record, Recorded, Series, Wanted, wanted};

/// Most moments of one rule: four months at an interval of 10 s.
const MOMENTS_MAX: u64 = 1_000_000;
/// Most moments at which many series are asked for at once.
const POINTS_OF_MANY_MAX: u32 = 500;

/// Even moments of the past.
#[derive(Debug, Clone, Copy)]
struct Grid {
    from: Timestamp,
    step: Span,
    moments: u64,
}

impl Grid {
    fn of(rule: &Rule, from: Timestamp, to: Timestamp, step: Span) -> Result<Self, Failure> {
        let step = step.max(Span::millis(100));
        let span = Span::between(from, to).duration().as_millis();
        let moments = span / step.duration().as_millis().max(1) + 1;
        let moments = u64::try_from(moments).unwrap_or(u64::MAX);
        if moments > MOMENTS_MAX {
            return Err(Failure::input(
                &rule.name,
                format!("is looked at {moments} times from --from to --to, at most {MOMENTS_MAX}"),
                "replay less history, or look less often",
            ));
        }
        Ok(Self { from, step, moments })
    }

    /// The pieces in which it is asked for: where each begins, and how long it is.
    fn pieces(self, most: u32) -> impl Iterator<Item = (Timestamp, u32)> {
        let Self {
            mut from,
            step,
            mut moments,
        } = self;
        std::iter::from_fn(move || {
            let piece = u32::try_from(moments.min(u64::from(most))).unwrap_or(most);
            let begin = from;
            from = step.times(piece).after(from);
            moments -= u64::from(piece);
            (piece > 0).then_some((begin, piece))
        })
    }
}

/// What is asked for one rule.
pub(super) struct Question<'a> {
    rule: &'a Rule,
    wanted: Wanted<'a>,
    samples: Option<&'a str>,
    looks: Grid,
    /// Where samples are taken: from before the first look on.
    samples_at: Grid,
}

/// What is asked for each rule of `plan` that is not assumed to be healthy.
pub(super) fn questions<'a>(
    plan: &'a Policy,
    assumed: &BTreeSet<RuleName>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Question<'a>>, Failure> {
    let mut questions = Vec::new();
    let rules = plan.safety.rules.iter();
    for rule in rules.filter(|rule| !assumed.contains(&rule.name)) {
        let wanted = wanted(rule);
        let looks = Grid::of(rule, from, to, rule.interval)?;
        let samples_at = match &wanted {
            Wanted::Nothing => continue,
            Wanted::Elsewhere => {
                return Err(Failure::input(
                    &rule.name,
                    "is no query, and Prometheus has no record of it that could be replayed",
                    format!("take it as healthy with --assume-healthy {}", rule.name),
                ));
            }
            Wanted::Samples(_, window, step) => Grid::of(rule, window.before(from), to, *step)?,
            Wanted::Numbers(_) | Wanted::Counters(_) => looks,
        };
        questions.push(Question {
            rule,
            wanted,
            samples: rule.minimum.as_ref().and_then(|minimum| minimum.query.as_deref()),
            looks,
            samples_at,
        });
    }
    Ok(questions)
}

/// How many queries that takes.
pub(super) fn queries(questions: &[Question<'_>]) -> usize {
    let of = |question: &Question<'_>| {
        let pieces = |grid: Grid, most| grid.pieces(most).count();
        let counting = question.samples.map(|_| pieces(question.looks, POINTS_MAX));
        counting.unwrap_or(0)
            + match &question.wanted {
                Wanted::Numbers(all) => all.len() * pieces(question.looks, POINTS_MAX),
                Wanted::Samples(both, ..) => both.len() * pieces(question.samples_at, POINTS_MAX),
                Wanted::Counters(all) => all.len() * pieces(question.looks, POINTS_OF_MANY_MAX),
                Wanted::Nothing | Wanted::Elsewhere => 0,
            }
    };
    questions.iter().map(of).sum()
}

/// Asks one question after the other: history is in no hurry, and others use this Prometheus too.
pub(super) async fn fetch(
    source: &PrometheusSource,
    questions: &[Question<'_>],
    bar: &ProgressBar,
) -> Result<BTreeMap<RuleName, Recorded>, Failure> {
    let asking = Asking { source, bar };
    let mut recorded = BTreeMap::new();
    for question in questions {
        let said = match &question.wanted {
            Wanted::Numbers(all) => {
                let mut numbers = Vec::new();
                for promql in all {
                    numbers.push(asking.numbers(promql, question.looks).await?);
                }
                Record::of_numbers(question.rule, numbers)
            }
            Wanted::Samples([candidate, baseline], ..) => Some(Record::Samples([
                asking.numbers(candidate, question.samples_at).await?,
                asking.numbers(baseline, question.samples_at).await?,
            ])),
            Wanted::Counters([errors, requests, base_errors, base_requests]) => Some(Record::Counters([
                asking.counters(errors, question.looks).await?,
                asking.counters(requests, question.looks).await?,
                asking.counters(base_errors, question.looks).await?,
                asking.counters(base_requests, question.looks).await?,
            ])),
            Wanted::Nothing | Wanted::Elsewhere => None,
        };
        let samples = match question.samples {
            Some(promql) => Some(asking.numbers(promql, question.looks).await?),
            None => None,
        };
        if let Some(said) = said {
            recorded.insert(question.rule.name.clone(), Recorded { said, samples });
        }
    }
    Ok(recorded)
}

struct Asking<'a> {
    source: &'a PrometheusSource,
    bar: &'a ProgressBar,
}

impl Asking<'_> {
    /// One number for each moment.
    async fn numbers(&self, promql: &str, grid: Grid) -> Result<Series, Failure> {
        let mut points = Vec::new();
        for (from, piece) in grid.pieces(POINTS_MAX) {
            let answer = self.source.range(promql, from, grid.step, piece).await;
            points.extend(answer.map_err(|source| Failure::History { source })?);
            self.bar.inc(1);
        }
        Ok(points.into_iter().collect())
    }

    /// Every series of a selector.
    async fn counters(&self, selector: &str, grid: Grid) -> Result<Vec<Counter>, Failure> {
        let mut counters: BTreeMap<String, Counter> = BTreeMap::new();
        for (from, piece) in grid.pieces(POINTS_OF_MANY_MAX) {
            let answer = self.source.series(selector, from, grid.step, piece).await;
            for (labels, points) in answer.map_err(|source| Failure::History { source })? {
                counters.entry(labels).or_default().extend(points);
            }
            self.bar.inc(1);
        }
        Ok(counters.into_values().collect())
    }
}
