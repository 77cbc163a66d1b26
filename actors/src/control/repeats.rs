//! Requests that may come again.

use super::{ControlError, ControlPlane};
use crate::repeats::{FirstTime, Turn};
use tidegate_model::key::TokenName;
use tidegate_model::request::RequestKey;

impl ControlPlane {
    /// Whether the request that the holder of `token` calls `key` may be done, or was done before.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub async fn turn_of(&self, token: &TokenName, key: &RequestKey) -> Result<Turn, ControlError> {
        FirstTime::of(&self.shell, token, key).await
    }

    /// Counts a change that was refused at the door, because too much was asked at once.
    pub fn count_flood(&self) {
        self.shell.measures.count_refused("flood");
    }

    /// Counts a request that came again, by what it was told.
    pub fn count_repeat(&self, outcome: &str) {
        let counter = &self.shell.measures.others.repeats;
        counter.with_label_values(&[outcome]).inc();
    }
}
