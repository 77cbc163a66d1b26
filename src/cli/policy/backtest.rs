//! `tidegate policy backtest`: what a policy would have done with the numbers of the past.

use super::lint;
use crate::cli::failure::Failure;
use crate::cli::screen::{Screen, Tone, cell, moment, number, toned};
use crate::cli::target::Target;
use crate::cli::{instant, named};
use clap::Args;
use degradation::Degraded;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use tidegate_actors::prometheus::PrometheusSource;
use tidegate_model::Timestamp;
use tidegate_model::key::{FlagKey, RuleName, VariationKey};
use tidegate_model::policy::{Policy, Rule, Source};
use tidegate_model::span::Span;
use tidegate_simulate::backtest::{Attempt, Backtest as Trial, Incident, Report};
use tidegate_simulate::history::{Degradation, History};
use tidegate_simulate::setting::Setting;

mod degradation;
mod fetch;

/// Most rollouts that one call tries.
const ATTEMPTS_MAX: u128 = 10_000;

#[derive(Debug, Args)]
pub(super) struct Backtest {
    /// The policy file, or `-` for standard input
    file: PathBuf,
    /// The Prometheus with the history
    #[arg(long, value_name = "URL", env = "TIDEGATE_PROMETHEUS")]
    prometheus: String,
    /// A bearer token for it
    #[arg(long, value_name = "FILE")]
    prometheus_bearer_file: Option<PathBuf>,
    /// When the first rollout starts
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Timestamp,
    /// When history ends
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Timestamp,
    /// Start another rollout so long after each; without it there is one
    #[arg(long, value_name = "SPAN", value_parser = named::<Span>)]
    every: Option<Span>,
    /// What `{{flag}}` stands for
    #[arg(long, default_value = "checkout", value_parser = named::<FlagKey>)]
    flag: FlagKey,
    /// What `{{variation}}` stands for [default: on]
    #[arg(long, value_parser = named::<VariationKey>)]
    candidate: Option<VariationKey>,
    /// What the policy asks for
    #[arg(long = "argument", short, value_name = "NAME=VALUE", value_parser = crate::cli::pair)]
    arguments: Vec<(String, String)>,
    /// A degradation put on top of history: `rule=errors at=TIME value=0.3`, or `factor=10`, and `for=30m`
    #[arg(long, value_name = "WORDS", value_parser = named::<Degraded>)]
    inject: Vec<Degraded>,
    /// An incident that is known to be in history, as FROM/TO: noticing it is no false alarm
    #[arg(long, value_name = "FROM/TO", value_parser = degradation::incident)]
    incident: Vec<Incident>,
    /// Take this rule as healthy, because Prometheus has no record of it
    #[arg(long, value_name = "RULE", value_parser = named::<RuleName>)]
    assume_healthy: Vec<RuleName>,
}

