//! Lists compared with lists.

use crate::attribute::Seen;
use crate::number::Number;
use crate::vocabulary::Table;
use serde_json::Value;
use tidegate_model::condition::ALL_OF_MAX;

/// Different texts, numbers and booleans, numbered from 0.
#[derive(Debug, Default)]
pub(crate) struct Scalars {
    texts: Table<String, u32>,
    numbers: Table<Number, u32>,
    no: Option<u32>,
    yes: Option<u32>,
    next: u32,
}

impl Scalars {
    /// The scalars among the values.
    pub(crate) fn of(values: &[Value]) -> Self {
        let mut scalars = Self::default();
        for value in values {
            let next = scalars.next;
            let place = match Seen::of(value) {
                Seen::Text(text) => *scalars.texts.entry_ref(text).or_insert(next),
                Seen::Number(number) => *scalars.numbers.entry(number).or_insert(next),
                Seen::Boolean(false) => *scalars.no.get_or_insert(next),
                Seen::Boolean(true) => *scalars.yes.get_or_insert(next),
                Seen::Missing | Seen::Short(_) | Seen::List(_) | Seen::Object(_) => continue,
            };
            if place == next {
                scalars.next += 1;
            }
        }
        scalars
    }

    /// Whether the attribute has at least one of them: a list among its elements, anything else by being it.
    pub(crate) fn any_in(&self, seen: &Seen<'_>) -> bool {
        match seen {
            Seen::List(list) => list
                .iter()
                .any(|element| self.place(&Seen::of(element)).is_some()),
            one => self.place(one).is_some(),
        }
    }

    /// Whether the attribute has every one of them. There are at most [`ALL_OF_MAX`].
    pub(crate) fn all_in(&self, seen: &Seen<'_>) -> bool {
        const { assert!(ALL_OF_MAX == u64::BITS as usize) };
        let bit = |seen: &Seen<'_>| self.place(seen).map_or(0, |place| 1_u64 << (place % u64::BITS));
        let found = match seen {
            Seen::List(list) => list
                .iter()
                .fold(0, |found, element| found | bit(&Seen::of(element))),
            one => bit(one),
        };
        found.count_ones() == self.next
    }

    fn place(&self, seen: &Seen<'_>) -> Option<u32> {
        match seen {
            Seen::Text(text) => self.texts.get(*text).copied(),
            Seen::Short(short) => self.texts.get(short.as_str()).copied(),
            Seen::Number(number) => self.numbers.get(number).copied(),
            Seen::Boolean(false) => self.no,
            Seen::Boolean(true) => self.yes,
            Seen::Missing | Seen::List(_) | Seen::Object(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(wanted: &Value, seen: &Value, any: bool, all: bool) {
        let scalars = Scalars::of(wanted.as_array().unwrap());
        let found = (scalars.any_in(&Seen::of(seen)), scalars.all_in(&Seen::of(seen)));
        assert_eq!(found, (any, all), "{wanted} in {seen}");
    }

    #[test]
    fn lists_in_lists() {
        check(&json!(["a", "b"]), &json!(["b", "c"]), true, false);
        check(&json!(["a", "b"]), &json!(["b", "c", "a", "a"]), true, true);
        check(
            &json!(["a", "b"]),
            &json!(["A", ["a"], null, {"a": "a"}]),
            false,
            false,
        );
        check(&json!(["a", "b"]), &json!([]), false, false);
        check(&json!(["a", "a"]), &json!(["a"]), true, true);
        check(&json!([1, true, false]), &json!([1.0, false]), true, false);
        check(&json!([1, true, false]), &json!([false, true, 1]), true, true);
        check(&json!([1]), &json!(["1", true]), false, false);
        check(&json!(["a"]), &json!("a"), true, true);
        check(&json!(["a", "b"]), &json!("a"), true, false);
        check(&json!([7]), &json!(7.0), true, true);
        check(&json!(["a"]), &json!(null), false, false);
        check(&json!(["a"]), &json!({"a": true}), false, false);
    }

    #[test]
    fn as_many_as_fit_into_a_word() {
        let all: Vec<usize> = (0..ALL_OF_MAX).collect();
        check(&json!(all), &json!(all), true, true);
        check(&json!(all), &json!(&all[1..]), true, false);
    }

    proptest! {
        #[test]
        fn lists_mean_what_loops_say(wanted in prop::collection::vec(0..6_u8, 1..5), seen in prop::collection::vec(0..6_u8, 0..6)) {
            let any = wanted.iter().any(|one| seen.contains(one));
            let all = wanted.iter().all(|one| seen.contains(one));
            check(&json!(wanted), &json!(seen), any, all);
        }
    }
}
