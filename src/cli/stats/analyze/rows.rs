//! A table of comma-separated values, read a row at a time.

use super::{refuse, refuse_all, source};
use crate::cli::failure::Failure;
use csv::{ErrorKind, Position, ReaderBuilder, StringRecord};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use tidegate_analytics::foreign::{Analysis, Question, Table};
use tidegate_model::invalid::Violation;

/// So many rows are read between two looks at the progress.
const ROWS_A_LOOK: u64 = 16_384;

/// Reads the table and says what it holds.
pub(super) fn read(file: &Path, delimiter: Option<u8>, question: Question) -> Result<Analysis, Failure> {
    let is_tsv = file
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"));
    let delimiter = delimiter.unwrap_or(if is_tsv { b'\t' } else { b',' });
    if file == Path::new("-") {
        return fold(file, io::stdin().lock(), 0, delimiter, question);
    }
    let unreadable =
        |error: io::Error| Failure::input(source(file), format!("cannot be read: {error}"), "check the path");
    let open = File::open(file).map_err(unreadable)?;
    let bytes = open.metadata().map_err(unreadable)?.len();
    fold(file, open, bytes, delimiter, question)
}

fn fold(
    file: &Path,
    rows: impl Read,
    bytes: u64,
    delimiter: u8,
    question: Question,
) -> Result<Analysis, Failure> {
    // Rows that are too short are refused by the table, which knows the columns.
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .buffer_capacity(1 << 16)
        .from_reader(rows);
    let failed = |error| unread(file, &error);
    let mut header = StringRecord::new();
    if !reader.read_record(&mut header).map_err(failed)? {
        return Err(Failure::input(
            source(file),
            "the table is empty",
            "its first row names the columns",
        ));
    }
    let mut row = StringRecord::new();
    let mut more = reader.read_record(&mut row).map_err(failed)?;
    let columns: Vec<&str> = header.iter().collect();
    let sample: Vec<&str> = row.iter().collect();
    let refused = |violation: Violation| refuse(file, &violation);
    let mut table = Table::new(question, &columns, &sample).map_err(refused)?;
    let progress = bar(bytes);
    while more {
        let line = row.position().map_or(0, Position::line);
        if row.len() > columns.len() {
            progress.finish_and_clear();
            return Err(Failure::input(
                format!("{}: line {line}", source(file)),
                format!(
                    "the row has {} cells, and the table has {} columns",
                    row.len(),
                    columns.len()
                ),
                "put cells that hold a delimiter into quotes",
            ));
        }
        table.row(line, |column| row.get(column)).map_err(refused)?;
        if table.rows().is_multiple_of(ROWS_A_LOOK) {
            progress.set_position(reader.position().byte());
            progress.set_message(format!("{} rows", table.rows()));
        }
        more = reader.read_record(&mut row).map_err(failed)?;
    }
    progress.finish_and_clear();
    table.finish().map_err(|invalid| refuse_all(file, &invalid))
}

/// A bar on standard error, if that is a terminal.
fn bar(bytes: u64) -> ProgressBar {
    let bar = if bytes == 0 {
        ProgressBar::no_length()
    } else {
        ProgressBar::new(bytes)
    };
    let template = if bytes == 0 {
        "{spinner} {msg}"
    } else {
        "{msg} {wide_bar} {bytes}/{total_bytes} {eta}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// What the reader of the format says.
fn unread(file: &Path, error: &csv::Error) -> Failure {
    let line = error
        .position()
        .map_or_else(String::new, |position| format!(": line {}", position.line()));
    let (why, fix) = match error.kind() {
        ErrorKind::Utf8 { err, .. } => (
            format!("cell {} is no UTF-8", err.field() + 1),
            "save the table as UTF-8",
        ),
        ErrorKind::Io(error) => (format!("cannot be read: {error}"), "check the path"),
        _ => (error.to_string(), "check how the table is written"),
    };
    Failure::input(format!("{}{line}", source(file)), why, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn analysed(text: &[u8]) -> Result<Analysis, String> {
        let read = fold(Path::new("t.csv"), text, 0, b',', Question::default());
        read.map_err(|failure| failure.to_string())
    }

    #[test]
    fn quotes_and_line_ends_and_marks_are_read() {
        let text =
            b"\xef\xbb\xbf\"arm\",\"spent, all\"\r\n\"old\",1.5\r\nold,2\r\n\r\n\"new\",\"3\"\r\nnew,4\r\n";
        let analysis = analysed(text).unwrap();
        let units: Vec<u64> = analysis.tallies.arms.values().map(|arm| arm.units).collect();
        assert_eq!(units, [2, 2]);
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (text, says) in [
            (
                &b""[..],
                "t.csv: the table is empty; its first row names the columns",
            ),
            (b"arm,v\nold,1\nold,1,2\n", "t.csv: line 3: the row has 3 cells"),
            (
                b"arm,v\nold,1\nold,\"a\nb\"\nnew,2\n",
                "t.csv: line 3, column \"v\": a value is a number",
            ),
            (
                b"arm,v\nold,1\nnew\n",
                "t.csv: line 3, column \"v\": a row has a cell for each column",
            ),
            (
                b"arm,v\nold,1\nnew,\xff\n",
                "t.csv: line 3: cell 2 is no UTF-8; save the table as UTF-8",
            ),
            (
                b"arm,v\n",
                "t.csv: arms: a comparison needs units, and there are none",
            ),
        ] {
            let failure = analysed(text).unwrap_err();
            assert!(failure.contains(says), "{failure} for {says}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let failure = read(Path::new("nowhere.csv"), None, Question::default()).unwrap_err();
        assert!(failure.to_string().starts_with("nowhere.csv: cannot be read"));
    }
}
