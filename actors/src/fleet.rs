//! Which nodes there are and what each of them serves: intended and observed, kept apart.

mod issued;

use issued::Issued;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_decide::rollout::Fleet;
use tidegate_model::Timestamp;
use tidegate_model::fleet::{CLOCK_OFF_MAX_MS, NODE_LEASE_SECONDS, NodeHealth, NodeReport, NodeView};
use tidegate_model::key::{NodeName, Revision, RolloutId};
use tidegate_model::snapshot::Version;
use tidegate_model::span::Span;

/// The nodes of one environment.
#[derive(Debug)]
pub(crate) struct Nodes {
    /// Since when nodes are being listened to: one that has been silent since may still be out there.
    listening_since: Timestamp,
    seen: BTreeMap<NodeName, Seen>,
    issued: Issued,
}

/// The rollouts of which nodes serve something else than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Concerned {
    /// At most these.
    These(BTreeSet<RolloutId>),
    /// Possibly all.
    All,
}

#[derive(Debug, Clone)]
struct Seen {
    serving: Option<Version>,
    health: Option<NodeHealth>,
    via: Vec<NodeName>,
    last: Timestamp,
}

impl Nodes {
    pub(crate) fn listening_since(now: Timestamp) -> Self {
        Self {
            listening_since: now,
            seen: BTreeMap::new(),
            issued: Issued::default(),
        }
    }

    /// A version was published with these splits.
    pub(crate) fn publish(
        &mut self,
        version: Version,
        splits: &BTreeMap<RolloutId, Revision>,
        at: Timestamp,
    ) -> Concerned {
        let (moved, forgotten) = self.issued.publish(version, splits, at);
        let serves_forgotten = |seen: &Seen| seen.serving.is_some() && seen.serving == forgotten;
        match self.seen.values().any(serves_forgotten) {
            true => Concerned::All,
            false => Concerned::These(moved),
        }
    }

    /// A node said something of itself.
    pub(crate) fn hear(&mut self, report: &NodeReport, now: Timestamp) -> Concerned {
        let seen = Seen {
            serving: report.serving,
            health: report.health,
            via: report.via.clone(),
            last: now,
        };
        let before = self.seen.insert(report.node.clone(), seen);
        let Some(before) = before.filter(|before| is_live(before, now)) else {
            return Concerned::All;
        };
        if before.serving == report.serving {
            return Concerned::These(BTreeSet::new());
        }
        let moved = before.serving.zip(report.serving);
        let moved = moved.and_then(|(before, serving)| self.issued.between(before, serving));
        moved.map_or(Concerned::All, Concerned::These)
    }

    /// Whether a lease that ran at `since` has ended at `now`.
    pub(crate) fn has_ended(&self, since: Timestamp, now: Timestamp) -> bool {
        let last = self.seen.values().map(|seen| seen.last);
        let mut ends = last.chain([self.listening_since]).map(|last| lease().after(last));
        ends.any(|end| since < end && end <= now)
    }

    /// When the next lease ends, if any runs.
    pub(crate) fn next_lease_end(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self
            .seen
            .values()
            .filter(|seen| is_live(seen, now))
            .map(|seen| lease().after(seen.last));
        let settled = lease().after(self.listening_since);
        ends.chain((settled > now).then_some(settled)).min()
    }

    /// What the nodes serve of one rollout, which began at `started`.
    pub(crate) fn fleet(&self, rollout: &RolloutId, started: Timestamp, now: Timestamp) -> Fleet {
        let serves = |seen: &Seen| match seen.serving {
            Some(version) => self.issued.revision(rollout, version),
            None => Revision::ABSENT,
        };
        let live = self.seen.iter().filter(|(_name, seen)| is_live(seen, now));
        Fleet {
            published: self.issued.newest(rollout),
            requests: live
                .clone()
                .map(|(name, seen)| (name.clone(), requests(seen)))
                .collect(),
            live: live.map(|(name, seen)| (name.clone(), serves(seen))).collect(),
            // Who began to serve the rollout after that has been heard of: a node reports before it
            // pulls.
            all_heard: started >= self.listening_since || now >= lease().after(self.listening_since),
        }
    }

    /// Live nodes whose clock is wrong.
    pub(crate) fn wrong_clocks(&self, now: Timestamp) -> impl Iterator<Item = &NodeName> {
        let wrong = move |seen: &Seen| is_live(seen, now) && clock_off(seen).is_some_and(is_wrong);
        self.seen
            .iter()
            .filter(move |(_, seen)| wrong(seen))
            .map(|(name, _)| name)
    }

