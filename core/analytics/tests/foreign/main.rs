//! Data of others: tables and sums become experiments, or are refused with the place of what is wrong.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test that has not what it needs fails"
)]
#![expect(clippy::too_many_lines, reason = "tables of cases, one a line")]

mod numbers;
mod refusals;
mod summaries;
mod texts;

use tidegate_analytics::foreign::{About, Analysis, Question, Table};
use tidegate_model::invalid::Invalid;

/// Reads a table whose cells are apart by commas and hold none.
fn read(question: Question, text: &str) -> Result<Analysis, Invalid> {
    let mut lines = (1..).zip(text.lines());
    let (_, header) = lines.next().expect("a table has a first row");
    let header: Vec<&str> = header.split(',').collect();
    let sample: Vec<&str> = text.lines().nth(1).unwrap_or_default().split(',').collect();
    let mut table = Table::new(question, &header, &sample)?;
    for (line, row) in lines {
        let cells: Vec<&str> = row.split(',').collect();
        table.row(line, |column| cells.get(column).copied())?;
    }
    table.finish()
}

/// A question about these metrics.
fn about(metrics: &[&str]) -> Question {
    let metrics = metrics.iter().map(|text| text.parse().expect("a metric"));
    Question {
        metrics: metrics.collect(),
        ..Question::default()
    }
}

/// A setting of one metric.
fn set<T>(metric: &str, value: T) -> Vec<About<T>> {
    vec![About {
        metric: Some(metric.to_owned()),
        value,
    }]
}

/// A table of rows that each come so many times.
fn rows(header: &str, rows: &[(&str, usize)]) -> String {
    let each = rows
        .iter()
        .flat_map(|(row, times)| std::iter::repeat_n(*row, *times));
    std::iter::once(header)
        .chain(each)
        .flat_map(|row| [row, "\n"])
        .collect()
}
