//! The only writer of an environment's snapshots.

use crate::control::Published;
use crate::fleet::{Concerned, Nodes};
use crate::shell::{Environment, Shell};
use crate::waiting::Waiting;
use actix::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use tidegate_decide::rollout::Fleet;
use tidegate_model::Timestamp;
use tidegate_model::fleet::{NodeReport, NodeView, Receipt};
use tidegate_model::key::{EnvironmentKey, FlagKey, NodeName, RolloutId};
use tidegate_model::snapshot::{Snapshot, SnapshotContent, Version};
use tidegate_model::span::Span;
use tokio::task::spawn_blocking;

mod content;
mod gate;
mod lists;

pub(crate) use content::Content;
use content::read_since;
use gate::Candidate;

/// How often the journal is looked at unasked: a nudge that got lost costs this much, not for ever.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(1);

/// Look at the journal.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Nudge;

/// The signing keys changed: what is published has to be signed with the one that signs now.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SignAgain;

/// A node said something of itself.
#[derive(Message)]
#[rtype(result = "Receipt")]
pub(crate) struct Heard(pub(crate) NodeReport);

/// These flags may vanish, if they are the ones that wait. Says whether they are.
#[derive(Message)]
#[rtype(result = "bool")]
pub(crate) struct Confirm(pub(crate) BTreeSet<FlagKey>);

/// Which nodes are there?
#[derive(Message)]
#[rtype(result = "Vec<NodeView>")]
pub(crate) struct ListNodes;

/// Tell this rollout's actor what the nodes serve of it, now and whenever it changes.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Attach {
    pub(crate) rollout: RolloutId,
    /// When the rollout began.
    pub(crate) started: Timestamp,
    pub(crate) recipient: Recipient<FleetMoved>,
}

/// What the nodes serve of a rollout has changed.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub(crate) struct FleetMoved(pub(crate) Fleet);

/// The only writer of an environment's snapshots.
pub(crate) struct Publisher {
    shell: Arc<Shell>,
    environment: EnvironmentKey,
    content: Content,
    /// The journal up to here is in `content`.
    seen: u64,
    /// Something is being read, or passes the gate: one after the other, so that what is published is what was
    /// read, and changes that come meanwhile are published together.
    busy: bool,
    /// The keys changed while a snapshot passed the gate.
    sign_again: bool,
    waiting: Waiting,
    nodes: Nodes,
    /// Nodes whose clock is wrong, as was told last.
    wrong_clocks: BTreeSet<NodeName>,
    attached: BTreeMap<RolloutId, Attached>,
    lease_timer: Option<SpawnHandle>,
}

struct Attached {
    started: Timestamp,
    recipient: Recipient<FleetMoved>,
    told: Option<Fleet>,
}

impl Attached {
    /// Tells what the nodes serve of the rollout, if that is not what was told last.
    fn tell(&mut self, id: &RolloutId, nodes: &Nodes, now: Timestamp) {
        let fleet = nodes.fleet(id, self.started, now);
        // How much each node carries changes all the time, and is news only with other news.
        let news = self.told.as_ref().is_none_or(|told| {
            (told.published, told.all_heard, &told.live) != (fleet.published, fleet.all_heard, &fleet.live)
        });
        if news {
            self.recipient.do_send(FleetMoved(fleet.clone()));
            self.told = Some(fleet);
        }
    }
}

impl Publisher {
    pub(crate) fn new(shell: Arc<Shell>, environment: EnvironmentKey, content: Content, seen: u64) -> Self {
        let nodes = Nodes::listening_since(shell.clock.now());
        Self {
            shell,
            environment,
            content,
            seen,
            busy: false,
            sign_again: false,
            waiting: Waiting::default(),
            nodes,
            wrong_clocks: BTreeSet::new(),
            attached: BTreeMap::new(),
            lease_timer: None,
        }
    }

    fn home(&self) -> Option<&Environment> {
        self.shell.environments.get(&self.environment)
    }

    /// What was published last.
    fn last(&self) -> Option<Arc<Published>> {
        self.home().and_then(|home| home.published.borrow().clone())
    }

    fn read_journal(&mut self, ctx: &mut Context<Self>) {
        let missing = self.content.missing_lists();
        if self.busy || (self.shell.store.head() <= self.seen && missing.is_empty()) {
            return;
        }
        self.busy = true;
        let (store, environment, seen) = (self.shell.store.clone(), self.environment.clone(), self.seen);
        let known = self.content.lists.keys().cloned().collect();
        let reading = async move { read_since(store.as_ref(), &environment, seen, missing, known).await };
        ctx.spawn(reading.into_actor(self).map(|news, publisher, ctx| {
            publisher.busy = false;
            match news {
                Ok(news) => {
                    publisher.seen = news.head;
                    let nothing_new = news.states.is_empty() && news.lists.is_empty();
                    for (entity, state) in news.states {
                        publisher.content.take(&entity, state);
                    }
                    publisher.content.take_lists(news.lists);
                    if !nothing_new {
                        publisher.publish(ctx);
                    }
                    // What is missing is looked for again at the next sweep, not at once.
                    if publisher.shell.store.head() > publisher.seen {
                        publisher.read_journal(ctx);
                    }
                }
                Err(error) => tracing::error!(%error, "the journal cannot be read; publishing waits"),
            }
        }));
    }

