//! Reports of simulated rollouts, word by word: `tests/reports`.
//!
//! `TIDEGATE_BLESS=1` writes what is said now; read the difference like code.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::path::Path;
use tidegate_decide::judge::{kept, standing};
use tidegate_decide::rollout::Input;
use tidegate_model::access::{Author, Role};
use tidegate_model::change::{Change, EntityRef, Entry, Record};
use tidegate_model::evidence::{Evidence, Query, Trace};
use tidegate_model::key::{Revision, RuleName, StageName, TokenName};
use tidegate_model::policy::Source;
use tidegate_model::policy::read::read;
use tidegate_model::rollout::{PauseOwner, RolloutCommand};
use tidegate_model::snapshot::Digest;
use tidegate_model::span::Span;
use tidegate_model::verdict::{Measurement, UnknownReason};
use tidegate_simulate::answer::Answer;
use tidegate_simulate::simulation::{Simulation, Taken};
use tidegate_trail::cause::Cause;
use tidegate_trail::ledger::Ledger;
use tidegate_trail::report::{Report, Reporter};

const POLICY: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: careful
schedule:
  type: custom
  stages:
    - { name: first, percentage: 1, duration: 30m }
    - { name: half, percentage: 50, duration: 1h, waitForApproval: true }
    - { name: everyone, percentage: 100, duration: 1h }
safety:
  interval: 1m
  rules:
    - name: errors
      query: 'sum(rate(errors_total{flag="{{flag}}", note="</code><script>alert(1)</script>"}[{{window}}]))'
      window: 5m
      threshold: 2%
      clear: 1%
      trip: { of: 3, need: 2 }
      action: rollback
    - name: latency
      query: 'max(max_over_time(latency_seconds{variation="{{variation}}"}[{{window}}]))'
      window: 5m
      threshold: 0.5
      dryRun: true
      action: alert
blind: { after: 30m, do: pause }
"#;

/// A rollout and the records that its control plane would have written.
struct Told {
    simulation: Simulation,
}

impl Told {
    fn begin() -> Self {
        let (policy, diagnostics) = read(POLICY);
        let policy = policy.unwrap_or_else(|| panic!("{diagnostics:?}"));
        let monday = "2026-01-05T09:00:00Z".parse().expect("a moment");
        let simulation = Simulation::start(&policy, monday).expect("it starts");
        Self { simulation }
    }

    fn run(&mut self, minutes: u64, errors: Answer) -> &mut Self {
        let rule = |name: &str| RuleName::new(name).expect("a name");
        self.simulation.answers.insert(rule("errors"), errors);
        self.simulation
            .answers
            .insert(rule("latency"), Answer::Value(0.25));
        self.simulation.run(Span::seconds(60 * minutes)).expect("it runs");
        self
    }

    fn command(&mut self, name: &str, role: Role, command: RolloutCommand) -> &mut Self {
        self.simulation.command(command, name, role).expect("it follows");
        self
    }

    fn approve(&mut self) -> &mut Self {
        let stage = StageName::new("half").expect("a name");
        self.command(
            "carol",
            Role::Approver,
            RolloutCommand::Approve { stage, plan: None },
        )
    }

    fn records(&self) -> Vec<Record> {
        let mut ledger = Ledger::default();
        let mut revision = Revision::ABSENT;
        let mut records: Vec<Record> = Vec::new();
        for taken in &self.simulation.taken {
            for look in looks(taken) {
                ledger.note(look.0, look.1, look.2);
            }
            if taken.step.changes.is_empty() {
                continue;
            }
            let sequence = records.len() as u64 + 1;
            let entry = |(entity, change): &(EntityRef, Change)| {
                revision = revision.next();
                Entry {
                    entity: entity.clone(),
                    revision,
                    change: change.clone(),
                }
            };
            records.push(Record {
                sequence,
                at: taken.at,
                by: author(taken, sequence),
                because: Some(taken.step.because.clone()),
                request: None,
                basis: Some(
                    ledger
                        .basis(&taken.observed, &Cause::of(&taken.input))
                        .expect("JSON carries it"),
                ),
                entries: taken.step.changes.iter().map(entry).collect(),
            });
            ledger.stored(&taken.observed, sequence);
        }
        records
    }

    fn report(&self) -> Report {
        let start = &self.simulation.rollout.start;
        let entity = EntityRef::Rollout(start.environment.clone(), start.id.clone());
        let mut reporter = Reporter::of(entity);
        for record in self.records() {
            reporter.take(&record).expect("it can be read");
        }
        reporter.report(self.simulation.now).expect("it began")
    }
}