pub(super) async fn run(target: &Target, screen: Screen, args: &Backtest) -> Result<(), Failure> {
    let policy = lint::one(screen, &args.file)?;
    check(&policy, args)?;
    let setting = Setting::with(
        &policy,
        target.environment.clone(),
        args.flag.clone(),
        args.candidate.clone(),
        args.arguments.iter().cloned().collect(),
    );
    let setting = setting.map_err(|fault| Failure::input(&policy.name, fault, "change the policy"))?;
    let plan = setting.plan(&policy);
    let plan =
        plan.map_err(|invalid| Failure::input(&policy.name, invalid, "give it with --argument NAME=VALUE"))?;
    let bearer = match &args.prometheus_bearer_file {
        Some(file) => Some(crate::cli::read_text(file)?.trim().to_owned()),
        None => None,
    };
    let source = PrometheusSource::new(&args.prometheus, bearer.as_deref())
        .map_err(|error| Failure::input("--prometheus", error, "give its address"))?;
    let assumed: BTreeSet<RuleName> = args.assume_healthy.iter().cloned().collect();
    let questions = fetch::questions(&plan, &assumed, args.from, args.to)?;
    let bar = bar(fetch::queries(&questions), "asking Prometheus");
    let recorded = fetch::fetch(&source, &questions, &bar).await;
    bar.finish_and_clear();
    let history = History {
        recorded: recorded?,
        injections: args.inject.iter().map(|degraded| degraded.0.clone()).collect(),
        assumed,
    };
    let injected = args.inject.iter().map(Degraded::incident);
    let incidents: Vec<Incident> = args.incident.iter().cloned().chain(injected).collect();
    let trial = Trial {
        policy: &policy,
        setting: &setting,
        from: args.from,
        to: args.to,
        every: args.every,
        incidents: &incidents,
    };
    let bar = self::bar(trial.starts().len(), "replaying");
    let report = trial.run(&history, || bar.inc(1));
    bar.finish_and_clear();
    let report = report.map_err(|fault| Failure::process("the replay stopped", fault))?;
    let answer = json!({
        "policy": policy.name,
        "from": args.from,
        "to": args.to,
        "assumedHealthy": history.assumed,
        "incidents": incidents,
        "report": report,
    });
    screen.show(&answer, || Ok(shown(screen, args, &incidents, &report)))?;
    match (report.false_alarms, report.missed) {
        (0, 0) => Ok(()),
        (false_alarms, missed) => Err(Failure::Failed {
            what: format!(
                "{}: {false_alarms} false alarms, {missed} incidents missed",
                policy.name
            ),
        }),
    }
}

/// A bar on standard error, if that is a terminal.
fn bar(length: usize, doing: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(doing);
    bar
}

/// Refuses what could not be replayed as it would have happened.
fn check(policy: &Policy, args: &Backtest) -> Result<(), Failure> {
    if args.to <= args.from {
        return Err(Failure::input(
            "--to",
            format!("{} is not after {}", moment(args.to), moment(args.from)),
            "give a later moment",
        ));
    }
    let known = |name: &RuleName| policy.rule(name).is_some();
    let named = args.inject.iter().map(|degraded| ("--inject", &degraded.0.rule));
    let mut named = named.chain(args.assume_healthy.iter().map(|rule| ("--assume-healthy", rule)));
    if let Some((option, rule)) = named.find(|(_, rule)| !known(rule)) {
        let rules: Vec<&str> = policy
            .safety
            .rules
            .iter()
            .map(|rule| rule.name.as_str())
            .collect();
        return Err(Failure::input(
            option,
            format!("the policy has no rule {rule}"),
            format!("known: {}", rules.join(", ")),
        ));
    }
    let sequential = |degraded: &&Degraded| {
        let rule = policy.rule(&degraded.0.rule);
        let counts = rule.is_some_and(|rule| matches!(rule.source, Source::Sequential(_)));
        counts && matches!(degraded.0.does, Degradation::Value(_))
    };
    if let Some(degraded) = args.inject.iter().find(sequential) {
        return Err(Failure::input(
            "--inject",
            format!("{} counts, and has no value of one moment", degraded.0.rule),
            "give a factor: the candidate's errors are so many times as many",
        ));
    }
    let Some(every) = args.every else {
        return Ok(());
    };
    let uneven = |rule: &&Rule| {
        let (every, interval) = (every.duration().as_millis(), rule.interval.duration().as_millis());
        every == 0 || !every.is_multiple_of(interval.max(1))
    };
    if let Some(rule) = policy.safety.rules.iter().find(uneven) {
        return Err(Failure::input(
            "--every",
            format!(
                "{every} is no multiple of the interval of {} ({})",
                rule.name, rule.interval
            ),
            "give one, so that all rollouts look at the same moments",
        ));
    }
    let whole = Span::between(args.from, args.to).duration().as_millis();
    if whole / every.duration().as_millis().max(1) > ATTEMPTS_MAX {
        return Err(Failure::input(
            "--every",
            format!("makes more than {ATTEMPTS_MAX} rollouts"),
            "give a longer span, or less history",
        ));
    }
    Ok(())
}

