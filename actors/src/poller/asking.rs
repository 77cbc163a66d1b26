//! What one look at a rule asks, and what it keeps of the answers.

use super::{LIFE_MAX, Poller};
use crate::ingest::Ingest;
use crate::question::{Answer, Question};
use futures_util::future::join_all;
use futures_util::join;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tidegate_model::Timestamp;
use tidegate_model::evidence::{Counted, Evidence, Found, Query, Samples};
use tidegate_model::policy::{
    Counters, EventAggregate, EventBase, EventSource, Rule, Sequential, Slo, Source,
};
use tidegate_model::rollout::RolloutStart;
use tidegate_model::span::Span;
use tidegate_model::verdict::{Measurement, SequentialTest, UnknownReason};

/// How far back counters are read at once. After a long outage of Prometheus or of the control plane the
/// samples of many series would not fit into one answer.
const COUNTED_BACK_MAX: Span = Span::seconds(3600);

/// What a look at a rule brought.
#[derive(Debug)]
pub(crate) struct Measured {
    /// What came back.
    pub(crate) evidence: Evidence,
    /// What was asked, and what stands for each answer.
    pub(crate) asked: Vec<Query>,
    /// How long before the look the oldest of the answers was asked for.
    pub(crate) age: Span,
}

/// What `rule` of the rollout `start` measures at `now`. A sequential test goes on from `before`.
pub(crate) async fn measure(
    poller: &Poller,
    start: &RolloutStart,
    rule: &Rule,
    ingest: &Ingest,
    before: Option<SequentialTest>,
    now: Timestamp,
) -> Measured {
    let asking = Asking {
        poller,
        now,
        life: life(rule),
        noted: Mutex::default(),
    };
    let minimum = rule.minimum.as_ref();
    let counting = async {
        match minimum.and_then(|minimum| minimum.query.as_deref()) {
            Some(query) => Some(asking.number(query).await),
            None => None,
        }
    };
    let (mut evidence, counted): (Evidence, _) =
        join!(asking.evidence(start, rule, ingest, before), counting);
    if let Some(samples) = counted {
        evidence.samples = samples.value.map(Some);
    }
    let Noted { asked, age } = asking.noted.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Rounded up: what was asked a moment earlier than it says would claim more of a stage than it saw.
    let age = Span::millis(u64::try_from(age.as_micros().div_ceil(1000)).unwrap_or(u64::MAX));
    Measured { evidence, asked, age }
}

/// For how long an answer may serve looks at this rule: a tenth of its interval, so that no two looks of one rollout
/// share an answer. Counts and samples are asked for up to the very moment.
fn life(rule: &Rule) -> Duration {
    match rule.source {
        Source::Query(_) | Source::Sides(_) | Source::Slo(_) => (rule.interval.duration() / 10).min(LIFE_MAX),
        Source::Ranks(_) | Source::Sequential(_) | Source::Events(_) | Source::Score(_) => Duration::ZERO,
    }
}

/// One look that is being taken.
struct Asking<'p> {
    poller: &'p Poller,
    now: Timestamp,
    /// How old an answer may be.
    life: Duration,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    /// In the order in which the questions were asked, not in that of the answers.
    asked: Vec<Query>,
    /// Of the oldest answer.
    age: Duration,
}

impl Asking<'_> {
    async fn evidence(
        &self,
        start: &RolloutStart,
        rule: &Rule,
        ingest: &Ingest,
        before: Option<SequentialTest>,
    ) -> Evidence {
        let found = match &rule.source {
            Source::Events(source) => {
                self.note(Query::new(&events(start, source)));
                let span = (rule.window, rule.minimum.as_ref());
                return ingest
                    .measure(&start.flag, &start.candidate, source, span, self.now)
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
                    self.samples(&ranks.candidate, window, step),
                    self.samples(&ranks.baseline, window, step)
                );
                Found::Samples { candidate, baseline }
            }
            Source::Sequential(source) => self.counts(source, before).await,
            Source::Slo(slo) => self.burns(slo).await,
            // Made of what other rules say, without any source.
            Source::Score(_) => Found::Number(Measurement::unknown(UnknownReason::NoSeries, "")),
        };
        found.into()
    }

    async fn counts(&self, source: &Sequential, before: Option<SequentialTest>) -> Found {
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
                    self.increase(&counters.errors, since, false),
                    self.increase(&counters.requests, since, true)
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
    async fn number(&self, promql: &str) -> Measurement {
        let question = Question::Number {
            promql: promql.to_owned(),
        };
        self.answer(Query::new(promql), question).await.number()
    }

    async fn samples(&self, promql: &str, window: Span, step: Span) -> Samples {
        let from = window.before(self.now);
        let question = Question::Samples {
            promql: promql.to_owned(),
            from,
            to: self.now,
            step,
        };
        self.answer(Query::since(promql, from), question).await.samples()
    }

    async fn increase(&self, selector: &str, since: Timestamp, alive: bool) -> Measurement {
        // What happened longer ago than that stays uncounted: evidence is lost, and none invented.
        let since = since.max(COUNTED_BACK_MAX.before(self.now));
        let question = Question::Increase {
            selector: selector.to_owned(),
            since,
            until: self.now,
            alive,
        };
        self.answer(Query::since(selector, since), question)
            .await
            .number()
    }

    async fn answer(&self, query: Query, question: Question) -> Answer {
        let place = self.note(query);
        let (reply, age) = self.poller.reply(question, self.life).await;
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(query) = noted.asked.get_mut(place) {
            query.answer = reply.digest;
        }
        if !self.life.is_zero() {
            noted.age = noted.age.max(age);
        }
        reply.answer
    }

    /// Notes what is asked, and answers where.
    fn note(&self, query: Query) -> usize {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.asked.push(query);
        noted.asked.len() - 1
    }
}

/// What is counted, in words: there is no query.
fn events(start: &RolloutStart, source: &EventSource) -> String {
    let what = match source.aggregate {
        EventAggregate::Count => "events",
        EventAggregate::Sum => "sum of events",
    };
    let per = match &source.per {
        EventBase::Nothing => String::new(),
        EventBase::Second => " per second".to_owned(),
        EventBase::Exposure => " per exposure".to_owned(),
        EventBase::Metric(metric) => format!(" per event {metric}"),
    };
    format!(
        "{what} {} of {}/{}{per}",
        source.metric, start.flag, start.candidate
    )
}
