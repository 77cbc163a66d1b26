//! Takes notices to one target: in order, at least once each, again until they arrive.

use super::Target;
use super::post::Outcome;
use crate::shell::Shell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidegate_decide::notice::{is_stale, is_told, message, notice, rollout_of};
use tidegate_model::change::{EntityRef, EntityState, Record};
use tidegate_model::notice::Notice;
use tidegate_model::rollout::RolloutStart;
use tidegate_model::target::Channel;
use tidegate_store::StoreError;

/// Records read at once: all that a courier ever holds of what is still to be told.
const RECORDS_AT_ONCE: usize = 100;
/// After so many records without a notice it is kept all the same how far it is.
const KEPT_EVERY: u64 = 1000;
/// Rollouts whose policies are remembered.
const STARTS_REMEMBERED: usize = 1000;
/// The longest first wait before a notice is sent again; doubled each time.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// How long to wait when something of our own fails.
const TROUBLE: Duration = Duration::from_secs(5);

/// Takes notices to a target until the process ends.
pub(super) async fn run(shell: Arc<Shell>, target: Target) {
    let name = target.name().clone();
    let mut committed = shell.committed.subscribe();
    let mut courier = Courier {
        shell: shell.clone(),
        target,
        starts: BTreeMap::new(),
        kept: 0,
    };
    // A target that is new is told of what happens from now on, not of the past.
    let head = shell.store.head();
    let mut at = courier.begin().await.map_or(head, |at| at.min(head));
    courier.keep(at).await;
    loop {
        match courier.go_on(at).await {
            Ok(Some(further)) => at = further,
            // The senders live as long as the shell, which is held here.
            Ok(None) => drop(committed.changed().await),
            Err(StoreError::Archived { oldest }) => {
                tracing::error!(to = %name, oldest, "records were moved to an archive before they were told of; their notices are lost");
                at = oldest - 1;
            }
            Err(error) => {
                tracing::error!(to = %name, %error, "the journal cannot be read; notices wait");
                tokio::time::sleep(TROUBLE).await;
            }
        }
    }
}

struct Courier {
    shell: Arc<Shell>,
    target: Target,
    starts: BTreeMap<EntityRef, Arc<RolloutStart>>,
    /// How far it is, as a restart would find it.
    kept: u64,
}

impl Courier {
    /// Tells what the next records say. How far that was; `None` when there are none.
    async fn go_on(&mut self, after: u64) -> Result<Option<u64>, StoreError> {
        let records = self.shell.store.records(after, RECORDS_AT_ONCE).await?;
        let Some(last) = records.last().map(|record| record.sequence) else {
            return Ok(None);
        };
        for record in &records {
            if let Some(notice) = self.notice(record).await? {
                self.deliver(&notice).await;
                self.keep(record.sequence).await;
            }
        }
        // What has no notice in it may be read once more after a restart.
        if last >= self.kept + KEPT_EVERY {
            self.keep(last).await;
        }
        Ok(Some(last))
    }

    /// How far it was when it was last asked; `None` when it was nowhere yet.
    async fn begin(&self) -> Option<u64> {
        let (cursors, name) = (self.shell.cursors.clone(), self.target.name().clone());
        let loading = tokio::task::spawn_blocking(move || cursors.load(&name)).await;
        match loading.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
            Ok(at) => at,
            Err(error) => {
                tracing::error!(to = %self.target.name(), %error, "how far notices were told cannot be read; told from now on");
                None
            }
        }
    }

    async fn keep(&mut self, sequence: u64) {
        self.kept = sequence;
        let (cursors, name) = (self.shell.cursors.clone(), self.target.name().clone());
        let saving = tokio::task::spawn_blocking(move || cursors.save(&name, sequence)).await;
        if let Err(error) = saving.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
            // What was told may be told once more after a restart: that is what ids are for.
            tracing::error!(to = %self.target.name(), %error, "how far notices were told cannot be kept");
        }
    }

    /// What this target is told of a record.
    async fn notice(&mut self, record: &Record) -> Result<Option<Notice>, StoreError> {
        let Some((environment, id)) = rollout_of(record) else {
            return Ok(None);
        };
        let entity = EntityRef::Rollout(environment.clone(), id.clone());
        let Some(start) = self.start(entity).await? else {
            return Ok(None);
        };
        let notice = notice(record, &start, self.shell.store.epoch());
        let told = |notice: &Notice| is_told(&start.plan.notify, self.target.name(), notice.occasion);
        Ok(notice.filter(told))
    }

    async fn start(&mut self, entity: EntityRef) -> Result<Option<Arc<RolloutStart>>, StoreError> {
        if let Some(start) = self.starts.get(&entity) {
            return Ok(Some(start.clone()));
        }
        let stored = self.shell.store.load(&entity).await?.map(|stored| stored.state);
        let Some(EntityState::Rollout(rollout)) = stored else {
            return Ok(None);
        };
        if self.starts.len() >= STARTS_REMEMBERED {
            self.starts.clear();
        }
        let start = Arc::new(rollout.start);
        self.starts.insert(entity, start.clone());
        Ok(Some(start))
    }

    /// Sends one notice until it arrives, is refused, or is no news any more.
    async fn deliver(&self, notice: &Notice) {
        let mut longest = WAIT_FIRST;
        loop {
            let now = self.shell.clock.now();
            if is_stale(notice, now) {
                self.count("stale");
                tracing::error!(to = %self.target.name(), notice = notice.id, "a notice could not be told for a day and is dropped");
                return;
            }
            let wait = match self.target.tell(self.body(notice), &notice.id, now).await {
                Outcome::Taken => {
                    self.count("taken");
                    return;
                }
                Outcome::Refused { why } => {
                    self.count("refused");
                    tracing::error!(to = %self.target.name(), notice = notice.id, why, "a notice was refused and is dropped");
                    return;
                }
                Outcome::Later { why, after } => {
                    self.count("later");
                    tracing::warn!(to = %self.target.name(), notice = notice.id, why, "a notice is sent again");
                    after.unwrap_or_default().min(WAIT_MAX) + jitter(longest)
                }
            };
            longest = (longest * 2).min(WAIT_MAX);
            tokio::time::sleep(wait).await;
        }
    }

    fn body(&self, notice: &Notice) -> Vec<u8> {
        let body = match self.target.channel() {
            Channel::Slack => serde_json::to_vec(&serde_json::json!({ "text": message(notice) })),
            Channel::Webhook | Channel::Alertmanager => serde_json::to_vec(notice),
        };
        // Plain text can always be written as JSON.
        body.unwrap_or_default()
    }

    fn count(&self, outcome: &str) {
        let labels = [self.target.name().as_str(), outcome];
        self.shell
            .measures
            .others
            .notices
            .with_label_values(&labels)
            .inc();
    }
}

/// A random part of the longest wait, so that many who wait do not come back at once.
pub(super) fn jitter(longest: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    longest.mul_f64(f64::from(random) / f64::from(u32::MAX))
}
