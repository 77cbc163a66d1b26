//! Alerts and the rollouts that they act on, told in worlds.

use super::*;
use tidegate_decide::alert::Said;
use tidegate_decide::rollout::{Input, Observed};
use tidegate_model::alert::Alert;
use tidegate_model::key::Fingerprint;
use tidegate_model::rollout::Rollout;

const FINGERPRINT: &str = "64f9f5e172e01281";

impl World {
    fn said(&self, fingerprint: &str, label: (&str, &str), ended: Option<Timestamp>) -> Said {
        let labels = [("alertname", "HighErrors"), label];
        Said {
            alert: Alert {
                fingerprint: Fingerprint::new(fingerprint).unwrap(),
                starts: Timestamp::default(),
                labels: labels
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                summary: String::new(),
                source: String::new(),
            },
            ended,
        }
    }

    async fn hear(&self, said: Said) {
        let heard = self
            .control
            .hear_alerts(&self.environment, vec![said], Self::by());
        heard.await.unwrap();
    }

    async fn fires(&self) {
        self.hear(self.said(FINGERPRINT, ("tidegate_flag", FLAG), None))
            .await;
    }

    async fn over(&self) {
        let ended = Some(self.control.clock().now());
        self.hear(self.said(FINGERPRINT, ("tidegate_flag", FLAG), ended))
            .await;
    }
}

#[actix_rt::test]
async fn an_alert_holds_a_rollout_until_it_is_over() {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(30)).await;
    world.fires().await;
    world.advance(hours(3)).await;
    let held = world.view(&id).await;
    assert_eq!(
        (held.status.as_str(), world.published_percent()),
        ("paused", Some(1.0)),
        "{held:?}"
    );
    world.over().await;
    world.advance(minutes(5)).await;
    assert_eq!(world.published_percent(), Some(50.0));
}

#[actix_rt::test]
async fn l01_alerts_survive_a_restart() {
    tokio::time::pause();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = World::on(store.clone(), tidegate_decide::rollout::step).await;
    first.prepare().await;
    let id = first.start().await.unwrap();
    first.advance(minutes(30)).await;
    first.fires().await;
    drop(first);
    let second = World::on(store.clone(), tidegate_decide::rollout::step).await;
    second.advance(hours(2)).await;
    assert_eq!(second.view(&id).await.status, "paused");
    assert_eq!(second.published_percent(), Some(1.0));
    let known = second.control.alerts(&second.environment).unwrap();
    assert_eq!(
        (known.len(), known[0].fires, known[0].heard),
        (1, true, None),
        "{known:?}"
    );
    second.over().await;
    second.advance(minutes(1)).await;
    assert_eq!(second.view(&id).await.status, "running");
    // What is said again after the end is late, also for the next control plane.
    drop(second);
    let third = World::on(store, tidegate_decide::rollout::step).await;
    third.fires().await;
    assert_eq!(third.view(&id).await.status, "running");
}

#[actix_rt::test]
async fn f18_without_its_watchdog_a_rollout_holds() {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    let text = POLICY.replace(
        "blind:",
        "watchdog: { match: { severity: none }, every: 10m }\nblind:",
    );
    let name = PolicyName::new("hourly").unwrap();
    let saved = world
        .control
        .save_policy(&world.environment, &name, text, Expect::Any, World::by());
    saved.await.unwrap();
    let id = world.start().await.unwrap();
    world.advance(hours(2)).await;
    assert_eq!(world.published_percent(), Some(1.0));
    let held = world.view(&id).await;
    assert!(
        held.because.contains("the watchdog, every 10m"),
        "{}",
        held.because
    );
    let beat = || world.said("beef", ("severity", "none"), None);
    world.hear(beat()).await;
    world.advance(minutes(2)).await;
    assert_eq!(world.published_percent(), Some(50.0));
    let before = world.records().await.len();
    for _ in 0..5 {
        world.hear(beat()).await;
    }
    assert_eq!(world.records().await.len(), before, "a beat fills no journal");
    world.advance(hours(2)).await;
    assert_eq!(world.published_percent(), Some(50.0), "silent again");
}

#[actix_rt::test]
async fn l02_an_alert_reaches_a_rollout_that_is_kept_apart() {
    tokio::time::pause();
    let fails = |_: &Rollout, _: &Observed, _: &Input, _: Timestamp| panic!("no step");
    let world = World::on(Arc::new(MemoryStore::new()), fails).await;
    world.prepare().await;
    let text = POLICY.replace("blind:", "alerts: [{ do: rollback }]\nblind:");
    let name = PolicyName::new("hourly").unwrap();
    let saved = world
        .control
        .save_policy(&world.environment, &name, text, Expect::Any, World::by());
    saved.await.unwrap();
    let id = world.start().await.unwrap();
    world.advance(minutes(2)).await;
    assert!(world.view(&id).await.quarantined);
    world.fires().await;
    world.advance(minutes(1)).await;
    assert_eq!(world.published_percent(), None);
    let ended = world.view(&id).await;
    assert_eq!(
        (ended.status.as_str(), ended.quarantined),
        ("rolled_back", false),
        "{ended:?}"
    );
    replaying::replay(&world.records().await).unwrap();
}
