//! When so many flags vanish at once that somebody has to say that it is meant.

/// The part of the flags above which their loss needs a word: one in so many (faults.md F68).
const PART: usize = 5;

/// Whether `vanished` of `published` flags may go only with somebody's word: all of them, or more than a
/// fifth and more than one. A single flag is archived on purpose.
#[must_use]
pub fn needs_word(published: usize, vanished: usize) -> bool {
    let all = vanished >= published;
    let many = vanished > 1 && vanished * PART > published;
    vanished > 0 && (all || many)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f68_all_flags_or_more_than_a_fifth_need_a_word() {
        for (published, vanished, needed) in [
            (0, 0, false),
            (1, 0, false),
            (1, 1, true),
            (2, 1, false),
            (2, 2, true),
            (4, 1, false),
            (9, 2, true),
            (10, 2, false),
            (10, 3, true),
            (500, 100, false),
            (500, 101, true),
        ] {
            assert_eq!(
                needs_word(published, vanished),
                needed,
                "{vanished} of {published}"
            );
        }
    }
}
