//! Everything that is wrong, gathered while reading goes on.

use super::yaml::Place;
use crate::policy::diagnostic::{Diagnostic, Severity};
use std::cell::{Cell, RefCell};

/// Most findings that are kept: nobody reads more, and a hostile text must not fill the memory.
const FINDINGS_MAX: usize = 100;

/// What has been found so far.
#[derive(Default)]
pub(super) struct Findings {
    kept: RefCell<Vec<Diagnostic>>,
    /// Errors beyond [`FINDINGS_MAX`].
    more: Cell<usize>,
}

impl Findings {
    /// Something that makes the policy unusable.
    pub(super) fn error(
        &self,
        place: Place,
        path: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Severity::Error, place, path, message.into(), hint.into());
    }

    /// Something that is probably not as meant.
    pub(super) fn warning(
        &self,
        place: Place,
        path: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Severity::Warning, place, path, message.into(), hint.into());
    }

    fn add(&self, severity: Severity, place: Place, path: &str, message: String, hint: String) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < FINDINGS_MAX {
            kept.push(Diagnostic {
                severity,
                line: place.line,
                column: place.column,
                path: path.to_owned(),
                message,
                hint,
            });
        } else if severity == Severity::Error {
            self.more.set(self.more.get() + 1);
        }
    }

    /// All of them in the order of the text.
    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut kept = self.kept.into_inner();
        kept.sort_by_key(|one| (one.line, one.column));
        if let (Some(last), more @ 1..) = (kept.last(), self.more.get()) {
            kept.push(Diagnostic {
                severity: Severity::Error,
                line: last.line,
                column: last.column,
                path: String::new(),
                message: format!("and {more} more errors"),
                hint: "mend those above first".to_owned(),
            });
        }
        kept
    }
}
