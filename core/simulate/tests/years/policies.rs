//! Random policies.

use crate::dice::Dice;
use std::fmt::Write as _;
use tidegate_model::policy::Policy;
use tidegate_model::policy::diagnostic::Severity;
use tidegate_model::policy::read::read;

const ZONES: [&str; 5] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
];
const WINDOWS: [(&str, &str); 5] = [
    ("0 9 * * Mon-Thu", "8h"),
    ("30 2 * * *", "2h"),
    ("0 22 * * *", "9h"),
    ("30 1 * * Sun", "4h"),
    ("0 0 1,15 * *", "3d"),
];

/// A policy that can be used.
pub(crate) fn policy(dice: &mut Dice) -> Policy {
    loop {
        let (policy, diagnostics) = read(&text(dice));
        // Some windows never open, for example.
        if let (Some(policy), true) = (
            policy,
            diagnostics.iter().all(|one| one.severity < Severity::Error),
        ) {
            return policy;
        }
    }
}

fn text(dice: &mut Dice) -> String {
    let mut text = "apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: year\n".to_owned();
    let edits = dice.one_of(&["restart", "refuse"]);
    let _ = writeln!(text, "flagEdits: {edits}\nschedule:\n  type: custom");
    if dice.percent(30) {
        let pause = dice.one_of(&["1h", "1d"]);
        let _ = writeln!(text, "  pauseBetweenStages: {pause}");
    }
    if dice.percent(30) {
        text.push_str("  monitorAfter: 1d\n");
    }
    if dice.percent(60) {
        text.push_str("  windows:\n");
        let kinds: &[&str] = if dice.percent(40) {
            &["allow", "deny"]
        } else {
            &["allow"]
        };
        for kind in kinds {
            let (cron, length) = dice.one_of(&WINDOWS);
            let zone = dice.one_of(&ZONES);
            let _ = writeln!(
                text,
                "    - {{ {kind}: \"{cron}\", for: {length}, timezone: {zone}, reason: hours }}"
            );
        }
    }
    if dice.percent(20) {
        let zone = dice.one_of(&ZONES);
        let _ = writeln!(
            text,
            "  freezes:\n    - {{ from: 2030-12-20, to: 2031-01-03, timezone: {zone}, reason: end of year }}"
        );
    }
    text.push_str("  stages:\n");
    let percentages: &[u64] = dice.one_of(&[&[1, 100][..], &[1, 50, 100], &[1, 10, 50, 100], &[5, 30, 100]]);
    for (index, percentage) in percentages.iter().enumerate() {
        stage(dice, &mut text, index, *percentage);
    }
    rules(dice, &mut text);
    let (after, action) = (
        dice.one_of(&["6h", "2d"]),
        dice.one_of(&["pause", "rollback", "hold"]),
    );
    let _ = writeln!(text, "blind: {{ after: {after}, do: {action} }}");
    text
}

fn stage(dice: &mut Dice, text: &mut String, index: usize, percentage: u64) {
    let duration = dice.one_of(&["1h", "6h", "1d", "3d"]);
    let _ = write!(
        text,
        "    - {{ name: stage-{index}, percentage: {percentage}, duration: {duration}"
    );
    if index > 0 && dice.percent(30) {
        text.push_str(", waitForApproval: { roles: [approver], expires: 2d }");
    }
    if index > 0 && dice.percent(20) {
        text.push_str(", gate: { target: change, expires: 1d }");
    }
    if index == 1 && dice.percent(10) {
        text.push_str(", pointOfNoReturn: true");
    }
    text.push_str(" }\n");
}

fn rules(dice: &mut Dice, text: &mut String) {
    let interval = dice.one_of(&["30m", "1h", "2h"]);
    let _ = writeln!(text, "safety:\n  interval: {interval}\n  rules:");
    for name in ["errors", "latency"] {
        if name == "latency" && dice.percent(50) {
            continue;
        }
        let action = dice.one_of(&["rollback", "rollback", "retreat", "pause", "alert"]);
        let trip = dice.one_of(&["{ of: 1, need: 1 }", "{ of: 3, need: 2 }"]);
        let dry = name == "latency" && dice.percent(20);
        let _ = writeln!(
            text,
            "    - {{ name: {name}, query: 'sum(rate({name}{{flag=\"{{{{flag}}}}\"}}[{{{{window}}}}]))', window: 10m, \
             threshold: 2%, clear: 1%, trip: {trip}, action: {action}, dryRun: {dry} }}"
        );
    }
}
