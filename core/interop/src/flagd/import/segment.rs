//! Evaluators, which are segments.

use super::super::source::leads_back;
use super::holds::Holds;
use super::place::Place;
use super::reader::{Reader, refused};
use serde_json::Value;
use tidegate_model::catalog::CHAIN_MAX;
use tidegate_model::condition::{Condition, Operator, Predicate};
use tidegate_model::context::Context;
use tidegate_model::invalid::Violation;
use tidegate_model::key::SegmentKey;
use tidegate_model::segment::{Segment, SegmentDefinition};

impl<'a> Reader<'a> {
    /// An entry of `$evaluators`.
    pub(super) fn evaluator(&self, name: &str, place: &Place<'_>) -> Result<(&'a str, &'a Value), Violation> {
        let found = self.evaluators.and_then(|all| all.get_key_value(name));
        let (name, expression) = found.ok_or_else(|| {
            let rule = "there is no such evaluator";
            refused(place, &name.into(), rule, "write it under '$evaluators'")
        })?;
        Ok((name, expression))
    }

    /// Whom an evaluator holds for: the members of a segment.
    pub(super) fn segment(&mut self, name: &str, place: &Place<'_>) -> Result<Holds, Violation> {
        let (name, expression) = self.evaluator(name, place)?;
        match self.known.get(name) {
            Some(Some(known)) => return known.clone(),
            Some(None) => {
                return Err(Violation {
                    field: place.to_string(),
                    ..leads_back("", name)
                });
            }
            None => {}
        }
        self.known.insert(name, None);
        let flag = self.flag.take();
        let found = self.members(name, expression);
        self.flag = flag;
        self.known.insert(name, Some(found.clone()));
        found
    }

    fn members(&mut self, name: &str, expression: &'a Value) -> Result<Holds, Violation> {
        let all = Place::of("$evaluators");
        let place = all.field(name);
        let predicate = match self.holds(expression, &place)? {
            Holds::When(predicate) => predicate,
            known => return Ok(known),
        };
        let key = name.strip_prefix("seg_").filter(|_| self.is_ours).unwrap_or(name);
        let key = SegmentKey::new(key).map_err(|violation| Violation {
            field: place.to_string(),
            ..violation
        })?;
        let segment = Segment::new(definition(key.clone(), predicate)).map_err(|invalid| {
            let why = invalid.to_string();
            refused(
                &place,
                &name.into(),
                why,
                "take the condition apart into several evaluators",
            )
        })?;
        let named = segment.segments().into_iter();
        let depth = named
            .filter_map(|(_, key)| self.depths.get(key))
            .max()
            .map_or(0, |depth| depth + 1);
        if depth > CHAIN_MAX {
            let rule = format!("evaluators refer to each other at most {CHAIN_MAX} deep");
            return Err(refused(
                &place,
                &name.into(),
                rule,
                "write the condition of one into another",
            ));
        }
        if self.depths.insert(key.clone(), depth).is_some() {
            let rule = "two evaluators would be the same segment: 'seg_' in front of a name does not count";
            return Err(refused(&place, &name.into(), rule, "rename one of them"));
        }
        self.segments.push(segment.into());
        Ok(Holds::When(Predicate::Segment(key)))
    }
}

/// A segment of those whom the predicate matches. Lists of units stand outside of the condition.
fn definition(key: SegmentKey, predicate: Predicate) -> SegmentDefinition {
    let mut segment = SegmentDefinition::new(key);
    let mut rest = match predicate {
        Predicate::All(mut parts) => {
            if let Some(units) = parts
                .first()
                .and_then(|one| units(one, Operator::NotIn, Operator::NotEquals))
            {
                segment.excluded = units;
                parts.remove(0);
            }
            Holds::all(parts.into_iter().map(Holds::When))
        }
        other => Holds::When(other),
    };
    if let Holds::When(Predicate::Any(parts)) = &mut rest {
        if let Some(units) = parts
            .first()
            .and_then(|one| units(one, Operator::In, Operator::Equals))
        {
            segment.included = units;
            parts.remove(0);
        }
        rest = Holds::any(std::mem::take(parts).into_iter().map(Holds::When));
    } else if let Holds::When(one) = &rest
        && let Some(units) = units(one, Operator::In, Operator::Equals)
    {
        segment.included = units;
        rest = Holds::Never;
    }
    segment.when = match rest {
        Holds::When(predicate) => Some(predicate),
        Holds::Always | Holds::Never => None,
    };
    if segment.when.is_none() && segment.included.is_empty() {
        segment.when = listed(std::mem::take(&mut segment.excluded)).map(|out| Predicate::Not(Box::new(out)));
    }
    segment
}

fn listed(units: Vec<String>) -> Option<Predicate> {
    match Holds::condition(Context::TARGETING_KEY, Operator::In, units.into()) {
        Holds::When(predicate) => Some(predicate),
        Holds::Always | Holds::Never => None,
    }
}

/// The units that a condition lists by their targeting keys.
pub(super) fn units(predicate: &Predicate, several: Operator, one: Operator) -> Option<Vec<String>> {
    let Predicate::Condition(Condition {
        attribute,
        operator,
        value,
    }) = predicate
    else {
        return None;
    };
    if attribute != Context::TARGETING_KEY {
        return None;
    }
    let texts = match value {
        Value::Array(list) if *operator == several => list.as_slice(),
        value if *operator == one => std::slice::from_ref(value),
        _ => return None,
    };
    texts
        .iter()
        .map(|text| text.as_str().map(str::to_owned))
        .collect()
}
