//! Whether what is served is known to be the newest.

use serde::Serialize;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidegate_model::Timestamp;
use tidegate_model::snapshot::Version;
use tokio::time::Instant;

/// After this long without word from upstream a snapshot counts as stale (faults.md F62).
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(60);

/// How what is served stands to what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is served yet: every flag answers with the caller's default.
    Blind,
    /// Upstream said within the last minute that there is nothing newer.
    Current {
        /// What is served.
        version: Version,
        /// How long ago upstream said so.
        age: Duration,
    },
    /// There may be something newer. What is served stays in force for as long as it takes.
    Stale {
        /// What is served.
        version: Version,
        /// How long it was not confirmed.
        age: Duration,
        /// Why.
        because: StaleBecause,
    },
}

/// Why a node does not know of anything newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StaleBecause {
    /// Upstream does not answer, or not with anything that can be used.
    Away,
    /// Upstream refuses the node's credential.
    Credential,
    /// The snapshot was found on disk, and upstream was not heard of since the start.
    Unconfirmed,
}

impl Standing {
    /// All words that [`word`](Self::word) can say.
    pub const WORDS: [&'static str; 3] = ["current", "stale", "blind"];

    /// `blind`, `current` or `stale`, as it stands in answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::Current { .. } => "current",
            Self::Stale { .. } => "stale",
        }
    }

    /// How long ago what is served was confirmed; `None` while blind.
    pub fn age(self) -> Option<Duration> {
        match self {
            Self::Blind => None,
            Self::Current { age, .. } | Self::Stale { age, .. } => Some(age),
        }
    }
}

impl fmt::Display for StaleBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Away => "away",
            Self::Credential => "credential",
            Self::Unconfirmed => "unconfirmed",
        })
    }
}

/// What was last heard from upstream. Times are monotonic: a node's wall clock decides nothing.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    heard: Mutex<Heard>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    confirmed: Option<Instant>,
    credential_refused: bool,
}

impl Contact {
    /// Upstream said that nothing is newer than what is served.
    pub(crate) fn confirmed(&self, now: Instant) {
        *self.heard() = Heard {
            confirmed: Some(now),
            credential_refused: false,
        };
    }

    /// Upstream refused the node's credential.
    pub(crate) fn credential_refused(&self) {
        self.heard().credential_refused = true;
    }

    /// How a snapshot of this version, made at `created`, stands at `now`.
    pub(crate) fn standing(&self, version: Version, created: Timestamp, now: Instant) -> Standing {
        let Heard {
            confirmed,
            credential_refused,
        } = *self.heard();
        let age = match confirmed {
            Some(at) => now.duration_since(at),
            // Never confirmed in this life: the wall clock is the only one that knows, and it is
            // only shown to people.
            None => (chrono::Utc::now() - created).to_std().unwrap_or_default(),
        };
        let because = match (credential_refused, confirmed) {
            (true, _) => StaleBecause::Credential,
            (false, None) => StaleBecause::Unconfirmed,
            (false, Some(_)) if age >= STALE_AFTER => StaleBecause::Away,
            (false, Some(_)) => return Standing::Current { version, age },
        };
        Standing::Stale {
            version,
            age,
            because,
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: Version = Version { epoch: 1, number: 7 };

    fn reason(contact: &Contact, now: Instant) -> Option<StaleBecause> {
        match contact.standing(VERSION, Timestamp::default(), now) {
            Standing::Stale { because, .. } => Some(because),
            _ => None,
        }
    }

    #[test]
    fn f62_stale_after_a_minute_without_word() {
        let (contact, start) = (Contact::default(), Instant::now());
        assert_eq!(reason(&contact, start), Some(StaleBecause::Unconfirmed));
        contact.confirmed(start);
        assert_eq!(reason(&contact, start + Duration::from_secs(59)), None);
        assert_eq!(reason(&contact, start + STALE_AFTER), Some(StaleBecause::Away));
        contact.confirmed(start + Duration::from_secs(90));
        assert_eq!(reason(&contact, start + Duration::from_secs(91)), None);
    }

    #[test]
    fn f71_stale_at_once_when_the_credential_is_refused() {
        let (contact, start) = (Contact::default(), Instant::now());
        contact.confirmed(start);
        contact.credential_refused();
        assert_eq!(reason(&contact, start), Some(StaleBecause::Credential));
        contact.confirmed(start);
        assert_eq!(reason(&contact, start), None);
    }
}
