//! A rollout as text.

use crate::cli::screen::{Screen, Tone, cell, moment, number, toned};
use tidegate_actors::view::{ExposureView, RolloutView, ShadowView};
use tidegate_model::rollout::{Ending, Phase};
use tidegate_model::verdict::{Look, Verdict};

/// Its status, in words.
pub(super) fn status(view: &RolloutView) -> String {
    let status = view.status.replace('_', " ");
    if view.quarantined {
        return format!("{status}, quarantined");
    }
    status
}

/// What its status means.
pub(super) fn tone(view: &RolloutView) -> Tone {
    match view.phase {
        _ if view.quarantined => Tone::Bad,
        Phase::Ended {
            ending: Ending::Completed,
            ..
        } => Tone::Good,
        Phase::Ended { .. } | Phase::RollingBack { .. } => Tone::Bad,
        Phase::Running { .. } if view.pauses.is_empty() => Tone::Plain,
        Phase::Running { .. } => Tone::Wait,
    }
}

/// One line: where it is.
pub(super) fn headline(screen: Screen, view: &RolloutView) -> String {
    let status = screen.tinted(&status(view), tone(view));
    match (&view.stage, &view.phase) {
        (Some(stage), Phase::Running { stage: index, .. }) => format!(
            "{}  {status}, {stage} ({} of {}), {}",
            view.id,
            index + 1,
            view.stages.len(),
            view.share
        ),
        _ => format!("{}  {status}, {}", view.id, view.share),
    }
}

/// When it ended, and how long that took to reach every node; `None` while it goes on.
pub(super) fn ended(view: &RolloutView) -> Option<String> {
    let Phase::Ended { at, took, .. } = &view.phase else {
        return None;
    };
    let took = took.map(|took| format!(", {took} from the decision to the last node"));
    Some(format!("{}{}", moment(*at), took.unwrap_or_default()))
}

/// Why it is where it is, in one line.
pub(super) fn because(view: &RolloutView) -> String {
    match ended(view) {
        Some(how) if view.because.is_empty() => format!("ended {how}"),
        _ => view.because.clone(),
    }
}

/// What a rule said last, in one line.
pub(super) fn rule(screen: Screen, look: &Look) -> String {
    let verdict = screen.tinted(&look.verdict.to_string(), verdict_tone(look.verdict));
    match look.value {
        Some(value) => format!("{} {verdict} at {}", look.rule, number(value)),
        None => format!("{} {verdict}", look.rule),
    }
}

fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Healthy => Tone::Good,
        Verdict::Undecided | Verdict::Unknown(_) => Tone::Wait,
        Verdict::Breached => Tone::Bad,
    }
}

/// All there is to know of it.
pub(super) fn whole(screen: Screen, view: &RolloutView) -> String {
    let mut lines = vec![
        headline(screen, view),
        format!("  opens    {}, back to {}", view.candidate, view.safe),
        format!(
            "  policy   {}, started {} by {}",
            view.policy,
            moment(view.started),
            view.by
        ),
        format!("  stages   {}", stages(view)),
    ];
    match ended(view) {
        Some(how) => lines.push(format!("  ended    {how}")),
        None => lines.push(format!("  nodes    {}", nodes(view))),
    }
    lines.extend(
        view.exposure
            .as_ref()
            .map(|spent| format!("  exposed  {}", exposed(spent))),
    );
    if let Some(proposal) = &view.proposal {
        lines.push(format!(
            "  proposed {} by {} since {}; approve it with: tidegate rollout approve-plan {}",
            proposal.policy,
            proposal.by,
            moment(proposal.at),
            view.id
        ));
        let differences = proposal.differences.iter();
        lines.extend(differences.map(|difference| format!("           - {difference}")));
    }
    for (owner, pause) in &view.pauses {
        let reason = if pause.reason.is_empty() {
            "no reason given"
        } else {
            &pause.reason
        };
        lines.push(format!(
            "  paused   by {owner} since {}: {reason} ({})",
            moment(pause.since),
            pause.by
        ));
    }
    if !view.because.is_empty() {
        lines.push(format!("  because  {}", view.because));
    }
    lines.extend(view.reasons.iter().map(|reason| format!("           - {reason}")));
    if !view.looks.is_empty() {
        let table = screen.table(
            &["rule", "verdict", "value", "samples", "looked at", "detail"],
            looks(view),
            "",
        );
        lines.push(String::new());
        lines.extend(table.lines().map(|line| format!("  {line}")));
    }
    if let Some(shadow) = &view.shadow {
        lines.push(String::new());
        lines.extend(beside(shadow));
    }
    format!("{}\n", lines.join("\n"))
}

