//! Asks the sources of safety rules: identical questions once, and never too many at a time.

use crate::measures::Measures;
use crate::question::{Answer, MetricSource, Question, Reply};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_model::verdict::{Measurement, UnknownReason};
use tokio::sync::Semaphore;

mod asking;

pub(crate) use asking::{Measured, measure};

/// Queries under way at once. A Prometheus that is slow must not be buried under more.
const CONCURRENT_QUERIES_MAX: usize = 32;

type Pending = Shared<BoxFuture<'static, Reply>>;

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

    /// The value of an expression now.
    pub(crate) async fn number(&self, promql: &str) -> Measurement {
        let promql = promql.to_owned();
        self.reply(Question::Number { promql }).await.answer.number()
    }

    /// The answer to a question; one that is already under way is not asked again.
    async fn reply(&self, question: Question) -> Reply {
        let Some(source) = self.source.clone() else {
            let why = "no prometheus is configured; start with --prometheus URL";
            return Answer::Number(Measurement::unknown(UnknownReason::ProviderError, why)).into();
        };
        let reply = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            match under_way.get(&question) {
                Some(reply) => {
                    self.measures.asked.coalesced.inc();
                    reply.clone()
                }
                None => {
                    let reply = self.ask(source, question.clone());
                    under_way.insert(question, reply.clone());
                    reply
                }
            }
        };
        reply.await
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
            let reply = source.ask(&question).await;
            under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&question);
            let unknown = match &reply.answer {
                Answer::Number(measurement) => measurement.value.err(),
                Answer::Samples(samples) => samples.values.as_ref().err().copied(),
            };
            let outcome = unknown.map_or("value", UnknownReason::name);
            measures.asked.queries.with_label_values(&[outcome]).inc();
            reply
        }
        .boxed()
        .shared()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    #[derive(Default)]
    struct Gate {
        open: Notify,
        asked: AtomicUsize,
    }

    #[async_trait::async_trait]
    impl MetricSource for Gate {
        async fn ask(&self, _question: &Question) -> Reply {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.open.notified().await;
            Answer::Number(Measurement::of(1.0)).into()
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
