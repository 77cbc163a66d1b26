//! Reading a list of units piece by piece, as it arrives.

use super::csv::Csv;
use super::ndjson::Ndjson;
use super::{LIST_UNITS_MAX, UnitSet};
use crate::invalid::{Invalid, Violation};

/// Longest unit, in bytes.
pub const UNIT_BYTES_MAX: usize = 1024;
/// Longest line or field, in bytes.
pub(super) const PIECE_BYTES_MAX: usize = 64 * 1024;
/// Most bad lines that are named; the others are counted.
const NAMED_MAX: usize = 20;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How a list is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListFormat {
    /// Comma-separated values (RFC 4180), one unit a row.
    Csv {
        /// The column with the unit, by its name in the first row; left out, the first column.
        column: Option<String>,
        /// Whether the first row names the columns. It does whenever `column` is given.
        header: bool,
    },
    /// One JSON value a line: the unit as a text or whole number, or an object that has it in a field.
    Ndjson {
        /// The field with the unit; left out, [`ListFormat::FIELD`].
        field: Option<String>,
    },
}

impl ListFormat {
    /// The field of an object that holds the unit, when no other is named.
    pub const FIELD: &str = "targetingKey";
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRead {
    /// The units.
    pub set: UnitSet,
    /// How many units were read, each time it stood there.
    pub read: u64,
    /// How many of them had been read before.
    pub duplicates: u64,
}

/// Reads a list, whichever way it is cut into pieces.
#[derive(Debug)]
pub struct ListReader {
    rows: Rows,
    found: Found,
    /// The first bytes, until they are enough to tell whether they are a byte order mark.
    head: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Rows {
    Csv(Box<Csv>),
    Ndjson(Ndjson),
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    hashes: Vec<u64>,
    wrong: Vec<Violation>,
    wrong_count: u64,
    /// What follows cannot be made sense of, or is too much.
    pub(super) given_up: bool,
}

impl Found {
    /// A unit, as it stands on this line.
    pub(super) fn unit(&mut self, line: u64, unit: &str) {
        if unit.is_empty() || unit.len() > UNIT_BYTES_MAX {
            let rule = format!("a unit has 1 to {UNIT_BYTES_MAX} bytes");
            self.bad(
                line,
                unit,
                &rule,
                "take the line out, or check which column is read",
            );
        } else if self.hashes.len() == LIST_UNITS_MAX {
            let rule = format!("a list has at most {LIST_UNITS_MAX} units");
            self.hopeless(line, unit, &rule, "divide it among several segments");
        } else {
            self.hashes.push(UnitSet::hash(unit));
        }
    }

    /// A line that gives no unit.
    pub(super) fn bad(&mut self, line: u64, value: &str, rule: &str, fix: &str) {
        self.wrong_count += 1;
        if self.wrong.len() < NAMED_MAX {
            self.wrong
                .push(Violation::new(format!("line {line}"), value, rule, fix));
        }
    }

    /// A line after which nothing more can be read.
    pub(super) fn hopeless(&mut self, line: u64, value: &str, rule: &str, fix: &str) {
        self.given_up = true;
        self.bad(line, value, rule, fix);
    }
}

impl ListReader {
    /// A reader of a list that is written like this.
    pub fn new(format: ListFormat) -> Self {
        let rows = match format {
            ListFormat::Csv { column, header } => Rows::Csv(Box::new(Csv::new(column, header))),
            ListFormat::Ndjson { field } => Rows::Ndjson(Ndjson::new(field)),
        };
        Self {
            rows,
            found: Found::default(),
            head: Some(Vec::new()),
        }
    }

    /// Reads the next piece of the list.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Some(mut head) = self.head.take() else {
            return self.take(bytes);
        };
        head.extend_from_slice(bytes);
        if head.len() < BYTE_ORDER_MARK.len() {
            self.head = Some(head);
        } else {
            self.take_head(&head);
        }
    }

