//! The past of a journal: archived beside a running server, and vouched for.

use crate::plane::Plane;
use crate::processes::tidegate;
use serde_json::{Value, json};
use std::path::Path;
use tidegate_store::{EmbeddedStore, Expect, Proposal, Settings, Store as _, Write};

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

/// Does the last change of the journal again and again, each in a segment of its own.
async fn many_segments(data: &Path) {
    let settings = Settings {
        segment_bytes_max: 1,
        ..Settings::default()
    };
    let (store, _) = EmbeddedStore::open_with(data, settings).expect("the server has stopped");
    let last = store
        .records(store.head() - 1, 1)
        .await
        .expect("records")
        .remove(0);
    for _ in 0..12 {
        let entries = last.entries.iter();
        let writes = entries.map(|entry| Write {
            entity: entry.entity.clone(),
            expect: Expect::Any,
            changes: vec![entry.change.clone()],
        });
        let proposal = Proposal {
            at: last.at,
            by: last.by.clone(),
            because: None,
            basis: None,
            writes: writes.collect(),
        };
        store.commit(proposal).await.expect("a commit");
    }
    store.close().await.expect("it closes");
}

async fn head(plane: &Plane) -> (u64, String) {
    let (status, head) = plane.call("GET", "journal/head", None).await;
    assert_eq!(status, 200, "{head}");
    (
        head["sequence"].as_u64().expect("a sequence"),
        format!("{head}\n"),
    )
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, in its order")]
async fn old_segments_move_beside_a_running_server_and_signed_heads_vouch_for_them() {
    let mut plane = Plane::start(None).await;
    let flag = json!({"key": "checkout", "type": "boolean"});
    plane.call("PUT", "production/flags/checkout", Some(flag)).await;
    let (first, kept) = head(&plane).await;
    assert!(plane.process.terminate().success());
    let data = plane.data();
    many_segments(&data).await;
    plane.restart().await;
    let heads = plane.folder.path().join("kept-elsewhere");
    let (second, later) = head(&plane).await;
    assert_eq!(second, first + 12);
    std::fs::write(&heads, kept + &later).expect("heads are kept");

    let archive = plane.folder.path().join("archive").display().to_string();
    let archiving = ["archive", "--to", &archive, "--keep", "0s", "--json"];
    let (code, said) = run(&archiving, &data);
    assert_eq!(code, Some(0), "{said}");
    let archived: Value = serde_json::from_str(&said).expect("JSON");
    let oldest = archived["oldest"].as_u64().expect("a record");
    assert!(
        oldest > first && archived["segments"].as_u64() >= Some(10),
        "{said}"
    );

    let (status, gone) = plane.call("GET", "production/audit", None).await;
    assert_eq!((status, gone["oldest"].as_u64()), (410, Some(oldest)), "{gone}");
    assert!(
        gone["type"]
            .as_str()
            .is_some_and(|kind| kind.ends_with("/archived")),
        "{gone}"
    );
    let page = format!("production/audit?after={}", oldest - 1);
    assert_eq!(plane.call("GET", &page, None).await.0, 200);
    let token = data.join("admin-token").display().to_string();
    let output = tidegate()
        .args(["audit", "--url", &plane.url(), "--token-file", &token])
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{output:?}");

    let (_, keys) = plane.call("GET", "production/keys", None).await;
    let key = keys["keys"][0].as_str().expect("a key").to_owned();
    let vouching = [
        "verify",
        "--heads",
        &heads.display().to_string(),
        "--trusted-key",
        &key,
    ];
    let (code, said) = run(&vouching, &data);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--archive FOLDER"), "{said}");
    let whole = [&vouching[..], &["--archive", &archive]].concat();
    let (code, said) = run(&whole, &data);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("all of 2 signed heads are in it"), "{said}");
    let (code, said) = run(&["replay"], &data);
    assert!(code != Some(0) && said.contains("--archive FOLDER"), "{said}");
    let (code, said) = run(&["replay", "--archive", &archive], &data);
    assert_eq!(code, Some(0), "{said}");

    // It goes on, starts again without a view, and has signed what it was by itself.
    let other = json!({"key": "search", "type": "boolean"});
    assert_eq!(
        plane.call("PUT", "production/flags/search", Some(other)).await.0,
        200
    );
    assert!(plane.process.terminate().success());
    std::fs::remove_dir_all(data.join("view")).expect("the view is lost");
    plane.restart().await;
    let (_, flags) = plane.call("GET", "production/flags", None).await;
    assert_eq!(flags["items"].as_array().map(Vec::len), Some(2), "{flags}");
    let own = data.join("heads").display().to_string();
    let (code, said) = run(
        &[
            "verify",
            "--heads",
            &own,
            "--trusted-key",
            &key,
            "--archive",
            &archive,
        ],
        &data,
    );
    assert_eq!(code, Some(0), "{said}");
}
