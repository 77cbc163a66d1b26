//! Ranges of versions.

use crate::invalid::Violation;
use semver::VersionReq;

/// Most alternatives of one range. Each has at most 32 comparisons.
const ALTERNATIVES_MAX: usize = 32;

/// A range of versions as in `>=1.2, <2 || ^3`: alternatives, of which each is a list of comparisons
/// that all must hold. What the comparisons mean is said in docs/evaluation.md.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRange(Vec<VersionReq>);

impl VersionRange {
    /// A range from its text.
    ///
    /// # Errors
    /// When it is not one, or says `1.2.3` without how to compare with it.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let alternatives: Vec<&str> = text.split("||").collect();
        if alternatives.len() > ALTERNATIVES_MAX {
            let rule = format!("a range of versions has at most {ALTERNATIVES_MAX} alternatives");
            return Err(Violation::new(
                "value",
                text,
                rule,
                "use a regular expression or a list",
            ));
        }
        let parsed: Result<_, _> = alternatives.into_iter().map(alternative).collect();
        parsed.map(Self)
    }

    /// Lists of comparisons, of which one list must hold.
    pub fn alternatives(&self) -> &[VersionReq] {
        &self.0
    }
}

fn alternative(text: &str) -> Result<VersionReq, Violation> {
    let bare = text
        .split(',')
        .map(str::trim)
        .find(|one| one.starts_with(|first: char| first.is_ascii_digit()) && !one.contains(['*', 'x', 'X']));
    if let Some(bare) = bare {
        let fix = format!("write '={bare}' for this version only, or '^{bare}' for compatible ones");
        return Err(Violation::new(
            "value",
            text,
            "a version needs a comparison in front of it",
            fix,
        ));
    }
    VersionReq::parse(text.trim()).map_err(|error| {
        let rule = format!("not a range of versions: {error}");
        let fix = "write comparisons with =, <, >, <=, >=, ~ or ^, for example '>=1.2.0, <2' or '~1.4 || ^3'";
        Violation::new("value", text, rule, fix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_lists_of_lists() {
        for (text, counts) in [
            ("=1.2.3", &[1][..]),
            (">= 1.2, <2", &[2]),
            ("~1.4 || ^3", &[1, 1]),
            (">1.0.0-beta.1", &[1]),
            ("1.*", &[1]),
            ("*", &[0]),
        ] {
            let range = VersionRange::parse(text).unwrap();
            let found: Vec<_> = range
                .alternatives()
                .iter()
                .map(|one| one.comparators.len())
                .collect();
            assert_eq!(found, counts, "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, says) in [
            ("", "not a range of versions"),
            ("1.2.3", "'=1.2.3' for this version only"),
            (">=1, 2", "'=2' for this version only"),
            ("^1 ||", "not a range of versions"),
            (">=1.2.3.4", "not a range of versions"),
            ("latest", "not a range of versions"),
            (">1 <2", "expected comma"),
            (">=v1", "not a range of versions"),
            (">=99999999999999999999", "not a range of versions"),
        ] {
            let violation = VersionRange::parse(text).unwrap_err().to_string();
            assert!(violation.contains(says), "{text}: {violation}");
        }
        assert!(VersionRange::parse(&vec!["^1"; 33].join("||")).is_err());
    }
}
