//! Exploration: what is proven of good policies, and what is found in bad ones.
#![cfg(test)]

use tidegate_model::policy::{Policy, read};
use tidegate_simulate::check::{Findings, Law, check};

fn policy(schedule: &str, rules: &str) -> Policy {
    let text = format!(
        "apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: tested\nschedule:\n  type: custom\n{schedule}\
         safety:\n  rules:\n{rules}"
    );
    let (policy, findings) = read::read(&text);
    policy.unwrap_or_else(|| panic!("{findings:?}\n{text}"))
}

fn rule(name: &str, more: &str) -> String {
    format!(
        "    - {{ name: {name}, query: 'sum(rate(x{{flag=\"{{{{flag}}}}\"}}[{{{{window}}}}]))', threshold: 1{more} }}\n"
    )
}

const STAGES: &str = "  stages:\n    - { name: canary, percentage: 1, duration: 15m }\n    - { name: half, \
                      percentage: 50, duration: 2h }\n    - { name: everyone, percentage: 100, duration: 6h }\n";
const APPROVED: &str = "  stages:\n    - { name: canary, percentage: 1, duration: 15m }\n    - { name: everyone, \
                        percentage: 100, duration: 6h, waitForApproval: { roles: [approver], expires: 1h } }\n";

fn explore(schedule: &str, rules: &str) -> Findings {
    check(&policy(schedule, rules), 20_000, |_| {}).expect("explored")
}

#[test]
fn good_policies_are_proven() {
    for (schedule, rules) in [
        (STAGES, rule("errors", "")),
        (STAGES, rule("errors", ", action: retreat")),
        (
            STAGES,
            rule("errors", ", action: pause, trip: { of: 2, need: 2 }"),
        ),
        (APPROVED, rule("errors", ", action: alert, clear: 0.5")),
    ] {
        let findings = explore(schedule, &rules);
        assert!(findings.holds(), "{rules}: {findings:#?}");
        assert!(
            findings.states > 50 && findings.moves > findings.states,
            "{findings:?}"
        );
    }
}

#[test]
fn gates_dry_runs_and_scores_are_explored() {
    const GATED: &str = "  stages:\n    - { name: canary, percentage: 1, duration: 15m }\n    - { name: everyone, \
                         percentage: 100, duration: 6h, gate: { target: change, expires: 1h } }\n";
    let plain = explore(GATED, &rule("errors", ""));
    assert!(plain.holds(), "{plain:#?}");
    let ungated = explore(
        &GATED.replace(", gate: { target: change, expires: 1h }", ""),
        &rule("errors", ""),
    );
    assert!(
        plain.states > ungated.states,
        "{} {}",
        plain.states,
        ungated.states
    );
    let weighed = format!(
        "{}{}    - {{ name: all, score: {{ of: [{{ rule: errors }}, {{ rule: orders }}], pass: 75% }} }}\n",
        rule("errors", ""),
        rule("orders", ", dryRun: true")
    );
    // Three rules have too many states for a test that is waited for: those near the start are enough.
    let findings = check(&policy(GATED, &weighed), 300, |_| {}).expect("explored");
    assert!(
        findings.broken.is_empty() && findings.unreached.is_empty(),
        "{findings:#?}"
    );
}

#[test]
fn a_series_that_is_read_as_zero_is_a_number_and_is_told() {
    let findings = explore(
        STAGES,
        &rule("errors", ", unknown: { default: hold, no_series: zero }"),
    );
    assert!(findings.holds(), "{findings:#?}");
    let names: Vec<&str> = findings.as_zero.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(names, ["errors"]);
    assert!(explore(STAGES, &rule("errors", "")).as_zero.is_empty());
}

#[test]
fn a_policy_that_takes_unknown_for_healthy_is_found_out() {
    let findings = explore(
        STAGES,
        &rule("errors", ", unknown: { default: hold, timeout: healthy }"),
    );
    assert!(findings.complete && !findings.holds());
    let laws: Vec<Law> = findings.broken.iter().map(|broken| broken.law).collect();
    assert_eq!(laws, [Law::NeverOnUnknown]);
    for broken in &findings.broken {
        assert!(
            broken.what.contains("errors could not be judged (timeout)"),
            "{}",
            broken.what
        );
        assert!(
            broken.story.contains("> run 10s errors=timeout\n"),
            "{}",
            broken.story
        );
        assert!(
            broken.story.contains("advanced to half (50 %)\n"),
            "{}",
            broken.story
        );
        assert!(
            broken.story.lines().filter(|line| line.starts_with('>')).count() <= 5,
            "{}",
            broken.story
        );
    }
}

#[test]
fn windows_are_opened_and_shut_at_will() {
    let open = format!("{STAGES}  windows: [{{ allow: '0 9 * * *', for: 8h }}]\n");
    let findings = explore(&open, &rule("errors", ""));
    assert!(findings.holds(), "{findings:#?}");
    let without = explore(STAGES, &rule("errors", ""));
    assert!(
        findings.moves > without.moves,
        "{} {}",
        findings.moves,
        without.moves
    );
}

#[test]
fn points_of_no_return_and_monitoring_are_explored() {
    let stages = STAGES.replace("duration: 2h }", "duration: 2h, pointOfNoReturn: true }");
    for action in ["rollback", "retreat"] {
        let findings = explore(
            &format!("{stages}  monitorAfter: 1h\n"),
            &rule("errors", &format!(", action: {action}")),
        );
        assert!(findings.holds(), "{action}: {findings:#?}");
    }
}

#[test]
fn rules_that_are_alike_are_explored_once_and_bounds_are_told() {
    let alike = format!("{}{}", rule("errors", ""), rule("latency", ""));
    let findings = explore(APPROVED, &alike);
    assert_eq!(findings.alike.len(), 1);
    assert_eq!(
        findings,
        Findings {
            alike: findings.alike.clone(),
            ..explore(APPROVED, &rule("errors", ""))
        }
    );
    let few = check(&policy(STAGES, &rule("errors", "")), 20, |_| {}).expect("explored");
    assert!(!few.complete && !few.holds() && few.broken.is_empty());
    assert_eq!(few.unreached.len(), 1, "{:?}", few.unreached);
}
