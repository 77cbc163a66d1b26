//! What is put on top of history, and what is known of it.

use crate::cli::instant;
use std::str::FromStr;
use tidegate_model::key::RuleName;
use tidegate_model::span::Span;
use tidegate_simulate::backtest::Incident;
use tidegate_simulate::history::{Degradation, Injection};

const EXAMPLE: &str = "for example --inject 'rule=errors at=2026-01-05T10:00:00Z value=0.3 for=30m'";

/// A degradation as the command line has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Degraded(pub(super) Injection);

impl Degraded {
    /// As something that a policy should notice.
    pub(super) fn incident(&self) -> Incident {
        Incident {
            from: self.0.from,
            until: self.0.until,
            injected: true,
        }
    }
}

impl FromStr for Degraded {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (mut rule, mut at, mut does, mut lasts) = (None, None, None, None);
        for word in text.split_whitespace() {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| format!("{word:?} is no NAME=VALUE; {EXAMPLE}"))?;
            let number = || match value.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number),
                _ => Err(format!("{value:?} is no number; {EXAMPLE}")),
            };
            let again = match name {
                "rule" => rule
                    .replace(value.parse::<RuleName>().map_err(|error| error.to_string())?)
                    .is_some(),
                "at" => at.replace(instant(value)?).is_some(),
                "value" => does.replace(Degradation::Value(number()?)).is_some(),
                "factor" => does.replace(Degradation::Factor(number()?)).is_some(),
                "for" => lasts
                    .replace(value.parse::<Span>().map_err(|error| error.to_string())?)
                    .is_some(),
                other => {
                    return Err(format!(
                        "{other:?} is not known here: rule, at, value, factor, for; {EXAMPLE}"
                    ));
                }
            };
            if again {
                return Err(format!("{word:?} says again what was said; {EXAMPLE}"));
            }
        }
        let missing = |what: &str| format!("{what} is missing; {EXAMPLE}");
        let from = at.ok_or_else(|| missing("at=TIME"))?;
        Ok(Self(Injection {
            rule: rule.ok_or_else(|| missing("rule=NAME"))?,
            from,
            until: lasts.map(|lasts| lasts.after(from)),
            does: does.ok_or_else(|| missing("value=NUMBER or factor=NUMBER"))?,
        }))
    }
}

/// Parses a known incident.
pub(super) fn incident(text: &str) -> Result<Incident, String> {
    let (from, until) = text
        .split_once('/')
        .ok_or("an incident is FROM/TO, for example 2026-01-05T10:00:00Z/2026-01-05T10:30:00Z")?;
    let (from, until) = (instant(from)?, instant(until)?);
    if until <= from {
        return Err("the incident ends before it begins".to_owned());
    }
    Ok(Incident {
        from,
        until: Some(until),
        injected: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degradations_are_read_in_any_order() {
        let one: Degraded = "at=2026-01-05T10:00:00Z rule=errors for=30m factor=10"
            .parse()
            .unwrap();
        assert_eq!(one.0.rule.as_str(), "errors");
        assert_eq!(one.0.does, Degradation::Factor(10.0));
        assert_eq!(one.0.until, Some(instant("2026-01-05T10:30:00Z").unwrap()));
        let open: Degraded = "rule=errors at=2026-01-05 value=0.3".parse().unwrap();
        assert_eq!(
            (open.0.does, open.incident().until),
            (Degradation::Value(0.3), None)
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_an_example() {
        for (text, says) in [
            ("", "at=TIME is missing"),
            ("at=2026-01-05 value=1", "rule=NAME is missing"),
            (
                "rule=errors at=2026-01-05",
                "value=NUMBER or factor=NUMBER is missing",
            ),
            ("rule=errors at=noon value=1", "noon"),
            ("rule=errors at=2026-01-05 value=NaN", "\"NaN\" is no number"),
            ("rule=errors at=2026-01-05 value=1 factor=2", "again"),
            ("rule=errors until=2026-01-05", "\"until\" is not known"),
            ("errors", "is no NAME=VALUE"),
            ("rule=errors at=2026-01-05 value=1 for=soon", "soon"),
        ] {
            let wrong = text.parse::<Degraded>().unwrap_err();
            assert!(wrong.contains(says), "{text}: {wrong}");
        }
        assert!(incident("2026-01-05").is_err());
        assert!(incident("2026-01-06/2026-01-05").is_err());
        assert!(incident("2026-01-05/2026-01-06").is_ok());
    }
}
