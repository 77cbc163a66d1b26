//! `tidegate policy optimise`: the schedule that finishes first and keeps what is asked for.

use super::lint;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::{instant, named};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_model::Timestamp;
use tidegate_model::because::Figure;
use tidegate_model::key::RuleName;
use tidegate_model::policy::{Policy, Source, Traffic};
use tidegate_model::share::Share;
use tidegate_model::span::Span;
use tidegate_simulate::calendar::Calendar;
use tidegate_simulate::optimise::{Optimum, SHARES_MAX, Wish, optimise};

/// Longest search for the length of one stage.
const STEPS_MAX: u128 = 100_000;

#[derive(Debug, Args)]
pub(super) struct Optimise {
    /// The policy file, with `traffic` in it, or `-` for standard input
    file: PathBuf,
    /// When somebody wants to start the rollout, for example 2026-01-05T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    start: Timestamp,
    /// What every stage must be able to see, as a share of bad requests [default: twice as far from the usual as each rule's threshold]
    #[arg(long, value_name = "RULE=SHARE", value_parser = crate::cli::pair)]
    detect: Vec<(String, String)>,
    /// What stages may open, in per cent
    #[arg(long, value_name = "PERCENT,...", value_delimiter = ',', default_value = "0.5,1,2,5,10,20,30,50,75,100", value_parser = share)]
    shares: Vec<Share>,
    /// How far the first stage opens at most, in per cent
    #[arg(long, value_name = "PERCENT", default_value = "1", value_parser = share)]
    first: Share,
    /// How many times as far as the one before a stage opens at most
    #[arg(long, value_name = "FACTOR", default_value_t = 10.0)]
    growth: f64,
    /// Stages last a multiple of this
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = named::<Span>)]
    step: Span,
    /// Longest stage
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = named::<Span>)]
    longest: Span,
    /// How many users there are
    #[arg(long, value_name = "N", default_value_t = 0)]
    users: u64,
    /// At most so many user-minutes with the candidate before everybody has it
    #[arg(long, value_name = "USER-MINUTES", requires = "users")]
    exposure: Option<f64>,
}

fn share(text: &str) -> Result<Share, String> {
    let percent: f64 = text
        .trim()
        .parse()
        .map_err(|_no_number| format!("{text} is no percentage, for example 1 or 12.5"))?;
    let share = Share::of_percent(percent).map_err(|violation| violation.to_string())?;
    if share == Share::ZERO {
        return Err("0 % opens it for nobody".to_owned());
    }
    Ok(share)
}

pub(super) fn run(screen: Screen, args: &Optimise) -> Result<(), Failure> {
    let policy = lint::one(screen, &args.file)?;
    let Some(traffic) = policy.traffic.clone() else {
        return Err(Failure::input(
            &policy.name,
            "does not say what the service is used to, so nobody knows what a stage sees",
            "add 'traffic: { perMinute: 6000, baseline: { errors: 0.2% } }' with your numbers",
        ));
    };
    let wish = wish(args, &policy, &traffic)?;
    let best = optimise(&policy, &traffic, &wish).map_err(|unable| {
        Failure::input(
            &policy.name,
            unable,
            "ask for less: a larger --first, --longest or --exposure, or let it see only a larger regression with --detect",
        )
    })?;
    let calendar = Calendar::of(&policy, wish.starts, None);
    let answer = json!({ "policy": policy.name, "optimum": best, "yaml": best.yaml() });
    screen.show(&answer, || Ok(shown(&calendar, args, &best)))
}

/// What is asked for, checked.
fn wish(args: &Optimise, policy: &Policy, traffic: &Traffic) -> Result<Wish, Failure> {
    let mut shares = args.shares.clone();
    shares.push(Share::ALL);
    shares.sort();
    shares.dedup();
    if shares.len() > SHARES_MAX {
        let why = format!("has {} shares, and every one more doubles the ways", shares.len());
        return Err(Failure::input(
            "--shares",
            why,
            format!("give at most {SHARES_MAX}"),
        ));
    }
    if !args.growth.is_finite() || args.growth <= 1.0 {
        let why = format!("{} lets no stage open further", args.growth);
        return Err(Failure::input(
            "--growth",
            why,
            "give more than 1, for example 10",
        ));
    }
    let steps = args.longest.duration().as_millis() / args.step.duration().as_millis().max(1);
    if args.step.is_zero() || steps > STEPS_MAX {
        let why = format!(
            "{} makes {steps} lengths of a stage, at most {STEPS_MAX}",
            args.step
        );
        return Err(Failure::input(
            "--step",
            why,
            "give a longer step, or a shorter --longest",
        ));
    }
    Ok(Wish {
        starts: args.start,
        shares,
        first: args.first,
        growth: args.growth,
        step: args.step,
        longest: args.longest,
        detect: detect(args, policy, traffic)?,
        users: args.users,
        exposure: args.exposure,
    })
}

/// What each rule is to see.
fn detect(args: &Optimise, policy: &Policy, traffic: &Traffic) -> Result<BTreeMap<RuleName, f64>, Failure> {
    let mut detect: BTreeMap<RuleName, f64> = (traffic.baseline.iter())
        .filter_map(|(name, usual)| Some((name.clone(), threshold(policy, name, *usual)?)))
        .collect();
    for (name, share) in &args.detect {
        let known = named::<RuleName>(name)
            .ok()
            .filter(|name| traffic.baseline.contains_key(name));
        let Some(name) = known else {
            let known: Vec<&str> = traffic.baseline.keys().map(RuleName::as_str).collect();
            return Err(Failure::input(
                "--detect",
                format!("{name} has no baseline in 'traffic'"),
                format!("known: {}", known.join(", ")),
            ));
        };
        let (number, scale) = match share.strip_suffix('%') {
            Some(percent) => (percent, 0.01),
            None => (share.as_str(), 1.0),
        };
        let share = number.trim().parse::<f64>().ok().map(|number| number * scale);
        let Some(share) = share.filter(|share| *share > 0.0 && *share <= 1.0) else {
            return Err(Failure::input(
                "--detect",
                format!("{number} is no share"),
                "for example errors=1%",
            ));
        };
        detect.insert(name, share);
    }
    if detect.is_empty() {
        return Err(Failure::input(
            &policy.name,
            "says nothing that a stage must see",
            "name it, for example --detect errors=1%",
        ));
    }
    Ok(detect)
}

/// What a rule is to see unless somebody says otherwise: twice as far from the usual as its threshold, where
/// any rule is a coin toss.
fn threshold(policy: &Policy, name: &RuleName, usual: f64) -> Option<f64> {
    let rule = policy.rule(name)?;
    match &rule.source {
        Source::Query(_) | Source::Events(_) if rule.threshold > usual && rule.threshold < 1.0 => {
            Some((2.0 * rule.threshold - usual).min(1.0))
        }
        _ => None,
    }
}

fn shown(calendar: &Calendar, args: &Optimise, best: &Optimum) -> String {
    let mut text = format!(
        "# begins {}, completes {}\n",
        calendar.shown(best.stays.first().map_or(args.start, |stay| stay.opens)),
        calendar.shown(best.finish)
    );
    if args.users > 0 {
        let most = args
            .exposure
            .map_or_else(String::new, |most| format!(" of at most {}", Figure(most)));
        text.push_str(&format!(
            "# {}{most} user-minutes with the candidate before everybody has it\n",
            Figure(best.exposure.ceil())
        ));
    }
    text.push_str(&format!("# the fastest of {} schedules\n", best.compared));
    text.push_str(&best.yaml());
    text
}
