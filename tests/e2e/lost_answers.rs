//! Answers that get lost on their way: what was asked is done once, and the answer is given again.

use crate::plane::Plane;
use crate::processes::{client, free_port, tidegate};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Hands requests on, one a connection, and loses the first answers to changes. Says how many it lost.
async fn losing(upstream: String, losses: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", free_port()))
        .await
        .expect("it listens");
    let url = format!("http://{}", listener.local_addr().expect("it is somewhere"));
    let lost = Arc::new(AtomicUsize::new(0));
    let counted = lost.clone();
    tokio::spawn(async move {
        while let Ok((down, _)) = listener.accept().await {
            let (upstream, lost) = (upstream.clone(), counted.clone());
            tokio::spawn(async move { hand_on(down, &upstream, &lost, losses).await });
        }
    });
    (url, lost)
}

async fn hand_on(mut down: TcpStream, upstream: &str, lost: &AtomicUsize, losses: usize) -> Option<()> {
    let request = message(&mut down).await?;
    let mut up = TcpStream::connect(upstream).await.ok()?;
    up.write_all(&request).await.ok()?;
    let answer = message(&mut up).await?;
    let changes = !request.starts_with(b"GET ");
    if changes && lost.load(Ordering::SeqCst) < losses {
        // It was done, and answered; half a line of the answer arrives.
        lost.fetch_add(1, Ordering::SeqCst);
        down.write_all(answer.get(..7)?).await.ok()?;
        return None;
    }
    let end = head_end(&answer)?;
    let head = String::from_utf8_lossy(answer.get(..end)?).into_owned();
    let head = head.trim_end().to_owned() + "\r\nconnection: close\r\n\r\n";
    down.write_all(head.as_bytes()).await.ok()?;
    down.write_all(answer.get(end..)?).await.ok()
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(end + 4)
}

/// One request or answer that says how long it is, or has no body.
async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = head_end(&bytes) {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.trim().parse().expect("a length"));
            if bytes.len() >= end + length {
                return Some(bytes);
            }
        }
        let mut piece = vec![0; 16 << 10];
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
    }
}

#[tokio::test]
async fn f29_the_command_line_repeats_what_was_not_answered() {
    let plane = Plane::start(None).await;
    let flag = json!({"key": "checkout", "type": "boolean"});
    let (status, body) = plane.call("PUT", "production/flags/checkout", Some(flag)).await;
    assert_eq!(status, 200, "{body}");
    let upstream = plane.url().replace("http://", "");
    let (url, lost) = losing(upstream, 2).await;
    let mut command = tidegate();
    command
        .args([
            "token",
            "create",
            "ci",
            "--role",
            "viewer",
            "--json",
            "--url",
            &url,
            "--token-file",
        ])
        .arg(plane.data().join("admin-token"));
    let made = tokio::task::spawn_blocking(move || command.output().expect("the command line runs"));
    let made = made.await.expect("it ends");
    let said = String::from_utf8_lossy(&made.stdout);
    assert!(
        made.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&made.stderr)
    );
    assert_eq!(lost.load(Ordering::SeqCst), 2, "two answers were lost");
    // The secret is the first answer's: it works, and a second token of that name would have been refused.
    let answer: serde_json::Value = serde_json::from_str(&said).expect("it answers JSON");
    let secret = answer["secret"].as_str().expect("the secret is shown");
    let url = format!("{}/api/v1/production/flags/checkout", plane.url());
    let read = client()
        .get(url)
        .bearer_auth(secret)
        .send()
        .await
        .expect("it answers");
    assert_eq!(read.status(), 200);
}

#[tokio::test]
async fn f29_the_answer_is_the_same_byte_for_byte_after_a_crash() {
    let mut plane = Plane::start(None).await;
    let token = std::fs::read_to_string(plane.data().join("admin-token")).expect("there is a token");
    let ask = |base: String| {
        let request = client()
            .put(format!("{base}/api/v1/production/flags/checkout"))
            .bearer_auth(token.trim())
            .header("Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324")
            .json(&json!({"type": "boolean"}));
        async {
            let answer = request.send().await.expect("it answers");
            let header = |name: &str| answer.headers().get(name).cloned();
            let heads = (answer.status(), header("etag"), header("content-type"));
            (heads, answer.bytes().await.expect("a body"))
        }
    };
    let first = ask(plane.url()).await;
    assert_eq!(first.0.0, 200);
    plane.process.kill();
    plane.restart().await;
    assert_eq!(ask(plane.url()).await, first);
    // Without the answer, as after a crash between the two: it is not done again, and said where to look.
    plane.process.kill();
    let answers = plane.data().join("answers");
    for file in std::fs::read_dir(&answers).expect("answers are kept") {
        std::fs::remove_file(file.expect("a file").path()).expect("it goes");
    }
    plane.restart().await;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    let answer = client
        .put(format!("{}/api/v1/production/flags/checkout", plane.url()))
        .bearer_auth(token.trim())
        .header("Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324")
        .json(&json!({"type": "boolean"}));
    let answer = answer.send().await.expect("it answers");
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()["location"], "/api/v1/production/flags/checkout");
    let (_, flag) = plane.call("GET", "production/flags/checkout", None).await;
    assert_eq!(flag["revision"], 1, "it was done once");
}
