//! Asks the sources of safety rules: identical questions once, and never too many at a time.

use crate::ingest::Ingest;
use crate::measures::Measures;
use crate::prometheus::MetricSource;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_model::Timestamp;
use tidegate_model::policy::{Rule, Source};
use tidegate_model::rollout::RolloutStart;
use tidegate_model::verdict::{Measurement, UnknownReason};
use tokio::sync::Semaphore;

/// Queries under way at once. A Prometheus that is slow must not be buried under more.
const CONCURRENT_QUERIES_MAX: usize = 32;

type Answer = Shared<BoxFuture<'static, Measurement>>;

/// Asks the sources of safety rules.
#[derive(Clone)]
pub(crate) struct Poller {
    source: Option<Arc<dyn MetricSource>>,
    under_way: Arc<Mutex<BTreeMap<String, Answer>>>,
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

    /// What `rule` of the rollout `start` measures at `now`.
    pub(crate) async fn measure(
        &self,
        start: &RolloutStart,
        rule: &Rule,
        ingest: &Ingest,
        now: Timestamp,
    ) -> Measurement {
        match &rule.source {
            Source::Events(source) => {
                let span = (rule.window, rule.minimum.as_ref());
                ingest.measure(&start.flag, &start.candidate, source, span, now)
            }
            Source::Query(promql) => {
                let counting = rule.minimum.as_ref().and_then(|minimum| minimum.query.as_deref());
                match counting {
                    None => self.query(promql).await,
                    Some(counting) => {
                        let (value, samples) = futures_util::join!(self.query(promql), self.query(counting));
                        Measurement {
                            samples: samples.value.map(Some),
                            ..value
                        }
                    }
                }
            }
        }
    }

    /// The value of an expression; a question that is already under way is not asked again.
    async fn query(&self, promql: &str) -> Measurement {
        let Some(source) = self.source.clone() else {
            let why = "no prometheus is configured; start with --prometheus URL";
            return Measurement::unknown(UnknownReason::ProviderError, why);
        };
        let answer = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            match under_way.get(promql) {
                Some(answer) => {
                    self.measures.coalesced.inc();
                    answer.clone()
                }
                None => {
                    let answer = self.ask(source, promql.to_owned());
                    under_way.insert(promql.to_owned(), answer.clone());
                    answer
                }
            }
        };
        answer.await
    }

    fn ask(&self, source: Arc<dyn MetricSource>, promql: String) -> Answer {
        let (permits, under_way, measures) = (
            self.permits.clone(),
            self.under_way.clone(),
            self.measures.clone(),
        );
        async move {
            // The semaphore is never closed; without a permit the query simply goes out unbounded.
            let _permit = permits.acquire().await.ok();
            let measurement = source.query(&promql).await;
            under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&promql);
            let outcome = measurement
                .value
                .map_or_else(UnknownReason::name, |_value| "value");
            measures.queries.with_label_values(&[outcome]).inc();
            measurement
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
        async fn query(&self, _promql: &str) -> Measurement {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.open.notified().await;
            Measurement::of(1.0)
        }
    }

    #[tokio::test]
    async fn identical_questions_are_asked_once_and_all_are_bounded() {
        let gate = Arc::new(Gate::default());
        let poller = Poller::new(Some(gate.clone()), Measures::new().unwrap());
        let questions: Vec<String> = (0..200).map(|i| format!("metric{}", i % 50)).collect();
        let all = futures_util::future::join_all(questions.iter().map(|question| poller.query(question)));
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
