//! What texts are asked to start with.

use crate::attribute::Attribute;

/// A text that others may start with.
#[derive(Debug)]
pub(crate) struct Beginning {
    text: Box<str>,
    /// Its first bytes, up to four, as in [`first_bytes`].
    first: u32,
    /// The bits of them that count.
    mask: u32,
}

impl Beginning {
    /// This text.
    pub(crate) fn of(text: &str) -> Self {
        let mask = match text.len() {
            length @ 0..4 => (1 << (8 * length)) - 1,
            _ => u32::MAX,
        };
        Self {
            text: text.into(),
            first: first_bytes(text),
            mask,
        }
    }

    /// Whether the attribute is a text that starts with it. Most that do not are told apart without a
    /// look at the text, which lies elsewhere.
    #[inline]
    pub(crate) fn is_of(&self, attribute: &Attribute<'_>) -> bool {
        attribute.start & self.mask == self.first
            && attribute
                .seen
                .text()
                .is_some_and(|text| text.starts_with(&*self.text))
    }
}

/// The first four bytes of a text, the first one lowest; 0 where it has ended.
#[inline]
pub(crate) fn first_bytes(text: &str) -> u32 {
    let bytes = text.as_bytes();
    match bytes.first_chunk() {
        Some(four) => u32::from_le_bytes(*four),
        None => bytes
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u32::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::Seen;
    use crate::number::Number;
    use crate::vocabulary::Constant;
    use proptest::prelude::*;

    #[test]
    fn only_texts_start_with_something() {
        for seen in [
            Seen::Missing,
            Seen::Number(Number::Whole(0)),
            Seen::Boolean(false),
        ] {
            let attribute = Attribute::new(seen, Constant::OTHER);
            assert!(!Beginning::of("\0").is_of(&attribute));
        }
    }

    proptest! {
        #[test]
        fn a_beginning_is_found(text in "[ab\0é]{0,8}", wanted in "[ab\0é]{1,6}") {
            let attribute = Attribute::new(Seen::Text(&text), Constant::OTHER);
            prop_assert_eq!(Beginning::of(&wanted).is_of(&attribute), text.starts_with(&wanted));
            let itself = Attribute::new(Seen::Text(&wanted), Constant::OTHER);
            prop_assert!(Beginning::of(&wanted).is_of(&itself));
        }
    }
}
