//! A place in the tree that reads itself as what is wanted there, and complains where it stands.
//!
//! Every method that answers with an `Option` has reported what is wrong when it answers `None`, so
//! that reading can go on elsewhere and all mistakes are found at once.

use super::findings::Findings;
use super::keys::{DURATION_UNITS, Level};
use super::yaml::{Node, Place, Value};
use crate::invalid::{Violation, nearest};
use crate::share::Share;
use crate::span::Span;
use std::str::FromStr;

/// Longest piece of the text that a finding repeats, in characters.
const SHOWN_CHARS: usize = 60;
/// Longest unknown name for which a similar known one is looked for, in bytes.
const COMPARED_BYTES_MAX: usize = 64;

/// A value in the policy text, its path, and where findings about it go.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    node: &'a Node,
    path: String,
    source: &'a str,
    findings: &'a Findings,
}

/// A mapping whose keys have been checked. Of duplicates the first counts.
pub(super) struct Mapping<'a> {
    at: Cursor<'a>,
    entries: Vec<(&'a str, Cursor<'a>)>,
}

impl<'a> Cursor<'a> {
    pub(super) fn root(node: &'a Node, source: &'a str, findings: &'a Findings) -> Self {
        Self {
            node,
            path: String::new(),
            source,
            findings,
        }
    }

    pub(super) fn place(&self) -> Place {
        self.node.place
    }

    pub(super) fn error(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.error(self.node.place, &self.path, message, hint);
    }

    /// Like [`Self::error`], at the byte `offset` of this scalar if that can be located.
    pub(super) fn error_within(&self, offset: usize, message: impl Into<String>, hint: impl Into<String>) {
        let place = self.node.place_of(self.source, offset);
        self.findings.error(place, &self.path, message, hint);
    }

    pub(super) fn warning(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.warning(self.node.place, &self.path, message, hint);
    }

    fn wrong_type(&self, wanted: &str, hint: impl Into<String>) {
        let found = match &self.node.value {
            _ if self.node.is_null() => "nothing stands here".to_owned(),
            Value::Scalar { text, .. } => format!("{} stands here", shown(text)),
            Value::List(_) => "a list stands here".to_owned(),
            Value::Mapping(_) => "a mapping stands here".to_owned(),
        };
        self.error(format!("{found} instead of {wanted}"), hint);
    }

    /// Its text as it was written, and whether without quotes.
    fn scalar(&self, wanted: &str, hint: &str) -> Option<(&'a str, bool)> {
        match &self.node.value {
            Value::Scalar { text, plain } if !self.node.is_null() => Some((text, *plain)),
            _ => {
                self.wrong_type(wanted, hint);
                None
            }
        }
    }

    pub(super) fn is_mapping(&self) -> bool {
        matches!(self.node.value, Value::Mapping(_))
    }

    /// Its text if it is some, without any complaint.
    pub(super) fn peek(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        let (text, plain) = self.scalar("text", "")?;
        if plain && (is_number(text) || as_bool(text).is_some()) {
            self.wrong_type("text", format!("write it in quotes: \"{text}\""));
            return None;
        }
        Some(text)
    }

    pub(super) fn name<K: FromStr<Err = Violation>>(&self) -> Option<K> {
        let text = self.text()?;
        self.checked(text.parse())
    }

    fn checked<T>(&self, result: Result<T, Violation>) -> Option<T> {
        result
            .map_err(|violation| {
                self.error(
                    format!("{} is refused: {}", shown(&violation.value), violation.rule),
                    violation.fix,
                );
            })
            .ok()
    }

