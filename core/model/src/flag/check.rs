//! What must hold inside one flag.

use super::{FlagDefinition, FlagStatus, FlagType, NumberFormat, Serve, Variation, WeightedVariation};
use crate::invalid::{Violation, nearest};
use crate::key::VariationKey;
use crate::share::Share;
use serde_json::Value;
use std::collections::BTreeSet;

/// Most variations of one flag.
const VARIATIONS_MAX: usize = 256;
/// Largest value of a variation, in bytes of JSON.
const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Fills in what may be left out. Idempotent.
pub(super) fn complete(mut flag: FlagDefinition) -> FlagDefinition {
    let on_off = matches!(flag.kind, FlagType::Boolean | FlagType::Percentage);
    if on_off && flag.variations.is_empty() {
        flag.variations = [("on", true), ("off", false)]
            .into_iter()
            .filter_map(|(key, value)| {
                let key = VariationKey::new(key).ok()?;
                Some(Variation {
                    key,
                    value: Value::Bool(value),
                    description: String::new(),
                })
            })
            .collect();
    }
    let off = flag
        .variations
        .iter()
        .find(|one| on_off && one.key.as_str() == "off" && one.value == Value::Bool(false));
    if let (None, Some(off)) = (&flag.off, off) {
        flag.off = Some(off.key.clone());
    }
    if flag.kind == FlagType::Percentage && flag.fallback.is_none() {
        flag.fallback = flag
            .percentage
            .and_then(|share| percentage_split(&flag.variations, share));
        flag.percentage = flag.percentage.filter(|_| flag.fallback.is_none());
    }
    if flag.fallback.is_none() && flag.percentage.is_none() {
        flag.fallback = flag.off.clone().map(Serve::Variation);
    }
    if flag.kind == FlagType::Number {
        complete_numbers(&mut flag);
    }
    flag
}

fn percentage_split(variations: &[Variation], share: Share) -> Option<Serve> {
    let of = |wanted: bool| {
        variations
            .iter()
            .find(|one| one.value == Value::Bool(wanted))
            .map(|one| one.key.clone())
    };
    let rest = Share::of_parts(Share::TOTAL - share.parts()).ok()?;
    Some(Serve::Split(vec![
        WeightedVariation {
            variation: of(true)?,
            weight: share,
        },
        WeightedVariation {
            variation: of(false)?,
            weight: rest,
        },
    ]))
}

/// A float flag spells all its values as floats, so that `10` beside `0.5` reaches clients as `10.0`.
fn complete_numbers(flag: &mut FlagDefinition) {
    let all_integers = flag
        .variations
        .iter()
        .all(|one| one.value.is_i64() || one.value.is_u64());
    let format = *flag.number_format.get_or_insert(if all_integers {
        NumberFormat::Integer
    } else {
        NumberFormat::Float
    });
    if format == NumberFormat::Float {
        for variation in &mut flag.variations {
            if let Some(number) = as_float(&variation.value) {
                variation.value = number;
            }
        }
    }
}

/// A number as a float flag spells it; `None` for what is no number.
pub(super) fn as_float(value: &Value) -> Option<Value> {
    let number = value.as_f64().and_then(serde_json::Number::from_f64);
    number.map(Value::Number)
}

