use crate::control_plane::{Answer, ControlPlane, TOKEN};
use crate::site::{Site, node, node_with};
use crate::snapshots::{production, snapshot, snapshot_of, version};
use futures_util::future::join_all;
use serde_json::json;
use std::future::pending;
use std::sync::Arc;
use tidegate_node::{Node, OpenAccess};
use tidegate_replica::{HttpUpstream, StaleBecause, Standing};
use tokio::task::JoinHandle;

fn published(at: &str) -> Answer {
    Answer::Published(snapshot(at).into())
}

/// Pulls until the test ends.
fn run(node: &Node, upstream: Arc<HttpUpstream>) -> JoinHandle<()> {
    let node = node.clone();
    actix_web::rt::spawn(async move { node.run(upstream, pending()).await })
}

async fn serves_compat_boolean(site: &Site) -> bool {
    let (status, answer) = site
        .ask("/ofrep/v1/evaluate/flags/compat-boolean", &json!({}))
        .await;
    status == 200 && answer["value"] == true
}

#[actix_web::test]
async fn a_node_follows_and_acknowledges_what_is_published() {
    let mut control = ControlPlane::start(published("1.1"));
    let node = node();
    run(&node, control.upstream());
    let first = control.poll().await;
    assert_eq!((first.after, first.if_none_match), (None, None));
    assert_eq!(first.authorization, Some(format!("Bearer {TOKEN}")));
    control.acknowledged(version("1.1")).await;
    for (before, now) in [("1.1", "1.2"), ("1.2", "1.7"), ("1.7", "2.1")] {
        // The question is open before there is an answer: a long poll.
        let poll = control.poll().await;
        assert_eq!(poll.after.as_deref(), Some(before));
        assert_eq!(poll.if_none_match, Some(format!("\"{before}\"")));
        control.answers(published(now));
        control.acknowledged(version(now)).await;
        assert!(matches!(node.replica().standing(), Standing::Current { .. }));
    }
}

/// A node at 1.5 is given this instead of a snapshot: it counts the cause, keeps what it has, asks
/// again, and takes the next good one.
async fn check_refusal(what: &str, answer: Answer, metric: &str, cause: &str) {
    let mut control = ControlPlane::start(published("1.5"));
    let node = node();
    let site = Site::of(vec![node.clone()]);
    run(&node, control.upstream());
    control.acknowledged(version("1.5")).await;
    // The questions before the first snapshot and after it.
    for _ in 0..2 {
        control.poll().await;
    }
    control.answers(answer);
    let again = control.poll().await;
    assert_eq!(again.after.as_deref(), Some("1.5"), "{what}");
    let counted = site.metric(metric, &[("cause", cause)]).await;
    assert!(counted >= Some(1.0), "{what}: {counted:?}");
    assert!(serves_compat_boolean(&site).await, "{what}");
    control.answers(published("1.6"));
    control.acknowledged(version("1.6")).await;
    site.stop().await;
}

#[actix_web::test]
async fn f64_f65_what_cannot_be_served_is_refused_and_what_was_served_stays() {
    const REFUSED: &str = "tidegate_node_refused_snapshots_total";
    const FAILED: &str = "tidegate_node_pull_failures_total";
    let replaced = |from: &str, to: &str| {
        let text = String::from_utf8(snapshot("1.9")).unwrap();
        assert!(text.contains(from));
        text.replace(from, to).into_bytes()
    };
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let altered = replaced("deep blue", "deep_blue");
    join_all([
        check_refusal("torn", Answer::Torn(snapshot("1.9")), FAILED, "away"),
        check_refusal(
            "cut off",
            Answer::Always(cut(snapshot("1.9"))),
            REFUSED,
            "unreadable",
        ),
        check_refusal("altered", Answer::Always(altered), REFUSED, "altered"),
        check_refusal(
            "a web page",
            Answer::Always(b"<html>".to_vec()),
            REFUSED,
            "unreadable",
        ),
        check_refusal("older", Answer::Always(snapshot("1.4")), REFUSED, "not_newer"),
        check_refusal("equal", Answer::Always(snapshot("1.5")), REFUSED, "not_newer"),
        check_refusal(
            "an epoch back",
            Answer::Always(snapshot("0.99")),
            REFUSED,
            "not_newer",
        ),
    ])
    .await;
    let staging = Answer::Always(snapshot_of("staging", "1.9"));
    join_all([
        check_refusal("another environment's", staging, REFUSED, "other_environment"),
        check_refusal("server error", Answer::Status(500), FAILED, "refused"),
        check_refusal("no such environment", Answer::Status(404), FAILED, "refused"),
        check_refusal("busy", Answer::Status(503), FAILED, "busy"),
        check_refusal("redirect", Answer::Status(302), FAILED, "refused"),
    ])
    .await;
}

