//! The commands that talk to a control plane, as a person or a script gives them: what they say, and
//! how they end.

use crate::plane::Plane;
use crate::processes::tidegate;

/// What a command line has to say, and the code it has to end with.
type Line = (&'static [&'static str], i32, &'static [&'static str]);

/// In this order, against one control plane. `UNITS` stands for a file of units.
const LINES: &[Line] = &[
    (&["flag", "list"], 0, &["no flags yet", "tidegate flag set"]),
    (
        &[
            "flag",
            "set",
            "checkout",
            "--type",
            "boolean",
            "--variation",
            "off",
        ],
        0,
        &["checkout", "revision 1"],
    ),
    (
        &["flag", "set", "checkout", "--variation", "of"],
        1,
        &["fallback.variation", "given: of", "known: off, on"],
    ),
    (&["flag", "show", "checkout"], 0, &["boolean, active, revision 1"]),
    (&["flag", "show", "absent"], 1, &["there is no flag absent"]),
    (&["flag", "list", "--json"], 0, &["\"key\": \"checkout\""]),
    (&["segment", "list"], 0, &["no segments yet"]),
    (
        &["segment", "import", "staff", "UNITS"],
        0,
        &["staff: 2 units (read 3, 1 of them again)"],
    ),
    (&["segment", "show", "staff"], 0, &["2 units"]),
    (&["segment", "import", "staff", "absent.csv"], 1, &["absent.csv"]),
    (
        &["environment", "show"],
        0,
        &["revision 0", "flagd", "off", "bucketing", "v3"],
    ),
    (
        &["environment", "set", "--flagd", "require"],
        0,
        &["revision 1", "require"],
    ),
    (
        &["environment", "set", "--bucketing", "v9"],
        2,
        &["v9", "v3", "flagd-v2"],
    ),
    (&["environment", "show", "--json"], 0, &["\"flagd\": \"require\""]),
    (&["key", "list"], 0, &["signs"]),
    (&["key", "rotate"], 0, &["signs", "still valid"]),
    (
        &["key", "rotate"],
        1,
        &["retire the older one first", "tidegate key retire"],
    ),
    (&["key", "retire", "0000000000000000"], 1, &["0000000000000000"]),
    (&["nodes"], 0, &["embedded", "current"]),
    (
        &["eval", "checkout", "--key", "u1"],
        0,
        &["off = false", "static"],
    ),
    (&["eval", "absent", "--key", "u1"], 1, &["FLAG_NOT_FOUND"]),
    (&["token", "create", "ci", "--role", "editor"], 0, &["tg_"]),
    (&["token", "create", "ci", "--role", "editor"], 1, &["ci"]),
    (
        &["token", "create", "cd", "--role", "king"],
        2,
        &["king", "editor"],
    ),
    (&["token", "list"], 0, &["ci", "editor", "production"]),
    (&["token", "revoke", "ci"], 0, &["ci does not work any more"]),
    (
        &["policy", "apply", "policies/canary.yaml"],
        0,
        &["canary saved, revision 1"],
    ),
    (&["policy", "apply", "Cargo.toml"], 1, &["Cargo.toml:"]),
    (&["policy", "list"], 0, &["canary", "1 -> 10 -> 50 -> 100 %"]),
    (
        &["rollout", "list"],
        0,
        &["no rollouts", "tidegate rollout start"],
    ),
    (
        &["rollout", "start", "checkout", "--policy", "absent"],
        1,
        &["there is no policy absent"],
    ),
    (&["rollout", "status", "checkout"], 1, &["tidegate rollout list"]),
    (
        &["audit"],
        0,
        &["flag/production/checkout r1: flag saved", "environment saved"],
    ),
];

#[tokio::test]
async fn commands_say_what_they_did_or_why_not() {
    let plane = Plane::start(None).await;
    let units = plane.folder.path().join("units.csv");
    std::fs::write(&units, "u1\nu2\nu2\n").expect("the file is written");
    let units = units.to_str().expect("text");
    for (arguments, code, says) in LINES {
        let given = arguments
            .iter()
            .map(|one| if *one == "UNITS" { units } else { one });
        let (ended, said) = said_by(&plane, given);
        assert_eq!(ended, Some(*code), "{arguments:?}\n{said}");
        for part in *says {
            assert!(said.contains(part), "{arguments:?}: missing {part:?} in\n{said}");
        }
    }
}

#[tokio::test]
async fn a_retired_key_signs_nothing_and_evaluation_goes_on() {
    let plane = Plane::start(None).await;
    let node = plane.node("n1").await;
    let (_, before) = said_by(&plane, ["key", "list"]);
    let old = before
        .split_whitespace()
        .nth(4)
        .expect("the id of a key")
        .to_owned();
    for arguments in [&["key", "rotate"][..], &["key", "retire", &old]] {
        let (ended, said) = said_by(&plane, arguments.iter().copied());
        assert_eq!(ended, Some(0), "{arguments:?}\n{said}");
    }
    let (_, after) = said_by(&plane, ["key", "list"]);
    assert!(!after.contains(&old), "{after}");
    let (status, body) = plane
        .call(
            "PUT",
            "production/flags/signed-anew",
            Some(serde_json::json!({"type": "boolean"})),
        )
        .await;
    assert!(status < 300, "{status} {body}");
    crate::until::until("the node believes the new key", || async {
        node.client().knows("signed-anew").await.then_some(())
    })
    .await;
}

/// How a command ended, and all that it said.
pub(crate) fn said_by<'a>(
    plane: &Plane,
    arguments: impl IntoIterator<Item = &'a str>,
) -> (Option<i32>, String) {
    let output = tidegate()
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("TIDEGATE_URL", plane.url())
        .args([
            "--token-file".as_ref(),
            plane.data().join("admin-token").as_os_str(),
        ])
        .output()
        .expect("the binary runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code(), said)
}
