//! Asks the sources of safety rules: identical questions once, and never too many at a time.

use crate::ingest::Ingest;
use crate::measures::Measures;
use crate::question::{Answer, MetricSource, Question};
use futures_util::future::{BoxFuture, Shared, join_all};
use futures_util::{FutureExt as _, join};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_model::Timestamp;
use tidegate_model::evidence::{Counted, Evidence, Found, Samples};
use tidegate_model::policy::{Counters, Rule, Sequential, Slo, Source};
use tidegate_model::rollout::RolloutStart;
use tidegate_model::span::Span;
use tidegate_model::verdict::{Measurement, SequentialTest, UnknownReason};
use tokio::sync::Semaphore;

/// Queries under way at once. A Prometheus that is slow must not be buried under more.
const CONCURRENT_QUERIES_MAX: usize = 32;

/// How far back counters are read at once. After a long outage of Prometheus or of the control plane the
/// samples of many series would not fit into one answer.
const COUNTED_BACK_MAX: Span = Span::seconds(3600);

type Pending = Shared<BoxFuture<'static, Answer>>;

/// Asks the sources of safety rules.
#[derive(Clone)]
pub(crate) struct Poller {
    source: Option<Arc<dyn MetricSource>>,
    under_way: Arc<Mutex<BTreeMap<Question, Pending>>>,
    permits: Arc<Semaphore>,
    measures: Measures,
}

impl Poller {
    pub(crate) fn new(source: Option<Arc<dyn MetricSource>>, measures: Measures) -> Self {
        Self {
            source,
            under_way: Arc::default(),
            permits: Arc::new(Semaphore::new(CONCURRENT_QUERIES_MAX)),
            measures,
        }
    }

    /// Whether there is a Prometheus to ask.
    pub(crate) fn has_prometheus(&self) -> bool {
        self.source.is_some()
    }

    /// What `rule` of the rollout `start` measures at `now`. A sequential test goes on from `before`.
    pub(crate) async fn measure(
        &self,
        start: &RolloutStart,
        rule: &Rule,
        ingest: &Ingest,
        before: Option<SequentialTest>,
        now: Timestamp,
    ) -> Evidence {
        let found = async {
            match &rule.source {
                Source::Events(source) => {
                    let span = (rule.window, rule.minimum.as_ref());
                    return ingest
                        .measure(&start.flag, &start.candidate, source, span, now)
                        .into();
                }
                Source::Query(promql) => Found::Number(self.number(promql).await),
                Source::Sides(sides) => {
                    let (candidate, baseline) =
                        join!(self.number(&sides.candidate), self.number(&sides.baseline));
                    Found::Sides { candidate, baseline }
                }
                Source::Ranks(ranks) => {
                    let (window, step) = (rule.window, ranks.step);
                    let (candidate, baseline) = join!(
                        self.samples(&ranks.candidate, window, step, now),
                        self.samples(&ranks.baseline, window, step, now)
                    );
                    Found::Samples { candidate, baseline }
                }
                Source::Sequential(source) => self.counts(source, before, now).await,
                Source::Slo(slo) => self.burns(slo).await,
                // Made of what other rules say, without any source.
                Source::Score(_) => Found::Number(Measurement::unknown(UnknownReason::NoSeries, "")),
            }
            .into()
        };
        let counting = async {
            let minimum = rule.minimum.as_ref();
            match minimum.and_then(|minimum| minimum.query.as_deref()) {
                Some(query) => Some(self.number(query).await),
                None => None,
            }
        };
        let (found, counted): (Evidence, _) = join!(found, counting);
        match counted {
            Some(samples) => Evidence {
                samples: samples.value.map(Some),
                ..found
            },
            None => found,
        }
    }

    async fn counts(&self, source: &Sequential, before: Option<SequentialTest>, now: Timestamp) -> Found {
        let nothing = || Measurement::unknown(UnknownReason::WindowOverlapsStage, "");
        let since = before.as_ref().map(|before| before.until);
        let side = |counters: &Counters| {
            let counters = counters.clone();
            async move {
                let Some(since) = since else {
                    return Counted {
                        errors: nothing(),
                        requests: nothing(),
                    };
                };
                let (errors, requests) = join!(
                    self.increase(&counters.errors, since, now, false),
                    self.increase(&counters.requests, since, now, true)
                );
                Counted { errors, requests }
            }
        };
        let (candidate, baseline) = join!(side(&source.candidate), side(&source.baseline));
        Found::Counts {
            before,
            candidate,
            baseline,
        }
    }

