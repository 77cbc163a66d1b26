//! `tidegate policy simulate` and its like: no server, only files, output and exit codes.

use crate::processes::tidegate;
use std::path::Path;
use std::process::{Command, Output};

/// A policy with a pause, an approval and a window.
pub(crate) const POLICY: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: windowed
schedule:
  type: custom
  stages:
    - { name: canary, percentage: 1, duration: 15m }
    - { name: half, percentage: 50, duration: 20h, waitForApproval: { roles: [approver] } }
    - { name: everyone, percentage: 100, duration: 1h, gate: { target: change } }
  windows:
    - { allow: "0 9 * * Mon-Fri", for: 8h, timezone: Europe/Paris }
safety:
  rules:
    - name: errors
      query: sum(rate(errors_total{flag="{{flag}}", variation="{{variation}}"}[{{window}}]))
      threshold: 0.5
"#;

/// Writes `text` to a file of `folder`.
pub(crate) fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the file is written");
    path.to_str().expect("text").to_owned()
}

/// Runs the binary in a folder of its own, with nothing in the environment that it could read.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut command: Command = tidegate();
    command.args(arguments).env_remove("TIDEGATE_ENVIRONMENT");
    command.output().expect("it runs")
}

/// Checks exit code and what is said, on both streams.
pub(crate) fn check(arguments: &[&str], exit: i32, says: &[&str]) -> String {
    let output = run(arguments);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
    for say in says {
        assert!(said.contains(say), "{say:?} is missing: {said}");
    }
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn simulations_end_as_their_stories_do() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let policy = file(folder.path(), "windowed.yaml", POLICY);
    let story = |name: &str, text: &str| file(folder.path(), name, text);
    let simulate = ["policy", "simulate", policy.as_str()];
    let with = |more: &[&str], exit: i32, says: &[&str]| check(&[&simulate[..], more].concat(), exit, says);
    with(&[], 1, &["not started", "start from 2026-01-05 08:00 UTC on"]);
    let monday = ["--start", "2026-01-05T08:00:00Z"];
    let best = with(
        &monday,
        0,
        &[
            "00:00:00 approved half",
            "00:15:00 advanced to half (50 %)",
            "> gate change pass",
            "# completed after 1day 1h 10s, at 2026-01-06 09:00:10 UTC",
        ],
    );
    let again = story("again.txt", &best);
    assert_eq!(
        with(&["--script", &again], 0, &[]),
        best,
        "a transcript is a story"
    );
    let breach = story("breach.txt", "run 10m errors=0.1\nrun 1m errors=0.7\n");
    with(
        &[&monday[..], &["--script", &breach]].concat(),
        3,
        &[
            "errors breached: 0.7 > 0.5",
            "# rolled back after 10m 10s",
            "did not complete",
        ],
    );
    let open = story("open.txt", "run 1h errors=0.1\n");
    let open = [&monday[..], &["--script", &open]].concat();
    with(
        &open,
        6,
        &[
            "approval for half missing",
            "# still open at 2026-01-05 09:00:00 UTC, 1 %",
        ],
    );
    let json = with(&[&open[..], &["--json"]].concat(), 6, &[]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (json["ending"].as_str(), json["share"].as_f64()),
        (None, Some(1.0))
    );
    assert_eq!(json["story"][0]["decisions"][0]["decision"]["kind"], "started");
    let wrong = story("wrong.txt", "run 1m\nrun 1m errrs=1\nsleep\n");
    with(
        &["--script", &wrong],
        1,
        &["line 2", "did you mean 'errors'", "line 3", "known: run, down"],
    );
    with(&["--start", "noon"], 2, &["noon", "2026-01-05 09:00"]);
    check(&["policy", "simulate", "absent.yaml"], 1, &["absent.yaml"]);
    let broken = story(
        "broken.yaml",
        &POLICY.replace("percentage: 50", "percentage: 0.5"),
    );
    check(&["policy", "simulate", &broken], 1, &["broken.yaml:9:"]);
}

#[test]
fn previews_show_the_calendar_and_name_what_is_never_reached() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let policy = file(folder.path(), "windowed.yaml", POLICY);
    let preview = ["policy", "preview", policy.as_str(), "--start"];
    let with = |more: &[&str], exit: i32, says: &[&str]| check(&[&preview[..], more].concat(), exit, says);
    // A Friday: 20 hours from 15:15 on end in the night, and the weekend is closed.
    let shown = with(
        &["2026-01-09 14:00", "--users", "250000"],
        0,
        &[
            "best case:   Mon 2026-01-12 10:00 CET, held by windows for 1day 21h 45m",
            "worst case:  Tue 2026-01-13 10:00 CET",
        ],
    );
    let half = shown
        .lines()
        .find(|line| line.starts_with("half"))
        .expect("a row");
    for say in [
        "50 %",
        "125000",
        "Fri 2026-01-09 15:15 CET",
        "Mon 2026-01-12 09:00 CET",
        "approval",
    ] {
        assert!(half.contains(say), "{say:?} is missing: {half}");
    }
    with(
        &["2026-01-10"],
        0,
        &["windows let it start at Mon 2026-01-12 09:00 CET"],
    );
    let json = with(&["2026-01-09 14:00", "--json"], 0, &[]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["calendar"]["best"]["finish"], "2026-01-12T09:00:10Z");
    let shut = POLICY.replace(
        "windows:\n",
        "freezes: [{ from: 2026-01-01, to: 2027-12-31, reason: for good }]\n  windows:\n",
    );
    let shut = file(folder.path(), "shut.yaml", &shut);
    let says = ["never reached: canary, half, everyone", "no window lets it start"];
    check(&["policy", "preview", &shut, "--start", "2026-01-09"], 1, &says);
}

