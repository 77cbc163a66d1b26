//! Starts that cannot work, and what they say.

use crate::plane::Plane;
use crate::processes::{free_port, tidegate};
use std::net::TcpListener;
use std::process::Output;

fn serve(arguments: &[&str]) -> Output {
    tidegate()
        .arg("serve")
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn check(output: &Output, code: i32, says: &[&str]) {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in says {
        assert!(text.contains(part), "missing {part:?} in:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = taken.local_addr().expect("it has an address").to_string();
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let data = folder.path().join("data");
    let output = serve(&["--listen", &address, "--data", data.to_str().expect("text")]);
    check(&output, 69, &[&address, "in use", "--listen"]);
    assert!(!data.exists(), "nothing is left behind");
}

#[tokio::test]
async fn f56_a_data_folder_in_use_is_named() {
    let plane = Plane::start(None).await;
    let data = plane.data();
    let data = data.to_str().expect("text");
    let output = serve(&["--listen", &format!("127.0.0.1:{}", free_port()), "--data", data]);
    check(&output, 75, &[data, "in use by another process"]);
}

#[test]
fn an_unreachable_prometheus_is_named() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let data = folder.path().join("data");
    let url = format!("http://127.0.0.1:{}", free_port());
    let listen = format!("127.0.0.1:{}", free_port());
    let output = serve(&[
        "--listen",
        &listen,
        "--data",
        data.to_str().expect("text"),
        "--prometheus",
        &url,
    ]);
    check(&output, 4, &[&url, "does not answer"]);
}

#[test]
fn wrong_arguments_are_named() {
    for (arguments, says) in [
        (vec!["--listen", "nowhere"], "nowhere"),
        (vec!["--environment", "a b"], "environment"),
        (vec!["--prometheus", "not a url"], "not a url"),
        (vec!["--colour"], "--colour"),
    ] {
        check(&serve(&arguments), 2, &[says]);
    }
}
