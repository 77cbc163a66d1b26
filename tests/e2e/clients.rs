//! Clients that exist already, unmodified: the OpenFeature providers of npm and PyPI.

use crate::plane::Plane;
use crate::until::until;
use serde_json::Value;
use std::process::Command;

fn folder(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("compat")
        .join(name)
}

#[tokio::test]
async fn openfeature_clients_work_unmodified() {
    let plane = Plane::start(None).await;
    let flags = std::fs::read_to_string(folder("flags.json")).expect("the flags are there");
    let flags: Value = serde_json::from_str(&flags).expect("as JSON");
    let flags = flags["flags"].as_array().expect("a list of flags");
    for flag in flags {
        let key = flag["key"].as_str().expect("a flag has a key");
        let (status, body) = plane
            .call("PUT", &format!("production/flags/{key}"), Some(flag.clone()))
            .await;
        assert!(status < 300, "{status} {body}");
    }
    let token = plane.token("compat", "server").await;
    let last = flags
        .last()
        .and_then(|flag| flag["key"].as_str())
        .expect("there are flags");
    until("the embedded node has every flag", || async {
        plane.embedded().knows(last).await.then_some(())
    })
    .await;
    let mut javascript = Command::new("node");
    javascript.arg("--test").current_dir(folder("js"));
    let mut python = Command::new(folder("py").join(".venv/bin/python"));
    python.arg(folder("py").join("check.py"));
    for client in [&mut javascript, &mut python] {
        client
            .env("TIDEGATE_URL", plane.url())
            .env("TIDEGATE_TOKEN", &token);
        let output = client.output().expect("the client runs; `make test` installs it");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{client:?}\n{said}");
    }
}
