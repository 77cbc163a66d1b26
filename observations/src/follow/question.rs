//! What is asked about experiments, and answered once everything is folded that was acknowledged before.

use super::Follower;
use crate::at_millis;
use crate::error::TalliesError;
use crate::extent::Extent;
use crate::series::Series;
use std::sync::Arc;
use tidegate_analytics::fold::Period;
use tidegate_model::Timestamp;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::key::ExperimentKey;
use tokio::sync::oneshot;

/// What is asked about an experiment.
#[derive(Debug)]
pub(crate) enum Question {
    /// Its tallies.
    Tallies(oneshot::Sender<Result<Arc<Folded>, TalliesError>>),
    /// Its samples.
    Series(oneshot::Sender<Result<Vec<Series>, TalliesError>>),
    /// Whether all of it is folded: answered when it is.
    CaughtUp(oneshot::Sender<Result<(), TalliesError>>),
}

/// The tallies of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// Sequence of the last batch of the log that is in them.
    pub through: u64,
    /// When the last batch of the log was received; `None` before the first.
    pub received: Option<Timestamp>,
    /// Batches of the log that could not be read, and are not in them.
    pub lost: u64,
    /// Each period, in the order in which they were given.
    pub periods: Vec<PeriodTallies>,
}

/// The tallies of one period.
#[derive(Debug, Clone, PartialEq)]
pub struct PeriodTallies {
    /// Which period.
    pub period: Period,
    /// Complete, as of [`Folded::through`].
    pub tallies: Arc<Tallies>,
}

impl Follower {
    /// Answers what can be answered by now.
    pub(super) fn answer(&mut self, extent: &Extent) {
        let mut later = Vec::new();
        for (experiment, through, question) in std::mem::take(&mut self.questions) {
            if let Some(question) = self.try_answer(&experiment, through, question, extent) {
                later.push((experiment, through, question));
            }
        }
        self.questions = later;
    }

    /// Answers, or gives the question back. Whoever does not wait any more needs no answer.
    fn try_answer(
        &mut self,
        experiment: &ExperimentKey,
        through: u64,
        question: Question,
        extent: &Extent,
    ) -> Option<Question> {
        let Some(watched) = self.watched.get(experiment) else {
            question.refuse(TalliesError::NotWatched);
            return None;
        };
        let mut behind = 0;
        let mut waits = false;
        for slot in &watched.slots {
            let left = self.behind(slot.now, extent);
            let live = self.lanes.get(&slot.now).is_some_and(|lane| lane.live);
            let anew = match question {
                Question::Tallies(_) => !slot.holds,
                Question::Series(_) | Question::CaughtUp(_) => slot.coming.is_some(),
            };
            if !live || anew {
                behind = behind
                    .max(left)
                    .max(slot.coming.map_or(0, |coming| self.behind(coming, extent)));
                waits |= matches!(question, Question::CaughtUp(_));
                if !waits {
                    question.refuse(TalliesError::Behind { batches: behind });
                    return None;
                }
            }
            waits |= (extent.sequence + 1).saturating_sub(left) <= through;
        }
        if waits {
            return Some(question);
        }
        let slots: Vec<u64> = watched.slots.iter().map(|slot| slot.now).collect();
        match question {
            Question::CaughtUp(reply) => drop(reply.send(Ok(()))),
            Question::Series(reply) => {
                let series = slots
                    .iter()
                    .filter_map(|lane| Some(self.lanes.get(lane)?.series()));
                drop(reply.send(Ok(series.collect())));
            }
            Question::Tallies(reply) => drop(reply.send(Ok(Arc::new(self.folded(&slots, extent))))),
        }
        None
    }

    fn folded(&mut self, lanes: &[u64], extent: &Extent) -> Folded {
        let left = lanes.iter().map(|lane| self.behind(*lane, extent)).max();
        let mut folded = Folded {
            through: extent.sequence - left.unwrap_or_default().min(extent.sequence),
            received: (extent.sequence > 0).then(|| at_millis(extent.received)),
            lost: 0,
            periods: Vec::with_capacity(lanes.len()),
        };
        for lane in lanes {
            if let Some(lane) = self.lanes.get_mut(lane) {
                folded.lost = folded.lost.max(lane.lost);
                folded.periods.push(PeriodTallies {
                    period: lane.period,
                    tallies: lane.tallies(),
                });
            }
        }
        folded
    }
}

impl Question {
    fn refuse(self, error: TalliesError) {
        match self {
            Self::Tallies(reply) => drop(reply.send(Err(error))),
            Self::Series(reply) => drop(reply.send(Err(error))),
            Self::CaughtUp(reply) => drop(reply.send(Err(error))),
        }
    }
}