    /// How many are live.
    pub(crate) fn live(&self, now: Timestamp) -> usize {
        self.seen.values().filter(|seen| is_live(seen, now)).count()
    }

    /// All nodes heard of, sorted by name.
    pub(crate) fn views(&self, newest: Option<Version>, now: Timestamp) -> Vec<NodeView> {
        let view = |(name, seen): (&NodeName, &Seen)| NodeView {
            name: name.clone(),
            serving: seen.serving,
            current: seen.serving.is_some() && seen.serving == newest,
            behind_ms: self.behind(seen.serving, now),
            health: seen.health,
            hop_lag_ms: self.hop_lag(seen),
            clock_off_ms: clock_off(seen),
            via: seen.via.clone(),
            last_seen: seen.last,
            live: is_live(seen, now),
        };
        self.seen.iter().map(view).collect()
    }

    /// Since when something is published that who serves this version does not serve, in
    /// milliseconds.
    fn behind(&self, serving: Option<Version>, now: Timestamp) -> Option<i64> {
        let remembered = serving.is_some_and(|version| self.issued.remembers(version));
        match self.issued.missed_since(serving) {
            None => Some(0),
            Some(at) if remembered => Some((now - at).num_milliseconds()),
            Some(_) => None,
        }
    }

    /// How much later than its upstream a node served what both serve.
    fn hop_lag(&self, seen: &Seen) -> Option<i64> {
        let took = |seen: &Seen| seen.health?.propagation_ms;
        let Some(upstream) = seen.via.first() else {
            return took(seen);
        };
        let upstream = self.seen.get(upstream)?;
        (upstream.serving == seen.serving).then_some(())?;
        Some(took(seen)? - took(upstream)?)
    }
}

/// How far a node's clock was before ours when it was last heard of, in milliseconds.
fn clock_off(seen: &Seen) -> Option<i64> {
    let clock = seen.health?.clock?;
    Some((clock - seen.last).num_milliseconds())
}

fn is_wrong(off: i64) -> bool {
    off.abs() > CLOCK_OFF_MAX_MS
}

/// Evaluations a minute, as a node reported them last.
fn requests(seen: &Seen) -> u64 {
    let rate = seen
        .health
        .map_or(0.0, |health| health.evaluations_per_second * 60.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and casts of floats saturate"
    )]
    let whole = rate.max(0.0).round() as u64;
    whole
}

fn lease() -> Span {
    Span::seconds(NODE_LEASE_SECONDS)
}

