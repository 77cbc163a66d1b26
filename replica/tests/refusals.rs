//! Whatever was done to a snapshot on its way, what was served before stays.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "in a test all of these fail it"
)]

use serde_json::{Value, json};
use tidegate_model::Timestamp;
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_model::snapshot::{Delta, Digest, SigningKey, Snapshot, SnapshotContent, Version};
use tidegate_replica::{Replica, ReplicaSettings, SPOOL_BYTES_DEFAULT, Trust};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("32 bytes make a key")
}

fn version(number: u64) -> Version {
    Version { epoch: 1, number }
}

fn content(environment: &str, flags: &[&str]) -> Value {
    let flags: Vec<Value> = flags
        .iter()
        .map(|flag| json!({"flag": {"key": flag, "type": "boolean"}}))
        .collect();
    json!({"environment": environment, "flags": flags, "segments": []})
}

fn sealed(environment: &str, number: u64) -> Snapshot {
    let content: SnapshotContent = serde_json::from_value(content(environment, &["a"])).expect("it is right");
    Snapshot::seal(&content, version(number), Timestamp::default(), None).expect("it can be written")
}

fn bytes(snapshot: &Snapshot) -> Vec<u8> {
    serde_json::to_vec(snapshot).expect("it can be written")
}

/// A replica of production that serves version 1.5 and believes key 1.
fn replica() -> Replica {
    let replica = Replica::new(ReplicaSettings {
        name: NodeName::new("n1").expect("a name"),
        environment: EnvironmentKey::new("production").expect("a name"),
        folder: None,
        trust: Trust::Named(vec![*key(1).public()]),
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    });
    let replica = replica.expect("it starts");
    let taken = replica.offer(&bytes(&sealed("production", 5).signed(&key(1))));
    assert_eq!(taken.expect("it is good"), version(5));
    replica
}

/// The cause of the refusal; the replica still serves 1.5.
fn refused(replica: &Replica, offered: &[u8]) -> &'static str {
    let refusal = replica.offer(offered).expect_err("it must not be served");
    assert_eq!(replica.served().expect("it serves").version(), version(5));
    refusal.cause()
}

#[test]
fn f64_no_mutation_of_a_snapshot_is_served() {
    let replica = replica();
    let good = bytes(&sealed("production", 9).signed(&key(1)));
    for length in 0..good.len() {
        assert_eq!(
            refused(&replica, &good[..length]),
            "unreadable",
            "cut to {length}"
        );
    }
    for position in 0..good.len() {
        for bit in 0..8 {
            let mut flipped = good.clone();
            flipped[position] ^= 1 << bit;
            let cause = refused(&replica, &flipped);
            let known = [
                "unreadable",
                "altered",
                "forged",
                "unknown_key",
                "other_environment",
            ];
            assert!(known.contains(&cause), "bit {bit} of byte {position}: {cause}");
        }
    }
    assert_eq!(replica.offer(&good).expect("unchanged it is good"), version(9));
}

/// Signed text that nobody would publish: what is in it counts, not who signed.
fn signed_text(content: &Value) -> Vec<u8> {
    let text = content.to_string();
    let mut header = sealed("production", 9).header;
    header.digest = Digest::of(text.as_bytes());
    let raw = serde_json::value::RawValue::from_string(text).expect("it is JSON");
    bytes(&Snapshot { header, content: raw }.signed(&key(1)))
}

