//! Texts of which upper and lower case are the same.
//!
//! Unicode simple case folding: one character for one, so that `ß` is not `ss`, and the same everywhere,
//! so that the Turkish `ı` is not `i`. Characters are folded as they are read: nothing is allocated.

use crate::attribute::Seen;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use icu_casemap::CaseMapper;
use serde_json::Value;
use std::hash::{BuildHasher, Hasher};

fn fold(character: char) -> char {
    if character.is_ascii() {
        character.to_ascii_lowercase()
    } else {
        CaseMapper::new().simple_fold(character)
    }
}

fn folded(text: &str) -> impl DoubleEndedIterator<Item = char> {
    text.chars().map(fold)
}

/// What a text has to have, whatever its case.
#[derive(Debug)]
pub(crate) enum Folded {
    Equals(Box<[char]>),
    StartsWith(Box<[char]>),
    EndsWith(Box<[char]>),
    Contains(Part),
    In(FoldedSet),
}

impl Folded {
    /// Texts that are this one.
    pub(crate) fn equals(text: &str) -> Self {
        Self::Equals(folded(text).collect())
    }

    /// Texts that start with this one.
    pub(crate) fn starts_with(text: &str) -> Self {
        Self::StartsWith(folded(text).collect())
    }

    /// Texts that end with this one.
    pub(crate) fn ends_with(text: &str) -> Self {
        Self::EndsWith(folded(text).collect())
    }

    /// Texts with this one inside.
    pub(crate) fn contains(text: &str) -> Self {
        Self::Contains(Part::of(text))
    }

    /// Texts that are one of these.
    pub(crate) fn one_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::In(FoldedSet::of(texts))
    }

    /// Whether the attribute has it. A list has a part when one of its elements is that text.
    pub(crate) fn holds(&self, seen: &Seen<'_>) -> bool {
        match (self, seen) {
            (_, Seen::Text(text)) => self.fits(text),
            (_, Seen::Short(short)) => self.fits(short.as_str()),
            (Self::Contains(part), Seen::List(list)) => {
                let texts = list.iter().filter_map(Value::as_str);
                texts
                    .map(folded)
                    .any(|text| text.eq(part.characters.iter().copied()))
            }
            _ => false,
        }
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Equals(wanted) => folded(text).eq(wanted.iter().copied()),
            Self::StartsWith(wanted) => begins(folded(text), wanted.iter()),
            Self::EndsWith(wanted) => begins(folded(text).rev(), wanted.iter().rev()),
            Self::Contains(part) => part.is_in(text),
            Self::In(set) => set.contains(text),
        }
    }
}

fn begins<'a>(mut text: impl Iterator<Item = char>, mut wanted: impl Iterator<Item = &'a char>) -> bool {
    wanted.all(|wanted| text.next() == Some(*wanted))
}

/// A text that is searched for (Knuth, Morris, Pratt): time grows with the length of the text that is
/// searched and not with that of this one, even for texts made to be slow.
#[derive(Debug)]
pub(crate) struct Part {
    characters: Box<[char]>,
    /// For each place, how many characters up to it are the beginning again.
    again: Box<[usize]>,
}

impl Part {
    /// A text that is searched for.
    fn of(text: &str) -> Self {
        let characters: Box<[char]> = folded(text).collect();
        let mut part = Self {
            characters,
            again: Box::default(),
        };
        let mut again = Vec::with_capacity(part.characters.len());
        let mut known = 0;
        for (place, character) in part.characters.iter().enumerate() {
            if place > 0 {
                known = step(&part.characters, &again, known, *character);
            }
            again.push(known);
        }
        part.again = again.into();
        part
    }

    fn is_in(&self, text: &str) -> bool {
        let mut known = 0;
        for character in folded(text) {
            known = step(&self.characters, &self.again, known, character);
            if known == self.characters.len() {
                return true;
            }
        }
        self.characters.is_empty()
    }
}

/// How many characters are known after one more, when `known` were before.
fn step(characters: &[char], again: &[usize], mut known: usize, character: char) -> usize {
    loop {
        if characters.get(known) == Some(&character) {
            return known + 1;
        }
        match known.checked_sub(1).and_then(|before| again.get(before)) {
            Some(shorter) => known = *shorter,
            None => return 0,
        }
    }
}

/// Texts, hashed as they fold.
#[derive(Debug)]
pub(crate) struct FoldedSet(HashTable<Box<[char]>>);