fn is_live(seen: &Seen, now: Timestamp) -> bool {
    now < lease().after(seen.last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::fleet::{BreakerState, NodeState};

    fn at(seconds: u64) -> Timestamp {
        Span::seconds(seconds).after(Timestamp::default())
    }

    fn version(number: u64) -> Version {
        Version { epoch: 1, number }
    }

    fn report(name: &str, serving: Option<u64>) -> NodeReport {
        NodeReport {
            node: NodeName::new(name).unwrap(),
            instance: "i".to_owned(),
            batch: 0,
            serving: serving.map(version),
            health: None,
            via: Vec::new(),
            tallies: vec![],
        }
    }

    #[test]
    fn f48_a_silent_node_counts_until_its_lease_ends() {
        let rollout = RolloutId::new("f.1").unwrap();
        let before = Span::seconds(9).before(at(0));
        let mut nodes = Nodes::listening_since(at(0));
        nodes.publish(
            version(4),
            &BTreeMap::from([(rollout.clone(), Revision(2))]),
            at(0),
        );
        nodes.publish(
            version(7),
            &BTreeMap::from([(rollout.clone(), Revision(5))]),
            at(0),
        );
        let moved = |moved: &[&RolloutId]| Concerned::These(moved.iter().copied().cloned().collect());
        assert_eq!(
            nodes.hear(&report("a", Some(7)), at(1)),
            Concerned::All,
            "a new one"
        );
        assert_eq!(
            nodes.hear(&report("a", Some(7)), at(2)),
            moved(&[]),
            "a mere sign of life"
        );
        assert_eq!(nodes.hear(&report("b", Some(7)), at(3)), Concerned::All);
        assert_eq!(nodes.hear(&report("b", Some(4)), at(3)), moved(&[&rollout]));
        assert_eq!(nodes.hear(&report("c", None), at(3)), Concerned::All);
        let revisions = |fleet: Fleet| {
            fleet
                .live
                .into_values()
                .map(|revision| revision.0)
                .collect::<Vec<_>>()
        };
        let fleet = nodes.fleet(&rollout, before, at(10));
        assert_eq!((fleet.published, fleet.all_heard), (Revision(5), false));
        assert_eq!(revisions(fleet), [5, 2, 0]);
        assert_eq!(nodes.next_lease_end(at(10)), Some(at(60)));
        nodes.hear(&report("a", Some(7)), at(30));
        let fleet = nodes.fleet(&rollout, before, at(63));
        assert!(fleet.all_heard);
        assert!(
            nodes.fleet(&rollout, at(1), at(10)).all_heard,
            "begun after listening began"
        );
        assert_eq!(revisions(fleet), [5]);
        assert_eq!(nodes.next_lease_end(at(63)), Some(at(90)));
        assert!(nodes.has_ended(at(62), at(63)), "the one of b");
        assert!(!nodes.has_ended(at(63), at(64)));
        assert_eq!(
            nodes.hear(&report("b", Some(4)), at(64)),
            Concerned::All,
            "back from the dead"
        );
        assert_eq!(nodes.live(at(64)), 2);
    }

    #[test]
    fn how_far_each_node_and_each_hop_is_behind_is_known() {
        let mut nodes = Nodes::listening_since(at(0));
        for (number, seconds) in [(4, 10), (7, 20), (9, 30)] {
            nodes.publish(version(number), &BTreeMap::new(), at(seconds));
        }
        let mut hear = |name: &str, serving: Option<u64>, via: &[&str], took: Option<i64>| {
            let health = took.map(|took| NodeHealth {
                state: NodeState::Current,
                breaker: BreakerState::Closed,
                evaluations_per_second: 1.5,
                propagation_ms: Some(took),
                clock: None,
            });
            let via = via.iter().map(|name| NodeName::new(name).unwrap()).collect();
            let said = NodeReport {
                health,
                via,
                ..report(name, serving)
            };
            nodes.hear(&said, at(31));
        };
        hear("a", Some(9), &[], Some(12));
        hear("b", Some(9), &["a"], Some(40));
        hear("c", Some(4), &["b", "a"], Some(7));
        hear("d", None, &[], None);
        hear("e", Some(3), &["gone"], Some(1));
        let views = nodes.views(Some(version(9)), at(32));
        let lags: Vec<_> = views
            .iter()
            .map(|view| {
                (
                    view.name.as_str(),
                    view.behind_ms,
                    view.hop_lag_ms,
                    view.via.len(),
                )
            })
            .collect();
        assert_eq!(
            lags,
            [
                ("a", Some(0), Some(12), 0),
                ("b", Some(0), Some(28), 1),
                // The first version that it misses was published 12 s ago.
                ("c", Some(12_000), None, 2),
                ("d", None, None, 0),
                ("e", None, None, 1),
            ]
        );
    }

    #[test]
    fn f39_a_clock_that_is_wrong_is_seen_and_decides_nothing() {
        let mut nodes = Nodes::listening_since(at(0));
        let mut hear = |name: &str, clock: Timestamp| {
            let health = NodeHealth {
                state: NodeState::Current,
                breaker: BreakerState::Closed,
                evaluations_per_second: 1.0,
                propagation_ms: None,
                clock: Some(clock),
            };
            let said = NodeReport {
                health: Some(health),
                ..report(name, Some(1))
            };
            nodes.hear(&said, at(100));
        };
        hear("ahead", at(131));
        hear("behind", at(69));
        hear("late", at(71));
        hear("right", at(100));
        let wrong: Vec<&str> = nodes.wrong_clocks(at(101)).map(NodeName::as_str).collect();
        assert_eq!(wrong, ["ahead", "behind"]);
        let off: Vec<Option<i64>> = nodes
            .views(None, at(101))
            .iter()
            .map(|view| view.clock_off_ms)
            .collect();
        assert_eq!(off, [Some(31_000), Some(-31_000), Some(-29_000), Some(0)]);
        assert_eq!(nodes.live(at(159)), 4, "leases run by the clock of who hears");
        assert_eq!(nodes.live(at(160)), 0);
        assert_eq!(nodes.wrong_clocks(at(160)).count(), 0);
    }
}
