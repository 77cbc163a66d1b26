//! Policy text in, policy and everything wrong with it out.
//!
//! The text becomes a tree with places (`yaml`), and a cursor walks it by hand: a derived
//! deserialiser would stop at the first mistake and know neither lines nor likely meanings.

use super::diagnostic::{Diagnostic, Severity};
use super::{Blind, Dependencies, FlagEdits, Policy, Rollback, RollbackTarget, Rule, Safety, Source, Stage};
use crate::alert::Labels;
use crate::key::PolicyName;
use crate::span::Span;
use arguments::Arguments;
use cursor::{Cursor, Mapping, shown};
use findings::Findings;

mod alerts;
mod arguments;
mod cron;
mod cursor;
mod dependencies;
mod document;
mod exposure;
mod findings;
mod freeze;
mod gate;
pub mod keys;
mod locate;
mod notify;
mod rule;
mod schedule;
mod settle;
mod stage;
mod targets;
mod traffic;
mod window;
mod yaml;

pub use document::document;

pub use locate::locate;
pub use targets::targets;

/// What `apiVersion` says in the files that are read here.
const API_VERSION: &str = "tidegate/v1";
/// What `kind` says.
const KIND: &str = "RolloutPolicy";
/// Most rules and most stages. Each rule is a query every few seconds.
const LIST_MAX: usize = 100;

/// How often rules are looked at unless the policy says otherwise.
pub const DEFAULT_INTERVAL: Span = Span::seconds(10);
/// How far back rules look unless they say otherwise.
pub const DEFAULT_WINDOW: Span = Span::seconds(300);
/// How long blindness is borne unless the policy says otherwise.
pub const DEFAULT_BLIND_AFTER: Span = Span::seconds(300);

/// The chance of a false rollback that all sequential rules of a policy share, unless it says otherwise.
pub const DEFAULT_FALSE_ROLLBACK_BUDGET: f64 = 0.01;

/// Reads a policy from YAML. There is a policy exactly if no diagnostic is an error.
pub fn read(text: &str) -> (Option<Policy>, Vec<Diagnostic>) {
    let findings = Findings::default();
    let root = yaml::load(text, &findings);
    let policy = root.and_then(|root| policy(&Cursor::root(&root, text, &findings)));
    let diagnostics = findings.into_diagnostics();
    let usable = diagnostics.iter().all(|one| one.severity != Severity::Error);
    (policy.filter(|_| usable), diagnostics)
}

/// Reads the stages of a `schedule` for a rollout that is under way, whose rules are called `rules`.
pub fn stages_ahead(text: &str, rules: &[&str]) -> (Option<Vec<Stage>>, Vec<Diagnostic>) {
    let findings = Findings::default();
    let root = yaml::load(text, &findings);
    let stages = root.and_then(|root| schedule::ahead(&Cursor::root(&root, text, &findings), rules));
    let diagnostics = findings.into_diagnostics();
    let usable = diagnostics.iter().all(|one| one.severity != Severity::Error);
    (stages.filter(|_| usable), diagnostics)
}

fn policy(root: &Cursor<'_>) -> Option<Policy> {
    let top = root.mapping(&keys::POLICY)?;
    expect_word(&top, "apiVersion", API_VERSION);
    expect_word(&top, "kind", KIND);
    let name = top.get("name").and_then(Cursor::name::<PolicyName>);
    let description = top.or("description", String::new(), |at| at.text().map(str::to_owned));

    let arguments = Arguments::read(top.get("arguments"));
    let safety_at = top.get("safety");
    let safety = safety_at.and_then(|at| safety(at, &arguments));
    let alerts = alerts::rules(top.get("alerts"), &arguments);
    let watchdog = top.or("watchdog", None, |at| alerts::watchdog(at, &arguments).map(Some));
    let notify = top.or("notify", Vec::new(), notify::read);
    let dependencies = top.or("dependencies", Dependencies::default(), dependencies::read);
    let interlock = top.or("interlock", Labels::default(), |at| {
        alerts::shared(at, &arguments)
    });
    let flag_edits = top.or("flagEdits", FlagEdits::default(), |at| at.word(keys::FLAG_EDITS));
    arguments.report_unused();

    let rule_names = safety_at.and_then(rule::names);
    let schedule = schedule::read(top.get("schedule"), rule_names.as_deref());
    let rules = safety.as_ref().map(|safety| safety.rules.as_slice());
    if let (Some(at), Some(schedule), Some(rules)) = (top.get("schedule"), &schedule, rules) {
        settle::criteria(at, schedule, rules);
    }
    let traffic = top.or("traffic", None, |at| {
        traffic::read(at, rule_names.as_deref()).map(Some)
    });
    let stages = schedule.as_ref().map(|schedule| schedule.stages.as_slice());
    let exposure = top.or("exposure", None, |at| exposure::read(at, stages).map(Some));
    let blind = blind(top.get("blind"), rules);
    let rollback = rollback(top.get("rollback"), rules);
    Some(Policy {
        name: name?,
        description: description?,
        arguments: arguments.declared()?,
        schedule: schedule?,
        safety: safety?,
        blind: blind?,
        rollback: rollback?,
        alerts: alerts?,
        watchdog: watchdog?,
        notify: notify?,
        traffic: traffic?,
        dependencies: dependencies?,
        interlock: interlock?,
        flag_edits: flag_edits?,
        exposure: exposure?,
    })
}

fn expect_word(top: &Mapping<'_>, key: &str, expected: &str) {
    let Some(at) = top.get(key) else {
        return;
    };
    if let Some(found) = at.text().filter(|found| *found != expected) {
        at.error(
            format!("{} is not read here", shown(found)),
            format!("write '{key}: {expected}'"),
        );
    }
}

