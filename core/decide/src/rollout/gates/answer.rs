//! What a gate's answer means.

use serde::{Deserialize, Serialize};
use tidegate_model::gate::{EVERY_MAX, EVERY_MIN, GateVerdict};
use tidegate_model::span::Span;

/// Longest answer that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 500;
/// How much of an answer that is none is shown, in characters.
const SHOWN_CHARS: usize = 60;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Answer {
    /// An answer.
    Said {
        /// What the gate says.
        verdict: GateVerdict,
        /// In its own words.
        reason: String,
        /// When it would like to be asked again.
        retry_after: Option<Span>,
    },
    /// Nothing that could be understood: the gate is waited for.
    Broken {
        /// What came back instead.
        why: String,
    },
}

/// The body of an answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    verdict: GateVerdict,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    retry_after_seconds: Option<u64>,
    /// The question that is answered. May be left out.
    #[serde(default)]
    id: Option<String>,
}

impl Answer {
    /// Nothing that could be understood came back.
    pub fn broken(why: impl Into<String>) -> Self {
        Self::Broken { why: why.into() }
    }

    /// What an HTTP answer to the question `id` means.
    pub fn read(status: u16, media_type: &str, body: &[u8], id: &str) -> Self {
        if status != 200 {
            return Self::broken(format!("status {status}"));
        }
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Self::broken(format!("{} instead of application/json", shown(media_type)));
        }
        if body.len() > ANSWER_BYTES_MAX {
            return Self::broken(format!("more than {ANSWER_BYTES_MAX} bytes"));
        }
        let body: Body = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(error) => return Self::broken(shown(&error.to_string())),
        };
        if let Some(other) = body.id.filter(|other| other != id) {
            return Self::broken(format!("an answer to {}", shown(&other)));
        }
        Self::Said {
            verdict: body.verdict,
            reason: body.reason.trim().chars().take(REASON_CHARS_MAX).collect(),
            retry_after: body.retry_after_seconds.map(Span::seconds),
        }
    }

    /// How long to wait before the gate is asked again.
    pub(super) fn again(&self, every: Span) -> Span {
        match self {
            Self::Said {
                retry_after: Some(after),
                ..
            } => (*after).clamp(EVERY_MIN, EVERY_MAX),
            _ => every,
        }
    }
}

fn shown(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(SHOWN_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f24_only_a_pass_is_a_pass() {
        let json = "application/json";
        let read = |status, media_type: &str, body: &str| {
            Answer::read(status, media_type, body.as_bytes(), "a.1/b/0")
        };
        let pass = Answer::Said {
            verdict: GateVerdict::Pass,
            reason: "CHG-7".to_owned(),
            retry_after: None,
        };
        assert_eq!(
            read(200, json, r#"{"verdict":"pass","reason":" CHG-7 ","more":1}"#),
            pass
        );
        assert_eq!(
            read(
                200,
                "Application/JSON; charset=utf-8",
                r#"{"verdict":"pass","reason":"CHG-7","id":"a.1/b/0"}"#
            ),
            pass
        );
        let hold = read(200, json, r#"{"verdict":"hold","retryAfterSeconds":90}"#);
        assert_eq!(hold.again(Span::seconds(30)), Span::seconds(90));
        let never = read(200, json, r#"{"verdict":"hold","retryAfterSeconds":99999999}"#);
        assert_eq!(never.again(Span::seconds(30)), EVERY_MAX);
        let long = format!(
            r#"{{"verdict":"pass","reason":"{}"}}"#,
            "x".repeat(ANSWER_BYTES_MAX)
        );
        for (status, media_type, body, says) in [
            (503, json, r#"{"verdict":"pass"}"#, "status 503"),
            (302, json, r#"{"verdict":"pass"}"#, "status 302"),
            (204, json, "", "status 204"),
            (200, "text/html", "<html>pass</html>", "text/html instead"),
            (200, "", r#"{"verdict":"pass"}"#, "instead of application/json"),
            (200, json, "<html>", "expected value"),
            (200, json, "", "EOF"),
            (200, json, r#""pass""#, "invalid type"),
            (200, json, "{}", "missing field"),
            (200, json, r#"{"verdict":"PASS"}"#, "unknown variant"),
            (200, json, r#"{"verdict":true}"#, "expected value"),
            (200, json, r#"{"verdict":null}"#, ""),
            (200, json, r#"{"verdict":"pass","verdict":"hold"}"#, "duplicate"),
            (
                200,
                json,
                r#"{"verdict":"pass","id":"a.1/b/7"}"#,
                "an answer to a.1/b/7",
            ),
            (200, json, &long, "more than 65536 bytes"),
        ] {
            match read(status, media_type, body) {
                Answer::Broken { why } => assert!(why.contains(says), "{body}: {why}"),
                said => panic!("{status} {media_type} {body}: {said:?}"),
            }
        }
    }
}
