//! A refusal as the control plane tells it (RFC 9457), read and shown to a person.

use serde::{Deserialize, Serialize};
use std::fmt;
use tidegate_model::invalid::Violation;
use tidegate_model::policy::diagnostic::Diagnostic;

/// A problem document. Everything may be missing: a proxy in between may answer too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    /// Where this kind of problem is explained.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub(crate) kind: String,
    /// In a few words; evaluations name a code instead.
    #[serde(alias = "errorCode")]
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What exactly.
    #[serde(alias = "errorDetails")]
    pub(crate) detail: String,
    /// Everything wrong with what was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) violations: Vec<Violation>,
    /// Everything wrong with a policy's text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The revision that the thing has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<u64>,
    /// What to look for in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) incident: Option<String>,
    /// The oldest record that can be read, when what was asked for is in an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oldest: Option<u64>,
}

impl Problem {
    /// The problem in an answer's body; made up from the status when the body is something else.
    pub(crate) fn read(status: u16, reason: &str, body: &[u8]) -> Self {
        let told = serde_json::from_slice::<Self>(body).ok();
        let mut problem = told.unwrap_or_default();
        problem.status = status;
        if problem.title.is_empty() {
            problem.title = format!("{status} {reason}");
        }
        problem
    }

    /// Whether it is about who asks, or about nobody being there, rather than about what is asked.
    pub(crate) fn is_about_access(&self) -> bool {
        matches!(self.status, 401 | 403 | 502..=504)
    }

    /// Whether nobody is there to do what is asked at present.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.status, 429 | 502..=504)
    }

    /// Whether there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status == 404
    }

    /// What to try, where a person at a terminal knows more than the control plane.
    fn advice(&self) -> Option<&'static str> {
        (self.status == 401).then_some(
            "give a token with --token-file FILE or the variable TIDEGATE_TOKEN; the first start of 'tidegate serve' \
             writes one to data/admin-token",
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        // The detail repeats the lists for machines that show nothing else.
        if !self.detail.is_empty() && self.violations.is_empty() && self.diagnostics.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        for Violation {
            field,
            value,
            rule,
            fix,
        } in &self.violations
        {
            write!(f, "\n  {field}: {rule}")?;
            if !value.is_empty() {
                write!(f, "\n    given: {value}")?;
            }
            write!(f, "\n    fix:   {fix}")?;
        }
        for diagnostic in &self.diagnostics {
            write!(f, "\n  {diagnostic}")?;
        }
        match self.advice() {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(status: u16, body: &str, expected: &str) -> Problem {
        let problem = Problem::read(status, "Reason", body.as_bytes());
        assert_eq!(problem.to_string(), expected);
        problem
    }

    #[test]
    fn problems_say_what_where_why_and_how_to_fix_it() {
        let violation = json!({"field": "variations[1].key", "value": "on", "rule": "a key stands once", "fix": "rename one"});
        let body = json!({"type": "x", "title": "What the body says breaks rules", "status": 422,
            "detail": "a repetition", "violations": [violation]});
        check(
            422,
            &body.to_string(),
            "What the body says breaks rules\n  variations[1].key: a key stands once\n    given: on\n    fix:   rename one",
        );
        let diagnostic = json!({"severity": "error", "line": 3, "column": 5, "path": "schedule",
            "message": "has no stages", "hint": "add one"});
        let body = json!({"title": "The policy has mistakes", "diagnostics": [diagnostic]});
        check(
            422,
            &body.to_string(),
            "The policy has mistakes\n  3:5: error: schedule: has no stages; add one",
        );
        check(
            409,
            r#"{"title":"The state stands in the way","detail":"it has ended; start another"}"#,
            "The state stands in the way: it has ended; start another",
        );
    }

    #[test]
    fn answers_that_are_no_problem_documents_are_told_by_their_status() {
        check(502, "<html>bad gateway</html>", "502 Reason");
        check(404, "", "404 Reason");
        let evaluation = r#"{"key":"x","errorCode":"FLAG_NOT_FOUND","errorDetails":"there is no flag x"}"#;
        check(404, evaluation, "FLAG_NOT_FOUND: there is no flag x");
        let unauthenticated = check(
            401,
            r#"{"title":"A working token is needed"}"#,
            "A working token is needed\n  give a token with --token-file FILE or the variable TIDEGATE_TOKEN; \
             the first start of 'tidegate serve' writes one to data/admin-token",
        );
        assert!(unauthenticated.is_about_access());
        assert!(!check(409, "{}", "409 Reason").is_about_access());
    }
}