    /// Publishes what is known, if it differs from what was published last.
    fn publish(&mut self, ctx: &mut Context<Self>) {
        let kept = self.waiting.keep(&self.content.flags);
        let content = Arc::new(self.content.snapshot(&self.environment, &kept));
        self.tell_waiting();
        let Some(key) = self.shell.keys.signing() else {
            self.refused("there is no key to sign it with");
            return;
        };
        let candidate = Candidate {
            content: Arc::clone(&content),
            lists: self.content.lists.clone(),
            flagd: self.content.settings.flagd,
            version: Version {
                epoch: self.shell.store.epoch(),
                number: self.seen,
            },
            created: self.shell.clock.now(),
            before: self.last().map(|published| published.header.clone()),
            key,
        };
        let shell = Arc::clone(&self.shell);
        let passing = spawn_blocking(move || candidate.pass(&shell.measures));
        self.busy = true;
        ctx.spawn(passing.into_actor(self).map(move |passed, publisher, ctx| {
            publisher.busy = false;
            match passed {
                Ok(Ok(Some(published))) => publisher.send_out(published, &content, ctx),
                Ok(Ok(None)) => {}
                Ok(Err(why)) => publisher.refused(&why),
                Err(panic) => publisher.refused(&panic.to_string()),
            }
            if std::mem::take(&mut publisher.sign_again) {
                publisher.sign_again();
            }
            publisher.read_journal(ctx);
        }));
    }

    fn send_out(&mut self, published: Published, content: &SnapshotContent, ctx: &mut Context<Self>) {
        let version = published.header.version;
        self.waiting.note(content.flags.iter().map(|one| &one.flag));
        // Nothing is read while a snapshot passes the gate: these are the splits that are in it.
        let splits = self.content.splits.values();
        let splits = splits
            .map(|split| (split.rollout.clone(), split.revision))
            .collect();
        let concerned = self.nodes.publish(version, &splits, self.shell.clock.now());
        let measures = &self.shell.measures;
        measures
            .publishes
            .with_label_values(&[self.environment.as_str()])
            .inc();
        let number = i64::try_from(version.number).unwrap_or(i64::MAX);
        measures
            .version
            .with_label_values(&[self.environment.as_str()])
            .set(number);
        if let Some(home) = self.home() {
            home.published.send_replace(Some(Arc::new(published)));
        }
        self.tell_rollouts(&concerned, ctx);
    }

    fn refused(&self, why: &str) {
        self.shell.measures.refused_publishes.inc();
        tracing::error!(environment = %self.environment, why, "snapshot refused by the publish gate");
    }

    /// Says which flags wait for somebody's word.
    fn tell_waiting(&self) {
        let held = self.waiting.held();
        let measures = &self.shell.measures;
        let gauge = measures
            .waiting_flags
            .with_label_values(&[self.environment.as_str()]);
        gauge.set(i64::try_from(held.len()).unwrap_or(i64::MAX));
        if let Some(home) = self.home() {
            let mut told = home.waiting.write().unwrap_or_else(PoisonError::into_inner);
            if *told != held && !held.is_empty() {
                tracing::warn!(environment = %self.environment, flags = held.len(),
                    "many flags vanish at once; they are published as they were until somebody confirms");
            }
            *told = held;
        }
    }

    /// Tells the rollouts that are concerned what the nodes serve of them, if that has changed; and all again when
    /// the next lease ends.
    fn tell_rollouts(&mut self, concerned: &Concerned, ctx: &mut Context<Self>) {
        let now = self.shell.clock.now();
        match concerned {
            Concerned::All => {
                self.attached
                    .retain(|_id, attached| attached.recipient.connected());
                for (id, attached) in &mut self.attached {
                    attached.tell(id, &self.nodes, now);
                }
            }
            Concerned::These(rollouts) => {
                for id in rollouts {
                    if let Some(attached) = self.attached.get_mut(id) {
                        attached.tell(id, &self.nodes, now);
                    }
                }
            }
        }
        let live = i64::try_from(self.nodes.live(now)).unwrap_or(i64::MAX);
        self.shell
            .measures
            .nodes
            .live
            .with_label_values(&[self.environment.as_str()])
            .set(live);
        self.await_lease_end(now, ctx);
    }

