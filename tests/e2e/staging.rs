//! New values and edits of segments, opened under a policy by the command line.

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

#[tokio::test]
async fn an_edit_of_a_segment_is_opened_guarded_and_adopted_or_dropped() {
    let scene = scene().await;
    let plane = &scene.plane;
    let node = plane.node("edge").await;
    let segment = json!({"included": ["ada"]});
    let flag = json!({"type": "boolean", "rules": [
        {"name": "beta", "when": {"segment": "beta"}, "serve": {"variation": "on"}},
    ]});
    for (path, body) in [
        ("production/segments/beta", segment),
        ("production/flags/checkout", flag),
    ] {
        let (status, body) = plane.call("PUT", path, Some(body)).await;
        assert!(status < 300, "{status} {body}");
    }
    let file = plane.folder.path().join("new.yaml");
    let yaml = "when: { attribute: targetingKey, operator: exists }\nexcluded: [eve]\n";
    std::fs::write(&file, yaml).expect("the file is written");
    let file = file.to_str().expect("text");
    let stage = async |policy: &str, id: &str| {
        let line = ["segment", "stage", "beta", "--file", file, "--policy", policy];
        let (code, said) = said_by(plane, line);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(id), "{said}");
        end_of(plane, id).await
    };
    assert_eq!(stage("strict", "segment.beta.1").await, "rolled_back");
    let (_, said) = said_by(plane, ["segment", "show", "beta"]);
    assert!(said.contains("ada") && !said.contains("eve"), "{said}");
    until("the node has nobody else in the segment", || async {
        let (ada, bob) = (
            node.client().variation("ada").await?,
            node.client().variation("bob").await?,
        );
        (ada == "on" && bob == "off").then_some(())
    })
    .await;
    // Its policy waits a second between two attempts.
    let again = until("the next attempt may begin", || async {
        let line = ["segment", "stage", "beta", "--file", file, "--policy", "steady"];
        let (code, said) = said_by(plane, line);
        (code == Some(0)).then_some(said)
    })
    .await;
    assert!(again.contains("segment.beta.2"), "{again}");
    assert_eq!(end_of(plane, "segment.beta.2").await, "completed");
    let (_, said) = said_by(plane, ["segment", "show", "beta"]);
    assert!(said.contains("eve") && !said.contains("being opened"), "{said}");
    until("the node has everybody but one in the segment", || async {
        let (bob, eve) = (
            node.client().variation("bob").await?,
            node.client().variation("eve").await?,
        );
        (bob == "on" && eve == "off").then_some(())
    })
    .await;
    let (code, said) = said_by(plane, ["flag", "export"]);
    assert!(code == Some(0) && !said.contains("segment.beta"), "{said}");
    replayed(plane);
}
