//! New values, opened under a policy by the command line.

use crate::commands::said_by;
use crate::plane::Plane;
use crate::rollouts::Scene;
use crate::until::until;
use serde_json::{Value, json};

/// Two short stages behind a number that is always good, or always bad.
fn policy(name: &str, number: &str) -> String {
    format!(
        "apiVersion: tidegate/v1
kind: RolloutPolicy
name: {name}
schedule:
  type: custom
  stages:
    - {{ name: half, percentage: 50, duration: 1s }}
    - {{ name: everyone, percentage: 100, duration: 1s }}
safety:
  interval: 1s
  rules: [{{ name: errors, query: 'vector({number})', window: 1s, comparison: greater_than, threshold: 1, action: rollback }}]
blind: {{ after: 10m, do: hold }}
rollback: {{ to: safe, cooldown: 1s }}
"
    )
}

/// A control plane that asks a real Prometheus, and a policy that lets everything through beside one that nothing
/// passes.
async fn scene() -> Scene {
    let scene = Scene::set().await;
    for (name, number) in [("steady", "0"), ("strict", "2")] {
        let (status, body) = scene.plane.save_policy(name, &policy(name, number)).await;
        assert!(status < 300, "{status} {body}");
    }
    scene
}

async fn end_of(plane: &Plane, id: &str) -> Value {
    let ended = plane.wait_for(id, "the rollout ended", |it| it["phase"]["kind"] == "ended");
    ended.await["status"].clone()
}

/// The journal, replayed beside the server that still runs.
fn replayed(plane: &Plane) {
    let replay = crate::processes::tidegate()
        .arg("replay")
        .arg("--data")
        .arg(plane.data())
        .output();
    let replay = replay.expect("the binary runs");
    let said = String::from_utf8_lossy(&[replay.stdout, replay.stderr].concat()).into_owned();
    assert_eq!(replay.status.code(), Some(0), "{said}");
    assert!(said.contains("comes out as it stands there"), "{said}");
}

#[tokio::test]
async fn a_new_value_is_opened_guarded_and_kept_or_taken_back() {
    let scene = scene().await;
    let plane = &scene.plane;
    let pricing = json!({
        "key": "pricing", "type": "json", "variations": [{"key": "v1", "value": {"tax": 0.1}}],
        "fallback": {"variation": "v1"},
    });
    let (status, body) = plane.call("PUT", "production/flags/pricing", Some(pricing)).await;
    assert!(status < 300, "{status} {body}");
    let start = async |policy: &str, value: &str, id: &str| {
        let line = [
            "rollout", "start", "pricing", "--policy", policy, "--value", value,
        ];
        let (code, said) = said_by(plane, line);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(id), "{said}");
        end_of(plane, id).await
    };
    assert_eq!(
        start("steady", r#"{"tax": 0.15}"#, "pricing.1").await,
        "completed"
    );
    assert_eq!(
        start("strict", r#"{"tax": 0.9}"#, "pricing.2").await,
        "rolled_back"
    );
    let (_, flag) = plane.call("GET", "production/flags/pricing", None).await;
    let names: Vec<&Value> = flag["definition"]["variations"]
        .as_array()
        .expect("variations")
        .iter()
        .map(|one| &one["key"])
        .collect();
    assert_eq!(names, ["v1", "v2", "v3"]);
    assert_eq!(flag["definition"]["fallback"], json!({"variation": "v2"}));
    until("the embedded node serves the new value", || async {
        let (_, said) = said_by(plane, ["eval", "pricing", "--key", "u1", "--json"]);
        said.contains("0.15").then_some(())
    })
    .await;
    let wrong = [
        "rollout", "start", "pricing", "--policy", "steady", "--value", "red",
    ];
    let (code, said) = said_by(plane, wrong);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("with its quotes"), "{said}");
    replayed(plane);
}