/// Everything wrong with a completed definition.
pub(super) fn violations(flag: &FlagDefinition) -> Vec<Violation> {
    let mut found = Vec::new();
    check_variations(flag, &mut found);
    let known: BTreeSet<&str> = flag.variations.iter().map(|one| one.key.as_str()).collect();
    let names = Names { known };
    if let Some(off) = &flag.off {
        names.check("off", off, &mut found);
    }
    for (i, individual) in flag.individuals.iter().enumerate() {
        names.check(
            &format!("individuals[{i}].variation"),
            &individual.variation,
            &mut found,
        );
    }
    for (i, rule) in flag.rules.iter().enumerate() {
        let path = format!("rules[{i}]");
        if rule.name.is_empty() || flag.rules.iter().take(i).any(|earlier| earlier.name == rule.name) {
            found.push(Violation::new(
                format!("{path}.name"),
                &rule.name,
                "each rule has a name of its own",
                "give it a name that no other rule has",
            ));
        }
        found.extend(
            rule.when
                .violations()
                .into_iter()
                .map(|one| one.inside("when").inside(&path)),
        );
        names.check_serve(&format!("{path}.serve"), &rule.serve, &mut found);
    }
    if let Some(experiment) = &flag.experiment {
        let inside = experiment.violations().into_iter();
        found.extend(inside.map(|one| one.inside("experiment")));
        names.check_parts("experiment.arms", &experiment.arms, &mut found);
    } else if flag.status == FlagStatus::Experiment {
        found.push(Violation::new(
            "experiment",
            "",
            "a flag whose status is 'experiment' has an experiment",
            "give it one under 'experiment', or set the status to active",
        ));
    }
    if let Some(fallback) = &flag.fallback {
        names.check_serve("fallback", fallback, &mut found);
    }
    check_rest(flag, &mut found);
    found
}

fn check_variations(flag: &FlagDefinition, found: &mut Vec<Violation>) {
    if flag.variations.is_empty() || flag.variations.len() > VARIATIONS_MAX {
        found.push(Violation::new(
            "variations",
            flag.variations.len(),
            format!("a flag has 1 to {VARIATIONS_MAX} variations"),
            r#"for example [{"key": "blue", "value": "b"}, {"key": "red", "value": "r"}]"#,
        ));
    }
    let mut seen = BTreeSet::new();
    for (i, variation) in flag.variations.iter().enumerate() {
        if !seen.insert(&variation.key) {
            found.push(Violation::new(
                format!("variations[{i}].key"),
                &variation.key,
                "no two variations have the same key",
                "rename one of them",
            ));
        }
        if let Some(rule) = value_problem(flag, &variation.value) {
            found.push(Violation::new(
                format!("variations[{i}].value"),
                &variation.value,
                rule,
                "change the value, or the flag's type",
            ));
        }
    }
    let truths: BTreeSet<String> = flag.variations.iter().map(|one| one.value.to_string()).collect();
    if flag.kind == FlagType::Percentage && (flag.variations.len() != 2 || truths.len() != 2) {
        found.push(Violation::new(
            "variations",
            flag.variations.len(),
            "a percentage flag has one variation for true and one for false",
            "leave 'variations' out",
        ));
    }
}

fn value_problem(flag: &FlagDefinition, value: &Value) -> Option<String> {
    if value.to_string().len() > VALUE_BYTES_MAX {
        return Some(format!("a value has at most {VALUE_BYTES_MAX} bytes"));
    }
    let (fits, needs) = match flag.kind {
        FlagType::Boolean | FlagType::Percentage => (value.is_boolean(), "true or false"),
        FlagType::String => (value.is_string(), "a text"),
        FlagType::Json => (value.is_object() || value.is_array(), "an object or a list"),
        FlagType::Number => match flag.number_format {
            Some(NumberFormat::Integer) => (value.is_i64() || value.is_u64(), "a whole number"),
            _ => (value.is_number(), "a number"),
        },
    };
    (!fits).then(|| format!("a value of this flag is {needs}"))
}

/// The names of the flag's variations, for checking what refers to them.
struct Names<'a> {
    known: BTreeSet<&'a str>,
}

