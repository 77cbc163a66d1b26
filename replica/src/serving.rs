//! The snapshot in force: swapped as a whole, never to an older one.

use crate::lists::{ListRefusal, ListShelf};
use crate::observations::Observations;
use crate::tally::{FlagCounts, Tallies};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tidegate_eval::{CompiledSnapshot, Evaluation, Explanation, Filling, Part, PreparedContext, Space};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::flag::{FlagStatus, FlagType, Visibility};
use tidegate_model::invalid::Invalid;
use tidegate_model::key::{EnvironmentKey, ExperimentKey, FlagKey};
use tidegate_model::snapshot::{
    DeltaRefusal, Digest, Snapshot, SnapshotContent, SnapshotFlag, SnapshotHeader, SnapshotRefusal, Version,
};
use tidegate_model::units::Lists;
use tokio::sync::watch;

/// Holds the snapshot in force. Readers never wait for a newer one being compiled.
#[derive(Debug)]
pub(crate) struct Serving {
    environment: EnvironmentKey,
    observations: Arc<Observations>,
    current: watch::Sender<Option<Arc<Served>>>,
}

/// A snapshot in force: compiled, with the counters of its flags.
#[derive(Debug)]
pub struct Served {
    header: SnapshotHeader,
    /// As it was carried: definitions are read again by those few who want them.
    content: Box<RawValue>,
    compiled: CompiledSnapshot,
    /// Those that are not archived first, sorted by key; then the archived ones.
    flags: Box<[ServedFlag]>,
    /// How many are not archived.
    listed: usize,
    places: HashMap<FlagKey, usize>,
    lists: Lists,
    /// Places of the flags that deal each experiment's arms, sorted by key.
    experiments: BTreeMap<ExperimentKey, Vec<usize>>,
    observations: Arc<Observations>,
    /// What it stands in for, when every rollout in it is shut.
    open: Option<Arc<Served>>,
    /// Counts what comes into force in this process, and is set then.
    turn: AtomicU64,
    /// Whether another form of the same version was in force before it.
    again: AtomicBool,
}

/// What is known of a flag beside its answers.
#[derive(Debug)]
pub struct ServedFlag {
    /// Its name.
    pub key: FlagKey,
    /// What its evaluations and events are counted on.
    pub counts: FlagCounts,
    /// The type of its values.
    pub kind: FlagType,
    /// Who may evaluate it.
    pub visibility: Visibility,
    /// The experiment whose arms it deals, whether it runs or not.
    pub experiment: Option<ExperimentKey>,
}

/// Why a snapshot that was offered is not served. What was served before stays in force.
#[derive(Debug, thiserror::Error)]
pub enum OfferRefusal {
    /// It is torn, altered, or of another environment.
    #[error(transparent)]
    Unfit(#[from] SnapshotRefusal),
    /// Nodes never go back (faults.md F65).
    #[error("version {offered} is not newer than {serving}, which is served")]
    NotNewer {
        /// What was offered.
        offered: Version,
        /// What is served.
        serving: Version,
    },
    /// It was offered as a way from what is held, and the way does not lead there.
    #[error(transparent)]
    NoWay(#[from] DeltaRefusal),
    /// It cannot be evaluated.
    #[error("the snapshot cannot be evaluated: {0}")]
    Uncompilable(Invalid),
    /// Lists of units that it names are not at hand.
    #[error("{} lists of units that the snapshot names are not at hand", .0.len())]
    ListsMissing(BTreeSet<Digest>),
    /// A list of units that it names is not what it should be.
    #[error(transparent)]
    BadList(#[from] ListRefusal),
}

impl OfferRefusal {
    /// The cause, as the label of `tidegate_node_refused_snapshots_total`.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Unfit(refusal) => refusal.cause(),
            Self::NoWay(refusal) => refusal.cause(),
            Self::NotNewer { .. } => "not_newer",
            Self::Uncompilable(_) => "uncompilable",
            Self::ListsMissing(_) => "list_missing",
            Self::BadList(_) => "list_altered",
        }
    }
}

impl Serving {
    pub(crate) fn nothing_yet(environment: EnvironmentKey, observations: Arc<Observations>) -> Self {
        Self {
            environment,
            observations,
            current: watch::Sender::new(None),
        }
    }

    /// What is in force.
    pub(crate) fn current(&self) -> Option<Arc<Served>> {
        self.current.borrow().clone()
    }

    /// The version in force.
    pub(crate) fn version(&self) -> Option<Version> {
        self.current.borrow().as_ref().map(|served| served.version())
    }

    /// Wakes when another snapshot comes into force.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Arc<Served>>> {
        self.current.subscribe()
    }

