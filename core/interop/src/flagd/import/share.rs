//! `fractional`, read.

use super::operand::{Asked, Operand};
use super::place::Place;
use super::reader::{Reader, operation, refused};
use serde_json::Value;
use tidegate_model::context::Context;
use tidegate_model::flag::{Serve, WeightedVariation};
use tidegate_model::invalid::Violation;
use tidegate_model::key::VariationKey;
use tidegate_model::share::Share;

/// The largest sum of weights that flagd takes.
const WEIGHT_MAX: u64 = 2_147_483_647;

const DEAL_ANEW: &str =
    "allow that units are dealt anew (--deal-anew): the shares stay, other units are in them";

/// Variants by bucket.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Split {
    /// The attribute that is bucketed.
    pub(super) unit: String,
    /// What is put before it; `None` if the units are dealt anew.
    pub(super) salt: Option<String>,
    /// Names of variants, as the document has them, with their parts of [`Share::TOTAL`].
    pub(super) parts: Vec<(String, u32)>,
}

impl Split {
    /// As a flag serves it.
    pub(super) fn serve(&self) -> Result<Serve, Violation> {
        let parts = self.parts.iter().map(|(name, parts)| {
            Ok(WeightedVariation {
                variation: VariationKey::new(name)?,
                weight: Share::of_parts(*parts)?,
            })
        });
        Ok(Serve::Split(parts.collect::<Result<_, Violation>>()?))
    }
}

impl Reader<'_> {
    /// What a `fractional` says.
    pub(super) fn split(&mut self, expression: &Value, place: &Place<'_>) -> Result<Split, Violation> {
        let (_, arguments) = operation(expression, place)?;
        let place = place.field("fractional");
        let (key, entries, first) = match arguments {
            [key, entries @ ..] if !key.is_array() => (Some(key), entries, 1),
            entries => (None, entries, 0),
        };
        let (unit, salt) = match key {
            Some(key) => self.bucketed(key, &place.item(0))?,
            None => (Context::TARGETING_KEY.to_owned(), None),
        };
        let salt = match salt {
            Some(salt) => Some(salt),
            None if self.leniency.deal_anew => None,
            None => {
                let rule = "Tidegate hashes '<salt>.<unit>', and flagd something else here";
                let value = key.unwrap_or(&Value::Null);
                return Err(refused(&place, value, rule, DEAL_ANEW));
            }
        };
        let mut weights = Vec::with_capacity(entries.len());
        for (i, entry) in entries.iter().enumerate() {
            weights.push(weighted(entry, &place.item(first + i))?);
        }
        let parts = self.parts(&weights, &place)?;
        Ok(Split { unit, salt, parts })
    }

    /// The attribute that is bucketed, and the salt if it is hashed as we do.
    fn bucketed(&mut self, key: &Value, place: &Place<'_>) -> Result<(String, Option<String>), Violation> {
        let parts = match operation(key, place) {
            Ok(("cat", parts)) => parts,
            _ => std::slice::from_ref(key),
        };
        let (mut before, mut unit) = (String::new(), None);
        for part in parts {
            match (self.operand(part, place)?, &unit) {
                (Operand::Literal(Value::String(text)), None) => before.push_str(&text),
                (Operand::Literal(Value::String(text)), Some(_)) if text.is_empty() => {}
                (
                    Operand::Attribute(Asked {
                        name,
                        default: Value::Null,
                    }),
                    None,
                ) => unit = Some(name),
                _ => {
                    let rule = "what is bucketed is one attribute, with a text in front";
                    return Err(refused(place, key, rule, "bucket one attribute"));
                }
            }
        }
        let Some(unit) = unit else {
            let rule = "what is bucketed is an attribute";
            return Err(refused(
                place,
                key,
                rule,
                r#"for example {"var": "targetingKey"}"#,
            ));
        };
        let salt = before.strip_suffix('.').filter(|salt| !salt.is_empty());
        Ok((unit, salt.map(str::to_owned)))
    }

    /// The weights as parts of [`Share::TOTAL`], each variant once.
    fn parts(&self, weights: &[(String, u64)], place: &Place<'_>) -> Result<Vec<(String, u32)>, Violation> {
        let sum: u64 = weights.iter().map(|(_, weight)| weight).sum();
        if sum == 0 || sum > WEIGHT_MAX {
            let rule = format!("the weights of a split add up to 1 to {WEIGHT_MAX}");
            return Err(refused(place, &sum.into(), rule, "change the weights"));
        }
        let total = u64::from(Share::TOTAL);
        let (mut parts, mut before, mut taken): (Vec<(String, u32)>, u64, u32) = (Vec::new(), 0, 0);
        for (name, weight) in weights {
            before += weight;
            if (before * total) % sum != 0 && !self.leniency.deal_anew {
                let rule = "a share of a split is exact to a thousandth of a per cent";
                return Err(refused(place, &Value::from(*weight), rule, DEAL_ANEW));
            }
            let end = u32::try_from((before * total + sum / 2) / sum).unwrap_or(Share::TOTAL);
            let part = end - taken;
            taken = end;
            let last = parts.len().checked_sub(1);
            match parts.iter().position(|(known, _)| known == name) {
                Some(known) if Some(known) == last || self.leniency.deal_anew => {
                    if let Some((_, parts)) = parts.get_mut(known) {
                        *parts += part;
                    }
                }
                Some(_) if part == 0 => {}
                Some(_) => {
                    let rule = "a split names each variant once, or several times in a row";
                    return Err(refused(place, &name.as_str().into(), rule, DEAL_ANEW));
                }
                None => parts.push((name.clone(), part)),
            }
        }
        Ok(parts)
    }
}

/// A variant and its weight. A negative weight is none, and one that is left out is 1.
fn weighted(entry: &Value, place: &Place<'_>) -> Result<(String, u64), Violation> {
    let entry_of = |name: &Value, weight: Option<&Value>| {
        let name = match name {
            Value::String(name) => name.clone(),
            Value::Bool(truth) => truth.to_string(),
            _ => return None,
        };
        let weight = match weight {
            None => 1,
            Some(weight) => u64::try_from(weight.as_i64()?.max(0))
                .ok()
                .filter(|weight| *weight <= WEIGHT_MAX)?,
        };
        Some((name, weight))
    };
    let found = match entry.as_array().map(Vec::as_slice) {
        Some([name]) => entry_of(name, None),
        Some([name, weight]) => entry_of(name, Some(weight)),
        _ => None,
    };
    found.ok_or_else(|| {
        let rule = "a part of a split is the name of a variant and a weight, a whole number";
        refused(place, entry, rule, r#"for example ["on", 25]"#)
    })
}
