//! Policies in a few words, for tests.
//!
//! ```text
//! stage canary 1 for 10m healthy errors 5m
//! stage half 50 for 10m approval approver expires 8h
//! stage most 80 for 10m gate change 30m passes 1h
//! stage all 100 for 1h no-return
//! between 5m
//! monitor 1d
//! allow "0 9 * * Mon-Thu" for 8h Europe/Paris
//! rule errors > 0.02 clear 0.01 window 1m every 10s trip 2/3 rollback no_series=healthy minimum 100
//! rule latency > 0.5 dry pause
//! rule both < 0.5 clear 0.75 of errors+latency rollback
//! blind 5m retreat
//! alert service=shop severity=page,critical do rollback
//! watchdog 1m
//! after payments
//! with worker
//! not-with search
//! interlock service=shop
//! quorum 95 requests
//! edits refuse
//! exposure 1000 minutes 500 units 200 retreat
//! rule mine > 0.5 own rollback
//! ```

use std::collections::BTreeMap;
use std::str::{FromStr, SplitWhitespace};
use tidegate_model::alert::{AlertRule, Labels, Watchdog};
use tidegate_model::gate::Gate;
use tidegate_model::key::{PolicyName, RuleName, StageName};
use tidegate_model::policy::{
    Action, Approval, Blind, BlindAction, Comparison, Dependencies, Exposure, FlagEdits, Minimum, Policy,
    Rollback, RollbackTarget, Rule, Safety, Schedule, Score, ScorePart, Source, Stage, SuccessCriterion,
    Trip, UnknownMeans, UnknownPolicy, Wave, Window, WindowEffect,
};
use tidegate_model::share::Share;
use tidegate_model::span::Span;
use tidegate_model::verdict::UnknownReason;

/// Reads a policy, or panics with the line that is none.
pub(crate) fn policy(text: &str) -> Policy {
    let mut policy = empty();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let mut words = Words {
            words: line.split_whitespace(),
            line,
        };
        match words.word().as_str() {
            "stage" => policy.schedule.stages.push(stage(&mut words)),
            "monitor" => policy.schedule.monitor_after = words.read(),
            "between" => policy.schedule.pause_between_stages = words.read(),
            "allow" => policy.schedule.windows.push(window(WindowEffect::Allow, line)),
            "deny" => policy.schedule.windows.push(window(WindowEffect::Deny, line)),
            "rule" => policy.safety.rules.push(rule(&mut words)),
            "blind" => {
                policy.blind.after = words.read();
                policy.blind.action = words.named();
            }
            "alert" => policy.alerts.push(alert_rule(&mut words)),
            "watchdog" => {
                policy.watchdog = Some(Watchdog {
                    labels: labels("alertname=Watchdog"),
                    every: words.read(),
                });
            }
            "after" => drop(policy.dependencies.after.insert(words.read())),
            "with" => drop(policy.dependencies.with.insert(words.read())),
            "not-with" => drop(policy.dependencies.not_with.insert(words.read())),
            "exposure" => policy.exposure = Some(exposure(&mut words)),
            "edits" => policy.flag_edits = words.named(),
            "quorum" => {
                policy.schedule.quorum.share = Share::of_percent(words.read()).unwrap();
                policy.schedule.quorum.by = words.named();
            }
            "interlock" => policy.interlock = labels(&words.word()),
            "cooldown" => policy.rollback.cooldown = words.read(),
            "attempts" => policy.rollback.attempts = Some(words.read()),
            other => panic!("{other}? in {line:?}"),
        }
    }
    policy
}

fn empty() -> Policy {
    Policy {
        name: PolicyName::new("tested").unwrap(),
        description: String::new(),
        arguments: BTreeMap::new(),
        schedule: Schedule::default(),
        safety: Safety {
            interval: Span::seconds(10),
            false_rollback_budget: 0.01,
            rules: Vec::new(),
        },
        blind: Blind {
            after: Span::seconds(300),
            action: BlindAction::Hold,
        },
        rollback: Rollback {
            to: RollbackTarget::Safe,
            cooldown: Span::ZERO,
            attempts: None,
        },
        alerts: Vec::new(),
        watchdog: None,
        notify: Vec::new(),
        traffic: None,
        dependencies: Dependencies::default(),
        interlock: Labels::default(),
        flag_edits: FlagEdits::default(),
        exposure: None,
    }
}

/// `1000 minutes 500 units 200 retreat`
fn exposure(words: &mut Words<'_>) -> Exposure {
    let mut exposure = Exposure {
        audience: words.read(),
        user_minutes: None,
        units: None,
        action: Action::Pause,
    };
    while let Some(word) = words.words.next() {
        match word {
            "minutes" => exposure.user_minutes = Some(words.read()),
            "units" => exposure.units = Some(words.read()),
            action => exposure.action = named(action),
        }
    }
    exposure
}

/// `severity=page,critical service=shop do rollback`
fn alert_rule(words: &mut Words<'_>) -> AlertRule {
    let mut rule = AlertRule::addressed();
    while let Some(word) = words.words.next() {
        if word == "do" {
            rule.action = words.named();
        } else {
            rule.labels.0.extend(labels(word).0);
        }
    }
    rule
}

