//! Policy files, read while the control plane runs.

use crate::plane::Plane;
use crate::until::until;
use serde_json::Value;

fn policy(percentage: &str) -> String {
    format!(
        "apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: filed\nschedule:\n  type: custom\n  stages:\n    \
         - {{ name: only, percentage: {percentage}, duration: 1m }}\nsafety:\n  rules:\n    - name: failures\n      \
         events: {{ metric: failed, per: exposure }}\n      comparison: greater_than\n      threshold: 5%\n"
    )
}

async fn duration_of(plane: &Plane) -> Option<Value> {
    let (status, body) = plane.call("GET", "production/policies/filed", None).await;
    (status == 200).then(|| body["policy"]["schedule"]["stages"][0]["duration"].clone())
}

#[tokio::test]
async fn a_broken_file_never_replaces_a_good_one() {
    let policies = tempfile::tempdir().expect("there is room for a folder");
    let file = policies.path().join("filed.yaml");
    let write = |text: &str| std::fs::write(&file, text).expect("the file is written");
    write(&policy("100"));
    let plane = Plane::start_with(&["--policies", policies.path().to_str().expect("text")]).await;
    assert_eq!(duration_of(&plane).await, Some("1m".into()), "read at the start");
    write(&policy("101"));
    until("the mistake is told", || async {
        plane.process.said().contains("filed.yaml:7:").then_some(())
    })
    .await;
    assert_eq!(duration_of(&plane).await, Some("1m".into()), "the good one stays");
    write(&policy("100").replace("duration: 1m", "duration: 2m"));
    until("the mended file is read", || async {
        duration_of(&plane).await.filter(|duration| *duration == "2m")
    })
    .await;
    std::fs::remove_file(&file).expect("the file is removed");
    let other = policies.path().join("other.yaml");
    std::fs::write(other, policy("100").replace("name: filed", "name: other")).expect("the file is written");
    until("the folder was read again", || async {
        let (status, _) = plane.call("GET", "production/policies/other", None).await;
        (status == 200).then_some(())
    })
    .await;
    assert_eq!(
        duration_of(&plane).await,
        Some("2m".into()),
        "a file that is gone takes nothing along"
    );
}
