//! Keys for names that others chose.

use std::collections::BTreeSet;

/// Texts as keys, each text one key: what a key cannot hold becomes a dash, and a key that is taken gets a number.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Names {
    taken: BTreeSet<String>,
}

/// Bytes that are kept of a long text.
const KEPT: usize = 60;

impl Names {
    /// A key for a text that has none yet.
    pub(super) fn key(&mut self, text: &str) -> String {
        let plain = key_of(text);
        let numbered = (2..).map(|number: u32| format!("{plain}-{number}"));
        let mut free = std::iter::once(plain.clone()).chain(numbered);
        let key = free.find(|key| !self.taken.contains(key)).unwrap_or(plain);
        self.taken.insert(key.clone());
        key
    }
}

fn key_of(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-');
    let letters = text.trim().chars().map(|c| if allowed(c) { c } else { '-' });
    let key: String = letters.take(KEPT).collect();
    let key = key.trim_matches('-');
    if matches!(key, "" | "." | "..") {
        "unnamed".to_owned()
    } else {
        key.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_a_key_of_its_own() {
        let mut names = Names::default();
        for (text, key) in [
            ("old", "old"),
            ("Variant B", "Variant-B"),
            ("Variant/B", "Variant-B-2"),
            ("größer", "gr--er"),
            ("..", "unnamed"),
            ("", "unnamed-2"),
            ("0", "0"),
        ] {
            assert_eq!(names.key(text), key, "{text:?}");
        }
        assert_eq!(names.key(&"x".repeat(500)).len(), KEPT);
    }
}
