//! Whole rollouts of the real control plane, replayed from what their records keep.

use super::*;
use serde_json::{Value, json};
use tidegate_model::basis::KeptLook;
use tidegate_model::evidence::{Found, Judged};
use tidegate_model::key::StageName;
use tidegate_model::rollout::PauseOwner;
use tidegate_trail::replay::{Disagreement, Replay, Tally};
use tidegate_trail::thread::Thread;

/// A rule of each kind beside the one that acts, and a stage that somebody opens.
fn every_kind() -> String {
    let rules = r#"      action: rollback
    - { name: beside, dryRun: true, compare: { candidate: 'a{v="{{variation}}"}', baseline: 'a{v="{{baseline}}"}', method: difference, tolerance: 1 } }
    - { name: ranks, dryRun: true, compare: { candidate: 'b{v="{{variation}}"}', baseline: 'b{v="{{baseline}}"}', method: mann_whitney } }
    - { name: counts, dryRun: true, compare: { candidate: { errors: 'e{v="{{variation}}"}', requests: 'r{v="{{variation}}"}' }, baseline: { errors: 'e{v="{{baseline}}"}', requests: 'r{v="{{baseline}}"}' }, method: sequential } }
    - { name: budget, dryRun: true, slo: { objective: 99.9%, errorRatio: 'sum(rate(x[{{window}}]))', startAbove: 20% } }
    - { name: carts, dryRun: true, events: { metric: cart_abandoned, per: exposure }, threshold: 30% }
    - { name: all, dryRun: true, score: { of: [{ rule: errors, weight: 2 }, { rule: beside }], pass: 60% } }
"#;
    POLICY.replace("      action: rollback\n", rules).replace(
        "percentage: 50, duration: 1h",
        "percentage: 50, duration: 1h, waitForApproval: true",
    )
}

impl World {
    async fn command_by(&self, id: &RolloutId, name: &str, role: Role, command: RolloutCommand) {
        let by = Author::token(TokenName::new(name).unwrap(), role);
        let commanded = self
            .control
            .command_rollout(&self.environment, id, command, Expect::Any, by, role);
        commanded.await.unwrap();
    }
}

/// A rollout that goes blind, is resumed, approved, restarted and rolled back; and one that completes.
async fn told() -> Vec<Record> {
    tokio::time::pause();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = World::on(store.clone(), tidegate_decide::rollout::step).await;
    first.prepare().await;
    let by = World::by();
    let name = PolicyName::new("hourly").unwrap();
    let saved = first
        .control
        .save_policy(&first.environment, &name, every_kind(), Expect::Any, by);
    saved.await.unwrap();
    let id = first.start().await.unwrap();
    first.says(Ok(1.0 / 300.0));
    first.advance(minutes(30)).await;
    first.says(Err(UnknownReason::NoSeries));
    first.advance(minutes(45)).await;
    let owner = PauseOwner::Blind;
    let reason = "the exporter was moved".to_owned();
    first
        .command_by(
            &id,
            "sre",
            Role::Operator,
            RolloutCommand::Resume { owner, reason },
        )
        .await;
    first.says(Ok(0.001));
    first.advance(minutes(10)).await;
    let stage = StageName::new("half").unwrap();
    let approve = RolloutCommand::Approve { stage, plan: None };
    first.command_by(&id, "carol", Role::Approver, approve).await;
    first.advance(minutes(20)).await;
    assert_eq!(first.published_percent(), Some(50.0));
    drop(first);
    let second = World::on(store, tidegate_decide::rollout::step).await;
    second.advance(minutes(10)).await;
    second.says(Ok(0.5));
    second.advance(minutes(10)).await;
    assert_eq!(second.view(&id).await.status, "rolled_back");
    second.says(Ok(0.001));
    second.advance(minutes(31)).await;
    let next = second.start().await.unwrap();
    second.advance(minutes(61)).await;
    let stage = StageName::new("half").unwrap();
    let approve = RolloutCommand::Approve { stage, plan: None };
    second.command_by(&next, "carol", Role::Approver, approve).await;
    second.advance(hours(3)).await;
    assert_eq!(second.view(&next).await.status, "completed");
    second.records().await
}

pub(super) fn replay(records: &[Record]) -> Result<Tally, Box<Disagreement>> {
    let mut replay = Replay::default();
    for record in records {
        replay.take(record)?;
    }
    Ok(replay.tally())
}

