//! Versions, and ranges of them.
//!
//! The order is that of Semantic Versioning 2.0.0, section 11. Every comparison of a range is an interval
//! of that order, and so is a list of them: what is left at evaluation is two comparisons.

use semver::{Comparator, Op};
use std::cmp::Ordering;
use tidegate_model::condition::VersionRange;

/// A version, read where it stands. Build metadata is not looked at.
#[derive(Debug, Clone, Copy)]
struct Version<'a> {
    parts: [u64; 3],
    /// Empty for a release, which comes after all of its pre-releases.
    pre: &'a str,
}

impl<'a> Version<'a> {
    /// Lenient where applications are: a leading `v`, leading zeros and missing parts will do, and
    /// parts beyond the third are not looked at. `None` when it is no version.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let text = text
            .split_once('+')
            .map_or(text, |(before_build, _)| before_build);
        let (numbers, pre) = match text.split_once('-') {
            Some((_, "")) => return None,
            Some((numbers, pre)) => (numbers, pre),
            None => (text, ""),
        };
        if !pre.is_empty() && !pre.split('.').all(is_identifier) {
            return None;
        }
        let mut parts = [0; 3];
        let mut slots = parts.iter_mut();
        for part in numbers.split('.') {
            let number = number(part)?;
            if let Some(slot) = slots.next() {
                *slot = number;
            }
        }
        Some(Self { parts, pre })
    }

    fn cmp(self, other: Self) -> Ordering {
        self.parts
            .cmp(&other.parts)
            .then_with(|| cmp_pre(self.pre, other.pre))
    }
}

fn number(part: &str) -> Option<u64> {
    if part.is_empty() {
        return None;
    }
    part.bytes().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn cmp_pre(left: &str, right: &str) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => left
            .split('.')
            .map(Identifier)
            .cmp(right.split('.').map(Identifier)),
    }
}

/// One piece of a pre-release: numbers by worth and before texts, texts by their bytes.
#[derive(PartialEq, Eq)]
struct Identifier<'a>(&'a str);

impl Ord for Identifier<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match (is_number(self.0), is_number(other.0)) {
            (true, true) => {
                let [left, right] = [self.0, other.0].map(|digits| digits.trim_start_matches('0'));
                left.len().cmp(&right.len()).then_with(|| left.cmp(right))
            }
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.0.cmp(other.0),
        }
    }
}

impl PartialOrd for Identifier<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Versions that a condition asks for: in one of the intervals.
#[derive(Debug)]
pub(crate) struct Versions(Box<[Interval]>);

impl Versions {
    /// The versions of a range.
    pub(crate) fn of(range: &VersionRange) -> Self {
        let intervals = range.alternatives().iter().map(|alternative| {
            let each = alternative.comparators.iter().map(Interval::of);
            each.fold(Interval::ALL, Interval::and)
        });
        Self(intervals.collect())
    }

    /// Whether the text is a version, and one of these.
    pub(crate) fn contain(&self, text: &str) -> bool {
        Version::parse(text).is_some_and(|version| self.0.iter().any(|one| one.contains(version)))
    }
}

#[derive(Debug, Clone)]
struct Interval {
    low: Option<Bound>,
    high: Option<Bound>,
}

#[derive(Debug, Clone)]
struct Bound {
    parts: [u64; 3],
    pre: Box<str>,
    included: bool,
}

/// The first pre-release of a version, and so what comes before all of its pre-releases.
const FIRST_PRE: &str = "0";

impl Bound {
    fn new(parts: [u64; 3], pre: &str, included: bool) -> Self {
        let pre = pre.into();
        Self { parts, pre, included }
    }

    fn version(&self) -> Version<'_> {
        Version {
            parts: self.parts,
            pre: &self.pre,
        }
    }

    fn open(self) -> Self {
        Self {
            included: false,
            ..self
        }
    }

    /// What `1`, `1.2` or `1.2.3-pre` begins with. A part that is left out stands for all it could be,
    /// pre-releases included.
    fn first(of: &Comparator) -> Self {
        match (of.minor, of.patch) {
            (Some(minor), Some(patch)) => Self::new([of.major, minor, patch], &of.pre, true),
            (minor, _) => Self::new([of.major, minor.unwrap_or(0), 0], FIRST_PRE, true),
        }
    }

    /// What comes after everything that `1`, `1.2` or `1.2.3` begins.
    fn behind(major: u64, minor: Option<u64>, patch: Option<u64>) -> Self {
        let parts = match (minor, patch) {
            (Some(minor), Some(patch)) => [major, minor, patch.saturating_add(1)],
            (Some(minor), None) => [major, minor.saturating_add(1), 0],
            (None, _) => [major.saturating_add(1), 0, 0],
        };
        Self::new(parts, FIRST_PRE, false)
    }
}

