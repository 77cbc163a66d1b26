//! What is found in policies whose text is right.
#![cfg(test)]

use tidegate_model::Timestamp;
use tidegate_model::policy::{Policy, read};
use tidegate_simulate::lint::{Concern, lint};
use tidegate_simulate::story::moment;

/// Two stages and a rule on a share, with more at the top, in the schedule and in the rule.
fn policy(top: &str, schedule: &str, rule: &str) -> Policy {
    let schedule = if schedule.contains("stages:") {
        schedule.to_owned()
    } else {
        format!(
            "  stages:\n    - {{ name: canary, percentage: 1, duration: 15m }}\n    - {{ name: everyone, percentage: \
             100, duration: 6h }}\n{schedule}"
        )
    };
    let text = format!(
        "apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: tested\n{top}schedule:\n{schedule}safety:\n  rules:\n    - \
         name: errors\n      query: sum(rate(x{{flag=\"{{{{flag}}}}\", code=\"5\"}}[{{{{window}}}}])) / \
         sum(rate(x{{flag=\"{{{{flag}}}}\"}}[{{{{window}}}}]))\n      threshold: 2%\n{rule}"
    );
    let (policy, findings) = read::read(&text);
    policy.unwrap_or_else(|| panic!("{findings:?}\n{text}"))
}

fn monday() -> Timestamp {
    moment("2026-01-05 08:00").expect("a moment")
}

fn found(policy: &Policy) -> Vec<Concern> {
    lint(policy, monday()).concerns
}

/// One concern, and what it says.
fn check(policy: &Policy, path: &str, says: &str) {
    let found = found(policy);
    let [one] = found.as_slice() else {
        panic!("{found:#?}");
    };
    assert_eq!(one.path, path, "{found:?}");
    assert!(one.message.contains(says), "{found:?}");
    assert!(!one.hint.is_empty(), "{found:?}");
}

const OFFICE: &str = "  windows: [{ allow: '0 9 * * Mon-Fri', for: 8h, timezone: Europe/Paris }]\n";

#[test]
fn good_policies_are_left_alone() {
    for schedule in ["", OFFICE] {
        assert_eq!(found(&policy("", schedule, "")), []);
    }
}

#[test]
fn shipped_policies_are_left_alone() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let text = std::fs::read_to_string(&path).expect("text");
            let policy = read::read(&text).0.expect("a policy");
            assert_eq!(found(&policy), [], "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn windows_that_say_nothing_are_named() {
    let with = |windows: &str| policy("", &format!("  windows:\n{windows}"), "");
    let never = with("    - { allow: '0 9 * * *', for: 8h }\n    - { deny: '0 0 29 2 *', for: 1d }\n");
    check(&never, "schedule.windows[1]", "does not begin within 400 days");
    let denied = with(
        "    - { allow: '0 9 * * *', for: 8h }\n    - { allow: '0 20 * * *', for: 1h }\n    - { deny: '0 19 * * *', for: 3h }\n",
    );
    check(&denied, "schedule.windows[1]", "a 'deny' is in force");
    // Where clocks go forward there is no half past two: the window opens at three, and is denied.
    let gap = with(
        "    - { allow: '0 9 * * *', for: 8h }\n    - { allow: '30 2 29 3 *', for: 10m, timezone: Europe/Paris }\n    \
         - { deny: '0 3 29 3 *', for: 1h, timezone: Europe/Paris }\n",
    );
    check(&gap, "schedule.windows[1]", "a 'deny' is in force");
}

#[test]
fn freezes_and_stages_behind_them_are_named() {
    let over = policy(
        "",
        "  freezes: [{ from: 2025-12-24, to: 2026-01-01, reason: holidays }]\n",
        "",
    );
    check(&over, "schedule.freezes[0]", "was over at");
    let shut = policy(
        "",
        "  freezes: [{ from: 2026-01-01, to: 2027-12-31, reason: for good }]\n",
        "",
    );
    check(&shut, "schedule", "nothing lets a rollout start within 400 days");
    let later = policy(
        "",
        "  freezes: [{ from: 2026-01-05 08:10, to: 2027-12-31, reason: for good }]\n",
        "",
    );
    check(&later, "schedule.stages[1]", "never reached: everyone");
    let brief = "  stages:\n    - { name: canary, percentage: 1, duration: 15m }\n    - { name: everyone, percentage: 100, \
                 duration: 6h, gate: { target: change, expires: 5s } }\n";
    check(
        &policy("", brief, ""),
        "schedule.stages[1]",
        "never reached: everyone",
    );
}

