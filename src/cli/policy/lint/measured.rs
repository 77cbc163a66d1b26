//! What a Prometheus knows of a policy: whether its metrics are there, how much its queries bring, and
//! what the service is used to.

use crate::cli::failure::Failure;
use crate::cli::named;
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tidegate_actors::prometheus::PrometheusSource;
use tidegate_model::because::Figure;
use tidegate_model::invalid::nearest;
use tidegate_model::key::{EnvironmentKey, FlagKey, RuleName, VariationKey};
use tidegate_model::policy::{Policy, Rule, Source, Traffic, is_share, metrics_of};
use tidegate_model::span::Span;
use tidegate_model::verdict::UnknownReason;
use tidegate_model::{Timestamp, policy::RollbackTarget};
use tidegate_simulate::lint::Concern;
use tidegate_simulate::setting::Setting;

/// How far back the usual is measured: a day has all its hours.
const DAY: Span = Span::seconds(24 * 3600);
const DAY_MINUTES: f64 = 24.0 * 60.0;
/// With more series a look at raw samples does not fit into the 8 MiB that are read of an answer.
const SERIES_MAX: f64 = 5000.0;

/// Whom to ask, and what for.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// A Prometheus: are the metrics there, how many series come, and what is the service used to?
    #[arg(long, value_name = "URL")]
    prometheus: Option<String>,
    /// A bearer token for it
    #[arg(long, value_name = "FILE", requires = "prometheus")]
    prometheus_bearer_file: Option<PathBuf>,
    /// What `{{flag}}` stands for
    #[arg(long, default_value = "checkout", value_parser = named::<FlagKey>)]
    flag: FlagKey,
    /// What `{{variation}}` stands for [default: on]
    #[arg(long, value_parser = named::<VariationKey>)]
    candidate: Option<VariationKey>,
    /// What the policy asks for; by default its examples
    #[arg(long = "argument", short, value_name = "NAME=VALUE", value_parser = crate::cli::pair)]
    arguments: Vec<(String, String)>,
}

impl Asked {
    /// The Prometheus to ask, if there is one.
    pub(super) fn source(&self) -> Result<Option<PrometheusSource>, Failure> {
        let Some(url) = &self.prometheus else {
            return Ok(None);
        };
        let bearer = match &self.prometheus_bearer_file {
            Some(file) => Some(crate::cli::read_text(file)?.trim().to_owned()),
            None => None,
        };
        let source = PrometheusSource::new(url, bearer.as_deref());
        source
            .map(Some)
            .map_err(|error| Failure::input("--prometheus", error, "give its address"))
    }

    /// The policy as a rollout of `candidate` would pin it.
    fn plan(
        &self,
        policy: &Policy,
        environment: &EnvironmentKey,
        candidate: Option<VariationKey>,
    ) -> Result<Policy, Failure> {
        let mut arguments: BTreeMap<String, String> = (policy.arguments.iter())
            .map(|(name, argument)| (name.clone(), argument.example.clone()))
            .collect();
        arguments.extend(self.arguments.iter().cloned());
        let (environment, flag) = (environment.clone(), self.flag.clone());
        let setting = Setting::with(policy, environment, flag, candidate, arguments)
            .map_err(|fault| Failure::input(&policy.name, fault, "change the policy"))?;
        setting
            .plan(policy)
            .map_err(|invalid| Failure::input(&policy.name, invalid, "give it with --argument NAME=VALUE"))
    }
}

/// What was found.
pub(super) struct Measured {
    pub(super) concerns: Vec<Concern>,
    /// What the service is used to: what was declared, and for the rest what was measured.
    pub(super) traffic: Option<Traffic>,
    /// What was measured, in words.
    pub(super) notes: Vec<String>,
}

/// Asks `source` about `policy`.
pub(super) async fn measure(
    source: &PrometheusSource,
    asked: &Asked,
    environment: &EnvironmentKey,
    policy: &Policy,
    now: Timestamp,
) -> Result<Measured, Failure> {
    source
        .check()
        .await
        .map_err(|source| Failure::History { source })?;
    let plan = asked.plan(policy, environment, asked.candidate.clone())?;
    let mut concerns = Vec::new();
    let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (index, rule) in plan.safety.rules.iter().enumerate() {
        let written = policy
            .safety
            .rules
            .get(index)
            .map(Rule::queries)
            .unwrap_or_default();
        for ((field, promql), (_, template)) in rule.queries().into_iter().zip(written) {
            let path = format!("safety.rules[{index}].{field}");
            for metric in metrics_of(&promql) {
                if !known.contains_key(&metric) {
                    let missing = missing(source, &metric, now).await?;
                    known.insert(metric.clone(), missing);
                }
                if let Some(Some(hint)) = known.get(&metric) {
                    concerns.push(Concern::new(
                        &path,
                        format!("this Prometheus has had no {metric} for a day"),
                        hint.clone(),
                    ));
                }
            }
            let counts = matches!(rule.source, Source::Sequential(_));
            concerns.extend(too_many(source, &promql, counts, &path, &template).await?);
        }
    }
    let (traffic, notes) = usual(source, asked, environment, policy).await?;
    Ok(Measured {
        concerns,
        traffic,
        notes,
    })
}