#[actix_web::test]
async fn f62_evaluation_goes_on_while_the_control_plane_is_away() {
    let mut control = ControlPlane::start(published("1.1"));
    let node = node();
    let site = Site::of(vec![node.clone()]);
    run(&node, control.upstream());
    control.acknowledged(version("1.1")).await;
    let port = control.port();
    control.stop().await;
    assert!(serves_compat_boolean(&site).await);
    let mut control = ControlPlane::start_at(port, published("1.2"));
    control.acknowledged(version("1.2")).await;
    assert!(serves_compat_boolean(&site).await);
    site.stop().await;
}

#[actix_web::test]
async fn f71_a_refused_credential_is_told_and_evaluation_goes_on() {
    let mut control = ControlPlane::start(published("1.1"));
    let node = node();
    let site = Site::of(vec![node.clone()]);
    run(&node, control.upstream());
    control.acknowledged(version("1.1")).await;
    for _ in 0..2 {
        control.poll().await;
    }
    control.answers(Answer::Status(401));
    // Asking again means that the refusal was digested.
    control.poll().await;
    assert!(
        matches!(
            node.replica().standing(),
            Standing::Stale {
                because: StaleBecause::Credential,
                ..
            }
        ),
        "{:?}",
        node.replica().standing()
    );
    assert!(serves_compat_boolean(&site).await);
    let (status, body) = site.get("/readyz").await;
    assert_eq!(status, 200);
    assert!(body.contains("\"because\":\"credential\""), "{body}");
    control.answers(published("1.2"));
    control.acknowledged(version("1.2")).await;
    assert!(matches!(node.replica().standing(), Standing::Current { .. }));
    site.stop().await;
}

#[actix_web::test]
async fn f63_a_node_starts_from_its_folder_without_a_control_plane() {
    let folder = tempfile::tempdir().unwrap();
    let kept = |open: Arc<OpenAccess>| node_with(&production(), open, Some(folder.path()));
    let mut control = ControlPlane::start(published("1.1"));
    let upstream = control.upstream();
    let running = run(&kept(Arc::new(OpenAccess)), Arc::clone(&upstream));
    control.acknowledged(version("1.1")).await;
    control.answers(published("1.2"));
    control.acknowledged(version("1.2")).await;
    // Asking again means that the snapshot lies on the disk.
    for _ in 0..3 {
        control.poll().await;
    }
    running.abort();
    control.stop().await;

    let node = kept(Arc::new(OpenAccess));
    run(&node, upstream);
    let site = Site::of(vec![node.clone()]);
    assert!(serves_compat_boolean(&site).await);
    assert_eq!(site.get("/readyz").await.0, 200);
    match node.replica().standing() {
        Standing::Stale {
            version: served,
            because,
            ..
        } => {
            assert_eq!((served, because), (version("1.2"), StaleBecause::Unconfirmed));
        }
        other => panic!("{other:?}"),
    }
    let (_, answer) = site
        .ask("/ofrep/v1/evaluate/flags/compat-boolean", &json!({}))
        .await;
    assert_eq!(answer["metadata"]["tidegateState"], "stale");
    assert!(answer["metadata"]["tidegateAgeSeconds"].is_u64(), "{answer}");
    site.stop().await;
}
