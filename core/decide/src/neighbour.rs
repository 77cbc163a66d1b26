//! What is known of other rollouts in the same environment, and which of it concerns one of them.
//!
//! It is made of committed state alone. Whoever opens something on the strength of it has to see to it that
//! it is still so when the opening is committed.

use crate::refusal::Refusal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_model::Timestamp;
use tidegate_model::alert::Labels;
use tidegate_model::key::{FlagKey, RolloutId, RolloutName, SegmentKey};
use tidegate_model::policy::{Dependencies, DependencyKind, Policy};
use tidegate_model::rollout::{Ending, GivenWay, Phase, Rollout};
use tidegate_model::share::Share;
use tidegate_model::span::Span;

/// Another rollout, as far as it matters to its neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Neighbour {
    /// Its name.
    pub id: RolloutId,
    /// Its flag.
    pub flag: FlagKey,
    /// Which try of the flag it is, from 1.
    pub attempt: u32,
    /// Where it is.
    pub standing: Standing,
    /// How far it is open.
    pub share: Share,
    /// How far it was proven healthy.
    pub proven: Share,
    /// When each stage up to the one in force was opened.
    pub opened: Vec<Timestamp>,
    /// When what is in force was decided.
    pub since: Timestamp,
    /// Since when it is in force on the nodes.
    pub effective: Option<Timestamp>,
    /// When it last went back, if what is in force was entered so.
    pub undone: Option<Timestamp>,
    /// The longest window of its rules.
    pub window: Span,
    /// What it waits for.
    pub dependencies: Dependencies,
    /// What it shares.
    pub interlock: Labels,
    /// To whom it gives way.
    pub gives_way: Option<GivenWay>,
    /// The segments to which it opens before it opens to anybody, or would by the plan that is proposed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub segments: BTreeSet<SegmentKey>,
}

/// Where another rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It waits for others before it opens at all.
    Waiting,
    /// It is open.
    Open,
    /// It is being shut.
    RollingBack,
    /// It has ended.
    Ended(Ending),
}

impl Neighbour {
    /// What its neighbours may know of `rollout`.
    pub fn of(rollout: &Rollout) -> Self {
        let start = &rollout.start;
        let plan = &start.plan;
        let at = |stage: Option<usize>| {
            let stage = stage.and_then(|stage| plan.stage(stage));
            stage.map_or(Share::ZERO, |stage| stage.percentage)
        };
        let (standing, since, effective, proven) = match &rollout.phase {
            Phase::Running { since, .. } if rollout.is_waiting() => {
                (Standing::Waiting, *since, None, Share::ZERO)
            }
            Phase::Running { since, effective, .. } => {
                let proven = match rollout.monitoring {
                    Some(_) => Share::ALL,
                    None => at(rollout.proven_stage),
                };
                (Standing::Open, *since, *effective, proven)
            }
            Phase::RollingBack { since, .. } => (Standing::RollingBack, *since, None, Share::ZERO),
            Phase::Ended { ending, at, .. } => {
                let proven = match ending {
                    Ending::Completed => Share::ALL,
                    Ending::RolledBack | Ending::Aborted => Share::ZERO,
                };
                (Standing::Ended(*ending), *at, Some(*at), proven)
            }
        };
        let undone = match &rollout.phase {
            Phase::Running { since, .. } => rollout.retreated.then_some(*since),
            Phase::RollingBack { since, .. } => Some(*since),
            Phase::Ended { ending, at, .. } => (*ending != Ending::Completed).then_some(*at),
        };
        Self {
            undone,
            id: start.id.clone(),
            flag: start.flag.clone(),
            attempt: start.attempt,
            standing,
            share: rollout.share,
            proven,
            opened: rollout.opened.clone(),
            since,
            effective,
            window: plan.longest_window(),
            dependencies: plan.dependencies.clone(),
            interlock: plan.interlock.clone(),
            gives_way: rollout.gives_way.clone(),
            segments: {
                let proposed = rollout
                    .proposal
                    .iter()
                    .flat_map(|proposal| proposal.plan.segments());
                plan.segments().chain(proposed).cloned().collect()
            },
        }
    }

    /// Whether it can still serve its candidate to anybody.
    pub fn is_live(&self) -> bool {
        !matches!(self.standing, Standing::Ended(_))
    }

    /// Whether it was shut, or is about to be.
    pub fn has_failed(&self) -> bool {
        matches!(
            self.standing,
            Standing::RollingBack | Standing::Ended(Ending::RolledBack | Ending::Aborted)
        )
    }