fn shown(screen: Screen, args: &Backtest, incidents: &[Incident], report: &Report) -> String {
    let mut text = String::new();
    for rule in &args.assume_healthy {
        let _ = writeln!(text, "{rule} is taken as healthy: no record of it was replayed");
    }
    for (index, incident) in incidents.iter().enumerate() {
        let kind = if incident.injected { "injected" } else { "known" };
        let until = incident.until.map_or_else(|| "the end".to_owned(), moment);
        let _ = writeln!(
            text,
            "incident {index}, {kind}: {} to {until}",
            moment(incident.from)
        );
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let header = ["starts", "ended", "at", "reached", "breaches", "alarms"];
    let rows = report.attempts.iter().map(|attempt| {
        let (ended, tone) = ended(attempt);
        vec![
            cell(moment(attempt.starts)),
            toned(ended, tone),
            cell(moment(attempt.ends)),
            cell(attempt.reached),
            cell(attempt.breaches.len()),
            cell(attempt.alarms.len()),
        ]
    });
    text.push_str(&screen.table(&header, rows.collect(), "no rollout"));
    for attempt in &report.attempts {
        tell(&mut text, attempt);
    }
    let _ = writeln!(
        text,
        "\n{} rollouts, {} advances, {} breaches, {} false alarms ({} rollbacks), {} incidents missed",
        report.attempts.len(),
        report.advances,
        report.breaches,
        report.false_alarms,
        report.false_rollbacks,
        report.missed
    );
    if report.dry_breaches > 0 {
        let _ = writeln!(
            text,
            "{} breaches of dry runs, of which nothing came",
            report.dry_breaches
        );
    }
    if let (Some(least), Some(most)) = (report.delays.iter().min(), report.delays.iter().max()) {
        let _ = writeln!(
            text,
            "noticed {} times, after {least} to {most}",
            report.delays.len()
        );
    }
    text
}

fn ended(attempt: &Attempt) -> (String, Tone) {
    match (&attempt.refused, attempt.ending) {
        (Some(_), _) => ("did not start".to_owned(), Tone::Wait),
        (None, None) => ("still open".to_owned(), Tone::Wait),
        (None, Some(tidegate_model::rollout::Ending::Completed)) => ("completed".to_owned(), Tone::Good),
        (None, Some(ending)) => (ending.to_string(), Tone::Bad),
    }
}

/// What happened in an attempt, a line each, if anything but advances did.
fn tell(text: &mut String, attempt: &Attempt) {
    let quiet = attempt.alarms.is_empty() && attempt.missed.is_empty() && attempt.breaches.is_empty();
    if attempt.refused.is_none() && quiet {
        return;
    }
    let _ = writeln!(text, "\nrollout of {}", moment(attempt.starts));
    if let Some(why) = &attempt.refused {
        let _ = writeln!(text, "  refused: {why}");
    }
    for breach in &attempt.breaches {
        let value = breach
            .value
            .map_or_else(String::new, |value| format!(": {}", number(value)));
        let dry = if breach.dry_run { " (dry run)" } else { "" };
        let _ = writeln!(
            text,
            "  {} {}{dry} breached{value}",
            moment(breach.at),
            breach.rule
        );
    }
    for alarm in &attempt.alarms {
        let about = match (alarm.incident, alarm.delay) {
            (Some(index), Some(delay)) => format!("incident {index}, noticed after {delay}"),
            (Some(index), None) => format!("incident {index}, once more"),
            (None, _) => "a false alarm".to_owned(),
        };
        let _ = writeln!(
            text,
            "  {} {}: {} ({about})",
            moment(alarm.at),
            alarm.decision.replace('_', " "),
            alarm.because
        );
    }
    for index in &attempt.missed {
        let _ = writeln!(text, "  incident {index} was not noticed");
    }
}
