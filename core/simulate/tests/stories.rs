//! Stories: what is wrong with one is named, and a transcript is a story again.
#![cfg(test)]

use tidegate_model::Timestamp;
use tidegate_model::policy::{Policy, read};
use tidegate_model::rollout::{Ending, Phase};
use tidegate_simulate::simulation::Simulation;
use tidegate_simulate::story::{Story, moment};
use tidegate_simulate::telling::Teller;

const POLICY: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: tested
schedule:
  type: custom
  pauseBetweenStages: 30s
  stages:
    - { name: canary, percentage: 1, duration: 10m, successCriteria: [{ rule: errors, healthyFor: 12m }] }
    - { name: half, percentage: 50, duration: 10m, waitForApproval: { roles: [approver], expires: 4m } }
    - { name: everyone, percentage: 100, duration: 10m, gate: { target: change, deadline: 5m } }
safety:
  interval: 10s
  rules:
    - { name: errors, query: 'sum(rate(e{flag="{{flag}}"}[{{window}}]))', threshold: 0.02, window: 1m, trip: { of: 3, need: 2 } }
    - { name: orders, query: 'sum(rate(o{flag="{{flag}}"}[{{window}}]))', comparison: less_than, threshold: 5, window: 3m, interval: 30s, action: pause }
"#;

fn policy() -> Policy {
    let (policy, findings) = read::read(POLICY);
    policy.unwrap_or_else(|| panic!("{findings:?}"))
}

fn monday() -> Timestamp {
    moment("2026-01-05").expect("a moment")
}

fn teller(forgets: bool) -> Teller {
    let simulation = Simulation::start(&policy(), monday()).expect("it starts");
    Teller::new(if forgets {
        simulation.forgetting_holds()
    } else {
        simulation
    })
}

fn tell(story: &str, forgets: bool) -> String {
    let story = Story::read(story, &policy()).expect("a story");
    let mut teller = teller(forgets);
    let told = story.events.iter().map(|event| teller.tell(event).expect("told"));
    told.map(|told| format!("{told}\n")).collect()
}

const STORY: &str = "
# A bad minute, a pause, an outage, a bad end.
run 5m errors=0.001 orders=9
stuck n2
again
run 10m
unstuck n2
approve carol approver half
run 4m orders=1
resume bob rule:orders the shop was closed
run 5m orders=8
down 1h
join n3
run 2m errors=timeout
restart
run 1m errors=silence
gate change hold CHG-7 waits for review
pause bob a look
run 30s errors=0.5/12
";

#[test]
fn what_is_forgotten_was_not_told() {
    let whole = tell(STORY, false);
    assert_eq!(whole, tell(STORY, true));
    assert!(
        whole.contains("paused at 50 %") && whole.ends_with("it has ended\n\n"),
        "{whole}"
    );
}

#[test]
fn a_transcript_is_a_story_again() {
    let once = tell(STORY, true);
    assert_eq!(once, tell(&once, true));
}

#[test]
fn what_goes_well_completes_and_can_be_told_again() {
    let mut teller = teller(true);
    let told = teller.go_well().expect("told");
    let ended = &teller.simulation.rollout.phase;
    assert!(
        matches!(
            ended,
            Phase::Ended {
                ending: Ending::Completed,
                ..
            }
        ),
        "{ended:?}"
    );
    let told: String = told.iter().map(|told| format!("{told}\n")).collect();
    assert!(told.contains("> approve carol approver half"), "{told}");
    assert!(told.contains("> gate change pass\n"), "{told}");
    let asked: Vec<usize> = teller.simulation.questions.iter().map(|one| one.stage).collect();
    assert_eq!(asked, [2], "the gate is asked once");
    assert_eq!(told, tell(&told, true));
    assert!(teller.simulation.taken.len() < 30, "holds are not kept");
}

#[test]
fn everything_wrong_is_named_with_its_line() {
    let check = |line: &str, says: &[&str]| {
        let story = format!("run 1m\n\n{line}");
        let wrong = Story::read(&story, &policy()).expect_err(line).to_string();
        assert!(wrong.contains("line 3"), "{wrong}");
        for say in says {
            assert!(wrong.contains(say), "{line}: {wrong}");
        }
    };
    check("runn 1m", &["runn", "did you mean 'run'"]);
    check("run", &["missing how long", "run 10m"]);
    check("run 5 errors=1", &["\"5\"", "duration"]);
    check("run 5m eror=1", &["eror", "did you mean 'errors'", "orders"]);
    check("run 5m errors", &["errors", "RULE=0.02"]);
    check("run 5m errors=bad", &["errors=bad", "no_series", "silence"]);
    check("run 5m errors=1/many", &["errors=1/many"]);
    check("stuck n9", &["n9", "n1, n2", "join n9"]);
    check("stuck n1 n2", &["n2", "nothing more"]);
    check("restart now", &["now"]);
    check("down", &["how long"]);
    check("resume bob", &["operator", "resume bob rule:errors"]);
    check("resume bob nobody", &["nobody"]);
    check("approve carol king half", &["king"]);
    check("approve carol approver", &["which stage"]);
    check("gate", &["which gate", "gate change hold"]);
    check("gate chang pass", &["asks no such gate", "did you mean 'change'"]);
    check("gate change yes", &["\"yes\"", "pass, hold, fail"]);
    check("gate change", &["pass, hold, fail"]);
    check("pause", &["who"]);
    check("pause a\u{7}b", &["pause bob"]);
}

#[test]
fn several_mistakes_are_named_at_once() {
    let wrong = Story::read("runn 1m\nrun 1m\nstuck n7\n", &policy())
        .expect_err("wrong")
        .to_string();
    assert!(wrong.contains("line 1") && wrong.contains("line 3"), "{wrong}");
}

#[test]
fn moments_are_read_as_people_write_them() {
    for text in [
        "2026-01-05T00:00:00Z",
        "2026-01-05 00:00:00",
        "2026-01-05 00:00",
        "2026-01-05",
        "2026-01-05T01:00:00+01:00",
    ] {
        assert_eq!(moment(text).expect(text), monday(), "{text}");
    }
    for text in ["", "noon", "2026-13-01", "05.01.2026"] {
        assert!(moment(text).is_err(), "{text}");
    }
    let story = Story::read("at 2026-01-05\nrun 1m", &policy()).expect("a story");
    assert_eq!(story.begins, Some(monday()));
    assert!(Story::read("at noon\nrun 1m", &policy()).is_err());
}
