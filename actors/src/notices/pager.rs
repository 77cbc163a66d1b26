//! Keeps one Alertmanager told of what wants a person: again while it does, and once more when it is over.

use super::Target;
use super::courier::jitter;
use super::post::Outcome;
use crate::shell::Shell;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidegate_decide::alert_out::{Standing, standing};
use tidegate_decide::notice::is_told;
use tidegate_model::Timestamp;
use tidegate_model::change::{EntityRef, EntityState, Kind};
use tidegate_model::rollout::Rollout;
use tidegate_model::span::Span;
use tidegate_store::StoreError;

/// How often what still stands is sent again, as Prometheus does.
const AGAIN: Span = Span::seconds(60);
/// After how long an Alertmanager takes an alert for over when nothing more is heard of it: four times
/// [`AGAIN`], so that a lost message or two change nothing, and a Tidegate that is gone leaves no alert
/// behind. The end of an alert is repeated for as long.
const LASTS: Span = Span::seconds(240);
/// The longest wait before something that did not arrive is sent again.
const WAIT_LONGEST: Duration = Duration::from_secs(10);
/// Records read at once.
const RECORDS_AT_ONCE: usize = 1000;
/// Most alerts in one request.
const ALERTS_AT_ONCE: usize = 500;

type Labels = BTreeMap<String, String>;

/// An alert as Alertmanager's API takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted<'a> {
    labels: &'a Labels,
    annotations: BTreeMap<&'static str, &'a str>,
    starts_at: Timestamp,
    ends_at: Timestamp,
}

struct Pager {
    shell: Arc<Shell>,
    target: Target,
    /// The rollouts of which something may stand.
    rollouts: BTreeMap<EntityRef, Rollout>,
    seen: u64,
    /// What stands.
    standing: BTreeMap<Labels, Standing>,
    /// What is over, and since when.
    over: BTreeMap<Labels, (Standing, Timestamp)>,
}

/// Keeps an Alertmanager told until the process ends.
pub(super) async fn run(shell: Arc<Shell>, target: Target) {
    let mut committed = shell.committed.subscribe();
    let mut pager = Pager {
        seen: shell.store.head(),
        shell,
        target,
        rollouts: BTreeMap::new(),
        standing: BTreeMap::new(),
        over: BTreeMap::new(),
    };
    let mut loaded = false;
    let mut next = Timestamp::MIN_UTC;
    loop {
        let now = pager.shell.clock.now();
        let read = if loaded {
            pager.read().await
        } else {
            pager.load().await
        };
        match read {
            Ok(()) => {
                loaded = true;
                if pager.look(now) || next <= now {
                    next = pager.tell(now).await;
                }
            }
            Err(error) => {
                tracing::error!(to = %pager.target.name(), %error, "the journal cannot be read; alerts wait");
                next = Span::seconds(5).after(now);
            }
        }
        let wait = Span::between(pager.shell.clock.now(), next).duration();
        // Whichever comes first: a change of the journal, or the time to say it again.
        drop(tokio::time::timeout(wait, committed.changed()).await);
    }
}

impl Pager {
    async fn load(&mut self) -> Result<(), StoreError> {
        self.seen = self.shell.store.head();
        for stored in self.shell.store.list(Kind::Rollout, None).await? {
            self.take(stored.entity, Some(stored.state));
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        loop {
            let records = self.shell.store.records(self.seen, RECORDS_AT_ONCE).await?;
            let Some(last) = records.last().map(|record| record.sequence) else {
                return Ok(());
            };
            let entities = records.into_iter().flat_map(|record| record.entries);
            let entities = entities.map(|entry| entry.entity);
            let rollouts = entities.filter(|entity| entity.kind() == Kind::Rollout);
            for entity in rollouts.collect::<std::collections::BTreeSet<_>>() {
                let stored = self.shell.store.load(&entity).await?;
                self.take(entity, stored.map(|stored| stored.state));
            }
            self.seen = last;
        }
    }

    fn take(&mut self, entity: EntityRef, state: Option<EntityState>) {
        match state {
            Some(EntityState::Rollout(rollout))
                if rollout
                    .start
                    .plan
                    .notify
                    .iter()
                    .any(|rule| rule.to == *self.target.name()) =>
            {
                self.rollouts.insert(entity, *rollout);
            }
            _ => drop(self.rollouts.remove(&entity)),
        }
    }

    /// Finds out what stands now, and whether that differs from before.
    fn look(&mut self, now: Timestamp) -> bool {
        let told = |rollout: &Rollout, one: &Standing| {
            is_told(&rollout.start.plan.notify, self.target.name(), one.occasion)
        };
        let mut stands = BTreeMap::new();
        self.rollouts.retain(|_, rollout| {
            let all = standing(rollout, now);
            let quiet = all.is_empty() && rollout.has_ended();
            let all = all.into_iter().filter(|one| told(rollout, one));
            stands.extend(all.map(|one| (one.labels.clone(), one)));
            !quiet
        });
        let before = std::mem::replace(&mut self.standing, stands);
        self.over
            .retain(|labels, (_, over)| !self.standing.contains_key(labels) && now < LASTS.after(*over));
        let mut changed = self.standing.keys().any(|labels| !before.contains_key(labels));
        for (labels, one) in before {
            if !self.standing.contains_key(&labels) {
                changed = true;
                self.over.insert(labels, (one, now));
            }
        }
        changed
    }

    /// Sends all of it. When to send it again.
    async fn tell(&self, now: Timestamp) -> Timestamp {
        let standing = self.standing.values().map(|one| (one, LASTS.after(now)));
        let over = self.over.values().map(|(one, over)| (one, *over));
        let posted: Vec<Posted<'_>> = standing
            .chain(over)
            .map(|(one, ends_at)| Posted {
                labels: &one.labels,
                annotations: BTreeMap::from([("summary", one.summary.as_str())]),
                starts_at: one.since,
                ends_at,
            })
            .collect();
        for some in posted.chunks(ALERTS_AT_ONCE) {
            // Plain text and times can always be written as JSON.
            let body = serde_json::to_vec(some).unwrap_or_default();
            let outcome = self.target.tell(body, "", now).await;
            let label = match &outcome {
                Outcome::Taken => "taken",
                Outcome::Later { .. } => "later",
                Outcome::Refused { .. } => "refused",
            };
            let labels = [self.target.name().as_str(), label];
            self.shell
                .measures
                .others
                .notices
                .with_label_values(&labels)
                .inc();
            let why = match outcome {
                Outcome::Taken => continue,
                Outcome::Later { why, .. } | Outcome::Refused { why } => why,
            };
            tracing::warn!(to = %self.target.name(), why, "alerts are sent again");
            let wait = Span::millis(u64::try_from(jitter(WAIT_LONGEST).as_millis()).unwrap_or(1000));
            return Span::seconds(1).plus(wait).after(now);
        }
        AGAIN.after(now)
    }
}
