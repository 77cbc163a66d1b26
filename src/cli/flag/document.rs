//! A file of definitions.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tidegate_model::flag::{Flag, FlagDefinition};
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::EnvironmentKey;
use tidegate_model::segment::{Segment, SegmentDefinition};

/// In whose words a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// Flag definitions of flagd, schema v0
    Flagd,
    /// Definitions as the API has them
    Tidegate,
}

/// Flags and segments of one environment, as the API has them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Definitions {
    /// Where they come from. They may be imported elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) environment: Option<EnvironmentKey>,
    #[serde(default)]
    pub(super) flags: Vec<Flag>,
    #[serde(default)]
    pub(super) segments: Vec<Segment>,
}

impl Definitions {
    /// Definitions that were made of something else.
    pub(super) fn new(flags: Vec<FlagDefinition>, segments: Vec<SegmentDefinition>) -> Result<Self, Invalid> {
        Ok(Self {
            environment: None,
            flags: flags.into_iter().map(Flag::new).collect::<Result<_, _>>()?,
            segments: segments.into_iter().map(Segment::new).collect::<Result<_, _>>()?,
        })
    }

    /// Definitions from the text of a file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        // A list would be taken for an object without anything in it.
        if !text.trim_start().starts_with('{') {
            return Err("it holds no JSON object".to_owned());
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let read: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| error.to_string())?;
        json.end().map_err(|error| error.to_string())?;
        let flags = read.flags.iter().map(|flag| ("flags", flag.key().as_str()));
        let segments = read
            .segments
            .iter()
            .map(|segment| ("segments", segment.key().as_str()));
        let mut seen = BTreeSet::new();
        match flags.chain(segments).find(|one| !seen.insert(*one)) {
            None => Ok(read),
            Some((field, key)) => {
                let rule = "each key stands in the file once";
                Err(Violation::new(field, key, rule, "remove one of the two").to_string())
            }
        }
    }

    /// Flags, none before those that must serve something first.
    pub(super) fn flags_in_order(&self) -> Vec<&Flag> {
        let needs = |flag: &Flag| {
            let prerequisites = flag.definition().prerequisites.iter();
            prerequisites.map(|one| one.flag.to_string()).collect()
        };
        in_order(&self.flags, |flag| flag.key().as_str(), needs)
    }

    /// Segments, none before those that it names.
    pub(super) fn segments_in_order(&self) -> Vec<&Segment> {
        let needs = |segment: &Segment| {
            segment
                .segments()
                .into_iter()
                .map(|(_, key)| key.to_string())
                .collect()
        };
        in_order(&self.segments, |segment| segment.key().as_str(), needs)
    }
}

/// Each behind what it needs. Those that need each other in a circle come last, for the control plane to
/// refuse.
fn in_order<'a, T>(
    all: &'a [T],
    key: impl Fn(&'a T) -> &'a str,
    needs: impl Fn(&'a T) -> Vec<String>,
) -> Vec<&'a T> {
    let mut waiting: BTreeSet<&str> = all.iter().map(&key).collect();
    let (mut ordered, mut rest) = (Vec::with_capacity(all.len()), all.iter().collect::<Vec<_>>());
    loop {
        let before = rest.len();
        rest.retain(|one| {
            let is_ready = needs(one).iter().all(|other| !waiting.contains(other.as_str()));
            if is_ready {
                waiting.remove(key(one));
                ordered.push(*one);
            }
            !is_ready
        });
        if rest.is_empty() || rest.len() == before {
            ordered.extend(rest);
            return ordered;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first() {
        let text = r#"{"environment": "staging", "flags": [
            {"key": "a", "type": "boolean", "prerequisites": [{"flag": "b", "variations": ["on"]}]},
            {"key": "b", "type": "boolean", "prerequisites": [{"flag": "c", "variations": ["on"]}, {"flag": "elsewhere", "variations": ["on"]}]},
            {"key": "c", "type": "boolean"}
        ], "segments": [
            {"key": "s", "when": {"not": {"segment": "t"}}},
            {"key": "t", "included": ["u"]}
        ]}"#;
        let read = Definitions::parse(text).unwrap();
        let flags: Vec<_> = read
            .flags_in_order()
            .iter()
            .map(|flag| flag.key().to_string())
            .collect();
        assert_eq!(flags, ["c", "b", "a"]);
        let segments: Vec<_> = read
            .segments_in_order()
            .iter()
            .map(|one| one.key().to_string())
            .collect();
        assert_eq!(segments, ["t", "s"]);
        let again = Definitions::parse(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!((again.flags, again.segments), (read.flags, read.segments));
    }

    #[test]
    fn circles_end() {
        let text = r#"{"segments": [{"key": "s", "when": {"segment": "t"}}, {"key": "t", "when": {"segment": "s"}}]}"#;
        assert_eq!(Definitions::parse(text).unwrap().segments_in_order().len(), 2);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, says) in [
            ("", "no JSON object"),
            ("[]", "no JSON object"),
            (r#"{"flag": []}"#, "unknown field `flag`"),
            (r#"{"flags": [{"key": "a", "type": "string"}]}"#, "flags[0]"),
            (
                r#"{"segments": [{"key": "s", "included": ["u"]}, {"key": "s", "included": ["u"]}]}"#,
                "each key stands in the file once",
            ),
            ("{} {}", "trailing characters"),
        ] {
            let error = Definitions::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