#[test]
fn approvals_that_expire_before_they_can_be_used_are_named() {
    let asking = |expires: &str, windows: &str| {
        let stages = format!(
            "  stages:\n    - {{ name: canary, percentage: 1, duration: 15m }}\n    - {{ name: everyone, percentage: 100, \
             duration: 6h, waitForApproval: {{ expires: {expires} }} }}\n{windows}"
        );
        policy("", &stages, "")
    };
    let path = "schedule.stages[1].waitForApproval";
    let night = "  windows: [{ allow: '0 3 * * *', for: 30m, timezone: Europe/Paris }]\n";
    // Half past two to three is one hour shorter when clocks go forward.
    check(&asking("15m", night), path, "within the same 45m");
    check(&asking("15m", night), path, "shut for 22h 30m at least");
    check(&asking("5s", ""), path, "only moves at a look, every 10s");
    assert_eq!(found(&asking("1d", night)), [], "until the next window");
    assert_eq!(found(&asking("8h", OFFICE)), [], "there is a whole day for it");
    assert_eq!(found(&asking("15m", "")), []);
}

#[test]
fn what_stages_cannot_see_is_named() {
    let traffic =
        |per_minute: u32| format!("traffic: {{ perMinute: {per_minute}, baseline: {{ errors: 0.2% }} }}\n");
    let lint = |per_minute: u32, rule: &str| lint(&policy(&traffic(per_minute), "", rule), monday());
    let rich = lint(600_000, "");
    assert_eq!(rich.concerns, []);
    let seen: Vec<f64> = rich
        .sight
        .iter()
        .map(|sight| sight.smallest.expect("seen"))
        .collect();
    assert!(
        seen.iter().all(|share| (0.015..0.022).contains(share)),
        "{seen:?}"
    );
    // 30 requests in five minutes: one bad one is more than 2 %.
    check(
        &policy(&traffic(600), "", ""),
        "schedule.stages[0]",
        "a healthy candidate trips errors in canary",
    );
    let asks = "      minimum: { query: 'sum(increase(x[{{window}}]))', atLeast: 200 }\n";
    check(
        &policy(&traffic(600), "", asks),
        "schedule.stages[0]",
        "asks for 200 samples",
    );
    // Three of three looks at 30 requests: never by luck, and seldom otherwise.
    let slow = "      interval: 5m\n      consecutive: 3\n";
    check(
        &policy(&traffic(600), "", slow),
        "schedule.stages[0]",
        "sees nothing below",
    );
    assert_eq!(found(&policy("", "", "")), [], "nothing is declared");
}

#[test]
fn a_canary_hides_in_the_budget_of_the_whole_service() {
    let slo = "    - name: availability\n      slo: { objective: 99%, errorRatio: 'sum(rate(x{code=\"5\"}[{{window}}])) / \
               sum(rate(x[{{window}}]))' }\n";
    let traffic = "traffic: { perMinute: 60000, baseline: { availability: 0.1% } }\n";
    check(
        &policy(traffic, "", slo),
        "schedule.stages[0]",
        "availability sees nothing in canary",
    );
}

#[test]
fn all_of_a_segment_are_not_like_the_others() {
    let compare = "    - name: worse\n      compare:\n        candidate: { errors: 'e{v=\"{{variation}}\"}', requests: \
                   'r{v=\"{{variation}}\"}' }\n        baseline: { errors: 'e{v=\"{{baseline}}\"}', requests: \
                   'r{v=\"{{baseline}}\"}' }\n        method: sequential\n";
    let waves = |of: &str| {
        format!(
            "schedule: {{ stages: [{{ segment: staff, {of}percentage: 0.5, duration: 1h }}, {{ percentage: 100, duration: 1h }}] }}\n"
        )
    };
    let concerned = |of: &str| {
        let (policy, _) = read::read(&format!(
            "apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: waves\n{}safety:\n  rules:\n{compare}",
            waves(of)
        ));
        let found = found(&policy.unwrap());
        found
            .iter()
            .any(|concern| concern.message.contains("compares them with others"))
    };
    assert!(concerned(""));
    assert!(!concerned("of: 50, "));
}

#[test]
fn comparisons_end_where_nobody_has_the_baseline() {
    let compare = "    - name: worse\n      compare:\n        candidate: { errors: 'e{v=\"{{variation}}\"}', requests: \
                   'r{v=\"{{variation}}\"}' }\n        baseline: { errors: 'e{v=\"{{baseline}}\"}', requests: \
                   'r{v=\"{{baseline}}\"}' }\n        method: sequential\n";
    check(
        &policy("", "", compare),
        "schedule.stages[1]",
        "nobody has the baseline that worse compares with",
    );
    let traffic = "traffic: { perMinute: 60000, baseline: { worse: 1% } }\n";
    let seen = lint(&policy(traffic, "", compare), monday()).sight;
    let smallest: Vec<_> = seen.iter().map(|sight| sight.smallest).collect();
    assert!(
        smallest[0].is_some_and(|share| (0.012..0.025).contains(&share)),
        "{smallest:?}"
    );
    assert_eq!(smallest[1], None);
}
