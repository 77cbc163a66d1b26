//! Requests that may come again because their answers got lost.

use crate::access::Author;
use crate::invalid::Violation;
use crate::snapshot::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name that a caller gives one request, and gives it again when it repeats it: 1 to 255 visible
/// ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestKey(String);

impl RequestKey {
    /// Longest key, in characters.
    pub const CHARS_MAX: usize = 255;

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RequestKey {
    type Error = Violation;
    fn try_from(text: String) -> Result<Self, Violation> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=Self::CHARS_MAX).contains(&text.len()) {
            return Ok(Self(text));
        }
        let shown: String = text.chars().take(32).collect();
        Err(Violation::new(
            "Idempotency-Key",
            shown.escape_debug(),
            "a key has 1 to 255 visible ASCII characters",
            "send a fresh UUID with each change, and the same one when you repeat it",
        ))
    }
}

impl From<RequestKey> for String {
    fn from(key: RequestKey) -> Self {
        key.0
    }
}

impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Which request it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestMark {
    /// What its caller calls it.
    pub key: RequestKey,
    /// Of its method, path and body: what came under the same key with another digest is another request.
    pub digest: Digest,
}

/// The request that somebody acts through, on its way to the record of what it did. It is no part of who they are:
/// authors are equal whatever they asked through, and where an author is written down, it is left out.
#[derive(Debug, Clone, Default)]
pub struct Through(pub Option<Box<RequestMark>>);

impl PartialEq for Through {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Through {}

impl Author {
    /// The request that this is done through, if its caller gave it a name.
    pub fn request(&self) -> Option<&RequestMark> {
        match self {
            Self::Token { through, .. } => through.0.as_deref(),
            Self::Tidegate | Self::PolicyFile { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;
    use crate::key::TokenName;

    #[test]
    fn f29_keys_are_visible_characters() {
        for (text, fits) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", true),
            ("!", true),
            ("~", true),
            (&"k".repeat(255), true),
            (&"k".repeat(256), false),
            ("", false),
            ("a b", false),
            ("a\n", false),
            ("ä", false),
        ] {
            let key = RequestKey::try_from(text.to_owned());
            assert_eq!(key.is_ok(), fits, "{text:?}");
            if let Err(violation) = key {
                assert_eq!(violation.field, "Idempotency-Key");
            }
        }
    }

    #[test]
    fn f29_who_somebody_is_does_not_depend_on_the_request() {
        let by = |through| Author::Token {
            name: TokenName::new("ci").unwrap(),
            role: Role::Editor,
            through,
        };
        let mark = RequestMark {
            key: RequestKey::try_from("one".to_owned()).unwrap(),
            digest: Digest::of(b""),
        };
        let through = by(Through(Some(Box::new(mark.clone()))));
        assert_eq!(through.request(), Some(&mark));
        assert_eq!(through, by(Through::default()));
        let written = serde_json::to_string(&through).unwrap();
        assert_eq!(written, r#"{"token":{"name":"ci","role":"editor"}}"#);
        let read: Author = serde_json::from_str(&written).unwrap();
        assert_eq!(read.request(), None);
    }
}
