//! A document while it is read.

use super::Leniency;
use super::Remark;
use super::holds::Holds;
use super::place::Place;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tidegate_model::invalid::Violation;
use tidegate_model::key::SegmentKey;
use tidegate_model::segment::SegmentDefinition;

/// Deepest nesting of expressions, with what they refer to in place.
const DEPTH_MAX: usize = 160;
/// How many expressions one flag has, counting those again that are referred to or repeated in its rules.
const STEPS_OF_FLAG_MAX: u64 = 200_000;
/// How many expressions all flags have together: more than any document that was not made to be slow.
const STEPS_MAX: u64 = 8_000_000;
/// Most reasons that are told for one flag.
const WRONG_MAX: usize = 100;
/// Most remarks that are kept.
const REMARKS_MAX: usize = 10_000;

/// What is read, and what was found out so far.
pub(super) struct Reader<'a> {
    pub(super) evaluators: Option<&'a Map<String, Value>>,
    /// Whether Tidegate wrote it: names of segments are then written with `seg_` in front.
    pub(super) is_ours: bool,
    pub(super) leniency: Leniency,
    /// Evaluators as conditions; `None` while one is read.
    pub(super) known: BTreeMap<&'a str, Option<Result<Holds, Violation>>>,
    pub(super) segments: Vec<SegmentDefinition>,
    /// How many segments each leads through.
    pub(super) depths: BTreeMap<SegmentKey, usize>,
    /// The flag that is read; `None` inside of an evaluator, which may belong to several.
    pub(super) flag: Option<&'a str>,
    pub(super) notes: Vec<Remark>,
    depth: usize,
    steps: u64,
    steps_of_flag: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(evaluators: Option<&'a Map<String, Value>>, is_ours: bool, leniency: Leniency) -> Self {
        Self {
            evaluators,
            is_ours,
            leniency,
            known: BTreeMap::new(),
            segments: Vec::new(),
            depths: BTreeMap::new(),
            flag: None,
            notes: Vec::new(),
            depth: 0,
            steps: 0,
            steps_of_flag: 0,
        }
    }

    /// Reads what stands deeper.
    pub(super) fn deeper<T>(
        &mut self,
        place: &Place<'_>,
        read: impl FnOnce(&mut Self) -> Result<T, Violation>,
    ) -> Result<T, Violation> {
        self.spend(1, place)?;
        if self.depth >= DEPTH_MAX {
            let rule = format!("expressions nest at most {DEPTH_MAX} deep");
            return Err(Violation::new(
                place.to_string(),
                "",
                rule,
                "take the inner part apart",
            ));
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    /// Begins with the next flag.
    pub(super) fn begin(&mut self, flag: &'a str) {
        self.flag = Some(flag);
        self.steps_of_flag = 0;
    }

    /// Refuses documents that would take for ever.
    pub(super) fn spend(&mut self, steps: u64, place: &Place<'_>) -> Result<(), Violation> {
        self.steps = self.steps.saturating_add(steps);
        self.steps_of_flag = self.steps_of_flag.saturating_add(steps);
        if self.steps <= STEPS_MAX && self.steps_of_flag <= STEPS_OF_FLAG_MAX {
            return Ok(());
        }
        let rule = format!(
            "a flag has at most {STEPS_OF_FLAG_MAX} expressions with those it refers to in place, and all together {STEPS_MAX}"
        );
        let fix = "import the flags in several parts, and see whether evaluators refer to each other again and again";
        Err(Violation::new(place.to_string(), "", rule, fix))
    }

    /// Remembers what is worth knowing of the flag that is read. Said once for each flag.
    pub(super) fn note(&mut self, place: &Place<'_>, value: &str, rule: &str, fix: &str) {
        let flag = self.flag.unwrap_or_default();
        let mut of_flag = self.notes.iter().rev().take_while(|note| note.flag == flag);
        if self.notes.len() < REMARKS_MAX && !of_flag.any(|note| note.what.rule == rule) {
            self.notes.push(Remark {
                flag: flag.to_owned(),
                what: Violation::new(place.to_string(), value, rule, fix),
            });
        }
    }
}

/// Adds to what is wrong with a flag, and gives up where there is enough.
pub(super) fn tell(wrong: &mut Vec<Violation>, violation: Violation) -> Result<(), Violation> {
    if wrong.len() >= WRONG_MAX {
        return Err(violation);
    }
    wrong.push(violation);
    Ok(())
}

/// What cannot be said.
pub(super) fn refused(place: &Place<'_>, value: &Value, rule: impl Into<String>, fix: &str) -> Violation {
    // A value may be as large as the document. Only its beginning is shown.
    let shown = match value {
        Value::String(text) => text.chars().take(100).collect(),
        Value::Array(_) => "[…]".to_owned(),
        Value::Object(fields) => match fields.keys().next() {
            Some(name) => format!("{{{:?}: …}}", name.chars().take(40).collect::<String>()),
            None => "{}".to_owned(),
        },
        other => other.to_string(),
    };
    Violation::new(place.to_string(), shown, rule, fix)
}

/// The operator of an expression and its arguments: one argument need not stand in a list.
pub(super) fn operation<'v>(
    expression: &'v Value,
    place: &Place<'_>,
) -> Result<(&'v str, &'v [Value]), Violation> {
    let fields = expression.as_object();
    let mut each = fields.into_iter().flatten();
    match (each.next(), each.next()) {
        (Some((operator, Value::Array(arguments))), None) => Ok((operator, arguments)),
        (Some((operator, argument)), None) => Ok((operator, std::slice::from_ref(argument))),
        _ => Err(refused(
            place,
            expression,
            "an expression is an object with one operator",
            r#"for example {"==": [{"var": "plan"}, "pro"]}"#,
        )),
    }
}