    /// The snapshot compiled, if it is whole, at home, newer than what is in force, its lists of units are
    /// at hand, and it can be evaluated.
    ///
    /// # Errors
    /// Why it must not come into force.
    pub(crate) fn compile(
        &self,
        snapshot: Snapshot,
        tallies: &Tallies,
        lists: &ListShelf,
    ) -> Result<Served, OfferRefusal> {
        let content = snapshot.open(&self.environment)?;
        newer(snapshot.header.version, self.version())?;
        let lists = lists
            .at_hand(&content.lists())
            .map_err(OfferRefusal::ListsMissing)?;
        let observations = Arc::clone(&self.observations);
        Served::new(snapshot, &content, tallies, lists, observations)
    }

    /// Puts a compiled snapshot in force.
    ///
    /// # Errors
    /// When a newer one came into force while this one was compiled.
    pub(crate) fn put_in_force(&self, served: Arc<Served>) -> Result<Version, OfferRefusal> {
        let mut outcome = Ok(served.version());
        self.current.send_if_modified(|current| {
            outcome = newer(served.version(), current.as_ref().map(|served| served.version()));
            if outcome.is_ok() {
                served.follow(current.as_deref(), false);
                *current = Some(Arc::clone(&served));
            }
            outcome.is_ok()
        });
        outcome
    }

    /// Puts another form of what is in force there, unless something else came into force meanwhile.
    pub(crate) fn replace(&self, of: &Arc<Served>, form: Arc<Served>) -> bool {
        self.current.send_if_modified(|current| {
            let same = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, of));
            if same {
                form.follow(Some(of), true);
                *current = Some(form);
            }
            same
        })
    }
}

fn newer(offered: Version, serving: Option<Version>) -> Result<Version, OfferRefusal> {
    match serving {
        Some(serving) if offered <= serving => Err(OfferRefusal::NotNewer { offered, serving }),
        _ => Ok(offered),
    }
}

impl Served {
    fn new(
        snapshot: Snapshot,
        content: &SnapshotContent,
        tallies: &Tallies,
        lists: Lists,
        observations: Arc<Observations>,
    ) -> Result<Self, OfferRefusal> {
        let compiled = CompiledSnapshot::compile_with(content, snapshot.header.version, &lists)
            .map_err(OfferRefusal::Uncompilable)?;
        let (mut listed, mut archived) = (Vec::new(), Vec::new());
        for SnapshotFlag { flag, .. } in &content.flags {
            let served = ServedFlag {
                key: flag.key().clone(),
                kind: flag.definition().kind,
                visibility: flag.definition().visibility,
                experiment: flag.definition().experiment.as_ref().map(|one| one.key.clone()),
                counts: tallies.of_flag(flag),
            };
            match flag.definition().status {
                FlagStatus::Archived => archived.push(served),
                _ => listed.push(served),
            }
        }
        // The order in which all flags are evaluated.
        listed.sort_by(|one, other| one.key.cmp(&other.key));
        let count = listed.len();
        listed.extend(archived);
        let mut experiments: BTreeMap<ExperimentKey, Vec<usize>> = BTreeMap::new();
        for (place, served) in listed.iter().enumerate() {
            if let Some(experiment) = &served.experiment {
                experiments.entry(experiment.clone()).or_default().push(place);
            }
        }
        let places = listed
            .iter()
            .enumerate()
            .map(|(place, flag)| (flag.key.clone(), place));
        Ok(Self {
            header: snapshot.header,
            content: snapshot.content,
            compiled,
            places: places.collect(),
            flags: listed.into(),
            experiments,
            observations,
            listed: count,
            lists,
            open: None,
            turn: AtomicU64::new(0),
            again: AtomicBool::new(false),
        })
    }

    /// The same with every rollout shut, so that the flags serve their safe variations; `None` when there is
    /// no rollout in it. Takes as long as compiling did.
    ///
    /// # Errors
    /// When it cannot be compiled, which was possible with the rollouts open.
    pub(crate) fn shut(self: &Arc<Self>, tallies: &Tallies) -> Result<Option<Self>, OfferRefusal> {
        let unreadable = |error: serde_json::Error| SnapshotRefusal::Unreadable(error.to_string());
        let mut content = self.definitions().map_err(unreadable)?;
        let mut rollouts = 0;
        for rollout in content.flags.iter_mut().filter_map(|flag| flag.rollout.as_mut()) {
            rollout.shut();
            rollouts += 1;
        }
        if rollouts == 0 {
            return Ok(None);
        }
        let header = &self.header;
        let previous = header.previous.clone();
        let snapshot = Snapshot::seal(&content, header.version, header.created, previous);
        let served = Self::new(
            snapshot.map_err(unreadable)?,
            &content,
            tallies,
            self.lists.clone(),
            Arc::clone(&self.observations),
        )?;
        Ok(Some(Self {
            open: Some(Arc::clone(self)),
            ..served
        }))
    }

