//! A million units, imported from a file, evaluated by a node, and still there when nobody else is.

use crate::plane::Plane;
use crate::processes::tidegate;
use crate::until::until;
use serde_json::json;
use std::fmt::Write as _;
use std::time::Instant;

const UNITS: u32 = 1_000_000;

#[tokio::test]
async fn a_million_units_are_imported_evaluated_and_survive_a_restart_without_upstream() {
    let mut plane = Plane::start(None).await;
    let file = plane.folder.path().join("units.csv");
    let mut text = "name,id\n".to_owned();
    for unit in 0..UNITS {
        writeln!(text, "somebody,user-{unit}").expect("memory takes it");
    }
    std::fs::write(&file, text).expect("the file is written");
    let import = |key: &str| {
        let mut command = tidegate();
        command
            .args(["segment", "import", key])
            .arg(&file)
            .args(["--column", "id", "--url", &plane.url(), "--token-file"])
            .arg(plane.data().join("admin-token"));
        command.output().expect("the command line runs")
    };
    let started = Instant::now();
    let imported = import("beta");
    println!("{UNITS} units imported in {:?}", started.elapsed());
    let said = String::from_utf8_lossy(&imported.stdout);
    assert!(
        imported.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&imported.stderr)
    );
    assert!(
        said.starts_with("beta: 1000000 units (read 1000000, 0 of them again)"),
        "{said}"
    );

    let rule = json!([{"name": "beta", "when": {"segment": "beta"}, "serve": {"variation": "on"}}]);
    let flag = json!({"key": "checkout", "type": "boolean", "rules": rule});
    let (status, body) = plane.call("PUT", "production/flags/checkout", Some(flag)).await;
    assert!(status < 300, "{status} {body}");
    let mut node = plane.node("n1").await;
    let (inside, outside) = ("user-999999", "user-1000000");
    for client in [node.client(), plane.embedded()] {
        until("the node serves the list", || async {
            (client.variation(inside).await.as_deref() == Some("on")).then_some(())
        })
        .await;
        assert_eq!(client.variation("user-0").await.as_deref(), Some("on"));
        assert_eq!(client.variation(outside).await.as_deref(), Some("off"));
    }

    // Without the control plane: from the node's own disk.
    plane.process.kill();
    node.process.kill();
    node.restart().await;
    assert_eq!(node.client().variation(inside).await.as_deref(), Some("on"));
    assert_eq!(node.client().variation(outside).await.as_deref(), Some("off"));

    // The control plane has it too after kill -9, and takes a smaller list.
    plane.restart().await;
    until("the embedded node serves the list again", || async {
        (plane.embedded().variation(inside).await.as_deref() == Some("on")).then_some(())
    })
    .await;
    std::fs::write(&file, "id\nuser-0\n").expect("the file is written");
    let mut command = tidegate();
    command
        .args(["segment", "import", "beta"])
        .arg(&file)
        .args(["--header", "--url", &plane.url(), "--token-file"])
        .arg(plane.data().join("admin-token"));
    assert!(command.output().expect("the command line runs").status.success());
    until("the node serves the smaller list", || async {
        (node.client().variation(inside).await.as_deref() == Some("off")).then_some(())
    })
    .await;
    assert_eq!(node.client().variation("user-0").await.as_deref(), Some("on"));
}
