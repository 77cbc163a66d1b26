//! What the rules of a simulated rollout hear.

use std::collections::BTreeMap;
use std::fmt;
use tidegate_model::Timestamp;
use tidegate_model::evidence::Evidence;
use tidegate_model::key::RuleName;
use tidegate_model::policy::{self, Comparison, Policy, Rule};
use tidegate_model::verdict::{Measurement, SequentialTest, UnknownReason};

/// Answers for every rule at every moment.
pub trait Source {
    /// What the source of `rule` says at `at`; `None`: nothing at all comes back. A sequential test goes on
    /// from `before`.
    fn answer(&self, rule: &Rule, before: Option<SequentialTest>, at: Timestamp) -> Option<Evidence>;
}

/// What a rule's source answers: the number that is compared with the rule's threshold, whatever it is made
/// of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// This value.
    Value(f64),
    /// This value, made of so many samples.
    Sampled(f64, f64),
    /// No value, for this reason.
    Unknown(UnknownReason),
    /// Nothing at all comes back.
    Silence,
}

/// Answers that stay until others are given. A rule that none was given for hears 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Script(BTreeMap<RuleName, Answer>);

impl Script {
    /// Every rule of `plan` that has a source of its own is well, with as many samples as it asks for.
    #[must_use]
    pub fn healthy(plan: &Policy) -> Self {
        let rules = plan.safety.rules.iter();
        let rules = rules.filter(|rule| !matches!(rule.source, policy::Source::Score(_)));
        Self(rules.map(|rule| (rule.name.clone(), healthy(rule))).collect())
    }

    /// What `rule` hears when it is well.
    pub(crate) fn of_healthy(rule: &Rule) -> Measurement {
        healthy(rule)
            .measurement()
            .unwrap_or_else(|| Measurement::of(0.0))
    }

    /// From now on the rule hears this.
    pub fn insert(&mut self, rule: RuleName, answer: Answer) {
        self.0.insert(rule, answer);
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value}"),
            Self::Sampled(value, samples) => write!(f, "{value}/{samples}"),
            Self::Unknown(reason) => write!(f, "{reason}"),
            Self::Silence => f.write_str("silence"),
        }
    }
}

impl fmt::Display for Script {
    /// As stories write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (rule, answer)) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { " " };
            write!(f, "{between}{rule}={answer}")?;
        }
        Ok(())
    }
}

impl Source for Script {
    fn answer(&self, rule: &Rule, _before: Option<SequentialTest>, _at: Timestamp) -> Option<Evidence> {
        let answer = self.0.get(&rule.name).copied().unwrap_or(Answer::Value(0.0));
        answer.measurement().map(Evidence::from)
    }
}

impl Answer {
    fn measurement(self) -> Option<Measurement> {
        match self {
            Self::Value(value) => Some(Measurement::of(value)),
            Self::Sampled(value, samples) => Some(Measurement {
                samples: Ok(Some(samples)),
                ..Measurement::of(value)
            }),
            Self::Unknown(reason) => Some(Measurement::unknown(reason, "")),
            Self::Silence => None,
        }
    }
}

/// An answer on the good side of a rule.
fn healthy(rule: &Rule) -> Answer {
    let value = match rule.comparison {
        Comparison::GreaterThan | Comparison::LessThan => rule.clear,
        Comparison::Equals => rule.threshold + rule.threshold.abs().max(1.0),
    };
    sampled(rule, value)
}

/// A value with as many samples as the rule asks for.
pub(crate) fn sampled(rule: &Rule, value: f64) -> Answer {
    match &rule.minimum {
        Some(minimum) => Answer::Sampled(value, minimum.at_least),
        None => Answer::Value(value),
    }
}