/// How much of each budget is spent.
fn exposed(spent: &ExposureView) -> String {
    let of = |count: u64, most: Option<u64>, what: &str| match most {
        Some(most) => format!("{count} of {most} {what}"),
        None => format!("{count} {what}"),
    };
    format!(
        "{}, {}",
        of(spent.user_minutes, spent.user_minutes_of, "user-minutes"),
        of(spent.units, spent.units_of, "units")
    )
}

/// What a policy that never acts would have done.
fn beside(shadow: &ShadowView) -> Vec<String> {
    let at = match &shadow.stage {
        Some(stage) => format!(", {stage}, {}", shadow.share),
        None => format!(", {}", shadow.share),
    };
    let head = format!(
        "  shadow   {} would be {}{at}",
        shadow.policy,
        shadow.status.replace('_', " ")
    );
    let decisions = shadow.decisions.iter();
    let decisions = decisions.map(|one| format!("           {} {}", moment(one.at), one.because));
    [head].into_iter().chain(decisions).collect()
}

fn looks(view: &RolloutView) -> Vec<Vec<crate::cli::screen::Cell>> {
    let or_dash = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let row = |look: &Look| {
        vec![
            cell(&look.rule),
            toned(look.verdict, verdict_tone(look.verdict)),
            cell(or_dash(look.value)),
            cell(or_dash(look.samples)),
            cell(moment(look.at)),
            cell(&look.detail),
        ]
    };
    view.looks.values().map(row).collect()
}

fn stages(view: &RolloutView) -> String {
    let stage = |stage: &tidegate_actors::view::StageView| {
        let here = view.stage.as_ref() == Some(&stage.name);
        let approval = if stage.needs_approval {
            " (after approval)"
        } else {
            ""
        };
        let opens = match &stage.wave {
            None => format!("{} {}", stage.name, stage.percentage),
            Some(wave) => format!("{} {} of {}", stage.name, wave.share, wave.segment),
        };
        if here {
            format!("[{opens}]{approval}")
        } else {
            format!("{opens}{approval}")
        }
    };
    view.stages.iter().map(stage).collect::<Vec<_>>().join(" -> ")
}

