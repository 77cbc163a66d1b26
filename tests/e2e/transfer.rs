//! Definitions from flagd and from elsewhere, and on their way to both.

use crate::plane::Plane;
use crate::processes::tidegate;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

/// Runs `tidegate flag` against a control plane.
fn flag(plane: &Plane, environment: &str, arguments: &[&str]) -> Output {
    let mut command = tidegate();
    command.args(["flag"]).args(arguments);
    command.args([
        "--url",
        &plane.url(),
        "--environment",
        environment,
        "--token-file",
    ]);
    command.arg(plane.data().join("admin-token"));
    command.output().expect("it runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("a text")
}

/// Runs it and looks at how it ends; what it wrote to standard output and to standard error.
fn check(plane: &Plane, environment: &str, arguments: &[&str], code: i32) -> (String, String) {
    let output = flag(plane, environment, arguments);
    let (out, err) = (text(&output.stdout).to_owned(), text(&output.stderr).to_owned());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
    (out, err)
}

fn written(folder: &Path, name: &str, value: &Value) -> String {
    let path = folder.join(name);
    std::fs::write(&path, value.to_string()).expect("there is room");
    path.to_str().expect("a path that is text").to_owned()
}

fn document() -> Value {
    json!({
        "flags": {
            "checkout": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
                "targeting": {"if": [{"$ref": "staff"}, "on",
                    {"fractional": [{"cat": ["checkout.", {"var": "targetingKey"}]}, ["on", 25], ["off", 75]]}]}},
            "colour": {"state": "ENABLED", "variants": {"a": "red", "b": "blue"}, "defaultVariant": "a",
                "targeting": {"fractional": [["a", 50], ["b", 50]]}},
        },
        "$evaluators": {"staff": {"ends_with": [{"var": "email"}, "@corp.com"]}},
    })
}

#[tokio::test]
async fn definitions_come_from_flagd_and_go_there() {
    let plane = Plane::start_with(&["--environment", "production", "--environment", "staging"]).await;
    let file = written(plane.folder.path(), "flags.json", &document());
    let from_flagd = |more: &[&'static str]| {
        let mut arguments = vec!["import", "--from", "flagd", file.as_str()];
        arguments.extend(more);
        arguments.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let import = |more: &[&'static str], code: i32| {
        let arguments = from_flagd(more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        check(&plane, "production", &arguments, code)
    };
    // One flag cannot be said, and so nothing is imported.
    let (_, err) = import(&[], 1);
    assert!(
        err.contains("/flags/colour/targeting/fractional") && err.contains("--deal-anew"),
        "{err}"
    );
    let (status, _) = plane.call("GET", "production/flags/checkout", None).await;
    assert_eq!(status, 404);
    let (out, _) = import(&["--partial", "--dry-run"], 5);
    assert!(out.contains("would be created"), "{out}");
    let (out, err) = import(&["--partial"], 5);
    assert!(
        out.contains("segment  staff     created") && err.contains("1 flags were left out"),
        "{out}{err}"
    );
    let (status, flag) = plane.call("GET", "production/flags/checkout", None).await;
    assert_eq!(
        (status, &flag["definition"]["rules"][0]["when"]),
        (200, &json!({"segment": "staff"}))
    );
    // Everything, and then again nothing.
    let (out, _) = import(&["--deal-anew", "--json"], 0);
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told["created"], json!([{"kind": "flag", "key": "colour"}]));
    let (out, _) = import(&["--deal-anew"], 0);
    assert_eq!(out.matches("unchanged").count(), 3, "{out}");

    // What flagd's clients get, read back, is what is there.
    let exported = plane.folder.path().join("exported.json");
    let exported = exported.to_str().expect("a path that is text");
    check(
        &plane,
        "production",
        &["export", "--to", "flagd", "--output", exported],
        0,
    );
    let configuration: Value =
        serde_json::from_str(&std::fs::read_to_string(exported).expect("it is written")).expect("JSON");
    assert_eq!(
        configuration["metadata"],
        json!({"flagSetId": "production", "tidegateBucketing": "v3"})
    );
    let (out, _) = check(&plane, "staging", &["import", "--from", "flagd", exported], 0);
    assert!(out.contains("segment  staff     created"), "{out}");
    // What it has no words for stays out of it, and is named.
    let rule = json!({"name": "r", "when": {"attribute": "x", "operator": "regex", "value": "x"}, "serve": {"variation": "on"}});
    let (status, _) = plane
        .call(
            "PUT",
            "production/flags/odd",
            Some(json!({"type": "boolean", "rules": [rule]})),
        )
        .await;
    assert_eq!(status, 200);
    let (out, err) = check(&plane, "production", &["export", "--to", "flagd"], 5);
    assert!(
        !out.contains("\"odd\"") && err.contains("left out: flag odd: rules[0].when.operator"),
        "{err}"
    );
}

#[tokio::test]
async fn definitions_go_to_another_environment_and_come_back() {
    let plane = Plane::start_with(&["--environment", "production", "--environment", "staging"]).await;
    for (path, definition) in [
        ("segments/t", json!({"included": ["u1"]})),
        ("segments/s", json!({"when": {"segment": "t"}})),
        ("flags/z", json!({"type": "boolean"})),
        (
            "flags/a",
            json!({"type": "boolean", "prerequisites": [{"flag": "z", "variations": ["on"]}],
            "rules": [{"name": "r", "when": {"segment": "s"}, "serve": {"variation": "on"}}]}),
        ),
    ] {
        let (status, body) = plane
            .call("PUT", &format!("production/{path}"), Some(definition))
            .await;
        assert_eq!(status, 200, "{body}");
    }
    let file = plane.folder.path().join("all.json");
    let file = file.to_str().expect("a path that is text");
    check(&plane, "production", &["export", "--output", file], 0);
    let (out, _) = check(&plane, "staging", &["import", file], 0);
    assert_eq!(out.matches("created").count(), 4, "{out}");
    let again = |environment| {
        check(&plane, environment, &["export"], 0)
            .0
            .replace(environment, "")
    };
    assert_eq!(again("staging"), again("production"));
    let changed = std::fs::read_to_string(file)
        .expect("it is written")
        .replace("u1", "u2");
    std::fs::write(file, changed).expect("there is room");
    let (out, _) = check(&plane, "staging", &["import", file], 0);
    assert_eq!(
        (out.matches("unchanged").count(), out.matches(" changed").count()),
        (3, 1),
        "{out}"
    );
    std::fs::write(file, r#"{"flags": [{"key": "a"}]}"#).expect("there is room");
    let (_, err) = check(&plane, "staging", &["import", file], 1);
    assert!(
        err.contains("flags[0]") && err.contains("missing field `type`"),
        "{err}"
    );
}