    /// One of a few known words.
    pub(super) fn word<T: Copy>(&self, known: &[(&str, T)]) -> Option<T> {
        let names = || known.iter().map(|(name, _)| *name);
        let (text, _) = self.scalar("a word", &format!("known: {}", list(names())))?;
        let found = known.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            self.error(
                format!("{} is not known here", shown(text)),
                suggestion(text, names()),
            );
        }
        found.map(|(_, value)| *value)
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match &self.node.value {
            Value::Scalar { text, plain: true } => as_bool(text),
            _ => None,
        }
    }

    /// `true` or `false`, and nothing else.
    pub(super) fn expect_boolean(&self) -> Option<bool> {
        let wanted = self.boolean();
        if wanted.is_none() {
            self.error(
                "this is 'true' or 'false'",
                "write one of the two, without quotes",
            );
        }
        wanted
    }

    pub(super) fn span(&self) -> Option<Span> {
        let fix = "write a number and a unit, for example 90s, 15m, 1h 30m or 10d";
        let (text, _) = self.scalar("a duration", fix)?;
        let mut units = text
            .split(|c: char| !c.is_alphabetic())
            .filter(|unit| !unit.is_empty());
        if let Some(unknown) = units.find(|unit| !DURATION_UNITS.contains(unit)) {
            self.error(
                format!("{} has an unknown unit {}", shown(text), shown(unknown)),
                "write ms, s, m, h, d or w, for example 90s, 15m, 1h 30m or 10d",
            );
            return None;
        }
        // Otherwise "3 30m" would pass for 330 minutes.
        let mut numbers = text.split(char::is_alphabetic).map(str::trim);
        let last = numbers.next_back().unwrap_or_default();
        if !last.is_empty() || numbers.any(|number| number.contains(char::is_whitespace)) {
            self.error(format!("{} has a number without a unit", shown(text)), fix);
            return None;
        }
        self.checked(text.parse())
    }

    /// A duration of at least one tick.
    pub(super) fn positive_span(&self, why: &str) -> Option<Span> {
        let span = self.span()?;
        if span.is_zero() {
            self.error(why, "for example 5m");
            return None;
        }
        Some(span)
    }

    /// A finite number, or a percentage of one: `2%` is 0.02.
    pub(super) fn number(&self) -> Option<f64> {
        let fix = "write a number like 0.02 or a percentage like 2%";
        let (text, _) = self.scalar("a number", fix)?;
        match text.strip_suffix('%') {
            Some(percent) => self.finite(percent.trim_end(), fix).map(|number| number / 100.0),
            None => self.finite(text, fix),
        }
    }

    fn finite(&self, text: &str, fix: &str) -> Option<f64> {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        if number.is_none() || !text.contains(|c: char| c.is_ascii_digit()) {
            self.wrong_type("a number", fix);
            return None;
        }
        number
    }

    /// A share of the users in per cent: `10` and `10%` are the same.
    pub(super) fn share(&self) -> Option<Share> {
        let fix = "write a percentage, for example 1, 12.5 or 100";
        let (text, _) = self.scalar("a percentage", fix)?;
        let percent = self.finite(text.strip_suffix('%').unwrap_or(text).trim_end(), fix)?;
        self.checked(Share::of_percent(percent))
    }

    /// A whole number from 1 to `max`.
    pub(super) fn count(&self, max: u32) -> Option<u32> {
        let wanted = if max == u32::MAX {
            "a whole number from 1".to_owned()
        } else {
            format!("a whole number from 1 to {max}")
        };
        let (text, plain) = self.scalar(&wanted, "for example 3")?;
        let number = text
            .parse()
            .ok()
            .filter(|number| plain && (1..=max).contains(number));
        if number.is_none() {
            self.wrong_type(&wanted, "for example 3");
        }
        number
    }

    /// The items of a list.
    pub(super) fn list(&self) -> Option<Vec<Self>> {
        let items = self.items();
        if items.is_none() {
            self.wrong_type("a list", "begin each item with '- '");
        }
        items
    }

    /// A mapping of any keys, in order, without duplicates.
    pub(super) fn entries(&self) -> Option<Vec<(&'a str, Self)>> {
        let Value::Mapping(pairs) = &self.node.value else {
            self.wrong_type("a mapping", "write 'key: value' lines, indented below");
            return None;
        };
        let mut entries: Vec<(&str, Self)> = Vec::new();
        for (key, value) in pairs {
            let Value::Scalar { text, .. } = &key.value else {
                let at = self.child(key, self.path.clone());
                at.wrong_type("a key", "keys are words");
                continue;
            };
            let path = match self.path.as_str() {
                "" => shortened(text),
                outer => format!("{outer}.{}", shortened(text)),
            };
            if let Some((_, first)) = entries.iter().find(|(known, _)| known == text) {
                let line = first.node.place.line;
                self.child(key, path).error(
                    format!("{} is given twice, first on line {line}", shown(text)),
                    "keep one of them",
                );
                continue;
            }
            entries.push((text, self.child(value, path)));
        }
        Some(entries)
    }

    /// A mapping with the keys of `level`; unknown, missing and duplicate ones are reported.
    pub(super) fn mapping(&self, level: &Level) -> Option<Mapping<'a>> {
        let all = self.entries()?;
        let (entries, unknown): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|(key, _)| level.keys().any(|known| known == *key));
        for (key, at) in unknown {
            let place = self.key_place(key).unwrap_or(at.node.place);
            let message = format!("{} is not known here", shown(key));
            self.findings
                .error(place, &at.path, message, suggestion(key, level.keys()));
        }
        let mapping = Mapping {
            at: self.clone(),
            entries,
        };
        for key in level.required {
            if mapping.get(key).is_none() {
                mapping.missing(key, "it has no default");
            }
        }
        Some(mapping)
    }

    /// The value of `key` without any complaint, checked or not.
    pub(super) fn child_of(&self, key: &str) -> Option<Self> {
        let Value::Mapping(pairs) = &self.node.value else {
            return None;
        };
        let found = pairs
            .iter()
            .find(|(name, _)| matches!(&name.value, Value::Scalar { text, .. } if text == key));
        let path = match self.path.as_str() {
            "" => key.to_owned(),
            outer => format!("{outer}.{key}"),
        };
        found.map(|(_, value)| self.child(value, path))
    }

    /// The items of a list without any complaint.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else {
            return None;
        };
        let item = |(index, node)| self.child(node, format!("{}[{index}]", self.path));
        Some(items.iter().enumerate().map(item).collect())
    }

    fn key_place(&self, wanted: &str) -> Option<Place> {
        let Value::Mapping(pairs) = &self.node.value else {
            return None;
        };
        let mut keys = pairs.iter().map(|(key, _)| key);
        let is_wanted = |key: &&Node| matches!(&key.value, Value::Scalar { text, .. } if text == wanted);
        keys.find(is_wanted).map(|key| key.place)
    }

    fn child(&self, node: &'a Node, path: String) -> Self {
        Self {
            node,
            path,
            source: self.source,
            findings: self.findings,
        }
    }
}