impl FoldedSet {
    /// These texts.
    fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = HashTable::new();
        for text in texts {
            let characters: Box<[char]> = folded(text).collect();
            let hash = hash_of(characters.iter().copied());
            if table.find(hash, |other| *other == characters).is_none() {
                table.insert_unique(hash, characters, |other| hash_of(other.iter().copied()));
            }
        }
        Self(table)
    }

    fn contains(&self, text: &str) -> bool {
        let hash = hash_of(folded(text));
        let found = self.0.find(hash, |one| folded(text).eq(one.iter().copied()));
        found.is_some()
    }
}

fn hash_of(characters: impl Iterator<Item = char>) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    characters.for_each(|character| hasher.write_u32(character.into()));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn characters_fold_one_to_one() {
        let same = |left: &str, right: &str| Folded::equals(left).fits(right);
        for (left, right) in [
            ("straße", "STRAẞE"),
            ("Σίσυφος", "σίσυφοσ"),
            ("ÉLODIE", "élodie"),
            ("\u{212a}", "k"),
            ("ſ", "S"),
            ("ПРИВЕТ", "привет"),
            ("Ꮳ", "ꮳ"),
            ("A\0b", "a\0B"),
        ] {
            assert!(same(left, right) && same(right, left), "{left} {right}");
        }
        for (left, right) in [
            ("straße", "strasse"),
            ("ı", "i"),
            ("İ", "i"),
            ("é", "e\u{301}"),
            ("a", "ab"),
            ("ab", "a"),
            ("a", ""),
        ] {
            assert!(!same(left, right) && !same(right, left), "{left} {right}");
        }
    }

    #[test]
    fn lists_have_elements() {
        let list = json!(["ADMIN", 1, ["Staff"]]);
        let has = |folded: Folded| folded.holds(&Seen::of(&list));
        assert!(has(Folded::contains("Admin")));
        for folded in [
            Folded::contains("adm"),
            Folded::contains("staff"),
            Folded::equals("admin"),
            Folded::one_of(["admin"]),
        ] {
            assert!(!has(folded));
        }
    }

    #[test]
    fn beginnings_ends_and_parts() {
        let wanted = "Ab";
        for (text, starts, ends, contains) in [
            ("aB", true, true, true),
            ("aBc", true, false, true),
            ("caB", false, true, true),
            ("xaBx", false, false, true),
            ("aaB", false, true, true),
            ("ba", false, false, false),
            ("", false, false, false),
        ] {
            let found = [
                Folded::starts_with(wanted).fits(text),
                Folded::ends_with(wanted).fits(text),
                Folded::contains(wanted).fits(text),
            ];
            assert_eq!(found, [starts, ends, contains], "{text}");
        }
    }

    #[test]
    fn searching_takes_no_longer_for_texts_made_to_be_slow() {
        // Comparing at each place would take 2^36 steps, and this test minutes.
        let (text, part) = ("a".repeat(1 << 20), "a".repeat(1 << 16) + "b");
        let part = Part::of(&part);
        assert!(!part.is_in(&text));
        assert!(part.is_in(&(text + "B")));
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let texts: Vec<String> = (0..1000).map(|i| format!("City-{i}-ÄÖ")).collect();
        let set = Folded::one_of(texts.iter().chain(&texts).map(String::as_str));
        for text in &texts {
            assert!(
                set.fits(&text.to_lowercase()) && set.fits(&text.to_uppercase()),
                "{text}"
            );
        }
        assert!(!set.fits("city-1000-äö") && !set.fits("city-1") && !set.fits(""));
    }

    proptest! {
        /// The engine for regular expressions folds by the same table.
        #[test]
        fn folding_is_that_of_unicode(text in "[aAbBkKsSéÉßẞσςΣıİ\u{212a}ſ]{0,6}", part in "[aAbBkKsSéÉßẞσςΣıİ\u{212a}ſ]{1,3}") {
            let finds = |pattern: String| regex::Regex::new(&pattern).unwrap().is_match(&text);
            prop_assert_eq!(Folded::equals(&part).fits(&text), finds(format!("(?i)^{part}$")));
            prop_assert_eq!(Folded::starts_with(&part).fits(&text), finds(format!("(?i)^{part}")));
            prop_assert_eq!(Folded::ends_with(&part).fits(&text), finds(format!("(?i){part}$")));
            prop_assert_eq!(Folded::contains(&part).fits(&text), finds(format!("(?i){part}")));
            prop_assert_eq!(Folded::one_of([&*part]).fits(&text), finds(format!("(?i)^{part}$")));
        }

        #[test]
        fn parts_are_found_where_they_are(text in "[ab]{0,30}", part in "[ab]{1,6}") {
            prop_assert_eq!(Part::of(&part).is_in(&text), text.contains(&part));
        }
    }
}
