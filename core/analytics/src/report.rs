//! Reports of a result: Markdown for a ticket, one page of HTML with drawings, JSON by serde.
//!
//! A report is made of its inputs alone: the same inputs give the same bytes, and it names their digest.

mod besides;
mod content;
mod drawing;
mod html;
mod markdown;
mod measured;
mod plain;
mod planned;
mod text;

use crate::decision::Decision;
use crate::foreign::Beside;
use crate::plan::Plan;
use crate::result::ExperimentResult;
use serde::Serialize;
use tidegate_model::experiment::Design;

/// What a report is made of.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// The experiment as it was designed.
    pub design: &'a Design,
    /// What it says.
    pub result: &'a ExperimentResult,
    /// What is proposed.
    pub decision: &'a Decision,
    /// What was planned, if that is to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<&'a Plan>,
    /// The digest of what the result was made of, as text.
    pub inputs: &'a str,
    /// The version of what made it, as text.
    pub version: &'a str,
}

/// What is to be said besides of data that never went through Tidegate.
#[derive(Debug, Clone, Copy)]
pub struct Besides<'a> {
    /// What was guessed or changed on the way, a sentence each.
    pub notes: &'a [String],
    /// Rates, and comparisons within strata.
    pub beside: &'a Beside,
}

impl Report<'_> {
    /// As Markdown. Whatever people wrote is text in it, never markup.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::write(&content::of(self, None))
    }

    /// As one page of HTML: no scripts, nothing from elsewhere, and whatever people wrote is text.
    #[must_use]
    pub fn html(&self) -> String {
        html::write(&content::title(self), &content::of(self, None))
    }

    /// As [`Self::markdown`], with what is to be said besides.
    #[must_use]
    pub fn markdown_with(&self, besides: &Besides<'_>) -> String {
        markdown::write(&content::of(self, Some(besides)))
    }

    /// As [`Self::html`], with what is to be said besides.
    #[must_use]
    pub fn html_with(&self, besides: &Besides<'_>) -> String {
        html::write(&content::title(self), &content::of(self, Some(besides)))
    }

    /// What decides and what is to be said besides, as aligned text for a terminal.
    #[must_use]
    pub fn text_with(&self, besides: &Besides<'_>) -> String {
        plain::write(&content::brief(self, besides))
    }
}
