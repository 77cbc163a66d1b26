//! Expressions that hold or do not.

use super::holds::Holds;
use super::operand::{Asked, Operand};
use super::place::Place;
use super::reader::{Reader, operation, refused};
use super::written;
use serde_json::{Value, json};
use tidegate_model::condition::{Operator, Predicate};
use tidegate_model::context::Context;
use tidegate_model::invalid::Violation;

impl<'a> Reader<'a> {
    /// Whom an expression holds for.
    pub(super) fn holds(&mut self, expression: &'a Value, place: &Place<'_>) -> Result<Holds, Violation> {
        self.deeper(place, |reader| reader.truth(expression, place))
    }

    fn truth(&mut self, expression: &'a Value, place: &Place<'_>) -> Result<Holds, Violation> {
        match expression {
            Value::Null => return Ok(Holds::Never),
            Value::Bool(truth) => return Ok(Holds::known(*truth)),
            Value::String(text) => return Ok(Holds::known(!text.is_empty())),
            Value::Number(number) => return Ok(Holds::known(number.as_f64() != Some(0.0))),
            Value::Array(_) => {
                return Err(refused(
                    place,
                    expression,
                    "a list is no condition",
                    "compare an attribute with it",
                ));
            }
            Value::Object(_) => {}
        }
        if let Some(condition) = written::condition(expression) {
            return Ok(Holds::When(Predicate::Condition(condition)));
        }
        let (operator, arguments) = operation(expression, place)?;
        let inside = place.field(operator);
        match (operator, arguments) {
            ("and" | "or", []) => {
                let rule = "'and' and 'or' have at least one argument";
                Err(refused(&inside, expression, rule, "write true or false"))
            }
            ("and", arguments) => Ok(Holds::all(self.each(arguments, &inside)?)),
            ("or", arguments) => Ok(Holds::any(self.each(arguments, &inside)?)),
            ("!", [one]) => Ok(self.holds(one, &inside.item(0))?.not()),
            ("!!", [one]) => self.holds(one, &inside.item(0)),
            ("if" | "?:", arguments) => self.chosen(arguments, &inside),
            ("==" | "===", [left, right]) => self.equality(operator, left, right, place),
            ("!=" | "!==", [left, right]) => Ok(self.equality(operator, left, right, place)?.not()),
            ("<" | "<=" | ">" | ">=", arguments) => self.order(operator, arguments, place),
            ("in", [one, many]) => self.membership(one, many, place),
            ("starts_with" | "ends_with", [text, part]) => self.end(operator, text, part, place),
            ("sem_ver", [version, comparison, bound]) => self.version([version, comparison, bound], place),
            ("var", _) => self.present(expression, place),
            ("$ref", [Value::String(name)]) => self.segment(name, place),
            (operator, _) => {
                let rule = "Tidegate has no words for this operator, or not with these arguments";
                let fix = "use if, and, or, !, ==, !=, ===, !==, <, <=, >, >=, in, starts_with, ends_with, sem_ver or fractional";
                Err(refused(place, &operator.into(), rule, fix))
            }
        }
    }

    fn each(&mut self, arguments: &'a [Value], place: &Place<'_>) -> Result<Vec<Holds>, Violation> {
        let each = arguments.iter().enumerate();
        each.map(|(i, one)| self.holds(one, &place.item(i))).collect()
    }

    /// An `if` whose results are conditions.
    fn chosen(&mut self, arguments: &'a [Value], place: &Place<'_>) -> Result<Holds, Violation> {
        let (mut ways, mut not_before) = (Vec::new(), Holds::Always);
        for (i, pair) in arguments.chunks(2).enumerate() {
            self.spend(not_before.size(), place)?;
            match pair {
                [condition, result] => {
                    let holds = self.holds(condition, &place.item(2 * i))?;
                    let result = self.holds(result, &place.item(2 * i + 1))?;
                    self.spend(holds.size(), place)?;
                    ways.push(Holds::all([not_before.clone(), holds.clone(), result]));
                    not_before = Holds::all([not_before, holds.not()]);
                }
                [otherwise] => {
                    let result = self.holds(otherwise, &place.item(2 * i))?;
                    ways.push(Holds::all([not_before.clone(), result]));
                }
                _ => {}
            }
        }
        Ok(Holds::any(ways))
    }

    /// An attribute that stands alone: there, and neither empty, nor 0, nor false.
    fn present(&mut self, expression: &Value, place: &Place<'_>) -> Result<Holds, Violation> {
        match self.operand(expression, place)? {
            Operand::Literal(text) => Ok(Holds::known(text.as_str().is_some_and(|text| !text.is_empty()))),
            Operand::Time => Ok(Holds::Always),
            Operand::Attribute(Asked {
                name,
                default: Value::Null,
            }) => {
                let exists = Holds::condition(&name, Operator::Exists, Value::Null);
                if name == Context::TARGETING_KEY {
                    let not_empty = Holds::condition(&name, Operator::NotEquals, json!(""));
                    return Ok(Holds::all([exists, not_empty]));
                }
                let rule = "an attribute that is an empty list counts as being there";
                self.note(place, &name, rule, "compare the attribute with a value");
                let not_nothing = Holds::condition(&name, Operator::NotIn, json!(["", 0, false]));
                Ok(Holds::all([exists, not_nothing]))
            }
            Operand::Attribute(asked) => {
                let rule = "an attribute that is asked whether it is there has no default";
                Err(refused(place, &asked.name.into(), rule, "leave the default out"))
            }
        }
    }
}
