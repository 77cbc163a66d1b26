//! One flag, read.

use super::holds::Holds;
use super::outcome::{Outcome, Outcomes};
use super::place::Place;
use super::reader::{Reader, refused};
use super::segment::units;
use crate::flagd::flag::has_reference;
use serde_json::{Map, Value};
use tidegate_model::condition::Operator;
use tidegate_model::flag::{
    Flag, FlagDefinition, FlagStatus, FlagType, Individual, Serve, TargetingRule, Variation, Visibility,
};
use tidegate_model::invalid::Violation;
use tidegate_model::key::{FlagKey, VariationKey};

impl<'a> Reader<'a> {
    /// What a flag says; or everything about it that cannot be said.
    pub(super) fn read_flag(
        &mut self,
        key: &'a str,
        value: &'a Value,
        place: &Place<'_>,
    ) -> Result<FlagDefinition, Vec<Violation>> {
        let at = |place: &Place<'_>, violation: Violation| Violation {
            field: place.to_string(),
            ..violation
        };
        let name = FlagKey::new(key).map_err(|violation| vec![at(place, violation)])?;
        let Some(fields) = value.as_object() else {
            return Err(vec![refused(
                place,
                value,
                "a flag is an object",
                "see https://flagd.dev/reference",
            )]);
        };
        let mut wrong = Vec::new();
        let disabled = is_disabled(fields, place, &mut wrong);
        let (kind, variations) = variations(fields, place, &mut wrong);
        let mut definition = FlagDefinition {
            description: self.described(fields, place),
            kind,
            variations,
            ..nothing(name)
        };
        let default = default_variant(fields, place, &mut wrong);
        let mut outcomes = Vec::new();
        let targeting = fields.get("targeting").filter(|targeting| !is_empty(targeting));
        let expression = targeting.unwrap_or(&Value::Null);
        let inside = place.field("targeting");
        let read = self.outcomes(expression, Holds::Always, &inside, &mut outcomes, &mut wrong);
        wrong.extend(read.err());
        if wrong.is_empty() {
            let mut target = Target {
                definition: &mut definition,
                default: default.as_deref(),
                place: &inside,
            };
            wrong.extend(target.take(outcomes).err());
        }
        if disabled {
            self.disable(&mut definition, place);
        }
        if wrong.is_empty() {
            match Flag::new(definition) {
                Ok(flag) => {
                    return self
                        .completed(flag, disabled, default.is_some(), place)
                        .map_err(|one| vec![one]);
                }
                Err(invalid) => wrong.extend(invalid.into_violations().into_iter().map(|one| {
                    let rule = format!("read as {}: {}", one.field, one.rule);
                    Violation {
                        field: place.to_string(),
                        rule,
                        ..one
                    }
                })),
            }
        }
        Err(wrong)
    }

    fn described(&mut self, fields: &'a Map<String, Value>, place: &Place<'_>) -> String {
        for name in fields.keys() {
            if !["state", "variants", "defaultVariant", "targeting", "metadata"].contains(&name.as_str()) {
                let rule = "Tidegate does not know this field, and nothing is evaluated by it";
                self.note(place, name, rule, "keep it elsewhere");
            }
        }
        let metadata = fields.get("metadata").and_then(Value::as_object);
        let names = metadata.into_iter().flat_map(Map::keys);
        if let Some(other) = names.into_iter().find(|name| *name != "description") {
            let rule = "flags of Tidegate have no metadata but a description";
            self.note(&place.field("metadata"), other, rule, "keep it elsewhere");
        }
        let description = metadata.and_then(|metadata| metadata.get("description"));
        description.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Everybody gets their own default.
    fn disable(&mut self, definition: &mut FlagDefinition, place: &Place<'_>) {
        let has_off = definition
            .variations
            .iter()
            .any(|one| one.key.as_str() == "off" && one.value == Value::Bool(false));
        definition.off = None;
        definition.status = FlagStatus::Inactive;
        if has_off {
            definition.status = FlagStatus::Archived;
            let rule = "a disabled flag with a variant 'off' is archived: inactive, it would serve that, and not callers' own defaults";
            self.note(
                &place.field("state"),
                "DISABLED",
                rule,
                "make it active to use it",
            );
        }
    }

    /// What is filled in must not change who gets what.
    fn completed(
        &self,
        flag: Flag,
        disabled: bool,
        has_default: bool,
        place: &Place<'_>,
    ) -> Result<FlagDefinition, Violation> {
        let definition = FlagDefinition::from(flag);
        if !disabled && !has_default && definition.off.is_some() {
            let rule = "a boolean flag with a variant 'off' serves it where targeting has no answer";
            let fix = "name a defaultVariant, or rename the variant";
            return Err(refused(&place.field("defaultVariant"), &Value::Null, rule, fix));
        }
        Ok(definition)
    }
}

