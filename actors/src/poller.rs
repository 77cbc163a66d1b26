//! Asks the sources of safety rules: identical questions once, and never too many at a time.

use crate::measures::Measures;
use crate::question::{Answer, MetricSource, Question, Reply};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_model::verdict::{Measurement, UnknownReason};
use tokio::sync::Semaphore;
use tokio::time::Instant;

mod asking;

pub(crate) use asking::{Measured, measure};

/// Queries under way at once. A Prometheus that is slow must not be buried under more.
const CONCURRENT_QUERIES_MAX: usize = 32;

/// Longest time for which an answer may serve others who ask the same.
pub(crate) const LIFE_MAX: Duration = Duration::from_secs(1);

type Pending = Shared<BoxFuture<'static, Reply>>;

/// Questions whose answers are under way, or young enough to serve others.
#[derive(Default)]
struct Asked {
    questions: BTreeMap<Question, (Instant, Pending)>,
    /// When those that serve nobody any more were forgotten.
    swept: Option<Instant>,
}

/// Asks the sources of safety rules.
#[derive(Clone)]
pub(crate) struct Poller {
    source: Option<Arc<dyn MetricSource>>,
    asked: Arc<Mutex<Asked>>,
    permits: Arc<Semaphore>,
    measures: Measures,
}

impl Poller {
    pub(crate) fn new(source: Option<Arc<dyn MetricSource>>, measures: Measures) -> Self {
        Self {
            source,
            asked: Arc::default(),
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
        let question = Question::Number { promql };
        self.reply(question, Duration::ZERO).await.0.answer.number()
    }

    /// The answer to a question, and how long ago it was asked. One that is under way is not asked again, nor one
    /// that was asked at most `life` ago.
    async fn reply(&self, question: Question, life: Duration) -> (Reply, Duration) {
        let Some(source) = self.source.clone() else {
            let why = "no prometheus is configured; start with --prometheus URL";
            let unknown = Answer::Number(Measurement::unknown(UnknownReason::ProviderError, why));
            return (unknown.into(), Duration::ZERO);
        };
        let now = Instant::now();
        let (at, reply) = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.sweep(now);
            let serves = |(at, reply): &&(Instant, Pending)| reply.peek().is_none() || now - *at <= life;
            match asked.questions.get(&question).filter(serves) {
                Some(same) => {
                    self.measures.asked.coalesced.inc();
                    same.clone()
                }
                None => {
                    let new = (now, self.ask(source, question.clone()));
                    asked.questions.insert(question, new.clone());
                    new
                }
            }
        };
        (reply.await, now - at)
    }

    fn ask(&self, source: Arc<dyn MetricSource>, question: Question) -> Pending {
        let (permits, measures) = (self.permits.clone(), self.measures.clone());
        async move {
            // The semaphore is never closed; without a permit the query simply goes out unbounded.
            let _permit = permits.acquire().await.ok();
            let reply = source.ask(&question).await;
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

impl Asked {
    /// Forgets what serves nobody any more, now and then.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now - swept < LIFE_MAX) {
            return;
        }
        self.swept = Some(now);
        self.questions
            .retain(|_, (at, reply)| reply.peek().is_none() || now - *at <= LIFE_MAX);
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
    }

    /// Counts how often it is asked, and answers at once.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    #[async_trait::async_trait]
    impl MetricSource for Counting {
        async fn ask(&self, _question: &Question) -> Reply {
            self.0.fetch_add(1, Ordering::SeqCst);
            Answer::Number(Measurement::of(1.0)).into()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn f43_an_answer_serves_whoever_asks_the_same_soon_after() {
        let source = Arc::new(Counting::default());
        let poller = Poller::new(Some(source.clone()), Measures::new().unwrap());
        let life = Duration::from_millis(500);
        let ask = async |promql: &str| {
            let promql = promql.to_owned();
            poller
                .reply(Question::Number { promql }, life)
                .await
                .1
                .as_millis()
        };
        // Milliseconds that pass, what is asked then, how old the answer is, and how often the source was asked.
        for (wait, promql, age, asked) in [
            (0, "a", 0, 1),
            (300, "a", 300, 1),
            (0, "b", 0, 2),
            (200, "a", 500, 2),
            (1, "a", 0, 3),
            (400, "b", 0, 4),
        ] {
            tokio::time::advance(Duration::from_millis(wait)).await;
            assert_eq!((ask(promql).await, source.0.load(Ordering::SeqCst)), (age, asked));
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        ask("c").await;
        assert_eq!(
            poller.asked.lock().unwrap().questions.len(),
            1,
            "old answers are forgotten"
        );
    }
}