fn safety(at: &Cursor<'_>, arguments: &Arguments<'_>) -> Option<Safety> {
    let safety = at.mapping(&keys::SAFETY)?;
    let interval = safety.or("interval", DEFAULT_INTERVAL, rule::interval);
    let budget = safety.or(
        "falseRollbackBudget",
        DEFAULT_FALSE_ROLLBACK_BUDGET,
        rule::false_rollback_budget,
    );
    let rules_at = safety.get("rules")?;
    let items = rules_at.list()?;
    if items.is_empty() {
        rules_at.error(
            "there is no rule, so nothing could ever be healthy",
            "add one with a name, a query and a threshold",
        );
    }
    if items.len() > LIST_MAX {
        rules_at.error(format!("{} rules; at most {LIST_MAX} are read", items.len()), "");
        return None;
    }
    unique_names(&items, "rule");
    // An interval that could not be read must not hide what is wrong with the rules.
    let general = interval.unwrap_or(DEFAULT_INTERVAL);
    // A score weighs rules that look at something themselves.
    let looking: Vec<_> = items
        .iter()
        .filter(|item| item.child_of("score").is_none())
        .filter_map(|item| Some(rule::peek_name(item)?.0))
        .collect();
    let rules: Vec<_> = items
        .iter()
        .map(|item| rule::read(item, general, arguments, &looking))
        .collect();
    let mut rules: Vec<Rule> = rules.into_iter().collect::<Option<_>>()?;
    let budget = budget?;
    settle::scores(&mut rules);
    settle::spend(&mut rules, budget);
    settle::check(rules_at, &rules);
    if let Some(at) = safety.get("falseRollbackBudget")
        && !rules
            .iter()
            .any(|rule| matches!(rule.source, Source::Sequential(_)))
    {
        at.warning(
            "no rule is sequential, so nothing holds this budget",
            "add a rule that compares by 'method: sequential', or leave it out",
        );
    }
    Some(Safety {
        interval: interval?,
        false_rollback_budget: budget,
        rules,
    })
}

/// Reports items of a list that bear a name which an earlier one has.
fn unique_names(items: &[Cursor<'_>], noun: &str) {
    let mut seen: Vec<(&str, Cursor<'_>)> = Vec::new();
    for item in items {
        let Some((name, at)) = rule::peek_name(item) else {
            continue;
        };
        match seen.iter().find(|(known, _)| *known == name) {
            Some((_, first)) => at.error(
                format!(
                    "another {noun} is called {}, on line {}",
                    shown(name),
                    first.place().line
                ),
                "give each a name of its own",
            ),
            None => seen.push((name, at)),
        }
    }
}

fn blind(at: Option<&Cursor<'_>>, rules: Option<&[Rule]>) -> Option<Blind> {
    let slowest = rules.and_then(|rules| rules.iter().map(|rule| rule.interval).max());
    let default = Blind {
        after: DEFAULT_BLIND_AFTER.max(slowest.unwrap_or_default()),
        action: super::BlindAction::Retreat,
    };
    let Some(at) = at else {
        return Some(default);
    };
    let blind = at.mapping(&keys::BLIND)?;
    let after = blind.or("after", default.after, |at| {
        let after = at.span()?;
        if let Some(slowest) = slowest.filter(|slowest| after < *slowest) {
            at.error(
                format!("{after} is shorter than the interval of a rule ({slowest}): it would count as blind between two looks"),
                format!("write at least {slowest}; some intervals more survive a lost look"),
            );
            return None;
        }
        Some(after)
    });
    let action = blind.or("do", default.action, |at| at.word(keys::BLIND_ACTIONS));
    Some(Blind {
        after: after?,
        action: action?,
    })
}

fn rollback(at: Option<&Cursor<'_>>, rules: Option<&[Rule]>) -> Option<Rollback> {
    let longest = rules.and_then(|rules| rules.iter().map(|rule| rule.window).max());
    let default = Rollback {
        to: RollbackTarget::Safe,
        cooldown: longest.unwrap_or_default(),
        attempts: None,
    };
    let Some(at) = at else {
        return Some(default);
    };
    let rollback = at.mapping(&keys::ROLLBACK)?;
    let to = rollback.or("to", default.to, target);
    let cooldown = rollback.or("cooldown", default.cooldown, |at| {
        let cooldown = at.span()?;
        if let Some(longest) = longest.filter(|longest| cooldown < *longest) {
            at.error(
                format!("{cooldown} is shorter than the longest window of the rules ({longest}): a new attempt would be judged by the numbers of the old one"),
                format!("write at least {longest}, or leave it out"),
            );
            return None;
        }
        Some(cooldown)
    });
    let attempts = rollback.or("attempts", None, |at| match at.peek() {
        Some("unlimited") => Some(None),
        _ => at.count(u32::MAX).map(Some),
    });
    Some(Rollback {
        to: to?,
        cooldown: cooldown?,
        attempts: attempts?,
    })
}

fn target(at: &Cursor<'_>) -> Option<RollbackTarget> {
    if at.is_mapping() {
        let variation = at.mapping(&keys::TARGET)?;
        return variation.get("variation")?.name().map(RollbackTarget::Variation);
    }
    match at.text()? {
        "safe" => Some(RollbackTarget::Safe),
        other => {
            at.error(
                format!("{} is not known here", shown(other)),
                "write 'safe', or '{ variation: <key> }' for a variation of the flag",
            );
            None
        }
    }
}
