//! Regular expressions that are searched for without scratch space.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::{Input, MatchKind};

/// A regular expression.
///
/// `Regex` keeps scratch space in a pool that threads share: its first search in a thread allocates,
/// and threads that search at once take turns at a lock. A table of states needs neither, so a
/// pattern becomes one if the table stays small. Most do; those that ask for Unicode word boundaries
/// or for many repetitions do not.
#[derive(Debug)]
pub(crate) enum Pattern {
    Table(Box<dense::DFA<Vec<u32>>>),
    Regex(regex::Regex),
}

impl Pattern {
    /// Largest table, and largest scratch space for building one, in bytes. At this size building
    /// takes a millisecond or two.
    const TABLE_BYTES_MAX: usize = 128 << 10;

    /// A pattern that is found wherever `regex` is.
    pub(crate) fn of(regex: regex::Regex) -> Self {
        let table = dense::Builder::new()
            .configure(
                dense::Config::new()
                    // Whether it is found is all that is asked, so the search may stop at the first
                    // byte that decides it.
                    .match_kind(MatchKind::All)
                    .start_kind(StartKind::Unanchored)
                    .dfa_size_limit(Some(Self::TABLE_BYTES_MAX))
                    .determinize_size_limit(Some(Self::TABLE_BYTES_MAX)),
            )
            .thompson(thompson::Config::new().nfa_size_limit(Some(Self::TABLE_BYTES_MAX)))
            .build(regex.as_str());
        match table {
            Ok(table) => Self::Table(Box::new(table)),
            Err(_too_large) => Self::Regex(regex),
        }
    }

    /// Whether it is found anywhere in the text.
    pub(crate) fn is_found_in(&self, text: &str) -> bool {
        match self {
            Self::Table(table) => {
                let input = Input::new(text).earliest(true);
                matches!(table.try_search_fwd(&input), Ok(Some(_)))
            }
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::of(regex::Regex::new(text).unwrap())
    }

    #[test]
    fn usual_patterns_become_tables() {
        for text in [
            "^v[0-9]+$",
            "@corp\\.com$",
            "(?i)^(beta|staff)-",
            "^[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}$",
            "^1[0-9]{2}\\.",
        ] {
            assert!(matches!(pattern(text), Pattern::Table(_)), "{text}");
        }
        for text in ["\\bword\\b", "(a|b)*a(a|b){14}"] {
            assert!(matches!(pattern(text), Pattern::Regex(_)), "{text}");
        }
    }

    proptest! {
        // Each case builds a table, which takes its time without optimisation.
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_table_finds_what_the_regex_finds(
            pattern_text in "(\\^)?([abé.]|\\[ab\\]|\\(a\\|bé\\)|\\(\\?i:B\\)|\\\\d|\\$)([*+?])?([abé.]|\\\\w)?(\\$)?",
            text in "[abBé1\n]{0,8}",
        ) {
            let Ok(regex) = regex::Regex::new(&pattern_text) else { return Ok(()) };
            prop_assert_eq!(Pattern::of(regex.clone()).is_found_in(&text), regex.is_match(&text));
        }
    }
}