impl Interval {
    const ALL: Self = Self {
        low: None,
        high: None,
    };

    fn of(comparison: &Comparator) -> Self {
        let Comparator {
            major, minor, patch, ..
        } = *comparison;
        let first = Bound::first(comparison);
        let whole = patch.is_some();
        let behind = || Bound::behind(major, minor, None);
        let (low, high) = match comparison.op {
            Op::Greater if whole => (Some(first.open()), None),
            Op::Greater => (
                Some(Bound {
                    included: true,
                    ..behind()
                }),
                None,
            ),
            Op::GreaterEq => (Some(first), None),
            Op::Less => (None, Some(first.open())),
            Op::LessEq if whole => (None, Some(first)),
            Op::LessEq => (None, Some(behind())),
            Op::Tilde => (Some(first), Some(behind())),
            Op::Caret => (Some(first), Some(breaking(comparison))),
            Op::Exact if whole => (Some(first.clone()), Some(first)),
            // The crate may learn more; what it knows today is `=1.2`, `1.2.*` and the above.
            _ => (Some(first), Some(behind())),
        };
        Self { low, high }
    }

    fn and(self, other: Self) -> Self {
        let stricter = |one: Option<Bound>, other: Option<Bound>, wins: Ordering| match (one, other) {
            (Some(one), Some(other)) => {
                let order = one.version().cmp(other.version());
                let one_wins = order == wins || (order.is_eq() && !one.included);
                Some(if one_wins { one } else { other })
            }
            (one, other) => one.or(other),
        };
        Self {
            low: stricter(self.low, other.low, Ordering::Greater),
            high: stricter(self.high, other.high, Ordering::Less),
        }
    }

    fn contains(&self, version: Version<'_>) -> bool {
        let inside = |bound: &Option<Bound>, wanted: Ordering| {
            bound.as_ref().is_none_or(|bound| {
                let order = version.cmp(bound.version());
                order == wanted || (order.is_eq() && bound.included)
            })
        };
        inside(&self.low, Ordering::Greater) && inside(&self.high, Ordering::Less)
    }
}