    /// How fast the budget of `slo` burns, and what is left of it.
    async fn burns(&self, slo: &Slo) -> Found {
        let rates = slo.burn_rates.iter().map(|burn| async {
            let (long, short) = join!(self.number(&burn.long.query), self.number(&burn.short.query));
            (long, short)
        });
        let period = async {
            match &slo.budget {
                Some(budget) => Some(self.number(&budget.period.query).await),
                None => None,
            }
        };
        let (rates, period) = join!(join_all(rates), period);
        Found::Burns { rates, period }
    }

    /// The value of an expression now.
    pub(crate) async fn number(&self, promql: &str) -> Measurement {
        let promql = promql.to_owned();
        self.answer(Question::Number { promql }).await.number()
    }

    async fn samples(&self, promql: &str, window: Span, step: Span, now: Timestamp) -> Samples {
        let question = Question::Samples {
            promql: promql.to_owned(),
            from: window.before(now),
            to: now,
            step,
        };
        self.answer(question).await.samples()
    }

    async fn increase(&self, selector: &str, since: Timestamp, until: Timestamp, alive: bool) -> Measurement {
        let question = Question::Increase {
            selector: selector.to_owned(),
            // What happened longer ago than that stays uncounted: evidence is lost, and none invented.
            since: since.max(COUNTED_BACK_MAX.before(until)),
            until,
            alive,
        };
        self.answer(question).await.number()
    }

    /// The answer to a question; one that is already under way is not asked again.
    async fn answer(&self, question: Question) -> Answer {
        let Some(source) = self.source.clone() else {
            let why = "no prometheus is configured; start with --prometheus URL";
            return Answer::Number(Measurement::unknown(UnknownReason::ProviderError, why));
        };
        let answer = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            match under_way.get(&question) {
                Some(answer) => {
                    self.measures.asked.coalesced.inc();
                    answer.clone()
                }
                None => {
                    let answer = self.ask(source, question.clone());
                    under_way.insert(question, answer.clone());
                    answer
                }
            }
        };
        answer.await
    }

    fn ask(&self, source: Arc<dyn MetricSource>, question: Question) -> Pending {
        let (permits, under_way, measures) = (
            self.permits.clone(),
            self.under_way.clone(),
            self.measures.clone(),
        );
        async move {
            // The semaphore is never closed; without a permit the query simply goes out unbounded.
            let _permit = permits.acquire().await.ok();
            let answer = source.ask(&question).await;
            under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&question);
            let unknown = match &answer {
                Answer::Number(measurement) => measurement.value.err(),
                Answer::Samples(samples) => samples.values.as_ref().err().copied(),
            };
            let outcome = unknown.map_or("value", UnknownReason::name);
            measures.asked.queries.with_label_values(&[outcome]).inc();
            answer
        }
        .boxed()
        .shared()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    #[derive(Default)]
    struct Gate {
        open: Notify,
        asked: AtomicUsize,
    }

    #[async_trait::async_trait]
    impl MetricSource for Gate {
        async fn ask(&self, _question: &Question) -> Answer {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.open.notified().await;
            Answer::Number(Measurement::of(1.0))
        }
    }

    #[tokio::test]
    async fn f43_identical_questions_are_asked_once_and_all_are_bounded() {
        let gate = Arc::new(Gate::default());
        let poller = Poller::new(Some(gate.clone()), Measures::new().unwrap());
        let questions: Vec<String> = (0..200).map(|i| format!("metric{}", i % 50)).collect();
        let all = join_all(questions.iter().map(|question| poller.number(question)));
        tokio::pin!(all);
        assert!(futures_util::poll!(&mut all).is_pending());
        assert_eq!(gate.asked.load(Ordering::SeqCst), CONCURRENT_QUERIES_MAX);
        let opener = async {
            loop {
                gate.open.notify_one();
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            answers = &mut all => assert!(answers.iter().all(|answer| answer.value == Ok(1.0))),
            () = opener => {}
        }
        assert_eq!(gate.asked.load(Ordering::SeqCst), 50);
        assert!(poller.under_way.lock().unwrap().is_empty());
    }
}