    /// Whether `name` means it, if it is the newest of its flag.
    fn is_called(&self, name: &RolloutName) -> bool {
        self.id.as_str() == name.as_str() || self.flag.as_str() == name.as_str()
    }

    /// In a few words: where it is.
    pub fn told(&self) -> String {
        let id = &self.id;
        match self.standing {
            Standing::Waiting => format!("{id} waits itself"),
            Standing::Open => format!("{id} is at {}", self.share),
            Standing::RollingBack => format!("{id} is being rolled back"),
            Standing::Ended(ending) => format!("{id} was {ending}"),
        }
    }
}

/// The other rollouts that concern one rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Neighbours(pub BTreeMap<RolloutId, Neighbour>);

impl Neighbours {
    /// Whether no other rollout concerns it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of `all` that concern a rollout of `flag` that follows `plan`.
    pub fn concerning<'a>(
        id: &RolloutId,
        flag: &FlagKey,
        plan: &Policy,
        all: impl IntoIterator<Item = &'a Neighbour>,
    ) -> Self {
        let ours = all.into_iter().filter(|other| concerns(id, flag, plan, other));
        Self(ours.map(|other| (other.id.clone(), other.clone())).collect())
    }

    /// The rollout of this id, or the newest one of this flag.
    pub fn named(&self, name: &RolloutName) -> Option<&Neighbour> {
        self.0.get(name.as_str()).or_else(|| {
            let of_flag = self
                .0
                .values()
                .filter(|other| other.flag.as_str() == name.as_str());
            of_flag.max_by_key(|other| other.attempt)
        })
    }
}

/// Whether `other` concerns a rollout of `flag` that follows `plan`.
pub fn concerns(id: &RolloutId, flag: &FlagKey, plan: &Policy, other: &Neighbour) -> bool {
    if other.id == *id {
        return false;
    }
    let named = plan.dependencies.all().any(|(_, name)| other.is_called(name));
    let keeps_away = other
        .dependencies
        .not_with
        .iter()
        .any(|name| [id.as_str(), flag.as_str()].contains(&name.as_str()));
    let interlocked = !shared(&plan.interlock, &other.interlock).is_empty();
    named
        || other.is_live() && keeps_away
        || other.standing != Standing::Ended(Ending::Completed) && interlocked
}

/// What two rollouts have in common, one `label=value` each.
pub fn shared(one: &Labels, other: &Labels) -> Vec<String> {
    let common = |(name, values): (&String, &BTreeSet<String>)| {
        let others = other.0.get(name)?;
        Some((
            name.clone(),
            values.intersection(others).cloned().collect::<Vec<_>>(),
        ))
    };
    one.0
        .iter()
        .filter_map(common)
        .flat_map(|(name, values)| values.into_iter().map(move |value| format!("{name}={value}")))
        .collect()
}

/// Refuses a plan by which a rollout of `flag` would wait for itself, over others. `all` is every rollout
/// that is known.
///
/// # Errors
/// The way round.
pub fn check_cycle<'a>(
    flag: &FlagKey,
    plan: &Policy,
    all: impl IntoIterator<Item = &'a Neighbour>,
) -> Result<(), Refusal> {
    let live: BTreeMap<&str, &Neighbour> = all
        .into_iter()
        .filter(|other| other.is_live())
        .map(|other| (other.flag.as_str(), other))
        .collect();
    let flag_of = |name: &RolloutName| {
        let by_id = live.values().find(|other| other.id.as_str() == name.as_str());
        by_id.map_or_else(|| name.as_str().to_owned(), |other| other.flag.to_string())
    };
    let needs = |of: &Dependencies| -> Vec<(DependencyKind, String)> {
        of.needed().map(|(kind, name)| (kind, flag_of(name))).collect()
    };
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut ways: Vec<(String, Vec<String>)> = (needs(&plan.dependencies).into_iter())
        .map(|(kind, to)| (to.clone(), vec![format!("{flag} {kind} {to}")]))
        .collect();
    while let Some((at, way)) = ways.pop() {
        if at == flag.as_str() {
            return Err(Refusal::conflict(
                format!("it would wait for itself: {}", way.join(", ")),
                "take one of these out of its policy",
            ));
        }
        if !seen.insert(at.clone()) {
            continue;
        }
        for (kind, to) in live
            .get(at.as_str())
            .map(|other| needs(&other.dependencies))
            .into_iter()
            .flatten()
        {
            let step = format!("{at} {kind} {to}");
            ways.push((to, way.iter().cloned().chain([step]).collect()));
        }
    }
    Ok(())
}
