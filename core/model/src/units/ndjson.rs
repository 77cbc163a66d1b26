//! Units from lines of JSON.

use super::reader::{Found, ListFormat, PIECE_BYTES_MAX};
use serde_json::Value;

/// Reads lines.
#[derive(Debug)]
pub(super) struct Ndjson {
    /// The field of an object that has the unit.
    field: String,
    /// The line that is being read, as far as it has arrived.
    partial: Vec<u8>,
    /// Its number.
    line: u64,
}

impl Ndjson {
    pub(super) fn new(field: Option<String>) -> Self {
        Self {
            field: field.unwrap_or_else(|| ListFormat::FIELD.to_owned()),
            partial: Vec::new(),
            line: 1,
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8], found: &mut Found) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if !self.extend(line, found) {
                return;
            }
            self.take_line(found);
        }
        self.extend(bytes, found);
    }

    pub(super) fn finish(&mut self, found: &mut Found) {
        self.take_line(found);
    }

    /// Adds to the line, if it does not become too long.
    fn extend(&mut self, bytes: &[u8], found: &mut Found) -> bool {
        let fits = self.partial.len() + bytes.len() <= PIECE_BYTES_MAX;
        if fits {
            self.partial.extend_from_slice(bytes);
        } else {
            let rule = format!("a line has at most {PIECE_BYTES_MAX} bytes");
            found.hopeless(self.line, "", &rule, "write each unit on a line of its own");
        }
        fits
    }

    fn take_line(&mut self, found: &mut Found) {
        let line = self.partial.trim_ascii();
        if !line.is_empty() {
            match serde_json::from_slice(line) {
                Ok(value) => self.take_value(&value, found),
                Err(error) => {
                    let shown = String::from_utf8_lossy(line);
                    let rule = format!("not JSON: {error}");
                    found.bad(self.line, &shown, &rule, r#"for example "user-1""#);
                }
            }
        }
        self.partial.clear();
        self.line += 1;
    }

    fn take_value(&self, value: &Value, found: &mut Found) {
        let unit = match value {
            Value::Object(fields) => match fields.get(&self.field) {
                Some(unit) => unit,
                None => {
                    let rule = format!("the object has no field '{}'", self.field);
                    found.bad(
                        self.line,
                        &value.to_string(),
                        &rule,
                        "name the field that has the unit",
                    );
                    return;
                }
            },
            unit => unit,
        };
        match unit {
            Value::String(unit) => found.unit(self.line, unit),
            Value::Number(number) if number.is_i64() || number.is_u64() => {
                found.unit(self.line, &number.to_string());
            }
            other => found.bad(
                self.line,
                &other.to_string(),
                "a unit is a text or a whole number",
                r#"for example "user-1""#,
            ),
        }
    }
}