#[actix_rt::test]
async fn whole_rollouts_come_out_as_they_stand_in_the_journal() {
    let records = told().await;
    let tally = replay(&records).unwrap_or_else(|disagreement| panic!("{disagreement}"));
    let of_rollouts = records.iter().filter(|record| record.basis.is_some()).count();
    assert_eq!((tally.rollouts, tally.decisions), (2, of_rollouts as u64));
    assert_eq!(tally.records, records.len() as u64);
    assert!(tally.looks > 50, "{tally:?}");
}

#[actix_rt::test]
async fn every_look_keeps_what_it_was_judged_from() {
    let records = told().await;
    let mut threads: std::collections::BTreeMap<String, Thread> = std::collections::BTreeMap::new();
    let mut kept: Vec<Judged> = Vec::new();
    for record in records.iter().filter(|record| record.basis.is_some()) {
        let thread = threads.entry(record.entries[0].entity.to_string()).or_default();
        let given = thread.read(record).unwrap();
        kept.extend(given.new.iter().map(|rule| thread.looks()[rule].1.clone()));
    }
    let of = |name: &str| {
        let mut of = kept.iter().filter(|judged| judged.look.rule.as_str() == name);
        of.next_back().and_then(|judged| judged.trace.clone()).unwrap()
    };
    let errors = of("errors");
    assert_eq!(
        errors.asked[0].text,
        r#"sum(rate(errors_total{flag="checkout", variation="on"}[300s]))"#
    );
    assert!(errors.asked[0].answer.is_some() && errors.window == tidegate_model::span::Span::seconds(300));
    assert!(matches!(&errors.evidence.found, Found::Number(number) if number.value == Ok(0.001)));
    assert!(matches!(of("beside").evidence.found, Found::Sides { .. }));
    assert!(matches!(of("ranks").evidence.found, Found::Samples { .. }));
    assert!(of("ranks").asked.iter().all(|query| query.since.is_some()));
    let counts = of("counts");
    let texts: Vec<&str> = counts.asked.iter().map(|query| query.text.as_str()).collect();
    assert_eq!(
        texts,
        [r#"e{v="on"}"#, r#"r{v="on"}"#, r#"e{v="off"}"#, r#"r{v="off"}"#]
    );
    assert!(matches!(
        counts.evidence.found,
        Found::Counts { before: Some(_), .. }
    ));
    assert!(matches!(
        of("budget").evidence.found,
        Found::Burns { period: Some(_), .. }
    ));
    let carts = of("carts");
    assert_eq!(
        carts.asked[0].text,
        "events cart_abandoned of checkout/on per exposure"
    );
    assert_eq!(carts.asked[0].answer, None);
    assert_eq!(of("all").asked[0].text, "score of errors (2), beside (1)");
}

/// The first record that has a new look at `errors`, with this value if one is given.
fn looked_at_errors(records: &mut [Record], value: Option<f64>) -> (u64, &mut Judged) {
    let found = records.iter_mut().find_map(|record| {
        let sequence = record.sequence;
        let basis = record.basis.as_mut()?;
        let kept = basis.looks.iter_mut().find(|(rule, _)| rule.as_str() == "errors");
        match kept {
            Some((_, KeptLook::Here(judged))) if value.is_none() || judged.look.value == value => {
                Some((sequence, judged.as_mut()))
            }
            _ => None,
        }
    });
    found.unwrap()
}

/// The record that came to this decision, as JSON, and what a replay says once `alter` had its way with it.
fn altered(records: &[Record], decision: &str, alter: impl Fn(&mut Value)) -> (u64, Disagreement) {
    let mut records = records.to_vec();
    let is_it = |record: &&mut Record| {
        let because = record.because.as_ref();
        because.is_some_and(|because| because.decision.name() == decision)
    };
    let record = records.iter_mut().find(is_it).unwrap();
    let mut value = serde_json::to_value(&*record).unwrap();
    alter(&mut value);
    *record = serde_json::from_value(value).unwrap();
    let sequence = record.sequence;
    (sequence, *replay(&records).unwrap_err())
}

#[actix_rt::test]
async fn the_first_record_that_was_altered_is_named() {
    let records = told().await;
    let check = |(sequence, found): (u64, Disagreement), says: &str| {
        assert_eq!(found.record, sequence, "{found}");
        assert!(found.to_string().contains(says), "{found}");
    };
    // What was measured, and what was said of it.
    let mut forged = records.clone();
    let (sequence, judged) = looked_at_errors(&mut forged, Some(0.5));
    judged.look.value = Some(0.01);
    check(
        (sequence, *replay(&forged).unwrap_err()),
        "the look at errors says something else",
    );
    let mut forged = records.clone();
    let (sequence, judged) = looked_at_errors(&mut forged, Some(0.5));
    judged.trace.as_mut().unwrap().evidence.found = Found::Number(Measurement::of(0.01));
    judged.look.value = Some(0.01);
    judged.look.verdict = tidegate_model::verdict::Verdict::Healthy;
    check((sequence, *replay(&forged).unwrap_err()), "found");
    let mut forged = records.clone();
    let (sequence, judged) = looked_at_errors(&mut forged, None);
    judged.trace = None;
    check(
        (sequence, *replay(&forged).unwrap_err()),
        "no evidence of the look at errors",
    );
    // What was decided, why, on what, by whom.
    let set = |pointer: &'static str, to: Value| {
        move |record: &mut Value| *record.pointer_mut(pointer).unwrap() = to.clone()
    };
    let skip = |record: &mut Value| {
        let mut entries = record["entries"].as_array_mut().unwrap().iter_mut();
        let advanced = entries.find(|entry| entry["change"]["rollout"]["kind"] == "advanced");
        advanced.unwrap()["change"]["rollout"]["stage"] = json!(2);
    };
    let other = "explained by something else";
    check(altered(&records, "advanced", skip), "something else follows");
    check(
        altered(&records, "advanced", set("/at", json!("1969-12-31T00:00:00Z"))),
        other,
    );
    check(
        altered(
            &records,
            "rolling_back",
            set("/because/reasons/0/value", json!(0.6)),
        ),
        other,
    );
    check(
        altered(
            &records,
            "took_effect",
            set("/basis/input", json!({"looked": []})),
        ),
        "no rule was looked at",
    );
    check(
        altered(&records, "approved", set("/by", json!("tidegate"))),
        "somebody else decided it",
    );
    check(
        altered(&records, "completed", set("/basis", Value::Null)),
        "keeps nothing of what it was decided on",
    );
    let earlier = set("/basis/input/started/policy", json!(1));
    check(altered(&records, "started", earlier), "something else follows");
}

