//! Experiments from the design to the winner, with real nodes, real commands, and processes that are killed.

use crate::commands::said_by;
use crate::plane::{Client, Plane};
use crate::until::until;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Participants; all of them are enrolled at once, by so many callers, in requests of a thousand.
const PARTICIPANTS: usize = 100_000;
const CALLERS: usize = 16;

fn design(more: &Value) -> Value {
    let mut design = json!({
        "key": "green-button",
        "hypothesis": "Green makes more people buy.",
        "flag": "checkout",
        "control": "off",
        "arms": [{ "variation": "off", "weight": 50 }, { "variation": "on", "weight": 50 }],
        "metrics": [
            { "name": "purchase", "measure": { "kind": "conversion", "event": "purchase" }, "minimumEffect": 0.05 },
            { "name": "broken", "role": "guardrail", "goal": "decrease", "onBreach": "stop",
              "measure": { "kind": "conversion", "event": "broken" } },
        ],
        "dimensions": ["country"],
    });
    for (name, value) in more.as_object().expect("an object") {
        design[name] = value.clone();
    }
    design
}

impl Plane {
    /// A flag and a running experiment on it.
    async fn start_experiment(&self, more: Value) {
        let flag = json!({"key": "checkout", "type": "boolean"});
        let (status, body) = self.call("PUT", "production/flags/checkout", Some(flag)).await;
        assert!(status < 300, "{status} {body}");
        let path = "production/experiments/green-button";
        let (status, body) = self.call("PUT", path, Some(design(&more))).await;
        assert!(status < 300, "{status} {body}");
        let (status, body) = self.tell_experiment(json!({ "command": "start" })).await;
        assert_eq!((status, body["phase"].as_str()), (200, Some("running")), "{body}");
    }

    async fn tell_experiment(&self, command: Value) -> (u16, Value) {
        let path = "production/experiments/green-button/commands";
        self.call("POST", path, Some(command)).await
    }

    async fn experiment(&self) -> Value {
        let path = "production/experiments/green-button";
        self.call("GET", path, None).await.1
    }

    /// What it says; `None` while its numbers are being counted.
    async fn results(&self) -> Option<Value> {
        let path = "production/experiments/green-button/results?breakdown=country";
        let (status, body) = self.call("GET", path, None).await;
        (status == 200).then_some(body)
    }
}

/// The variations of a thousand units, from `first` on; nothing while the node does not answer or knows no such
/// experiment.
async fn enrol(client: &Client<'_>, first: usize) -> Option<Vec<String>> {
    let country = |unit: usize| if unit.is_multiple_of(3) { "de" } else { "jp" };
    let contexts: Vec<Value> = (first..first + 1000)
        .map(|unit| json!({ "targetingKey": format!("user-{unit}"), "country": country(unit) }))
        .collect();
    let path = "v1/experiments/green-button/enrolments";
    let answer = client.post(path, &json!({ "contexts": contexts })).await?;
    let results = answer["results"].as_array()?;
    let enrolled = results.iter().filter(|one| one["enrolled"] == true);
    let variations: Vec<String> = enrolled
        .filter_map(|one| Some(one["variation"].as_str()?.to_owned()))
        .collect();
    (variations.len() == 1000).then_some(variations)
}