/// What to write instead of a metric that is not there; `None` if it is.
async fn missing(source: &PrometheusSource, metric: &str, now: Timestamp) -> Result<Option<String>, Failure> {
    let count = format!("count(last_over_time({{__name__={}}}[1d]))", quoted(metric));
    if number(source, &count).await?.is_some() {
        return Ok(None);
    }
    // Names that begin alike: all of them would be too many.
    let begin = metric.split(['_', ':']).next().unwrap_or(metric);
    let alike = format!(
        "group by (__name__) ({{__name__=~{}}})",
        quoted(&format!("{begin}.*"))
    );
    let series = source.series(&alike, now, Span::seconds(60), 1).await;
    let series = series.map_err(|source| Failure::History { source })?;
    let names: BTreeSet<String> = series
        .iter()
        .filter_map(|(labels, _)| {
            let labels: serde_json::Value = serde_json::from_str(labels).ok()?;
            Some(labels.get("__name__")?.as_str()?.to_owned())
        })
        .collect();
    let near = nearest(metric, names.iter().map(String::as_str));
    Ok(Some(match near {
        Some(near) => format!("did you mean '{near}'?"),
        None => "check its name, and whether its service is scraped".to_owned(),
    }))
}

/// What is wrong with how many series a query brings.
async fn too_many(
    source: &PrometheusSource,
    promql: &str,
    counts: bool,
    path: &str,
    template: &str,
) -> Result<Option<Concern>, Failure> {
    let Some(series) = number(source, &format!("count({promql}\n)")).await? else {
        return Ok(None);
    };
    let series_text = Figure(series);
    if counts {
        let large = series > SERIES_MAX;
        return Ok(large.then(|| {
            Concern::new(
                path,
                format!("{series_text} series match: their samples may not fit into the 8 MiB that are read of an answer"),
                "select fewer by their labels, or count with a recording rule",
            )
        }));
    }
    // A number without a vector around it counts as one.
    let several = series > 1.0;
    Ok(several.then(|| {
        let by = if template.contains(" by ") {
            "group by nothing"
        } else {
            "aggregate them, for example with sum"
        };
        Concern::new(
            path,
            format!("brings {series_text} series now, and a rule compares one number"),
            by,
        )
    }))
}

/// What the service is used to: what the policy declares, and what the baseline did in the last day.
async fn usual(
    source: &PrometheusSource,
    asked: &Asked,
    environment: &EnvironmentKey,
    policy: &Policy,
) -> Result<(Option<Traffic>, Vec<String>), Failure> {
    let mut day = policy.clone();
    for rule in &mut day.safety.rules {
        rule.window = DAY;
        if let Source::Slo(slo) = &mut rule.source {
            slo.ratios_mut().for_each(|ratio| ratio.window = DAY);
        }
    }
    let safe = match &policy.rollback.to {
        RollbackTarget::Variation(safe) => safe.clone(),
        RollbackTarget::Safe => named::<VariationKey>("off").map_err(|why| Failure::input("off", why, ""))?,
    };
    let plan = asked.plan(&day, environment, Some(safe))?;
    let (mut notes, mut per_minute) = (Vec::new(), None);
    let mut baseline: BTreeMap<RuleName, f64> = BTreeMap::new();
    for rule in &plan.safety.rules {
        let (share, requests) = questions(rule);
        if let Some(promql) = share
            && let Some(share) = number(source, &promql)
                .await?
                .filter(|share| (0.0..1.0).contains(share))
        {
            notes.push(format!(
                "{} was {} % in the last day",
                rule.name,
                Figure(share * 100.0)
            ));
            baseline.insert(rule.name.clone(), share);
        }
        if let Some(promql) = requests
            && let Some(requests) = number(source, &promql).await?.filter(|requests| *requests > 0.0)
        {
            let minute = requests / DAY_MINUTES;
            per_minute = Some(per_minute.map_or(minute, |known: f64| known.max(minute)));
        }
    }
    notes.extend(per_minute.map(|minute| format!("{} requests a minute in the last day", Figure(minute))));
    let declared = policy.traffic.clone();
    let per_minute = declared
        .as_ref()
        .map(|declared| declared.per_minute)
        .or(per_minute);
    baseline.extend(declared.into_iter().flat_map(|declared| declared.baseline));
    let traffic = per_minute.map(|per_minute| Traffic { per_minute, baseline });
    Ok((traffic, notes))
}

/// What tells the usual share of a rule, and how many requests a day has.
fn questions(rule: &Rule) -> (Option<String>, Option<String>) {
    let counted = rule.minimum.as_ref().and_then(|minimum| minimum.query.clone());
    match &rule.source {
        Source::Query(query) if is_share(query) => (Some(query.clone()), counted),
        Source::Sides(sides) if is_share(&sides.baseline) => (Some(sides.baseline.clone()), counted),
        Source::Sequential(test) => {
            let rose = |selector: &str| format!("sum(increase({}\n[1d]))", selector.trim());
            let (errors, requests) = (rose(&test.baseline.errors), rose(&test.baseline.requests));
            (
                Some(format!("({errors} or vector(0)) / {requests}")),
                Some(requests),
            )
        }
        Source::Slo(slo) => {
            let first = slo.burn_rates.first().map(|burn| burn.long.query.clone());
            (first, counted)
        }
        _ => (None, None),
    }
}

/// The number that a query yields now; `None` if it yields none, whyever.
async fn number(source: &PrometheusSource, promql: &str) -> Result<Option<f64>, Failure> {
    let measurement = source.query(promql).await;
    match measurement.value {
        Ok(value) => Ok(Some(value)),
        Err(
            UnknownReason::NoSeries | UnknownReason::Nan | UnknownReason::Inf | UnknownReason::ManySeries,
        ) => Ok(None),
        Err(reason) => Err(Failure::input(
            promql,
            format!("cannot be asked: {reason} {}", measurement.detail),
            "check --prometheus and the query",
        )),
    }
}

/// A PromQL string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
