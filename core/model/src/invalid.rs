//! What was wrong with an input: where, what, why, and how to fix it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing wrong with one field of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// Path of the field inside the input, for example `variations[1].key`.
    pub field: String,
    /// The value that was refused, shortened to something a person can read.
    pub value: String,
    /// The rule that refuses it.
    pub rule: String,
    /// What to write instead.
    pub fix: String,
}

impl Violation {
    /// Longest piece of a refused value that is repeated back, in characters.
    const SHOWN_VALUE_CHARS: usize = 80;

    /// A violation of `rule` at `field`, which `fix` would mend.
    pub fn new(
        field: impl Into<String>,
        value: impl fmt::Display,
        rule: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let full = value.to_string();
        let mut shown: String = full.chars().take(Self::SHOWN_VALUE_CHARS).collect();
        if shown.len() < full.len() {
            shown.push('…');
        }
        Self {
            field: field.into(),
            value: shown,
            rule: rule.into(),
            fix: fix.into(),
        }
    }

    /// The same violation seen from an enclosing input: `outer` is put before the field.
    #[must_use]
    pub fn inside(mut self, outer: &str) -> Self {
        self.field = match self.field.as_str() {
            "" => outer.to_owned(),
            field if field.starts_with('[') => format!("{outer}{field}"),
            field => format!("{outer}.{field}"),
        };
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} ({:?}); {}",
            self.field, self.rule, self.value, self.fix
        )
    }
}

/// Everything wrong with one input, never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Invalid(Vec<Violation>);

impl Invalid {
    /// `Ok(value)` if there is nothing wrong, else all that is wrong at once.
    ///
    /// # Errors
    /// The violations, if there are any.
    pub fn unless_empty<T>(violations: Vec<Violation>, value: T) -> Result<T, Self> {
        if violations.is_empty() {
            Ok(value)
        } else {
            Err(Self(violations))
        }
    }

    /// The violations in the order in which they stand in the input.
    pub fn violations(&self) -> &[Violation] {
        &self.0
    }

    /// The same, each told in other words.
    #[must_use]
    pub fn told(self, otherwise: impl FnMut(Violation) -> Violation) -> Self {
        Self(self.0.into_iter().map(otherwise).collect())
    }

    /// The violations themselves.
    pub fn into_violations(self) -> Vec<Violation> {
        self.0
    }
}

impl From<Violation> for Invalid {
    fn from(violation: Violation) -> Self {
        Self(vec![violation])
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            violation.fmt(f)?;
        }
        Ok(())
    }
}

/// The known name nearest to `unknown`, if one is near enough to be a likely slip of the finger.
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (edit_distance(unknown, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein distance, in characters (two-row dynamic programme).
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut previous = i + 1;
        let mut next = vec![previous];
        for (b, above) in right.iter().zip(row.iter().skip(1)) {
            previous = (diagonal + usize::from(a != *b)).min(previous + 1).min(above + 1);
            diagonal = *above;
            next.push(previous);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name_is_offered_only_when_it_is_near() {
        let known = ["threshold", "window", "interval"];
        assert_eq!(nearest("treshold", known), Some("threshold"));
        assert_eq!(nearest("windw", known), Some("window"));
        assert_eq!(nearest("percentage", known), None);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }

    #[test]
    fn long_values_are_shortened() {
        let violation = Violation::new("name", "x".repeat(500), "too long", "shorten it");
        assert_eq!(violation.value.chars().count(), 81);
        assert_eq!(violation.inside("flag").field, "flag.name");
    }
}
