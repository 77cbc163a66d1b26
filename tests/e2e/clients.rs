//! Clients that exist already, unmodified: the OpenFeature providers of npm, PyPI and crates.io.

use crate::plane::Plane;
use crate::until::until;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("compat").join(name)
}

/// A control plane with the flags that the clients expect.
async fn plane() -> Plane {
    let plane = Plane::start(None).await;
    let flags = std::fs::read_to_string(folder("flags.json")).expect("the flags are there");
    let flags: Value = serde_json::from_str(&flags).expect("as JSON");
    let flags = flags["flags"].as_array().expect("a list of flags");
    let mut last = "";
    for flag in flags {
        last = flag["key"].as_str().expect("a flag has a key");
        let path = format!("production/flags/{last}");
        let (status, body) = plane.call("PUT", &path, Some(flag.clone())).await;
        assert!(status < 300, "{status} {body}");
    }
    until("the embedded node has every flag", || async {
        plane.embedded().knows(last).await.then_some(())
    })
    .await;
    plane
}

/// Lets a client run to its end; restarts the control plane whenever the client asks for it.
async fn run(mut client: Command, plane: &mut Plane) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    client
        .env("TIDEGATE_URL", plane.url())
        .env("TIDEGATE_TOKEN", plane.token("server", "server").await)
        .env("TIDEGATE_CLIENT_TOKEN", plane.token("client", "client").await)
        .env("TIDEGATE_EDITOR_TOKEN", plane.token("editor", "editor").await)
        .env("TIDEGATE_RESTART_URL", format!("http://{address}/"))
        .kill_on_drop(true);
    let output = client.output();
    tokio::pin!(output);
    let output = loop {
        tokio::select! {
            output = &mut output => break output.expect("the client runs; `make test` installs it"),
            asked = listener.accept() => {
                let (stream, _) = asked.expect("the client connects");
                // Open streams are no reason to hang.
                assert!(plane.process.terminate().success());
                plane.restart().await;
                answer(stream).await;
            }
        }
    };
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
}

/// Says that it is done, in as much HTTP as that takes.
async fn answer(mut stream: TcpStream) {
    let mut request = [0; 4096];
    let read = stream.read(&mut request).await.expect("the client asks");
    assert!(request[..read].starts_with(b"POST / "), "{request:?}");
    let done = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    stream
        .write_all(done)
        .await
        .expect("the client waits for the answer");
}

#[tokio::test]
async fn openfeature_clients_of_npm_work_unmodified() {
    let mut plane = plane().await;
    let mut client = Command::new("node");
    client
        .args(["--test", "--test-concurrency=1"])
        .args(["server", "server-live", "web", "web-live", "browser"].map(|name| format!("{name}.test.js")))
        .current_dir(folder("js"));
    run(client, &mut plane).await;
}

#[tokio::test]
async fn openfeature_clients_of_pypi_work_unmodified() {
    let mut plane = plane().await;
    let mut client = Command::new(folder("py").join(".venv/bin/python"));
    client.arg(folder("py").join("check.py"));
    run(client, &mut plane).await;
}

#[tokio::test]
async fn openfeature_clients_of_crates_io_work_unmodified() {
    let mut plane = plane().await;
    let mut client = Command::new(folder("rs").join("target/debug/tidegate-compat"));
    client.args(["check", "ofrep"]);
    run(client, &mut plane).await;
}