/// The first version that `^` takes to be incompatible: the leftmost part that is not zero changes.
fn breaking(comparison: &Comparator) -> Bound {
    let Comparator {
        major, minor, patch, ..
    } = *comparison;
    match (major, minor, patch) {
        (0, Some(0), patch @ Some(_)) => Bound::behind(0, Some(0), patch),
        (0, minor @ Some(_), _) => Bound::behind(0, minor, None),
        (major, _, _) => Bound::behind(major, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(range: &str, inside: &[&str], outside: &[&str]) {
        let versions = Versions::of(&VersionRange::parse(range).unwrap());
        for version in inside {
            assert!(versions.contain(version), "{version} is not in {range}");
        }
        for version in outside {
            assert!(!versions.contain(version), "{version} is in {range}");
        }
    }

    #[test]
    fn whole_versions() {
        check(
            "=1.2.3",
            &["1.2.3", "v1.2.3", "1.2.3+build.5", "01.2.03"],
            &["1.2.3-rc.1", "1.2.4", "1.2"],
        );
        check(
            ">1.2.3",
            &["1.2.4-alpha", "1.2.4", "2"],
            &["1.2.3", "1.2.3-rc.1", "1.2"],
        );
        check(">=1.2.3", &["1.2.3", "1.10", "1.2.3.4"], &["1.2.3-rc.1", "1.2.2"]);
        check("<1.2.3", &["1.2.2", "1.2.3-rc.1", "0"], &["1.2.3", "1.10"]);
        check("<=1.2.3", &["1.2.3", "1.2.3-rc.1"], &["1.2.4-alpha", "1.2.4"]);
        check(
            ">1.0.0-beta.2",
            &["1.0.0-beta.10", "1.0.0-rc", "1.0.0"],
            &["1.0.0-beta.2", "1.0.0-beta"],
        );
    }

    #[test]
    fn parts_left_out_stand_for_all() {
        check("=1.2", &["1.2", "1.2.9", "1.2.0-rc.1"], &["1.3.0-rc.1", "1.1.9"]);
        check(">1.2", &["1.3.0", "1.3.0-rc.1"], &["1.2.9"]);
        check(">=1.2", &["1.2.0", "1.2.0-rc.1"], &["1.1.9"]);
        check("<1.2", &["1.1.9"], &["1.2.0", "1.2.0-rc.1"]);
        check("<=1.2", &["1.2.9"], &["1.3.0-rc.1"]);
        check("1.*", &["1.0.0", "1.9"], &["2.0.0-rc.1", "0.9"]);
        check("*", &["0", "1.2.3", "1.0.0-rc.1"], &["", "latest"]);
    }

    #[test]
    fn compatible_versions() {
        check("~1.2.3", &["1.2.3", "1.2.9"], &["1.2.2", "1.3.0-rc.1", "1.3.0"]);
        check("~1.2", &["1.2.0", "1.2.9"], &["1.3.0"]);
        check("~1", &["1.0.0", "1.9.0"], &["2.0.0"]);
        check(
            "^1.2.3",
            &["1.2.3", "1.9.0", "1.9.0-rc.1"],
            &["1.2.2", "1.2.3-rc.1", "2.0.0-rc.1", "2.0.0"],
        );
        check("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0", "0.2.2"]);
        check("^0.0.3", &["0.0.3"], &["0.0.4", "0.0.2"]);
        check("^0.0", &["0.0.9"], &["0.1.0"]);
        check("^0", &["0.9.9"], &["1.0.0"]);
    }

    #[test]
    fn lists_and_alternatives() {
        check(">=1.2, <2", &["1.2.0", "1.9"], &["2.0.0-rc.1", "2", "1.1"]);
        check(">=1, >1.5.0, <=2.0.0, <2.0.0", &["1.5.1"], &["1.5.0", "2.0.0"]);
        check("~1.4 || ^3", &["1.4.1", "3.9"], &["1.5", "2", "4"]);
        check(">2, <1", &[], &["0", "1.5", "3"]);
        check(
            "<=18446744073709551615",
            &["18446744073709551614.0.0"],
            &["18446744073709551616"],
        );
    }

    #[test]
    fn texts_that_are_no_versions() {
        let any = Versions::of(&VersionRange::parse("*").unwrap());
        let long = "9".repeat(1 << 20);
        for text in [
            "",
            "v",
            "vv1",
            "1.",
            ".1",
            "1..2",
            "1.2.3-",
            "1.2.3-a..b",
            "1.2.3-ü",
            "1.2.x",
            " 1",
            "1 ",
            "-1",
            "1,2",
            "1\0",
            "١",
            &long,
        ] {
            assert!(!any.contain(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_specification(
            left in "[0-9]{1,2}\\.[0-2]\\.[0-2](-[a-b0-1]{1,2}(\\.[a-b0-1]{1,3})?)?",
            right in "[0-9]{1,2}\\.[0-2]\\.[0-2](-[a-b0-1]{1,2}(\\.[a-b0-1]{1,3})?)?",
        ) {
            // The crate is stricter: no leading zeros.
            let parsed = (semver::Version::parse(&left), semver::Version::parse(&right));
            if let (Ok(strict_left), Ok(strict_right)) = parsed {
                let order = Version::parse(&left).unwrap().cmp(Version::parse(&right).unwrap());
                prop_assert_eq!(order, strict_left.cmp_precedence(&strict_right));
            }
        }

        #[test]
        fn without_pre_releases_ranges_are_those_of_the_crate(
            comparisons in prop::collection::vec("(=|<|>|<=|>=|~|\\^)[0-2](\\.[0-2](\\.[0-2])?)?", 1..3),
            version in "[0-3]\\.[0-3]\\.[0-3]",
        ) {
            let text = comparisons.join(", ");
            let versions = Versions::of(&VersionRange::parse(&text).unwrap());
            let expected = semver::VersionReq::parse(&text).unwrap().matches(&version.parse().unwrap());
            prop_assert_eq!(versions.contain(&version), expected);
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,20}|[v0-9.+-]{0,20}") {
            let _ = Version::parse(&text);
        }
    }
}
