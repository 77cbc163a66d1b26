//! Units in buckets, and what is served by bucket.

use super::condition::{attribute, has_unit};
use super::logic::Logic;
use serde_json::json;
use tidegate_model::context::Context;
use tidegate_model::flag::{Flag, Serve};
use tidegate_model::invalid::Violation;
use tidegate_model::share::Share;
use tidegate_model::snapshot::RolloutSplit;

/// Whether a context has the attribute that is bucketed, as it is asked wherever something is dealt out;
/// `None` if flagd's language has no words for the attribute.
pub(super) fn unit_is_there(unit: &str) -> Option<Logic> {
    attribute(unit).ok().map(|x| has_unit(unit, &x))
}

/// How a flag's units are put into buckets.
pub(super) struct Buckets<'a> {
    unit: &'a str,
    salt: &'a str,
}

impl<'a> Buckets<'a> {
    pub(super) fn of(flag: &'a Flag) -> Self {
        Self {
            unit: flag
                .definition()
                .unit
                .as_deref()
                .unwrap_or(Context::TARGETING_KEY),
            salt: flag.salt(),
        }
    }

    /// What is served, by the flag's own salt where it takes a bucket.
    pub(super) fn serve(&self, serve: &Serve, wrong: &mut Vec<Violation>) -> Logic {
        match serve {
            Serve::Variation(key) => Logic::text(key.as_str()),
            Serve::Split(parts) => {
                let parts = parts
                    .iter()
                    .map(|part| (part.variation.as_str().to_owned(), part.weight.parts()));
                self.split(parts, wrong)
            }
        }
    }

    /// The candidate inside `share`, else the safe variation.
    pub(super) fn rollout(&self, split: &RolloutSplit, share: Share, wrong: &mut Vec<Violation>) -> Logic {
        let open = share.parts();
        let parts = [(&split.candidate, open), (&split.safe, Share::TOTAL - open)];
        self.split(
            parts
                .into_iter()
                .map(|(key, weight)| (key.as_str().to_owned(), weight)),
            wrong,
        )
    }

    /// By bucket. A weight of 100 % needs no unit; otherwise a context without one gets null, and so
    /// the default variant.
    fn split(&self, parts: impl Iterator<Item = (String, u32)>, wrong: &mut Vec<Violation>) -> Logic {
        let dealt = self.dealt(self.salt, parts, wrong);
        if dealt.constant().is_some() {
            return dealt;
        }
        Logic::choose(vec![(self.has_unit(), dealt)], None)
    }

    /// Which of the parts the unit's bucket under this salt is in. Only to be asked where there is a
    /// unit.
    pub(super) fn dealt(
        &self,
        salt: &str,
        parts: impl Iterator<Item = (String, u32)>,
        wrong: &mut Vec<Violation>,
    ) -> Logic {
        let parts: Vec<(String, u32)> = parts.filter(|(_, weight)| *weight > 0).collect();
        if let [(only, _)] = parts.as_slice() {
            return Logic::text(only);
        }
        let unit = attribute(self.unit).unwrap_or_else(|violation| {
            wrong.push(Violation {
                field: "unit".to_owned(),
                ..violation
            });
            Logic::never()
        });
        let salted = Logic::of("cat", vec![Logic::text(&format!("{salt}.")), unit]);
        let parts = parts
            .into_iter()
            .map(|(name, weight)| Logic::list(vec![Logic::text(&name), Logic::literal(weight.into())]));
        Logic::of("fractional", [salted].into_iter().chain(parts).collect())
    }

    /// Whether the unit's bucket under this salt lies from one share up to another. Only to be asked
    /// where there is a unit.
    pub(super) fn is_within(&self, salt: &str, from: Share, to: Share, wrong: &mut Vec<Violation>) -> Logic {
        let (from, to) = (from.parts(), to.parts());
        let parts = [
            ("out", from),
            ("in", to.saturating_sub(from)),
            ("out", Share::TOTAL - to),
        ];
        let dealt = self.dealt(
            salt,
            parts.into_iter().map(|(name, weight)| (name.to_owned(), weight)),
            wrong,
        );
        match dealt.constant() {
            Some(name) => Logic::literal((name == "in").into()),
            None => dealt.same_as(json!("in")),
        }
    }

    /// Whether the context has a unit.
    pub(super) fn has_unit(&self) -> Logic {
        // An attribute that cannot be asked for was found wrong when the unit was bucketed.
        unit_is_there(self.unit).unwrap_or_else(Logic::never)
    }
}
