//! What the journal of a real rollout, judged by a real Prometheus, keeps and tells.

use crate::commands::said_by;
use crate::rollouts::{PATIENT, Scene, policy};

#[tokio::test]
async fn a_real_rollout_is_replayed_explained_and_reported() {
    let scene = Scene::set().await;
    let id = scene.plane.start_rollout(&policy("10m", PATIENT)).await;
    scene.plane.wait_for_looks("healthy", 3).await;
    scene.exporter.fail(500);
    let done = scene
        .plane
        .wait_for(&id, "the rollout ended", |it| it["phase"]["kind"] == "ended")
        .await;
    assert_eq!(done["status"], "rolled_back", "{done:#}");

    let data = scene.plane.data();
    let data = data.to_str().expect("a path of text");
    let (code, said) = said_by(&scene.plane, ["rollout", "explain", "checkout"]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "rolled back",
        "errors breached",
        "http_requests_total",
        "digest of the answer",
        "started at 1 %",
    ] {
        assert!(said.to_lowercase().contains(part), "missing {part:?} in\n{said}");
    }
    let (code, said) = said_by(&scene.plane, ["rollout", "report", &id, "--format", "html"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Time to safe") && said.contains("<svg"), "{said}");
    // Beside the server that still runs.
    let replay = crate::processes::tidegate()
        .args(["replay", "--data", data])
        .output();
    let replay = replay.expect("the binary runs");
    let said = String::from_utf8_lossy(&[replay.stdout, replay.stderr].concat()).into_owned();
    assert_eq!(replay.status.code(), Some(0), "{said}");
    assert!(
        said.contains("1 rollouts") && said.contains("comes out as it stands there"),
        "{said}"
    );
}