#[test]
fn checks_prove_or_tell_a_story() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    // Two stages, one rule and no windows: each more multiplies the states.
    let (head, rest) = POLICY.split_once("    - { name: half").expect("a stage");
    let (_, rules) = rest.split_once("safety:").expect("rules");
    let everyone = "    - { name: everyone, percentage: 100, duration: 1h }\n";
    let small = format!("{head}{everyone}safety:{rules}");
    let policy = file(folder.path(), "small.yaml", &small);
    let says = [
        "no stage is skipped: holds",
        "every stage and the end can be reached: holds",
        "all there are",
    ];
    check(&["policy", "check", &policy], 0, &says);
    let trusting = small.replace("threshold: 0.5", "threshold: 0.5\n      unknown: healthy");
    let trusting = file(folder.path(), "trusting.yaml", &trusting);
    let says = [
        "nothing opens on an unknown: BROKEN",
        "could not be judged (no_series)",
        "> run 10s errors=no_series",
    ];
    check(&["policy", "check", &trusting], 7, &says);
    check(
        &["policy", "check", &policy, "--states", "9"],
        7,
        &["not all there are", "nothing is proven"],
    );
}

/// A policy whose stages see little, with windows that an approval does not outlast.
const TIGHT: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: tight
traffic: { perMinute: 600, baseline: { errors: 0.2% } }
schedule:
  type: custom
  stages:
    - { name: canary, percentage: 1, duration: 15m }
    - { name: everyone, percentage: 100, duration: 1h, waitForApproval: { expires: 1h } }
  windows:
    - { allow: "0 9 * * Mon-Fri", for: 30m, timezone: Europe/Paris }
safety:
  rules:
    - name: errors
      query: |
        sum(rate(http_requests_total{flag="{{flag}}", variation="{{variation}}", code=~"5.."}[{{window}}]))
          / sum(rate(http_requests_total{flag="{{flag}}", variation="{{variation}}"}[{{window}}]))
      threshold: 2%
"#;

#[test]
fn lint_says_what_stages_see_and_what_expires() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let policy = file(folder.path(), "tight.yaml", TIGHT);
    let lint = ["policy", "lint", policy.as_str(), "--at", "2026-01-05"];
    let says = [
        "tight.yaml:9:7: warning: schedule.stages[0]: a healthy candidate trips errors in canary",
        "warning: schedule.stages[1].waitForApproval: an approval counts for 1h",
        "tight.yaml:10:",
        "tight is valid",
        "SEES FROM",
    ];
    check(&lint, 0, &says);
    let json = check(&[&lint[..], &["--json"]].concat(), 0, &[]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["items"][0]["sight"][0]["requests"], 30.0);
    let empty = file(
        folder.path(),
        "empty.yaml",
        &TIGHT.replace("duration: 15m", "duration: 0s"),
    );
    check(
        &["policy", "lint", &empty],
        1,
        &["empty.yaml:9:48: error", "a stage of no length"],
    );
    let never = TIGHT.replace(
        "  windows:\n",
        "  windows:\n    - { deny: \"0 0 * * *\", for: 24h }\n",
    );
    let never = file(folder.path(), "never.yaml", &never);
    check(
        &["policy", "lint", &never],
        1,
        &["error: schedule.windows: these windows never let any stage open"],
    );
}

#[test]
fn the_fastest_schedule_can_be_pasted() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let rich = TIGHT.replace("perMinute: 600,", "perMinute: 60000,");
    let policy = file(folder.path(), "rich.yaml", &rich);
    let optimise = [
        "policy",
        "optimise",
        policy.as_str(),
        "--start",
        "2026-01-05 08:00",
    ];
    let with = |more: &[&str], exit: i32, says: &[&str]| check(&[&optimise[..], more].concat(), exit, says);
    let printed = with(
        &["--users", "1000"],
        0,
        &["schedule:", "percentage: 100", "waitForApproval", "timezone"],
    );
    let (before, rest) = rich.split_once("schedule:").expect("a schedule");
    let (_, after) = rest.split_once("safety:").expect("rules");
    let pasted = file(
        folder.path(),
        "pasted.yaml",
        &format!("{before}{printed}safety:{after}"),
    );
    check(
        &["policy", "lint", &pasted, "--at", "2026-01-05"],
        0,
        &["tight is valid"],
    );
    with(&["--detect", "errors=0.3%"], 1, &["lets errors see 0.3 %"]);
    with(
        &["--users", "1000", "--exposure", "1"],
        1,
        &["the least exposed has"],
    );
    with(
        &["--detect", "latency=1%"],
        1,
        &["latency has no baseline", "known: errors"],
    );
    let silent = file(folder.path(), "silent.yaml", POLICY);
    check(
        &["policy", "optimise", &silent, "--start", "2026-01-05"],
        1,
        &["add 'traffic:"],
    );
}
