//! Ranges of versions, lowered.
//!
//! The evaluators agree on `>=` and `<` alone: for the one in Rust `=` looks at build metadata, and for all
//! of them `^` and `~` mean less than elsewhere. Every comparison is an interval from one version up to
//! another, so these two are enough. They do not agree on how a version may be spelled either: a leading
//! `v` and parts that are left out are put right before they are compared.

use super::condition::is_text;
use super::logic::Logic;
use semver::{Comparator, Op};
use tidegate_model::condition::VersionRange;
use tidegate_model::invalid::Violation;

/// Largest number in a version: the largest that JavaScript counts to.
const PART_MAX: u64 = (1 << 53) - 2;
/// Longest version, in bytes. npm's evaluator refuses those of more than 256.
const BYTES_MAX: usize = 250;
/// What comes before every version.
const FIRST: &str = "0.0.0-0";

/// Whether `x` is a text that names a version in the range.
pub(super) fn lowered(x: &Logic, range: &VersionRange) -> Result<Logic, Violation> {
    let mut alternatives = Vec::new();
    for alternative in range.alternatives() {
        let bounds: Result<Vec<Bounds>, Violation> = alternative.comparators.iter().map(Bounds::of).collect();
        alternatives.push(bounds?);
    }
    let is_in = |version: &Logic| {
        Logic::any(alternatives.iter().map(|bounds| {
            let inside = bounds.iter().flat_map(|one| one.asked_of(version));
            match bounds.as_slice() {
                [] => is_version(version),
                _ => Logic::all(inside),
            }
        }))
    };
    let bare = bare(x);
    let with = |end: &str| Logic::of("cat", vec![bare.clone(), Logic::text(end)]);
    let (minor, patch) = (with(".0"), with(".0.0"));
    let has = |sign: &str| Logic::of("in", vec![Logic::text(sign), x.clone()]);
    let is_short = Logic::all([has("-").negated(), has("+").negated()]);
    let spelled = Logic::choose(
        vec![
            (is_version(&bare), is_in(&bare)),
            (is_short.negated(), Logic::never()),
            (is_version(&minor), is_in(&minor)),
        ],
        Some(is_in(&patch)),
    );
    Ok(Logic::all([is_text(x), spelled]))
}

/// The text without the `v` in front.
fn bare(x: &Logic) -> Logic {
    let starts_with = |sign: &str| Logic::of("starts_with", vec![x.clone(), Logic::text(sign)]);
    let rest = Logic::of("substr", vec![x.clone(), Logic::literal(1.into())]);
    Logic::choose(
        vec![(Logic::any([starts_with("v"), starts_with("V")]), rest)],
        Some(x.clone()),
    )
}

/// Whether the evaluator can read it.
fn is_version(version: &Logic) -> Logic {
    compared(version, ">=", FIRST)
}

fn compared(version: &Logic, operator: &str, bound: &str) -> Logic {
    Logic::of(
        "sem_ver",
        vec![version.clone(), Logic::text(operator), Logic::text(bound)],
    )
}

/// From the first version, itself included, up to the second, which is not.
struct Bounds {
    low: Option<String>,
    high: Option<String>,
}

impl Bounds {
    fn of(comparison: &Comparator) -> Result<Self, Violation> {
        let Comparator {
            major, minor, patch, ..
        } = *comparison;
        let parts = [Some(major), minor, patch];
        let text = comparison.to_string();
        if parts.into_iter().flatten().any(|part| part > PART_MAX) || text.len() > BYTES_MAX {
            return Err(Violation::new(
                "value",
                text,
                format!("in flagd a version has at most {BYTES_MAX} bytes and numbers up to {PART_MAX}"),
                "use shorter versions, or serve the flag by OFREP",
            ));
        }
        let first = || first(comparison);
        let behind = || behind(major, minor, None);
        let (low, high) = match (comparison.op, patch.is_some()) {
            (Op::Greater, true) => (Some(next(comparison)), None),
            (Op::Greater, false) => (Some(behind()), None),
            (Op::GreaterEq, _) => (Some(first()), None),
            (Op::Less, _) => (None, Some(first())),
            (Op::LessEq, true) => (None, Some(next(comparison))),
            (Op::LessEq, false) => (None, Some(behind())),
            (Op::Caret, _) => (Some(first()), Some(breaking(comparison))),
            (Op::Exact, true) => (Some(first()), Some(next(comparison))),
            // `~1.2.3`, and what stands for all that it begins: `=1.2`, `1.2.*`.
            _ => (Some(first()), Some(behind())),
        };
        Ok(Self { low, high })
    }

    fn asked_of(&self, version: &Logic) -> impl Iterator<Item = Logic> {
        let low = self.low.as_ref().map(|low| compared(version, ">=", low));
        let high = self.high.as_ref().map(|high| compared(version, "<", high));
        low.into_iter().chain(high)
    }
}

/// The first version that begins like this.
fn first(comparison: &Comparator) -> String {
    let Comparator {
        major,
        minor,
        patch,
        pre,
        ..
    } = comparison;
    match (minor, patch) {
        (Some(minor), Some(patch)) if pre.is_empty() => format!("{major}.{minor}.{patch}"),
        (Some(minor), Some(patch)) => format!("{major}.{minor}.{patch}-{pre}"),
        (minor, _) => format!("{major}.{}.0-0", minor.unwrap_or(0)),
    }
}

/// The first version after a whole one: nothing lies between.
fn next(comparison: &Comparator) -> String {
    let Comparator {
        major,
        minor,
        patch,
        pre,
        ..
    } = comparison;
    if pre.is_empty() {
        behind(*major, *minor, *patch)
    } else {
        format!("{}.0", first(comparison))
    }
}

/// The first version after everything that begins like this.
fn behind(major: u64, minor: Option<u64>, patch: Option<u64>) -> String {
    match (minor, patch) {
        (Some(minor), Some(patch)) => format!("{major}.{minor}.{}-0", patch + 1),
        (Some(minor), None) => format!("{major}.{}.0-0", minor + 1),
        (None, _) => format!("{}.0.0-0", major + 1),
    }
}

/// The first version that `^` takes to be incompatible: the leftmost part that is not zero changes.
fn breaking(comparison: &Comparator) -> String {
    let Comparator {
        major, minor, patch, ..
    } = *comparison;
    match (major, minor, patch) {
        (0, Some(0), patch @ Some(_)) => behind(0, Some(0), patch),
        (0, minor @ Some(_), _) => behind(0, minor, None),
        (major, _, _) => behind(major, None, None),
    }
}
