//! Units from comma-separated values.

use super::reader::{Found, PIECE_BYTES_MAX};
use crate::invalid::nearest;
use csv_core::{ReadFieldResult, Reader};

/// Reads rows, of each one field.
#[derive(Debug)]
pub(super) struct Csv {
    reader: Reader,
    /// The field that is being read, as far as it has arrived.
    field: Box<[u8]>,
    filled: usize,
    /// Which field of the row it is, from 0.
    place: usize,
    /// Whether a row has begun and not ended.
    in_row: bool,
    /// Line breaks that the reader was not shown.
    skipped: u64,
    /// Where the row began.
    line: u64,
    /// What the first row says, while it is read.
    header: Option<Header>,
    /// Which column has the unit, from 0.
    column: usize,
    column_name: String,
}

#[derive(Debug)]
struct Header {
    /// The name of the column; none is the first.
    wanted: Option<String>,
    found: Option<usize>,
    names: Vec<String>,
}

impl Csv {
    pub(super) fn new(column: Option<String>, header: bool) -> Self {
        Self {
            reader: Reader::new(),
            field: vec![0; PIECE_BYTES_MAX].into(),
            filled: 0,
            place: 0,
            in_row: false,
            skipped: 0,
            line: 1,
            column: 0,
            column_name: column.clone().unwrap_or_default(),
            header: (header || column.is_some()).then(|| Header {
                found: column.is_none().then_some(0),
                wanted: column,
                names: Vec::new(),
            }),
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8], found: &mut Found) {
        while !found.given_up {
            bytes = self.skip_breaks(bytes);
            if bytes.is_empty() {
                return;
            }
            let (_, taken) = self.step(bytes, found);
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, found: &mut Found) {
        // To the reader, being shown nothing is the end; it may still have a field to give.
        while !found.given_up && !self.step(&[], found).0 {}
    }

    /// Between rows, line breaks mean nothing. The reader would pass over them too, and with them over
    /// the number of the line on which the next row begins.
    fn skip_breaks<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.in_row {
            return bytes;
        }
        let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let end = bytes.iter().position(|byte| !is_break(byte));
        let (breaks, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.skipped += breaks.iter().filter(|byte| **byte == b'\n').count() as u64;
        if !rest.is_empty() {
            self.in_row = true;
            self.line = self.reader.line() + self.skipped;
        }
        rest
    }

    /// Shows the reader some bytes: whether it has come to the end, and how many it took.
    fn step(&mut self, bytes: &[u8], found: &mut Found) -> (bool, usize) {
        let room = self.field.get_mut(self.filled..).unwrap_or_default();
        let (outcome, taken, written) = self.reader.read_field(bytes, room);
        self.filled += written;
        match outcome {
            ReadFieldResult::InputEmpty => {}
            ReadFieldResult::OutputFull => {
                let rule = format!("a field has at most {PIECE_BYTES_MAX} bytes");
                found.hopeless(
                    self.line,
                    "",
                    &rule,
                    "see whether a quotation mark is left open there",
                );
            }
            ReadFieldResult::Field { record_end } => {
                self.take_field(record_end, found);
                self.filled = 0;
                self.place += 1;
                if record_end {
                    self.place = 0;
                    self.in_row = false;
                }
            }
            ReadFieldResult::End => return (true, taken),
        }
        (false, taken)
    }

    fn take_field(&mut self, last: bool, found: &mut Found) {
        let bytes = self.field.get(..self.filled).unwrap_or_default();
        let Some(header) = &mut self.header else {
            if self.place == self.column {
                match std::str::from_utf8(bytes) {
                    Ok(unit) => found.unit(self.line, unit),
                    Err(_) => found.bad(
                        self.line,
                        &String::from_utf8_lossy(bytes),
                        "a unit is UTF-8 text",
                        "write the file as UTF-8",
                    ),
                }
            } else if last && self.place < self.column {
                let rule = format!("the row has no column '{}'", self.column_name);
                found.bad(
                    self.line,
                    "",
                    &rule,
                    "give it as many fields as the first row has",
                );
            }
            return;
        };
        let name = String::from_utf8_lossy(bytes).into_owned();
        if header.found.is_none() && header.wanted.as_ref() == Some(&name) {
            header.found = Some(self.place);
        }
        header.names.push(name);
        if last && let Some(header) = self.header.take() {
            match header.found {
                Some(column) => self.column = column,
                None => no_such_column(self.line, &self.column_name, &header.names, found),
            }
        }
    }
}

fn no_such_column(line: u64, wanted: &str, names: &[String], found: &mut Found) {
    let fix = match nearest(wanted, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean '{near}'? known: {}", names.join(", ")),
        None => format!("known: {}", names.join(", ")),
    };
    found.hopeless(line, wanted, "there is no such column", &fix);
}