/// What it is, the snapshot, and the causes that it may be refused for.
type Unfit = (&'static str, Vec<u8>, &'static [&'static str]);

/// What is signed by the right key and says what it must not, beside what is not.
fn unfit() -> Vec<Unfit> {
    let production = content("production", &["a"]);
    let good = String::from_utf8(signed_text(&production)).expect("it is text");
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1).into_bytes()
    };
    let mut newer = production.clone();
    newer["layers"] = json!([]);
    let mut strange = production.clone();
    strange["flags"][0]["flag"]["shade"] = json!("blue");
    let mut looped = production.clone();
    looped["flags"] = json!([{"flag": {"key": "a", "type": "boolean", "prerequisites": [{"flag": "a", "variations": ["on"]}]}}]);
    let foreign = content("staging", &["a"]);
    let foreign_content = signed_text(&foreign);
    let later = [
        ("a later number", with("\"number\":9", "\"number\":99")),
        ("a later epoch", with("\"epoch\":1", "\"epoch\":2")),
    ];
    let later = later.map(|(what, bytes)| (what, bytes, &["forged"][..]));
    let unreadable = [
        ("an unknown member", with("{\"header\"", "{\"more\":1,\"header\"")),
        (
            "an unknown member of the header",
            with("{\"environment\"", "{\"more\":1,\"environment\""),
        ),
        ("a newer format of the content", signed_text(&newer)),
        ("an unknown member of a flag", signed_text(&strange)),
        ("the same, written otherwise", with("\"epoch\":1", "\"epoch\": 1")),
        ("no JSON", b"<html>".to_vec()),
        ("nothing", Vec::new()),
    ];
    let unreadable = unreadable.map(|(what, bytes)| (what, bytes, &["unreadable"][..]));
    let by = |environment, number, seed| bytes(&sealed(environment, number).signed(&key(seed)));
    let mut all: Vec<Unfit> = vec![
        ("unsigned", bytes(&sealed("production", 9)), &["unsigned"]),
        ("by a stranger", by("production", 9, 2), &["unknown_key"]),
        (
            "of another environment",
            by("staging", 9, 1),
            &["other_environment"],
        ),
        (
            "content of another environment",
            foreign_content,
            &["other_environment"],
        ),
        ("older", by("production", 4, 1), &["not_newer"]),
        ("the same", by("production", 5, 1), &["not_newer"]),
        ("a loop", signed_text(&looped), &["uncompilable", "unreadable"]),
    ];
    all.extend(later);
    all.extend(unreadable);
    all
}

#[test]
fn f64_f65_every_kind_of_unfit_snapshot_is_refused_by_its_cause() {
    let replica = replica();
    for (what, offered, causes) in unfit() {
        let cause = refused(&replica, &offered);
        assert!(causes.contains(&cause), "{what}: {cause}");
    }
}

#[test]
fn f66_a_delta_that_does_not_lead_there_changes_nothing() {
    let replica = replica();
    let held = sealed("production", 5).signed(&key(1));
    let target: SnapshotContent =
        serde_json::from_value(content("production", &["a", "b"])).expect("it is right");
    let target = Snapshot::seal(&target, version(9), Timestamp::default(), None).expect("it can be written");
    let way = |target: &Snapshot, base: &Snapshot| Delta::between(base, target).expect("both can be read");
    let text = |delta: &Delta| serde_json::to_vec(delta).expect("it can be written");
    let good = way(&target.clone().signed(&key(1)), &held);
    let mut short = good.clone();
    short.flags.changed.clear();
    let elsewhere = way(&target.clone().signed(&key(1)), &target);
    for (what, offered, cause) in [
        ("cut off", text(&good)[..40].to_vec(), "delta_unreadable"),
        ("without a change", text(&short), "delta_differs"),
        ("from elsewhere", text(&elsewhere), "delta_other_base"),
        ("to something unsigned", text(&way(&target, &held)), "unsigned"),
        (
            "to a stranger's",
            text(&way(&target.clone().signed(&key(2)), &held)),
            "unknown_key",
        ),
    ] {
        let refusal = replica.offer_delta(&offered).expect_err("it must not be served");
        assert_eq!(refusal.cause(), cause, "{what}");
        assert_eq!(
            replica.served().expect("it serves").version(),
            version(5),
            "{what}"
        );
    }
    assert_eq!(
        replica.offer_delta(&text(&good)).expect("it leads there"),
        version(9)
    );
    let handed_on = replica.publication().newest().expect("it is handed on");
    assert_eq!(handed_on.whole().plain().to_vec(), bytes(&target.signed(&key(1))));
}
