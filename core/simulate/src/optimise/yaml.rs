//! A schedule as a policy file has it, with the reasons beside it.

use super::{Optimum, Why};
use crate::lint::sight::Percent;
use chrono_tz::Tz;
use std::fmt::Write as _;
use tidegate_model::because::Figure;
use tidegate_model::gate::Gate;
use tidegate_model::policy::{Approval, Freeze, Stage, Window, WindowEffect};
use tidegate_model::span::Span;

impl Optimum {
    /// The key `schedule` of a policy, with the reasons of every stage as comments. It is read again as
    /// exactly this schedule.
    #[must_use]
    pub fn yaml(&self) -> String {
        let schedule = &self.schedule;
        let mut text = "schedule:\n  type: custom\n  stages:\n".to_owned();
        for (stage, why) in schedule.stages.iter().zip(&self.why) {
            let _ = writeln!(text, "    # {}", reason(why));
            let _ = writeln!(text, "    - {{ {} }}", fields(stage).join(", "));
        }
        if !schedule.pause_between_stages.is_zero() {
            let _ = writeln!(
                text,
                "  pauseBetweenStages: {}",
                written(schedule.pause_between_stages)
            );
        }
        list(&mut text, "windows", schedule.windows.iter().map(window));
        list(&mut text, "freezes", schedule.freezes.iter().map(freeze));
        if !schedule.monitor_after.is_zero() {
            let _ = writeln!(text, "  monitorAfter: {}", written(schedule.monitor_after));
        }
        if schedule.bake_must_fit {
            text.push_str("  bakeMustFit: true\n");
        }
        text
    }
}

fn list(text: &mut String, key: &str, items: impl Iterator<Item = String>) {
    let items: Vec<String> = items.map(|item| format!("    - {{ {item} }}\n")).collect();
    if !items.is_empty() {
        let _ = write!(text, "  {key}:\n{}", items.concat());
    }
}

fn reason(why: &Why) -> String {
    let sees: Vec<String> = why
        .sees
        .iter()
        .map(|(rule, (asked, chance))| {
            format!(
                "{rule} sees {} with a chance of {}",
                Percent(*asked),
                Percent(*chance)
            )
        })
        .collect();
    let sees = if sees.is_empty() {
        "nothing is asked of it".to_owned()
    } else {
        sees.join(", ")
    };
    format!("{} requests: {sees}; {}", Figure(why.requests), why.bound)
}

fn fields(stage: &Stage) -> Vec<String> {
    let mut fields = vec![
        format!("name: {}", quoted(stage.name.as_str())),
        format!("percentage: {}", stage.percentage.percent()),
        format!("duration: {}", written(stage.duration)),
    ];
    fields.extend(stage.wait_for_approval.as_ref().map(approval));
    if !stage.success_criteria.is_empty() {
        let criteria: Vec<String> = (stage.success_criteria.iter())
            .map(|criterion| {
                let rule = quoted(criterion.rule.as_str());
                format!(
                    "{{ rule: {rule}, healthyFor: {} }}",
                    written(criterion.healthy_for)
                )
            })
            .collect();
        fields.push(format!("successCriteria: [{}]", criteria.join(", ")));
    }
    if !stage.gates.is_empty() {
        let gates: Vec<String> = stage.gates.iter().map(gate).collect();
        fields.push(format!("gate: [{}]", gates.join(", ")));
    }
    fields.extend(
        stage
            .point_of_no_return
            .then(|| "pointOfNoReturn: true".to_owned()),
    );
    fields
}

fn approval(approval: &Approval) -> String {
    let roles: Vec<&str> = approval.roles.iter().map(|role| role.name()).collect();
    let expires = approval
        .expires
        .map_or_else(String::new, |expires| format!(", expires: {}", written(expires)));
    format!("waitForApproval: {{ roles: [{}]{expires} }}", roles.join(", "))
}

fn gate(gate: &Gate) -> String {
    let expires = gate
        .expires
        .map_or_else(String::new, |expires| format!(", expires: {}", written(expires)));
    format!(
        "{{ target: {}, deadline: {}, every: {}{expires} }}",
        quoted(gate.target.as_str()),
        written(gate.deadline),
        written(gate.every)
    )
}

fn window(window: &Window) -> String {
    let effect = match window.effect {
        WindowEffect::Allow => "allow",
        WindowEffect::Deny => "deny",
    };
    let mut fields = vec![
        format!("{effect}: {}", quoted(&window.cron)),
        format!("for: {}", written(window.length)),
        format!("timezone: {}", quoted(&window.timezone)),
    ];
    if !window.reason.is_empty() {
        fields.push(format!("reason: {}", quoted(&window.reason)));
    }
    fields.join(", ")
}

fn freeze(freeze: &Freeze) -> String {
    let zone = freeze.timezone.parse().unwrap_or(Tz::UTC);
    let local = |at: tidegate_model::Timestamp| at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S");
    format!(
        "from: \"{}\", to: \"{}\", timezone: {}, reason: {}",
        local(freeze.from),
        local(freeze.to),
        quoted(&freeze.timezone),
        quoted(&freeze.reason)
    )
}

/// Text as YAML and JSON both read it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A duration in the units of policies.
fn written(span: Span) -> String {
    let millis = span.duration().as_millis();
    let parts = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
        (1, "ms"),
    ];
    let mut rest = millis;
    let mut words = Vec::new();
    for (length, unit) in parts {
        if rest >= length {
            words.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if words.is_empty() {
        return "0s".to_owned();
    }
    words.join(" ")
}
