//! A report as Markdown: tables, for a ticket or a repository.

use super::{Done, Metric, Report, bad, clock, does, span, unknown, verdicts};
use std::fmt::{Display, Write as _};
use tidegate_model::because::Figure;
use tidegate_model::verdict::Verdict;

/// So many looks of each rule stand in its table; the page of HTML draws all.
const ROWS_MAX: usize = 30;

/// Text as text: nothing in it is markup, and a table's cell stays one.
struct Plain<'t>(&'t str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => write!(f, "\\{letter}")?,
                letter if letter.is_control() => f.write_char(' ')?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// A page in the making. Writing into a text cannot fail.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: impl Display) {
        let _ = writeln!(self.0, "{text}");
    }

    fn heading(&mut self, text: &str) {
        self.line(format_args!("\n## {text}\n"));
    }

    /// A table; all cells are plain text.
    fn table(&mut self, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        self.line(format_args!("| {} |", header.join(" | ")));
        self.line(format_args!("|{}", "---|".repeat(header.len())));
        for row in rows {
            let cells = row.iter().map(|cell| Plain(cell).to_string());
            self.line(format_args!("| {} |", cells.collect::<Vec<_>>().join(" | ")));
        }
    }

    fn items<'t>(&mut self, items: impl Iterator<Item = &'t String>) {
        for item in items {
            self.line(format_args!("- {}", Plain(item)));
        }
    }
}

pub(super) fn write(report: &Report) -> String {
    let mut page = Page::default();
    page.line(format_args!(
        "# Rollout {}: {}\n",
        Plain(report.rollout.as_str()),
        Plain(&report.result)
    ));
    page.table(&["", ""], facts(report));
    page.heading("Progress");
    let header = [
        "stage",
        "share",
        "entered",
        "opened (UTC)",
        "took effect",
        "left",
        "lasted",
        "approved by",
    ];
    page.table(&header, progress(report));
    page.heading("People");
    done(
        &mut page,
        &report.people,
        "Nobody did anything after it was started.",
    );
    page.heading("Health");
    let header = [
        "rule",
        "bad is",
        "does",
        "verdicts journalled",
        "could not be judged for",
    ];
    page.table(&header, report.metrics.iter().map(health));
    page.heading("Metrics");
    for metric in &report.metrics {
        table_of(&mut page, metric);
    }
    page.heading("Safety");
    safety(&mut page, report);
    page.heading("Validation");
    validation(&mut page, report);
    if let Some(beside) = &report.shadow {
        page.heading("Shadow");
        page.line(format_args!(
            "Policy {} never acts. By it: {}.\n",
            Plain(beside.policy.as_str()),
            Plain(&beside.result)
        ));
        done(&mut page, &beside.decisions, "It would have decided nothing.");
    }
    page.0
}

pub(super) fn facts(report: &Report) -> impl Iterator<Item = Vec<String>> {
    let ended = report
        .ended
        .map_or_else(|| "not yet".to_owned(), |at| format!("{} UTC", clock(at)));
    [
        ("flag", format!("{} in {}", report.flag, report.environment)),
        ("opens", format!("{}, back to {}", report.candidate, report.safe)),
        (
            "policy",
            format!("{}, plan {}", report.policy, report.plan_digest.short()),
        ),
        (
            "started",
            format!("{} UTC by {}", clock(report.started), report.by),
        ),
        ("ended", ended),
    ]
    .map(|(name, value)| vec![name.to_owned(), value])
    .into_iter()
}

pub(super) fn progress(report: &Report) -> impl Iterator<Item = Vec<String>> + '_ {
    let or_dash = |at: Option<tidegate_model::Timestamp>| at.map_or_else(|| "-".to_owned(), clock);
    report.progress.iter().map(move |visit| {
        vec![
            visit.stage.clone(),
            visit.share.to_string(),
            visit.entered.clone(),
            clock(visit.opened),
            or_dash(visit.effective),
            or_dash(visit.left),
            span(visit.lasted),
            visit.approved_by.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    })
}

pub(super) fn health(metric: &Metric) -> Vec<String> {
    let never = |text: String, instead: &str| if text.is_empty() { instead.to_owned() } else { text };
    vec![
        metric.rule.to_string(),
        bad(metric).trim_start_matches("bad is ").to_owned(),
        does(metric).to_owned(),
        never(verdicts(metric), "never looked at"),
        never(unknown(metric), "-"),
    ]
}

fn done(page: &mut Page, done: &[Done], nothing: &str) {
    if done.is_empty() {
        page.line(nothing);
        return;
    }
    let row = |done: &Done| {
        vec![
            done.record.to_string(),
            clock(done.at),
            done.by.clone(),
            done.what.clone(),
        ]
    };
    page.table(&["record", "when (UTC)", "who", "what"], done.iter().map(row));
}

/// The newest looks of a rule, and every one at which its verdict turned.
fn table_of(page: &mut Page, metric: &Metric) {
    page.line(format_args!("### {}\n", Plain(metric.rule.as_str())));
    page.line(format_args!("{}; {}.\n", Plain(&bad(metric)), does(metric)));
    for query in &metric.queries {
        // Indented, it is code, and nothing in it is markup.
        let line: String = query
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        page.line(format_args!("    {line}"));
    }
    page.line("");
    let mut before = None;
    let mut rows: Vec<Vec<String>> = Vec::new();
    let last = metric.points.len().saturating_sub(1);
    for (index, point) in metric.points.iter().enumerate() {
        if before.replace(point.verdict) == Some(point.verdict) && index != last {
            continue;
        }
        rows.push(vec![
            clock(point.at),
            point
                .value
                .map_or_else(|| "-".to_owned(), |value| Figure(value).to_string()),
            shown(point.verdict),
            point.record.to_string(),
        ]);
    }
    let more = rows.len().saturating_sub(ROWS_MAX);
    page.table(
        &["when (UTC)", "value", "verdict", "record"],
        rows.into_iter().skip(more),
    );
    if more > 0 {
        page.line(format_args!("\n{more} earlier turns are left out."));
    }
    page.line("");
}

fn shown(verdict: Verdict) -> String {
    verdict.to_string()
}

fn safety(page: &mut Page, report: &Report) {
    let safety = &report.safety;
    page.line(format_args!("{} bad looks.\n", safety.breaches));
    done(page, &safety.decisions, "No alert, pause, retreat or rollback.");
    let Some(rollback) = &safety.rollback else {
        return;
    };
    page.line("\n### Rollback\n");
    page.line(format_args!(
        "Decided {} UTC, because:\n",
        clock(rollback.decided)
    ));
    page.items(rollback.cause.iter());
    page.line(match rollback.time_to_safe {
        Some(time) => format!("\nTime to safe: {}.", span(time)),
        None => "\nNot every live node has confirmed yet.".to_owned(),
    });
    if let Some(proof) = &rollback.proof {
        page.line(format_args!("Proof: {}.", Plain(proof)));
    }
}

fn validation(page: &mut Page, report: &Report) {
    let validation = &report.validation;
    let completed = if validation.completed {
        "Completed"
    } else {
        "Not completed"
    };
    let rules: Vec<String> = validation
        .rules
        .iter()
        .map(|rule| Plain(rule.as_str()).to_string())
        .collect();
    page.line(format_args!(
        "{completed}, by {} journalled looks at {}.\n",
        validation.looks,
        if rules.is_empty() {
            "no rule".to_owned()
        } else {
            rules.join(", ")
        }
    ));
    page.items(validation.because.iter());
}