    /// When the next lease ends, the rollouts are told, unless the lease was made longer meanwhile.
    fn await_lease_end(&mut self, since: Timestamp, ctx: &mut Context<Self>) {
        if let Some(timer) = self.lease_timer.take() {
            ctx.cancel_future(timer);
        }
        self.lease_timer = self.nodes.next_lease_end(since).map(|end| {
            let wait = Span::between(since, end).duration();
            ctx.run_later(wait, move |publisher, ctx| {
                let now = publisher.shell.clock.now();
                match publisher.nodes.has_ended(since, now) {
                    true => publisher.tell_rollouts(&Concerned::All, ctx),
                    false => publisher.await_lease_end(now, ctx),
                }
            })
        });
    }

    /// Says whose clock is wrong, once (faults.md F39).
    fn tell_wrong_clocks(&mut self, now: Timestamp) {
        let wrong: BTreeSet<NodeName> = self.nodes.wrong_clocks(now).cloned().collect();
        if wrong == self.wrong_clocks {
            return;
        }
        for node in wrong.difference(&self.wrong_clocks) {
            tracing::warn!(environment = %self.environment, %node, "a node's clock is more than 30 s off");
        }
        self.shell
            .measures
            .nodes
            .wrong_clocks
            .with_label_values(&[self.environment.as_str()])
            .set(i64::try_from(wrong.len()).unwrap_or(i64::MAX));
        self.wrong_clocks = wrong;
    }

    fn sign_again(&self) {
        let (Some(home), Some(published), Some(key)) = (self.home(), self.last(), self.shell.keys.signing())
        else {
            return;
        };
        let signed = serde_json::from_slice::<Snapshot>(&published.bytes).and_then(|snapshot| {
            let snapshot = snapshot.signed(&key);
            let bytes = serde_json::to_vec(&snapshot)?.into();
            let header = snapshot.header;
            Ok(Published { header, bytes })
        });
        match signed {
            Ok(signed) => drop(home.published.send_replace(Some(Arc::new(signed)))),
            Err(error) => tracing::error!(%error, "what is published cannot be signed again"),
        }
    }

    fn sweep(&mut self, ctx: &mut Context<Self>) {
        self.read_journal(ctx);
        ctx.run_later(SWEEP, Self::sweep);
    }
}

impl Actor for Publisher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.publish(ctx);
        self.await_lease_end(self.shell.clock.now(), ctx);
        self.sweep(ctx);
    }
}

impl Handler<Nudge> for Publisher {
    type Result = ();

    fn handle(&mut self, _nudge: Nudge, ctx: &mut Self::Context) {
        self.read_journal(ctx);
    }
}

impl Handler<SignAgain> for Publisher {
    type Result = ();

    fn handle(&mut self, _: SignAgain, _ctx: &mut Self::Context) {
        if self.busy {
            self.sign_again = true;
        } else {
            self.sign_again();
        }
    }
}

impl Handler<Heard> for Publisher {
    type Result = MessageResult<Heard>;

    fn handle(&mut self, Heard(report): Heard, ctx: &mut Self::Context) -> Self::Result {
        let now = self.shell.clock.now();
        if let Some(home) = self.home() {
            home.ingest.fold(&report, now, &self.shell.measures);
        }
        let concerned = self.nodes.hear(&report, now);
        self.tell_wrong_clocks(now);
        if concerned != Concerned::These(BTreeSet::new()) {
            self.tell_rollouts(&concerned, ctx);
        }
        MessageResult(Receipt {
            newest: self.last().map(|published| published.header.version),
        })
    }
}

impl Handler<Confirm> for Publisher {
    type Result = bool;

    fn handle(&mut self, Confirm(flags): Confirm, _ctx: &mut Self::Context) -> bool {
        // They go with the next version: that somebody confirmed is in the journal then.
        self.waiting.confirm(&flags)
    }
}

impl Handler<ListNodes> for Publisher {
    type Result = MessageResult<ListNodes>;

    fn handle(&mut self, _list: ListNodes, _ctx: &mut Self::Context) -> Self::Result {
        let newest = self
            .home()
            .and_then(|home| home.published.borrow().as_ref().map(|one| one.header.version));
        MessageResult(self.nodes.views(newest, self.shell.clock.now()))
    }
}

impl Handler<Attach> for Publisher {
    type Result = ();

    fn handle(&mut self, attach: Attach, _ctx: &mut Self::Context) {
        let Attach {
            rollout,
            started,
            recipient,
        } = attach;
        let known = self.attached.get(&rollout);
        if known.is_some_and(|attached| attached.recipient == recipient) {
            return;
        }
        let mut attached = Attached {
            started,
            recipient,
            told: None,
        };
        attached.tell(&rollout, &self.nodes, self.shell.clock.now());
        self.attached.insert(rollout, attached);
    }
}
