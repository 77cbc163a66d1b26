//! What a policy asks for when a rollout starts, and the queries that use it.

use super::cursor::{Cursor, shown, suggestion};
use super::keys;
use crate::policy::Argument;
use crate::policy::query::promql::{self, Series};
use crate::policy::query::{BUILT_IN, Placeholder, Setting, Template, refusal};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Stands in for the built-in placeholders, and for arguments without an example, while a query is
/// checked before any rollout.
const STAND_IN: &str = "example";
/// Stands in for `{{window}}`.
const STAND_IN_WINDOW: &str = "300s";

/// What a query is expected to ask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// A number of the candidate over the window.
    Candidate,
    /// A number of the candidate at one moment.
    CandidateNow,
    /// A number of the baseline over the window.
    Baseline,
    /// A number of the baseline at one moment.
    BaselineNow,
    /// Counters of the candidate, by a bare selector.
    CandidateCounters,
    /// Counters of the baseline, by a bare selector.
    BaselineCounters,
    /// A share of everything over a window that must be mentioned.
    Everything,
}

/// The declared arguments and which of them queries have used.
pub(super) struct Arguments<'a> {
    /// `None` for one that could not be read: still known by name.
    declared: BTreeMap<String, Option<Argument>>,
    places: Vec<(&'a str, Cursor<'a>)>,
    used: RefCell<BTreeSet<String>>,
    /// Whether the mapping as a whole could be read.
    whole: bool,
}