/// Who decided: a person, or Tidegate itself.
fn author(taken: &Taken, sequence: u64) -> Author {
    match &taken.input {
        Input::Command { by, .. } => by.clone(),
        _ if sequence == 1 => Author::token(TokenName::new("alice").expect("a name"), Role::Operator),
        _ => Author::Tidegate,
    }
}

/// What the looks of a step were judged from.
fn looks(taken: &Taken) -> Vec<(RuleName, tidegate_model::Timestamp, Trace)> {
    let Input::Looked(looks) = &taken.input else {
        return Vec::new();
    };
    let traced = looks.iter().filter_map(|look| {
        let rule = taken.before.start.plan.rule(&look.rule)?;
        let Source::Query(query) = &rule.source else {
            return None;
        };
        let measurement = match look.value {
            Some(value) => Measurement::of(value),
            None => Measurement::unknown(UnknownReason::NoSeries, "the answer is empty"),
        };
        let evidence = Evidence::from(measurement);
        let mut asked = Query::new(query);
        asked.answer = Some(Digest::of(format!("{:?}", look.value).as_bytes()));
        let trace = Trace {
            asked: vec![asked],
            window: rule.window,
            evidence: kept(rule, &evidence),
            standing: standing(&taken.before, rule, &evidence),
        };
        Some((look.rule.clone(), look.at, trace))
    });
    traced.collect()
}

/// Paused for a while, blind for a while, approved, and rolled back.
fn rolled_back() -> Report {
    let mut told = Told::begin();
    let pause = RolloutCommand::Pause {
        reason: "<script>alert(\"x\")</script> | **bold** [a](b)".to_owned(),
    };
    let resume = RolloutCommand::Resume {
        owner: PauseOwner::Operator,
        reason: String::new(),
    };
    told.run(10, Answer::Value(0.004))
        .command("bob", Role::Operator, pause)
        .run(5, Answer::Unknown(UnknownReason::NoSeries))
        .command("bob", Role::Operator, resume)
        .run(20, Answer::Value(0.004))
        .approve()
        .run(10, Answer::Value(0.006))
        .run(2, Answer::Value(0.015))
        .run(10, Answer::Value(0.031));
    told.report()
}

fn completed() -> Report {
    let mut told = Told::begin();
    told.run(20, Answer::Value(0.002))
        .approve()
        .run(240, Answer::Value(0.003));
    told.report()
}

#[expect(clippy::disallowed_methods, reason = "whoever accepts a difference says so")]
fn compare(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reports");
    let file = folder.join(name);
    if std::env::var("TIDEGATE_BLESS").is_ok() {
        std::fs::write(&file, text).expect("it can be written");
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(known == text, "{} says something else:\n{text}", file.display());
}

#[test]
fn reports_read_as_they_did() {
    for (name, report) in [("rolled-back", rolled_back()), ("completed", completed())] {
        let json = serde_json::to_string_pretty(&report).expect("JSON carries it");
        compare(&format!("{name}.json"), &format!("{json}\n"));
        compare(&format!("{name}.md"), &report.markdown());
        compare(&format!("{name}.html"), &report.html());
    }
}

#[test]
fn a_report_says_how_it_went() {
    let report = rolled_back();
    assert_eq!(report.result, "rolled back, safe after 0s");
    let visits: Vec<&str> = report.progress.iter().map(|visit| visit.stage.as_str()).collect();
    assert_eq!(visits, ["first", "half"]);
    assert_eq!(
        report
            .progress
            .last()
            .and_then(|visit| visit.approved_by.as_deref()),
        Some("carol (approver)")
    );
    let rollback = report.safety.rollback.expect("it was rolled back");
    assert_eq!(rollback.proof.as_deref(), Some("confirmed by 2 of 2 nodes"));
    assert_eq!(rollback.time_to_safe, Some(Span::ZERO));
    assert!(!report.validation.completed && report.safety.breaches >= 2);
    let errors = report.metrics.first().expect("a rule");
    assert_eq!(errors.unknown.get("no_series"), Some(&Span::seconds(300)));
    assert!(errors.queries.iter().any(|query| query.contains("errors_total")));

    let report = completed();
    assert!(report.validation.completed && report.safety.rollback.is_none());
    assert_eq!(report.progress.len(), 3);
    assert!(
        report
            .validation
            .because
            .iter()
            .any(|reason| reason == "the last stage is done")
    );
}