/// What looks, and whole records, come to in bytes: what docs/evidence.md says.
#[actix_rt::test]
async fn looks_cost_what_the_documentation_says() {
    let records = told().await;
    let bytes = |value: &Value| value.to_string().len();
    let mut looks: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for record in &records {
        let record = serde_json::to_value(record).unwrap();
        assert!(bytes(&record) < 24 << 10, "{record}");
        let kept = record.pointer("/basis/looks").and_then(Value::as_object);
        for (rule, kept) in kept.into_iter().flatten() {
            if let Some(here) = kept.get("here") {
                let most = looks.entry(rule.clone()).or_default();
                *most = bytes(here).max(*most);
            } else {
                assert!(bytes(kept) < 20, "{kept}");
            }
        }
    }
    for (rule, most) in [
        ("errors", 700),
        ("beside", 900),
        ("counts", 3600),
        ("ranks", 1000),
        ("budget", 2500),
    ] {
        assert!(looks[rule] <= most, "{looks:?}");
    }
}

#[actix_rt::test]
async fn f42_what_other_time_zone_data_decided_is_not_called_altered() {
    let mut records = told().await;
    for record in &mut records {
        let mut value = serde_json::to_value(&*record).unwrap();
        if let Some(zones) = value.pointer_mut("/basis/world/whole/zoneData") {
            *zones = json!("1999z");
        }
        *record = serde_json::from_value(value).unwrap();
    }
    // The same comes out by it: nothing is said.
    replay(&records).unwrap();
    let disagreement = altered(&records, "rolling_back", |record| {
        *record.pointer_mut("/because/reasons/0/value").unwrap() = json!(0.6)
    });
    let said = disagreement.1.to_string();
    let begins = "it was decided by time zone data 1999z, and this program has";
    assert!(
        said.contains(begins) && said.contains("explained by something else"),
        "{said}"
    );
}
