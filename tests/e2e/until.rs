//! Waiting for something to become true, in the one place where tests wait.

use std::future::Future;
use std::time::{Duration, Instant};

/// After this long a condition that is not true never will be. Far above anything seen on a slow
/// machine: it ends a broken test, it judges nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Asks until there is an answer.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
