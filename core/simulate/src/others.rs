//! Other rollouts beside the one that is simulated.

use std::collections::BTreeSet;
use tidegate_decide::neighbour::{Neighbour, Neighbours, Standing};
use tidegate_model::Timestamp;
use tidegate_model::alert::Labels;
use tidegate_model::invalid::Violation;
use tidegate_model::key::{FlagKey, RolloutId, RolloutName};
use tidegate_model::policy::{Dependencies, Policy};
use tidegate_model::rollout::Ending;
use tidegate_model::share::Share;
use tidegate_model::span::Span;

/// How an event that moves another rollout is written.
pub(crate) const EXAMPLE: &str = "other payments-api at 10 proven 1";

/// Where another rollout is from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct Other {
    /// Its flag, or its id.
    pub name: RolloutName,
    /// Where it is.
    pub standing: Standing,
    /// How far it is open.
    pub share: Share,
    /// How far it is proven.
    pub proven: Share,
    /// What it shares.
    pub shares: Labels,
}

impl Other {
    /// Reads `payments-api completed`, or `payments-api at 10 proven 1 shares service=shop`.
    pub(crate) fn read(words: &[&str]) -> Result<Self, Violation> {
        let wrong =
            |word: &str, rule: &str| Violation::new("", word, rule, format!("for example '{EXAMPLE}'"));
        let percent = |word: &str| {
            let number = word
                .parse::<f64>()
                .map_err(|_| wrong(word, "this is no percentage"))?;
            Share::of_percent(number)
        };
        let mut words = words.iter().copied();
        let mut next = |what: &str| {
            words
                .next()
                .ok_or_else(|| wrong("", &format!("here is missing {what}")))
        };
        let name: RolloutName = next("which rollout")?.parse()?;
        let mut other = Self {
            name,
            standing: Standing::Open,
            share: Share::ZERO,
            proven: Share::ZERO,
            shares: Labels::default(),
        };
        let standing = next("where it is")?;
        other.standing = match standing {
            "at" => {
                other.share = percent(next("how far it is open")?)?;
                Standing::Open
            }
            "waiting" => Standing::Waiting,
            "rolling-back" => Standing::RollingBack,
            "rolled-back" => Standing::Ended(Ending::RolledBack),
            "completed" => {
                (other.share, other.proven) = (Share::ALL, Share::ALL);
                Standing::Ended(Ending::Completed)
            }
            word => {
                return Err(wrong(
                    word,
                    "another rollout is waiting, at PERCENT, rolling-back, rolled-back or completed",
                ));
            }
        };
        while let Ok(word) = next("") {
            match word {
                "proven" => other.proven = percent(next("how far it is proven")?)?,
                "shares" => {
                    let label = next("what it shares")?;
                    let (label, value) = label
                        .split_once('=')
                        .ok_or_else(|| wrong(label, "this is no label"))?;
                    let values = other.shares.0.entry(label.to_owned()).or_default();
                    values.insert(value.to_owned());
                }
                word => return Err(wrong(word, "nothing of this name is known of another rollout")),
            }
        }
        Ok(other)
    }

    /// As its neighbours see it, when it got there at `now` and the nodes confirm that at once.
    #[must_use]
    pub fn seen(&self, now: Timestamp) -> Option<Neighbour> {
        let id = RolloutId::new(self.name.as_str()).ok()?;
        Some(Neighbour {
            flag: FlagKey::new(id.as_str()).ok()?,
            id,
            attempt: 1,
            standing: self.standing,
            share: self.share,
            proven: self.proven,
            opened: if self.share == Share::ZERO {
                Vec::new()
            } else {
                vec![now]
            },
            since: now,
            effective: Some(now),
            undone: matches!(
                self.standing,
                Standing::RollingBack | Standing::Ended(Ending::RolledBack)
            )
            .then_some(now),
            window: Span::ZERO,
            dependencies: Dependencies::default(),
            interlock: self.shares.clone(),
            segments: BTreeSet::new(),
            gives_way: None,
        })
    }
}

/// The best case: whatever a rollout by `plan` needs of others was there long ago.
#[must_use]
pub fn completed(plan: &Policy, now: Timestamp) -> Neighbours {
    let needed: BTreeSet<_> = plan.dependencies.needed().map(|(_, name)| name.clone()).collect();
    let done = needed.into_iter().filter_map(|name| {
        let other = Other {
            name,
            standing: Standing::Ended(Ending::Completed),
            share: Share::ALL,
            proven: Share::ALL,
            shares: Labels::default(),
        };
        other.seen(now).map(|other| (other.id.clone(), other))
    });
    Neighbours(done.collect())
}