/// A quarter of all participants, by all callers at once; counted by their variations.
async fn enrol_quarter(client: &Client<'_>, begin: usize, arms: &mut BTreeMap<String, u64>) {
    let each = PARTICIPANTS / 4 / CALLERS;
    let callers = (0..CALLERS).map(|caller| async move {
        let mut met: Vec<String> = Vec::new();
        let first = begin + caller * each;
        for first in (first..first + each).step_by(1000) {
            let answered = || async { enrol(client, first).await };
            let thousand = until("the node enrols", answered).await;
            met.extend(thousand.into_iter().take(each.min(1000)));
        }
        met
    });
    for variation in futures_util::future::join_all(callers)
        .await
        .into_iter()
        .flatten()
    {
        *arms.entry(variation).or_default() += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_are_enrolled_while_processes_are_killed() {
    let mut plane = Plane::start(None).await;
    plane.start_experiment(json!({})).await;
    let mut node = plane.node("n1").await;
    until("the node deals the experiment", || async {
        enrol(&node.client(), 0).await
    })
    .await;
    let mut arms: BTreeMap<String, u64> = BTreeMap::new();
    for (round, begin) in (0..PARTICIPANTS).step_by(PARTICIPANTS / 4).enumerate() {
        enrol_quarter(&node.client(), begin, &mut arms).await;
        match round {
            0 => plane.restart().await,
            1 => {
                node.process.kill();
                node.restart().await;
                until("it deals again", || async { enrol(&node.client(), 0).await }).await;
            }
            _ => {}
        }
    }
    println!("enrolled: {arms:?}");
    let all = until("everybody is counted", || async {
        let results = plane.results().await?;
        let units = results["headline"]["look"]["units"].as_u64()?;
        (units >= PARTICIPANTS as u64).then_some(results)
    })
    .await;
    let ratio = &all["headline"]["sampleRatio"];
    assert_eq!(ratio["alarm"], false, "{ratio}");
    let left_out = &all["headline"]["leftOut"];
    assert_eq!(
        (&left_out["doubleExposed"], &left_out["late"]),
        (&json!(0), &json!(0)),
        "{left_out}"
    );
    let countries = all["breakdown"]["values"].as_object().expect("by country");
    assert_eq!(countries.keys().collect::<Vec<_>>(), ["de", "jp"]);
    let of_arms: u64 = ratio["arms"]
        .as_array()
        .expect("two")
        .iter()
        .filter_map(|arm| arm["units"].as_u64())
        .sum();
    assert_eq!(
        of_arms,
        all["headline"]["look"]["units"].as_u64().expect("a number")
    );
    plane.restart().await;
    let again = until("the log is read again", || async { plane.results().await }).await;
    assert_eq!(
        again["inputs"], all["inputs"],
        "the same numbers, to the last digit, after a restart"
    );
}

#[tokio::test]
async fn a_guardrail_that_breaks_shuts_it_on_every_node() {
    let plane = Plane::start(None).await;
    plane.start_experiment(json!({})).await;
    let node = plane.node("n1").await;
    let met = until("the node deals the experiment", || async {
        enrol(&node.client(), 0).await
    })
    .await;
    let more = enrol(&node.client(), 1000).await.expect("it deals");
    let broken: Vec<Value> = met
        .iter()
        .chain(&more)
        .enumerate()
        .filter(|(unit, arm)| *arm == "on" && unit % 4 == 0)
        .map(|(unit, _)| json!({ "metric": "broken", "targetingKey": format!("user-{unit}") }))
        .collect();
    let taken = node
        .client()
        .post("v1/events", &json!({ "events": broken }))
        .await
        .expect("they are taken");
    assert_eq!(taken["observed"], json!(broken.len()), "{taken}");
    let stopped = until("the guardrail stops it", || async {
        Some(plane.experiment().await).filter(|view| view["phase"] == "stopped")
    })
    .await;
    let ended = &stopped["ended"];
    assert_eq!(
        (&ended["outcome"]["kind"], &ended["by"]),
        (&json!("revert"), &json!("tidegate")),
        "{ended}"
    );
    assert!(ended["why"].as_str().expect("why").contains("broken"), "{ended}");
    until("nobody is dealt an arm any more", || async {
        (node.client().on_permille().await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_bandit_is_dealt_anew_by_what_its_units_do() {
    let plane = Plane::start(None).await;
    let bandit = json!({ "metric": "purchase", "every": "10s", "units": 100 });
    plane
        .start_experiment(json!({ "bandit": bandit, "history": "0s" }))
        .await;
    let node = plane.node("n1").await;
    let met = until("the node deals the experiment", || async {
        enrol(&node.client(), 0).await
    })
    .await;
    let bought: Vec<Value> = met
        .iter()
        .enumerate()
        .filter(|(unit, arm)| unit % 10 == 0 || (*arm == "on" && unit % 10 < 4))
        .map(|(unit, _)| json!({ "metric": "purchase", "targetingKey": format!("user-{unit}") }))
        .collect();
    node.client()
        .post("v1/events", &json!({ "events": bought }))
        .await
        .expect("they are taken");
    let dealt = until("the weights follow", || async {
        let view = plane.experiment().await;
        let dealings = view["dealings"].as_array()?.clone();
        (dealings.len() > 1).then_some(dealings)
    })
    .await;
    let on = dealt[1]["arms"][1]["weight"].as_f64().expect("a weight");
    assert!(on > 90.0, "{dealt:?}");
    until("nodes deal by them", || async {
        (node.client().on_permille().await > 900).then_some(())
    })
    .await;
    let found = plane.results().await.expect("it has numbers");
    let arms = found["bandit"]["arms"].as_array().expect("two");
    assert!(
        arms.iter().all(|arm| arm["mean"]["interval"].is_object()),
        "{arms:?}"
    );
}

#[tokio::test]
async fn its_winner_is_handed_to_a_rollout_by_one_command() {
    let plane = Plane::start(None).await;
    plane.start_experiment(json!({})).await;
    let folder = plane.folder.path();
    let bad = json!({ "arms": [
        { "variation": "off", "weight": 50 }, { "variation": "onn", "weight": 40 },
    ] });
    for (name, text) in [
        ("bad.json", design(&bad).to_string()),
        ("good.json", design(&json!({})).to_string()),
        ("traffic.json", TRAFFIC.to_owned()),
        ("events-only.yaml", POLICY.to_owned()),
    ] {
        std::fs::write(folder.join(name), text).expect("written");
    }
    for (line, code, says) in LINES {
        let words = line
            .split(' ')
            .map(|word| match word.contains(".json") || word.contains(".yaml") {
                true => folder.join(word).to_str().expect("text").to_owned(),
                false => word.to_owned(),
            });
        let words: Vec<String> = words.collect();
        let (ended, said) = said_by(&plane, words.iter().map(String::as_str));
        assert_eq!(ended, Some(*code), "{line}\n{said}");
        for part in *says {
            assert!(said.contains(part), "{line}: missing {part:?} in\n{said}");
        }
    }
}

/// What a command line has to say, and the code it has to end with; files are in the plane's folder.
const LINES: &[(&str, i32, &[&str])] = &[
    ("experiment list", 0, &["green-button", "running"]),
    (
        "experiment check bad.json",
        1,
        &["arms", "100 %", "did you mean", "on"],
    ),
    ("experiment check good.json", 0, &["could be saved"]),
    (
        "experiment plan good.json --traffic traffic.json",
        0,
        &["purchase", "units a day"],
    ),
    ("experiment plan good.json", 2, &["--traffic", "--measured-by"]),
    (
        "experiment results green-button",
        0,
        &["keep running", "purchase"],
    ),
    ("experiment results absent", 1, &["there is no experiment absent"]),
    (
        "experiment report green-button",
        0,
        &["# Experiment green-button"],
    ),
    ("policy apply events-only.yaml", 0, &["saved"]),
    (
        "rollout start checkout --policy events-only",
        1,
        &["held by experiment green-button"],
    ),
    ("experiment stop green-button --revert", 2, &["--reason"]),
    (
        "experiment stop green-button --hand-over on --reason x",
        2,
        &["--policy"],
    ),
    (
        "experiment stop green-button --hand-over on --policy absent --reason x",
        1,
        &["there is no policy absent"],
    ),
    (
        "experiment stop green-button --hand-over on --policy events-only --reason won",
        0,
        &["stopped", "goes on as a rollout by events-only", "won"],
    ),
    ("rollout status checkout", 0, &["checkout.1"]),
    ("experiment delete green-button", 1, &["has started", "archive"]),
    ("experiment archive green-button", 0, &["archived"]),
    ("audit", 0, &["experiment/production/green-button"]),
];

const TRAFFIC: &str =
    r#"{"unitsADay": 4000, "metrics": {"purchase": {"value": 0.1}, "broken": {"value": 0.01}}}"#;

const POLICY: &str = r"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: events-only
schedule:
  type: custom
  stages:
    - { name: half, percentage: 50, duration: 1h }
    - { name: everyone, percentage: 100, duration: 1h }
safety:
  interval: 5s
  rules:
    - { name: failures, events: { metric: failed, per: exposure }, window: 1m, threshold: 5% }
";
