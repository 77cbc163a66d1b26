//! Predicates under construction.

use tidegate_model::condition::{Condition, Operator, Predicate};

/// Whom an expression holds for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Holds {
    /// Everybody.
    Always,
    /// Nobody.
    Never,
    /// Those whom the predicate matches.
    When(Predicate),
}

impl Holds {
    /// One condition.
    pub(super) fn condition(attribute: &str, operator: Operator, value: serde_json::Value) -> Self {
        Self::When(Predicate::Condition(Condition {
            attribute: attribute.to_owned(),
            operator,
            value,
        }))
    }

    /// Everybody or nobody.
    pub(super) fn known(truth: bool) -> Self {
        if truth { Self::Always } else { Self::Never }
    }

    /// Every one holds.
    pub(super) fn all(of: impl IntoIterator<Item = Self>) -> Self {
        let mut inner = Vec::new();
        for one in of {
            match one {
                Self::Always => {}
                Self::Never => return Self::Never,
                Self::When(Predicate::All(more)) => inner.extend(more),
                Self::When(one) => inner.push(one),
            }
        }
        match inner.len() {
            0 => Self::Always,
            1 => inner.pop().map_or(Self::Always, Self::When),
            _ => Self::When(Predicate::All(inner)),
        }
    }

    /// At least one holds.
    pub(super) fn any(of: impl IntoIterator<Item = Self>) -> Self {
        let mut inner = Vec::new();
        for one in of {
            match one {
                Self::Never => {}
                Self::Always => return Self::Always,
                Self::When(Predicate::Any(more)) => inner.extend(more),
                Self::When(one) => inner.push(one),
            }
        }
        match inner.len() {
            0 => Self::Never,
            1 => inner.pop().map_or(Self::Never, Self::When),
            _ => Self::When(Predicate::Any(inner)),
        }
    }

    /// It does not hold.
    pub(super) fn not(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::When(Predicate::Not(inner)) => Self::When(*inner),
            Self::When(Predicate::Condition(condition)) => match opposite(condition.operator) {
                Some(operator) => Self::When(Predicate::Condition(Condition {
                    operator,
                    ..condition
                })),
                None => Self::When(Predicate::Not(Box::new(Predicate::Condition(condition)))),
            },
            Self::When(other) => Self::When(Predicate::Not(Box::new(other))),
        }
    }

    /// How much there is to copy.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Always | Self::Never => 1,
            Self::When(predicate) => size(predicate),
        }
    }
}

fn size(predicate: &Predicate) -> u64 {
    match predicate {
        Predicate::All(inner) | Predicate::Any(inner) => 1 + inner.iter().map(size).sum::<u64>(),
        Predicate::Not(inner) => 1 + size(inner),
        Predicate::Segment(_) => 1,
        Predicate::Condition(condition) => 1 + condition.value.as_array().map_or(0, |list| list.len() as u64),
    }
}

fn opposite(operator: Operator) -> Option<Operator> {
    Some(match operator {
        Operator::Equals => Operator::NotEquals,
        Operator::NotEquals => Operator::Equals,
        Operator::In => Operator::NotIn,
        Operator::NotIn => Operator::In,
        Operator::Exists => Operator::NotExists,
        Operator::NotExists => Operator::Exists,
        _ => return None,
    })
}
