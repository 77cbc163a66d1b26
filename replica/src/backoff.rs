//! How long to wait before the next try: full jitter, so that nodes that lost the same control
//! plane do not come back in step (faults.md F69).

use std::time::Duration;
use tokio::time::Instant;

/// No retry comes sooner.
const SHORTEST: Duration = Duration::from_millis(500);

/// The longest wait while the control plane is away.
pub(crate) const LONGEST_AWAY: Duration = Duration::from_secs(30);

/// The longest wait while it refuses the credential: somebody has to act first (faults.md F71).
pub(crate) const LONGEST_REFUSED: Duration = Duration::from_secs(300);

/// After this long without a failure the next one starts from the shortest wait again.
const HEALTHY: Duration = Duration::from_secs(60);

/// Remembers the failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    healthy_since: Option<Instant>,
}

impl Backoff {
    /// Notes a success at `now`.
    pub(crate) fn succeeded(&mut self, now: Instant) {
        self.healthy_since.get_or_insert(now);
    }

    /// Notes a failure at `now`. `draw` is a random number from 0 to 1; the wait is drawn evenly
    /// between the shortest and a ceiling that doubles with each failure, up to `longest`.
    pub(crate) fn failed(&mut self, now: Instant, longest: Duration, draw: f64) -> Duration {
        let recovered = self.healthy_since.take();
        if recovered.is_some_and(|since| now.duration_since(since) >= HEALTHY) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let ceiling = SHORTEST.saturating_mul(1 << self.failures.min(16)).min(longest);
        SHORTEST + ceiling.saturating_sub(SHORTEST).mul_f64(draw.clamp(0.0, 1.0))
    }
}

/// An even draw from 0 to 1. Without randomness from the system the middle will do.
pub(crate) fn draw() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(backoff: &mut Backoff, now: Instant, draw: f64) -> f64 {
        backoff.failed(now, LONGEST_AWAY, draw).as_secs_f64()
    }

    #[test]
    fn f69_waits_are_jittered_between_half_a_second_and_half_a_minute() {
        let now = Instant::now();
        let (mut lowest, mut highest) = (Backoff::default(), Backoff::default());
        for ceiling in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
            assert_eq!(seconds(&mut lowest, now, 0.0), 0.5);
            assert_eq!(seconds(&mut highest, now, 1.0), ceiling);
        }
        for _ in 0..100 {
            assert_eq!(seconds(&mut highest, now, 1.0), 30.0);
        }
    }

    #[test]
    fn only_a_healthy_minute_starts_over() {
        let start = Instant::now();
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            seconds(&mut backoff, start, 1.0);
        }
        backoff.succeeded(start);
        assert_eq!(seconds(&mut backoff, start + Duration::from_secs(59), 1.0), 30.0);
        backoff.succeeded(start);
        backoff.succeeded(start + Duration::from_secs(30));
        assert_eq!(seconds(&mut backoff, start + HEALTHY, 1.0), 1.0);
    }

    #[test]
    fn f71_a_refused_credential_is_tried_at_least_every_five_minutes() {
        let mut backoff = Backoff::default();
        let now = Instant::now();
        let waits: Vec<_> = (0..20)
            .map(|_| backoff.failed(now, LONGEST_REFUSED, 1.0))
            .collect();
        assert_eq!(waits.last(), Some(&LONGEST_REFUSED));
    }

    #[test]
    fn draws_lie_between_nought_and_one() {
        for _ in 0..1000 {
            assert!((0.0..=1.0).contains(&draw()));
        }
    }
}
