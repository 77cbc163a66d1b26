//! `sem_ver`, read.

use super::holds::Holds;
use super::operand::{Asked, Operand};
use super::place::Place;
use super::reader::{Reader, refused};
use serde_json::Value;
use tidegate_model::condition::Operator;
use tidegate_model::invalid::Violation;

impl<'a> Reader<'a> {
    /// A version compared with another. `^` asks for the same first number in flagd, and `~` for the same
    /// first two: nothing about what follows.
    pub(super) fn version(
        &mut self,
        arguments: [&'a Value; 3],
        place: &Place<'_>,
    ) -> Result<Holds, Violation> {
        let [version, comparison, bound] = arguments;
        let inside = place.field("sem_ver");
        let attribute = self.operand(version, &inside.item(0))?;
        let (
            Operand::Attribute(Asked {
                name,
                default: Value::Null,
            }),
            Some(comparison),
            Some(text),
        ) = (attribute, comparison.as_str(), bound.as_str())
        else {
            let rule = "'sem_ver' compares an attribute with a version that is written out";
            let fix = r#"for example {"sem_ver": [{"var": "version"}, ">=", "1.2.0"]}"#;
            return Err(refused(place, bound, rule, fix));
        };
        let Some(parsed) = whole(text) else {
            let rule = "a version has three numbers, as in 1.2.3, and may have a pre-release";
            return Err(refused(&inside.item(2), bound, rule, "for example \"1.2.0\""));
        };
        let semver::Version { major, minor, .. } = parsed;
        let within = |range: String| Holds::condition(&name, Operator::Semver, range.into());
        Ok(match comparison {
            "=" | ">" | ">=" | "<" | "<=" => within(format!("{comparison}{parsed}")),
            "!=" => Holds::all([within("*".to_owned()), within(format!("={parsed}")).not()]),
            "^" => within(format!("={major}")),
            "~" => within(format!("={major}.{minor}")),
            other => {
                let rule = "'sem_ver' compares with =, !=, <, <=, >, >=, ~ or ^";
                return Err(refused(&inside.item(1), &other.into(), rule, "use one of these"));
            }
        })
    }
}

/// A version, short ones made whole, without what is not compared.
fn whole(text: &str) -> Option<semver::Version> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    let missing = ".0".repeat(2_usize.saturating_sub(numbers.matches('.').count()));
    let (_, rest) = text.split_at_checked(numbers.len())?;
    let mut version = semver::Version::parse(&format!("{numbers}{missing}{rest}")).ok()?;
    version.build = semver::BuildMetadata::EMPTY;
    Some(version)
}
