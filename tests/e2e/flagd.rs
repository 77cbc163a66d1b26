//! Clients of flagd, unmodified: they evaluate by themselves from what they synchronise, or ask for
//! each evaluation; the one for browsers asks for all flags at once.

use crate::plane::Plane;
use crate::processes::free_port;
use crate::until::{PATIENCE, until};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Every client, and how it gets its answers.
const CLIENTS: [(&str, &str); 7] = [
    ("js", "in-process"),
    ("js", "rpc"),
    ("js", "web"),
    ("py", "in-process"),
    ("py", "rpc"),
    ("rs", "in-process"),
    ("rs", "rpc"),
];

/// Evaluations asked for at once, where there are many.
const AT_ONCE: usize = 16;

fn compat(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("compat").join(name)
}

fn json_of(name: &str) -> Value {
    let text = std::fs::read_to_string(compat(name)).expect("the file is there");
    serde_json::from_str(&text).expect("as JSON")
}

/// A control plane that answers flagd's clients.
struct Site {
    plane: Plane,
    evaluation: String,
    sync: String,
}

impl Site {
    async fn start() -> Self {
        let [evaluation, sync] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
        let arguments = ["--flagd-evaluation", &evaluation, "--flagd-sync", &sync];
        Self {
            plane: Plane::start_with(&arguments).await,
            evaluation,
            sync,
        }
    }

    /// Saves definitions, and waits until the embedded node has the last one.
    async fn save(&self, kind: &str, definitions: &Value) {
        let definitions = definitions.as_array().expect("a list");
        for definition in definitions {
            let key = definition["key"].as_str().expect("a key");
            let path = format!("production/{kind}/{key}");
            let (status, body) = self.plane.call("PUT", &path, Some(definition.clone())).await;
            assert!(status < 300, "{status} {body}");
        }
        let last = definitions.last().and_then(|one| one["key"].as_str());
        let last = last.expect("there are definitions");
        if kind == "flags" {
            let seen = || async { self.plane.embedded().knows(last).await.then_some(()) };
            until("the embedded node has every flag", seen).await;
        }
    }

    /// A client that does this, with this site as its only one.
    fn client(&self, (language, resolver): (&str, &str), what: &str) -> Command {
        let mut command = match language {
            "js" => {
                let mut command = Command::new("node");
                command.arg(compat("js").join("flagd.js"));
                command
            }
            "py" => {
                let mut command = Command::new(compat("py").join(".venv/bin/python"));
                command.arg(compat("py").join("flagd_check.py"));
                command
            }
            _ => Command::new(compat("rs").join("target/debug/tidegate-compat")),
        };
        command
            .args([what, resolver])
            .env("TIDEGATE_FLAGD_EVALUATION", &self.evaluation)
            .env("TIDEGATE_FLAGD_SYNC", &self.sync)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

#[tokio::test]
async fn flagd_clients_work_unmodified() {
    let site = Site::start().await;
    site.save("flags", &json_of("flags.json")["flags"]).await;
    for client in CLIENTS {
        let output = site.client(client, "check").output().await;
        let output = output.expect("the client runs; `make test` installs it");
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success(),
            "{client:?}\n{}",
            String::from_utf8_lossy(&said)
        );
    }
}

/// A client that tells each value of the flag `live` which it sees.
struct Watcher {
    name: (&'static str, &'static str),
    lines: Lines<BufReader<ChildStdout>>,
    /// What its libraries complain of.
    complaints: NamedTempFile,
    _process: Child,
}

impl Watcher {
    fn start(site: &Site, name: (&'static str, &'static str)) -> Self {
        let complaints = NamedTempFile::new().expect("a file");
        let mut process = site
            .client(name, "watch")
            .stdout(Stdio::piped())
            .stderr(complaints.reopen().expect("the same file"))
            .spawn()
            .expect("the client runs; `make test` installs it");
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        Self {
            name,
            lines,
            complaints,
            _process: process,
        }
    }

