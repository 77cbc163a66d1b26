//! Observations in a log on disk: what a control plane has.

use super::{Moment, Observatory, ObserveError, periods};
use async_trait::async_trait;
use tidegate_model::experiment::ExperimentState;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::key::ExperimentKey;
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};
use tidegate_observations::{Observations, TakeInError, Taking, TalliesError};

#[async_trait]
impl Observatory for Observations {
    async fn take_in(&self, batch: ObservationBatch) -> Result<ObservationReceipt, ObserveError> {
        let taken = Self::take_in(self, &batch).await;
        taken.map_err(|error| match error {
            TakeInError::Invalid(invalid) => ObserveError::Invalid(invalid),
            TakeInError::Full => ObserveError::Full,
            TakeInError::Stopped { why } => ObserveError::Stopped(why),
        })
    }

    async fn follow(&self, experiment: &ExperimentState) -> Result<(), ObserveError> {
        self.watch(&experiment.design, &periods(experiment).collect::<Vec<_>>());
        Ok(())
    }

    async fn forget(&self, experiment: &ExperimentKey) {
        self.unwatch(experiment);
    }

    async fn tallies(&self, experiment: &ExperimentKey) -> Result<Option<Vec<Tallies>>, ObserveError> {
        let folded = Self::tallies(self, experiment).await;
        Ok(known(folded)?.map(|folded| {
            let periods = folded.periods.iter();
            periods.map(|period| Tallies::clone(&period.tallies)).collect()
        }))
    }

    async fn series(&self, experiment: &ExperimentKey) -> Result<Vec<Moment>, ObserveError> {
        let (Some(folded), Some(series)) = (
            known(Self::tallies(self, experiment).await)?,
            known(Self::series(self, experiment).await)?,
        ) else {
            return Ok(Vec::new());
        };
        let mut over: Vec<Tallies> = Vec::new();
        let mut moments = Vec::new();
        for (period, one) in folded.periods.iter().zip(&series) {
            for sample in &one.samples {
                let mut all = over.clone();
                all.push(Tallies::clone(&sample.tallies));
                moments.push(Moment {
                    at: sample.at,
                    tallies: Tallies::together(&all),
                });
            }
            over = vec![Tallies::together(
                &[over, vec![Tallies::clone(&period.tallies)]].concat(),
            )];
        }
        Ok(moments)
    }

    fn trouble(&self) -> Option<ObserveError> {
        match self.status().taking {
            Taking::Open => None,
            Taking::Full => Some(ObserveError::Full),
            Taking::Stopped { why } => Some(ObserveError::Stopped(why)),
        }
    }
}

/// What is not known yet will be, unless folding has ended.
fn known<T>(asked: Result<T, TalliesError>) -> Result<Option<T>, ObserveError> {
    match asked {
        Ok(known) => Ok(Some(known)),
        Err(TalliesError::Behind { .. } | TalliesError::NotWatched) => Ok(None),
        Err(error @ TalliesError::Stopped) => Err(ObserveError::Stopped(error.to_string())),
    }
}
