//! What the visitor sees: one line for each thing that happens, with the seconds since the start.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

/// Writes the lines.
pub(super) struct Timeline {
    started: Instant,
    colour: bool,
}

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Plain,
    Good,
    Bad,
}

impl Timeline {
    /// Starts at zero.
    pub(super) fn begin() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            started: Instant::now(),
            colour: wanted && std::io::stdout().is_terminal(),
        }
    }

    /// Something about the whole demo.
    pub(super) fn say(&self, text: &str) {
        self.tell("", text, Mood::Plain);
    }

    /// Something about one feature.
    pub(super) fn tell(&self, feature: &str, text: &str, mood: Mood) {
        let seconds = self.started.elapsed().as_secs_f64();
        let (on, off) = match (self.colour, mood) {
            (false, _) | (true, Mood::Plain) => ("", ""),
            (true, Mood::Good) => ("\u{1b}[32m", "\u{1b}[0m"),
            (true, Mood::Bad) => ("\u{1b}[31m", "\u{1b}[0m"),
        };
        // Whoever closes the pipe has seen enough; the demo ends by Ctrl-C, not by that.
        let _reader_gone = writeln!(std::io::stdout(), "{seconds:6.1} s  {on}{feature:<14}{text}{off}");
    }
}
