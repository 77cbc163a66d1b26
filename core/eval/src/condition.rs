//! Questions about one attribute, compiled.

use crate::attribute::{Attribute, Seen};
use crate::beginning::Beginning;
use crate::constant_set::ConstantSet;
use crate::number::Number;
use crate::operator::elements::Scalars;
use crate::operator::folding::Folded;
use crate::operator::moment::When;
use crate::operator::network::Networks;
use crate::operator::place::Surroundings;
use crate::operator::semver::Versions;
use crate::pattern::Pattern;
use crate::prepared::PreparedContext;
use crate::vocabulary::{AttributeId, Constant};
use tidegate_model::condition::Operator;

/// One question about one attribute.
#[derive(Debug)]
pub(crate) struct Condition {
    /// The attribute. Of a place it is the latitude.
    pub(crate) attribute: AttributeId,
    pub(crate) operator: Operator,
    pub(crate) test: Test,
    /// What it is compared with, as JSON and cut to a readable length, for explanations.
    pub(crate) operand: Box<str>,
}

/// What is asked of the attribute's value. The negative operators share the test of the positive ones.
#[derive(Debug)]
pub(crate) enum Test {
    Equals(Constant),
    In(ConstantSet),
    Greater(Number),
    AtLeast(Number),
    Less(Number),
    AtMost(Number),
    /// Both included.
    Between(Number, Number),
    Contains(Box<str>),
    StartsWith(Beginning),
    EndsWith(Box<str>),
    Exists,
    Matches(Pattern),
    Folded(Box<Folded>),
    AnyOf(Box<Scalars>),
    AllOf(Box<Scalars>),
    Version(Versions),
    When(When),
    InNetwork(Networks),
    Near(Box<Near>),
}

/// A question about a latitude and a longitude.
#[derive(Debug)]
pub(crate) struct Near {
    pub(crate) longitude: AttributeId,
    pub(crate) surroundings: Surroundings,
}

impl Condition {
    /// Whether it holds for the context. A missing value passes no test, so it is left with the
    /// negative operators.
    #[inline]
    pub(crate) fn holds(&self, context: &PreparedContext<'_>) -> bool {
        self.test.passes(context.attribute(self.attribute), context) != self.operator.is_negative()
    }
}

impl Test {
    #[inline]
    fn passes(&self, attribute: &Attribute<'_>, context: &PreparedContext<'_>) -> bool {
        let seen = &attribute.seen;
        match self {
            Self::Equals(wanted) => attribute.constant == *wanted,
            Self::In(wanted) => wanted.contains(attribute.constant),
            Self::Greater(bound) => seen.number().is_some_and(|number| number > *bound),
            Self::AtLeast(bound) => seen.number().is_some_and(|number| number >= *bound),
            Self::Less(bound) => seen.number().is_some_and(|number| number < *bound),
            Self::AtMost(bound) => seen.number().is_some_and(|number| number <= *bound),
            Self::StartsWith(beginning) => beginning.is_of(attribute),
            Self::EndsWith(part) => seen.text().is_some_and(|text| text.ends_with(&**part)),
            Self::Exists => !seen.is_missing(),
            longer => longer.passes_after_looking(seen, context),
        }
    }

    /// The tests that take longer than calling them.
    #[inline(never)]
    fn passes_after_looking(&self, seen: &Seen<'_>, context: &PreparedContext<'_>) -> bool {
        match self {
            Self::Between(low, high) => seen
                .number()
                .is_some_and(|number| (*low..=*high).contains(&number)),
            Self::Contains(part) => match seen {
                Seen::List(list) => list.iter().any(|one| one.as_str() == Some(part)),
                _ => seen.text().is_some_and(|text| text.contains(&**part)),
            },
            Self::Matches(pattern) => seen.text().is_some_and(|text| pattern.is_found_in(text)),
            Self::Folded(folded) => folded.holds(seen),
            Self::AnyOf(scalars) => scalars.any_in(seen),
            Self::AllOf(scalars) => scalars.all_in(seen),
            Self::Version(versions) => seen.text().is_some_and(|text| versions.contain(text)),
            Self::When(when) => when.holds(seen, context.at()),
            Self::InNetwork(networks) => seen.text().is_some_and(|text| networks.contain(text)),
            Self::Near(near) => near
                .kilometres_to(seen, context)
                .is_some_and(|kilometres| near.surroundings.reach(kilometres)),
            Self::Equals(_)
            | Self::In(_)
            | Self::Greater(_)
            | Self::AtLeast(_)
            | Self::Less(_)
            | Self::AtMost(_)
            | Self::StartsWith(_)
            | Self::EndsWith(_)
            | Self::Exists => false,
        }
    }
}

impl Near {
    /// How far away the context is, if it says where it is.
    pub(crate) fn kilometres_to(&self, latitude: &Seen<'_>, context: &PreparedContext<'_>) -> Option<f64> {
        let longitude = context.attribute(self.longitude).seen.number()?;
        self.surroundings
            .kilometres_to(latitude.number()?.as_f64(), longitude.as_f64())
    }
}