impl<'a> Mapping<'a> {
    pub(super) fn at(&self) -> &Cursor<'a> {
        &self.at
    }

    pub(super) fn get(&self, key: &str) -> Option<&Cursor<'a>> {
        self.entries
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, at)| at)
    }

    /// Reads `key` if it is given, else answers with `default`. `None` if it is given and wrong.
    pub(super) fn or<T>(
        &self,
        key: &str,
        default: T,
        read: impl FnOnce(&Cursor<'a>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).map_or(Some(default), read)
    }

    /// Reports that `key` should be there, at the place of the mapping.
    pub(super) fn missing(&self, key: &str, hint: &str) {
        let path = match self.at.path.as_str() {
            "" => key.to_owned(),
            outer => format!("{outer}.{key}"),
        };
        self.at
            .findings
            .error(self.at.node.place, &path, "is missing", hint);
    }
}

/// `did you mean ...`, if that can be guessed, and what is known.
pub(super) fn suggestion<'k>(unknown: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    let near = Some(unknown)
        .filter(|unknown| unknown.len() <= COMPARED_BYTES_MAX)
        .and_then(|unknown| nearest(unknown, known.clone()));
    match near {
        Some(near) => format!("did you mean '{near}'? known: {}", list(known)),
        None => format!("known: {}", list(known)),
    }
}

fn list<'k>(names: impl Iterator<Item = &'k str>) -> String {
    names.map(shortened).collect::<Vec<_>>().join(", ")
}

/// A piece of the text, in quotes, fit to be repeated in one line.
pub(super) fn shown(text: &str) -> String {
    format!("'{}'", shortened(text))
}

fn shortened(text: &str) -> String {
    let mut characters = text.chars();
    let mut short = String::new();
    for character in characters.by_ref().take(SHOWN_CHARS) {
        if character.is_control() {
            short.extend(character.escape_default());
        } else {
            short.push(character);
        }
    }
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

fn as_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Whether YAML takes it for a number when it stands without quotes.
fn is_number(text: &str) -> bool {
    let special = matches!(
        text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str(),
        ".inf" | ".nan"
    );
    let based = text.strip_prefix("0x").or(text.strip_prefix("0o"));
    let digits = text.contains(|c: char| c.is_ascii_digit());
    special
        || digits
            && (text.parse::<f64>().is_ok()
                || based.is_some_and(|rest| u64::from_str_radix(rest, 16).is_ok()))
}
