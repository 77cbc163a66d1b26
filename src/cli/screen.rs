//! What answers look like: tables and colours on a terminal, aligned text in a pipe, JSON for
//! machines.

use super::failure::Failure;
use super::target::Target;
use comfy_table::presets::NOTHING;
use comfy_table::{Color, ContentArrangement, LineStyle, Table, TableStyle};
use std::io::{IsTerminal, Write};
use std::path::Path;
use tidegate_model::Timestamp;

/// A line under the header and nothing else.
const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Where answers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    /// JSON instead of text.
    pub(crate) json: bool,
    /// Whether a person looks at it: tables with lines, bars that move.
    pub(crate) terminal: bool,
    /// Whether colours are wanted.
    pub(crate) colour: bool,
}

/// What a piece of text means, and so its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing special.
    Plain,
    /// As it should be.
    Good,
    /// Needs attention, or waits.
    Wait,
    /// Wrong.
    Bad,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// A cell that means nothing special.
pub(crate) fn cell(text: impl ToString) -> Cell {
    toned(text, Tone::Plain)
}

/// A cell with a meaning.
pub(crate) fn toned(text: impl ToString, tone: Tone) -> Cell {
    Cell {
        text: text.to_string(),
        tone,
    }
}

impl Screen {
    /// Standard output, as the command line wants it. `NO_COLOR` is honoured.
    pub(crate) fn of(target: &Target) -> Self {
        Self::here(target.json)
    }

    /// The same for commands that talk to no control plane.
    pub(crate) fn here(json: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            json,
            terminal,
            colour: terminal && !no_colour,
        }
    }

    /// Shows the answer as it came, or what `render` makes of it.
    pub(crate) fn show(
        self,
        answer: &serde_json::Value,
        render: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        if self.json {
            print(&format!("{answer:#}\n"))
        } else {
            print(&render()?)
        }
    }

    /// A table, or `empty` when it would have no rows. Ends with a line break.
    pub(crate) fn table(self, header: &[&str], rows: Vec<Vec<Cell>>, empty: &str) -> String {
        if rows.is_empty() {
            return format!("{empty}\n");
        }
        let mut table = Table::new();
        table.set_header(header.iter().map(|name| name.to_uppercase()));
        for row in rows {
            table.add_row(row.into_iter().map(|cell| self.drawn(cell)));
        }
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        if self.terminal {
            table.load_style(RULED);
            table.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            // One row a line, however wide: for grep and awk.
            table.load_style(NOTHING);
            table.set_content_arrangement(ContentArrangement::Disabled);
            for column in table.column_iter_mut() {
                column.set_padding((0, 2));
            }
        }
        format!("{}\n", table.trim_fmt())
    }

    fn drawn(self, cell: Cell) -> comfy_table::Cell {
        let drawn = comfy_table::Cell::new(cell.text);
        match cell.tone {
            Tone::Plain => drawn,
            Tone::Good => drawn.fg(Color::Green),
            Tone::Wait => drawn.fg(Color::Yellow),
            Tone::Bad => drawn.fg(Color::Red),
        }
    }

    /// Text in the colour of what it means.
    pub(crate) fn tinted(self, text: &str, tone: Tone) -> String {
        let code = match tone {
            _ if !self.colour => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Good => 32,
            Tone::Wait => 33,
            Tone::Bad => 31,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Writes text to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// Writes to a file, or to standard output.
pub(crate) fn write(text: &str, output: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = output else {
        return print(text);
    };
    std::fs::write(file, text).map_err(|error| {
        Failure::input(
            format!("--output {}", file.display()),
            format!("cannot be written: {error}"),
            "name another file",
        )
    })
}

/// A moment, to the second.
pub(crate) fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A number as a person reads it: few digits, no trailing zeros.
pub(crate) fn number(value: f64) -> String {
    let digits = if value.abs() >= 100.0 { 1 } else { 4 };
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
impl Screen {
    /// A pipe: what golden texts are compared with.
    pub(crate) const PIPE: Self = Self {
        json: false,
        terminal: false,
        colour: false,
    };
    /// A terminal with colours.
    pub(crate) const TERMINAL: Self = Self {
        json: false,
        terminal: true,
        colour: true,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec![cell("a"), toned("fine", Tone::Good)],
            vec![cell("long-name"), toned("wrong", Tone::Bad)],
        ]
    }

    #[test]
    fn a_pipe_gets_aligned_text() {
        let table = Screen::PIPE.table(&["key", "state"], rows(), "none");
        assert_eq!(table, "KEY        STATE\na          fine\nlong-name  wrong\n");
    }

    #[test]
    fn a_terminal_gets_lines_and_colours() {
        let table = Screen::TERMINAL.table(&["key", "state"], rows(), "none");
        assert!(table.contains('─'), "{table}");
        assert!(table.contains("\u{1b}[") && table.contains("fine"), "{table}");
        let quiet = Screen {
            colour: false,
            ..Screen::TERMINAL
        };
        assert!(!quiet.table(&["key", "state"], rows(), "none").contains('\u{1b}'));
    }

    #[test]
    fn nothing_to_show_says_what_to_do() {
        assert_eq!(
            Screen::TERMINAL.table(&["key"], Vec::new(), "no flags yet"),
            "no flags yet\n"
        );
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.02, "0.02"),
            (0.333_333, "0.3333"),
            (12.0, "12"),
            (1234.56, "1234.6"),
            (100.0, "100"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn only_colour_screens_are_tinted() {
        assert_eq!(Screen::PIPE.tinted("x", Tone::Bad), "x");
        assert_eq!(Screen::TERMINAL.tinted("x", Tone::Bad), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(Screen::TERMINAL.tinted("x", Tone::Plain), "x");
    }
}
