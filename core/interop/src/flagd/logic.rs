//! Expressions of JSONLogic, as flagd evaluates it.

use serde_json::{Map, Value, json};

/// An expression, with what it will cost.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Logic {
    json: Value,
    /// Length as JSON text.
    bytes: usize,
    /// Levels of nesting, with what is referred to in place.
    depth: usize,
}

impl Logic {
    /// A value that stands for itself. Not for lists or objects: those are expressions.
    pub(super) fn literal(value: Value) -> Self {
        Self {
            bytes: value.to_string().len(),
            json: value,
            depth: 0,
        }
    }

    /// A text that stands for itself.
    pub(super) fn text(text: &str) -> Self {
        Self::literal(text.into())
    }

    /// Holds for everybody.
    pub(super) fn always() -> Self {
        Self::literal(true.into())
    }

    /// Holds for nobody.
    pub(super) fn never() -> Self {
        Self::literal(false.into())
    }

    /// A list of expressions.
    pub(super) fn list(items: Vec<Self>) -> Self {
        Self {
            bytes: 2 + items.len().saturating_sub(1) + items.iter().map(|item| item.bytes).sum::<usize>(),
            depth: 1 + items.iter().map(|item| item.depth).max().unwrap_or_default(),
            json: Value::Array(items.into_iter().map(|item| item.json).collect()),
        }
    }

    /// `{"operator": [arguments]}`
    pub(super) fn of(operator: &str, arguments: Vec<Self>) -> Self {
        let arguments = Self::list(arguments);
        Self {
            bytes: arguments.bytes + operator.len() + 5,
            depth: arguments.depth + 1,
            json: Value::Object(Map::from_iter([(operator.to_owned(), arguments.json)])),
        }
    }

    /// The value of an attribute; null when the context does not have it.
    pub(super) fn attribute(path: &str) -> Self {
        Self {
            depth: 1,
            ..Self::literal(json!({"var": path}))
        }
    }

    /// An entry of `$evaluators`, which stands for `expression`.
    pub(super) fn reference(name: &str, expression: &Self) -> Self {
        Self {
            depth: expression.depth.max(1),
            ..Self::literal(json!({"$ref": name}))
        }
    }

    /// What it is when it needs no context.
    pub(super) fn constant(&self) -> Option<&Value> {
        (!self.json.is_object() && !self.json.is_array()).then_some(&self.json)
    }

    /// Whether it holds for everybody or nobody, if it needs no context.
    fn truth(&self) -> Option<bool> {
        self.constant().and_then(Value::as_bool)
    }

    /// Every one holds.
    pub(super) fn all(expressions: impl IntoIterator<Item = Self>) -> Self {
        let mut asked: Vec<Self> = Vec::new();
        for one in expressions {
            match one.truth() {
                Some(true) => {}
                Some(false) => return Self::never(),
                None => asked.push(one),
            }
        }
        match asked.len() {
            0 => Self::always(),
            1 => asked.pop().unwrap_or_else(Self::always),
            _ => Self::of("and", asked),
        }
    }

    /// At least one holds.
    pub(super) fn any(expressions: impl IntoIterator<Item = Self>) -> Self {
        let mut asked: Vec<Self> = Vec::new();
        for one in expressions {
            match one.truth() {
                Some(false) => {}
                Some(true) => return Self::always(),
                None => asked.push(one),
            }
        }
        match asked.len() {
            0 => Self::never(),
            1 => asked.pop().unwrap_or_else(Self::never),
            _ => Self::of("or", asked),
        }
    }

    /// It does not hold.
    pub(super) fn negated(self) -> Self {
        match self.truth() {
            Some(truth) => Self::literal((!truth).into()),
            None => Self::of("!", vec![self]),
        }
    }

    /// Whether it is this value, of the same type.
    pub(super) fn same_as(self, value: Value) -> Self {
        Self::of("===", vec![self, Self::literal(value)])
    }

    /// Whether it is anything but this value.
    pub(super) fn not_same_as(self, value: Value) -> Self {
        Self::of("!==", vec![self, Self::literal(value)])
    }

    /// Whether it is one of these values.
    pub(super) fn among(self, values: Vec<Value>) -> Self {
        let values = Self::list(values.into_iter().map(Self::literal).collect());
        Self::of("in", vec![self, values])
    }

    /// The first condition that holds decides, else `otherwise`; without one the answer is null.
    pub(super) fn choose(arms: Vec<(Self, Self)>, otherwise: Option<Self>) -> Self {
        let mut asked: Vec<Self> = Vec::new();
        let mut otherwise = otherwise;
        for (when, then) in arms {
            match when.truth() {
                Some(false) => continue,
                Some(true) => {
                    otherwise = Some(then);
                    break;
                }
                None => asked.extend([when, then]),
            }
        }
        if asked.is_empty() {
            return otherwise.unwrap_or_else(|| Self::literal(Value::Null));
        }
        asked.extend(otherwise);
        Self::of("if", asked)
    }

    /// Length as JSON text, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Levels of nesting, with what is referred to in place.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// As JSON.
    pub(super) fn json(&self) -> &Value {
        &self.json
    }

    /// As JSON.
    pub(super) fn into_json(self) -> Value {
        self.json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_what_the_text_has() {
        let x = || Logic::attribute("é \"x\"");
        let logic = Logic::choose(
            vec![(
                Logic::all([
                    x().same_as(json!("a\n")),
                    x().among(vec![json!(1), json!(2.5)]).negated(),
                ]),
                Logic::text("on"),
            )],
            Some(Logic::list(vec![])),
        );
        assert_eq!(logic.bytes(), logic.json().to_string().len());
        assert_eq!(logic.depth(), 9, "if [ and [ ! [ in [ var");
        let reference = Logic::reference("seg_a", &logic);
        assert_eq!(reference.bytes(), r#"{"$ref":"seg_a"}"#.len());
        assert_eq!(reference.depth(), logic.depth());
    }

    #[test]
    fn what_needs_no_context_is_not_asked() {
        let x = || Logic::attribute("x").same_as(json!("a"));
        assert_eq!(Logic::all([Logic::always(), x()]), x());
        assert_eq!(Logic::any([x(), Logic::always()]), Logic::always());
        assert_eq!(Logic::any([]), Logic::never());
        let on = || Logic::text("on");
        assert_eq!(
            Logic::choose(
                vec![(Logic::never(), Logic::text("off")), (Logic::always(), on())],
                None
            ),
            on()
        );
        assert_eq!(Logic::choose(vec![], None), Logic::literal(Value::Null));
    }
}
