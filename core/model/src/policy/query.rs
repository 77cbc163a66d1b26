//! Queries: templates with `{{placeholders}}`, and what can be said of PromQL without asking anybody.

pub(super) mod promql;

/// Placeholders that every policy has.
pub(super) const BUILT_IN: [&str; 5] = ["flag", "variation", "baseline", "environment", "window"];

/// A query cut into what stays and what is filled in.
#[derive(Debug)]
pub(super) struct Template<'q> {
    pieces: Vec<Piece<'q>>,
}

/// A part of a template.
#[derive(Debug)]
enum Piece<'q> {
    Text(&'q str),
    Placeholder(Placeholder<'q>),
}

/// Something to fill in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placeholder<'q> {
    /// What stands between the braces, without the spaces around it.
    pub(super) name: &'q str,
    /// Where its braces begin, in bytes.
    pub(super) offset: usize,
    /// What surrounds it.
    pub(super) setting: Setting,
}

/// What surrounds a placeholder: decides which values may stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// A string literal or a comment.
    Text,
    /// The language itself.
    Bare,
}

/// A `{{` without its `}}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclosed {
    /// Where it stands, in bytes.
    pub(super) offset: usize,
}

impl<'q> Template<'q> {
    pub(super) fn parse(query: &'q str) -> Result<Self, Unclosed> {
        let mut pieces = Vec::new();
        let mut scanner = Scanner::default();
        let mut offset = 0;
        let mut rest = query;
        while let Some(at) = rest.find("{{") {
            let (before, from) = rest.split_at(at);
            scanner.pass(before);
            offset += at;
            let inside = from.get(2..).unwrap_or_default();
            let length = inside.find("}}").ok_or(Unclosed { offset })?;
            let (name, after) = inside.split_at(length);
            pieces.push(Piece::Text(before));
            pieces.push(Piece::Placeholder(Placeholder {
                name: name.trim(),
                offset,
                setting: scanner.setting(),
            }));
            rest = after.get(2..).unwrap_or_default();
            offset += 2 + length + 2;
        }
        pieces.push(Piece::Text(rest));
        Ok(Self { pieces })
    }

    /// Its placeholders, in order.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = Placeholder<'q>> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Placeholder(placeholder) => Some(*placeholder),
            Piece::Text(_) => None,
        })
    }

    /// The query with every placeholder replaced by what `value` has for its name.
    pub(super) fn render<'v>(&self, value: impl Fn(&str) -> &'v str) -> String {
        let piece = |piece: &Piece<'q>| match piece {
            Piece::Text(text) => (*text).to_owned(),
            Piece::Placeholder(placeholder) => value(placeholder.name).to_owned(),
        };
        self.pieces.iter().map(piece).collect()
    }
}

/// Why `value` may not stand in `setting`; `None` if it may.
///
/// A value must not be able to end the literal that it stands in, nor bring a language of its own.
pub(super) fn refusal(value: &str, setting: Setting) -> Option<&'static str> {
    if value.is_empty() {
        return Some("an empty value would match series without the label");
    }
    let leaves_text = |c: char| matches!(c, '"' | '\'' | '`' | '\\' | '{' | '}') || c.is_control();
    let leaves_word = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.'));
    match setting {
        Setting::Text if value.contains(leaves_text) => {
            Some("a value has no quotes, backslashes, braces or control characters")
        }
        Setting::Bare if value.contains(leaves_word) => {
            Some("a value that stands outside quotes in a query is one word, number or duration")
        }
        _ => None,
    }
}

/// Follows the quotes and comments of PromQL.
#[derive(Default)]
struct Scanner {
    quote: Option<char>,
    escaped: bool,
    comment: bool,
}

impl Scanner {
    fn pass(&mut self, text: &str) {
        for character in text.chars() {
            match (self.quote, character) {
                _ if self.escaped => self.escaped = false,
                _ if self.comment => self.comment = character != '\n',
                // Backticks quote raw text: no escapes there.
                (Some('"' | '\''), '\\') => self.escaped = true,
                (Some(quote), end) if quote == end => self.quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'' | '`') => self.quote = Some(character),
                (None, '#') => self.comment = true,
                (None, _) => {}
            }
        }
    }

    fn setting(&self) -> Setting {
        if self.quote.is_some() || self.comment {
            Setting::Text
        } else {
            Setting::Bare
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_know_what_surrounds_them() {
        let check = |query: &str, expected: &[(&str, usize, Setting)]| {
            let found: Vec<_> = Template::parse(query)
                .unwrap()
                .placeholders()
                .map(|one| (one.name, one.offset, one.setting))
                .collect();
            assert_eq!(found, expected, "{query}");
        };
        check("up", &[]);
        check("{{metric}}", &[("metric", 0, Setting::Bare)]);
        check(
            r#"x{a="{{ a }}"}[{{window}}]"#,
            &[("a", 5, Setting::Text), ("window", 15, Setting::Bare)],
        );
        check(r#"x{a="\"{{a}}"}"#, &[("a", 7, Setting::Text)]);
        check(r"x{a='it{{a}}'}", &[("a", 7, Setting::Text)]);
        check("x{a=`\\`} + {{b}}", &[("b", 11, Setting::Bare)]);
        check(
            "# don't {{a}}\n{{b}}",
            &[("a", 8, Setting::Text), ("b", 14, Setting::Bare)],
        );
        assert_eq!(Template::parse("x{{a}").unwrap_err(), Unclosed { offset: 1 });
    }

    #[test]
    fn values_cannot_leave_their_place() {
        for good in ["checkout", "a b", "5..", "a|b", "é", "(x)"] {
            assert_eq!(refusal(good, Setting::Text), None, "{good}");
        }
        for bad in ["", "a\"b", "a'b", "a`b", "a\\b", "{{x}}", "a\nb", "\u{0}"] {
            assert!(refusal(bad, Setting::Text).is_some(), "{bad:?}");
        }
        for good in ["http_requests_total", "0.5", "5m", "job:errors:rate5m"] {
            assert_eq!(refusal(good, Setting::Bare), None, "{good}");
        }
        for bad in ["", "a b", "a)", "a-b", "up or vector(0)"] {
            assert!(refusal(bad, Setting::Bare).is_some(), "{bad:?}");
        }
    }
}