impl Names<'_> {
    fn check(&self, field: &str, key: &VariationKey, found: &mut Vec<Violation>) {
        if self.known.contains(key.as_str()) {
            return;
        }
        let known: Vec<&str> = self.known.iter().copied().collect();
        let fix = match nearest(key.as_str(), known.iter().copied()) {
            Some(near) => format!("did you mean '{near}'? known: {}", known.join(", ")),
            None => format!("known: {}", known.join(", ")),
        };
        found.push(Violation::new(field, key, "the flag has no such variation", fix));
    }

    fn check_serve(&self, field: &str, serve: &Serve, found: &mut Vec<Violation>) {
        match serve {
            Serve::Variation(key) => self.check(&format!("{field}.variation"), key, found),
            Serve::Split(parts) => self.check_parts(&format!("{field}.split"), parts, found),
        }
    }

    fn check_parts(&self, field: &str, parts: &[WeightedVariation], found: &mut Vec<Violation>) {
        let mut seen = BTreeSet::new();
        for (i, part) in parts.iter().enumerate() {
            let variation = format!("{field}[{i}].variation");
            self.check(&variation, &part.variation, found);
            if !seen.insert(&part.variation) {
                found.push(Violation::new(
                    variation,
                    &part.variation,
                    "a split names each variation once",
                    "add the weights up into one entry",
                ));
            }
        }
        let sum: u64 = parts.iter().map(|part| u64::from(part.weight.parts())).sum();
        if sum != u64::from(Share::TOTAL) {
            #[expect(
                clippy::cast_precision_loss,
                reason = "shown to people; a few hundred weights of at most 100,000"
            )]
            let percent = sum as f64 / 1000.0;
            found.push(Violation::new(
                field,
                format!("{percent} %"),
                "the weights of a split add up to exactly 100 %",
                format!(
                    "they are {} % {}",
                    (100.0 - percent).abs(),
                    if percent < 100.0 { "short" } else { "over" }
                ),
            ));
        }
    }
}

