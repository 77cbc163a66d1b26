//! Targeting as a list: who gets what, the first that matches.

use super::super::buckets::unit_is_there;
use super::holds::Holds;
use super::place::Place;
use super::reader::{Reader, operation, refused, tell};
use super::share::Split;
use serde_json::Value;
use tidegate_model::invalid::Violation;

/// What a context gets.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// The variant of this name.
    Variant(String),
    /// The flag's default variant.
    Default,
    /// By bucket.
    Split(Split),
}

/// Who gets what. The first that holds decides.
pub(super) type Outcomes = Vec<(Holds, Outcome)>;

/// Operators that answer true or false, which are names of variants then.
const BOOLEAN: [&str; 11] = ["==", "!=", "===", "!==", "<", "<=", ">", ">=", "!", "!!", "in"];

impl<'a> Reader<'a> {
    /// What those get for whom `guard` holds: everyone of them something. What cannot be said of one of
    /// several results goes into `wrong`, so that the others are looked at too.
    pub(super) fn outcomes(
        &mut self,
        expression: &'a Value,
        guard: Holds,
        place: &Place<'_>,
        found: &mut Outcomes,
        wrong: &mut Vec<Violation>,
    ) -> Result<(), Violation> {
        self.deeper(place, |reader| {
            reader.result(expression, guard, place, found, wrong)
        })
    }

    fn result(
        &mut self,
        expression: &'a Value,
        guard: Holds,
        place: &Place<'_>,
        found: &mut Outcomes,
        wrong: &mut Vec<Violation>,
    ) -> Result<(), Violation> {
        let outcome = match expression {
            Value::Null => Outcome::Default,
            Value::String(name) => Outcome::Variant(name.clone()),
            Value::Bool(truth) => Outcome::Variant(truth.to_string()),
            Value::Number(_) | Value::Array(_) => {
                let rule = "targeting answers with the name of a variant";
                return Err(refused(
                    place,
                    expression,
                    rule,
                    "write the name of a variant as a text",
                ));
            }
            Value::Object(_) => match operation(expression, place)? {
                ("if" | "?:", [condition, split]) if self.is_guarded_split(condition, split, place) => {
                    let inside = place.field("if");
                    Outcome::Split(self.split(split, &inside.item(1))?)
                }
                (operator @ ("if" | "?:"), arguments) => {
                    return self.branches(arguments, guard, &place.field(operator), found, wrong);
                }
                ("fractional", _) => {
                    let split = self.split(expression, place)?;
                    self.note(
                        place,
                        &split.unit,
                        "contexts without the unit that is bucketed get an error here, and their own default",
                        "see 'unit missing' in docs/flagd.md",
                    );
                    Outcome::Split(split)
                }
                ("$ref", [Value::String(name)]) => {
                    let (name, expression) = self.evaluator(name, place)?;
                    let all = Place::of("$evaluators");
                    return self.outcomes(expression, guard, &all.field(name), found, wrong);
                }
                (operator, _) if BOOLEAN.contains(&operator) => {
                    let holds = self.holds(expression, place)?;
                    self.spend(guard.size(), place)?;
                    found.push((
                        Holds::all([guard.clone(), holds]),
                        Outcome::Variant("true".to_owned()),
                    ));
                    Outcome::Variant("false".to_owned())
                }
                (operator, _) => {
                    let rule = "the result of a targeting is a variant, an 'if' or a 'fractional'";
                    return Err(refused(place, &operator.into(), rule, "put an 'if' around it"));
                }
            },
        };
        found.push((guard, outcome));
        Ok(())
    }

    fn branches(
        &mut self,
        arguments: &'a [Value],
        guard: Holds,
        place: &Place<'_>,
        found: &mut Outcomes,
        wrong: &mut Vec<Violation>,
    ) -> Result<(), Violation> {
        for (i, pair) in arguments.chunks(2).enumerate() {
            let (condition, result) = match pair {
                [condition, result] => (condition, result),
                [otherwise] => return self.outcomes(otherwise, guard, &place.item(2 * i), found, wrong),
                _ => continue,
            };
            let holds = match self.holds(condition, &place.item(2 * i)) {
                Ok(holds) => holds,
                Err(violation) => {
                    tell(wrong, violation)?;
                    continue;
                }
            };
            let place = place.item(2 * i + 1);
            match holds {
                Holds::Never => {}
                Holds::Always => return self.outcomes(result, guard, &place, found, wrong),
                holds => {
                    self.spend(guard.size(), &place)?;
                    let inner = Holds::all([guard.clone(), holds]);
                    if let Err(violation) = self.outcomes(result, inner, &place, found, wrong) {
                        tell(wrong, violation)?;
                    }
                }
            }
        }
        found.push((guard, Outcome::Default));
        Ok(())
    }

    /// Whether a split is asked for as we write it: only where there is a unit.
    fn is_guarded_split(&mut self, condition: &Value, split: &Value, place: &Place<'_>) -> bool {
        let Ok(("fractional", _)) = operation(split, place) else {
            return false;
        };
        let split = self.split(split, place);
        split.is_ok_and(|split| unit_is_there(&split.unit).is_some_and(|there| there.json() == condition))
    }
}
