//! Data folders: copied beside a server, checked, put back, made smaller.

use crate::plane::Plane;
use crate::processes::{Running, client, free_port, tidegate};
use crate::until::until;
use serde_json::{Value, json};
use std::path::Path;

/// Runs a command of the binary; its exit code and all it said.
fn run(arguments: &[&str], data: &Path) -> (Option<i32>, String) {
    let output = tidegate()
        .args(arguments)
        .arg("--data")
        .arg(data)
        .output()
        .expect("the binary runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

async fn with_flags(flags: usize) -> Plane {
    let plane = Plane::start(None).await;
    for number in 0..flags {
        let flag = json!({"key": format!("flag-{number}"), "type": "boolean"});
        let path = format!("production/flags/flag-{number}");
        let (status, body) = plane.call("PUT", &path, Some(flag)).await;
        assert_eq!(status, 200, "{body}");
    }
    plane
}

fn report(data: &Path) -> Value {
    let (code, said) = run(&["verify", "--json"], data);
    assert_eq!(code, Some(0), "{said}");
    serde_json::from_str(&said).expect("JSON")
}

#[tokio::test]
async fn a_backup_beside_a_running_server_is_put_back_as_a_new_life() {
    let plane = with_flags(20).await;
    let data = plane.data();
    let seen = json!({"kind": "event", "unit": "u1", "metric": "purchase", "value": 1, "at": "2026-06-01T12:00:00Z", "id": "1"});
    let batch = json!({"spool": "line", "number": 1, "observations": [seen]});
    let (status, body) = plane.call("POST", "production/observations", Some(batch)).await;
    assert_eq!(status, 200, "{body}");
    let backup = plane.folder.path().join("backup");
    let to = backup.display().to_string();
    let (code, said) = run(&["backup", "--to", &to], &data);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("observations of production: 1 in 1 batches"),
        "{said}"
    );
    let (code, again) = run(&["backup", "--to", &to], &data);
    assert_eq!(code, Some(1), "{again}");
    assert!(again.contains("there is something already"), "{again}");
    let found = report(&backup);
    assert_eq!(
        (&found["epoch"], &found["torn"]),
        (&json!(1), &Value::Null),
        "{found}"
    );

    let restored = plane.folder.path().join("restored");
    let (code, said) = run(&["restore", "--from", &to], &restored);
    assert_eq!(code, Some(0), "{said}");
    let found = report(&restored);
    assert!(found["epoch"].as_u64() > Some(1_700_000_000), "{found}");
    assert_eq!(found["observations"]["production"]["observations"], 1, "{found}");
    let port = free_port();
    let mut command = tidegate();
    command
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
        .arg(&restored);
    let _server = Running::start(&mut command, &plane.folder.path().join("restored.log"));
    let token = std::fs::read_to_string(restored.join("admin-token")).expect("the token came along");
    let flags = until("the restored server answers", || async {
        let url = format!("http://127.0.0.1:{port}/api/v1/production/flags?limit=100");
        let answer = client().get(url).bearer_auth(token.trim()).send().await.ok()?;
        answer.status().is_success().then_some(answer)
    })
    .await;
    let flags: Value = flags.json().await.expect("JSON");
    assert_eq!(flags["items"].as_array().map(Vec::len), Some(20), "{flags}");
}

#[tokio::test]
async fn a_folder_is_checked_beside_its_server_and_made_smaller_without_it() {
    let mut plane = with_flags(3).await;
    let data = plane.data();
    let chain = report(&data)["chain"].as_str().map(ToOwned::to_owned);
    let flag = json!({"key": "one-more", "type": "boolean"});
    plane.call("PUT", "production/flags/one-more", Some(flag)).await;
    let (code, said) = run(&["verify", "--chain", &chain.expect("a chain")], &data);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&["verify", "--chain", "51c07b2f"], &data);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("written anew"), "{said}");

    let token = data.join("admin-token").display().to_string();
    // How much room there is, and so the exit code, is the machine's business.
    let page = until("the doctor sees the node", || async {
        let (_, page) = run(&["doctor", "--url", &plane.url(), "--token-file", &token], &data);
        page.contains("1 known, all up to date").then_some(page)
    })
    .await;
    for says in [
        "disk",
        "sync",
        "a server has it: process",
        "every byte as it was written",
    ] {
        assert!(page.contains(says), "{says} in\n{page}");
    }
    let (code, said) = run(&["compact"], &data);
    assert_eq!(code, Some(75), "the server has it: {said}");
    assert!(plane.process.terminate().success());
    let (code, said) = run(&["compact"], &data);
    assert_eq!(code, Some(0), "{said}");
    let (_, page) = run(&["doctor", "--url", &plane.url()], &data);
    assert!(
        page.contains("no server has it") && page.contains("not asked"),
        "{page}"
    );
}

#[tokio::test]
async fn a_damaged_folder_is_named_by_every_command() {
    let mut plane = Plane::start(None).await;
    let flag = json!({"key": "checkout", "type": "boolean"});
    plane.call("PUT", "production/flags/checkout", Some(flag)).await;
    assert!(plane.process.terminate().success());
    let data = plane.data();
    let segment = data.join("journal/00000001.log");
    let mut bytes = std::fs::read(&segment).expect("the journal is there");
    bytes[120] ^= 4;
    std::fs::write(&segment, bytes).expect("it can be written");
    let to = plane.folder.path().join("backup").display().to_string();
    for (arguments, code) in [
        (vec!["verify"], 65),
        (vec!["backup", "--to", to.as_str()], 65),
        (vec!["compact"], 65),
        (vec!["serve", "--listen", "127.0.0.1:0"], 65),
        (vec!["doctor"], 7),
    ] {
        let (found, said) = run(&arguments, &data);
        assert_eq!(found, Some(code), "{arguments:?}: {said}");
        assert!(
            said.contains("00000001.log is damaged at offset 56"),
            "{arguments:?}: {said}"
        );
    }
    assert!(!Path::new(&to).exists());
}