    /// Waits until it sees this value.
    async fn sees(&mut self, value: &str) {
        let expected = json!({ "live": value });
        let seen = async {
            while let Some(line) = self.lines.next_line().await.expect("it goes on talking") {
                // The clients' own loggers write there too.
                if serde_json::from_str::<Value>(&line).is_ok_and(|said| said == expected) {
                    return;
                }
            }
            panic!("{:?} ended", self.name);
        };
        let seen = timeout(PATIENCE, seen).await;
        let complaints = std::fs::read_to_string(self.complaints.path()).unwrap_or_default();
        assert!(
            seen.is_ok(),
            "{:?} never saw {value}; it said: {complaints}",
            self.name
        );
    }
}

fn live(serving: &str) -> Value {
    let variations: Vec<Value> = ["one", "two", "three"]
        .map(|name| json!({"key": name, "value": name}))
        .to_vec();
    json!([{"key": "live", "type": "string", "visibility": "client", "variations": variations, "fallback": {"variation": serving}}])
}

#[tokio::test]
async fn flagd_clients_see_changes_before_and_after_a_restart() {
    let mut site = Site::start().await;
    site.save("flags", &live("one")).await;
    let mut watchers: Vec<Watcher> = CLIENTS.map(|client| Watcher::start(&site, client)).into();
    for watcher in &mut watchers {
        watcher.sees("one").await;
    }
    site.save("flags", &live("two")).await;
    for watcher in &mut watchers {
        watcher.sees("two").await;
    }
    site.plane.process.kill();
    site.plane.restart().await;
    site.save("flags", &live("three")).await;
    for watcher in &mut watchers {
        watcher.sees("three").await;
    }
    // Asked to stop, it does not wait for streams that never end.
    assert!(site.plane.process.terminate().success());
}

/// The variations of all units, by flag, as a client finds them.
async fn found_by(site: &Site, client: (&str, &str)) -> BTreeMap<String, Vec<String>> {
    let output = site.client(client, "units").output().await;
    let output = output.expect("the client runs; `make test` installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{client:?}\n{said}");
    serde_json::from_slice(&output.stdout).expect("the answers are JSON")
}

/// Our node's own variations of every unit are those that a client finds by itself.
async fn agree(site: &Site, client: (&str, &str), count: u64) {
    let found = found_by(site, client).await;
    let embedded = site.plane.embedded();
    let mut units = stream::iter(0..count)
        .map(|unit| {
            let plan = if unit % 3 == 0 { "pro" } else { "free" };
            embedded.all(json!({
                "targetingKey": format!("unit-{unit}"), "company": format!("company-{}", unit % 97),
                "plan": plan, "age": unit % 80,
            }))
        })
        .buffered(AT_ONCE);
    let mut unit = 0;
    while let Some(flags) = units.next().await {
        for (flag, variations) in &found {
            assert_eq!(
                flags[flag], variations[unit],
                "{flag} for unit-{unit}, {client:?}"
            );
        }
        unit += 1;
    }
    assert_eq!((unit as u64, found.len()), (count, 5));
    for (flag, variations) in &found {
        let different: BTreeSet<_> = variations.iter().collect();
        assert!(different.len() > 1, "{flag} tells nothing apart");
    }
}

/// What the environment's units are hashed by, as flagd's clients are told.
async fn bucketing(site: &Site) -> Option<String> {
    let configuration = site.plane.flagd_configuration().await?;
    configuration["metadata"]["tidegateBucketing"]
        .as_str()
        .map(str::to_owned)
}

#[tokio::test]
async fn ten_thousand_units_get_the_same_everywhere() {
    let site = Site::start().await;
    let fixture = json_of("units.json");
    let count = fixture["count"].as_u64().expect("a number");
    site.save("segments", &fixture["segments"]).await;
    site.save("flags", &fixture["flags"]).await;
    agree(&site, ("py", "in-process"), count).await;
    agree(&site, ("rs", "in-process"), count).await;
    // The client of npm hashes as flagd did before its third version.
    let settings = json!({"flagd": "require", "bucketing": "flagd-v2"});
    let (status, body) = site
        .plane
        .call("PUT", "production/settings", Some(settings))
        .await;
    assert!(status < 300, "{status} {body}");
    let told = || async { bucketing(&site).await.filter(|it| it == "flagd-v2") };
    until("the clients are told of the other hash", told).await;
    agree(&site, ("js", "in-process"), count).await;
}