fn labels(text: &str) -> Labels {
    let (name, values) = text.split_once('=').unwrap();
    let values = values.split(',').map(str::to_owned).collect();
    Labels(BTreeMap::from([(name.to_owned(), values)]))
}

struct Words<'a> {
    words: SplitWhitespace<'a>,
    line: &'a str,
}

impl Words<'_> {
    fn word(&mut self) -> String {
        let word = self.words.next();
        word.unwrap_or_else(|| panic!("something is missing in {:?}", self.line))
            .to_owned()
    }

    fn read<T: FromStr<Err: std::fmt::Debug>>(&mut self) -> T {
        let word = self.word();
        word.parse()
            .unwrap_or_else(|error| panic!("{word}: {error:?} in {:?}", self.line))
    }

    fn named<T: serde::de::DeserializeOwned>(&mut self) -> T {
        named(&self.word())
    }
}

/// A value by its name in the written form.
pub(crate) fn named<T: serde::de::DeserializeOwned>(word: &str) -> T {
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
        .unwrap_or_else(|error| panic!("{word}: {error}"))
}

fn stage(words: &mut Words<'_>) -> Stage {
    let mut stage = Stage {
        name: words.read::<StageName>(),
        percentage: Share::of_percent(words.read()).unwrap(),
        wave: None,
        duration: Span::ZERO,
        wait_for_approval: None,
        success_criteria: Vec::new(),
        gates: Vec::new(),
        point_of_no_return: false,
    };
    while let Some(word) = words.words.next() {
        match (word, &mut stage.wait_for_approval) {
            ("for", _) => stage.duration = words.read(),
            ("healthy", _) => stage.success_criteria.push(SuccessCriterion {
                rule: words.read(),
                healthy_for: words.read(),
            }),
            ("approval", asked) => {
                *asked = Some(Approval {
                    roles: [words.read()].into(),
                    expires: None,
                });
            }
            ("expires", Some(asked)) => asked.expires = Some(words.read()),
            ("wave", _) => {
                stage.wave = Some(Wave {
                    segment: words.read(),
                    share: Share::of_percent(words.read()).unwrap(),
                });
            }
            ("no-return", _) => stage.point_of_no_return = true,
            ("gate", _) => stage.gates.push(Gate {
                target: words.read(),
                deadline: words.read(),
                every: Span::seconds(20),
                expires: None,
            }),
            ("passes", _) => stage.gates.last_mut().unwrap().expires = Some(words.read()),
            _ => panic!("{word}? in {:?}", words.line),
        }
    }
    stage
}

fn window(effect: WindowEffect, line: &str) -> Window {
    let parts: Vec<&str> = line.split('"').collect();
    let mut rest = parts[2].split_whitespace().skip(1);
    Window {
        effect,
        cron: parts[1].to_owned(),
        length: rest.next().unwrap().parse().unwrap(),
        timezone: rest.next().unwrap().to_owned(),
        reason: rest.collect::<Vec<_>>().join(" "),
    }
}

fn rule(words: &mut Words<'_>) -> Rule {
    let name = words.read::<RuleName>();
    let comparison = match words.word().as_str() {
        ">" => Comparison::GreaterThan,
        "<" => Comparison::LessThan,
        _ => Comparison::Equals,
    };
    let threshold = words.read();
    let mut rule = Rule {
        source: Source::Query(name.to_string()),
        name,
        window: Span::seconds(60),
        interval: Span::seconds(10),
        comparison,
        threshold,
        clear: threshold,
        trip: Trip { of: 1, need: 1 },
        minimum: None,
        unknown: UnknownPolicy {
            default: UnknownMeans::Hold,
            by_reason: BTreeMap::new(),
        },
        action: Action::Rollback,
        dry_run: false,
        shared: false,
    };
    while let Some(word) = words.words.next() {
        match word {
            "window" => rule.window = words.read(),
            "dry" => rule.dry_run = true,
            "own" => rule.source = Source::Query(format!("{}{{flag=\"{{{{flag}}}}\"}}", rule.name)),
            "of" => {
                let names = words.word();
                let of = names.split('+').map(|name| ScorePart {
                    rule: RuleName::new(name).unwrap(),
                    weight: 1.0,
                });
                rule.source = Source::Score(Score { of: of.collect() });
            }
            "every" => rule.interval = words.read(),
            "clear" => rule.clear = words.read(),
            "minimum" => {
                rule.minimum = Some(Minimum {
                    query: None,
                    at_least: words.read(),
                });
            }
            "trip" => {
                let word = words.word();
                let (need, of) = word.split_once('/').unwrap();
                rule.trip = Trip {
                    need: need.parse().unwrap(),
                    of: of.parse().unwrap(),
                };
            }
            word => match word.split_once('=') {
                Some(("unknown", means)) => rule.unknown.default = named(means),
                Some((reason, means)) => {
                    rule.unknown
                        .by_reason
                        .insert(named::<UnknownReason>(reason), named(means));
                }
                None => rule.action = named(word),
            },
        }
    }
    rule
}