    fn take_head(&mut self, head: &[u8]) {
        self.take(head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head));
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.found.given_up {
            return;
        }
        match &mut self.rows {
            Rows::Csv(csv) => csv.feed(bytes, &mut self.found),
            Rows::Ndjson(ndjson) => ndjson.feed(bytes, &mut self.found),
        }
    }

    /// The list, once all of it has been read.
    ///
    /// # Errors
    /// The lines that are bad, by their numbers; or that there is no unit at all.
    pub fn finish(mut self) -> Result<ListRead, Invalid> {
        if let Some(head) = self.head.take() {
            self.take_head(&head);
        }
        if !self.found.given_up {
            match &mut self.rows {
                Rows::Csv(csv) => csv.finish(&mut self.found),
                Rows::Ndjson(ndjson) => ndjson.finish(&mut self.found),
            }
        }
        let Found {
            hashes,
            mut wrong,
            wrong_count,
            ..
        } = self.found;
        let unnamed = wrong_count - wrong.len() as u64;
        if unnamed > 0 {
            let rule = format!("{unnamed} more lines are bad");
            wrong.push(Violation::new(
                "lines",
                wrong_count,
                rule,
                "mend the first ones first",
            ));
        } else if wrong.is_empty() && hashes.is_empty() {
            wrong.push(Violation::new(
                "list",
                "",
                "a list has at least one unit",
                "to have nobody in the segment, set its status to inactive",
            ));
        }
        Invalid::unless_empty(wrong, ())?;
        let read = hashes.len() as u64;
        let set = UnitSet::of_hashes(hashes);
        let duplicates = read - set.len() as u64;
        Ok(ListRead {
            set,
            read,
            duplicates,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn csv(column: Option<&str>, header: bool) -> ListFormat {
        ListFormat::Csv {
            column: column.map(str::to_owned),
            header,
        }
    }

    fn ndjson(field: Option<&str>) -> ListFormat {
        ListFormat::Ndjson {
            field: field.map(str::to_owned),
        }
    }

    fn read(format: ListFormat, text: &[u8], piece: usize) -> Result<ListRead, String> {
        let mut reader = ListReader::new(format);
        for piece in text.chunks(piece.max(1)) {
            reader.feed(piece);
        }
        reader.finish().map_err(|invalid| invalid.to_string())
    }

    fn set(units: &[&str]) -> UnitSet {
        UnitSet::of_hashes(units.iter().map(|unit| UnitSet::hash(unit)).collect())
    }

    #[test]
    fn lists_are_read_however_they_are_cut() {
        let rows: [(ListFormat, &str, &[&str], u64); 12] = [
            (csv(None, false), "a\nb\nc", &["a", "b", "c"], 0),
            (csv(None, false), "a\r\nb\r\n\r\n\r\na\r\n", &["a", "b"], 1),
            (csv(None, false), "\u{feff}a,1\nb,2\n", &["a", "b"], 0),
            (csv(None, true), "id\na\nb\n", &["a", "b"], 0),
            (csv(Some("id"), false), "name,id\nx,a\ny,b\n", &["a", "b"], 0),
            (
                csv(None, false),
                "\"a,\"\"1\"\"\",x\n\"b\nc\"\n",
                &["a,\"1\"", "b\nc"],
                0,
            ),
            (csv(None, false), "ü-1\n名\n", &["ü-1", "名"], 0),
            (csv(None, false), "a", &["a"], 0),
            (ndjson(None), "\"a\"\n\"b\"", &["a", "b"], 0),
            (
                ndjson(None),
                "\u{feff}{\"targetingKey\":\"a\",\"x\":1}\r\n\n \n7\n",
                &["a", "7"],
                0,
            ),
            (
                ndjson(Some("id")),
                "{\"id\":\"a\"}\n{\"id\":\"a\"}\n{\"id\":-7}\n",
                &["a", "-7"],
                1,
            ),
            (ndjson(None), "\"\\u00fc\"\n\"a\\nb\"\n", &["ü", "a\nb"], 0),
        ];
        for (format, text, units, duplicates) in rows {
            for piece in [1, 2, 3, 5, 1000] {
                let list = read(format.clone(), text.as_bytes(), piece).unwrap();
                assert_eq!(
                    (list.set, list.duplicates),
                    (set(units), duplicates),
                    "{text:?} in {piece}"
                );
                assert_eq!(list.read, units.len() as u64 + duplicates, "{text:?}");
            }
        }
    }

    #[test]
    fn bad_lines_are_named() {
        let long = "x".repeat(UNIT_BYTES_MAX + 1);
        let endless = format!("a\n\"{}", "x\n".repeat(PIECE_BYTES_MAX));
        let rows: [(ListFormat, &[u8], &[&str]); 15] = [
            (csv(None, false), b"", &["a list has at least one unit"]),
            (csv(None, true), b"id\n", &["a list has at least one unit"]),
            (
                csv(None, false),
                b"a\n\n,x\r\nb\r\n,y\n",
                &["line 3: a unit has 1 to", "line 5: a unit has 1 to"],
            ),
            (
                csv(None, false),
                b"a\n\"b\nc\"\n,\n",
                &["line 4: a unit has 1 to"],
            ),
            (
                csv(None, false),
                long.as_bytes(),
                &["line 1: a unit has 1 to 1024 bytes"],
            ),
            (csv(None, false), b"a\n\xff\n", &["line 2: a unit is UTF-8 text"]),
            (
                csv(None, false),
                endless.as_bytes(),
                &["line 2: a field has at most", "quotation mark"],
            ),
            (
                csv(Some("idd"), false),
                b"name,id\nx,a\n",
                &["line 1: there is no such column", "did you mean 'id'?"],
            ),
            (
                csv(Some("id"), false),
                b"name,id\nx\ny,b\n",
                &["line 2: the row has no column 'id'"],
            ),
            (ndjson(None), b"\"a\"\n\n{\n", &["line 3: not JSON"]),
            (
                ndjson(None),
                b"\"a\"\n{\"id\":\"a\"}\n",
                &["line 2: the object has no field 'targetingKey'"],
            ),
            (
                ndjson(None),
                b"true\n[1]\n1.5\n",
                &["line 1: a unit is a text", "line 2", "line 3"],
            ),
            (ndjson(None), b"\"\"\n", &["line 1: a unit has 1 to"]),
            (ndjson(None), b"\"\xff\"\n", &["line 1: not JSON"]),
            (
                ndjson(None),
                &[b'1'; PIECE_BYTES_MAX + 1],
                &["line 1: a line has at most"],
            ),
        ];
        for (format, text, says) in rows {
            for piece in [1, 7, 100_000] {
                let error = read(format.clone(), text, piece).unwrap_err();
                for part in says {
                    assert!(
                        error.contains(part),
                        "{:?}: missing {part:?} in {error}",
                        String::from_utf8_lossy(text.get(..80).unwrap_or(text))
                    );
                }
            }
        }
    }

    #[test]
    fn of_many_bad_lines_the_first_are_named_and_the_others_counted() {
        let text = ",\n".repeat(50);
        let error = read(csv(None, false), text.as_bytes(), 1000).unwrap_err();
        assert!(
            error.contains("line 20:") && !error.contains("line 21:"),
            "{error}"
        );
        assert!(error.contains("30 more lines are bad"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_alike_in_any_pieces(
            text in prop::collection::vec(prop::sample::select(b"ab,\"\r\n{}:[]1\\ \xc3\xbc\xef\xbb\xbf".to_vec()), 0..80),
            piece in 1..10_usize,
        ) {
            for format in [csv(None, false), csv(None, true), csv(Some("a"), true), ndjson(None), ndjson(Some("a"))] {
                let whole = read(format.clone(), &text, usize::MAX);
                prop_assert_eq!(read(format, &text, piece), whole);
            }
        }
    }
}
