//! Sums in the place of a table, as JSON.

use super::{refuse_all, source};
use crate::cli::failure::Failure;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_analytics::foreign::summary::{Kept, Summary};
use tidegate_analytics::foreign::{Analysis, Question};
use tidegate_model::invalid::Invalid;

/// Why sums cannot be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// They are no JSON of either shape: where, and what is wrong.
    Shape(String),
    /// They are, and say what cannot be.
    Invalid(Invalid),
}

impl Unread {
    pub(super) fn of(&self, file: &Path) -> Failure {
        match self {
            Self::Shape(why) => Failure::input(
                source(file),
                why,
                r#"write {"metrics": [{"name": ..., "arms": {ARM: {"n": ..., "events": ...}}}]}, or {"design": ..., "tallies": ...}; docs/statistics.md has examples"#,
            ),
            Self::Invalid(invalid) => refuse_all(file, invalid),
        }
    }
}

/// Reads a summary, or a design with its tallies.
pub(super) fn read(text: &str, question: Question) -> Result<Analysis, Unread> {
    let fields: BTreeMap<String, &RawValue> = shaped(text)?;
    let analysis = if fields.contains_key("tallies") || fields.contains_key("design") {
        shaped::<Kept>(text)?.analysis()
    } else {
        shaped::<Summary>(text)?.analysis(question)
    };
    analysis.map_err(Unread::Invalid)
}

fn shaped<'t, T: serde::Deserialize<'t>>(text: &'t str) -> Result<T, Unread> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut reader);
    let read = read.map_err(|error| {
        let path = error.path().to_string();
        Unread::Shape(match path.as_str() {
            "." => error.inner().to_string(),
            path => format!("{path}: {}", error.inner()),
        })
    })?;
    reader.end().map_err(|error| Unread::Shape(error.to_string()))?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_has_its_place() {
        for (text, says) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("[]", "expected a map"),
            (
                r#"{"metrics":[{"name":"v","arms":{"a":{"n":"x"}}}]}"#,
                "metrics[0].arms.a.n",
            ),
            (r#"{"metrics":[]} x"#, "trailing characters"),
            (r#"{"design":{}}"#, "design: missing field"),
            (r#"{"metrics":[],"alhpa":1}"#, "alhpa"),
            (
                r#"{"metrics":[{"name":"v","arms":{"old":{"n":9,"events":1},"new":{"n":3,"events":9}}}]}"#,
                "metrics[0].arms.new.events: no more units have it than there are, 3 (\"9\")",
            ),
        ] {
            let failure = read(text, Question::default())
                .unwrap_err()
                .of(Path::new("s.json"));
            assert!(failure.to_string().contains(says), "{failure} for {says}");
        }
    }

    #[test]
    fn the_example_of_the_manual_is_read() {
        let manual = include_str!("../../../../docs/statistics.md");
        let (_, example) = manual.split_once("```json\n").unwrap();
        let (example, _) = example.split_once("```").unwrap();
        let analysis = read(example, Question::default()).unwrap();
        let judged = analysis.judge();
        assert_eq!((judged.result.metrics.len(), judged.beside.rates.len()), (3, 1));
        assert!(analysis.shares_are_planned);
    }

    #[test]
    fn sums_of_128_bits_are_read() {
        let text = include_str!("kept.json");
        let analysis = read(text, Question::default()).unwrap();
        let sums = analysis.tallies.arms["new"].metrics["spent"].all();
        assert_eq!(sums.yy, 170_141_183_460_469_231_731);
        assert!(analysis.shares_are_planned);
    }
}
