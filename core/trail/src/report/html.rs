//! A report as one page of HTML: no scripts, nothing from elsewhere, and whatever people wrote is text.

use super::{Done, Metric, Report, Rollback, bad, chart, clock, does, markdown, span};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --bad: #c62828; --good: #2e7d32; --wait: #b26a00; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; } h3 { font-size: 1rem; margin-bottom: 0; }
table { border-collapse: collapse; display: block; overflow-x: auto; } th, td { text-align: left; padding: .25rem .6rem .25rem 0; vertical-align: top; }
th { font-weight: 600; } tr { border-bottom: 1px solid var(--line); } td:not(:last-child) { white-space: nowrap; } td:last-child { overflow-wrap: anywhere; min-width: 12rem; }
code { display: block; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; opacity: .8; }
svg { width: 100%; height: auto; font-size: 10px; }
svg text { fill: currentColor; } svg .value { text-anchor: end; dominant-baseline: middle; }
svg .end { text-anchor: end; } svg .axis, svg .stage { stroke: var(--line); } svg .unknown { fill: var(--wait); opacity: .15; }
svg .threshold { stroke: var(--bad); stroke-dasharray: 4 3; } svg .clear { stroke: var(--good); stroke-dasharray: 4 3; }
svg polyline { fill: none; stroke: currentColor; opacity: .5; }
svg circle.healthy { fill: var(--good); } svg circle.breached { fill: var(--bad); } svg circle.undecided, svg circle.unknown { fill: var(--wait); opacity: 1; }
";

/// What the page may do: be shown.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

pub(super) fn write(report: &Report) -> String {
    let title = format!("Rollout {}: {}", report.rollout, report.result);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                (table(&[], markdown::facts(report)))
                h2 { "Progress" }
                (table(
                    &["stage", "share", "entered", "opened (UTC)", "took effect", "left", "lasted", "approved by"],
                    markdown::progress(report),
                ))
                h2 { "People" }
                (done(&report.people, "Nobody did anything after it was started."))
                h2 { "Health" }
                (table(
                    &["rule", "bad is", "does", "verdicts journalled", "could not be judged for"],
                    report.metrics.iter().map(markdown::health),
                ))
                h2 { "Metrics" }
                @for metric in &report.metrics { (measured(metric, report)) }
                h2 { "Safety" }
                p { (report.safety.breaches) " bad looks." }
                (done(&report.safety.decisions, "No alert, pause, retreat or rollback."))
                @if let Some(rollback) = &report.safety.rollback { (back(rollback)) }
                h2 { "Validation" }
                (validation(report))
                @if let Some(beside) = &report.shadow {
                    h2 { "Shadow" }
                    p { "Policy " (beside.policy) " never acts. By it: " (beside.result) "." }
                    (done(&beside.decisions, "It would have decided nothing."))
                }
            }
        }
    };
    page.into_string()
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Markup {
    html! {
        table {
            @if !header.is_empty() { thead { tr { @for name in header { th { (name) } } } } }
            tbody {
                @for row in rows { tr { @for cell in row { td { (cell) } } } }
            }
        }
    }
}

fn done(done: &[Done], nothing: &str) -> Markup {
    if done.is_empty() {
        return html! { p { (nothing) } };
    }
    let row = |done: &Done| {
        vec![
            done.record.to_string(),
            clock(done.at),
            done.by.clone(),
            done.what.clone(),
        ]
    };
    table(&["record", "when (UTC)", "who", "what"], done.iter().map(row))
}

fn measured(metric: &Metric, report: &Report) -> Markup {
    html! {
        h3 { (metric.rule) }
        p { (bad(metric)) "; " (does(metric)) "." }
        @for query in &metric.queries { code { (query) } }
        @if metric.points.is_empty() { p { "Never looked at." } } @else { (chart::draw(metric, report)) }
        @if metric.left_out > 0 { p { (metric.left_out) " looks are left out of the drawing." } }
    }
}

fn back(rollback: &Rollback) -> Markup {
    html! {
        h3 { "Rollback" }
        p { "Decided " (clock(rollback.decided)) " UTC, because:" }
        ul { @for cause in &rollback.cause { li { (cause) } } }
        @match rollback.time_to_safe {
            Some(time) => p { "Time to safe: " (span(time)) "." },
            None => p { "Not every live node has confirmed yet." },
        }
        @if let Some(proof) = &rollback.proof { p { "Proof: " (proof) "." } }
    }
}

fn validation(report: &Report) -> Markup {
    let validation = &report.validation;
    let rules: Vec<&str> = validation.rules.iter().map(|rule| rule.as_str()).collect();
    html! {
        p {
            (if validation.completed { "Completed" } else { "Not completed" })
            ", by " (validation.looks) " journalled looks at "
            (if rules.is_empty() { "no rule".to_owned() } else { rules.join(", ") }) "."
        }
        ul { @for because in &validation.because { li { (because) } } }
    }
}
