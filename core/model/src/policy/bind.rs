//! Filling in what a policy leaves open.

use super::query::{BUILT_IN, Placeholder, Setting, Template, promql, refusal};
use super::{Argument, Policy, Rule, Score, Source};
use crate::invalid::{Invalid, Violation, nearest};
use crate::key::{EnvironmentKey, FlagKey, RuleName, VariationKey};
use crate::span::Span;
use std::collections::{BTreeMap, BTreeSet};

/// What the placeholders of a policy's queries stand for in one rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bindings {
    /// `{{environment}}`
    pub environment: EnvironmentKey,
    /// `{{flag}}`
    pub flag: FlagKey,
    /// `{{variation}}`: the candidate.
    pub variation: VariationKey,
    /// `{{baseline}}`: the safe variation.
    pub baseline: VariationKey,
    /// The policy's own arguments.
    pub arguments: BTreeMap<String, String>,
}

impl Policy {
    /// The same policy with every query rendered: what a rollout pins.
    ///
    /// # Errors
    /// Missing and unknown arguments, values that could leave the label they stand in, and queries
    /// that are no PromQL once filled in: all at once.
    pub fn bind(&self, bindings: &Bindings) -> Result<Self, Invalid> {
        let mut violations = self.argument_violations(&bindings.arguments);
        let values = self.values(bindings);
        let mut bound = self.clone();
        let own = own_rules(&self.safety.rules);
        for (index, rule) in bound.safety.rules.iter_mut().enumerate() {
            rule.shared = !own.contains(&rule.name);
            let minimum = rule.minimum.as_mut().and_then(|minimum| minimum.query.as_mut());
            let minimum = minimum.map(|query| ("minimum.query", query, rule.window));
            let queries = rule.source.queries_mut(rule.window).into_iter().chain(minimum);
            for (field, query, window) in queries {
                match render(query, &values, window) {
                    Ok(rendered) => *query = rendered,
                    Err(more) => {
                        let path = format!("safety.rules[{index}].{field}");
                        violations.extend(more.into_iter().map(|one| one.at_query(&path)));
                    }
                }
            }
        }
        let labels = bound.alerts.iter_mut().map(|rule| &mut rule.labels);
        let watchdog = bound.watchdog.iter_mut().map(|watchdog| &mut watchdog.labels);
        for labels in labels.chain(watchdog).chain([&mut bound.interlock]) {
            for wanted in labels.0.values_mut() {
                let filled = wanted.iter().map(|value| fill_in(value, &values)).collect();
                *wanted = filled;
            }
        }
        // An argument that stands in several queries is wrong once.
        violations.dedup();
        Invalid::unless_empty(violations, bound)
    }

    fn argument_violations(&self, given: &BTreeMap<String, String>) -> Vec<Violation> {
        let known = || self.arguments.keys().map(String::as_str);
        let names = known().collect::<Vec<_>>().join(", ");
        let unknown = given
            .iter()
            .filter(|(name, _)| !self.arguments.contains_key(*name));
        let unknown = unknown.map(|(name, value)| {
            let fix = match nearest(name, known()) {
                _ if names.is_empty() => "this policy takes no arguments".to_owned(),
                Some(near) => format!("did you mean '{near}'? known: {names}"),
                None => format!("known: {names}"),
            };
            Violation::new(
                argument_path(name),
                value,
                "the policy asks for no such argument",
                fix,
            )
        });
        let missing = self
            .arguments
            .iter()
            .filter(|(name, argument)| argument.default.is_none() && !given.contains_key(*name));
        let missing = missing.map(|(name, argument)| {
            Violation::new(
                argument_path(name),
                "",
                "the policy asks for this argument, and it has no default",
                format!(
                    "give it, for example {name}={}{}",
                    argument.example,
                    explained(argument)
                ),
            )
        });
        let mut violations: Vec<_> = unknown.chain(missing).collect();
        for (name, value) in given {
            if let Some(why) = refusal(value, Setting::Text) {
                violations.push(refused(name, value, why));
            }
        }
        violations
    }

    /// What every placeholder but `{{window}}` stands for. A missing argument is its example here:
    /// it has been reported, and the queries can still be checked.
    fn values<'v>(&'v self, bindings: &'v Bindings) -> BTreeMap<&'v str, &'v str> {
        let own = self.arguments.iter().map(|(name, argument)| {
            let given = bindings.arguments.get(name).or(argument.default.as_ref());
            (name.as_str(), given.unwrap_or(&argument.example).as_str())
        });
        let built_in = [
            ("environment", bindings.environment.as_str()),
            ("flag", bindings.flag.as_str()),
            ("variation", bindings.variation.as_str()),
            ("baseline", bindings.baseline.as_str()),
        ];
        own.chain(built_in).collect()
    }
}

