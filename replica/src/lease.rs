//! The dead man's lease: whoever the control plane does not hear of any more serves no candidate.
//!
//! The control plane calls a rollback final when every live node has confirmed it, and counts a node as live
//! for its lease after it was last heard of (faults.md F44, F48). That is only true if a node that is cut off
//! for so long serves the safe variations, too. So every report that the control plane acknowledged, through
//! however many nodes, vouches for the node from the moment at which it was *sent*: that is never after the
//! moment at which it was heard. When nothing vouches any more, every rollout in what is served is shut. When
//! something does again, they are opened, but not in a snapshot older than the newest at that moment: a
//! rollback may have become final without this node. All other flags stay as they are for ever.

use crate::replica::Replica;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_model::fleet::{NODE_LEASE_SECONDS, Receipt};
use tidegate_model::snapshot::Version;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long before the end of its lease a node acts: the time that compiling may take.
const MARGIN: Duration = Duration::from_secs(5);

/// Until when somebody vouches for the node. Begins as over: a snapshot found on disk may be of any age.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    vouched: watch::Sender<Option<Vouched>>,
    /// Held while what is served is brought in line.
    settling: Mutex<()>,
}

#[derive(Debug, Clone, Copy)]
struct Vouched {
    /// When the newest report was sent that the control plane acknowledged.
    sent: Instant,
    /// The newest version when this lease began. From then on the control plane waits for this node.
    floor: Option<Version>,
}

impl Vouched {
    fn end(&self) -> Instant {
        self.sent + Duration::from_secs(NODE_LEASE_SECONDS).saturating_sub(MARGIN)
    }
}

impl Lease {
    /// The control plane acknowledged a report that was sent at this moment.
    pub(crate) fn vouched(&self, sent: Instant, receipt: Receipt) {
        self.vouched.send_modify(|vouched| {
            let unbroken = vouched.filter(|before| sent <= before.end());
            *vouched = Some(match unbroken {
                Some(before) => Vouched {
                    sent: before.sent.max(sent),
                    ..before
                },
                None => Vouched {
                    sent,
                    floor: receipt.newest,
                },
            });
        });
    }

    /// Whether rollouts of this version may be open.
    pub(crate) fn covers(&self, version: Version, now: Instant) -> bool {
        let vouched = *self.vouched.borrow();
        vouched.is_some_and(|vouched| now < vouched.end() && vouched.floor <= Some(version))
    }

    /// When it ends, if it has not yet.
    fn end(&self, now: Instant) -> Option<Instant> {
        let end = self.vouched.borrow().map(|vouched| vouched.end());
        end.filter(|end| *end > now)
    }
}

impl Replica {
    /// Says that the control plane has just taken in what this replica serves. Reports that
    /// [`run`](Self::run) sends say it themselves; this is for whoever feeds a replica by
    /// [`offer`](Self::offer) and reports by other means. Compiles if that opens rollouts.
    pub fn acknowledged(&self, receipt: Receipt) {
        self.lease().vouched(Instant::now(), receipt);
        self.settle();
    }

    /// Shuts and opens the rollouts in what is served as the lease says. Never ends; may be dropped at any
    /// point.
    pub(crate) async fn keep_lease(&self) {
        let mut vouched = self.lease().vouched.subscribe();
        loop {
            vouched.borrow_and_update();
            let replica = self.clone();
            let settled = tokio::task::spawn_blocking(move || replica.settle()).await;
            if let Err(panic) = settled {
                tracing::error!(node = %self.name(), %panic, "rollouts could not be shut or opened");
            }
            let end = self.lease().end(Instant::now());
            let over = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = vouched.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = over => {}
            }
        }
    }

    /// Brings what is served in line with the lease. Compiles: not for an event loop's thread.
    pub(crate) fn settle(&self) {
        let _alone = self
            .lease()
            .settling
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // What came into force meanwhile is looked at again.
        while let Some(served) = self.served() {
            let covered = self.lease().covers(served.version(), Instant::now());
            let form = match (covered, served.open_form()) {
                (false, None) => match served.shut(self.tallies()) {
                    Ok(Some(shut)) => Arc::new(shut),
                    Ok(None) => return,
                    Err(refusal) => {
                        tracing::error!(node = %self.name(), error = &refusal as &dyn std::error::Error,
                            "rollouts cannot be shut");
                        return;
                    }
                },
                (true, Some(open)) => Arc::clone(open),
                (false, Some(_)) | (true, None) => return,
            };
            let shut = form.is_shut();
            if self.replace(&served, form) {
                if shut {
                    tracing::warn!(node = %self.name(), version = %served.version(),
                        "the control plane does not hear of this node; flags in rollout serve their safe variations");
                } else {
                    tracing::info!(node = %self.name(), version = %served.version(),
                        "the control plane hears of this node; rollouts are served as published");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_from_the_moment_at_which_a_report_was_sent() {
        let (lease, start) = (Lease::default(), Instant::now());
        let version = |number| Version { epoch: 1, number };
        let newest = |number| Receipt {
            newest: Some(version(number)),
        };
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!lease.covers(version(4), at(0)), "nobody has vouched yet");
        lease.vouched(at(0), newest(4));
        assert!(lease.covers(version(4), at(54)) && !lease.covers(version(4), at(55)));
        lease.vouched(at(20), newest(7));
        lease.vouched(at(10), newest(5));
        assert!(lease.covers(version(4), at(74)) && !lease.covers(version(4), at(75)));
    }

    #[test]
    fn a_new_lease_covers_nothing_older_than_what_was_newest_at_its_beginning() {
        let (lease, start) = (Lease::default(), Instant::now());
        let version = |number| Version { epoch: 1, number };
        lease.vouched(start, Receipt::default());
        assert!(lease.covers(version(1), start));
        let back = start + Duration::from_secs(90);
        lease.vouched(
            back,
            Receipt {
                newest: Some(version(3)),
            },
        );
        assert!(!lease.covers(version(2), back) && lease.covers(version(3), back));
    }
}