/// A flag of which everything else is still to be said.
fn nothing(key: FlagKey) -> FlagDefinition {
    FlagDefinition {
        key,
        description: String::new(),
        kind: FlagType::Boolean,
        number_format: None,
        status: FlagStatus::Active,
        visibility: Visibility::Server,
        variations: Vec::new(),
        off: None,
        percentage: None,
        prerequisites: Vec::new(),
        individuals: Vec::new(),
        rules: Vec::new(),
        experiment: None,
        fallback: None,
        unit: None,
        salt: None,
    }
}

fn is_disabled(fields: &Map<String, Value>, place: &Place<'_>, wrong: &mut Vec<Violation>) -> bool {
    let state = fields.get("state").unwrap_or(&Value::Null);
    match state.as_str() {
        Some("ENABLED") => false,
        Some("DISABLED") => true,
        _ => {
            let rule = "a state is ENABLED or DISABLED";
            wrong.push(refused(&place.field("state"), state, rule, "write one of them"));
            false
        }
    }
}

fn is_empty(targeting: &Value) -> bool {
    targeting.as_object().is_some_and(Map::is_empty)
}

fn default_variant(
    fields: &Map<String, Value>,
    place: &Place<'_>,
    wrong: &mut Vec<Violation>,
) -> Option<String> {
    match fields.get("defaultVariant") {
        // An empty name is none for npm.
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(other) => {
            let rule = "a default variant is the name of a variant, or null";
            wrong.push(refused(
                &place.field("defaultVariant"),
                other,
                rule,
                "write its name as a text",
            ));
            None
        }
    }
}

fn variations(
    fields: &Map<String, Value>,
    place: &Place<'_>,
    wrong: &mut Vec<Violation>,
) -> (FlagType, Vec<Variation>) {
    let place = place.field("variants");
    let Some(variants) = fields
        .get("variants")
        .and_then(Value::as_object)
        .filter(|all| !all.is_empty())
    else {
        let rule = "a flag has variants, an object of names and values";
        let fix = r#"for example {"on": true, "off": false}"#;
        wrong.push(refused(&place, &Value::Null, rule, fix));
        return (FlagType::Boolean, Vec::new());
    };
    let kind_of = |value: &Value| match value {
        Value::Bool(_) => Some(FlagType::Boolean),
        Value::String(_) => Some(FlagType::String),
        Value::Number(_) => Some(FlagType::Number),
        Value::Array(_) | Value::Object(_) => Some(FlagType::Json),
        Value::Null => None,
    };
    let kind = variants.values().find_map(kind_of);
    let mut found = Vec::with_capacity(variants.len());
    for (name, value) in variants {
        let place = place.field(name);
        if has_reference(value) {
            let rule = "an object of nothing but '$ref' is a value for some evaluators of flagd, and something else for others";
            wrong.push(refused(&place, value, rule, "put something beside it"));
        } else if kind_of(value).is_none() || kind_of(value) != kind {
            let rule =
                "the values of a flag are all booleans, all texts, all numbers, or all objects and lists";
            wrong.push(refused(
                &place,
                value,
                rule,
                "change the value, or make another flag for it",
            ));
        }
        match VariationKey::new(name) {
            Ok(key) => found.push(Variation {
                key,
                value: value.clone(),
                description: String::new(),
            }),
            Err(violation) => wrong.push(Violation {
                field: place.to_string(),
                ..violation
            }),
        }
    }
    (kind.unwrap_or(FlagType::Boolean), found)
}