impl Source {
    /// Its queries, where each stands in the file, and what `{{window}}` is in it.
    fn queries_mut(&mut self, window: Span) -> Vec<(&'static str, &mut String, Span)> {
        let sides = ["compare.candidate", "compare.baseline"];
        let counters = [
            ["compare.candidate.errors", "compare.candidate.requests"],
            ["compare.baseline.errors", "compare.baseline.requests"],
        ];
        let queries: Vec<_> = match self {
            Self::Events(_) | Self::Score(_) => Vec::new(),
            Self::Query(query) => vec![("query", query)],
            Self::Sides(both) => sides
                .into_iter()
                .zip([&mut both.candidate, &mut both.baseline])
                .collect(),
            Self::Ranks(both) => sides
                .into_iter()
                .zip([&mut both.candidate, &mut both.baseline])
                .collect(),
            Self::Sequential(both) => (counters.into_iter())
                .zip([&mut both.candidate, &mut both.baseline])
                .flat_map(|(fields, side)| fields.into_iter().zip([&mut side.errors, &mut side.requests]))
                .collect(),
            Self::Slo(slo) => {
                let ratios = slo.ratios_mut();
                return ratios
                    .map(|ratio| ("slo.errorRatio", &mut ratio.query, ratio.window))
                    .collect();
            }
        };
        (queries.into_iter())
            .map(|(field, query)| (field, query, window))
            .collect()
    }
}

impl Rule {
    /// Its queries, each with where it stands below the rule in the file.
    #[must_use]
    pub fn queries(&self) -> Vec<(&'static str, String)> {
        let mut source = self.source.clone();
        let own = source.queries_mut(self.window).into_iter();
        let own = own.map(|(field, query, _window)| (field, query.clone()));
        let minimum = self.minimum.as_ref().and_then(|minimum| minimum.query.clone());
        own.chain(minimum.map(|query| ("minimum.query", query))).collect()
    }
}

/// The rules whose numbers say whose they are: events are the candidate's, a comparison tells it from the
/// baseline, and of other rules the first query that names the flag or the variation is enough.
fn own_rules(rules: &[Rule]) -> BTreeSet<RuleName> {
    let names_it = |query: &str| match Template::parse(query) {
        Ok(template) => template
            .placeholders()
            .any(|one| ["flag", "variation"].contains(&one.name)),
        Err(_unclosed) => false,
    };
    let asks_of_it = |rule: &Rule| match &rule.source {
        Source::Events(_) | Source::Sides(_) | Source::Ranks(_) | Source::Sequential(_) => true,
        Source::Query(query) => names_it(query),
        Source::Slo(slo) => slo
            .clone()
            .ratios_mut()
            .into_iter()
            .any(|ratio| names_it(&ratio.query)),
        Source::Score(_) => false,
    };
    let mut own: BTreeSet<RuleName> = rules
        .iter()
        .filter(|rule| asks_of_it(rule))
        .map(|rule| rule.name.clone())
        .collect();
    let scores = rules.iter().filter_map(|rule| match &rule.source {
        Source::Score(score) => Some((rule, score)),
        _ => None,
    });
    let all_own = |score: &Score| score.of.iter().all(|part| own.contains(&part.rule));
    let of_own: Vec<RuleName> = scores
        .filter(|(_, score)| all_own(score))
        .map(|(rule, _)| rule.name.clone())
        .collect();
    own.extend(of_own);
    own
}

fn argument_path(name: &str) -> String {
    format!("arguments.{name}")
}

fn explained(argument: &Argument) -> String {
    match argument.description.as_str() {
        "" => String::new(),
        description => format!(" ({description})"),
    }
}

fn refused(name: &str, value: &str, why: &str) -> Violation {
    Violation::new(
        argument_path(name),
        value,
        why,
        "give a plain value, for example checkout",
    )
}

/// What is wrong when a query is filled in.
enum Wrong {
    /// With a value, wherever it stands.
    Value(Violation),
    /// With the query itself.
    Query { text: String, rule: String, fix: String },
}

impl Wrong {
    fn at_query(self, path: &str) -> Violation {
        match self {
            Self::Value(violation) => violation,
            Self::Query { text, rule, fix } => Violation::new(path, text, rule, fix),
        }
    }
}

/// A text with its placeholders filled in. What may not stand there was found where it was given.
fn fill_in(text: &str, values: &BTreeMap<&str, &str>) -> String {
    match Template::parse(text) {
        Ok(template) => template.render(|name| values.get(name).copied().unwrap_or_default()),
        Err(_unclosed) => text.to_owned(),
    }
}

fn render(query: &str, values: &BTreeMap<&str, &str>, window: Span) -> Result<String, Vec<Wrong>> {
    let wrong = |rule: &str, fix: &str| Wrong::Query {
        text: query.to_owned(),
        rule: rule.to_owned(),
        fix: fix.to_owned(),
    };
    let template = Template::parse(query)
        .map_err(|_| vec![wrong("'{{' without '}}'", "a placeholder is written {{name}}")])?;
    let window = window.promql();
    let value_of = |name: &str| match name {
        "window" => Some(window.as_str()),
        name => values.get(name).copied(),
    };
    let check = |one: Placeholder<'_>| match value_of(one.name) {
        None => Some(wrong(
            &format!("nothing is known to fill in for {{{{{}}}}}", one.name),
            &format!("known: {}, and the policy's arguments", BUILT_IN.join(", ")),
        )),
        Some(value) => refusal(value, one.setting).map(|why| Wrong::Value(refused(one.name, value, why))),
    };
    let violations: Vec<_> = template.placeholders().filter_map(check).collect();
    if !violations.is_empty() {
        return Err(violations);
    }
    let rendered = template.render(|name| value_of(name).unwrap_or_default());
    match promql::check(&rendered) {
        Ok(_) => Ok(rendered),
        Err(unusable) => Err(vec![Wrong::Query {
            text: rendered,
            rule: unusable.message,
            fix: unusable.hint.to_owned(),
        }]),
    }
}
