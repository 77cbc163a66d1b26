//! How often one credential may ask.

use crate::credential::Credential;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;

/// A bucket of requests for each credential that was admitted. Those who were not admitted have none,
/// so there are never more buckets than credentials.
pub(crate) struct RateLimit {
    buckets: DefaultKeyedRateLimiter<Credential>,
    clock: DefaultClock,
}

impl RateLimit {
    /// So many requests a second for each credential, and as many at once after a pause.
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        Self {
            buckets: RateLimiter::keyed(Quota::per_second(per_second)),
            clock: DefaultClock::default(),
        }
    }

    /// Takes one request out of the bucket.
    ///
    /// # Errors
    /// When it is empty: after how long there is one again.
    pub(crate) fn take(&self, credential: &Credential) -> Result<(), Duration> {
        let taken = self.buckets.check_key(credential);
        taken.map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }

    /// Forgets the buckets that are full.
    pub(crate) fn forget_idle(&self) {
        self.buckets.retain_recent();
    }
}

/// As `Retry-After` says it: whole seconds, at least one. Clients read nothing else alike.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r06_waiting_is_told_in_whole_seconds() {
        for (milliseconds, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (60_000, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(milliseconds)), seconds);
        }
    }

    #[test]
    fn each_credential_has_a_bucket_of_its_own() {
        let limit = RateLimit::new(NonZeroU32::new(3).unwrap());
        let (one, two) = (Credential::of_secret("one"), Credential::of_secret("two"));
        let waits = std::iter::repeat_with(|| limit.take(&one).err());
        let wait = waits.take(100_000).flatten().next().unwrap();
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        limit.take(&two).unwrap();
    }
}