fn check_rest(flag: &FlagDefinition, found: &mut Vec<Violation>) {
    if let Some(percentage) = flag.percentage {
        found.push(Violation::new(
            "percentage",
            percentage,
            "'percentage' is for percentage flags, instead of 'fallback'",
            "use a split in 'fallback', or the type 'percentage'",
        ));
    }
    if flag.kind != FlagType::Number && flag.number_format.is_some() {
        found.push(Violation::new(
            "numberFormat",
            "",
            "only number flags have a number format",
            "leave it out",
        ));
    }
    for (field, text) in [("unit", &flag.unit), ("salt", &flag.salt)] {
        if text
            .as_ref()
            .is_some_and(|text| text.is_empty() || text.len() > 255)
        {
            found.push(Violation::new(
                field,
                "",
                format!("'{field}' has 1 to 255 bytes"),
                "leave it out for the default",
            ));
        }
    }
    for (i, prerequisite) in flag.prerequisites.iter().enumerate() {
        if prerequisite.variations.is_empty() {
            found.push(Violation::new(
                format!("prerequisites[{i}].variations"),
                "[]",
                "a prerequisite names at least one variation that will do",
                "for example [\"on\"]",
            ));
        }
        if prerequisite.flag == flag.key {
            found.push(Violation::new(
                format!("prerequisites[{i}].flag"),
                &prerequisite.flag,
                "a flag is not its own prerequisite",
                "remove it",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::flag::Flag;

    fn check(json: &str) -> Result<String, String> {
        let flag: Flag = serde_json::from_str(json).map_err(|error| error.to_string())?;
        serde_json::to_string(&flag).map_err(|error| error.to_string())
    }

    fn assert_named(json: &str, says: &[&str]) {
        let error = check(json).unwrap_err();
        for part in says {
            assert!(error.contains(part), "{json}\nmissing {part:?} in {error}");
        }
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        for (given, complete) in [
            (
                r#"{"key":"a","type":"boolean"}"#,
                r#"{"key":"a","type":"boolean","status":"active","variations":[{"key":"on","value":true},{"key":"off","value":false}],"off":"off","fallback":{"variation":"off"}}"#,
            ),
            (
                r#"{"key":"a","type":"percentage","percentage":12.5}"#,
                r#"{"key":"a","type":"percentage","status":"active","variations":[{"key":"on","value":true},{"key":"off","value":false}],"off":"off","fallback":{"split":[{"variation":"on","weight":12.5},{"variation":"off","weight":87.5}]}}"#,
            ),
            (
                r#"{"key":"a","type":"number","variations":[{"key":"s","value":10},{"key":"l","value":0.5}]}"#,
                r#"{"key":"a","type":"number","numberFormat":"float","status":"active","variations":[{"key":"s","value":10.0},{"key":"l","value":0.5}]}"#,
            ),
            (
                r#"{"key":"a","type":"boolean","status":"experiment","experiment":{"key":"e","allocation":100,"holdout":{"key":"h","share":5},"layer":{"key":"l","from":0,"to":50},"arms":[{"variation":"on","weight":50},{"variation":"off","weight":50}]}}"#,
                r#"{"key":"a","type":"boolean","status":"experiment","variations":[{"key":"on","value":true},{"key":"off","value":false}],"off":"off","experiment":{"key":"e","layer":{"key":"l","from":0,"to":50},"holdout":{"key":"h","share":5},"arms":[{"variation":"on","weight":50},{"variation":"off","weight":50}]},"fallback":{"variation":"off"}}"#,
            ),
        ] {
            assert_eq!(check(given).unwrap(), complete);
            assert_eq!(check(complete).unwrap(), complete, "completing is idempotent");
        }
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        for (json, says) in [
            (
                r#"{"key":"a","type":"string"}"#,
                vec!["a flag has 1 to 256 variations"],
            ),
            (r#"{"key":"a b","type":"boolean"}"#, vec!["flag key"]),
            (r#"{"key":"a","type":"bool"}"#, vec!["unknown variant `bool`"]),
            (
                r#"{"key":"a","type":"boolean","colour":1}"#,
                vec!["unknown field `colour`"],
            ),
            (
                r#"{"key":"a","type":"string","variations":[{"key":"x","value":1},{"key":"x","value":"b"}],"off":"y"}"#,
                vec![
                    "variations[1].key",
                    "variations[0].value",
                    "off: the flag has no such variation",
                    "known: x",
                ],
            ),
            (
                r#"{"key":"a","type":"boolean","fallback":{"split":[{"variation":"on","weight":30},{"variation":"off","weight":60}]}}"#,
                vec!["add up to exactly 100 %", "10 % short"],
            ),
            (
                r#"{"key":"a","type":"boolean","fallback":{"variation":"onn"}}"#,
                vec!["did you mean 'on'?"],
            ),
            (
                r#"{"key":"a","type":"boolean","percentage":10}"#,
                vec!["for percentage flags"],
            ),
            (
                r#"{"key":"a","type":"percentage","percentage":101}"#,
                vec!["between 0 and 100"],
            ),
            (
                r#"{"key":"a","type":"boolean","prerequisites":[{"flag":"a","variations":[]}]}"#,
                vec!["own prerequisite", "at least one variation"],
            ),
            (
                r#"{"key":"a","type":"boolean","rules":[{"name":"","when":{"attribute":"x","operator":"in","value":1},"serve":{"variation":"on"}}]}"#,
                vec!["rules[0].name", "rules[0].when.value"],
            ),
            (
                r#"{"key":"a","type":"number","numberFormat":"integer","variations":[{"key":"x","value":1.5}]}"#,
                vec!["a whole number"],
            ),
        ] {
            assert_named(json, &says);
        }
    }

    #[test]
    fn everything_wrong_with_an_experiment_is_named() {
        for (json, says) in [
            (
                r#"{"key":"a","type":"boolean","status":"experiment"}"#,
                vec!["experiment: a flag whose status is 'experiment' has an experiment"],
            ),
            (
                r#"{"key":"a","type":"boolean","experiment":{"key":"e","salt":"","layer":{"key":"l","from":50,"to":50},"audience":{"all":[]},"arms":[{"variation":"on","weight":50},{"variation":"of","weight":40}]}}"#,
                vec![
                    "experiment.salt: 'salt' has 1 to 255 bytes",
                    "experiment.layer: a part of a layer begins before it ends",
                    "experiment.audience.all",
                    "experiment.arms[1].variation",
                    "did you mean 'off'?",
                    "experiment.arms: the weights of a split add up to exactly 100 %",
                ],
            ),
            (
                r#"{"key":"a","type":"boolean","experiment":{"key":"e","arms":[{"variation":"on","weight":50},{"variation":"on","weight":50}]}}"#,
                vec!["experiment.arms[1].variation: a split names each variation once"],
            ),
        ] {
            assert_named(json, &says);
        }
    }
}