/// Takes over who gets what.
struct Target<'d> {
    definition: &'d mut FlagDefinition,
    default: Option<&'d str>,
    place: &'d Place<'d>,
}

impl Target<'_> {
    fn take(&mut self, outcomes: Outcomes) -> Result<(), Violation> {
        let mut rules = Vec::new();
        let mut last = Outcome::Default;
        for (holds, outcome) in outcomes {
            match holds {
                Holds::Never => {}
                Holds::Always => {
                    last = outcome;
                    break;
                }
                Holds::When(when) => rules.push((when, outcome)),
            }
        }
        while rules.last().is_some_and(|(_, outcome)| *outcome == last) {
            rules.pop();
        }
        let mut leads = true;
        for (when, outcome) in rules {
            let Some(serve) = self.serve(&outcome)? else {
                let rule =
                    "some callers cannot get their own default while others get a variant by a later rule";
                return Err(refused(self.place, &Value::Null, rule, "name a defaultVariant"));
            };
            match (units(&when, Operator::In, Operator::Equals), serve) {
                (Some(units), Serve::Variation(variation)) if leads => {
                    self.definition.individuals.push(Individual { units, variation });
                }
                (_, serve) => {
                    leads = false;
                    let name = format!("rule {}", self.definition.rules.len() + 1);
                    self.definition.rules.push(TargetingRule { name, when, serve });
                }
            }
        }
        self.definition.fallback = self.serve(&last)?;
        // What clients of flagd get without a unit stays the same when the flag is lowered again.
        if let Some(Serve::Split(_)) = self.definition.fallback
            && let Some(default) = self.default
        {
            self.definition.off = Some(self.variation(default)?);
        }
        Ok(())
    }

    /// `None` is the caller's default.
    fn serve(&mut self, outcome: &Outcome) -> Result<Option<Serve>, Violation> {
        let name = match outcome {
            Outcome::Variant(name) => name.as_str(),
            Outcome::Default => match self.default {
                Some(default) => default,
                None => return Ok(None),
            },
            Outcome::Split(split) => {
                for (name, _) in &split.parts {
                    self.variation(name)?;
                }
                let (unit, salt) = (Some(split.unit.clone()), split.salt.clone());
                let unit = unit.filter(|unit| unit != tidegate_model::context::Context::TARGETING_KEY);
                let salt = salt.filter(|salt| *salt != self.definition.key.as_str());
                let is_first = !self.has_split();
                if !is_first && (&self.definition.unit, &self.definition.salt) != (&unit, &salt) {
                    let rule = "all splits of a flag bucket the same attribute with the same salt";
                    let fix = "make what is split otherwise a flag of its own";
                    return Err(refused(self.place, &split.unit.as_str().into(), rule, fix));
                }
                (self.definition.unit, self.definition.salt) = (unit, salt);
                let serve = split.serve();
                return serve.map(Some).map_err(|violation| Violation {
                    field: self.place.to_string(),
                    ..violation
                });
            }
        };
        Ok(Some(Serve::Variation(self.variation(name)?)))
    }

    fn has_split(&self) -> bool {
        self.definition
            .rules
            .iter()
            .any(|rule| matches!(rule.serve, Serve::Split(_)))
    }

    fn variation(&self, name: &str) -> Result<VariationKey, Violation> {
        let known = self
            .definition
            .variations
            .iter()
            .find(|one| one.key.as_str() == name);
        known.map(|one| one.key.clone()).ok_or_else(|| {
            let rule = "targeting and defaultVariant name variants of the flag";
            refused(
                self.place,
                &name.into(),
                rule,
                "add the variant, or correct the name",
            )
        })
    }
}