fn nodes(view: &RolloutView) -> String {
    let live = view.confirmed.len() + view.waiting_for.len();
    let serve = format!("{} of {live} live nodes serve it", view.confirmed.len());
    if view.waiting_for.is_empty() {
        return serve;
    }
    let names: Vec<&str> = view.waiting_for.iter().map(|name| name.as_str()).collect();
    format!("{serve}; waiting for {}", names.join(", "))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A rollout in its first stage, with one healthy look.
    pub(in crate::cli::rollout) fn running() -> Value {
        json!({
            "id": "new-checkout.1", "environment": "production", "flag": "new-checkout", "attempt": 1,
            "policy": "canary", "planDigest": tidegate_model::snapshot::Digest::of(b"the plan"),
            "candidate": "on", "safe": "off", "revision": 4, "status": "running",
            "phase": {"kind": "running", "stage": 0, "since": "2026-11-22T09:00:00Z", "effective": "2026-11-22T09:00:01Z"},
            "stage": "canary",
            "stages": [
                {"name": "canary", "percentage": 1, "needsApproval": false},
                {"name": "half", "percentage": 50, "needsApproval": true},
                {"name": "everyone", "percentage": 100, "needsApproval": false}],
            "share": 1, "pauses": {}, "approval": null, "gates": {},
            "looks": {"errors": {"rule": "errors", "verdict": "healthy", "value": 0.004, "samples": 812.0, "at": "2026-11-22T09:05:00Z"}},
            "because": "holds at 1 %: stage lasts until 09:15:01",
            "reasons": ["stage lasts until 09:15:01", "errors healthy: 0.004000, bad is > 0.02"],
            "confirmed": ["n1", "n2"], "waitingFor": ["n3"],
            "started": "2026-11-22T09:00:00Z", "by": "ada (operator)", "quarantined": false
        })
    }

    /// The same, with these members instead.
    pub(in crate::cli::rollout) fn with(members: Value) -> RolloutView {
        let mut view = running();
        for (name, value) in members.as_object().unwrap() {
            view[name] = value.clone();
        }
        serde_json::from_value(view).unwrap()
    }

    #[test]
    fn a_running_rollout_says_where_it_is_and_why() {
        let shown = whole(Screen::PIPE, &with(json!({})));
        assert_eq!(
            shown,
            "new-checkout.1  running, canary (1 of 3), 1 %
  opens    on, back to off
  policy   canary, started 2026-11-22 09:00:00 UTC by ada (operator)
  stages   [canary 1 %] -> half 50 % (after approval) -> everyone 100 %
  nodes    2 of 3 live nodes serve it; waiting for n3
  because  holds at 1 %: stage lasts until 09:15:01
           - stage lasts until 09:15:01
           - errors healthy: 0.004000, bad is > 0.02

  RULE    VERDICT  VALUE  SAMPLES  LOOKED AT                DETAIL
  errors  healthy  0.004  812      2026-11-22 09:05:00 UTC
"
        );
    }

    #[test]
    fn budgets_of_exposure_are_told() {
        let spent =
            json!({"audience": 1000, "userMinutes": 90, "userMinutesOf": 400, "units": 10, "unitsOf": null});
        let shown = whole(Screen::PIPE, &with(json!({ "exposure": spent })));
        assert!(
            shown.contains("\n  exposed  90 of 400 user-minutes, 10 units\n"),
            "{shown}"
        );
    }

    #[test]
    fn pauses_and_endings_are_told() {
        let pause = json!({"reason": "", "by": {"token": {"name": "ada", "role": "operator"}}, "since": "2026-11-22T09:06:00Z"});
        let paused = whole(
            Screen::PIPE,
            &with(json!({"status": "paused", "pauses": {"operator": pause}})),
        );
        let line = "  paused   by operator since 2026-11-22 09:06:00 UTC: no reason given (ada (operator))\n";
        assert!(paused.contains(line), "{paused}");

        let ended =
            json!({"kind": "ended", "ending": "rolled_back", "at": "2026-11-22T09:10:00Z", "took": "400ms"});
        let view = json!({"status": "rolled_back", "phase": ended, "stage": null, "share": 0, "because": "", "reasons": []});
        let view = with(view);
        assert_eq!(headline(Screen::PIPE, &view), "new-checkout.1  rolled back, 0 %");
        assert_eq!(tone(&view), Tone::Bad);
        let shown = whole(Screen::PIPE, &view);
        assert!(
            shown.contains("  ended    2026-11-22 09:10:00 UTC, 400ms from the decision to the last node\n"),
            "{shown}"
        );
        assert!(!shown.contains("because") && !shown.contains("nodes"), "{shown}");
        let quarantined = with(json!({"quarantined": true}));
        assert_eq!(status(&quarantined), "running, quarantined");
        assert_eq!(tone(&quarantined), Tone::Bad);
    }
}