impl<'a> Arguments<'a> {
    pub(super) fn read(at: Option<&Cursor<'a>>) -> Self {
        let entries = at.map(Cursor::entries);
        let whole = !matches!(entries, Some(None));
        let places: Vec<(&str, Cursor<'_>)> = entries.flatten().unwrap_or_default();
        let declared = places
            .iter()
            .map(|(name, at)| ((*name).to_owned(), argument(name, at)));
        Self {
            declared: declared.collect(),
            used: RefCell::default(),
            whole,
            places,
        }
    }

    /// All of them; `None` if one could not be read.
    pub(super) fn declared(&self) -> Option<BTreeMap<String, Argument>> {
        let all = self
            .declared
            .iter()
            .map(|(name, argument)| Some((name.clone(), argument.clone()?)));
        all.collect::<Option<_>>().filter(|_| self.whole)
    }

    pub(super) fn report_unused(&self) {
        let used = self.used.borrow();
        // A placeholder that nobody knows may well be the one that is missed here.
        let is_known = |name: &String| self.declared.contains_key(name) || BUILT_IN.contains(&name.as_str());
        if !used.iter().all(is_known) {
            return;
        }
        for (name, at) in &self.places {
            let readable = self.declared.get(*name).is_some_and(Option::is_some);
            if readable && !used.contains(*name) {
                at.warning(
                    "nothing uses this argument",
                    format!("write {{{{{name}}}}} in a query, or remove it"),
                );
            }
        }
    }

    /// The text of a query, checked as far as that is possible without its arguments.
    pub(super) fn query(&self, at: &Cursor<'_>, asks: Asks) -> Option<String> {
        let text = at.text()?;
        let template = Template::parse(text)
            .map_err(|unclosed| {
                at.error_within(
                    unclosed.offset,
                    "'{{' without '}}'",
                    "a placeholder is written {{name}}",
                );
            })
            .ok()?;
        let placeholders: Vec<_> = template.placeholders().collect();
        let known: Vec<_> = placeholders.iter().map(|one| self.placeholder(at, one)).collect();
        if known.contains(&false) {
            return None;
        }
        let rendered = template.render(|name| self.stand_in(name));
        let checked = match asks {
            Asks::CandidateCounters | Asks::BaselineCounters => {
                promql::check_selector(&rendered).map(|()| Series::One)
            }
            _ => promql::check(&rendered),
        };
        let series = checked
            .map_err(|unusable| match unusable.offset {
                // Offsets are those of the text only while nothing was filled in before them.
                Some(offset) if placeholders.iter().all(|one| one.offset > offset) => {
                    at.error_within(offset, unusable.message, unusable.hint);
                }
                _ => at.error(unusable.message, unusable.hint),
            })
            .ok()?;
        warn(at, &placeholders, series, asks);
        Some(text.to_owned())
    }

    /// A text in which placeholders are filled in, each as a part of one value.
    pub(super) fn text(&self, at: &Cursor<'_>) -> Option<String> {
        let text = at.text()?;
        let template = Template::parse(text)
            .map_err(|unclosed| {
                at.error_within(
                    unclosed.offset,
                    "'{{' without '}}'",
                    "a placeholder is written {{name}}",
                );
            })
            .ok()?;
        let known: Vec<_> = template
            .placeholders()
            .map(|one| {
                if one.name == "window" {
                    at.error_within(
                        one.offset,
                        "only rules have a window",
                        "choose another placeholder",
                    );
                    return false;
                }
                let setting = Setting::Text;
                self.placeholder(at, &Placeholder { setting, ..one })
            })
            .collect();
        (!known.contains(&false)).then(|| text.to_owned())
    }

    /// Whether a placeholder can be filled in.
    fn placeholder(&self, at: &Cursor<'_>, one: &Placeholder<'_>) -> bool {
        let Placeholder {
            name,
            offset,
            setting,
        } = *one;
        self.used.borrow_mut().insert(name.to_owned());
        if let Some(argument) = self.declared.get(name) {
            let values = argument
                .iter()
                .flat_map(|one| one.default.iter().chain([&one.example]));
            let mut refused = values.filter_map(|value| Some((value, refusal(value, setting)?)));
            let Some((value, why)) = refused.next() else {
                return true;
            };
            at.error_within(
                offset,
                format!("{{{{{name}}}}} cannot be {} here: {why}", shown(value)),
                "put quotes around the placeholder, or give the argument another example",
            );
            return false;
        }
        if !BUILT_IN.contains(&name) {
            let known = BUILT_IN
                .into_iter()
                .chain(self.declared.keys().map(String::as_str));
            at.error_within(
                offset,
                format!(
                    "{{{{{}}}}} is neither built in nor an argument of this policy",
                    shown_name(name)
                ),
                suggestion(name, known),
            );
            return false;
        }
        if name != "window" && setting == Setting::Bare {
            at.error_within(
                offset,
                format!("{{{{{name}}}}} stands outside quotes"),
                format!("names belong into label values: variation=\"{{{{{name}}}}}\""),
            );
            return false;
        }
        true
    }

    fn stand_in(&self, name: &str) -> &str {
        match self.declared.get(name) {
            Some(Some(argument)) => &argument.example,
            _ if name == "window" => STAND_IN_WINDOW,
            _ => STAND_IN,
        }
    }
}

fn shown_name(name: &str) -> String {
    shown(name).trim_matches('\'').to_owned()
}

/// Says what a query probably should not do.
fn warn(at: &Cursor<'_>, placeholders: &[Placeholder<'_>], series: Series, asks: Asks) {
    let mentions = |name: &str| placeholders.iter().any(|one| one.name == name);
    if series == Series::Several {
        at.warning(
            "the query can yield several series, which is 'many_series' and never healthy",
            "put sum(...), max(...) or avg(...) without 'by' around it",
        );
    }
    let over_a_window = matches!(asks, Asks::Candidate | Asks::Baseline | Asks::Everything);
    if over_a_window && !mentions("window") {
        at.warning(
            "the query does not mention {{window}}",
            "write it as the range, for example rate(http_requests_total[{{window}}])",
        );
    }
    match asks {
        Asks::Everything => {}
        Asks::Candidate | Asks::CandidateNow | Asks::CandidateCounters => {
            if !mentions("flag") && !mentions("variation") {
                at.warning(
                    "the query mentions neither {{flag}} nor {{variation}}, so it measures more than the candidate",
                    "select the candidate's series, for example variation=\"{{variation}}\"",
                );
            }
        }
        Asks::Baseline | Asks::BaselineNow | Asks::BaselineCounters => {
            if !mentions("baseline") {
                at.warning(
                    "the query does not mention {{baseline}}, so it measures something else than the baseline",
                    "select the baseline's series, for example variation=\"{{baseline}}\"",
                );
            }
        }
    }
}

fn argument(name: &str, at: &Cursor<'_>) -> Option<Argument> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_word = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let is_free = !BUILT_IN.contains(&name);
    if !is_free {
        at.error(
            format!("{} is built in", shown(name)),
            format!("choose another name; built in: {}", BUILT_IN.join(", ")),
        );
        return None;
    }
    if !(starts_well && is_word && name.len() <= 64) {
        at.error(
            format!("{} is no name for an argument", shown(name)),
            "a letter, then letters, digits, '_' or '-', at most 64",
        );
    }
    let written = at.mapping(&keys::ARGUMENT)?;
    let text = |at: &Cursor<'_>| at.text().map(str::to_owned);
    let value = |at: &Cursor<'_>| {
        let value = at.text()?;
        if let Some(why) = refusal(value, Setting::Text) {
            at.error(
                format!("{} is refused: {why}", shown(value)),
                "values stand inside quotes in queries",
            );
            return None;
        }
        Some(Some(value.to_owned()))
    };
    let description = written.or("description", String::new(), text);
    let default = written.or("default", None, value);
    let example = written.or("example", None, value);
    let default = default?;
    Some(Argument {
        description: description?,
        example: example?
            .or_else(|| default.clone())
            .unwrap_or_else(|| STAND_IN.to_owned()),
        default,
    })
}