    /// What it stands in for, when every rollout in it is shut.
    pub(crate) fn open_form(&self) -> Option<&Arc<Self>> {
        self.open.as_ref()
    }

    /// Whether every rollout in it is shut, because the node's lease is over: nobody who asks the control
    /// plane would know that it still serves a candidate.
    pub fn is_shut(&self) -> bool {
        self.open.is_some()
    }

    /// Grows with everything that comes into force in this process: two forms of one version have different
    /// turns.
    pub fn turn(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    /// Whether another form of the same version may have been in force before it, here or in the process
    /// before.
    pub fn is_another_form(&self) -> bool {
        self.is_shut() || self.again.load(Ordering::Relaxed)
    }

    fn follow(&self, before: Option<&Self>, again: bool) {
        let turn = before.map_or(0, |before| before.turn() + 1);
        self.turn.store(turn, Ordering::Relaxed);
        self.again.store(again, Ordering::Relaxed);
    }

    /// What identifies the snapshot.
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// Where in the history it stands.
    pub fn version(&self) -> Version {
        self.header.version
    }

    /// The flags and segments as they were published, read anew: for those who translate them. Takes
    /// as long as reading the snapshot did.
    ///
    /// # Errors
    /// When they cannot be read, which was found out before they came into force.
    pub fn definitions(&self) -> serde_json::Result<SnapshotContent> {
        serde_json::from_str(self.content.get())
    }

    /// The lists of units that its segments name.
    pub(crate) fn lists(&self) -> &Lists {
        &self.lists
    }

    /// The flags but the archived ones, sorted by key.
    pub fn listed(&self) -> &[ServedFlag] {
        self.flags.get(..self.listed).unwrap_or_default()
    }

    /// All flags, archived ones included.
    pub fn flags(&self) -> &[ServedFlag] {
        &self.flags
    }

    /// The flag of this name, archived ones included.
    pub fn flag(&self, key: &str) -> Option<&ServedFlag> {
        self.flags.get(*self.places.get(key)?)
    }

    /// Looks up the context's attributes once for any number of evaluations. `at` is the moment that
    /// conditions on time compare with.
    pub fn prepare<'c>(&self, context: &'c Context, at: Timestamp) -> PreparedContext<'c> {
        self.compiled.prepare(context, at)
    }

    /// Begins a prepared context that is given its attributes one by one.
    pub fn fill<'c>(&self, at: Timestamp) -> Filling<'_, 'c> {
        self.compiled.fill(Space::default(), at)
    }

    /// The answer for one flag, counted as served; a unit that takes part in an experiment is recorded.
    pub fn serve(&self, flag: &str, context: &PreparedContext<'_>) -> Evaluation<'_> {
        let evaluation = self.compiled.evaluate(flag, context);
        if let Some(flag) = self.flag(flag) {
            flag.counts.exposed_at(evaluation.variation_place());
        }
        self.expose(&evaluation, context);
        evaluation
    }

    /// Records that the unit of a context met its arm, if an experiment decided. For answers that somebody acts upon;
    /// never waits, never fails.
    #[inline]
    pub fn expose(&self, evaluation: &Evaluation<'_>, context: &PreparedContext<'_>) {
        if let Some(dealt) = evaluation.dealt() {
            self.observations.expose(&dealt, context);
        }
    }

    /// The flags that deal an experiment's arms, sorted by key; whether it runs or not.
    pub fn flags_of_experiment(&self, experiment: &str) -> impl Iterator<Item = &ServedFlag> {
        let places = self.experiments.get(experiment).into_iter().flatten();
        places.filter_map(|place| self.flags.get(*place))
    }

    /// What part a context has in the experiment of a flag.
    pub fn part(&self, flag: &str, context: &PreparedContext<'_>) -> Part {
        self.compiled.part(flag, context)
    }

    /// The answer for one flag as if its experiment did not run, not counted.
    pub fn evaluate_without_experiment(&self, flag: &str, context: &PreparedContext<'_>) -> Evaluation<'_> {
        self.compiled.evaluate_without_experiment(flag, context)
    }

    /// The units of a context: its targeting key, and every other attribute that a flag deals by.
    pub fn units(&self, context: &PreparedContext<'_>) -> Vec<String> {
        self.compiled.units(context)
    }

    /// The answer for one flag, not counted.
    pub fn evaluate(&self, flag: &str, context: &PreparedContext<'_>) -> Evaluation<'_> {
        self.compiled.evaluate(flag, context)
    }

    /// The answers for all [listed](Self::listed) flags, in their order, not counted.
    pub fn evaluate_all(
        &self,
        context: &PreparedContext<'_>,
    ) -> impl Iterator<Item = (&ServedFlag, Evaluation<'_>)> {
        self.listed().iter().zip(self.compiled.evaluate_all(context))
    }

    /// The answer for one flag with everything that led to it, not counted.
    pub fn explain<'a>(&'a self, flag: &'a str, context: &'a PreparedContext<'_>) -> Explanation<'a> {
        self.compiled.explain(flag, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Counters;
    use tidegate_model::environment::Bucketing;

    fn snapshot(environment: &str, version: &str) -> Snapshot {
        let content = SnapshotContent {
            environment: EnvironmentKey::new(environment).unwrap(),
            bucketing: Bucketing::default(),
            flags: vec![],
            segments: vec![],
            staged: Vec::new(),
            drill: None,
        };
        Snapshot::seal(&content, version.parse().unwrap(), Timestamp::default(), None).unwrap()
    }

    fn serving() -> (Serving, Tallies) {
        let environment = EnvironmentKey::new("production").unwrap();
        let counters = Arc::new(Counters::new(&environment).unwrap());
        let observations = Observations::open(None, 1 << 20, &counters).unwrap();
        let serving = Serving::nothing_yet(environment, Arc::new(observations));
        (serving, Tallies::new(counters))
    }

    fn offer(serving: &Serving, snapshot: Snapshot, tallies: &Tallies) -> Result<Version, OfferRefusal> {
        let served = serving.compile(snapshot, tallies, &ListShelf::new(None))?;
        serving.put_in_force(Arc::new(served))
    }

    #[test]
    fn f65_only_newer_versions_come_into_force() {
        let (serving, tallies) = serving();
        for (version, taken) in [
            ("1.5", true),
            ("1.5", false),
            ("1.4", false),
            ("1.6", true),
            ("2.1", true),
            ("1.9", false),
        ] {
            let before = serving.version();
            let outcome = offer(&serving, snapshot("production", version), &tallies);
            assert_eq!(outcome.is_ok(), taken, "{version}");
            match outcome {
                Ok(version) => assert_eq!(serving.version(), Some(version)),
                Err(refusal) => {
                    assert_eq!(refusal.cause(), "not_newer");
                    assert_eq!(serving.version(), before);
                }
            }
        }
    }

    #[test]
    fn f64_unfit_snapshots_are_refused_by_cause() {
        let (serving, tallies) = serving();
        let other = offer(&serving, snapshot("staging", "1.1"), &tallies).unwrap_err();
        assert_eq!(other.cause(), "other_environment");
        let text = serde_json::to_string(&snapshot("production", "1.1")).unwrap();
        let altered = serde_json::from_str(&text.replace("\"flags\":[]", "\"flags\": []")).unwrap();
        assert_eq!(offer(&serving, altered, &tallies).unwrap_err().cause(), "altered");
        assert_eq!(serving.version(), None);
    }

    /// The dead man's lease: whoever has a staged edit of a segment loses it with the rollout that guards it.
    #[test]
    fn shut_rollouts_shut_edits_of_segments_too() {
        let (serving, tallies) = serving();
        let content: SnapshotContent = serde_json::from_value(serde_json::json!({
            "environment": "production",
            "segments": [{"key": "beta", "included": ["ada"]}],
            "staged": [{"definition": {"key": "beta", "included": ["bob"]}, "guard": "segment.beta",
                "rollout": "segment.beta.1", "policy": "canary"}],
            "flags": [{
                "flag": {"key": "segment.beta", "type": "boolean", "fallback": {"variation": "before"},
                    "variations": [{"key": "before", "value": false}, {"key": "after", "value": true}]},
                "rollout": {"rollout": "segment.beta.1", "revision": 1, "candidate": "after", "safe": "before",
                    "share": 100},
            }],
        }))
        .unwrap();
        let snapshot = Snapshot::seal(&content, "1.1".parse().unwrap(), Timestamp::default(), None).unwrap();
        let served = serving
            .compile(snapshot, &tallies, &ListShelf::new(None))
            .unwrap();
        let members = |served: &Served| {
            ["ada", "bob"].map(|unit| {
                let context = Context::of_unit(unit);
                let prepared = served.compiled.prepare(&context, Timestamp::default());
                served.compiled.in_segment("beta", &prepared)
            })
        };
        let served = Arc::new(served);
        assert_eq!(members(&served), [Some(false), Some(true)]);
        let shut = served.shut(&tallies).unwrap().unwrap();
        assert_eq!(members(&shut), [Some(true), Some(false)]);
    }

    #[test]
    fn racing_offers_end_with_the_newest() {
        let (serving, tallies) = serving();
        std::thread::scope(|scope| {
            for start in 1..=4 {
                let (serving, tallies) = (&serving, &tallies);
                scope.spawn(move || {
                    for number in (start..=200).step_by(4) {
                        let _ = offer(serving, snapshot("production", &format!("1.{number}")), tallies);
                    }
                });
            }
        });
        assert_eq!(
            serving.version(),
            Some(Version {
                epoch: 1,
                number: 200
            })
        );
    }
}
