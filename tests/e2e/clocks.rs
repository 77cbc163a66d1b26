//! Wall clocks that are set while rollouts run, and while nobody looks (faults.md F37, F38).
//!
//! The server runs under libfaketime, which takes the time from a file that the test writes. Only the wall clock is
//! false: the monotonic one is the machine's, as it is when an administrator or a broken time server sets a clock.

use crate::plane::Plane;
use crate::processes::tidegate;
use crate::rollouts::{PATIENT, Scene, policy};
use crate::until::until;
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;

/// A wall clock that tests set.
struct WallClock {
    folder: TempDir,
}

impl WallClock {
    fn right() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let clock = Self { folder };
        clock.set("+0");
        clock
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// Sets it: `-1h`, `+1d`, or `+0 x1000` for one that runs.
    fn set(&self, to: &str) {
        // Renamed into place: nobody reads half of it.
        let new = self.folder.path().join("new");
        std::fs::write(&new, to).expect("the clock is written");
        std::fs::rename(new, self.file()).expect("the clock is set");
    }

    /// The environment of a process that goes by it.
    fn variables(&self) -> Vec<(String, String)> {
        let library = std::fs::read_dir("/usr/lib")
            .expect("there are libraries")
            .filter_map(Result::ok)
            .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
            .find(|library| library.exists())
            .expect("libfaketime is there: run ./tests/install");
        let variable = |name: &str, value: String| (name.to_owned(), value);
        vec![
            variable("LD_PRELOAD", library.display().to_string()),
            variable("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            variable("FAKETIME_NO_CACHE", "1".to_owned()),
            variable("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

/// Waits until the server has seen that its clock is this far off, in seconds.
async fn wait_for_offset(plane: &Plane, least: f64, most: f64) {
    until("the metric says how far the clock moved", || async {
        let offset = plane.metric("tidegate_clock_offset_seconds").await?;
        (least..=most).contains(&offset).then_some(())
    })
    .await;
}

/// Half of everybody for an hour, then the rest for an hour, behind what applications report.
const SLOW: &str = "
apiVersion: tidegate/v1
kind: RolloutPolicy
name: guarded
schedule:
  type: custom
  stages:
    - { name: half, percentage: 50, duration: 1h }
    - { name: most, percentage: 80, duration: 1h }
    - { name: everyone, percentage: 100, duration: 1h }
safety:
  interval: 1s
  rules:
    - { name: failures, events: { metric: failed, per: exposure }, window: 5s, threshold: 5% }
";

/// Lets users come until this many more looks were healthy.
async fn healthy_looks(plane: &Plane, more: u64) {
    looks(plane, "healthy", more).await;
}

/// Lets users come until this many more looks had this verdict.
async fn looks(plane: &Plane, verdict: &str, more: u64) {
    let before = plane.looks(verdict).await;
    until("users come, and looks have their verdict", || async {
        for user in 0..8 {
            plane.embedded().variation(&format!("user-{user}")).await;
        }
        (plane.looks(verdict).await >= before + more).then_some(())
    })
    .await;
}

fn share(rollout: &Value) -> f64 {
    rollout["share"].as_f64().expect("a share")
}

/// Checks that every byte is there, and that every decision comes out the same again.
fn check_journal(plane: &Plane) {
    for command in ["verify", "replay"] {
        let checked = tidegate().args([command, "--data"]).arg(plane.data()).output();
        let checked = checked.expect("the binary runs");
        assert!(checked.status.success(), "{command}: {checked:?}");
    }
}

#[tokio::test]
async fn f37_f38_a_clock_that_is_set_while_a_rollout_runs_moves_no_stage() {
    let clock = WallClock::right();
    let mut plane = Plane::start_under(&[], clock.variables()).await;
    let id = plane.start_rollout(SLOW).await;
    healthy_looks(&plane, 3).await;
    for (to, least, most) in [
        ("-1h", -3700.0, -3500.0),
        ("+1d", 86_300.0, 86_500.0),
        ("+0 x1000", 7200.0, f64::INFINITY),
        // Who has set a pace keeps it until told another one.
        ("+0 x1", -100.0, 100.0),
        ("+1d x1", 86_300.0, 86_500.0),
    ] {
        clock.set(to);
        wait_for_offset(&plane, least, most).await;
        healthy_looks(&plane, 4).await;
        let rollout = plane.rollout(&id).await;
        assert_eq!(
            (share(&rollout), &rollout["status"]),
            (50.0, &json!("running")),
            "{to}: {rollout:#}"
        );
    }
    assert_eq!(plane.changes(&id, "advanced").await, Vec::<Value>::new());
    let doctor = tidegate()
        .args(["doctor", "--url", &plane.url(), "--data"])
        .arg(plane.data())
        .output();
    let page = String::from_utf8_lossy(&doctor.expect("the binary runs").stdout).into_owned();
    assert!(page.contains("s since the server started"), "{page}");

    // A process that begins a day later cannot know that nobody waited: one stage opens on fresh looks, not two.
    plane.restart().await;
    wait_for_offset(&plane, -1.0, 1.0).await;
    until("the next stage opens", || async {
        healthy_looks(&plane, 1).await;
        (share(&plane.rollout(&id).await) == 80.0).then_some(())
    })
    .await;
    healthy_looks(&plane, 4).await;
    assert_eq!(share(&plane.rollout(&id).await), 80.0);

    // One that begins before everything that was written has no window that lies in the stage: it holds until its clock
    // has caught up, says so, and shuts what it is told to shut.
    clock.set("-1h");
    plane.restart().await;
    looks(&plane, "unknown", 8).await;
    let held = plane.rollout(&id).await;
    assert_eq!(share(&held), 80.0);
    let why = held["looks"]["failures"].to_string();
    assert!(why.contains("window_overlaps_stage"), "{held:#}");
    assert_eq!(plane.changes(&id, "advanced").await.len(), 1);
    let (status, body) = plane
        .command(&id, json!({"kind": "rollback", "reason": "enough"}))
        .await;
    assert_eq!(status, 200, "{body}");
    let ended = plane
        .wait_for(&id, "it is rolled back", |it| it["status"] == "rolled_back")
        .await;
    assert_eq!(share(&ended), 0.0, "{ended:#}");
    assert!(plane.process.terminate().success());
    check_journal(&plane);
}

#[tokio::test]
async fn f37_while_the_clock_disagrees_with_prometheus_a_rollout_holds_and_says_why() {
    let clock = WallClock::right();
    let mut scene = Scene::set_under(clock.variables()).await;
    let id = scene.plane.start_rollout(&policy("2s", PATIENT)).await;
    scene
        .plane
        .wait_for(&id, "healthy looks arrive", |it| {
            it["looks"]["errors"]["verdict"] == "healthy"
        })
        .await;
    for to in ["-1h", "+1d"] {
        clock.set(to);
        scene.plane.wait_for_looks("unknown", 2).await;
        let opened = scene.plane.changes(&id, "advanced").await.len();
        scene.plane.wait_for_looks("unknown", 4).await;
        assert_eq!(scene.plane.changes(&id, "advanced").await.len(), opened);
        let held = scene.plane.rollout(&id).await;
        let why = held["looks"]["errors"].to_string();
        assert!(why.contains("the sample's time is"), "{held:#}");
    }
    clock.set("+0");
    let done = scene
        .plane
        .wait_for(&id, "the rollout ended", |it| it["phase"]["kind"] == "ended")
        .await;
    assert_eq!(done["status"], "completed", "{done:#}");
    let stages = scene.plane.changes(&id, "advanced").await;
    let stages: Vec<&Value> = stages.iter().map(|change| &change["stage"]).collect();
    assert_eq!(stages, [1, 2, 3], "each stage opened once, in order");
    assert!(scene.plane.process.terminate().success());
    check_journal(&scene.plane);
}
