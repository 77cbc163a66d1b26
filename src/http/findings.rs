//! What experiments say, over HTTP: results, their course, reports, plans.

use crate::http::access::{Allowed, ReadAccess};
use crate::http::body::JsonText;
use crate::http::histories::{Format, markdown, page};
use crate::http::path::{Named, Query};
use crate::http::problem::{Kind, Problem};
use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegate_actors::view::Revised;
use tidegate_analytics::findings::{self, Breakdown, Findings, Point};
use tidegate_analytics::plan::{Plan, Traffic, plan};
use tidegate_analytics::report::Report;
use tidegate_model::Timestamp;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::experiment::{Design, ExperimentState, Phase};
use tidegate_model::invalid::Violation;
use tidegate_model::key::{ExperimentKey, MetricName, VariationKey};
use tidegate_model::snapshot::Digest;

/// Seconds after which somebody may ask again whose experiment is being folded.
const FOLDING_SECONDS: u64 = 2;

/// Everything that an experiment says now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Results {
    experiment: ExperimentKey,
    phase: Phase,
    /// Of what the numbers were made: the same digest, the same result.
    inputs: String,
    version: &'static str,
    #[serde(flatten)]
    findings: Findings,
    /// For each value of the dimension that was asked for, each metric; and each metric with the values as strata.
    #[serde(skip_serializing_if = "Option::is_none")]
    breakdown: Option<Breakdown>,
}

/// An experiment with its numbers.
struct Counted {
    state: ExperimentState,
    tallies: Vec<Tallies>,
}

impl Counted {
    async fn of(allowed: &Allowed<ReadAccess>, key: &ExperimentKey) -> Result<Self, Problem> {
        let control = allowed.control();
        let Revised { value: state, .. } = control.experiment(allowed.environment(), key).await?;
        if state.started.is_none() {
            let detail = format!("experiment {key} has not started: there is nothing to tell yet");
            return Err(Problem::new(Kind::Conflict, detail));
        }
        let tallies = control.tallies(allowed.environment(), &state).await?;
        let tallies = tallies.ok_or_else(|| {
            let detail = format!(
                "what was seen of experiment {key} is being counted since the start of the control plane; ask again in \
                 {FOLDING_SECONDS} s"
            );
            Problem::busy(detail, FOLDING_SECONDS)
        })?;
        Ok(Self { state, tallies })
    }

    /// Of what the numbers are made.
    fn inputs(&self) -> Result<String, Problem> {
        let looked = (&self.state.looks, &self.state.last_look);
        let text = serde_json::to_vec(&(&self.state.design, &self.tallies, looked))
            .map_err(|error| Problem::incident(format!("the inputs cannot be written: {error}")))?;
        Ok(Digest::of(&text).to_string())
    }
}

/// What an experiment says: the result that counts, what follows from it, and every number behind it.
///
/// Each number is there, or `{"refused": {"kind", "why"}}`. `headline` is the result that counts: of the last planned look
/// where looks are planned, else of now under the always-valid rule.
#[utoipa::path(
    get, path = "/api/v1/{environment}/experiments/{key}/results", operation_id = "readResults", tag = "experiments",
    params(("breakdown" = Option<String>, Query, description = "One of the design's dimensions.")),
    responses(
        (status = 200, description = "What it says.", body = Object),
        (status = 409, description = "It has not started."),
        (status = 422, description = "It has no such dimension."),
        (status = 503, description = "Its numbers are being counted since a restart."),
    ),
)]
pub(super) async fn results(
    allowed: Allowed<ReadAccess>,
    Named(key): Named<ExperimentKey>,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let query = query.only(&["breakdown"])?;
    let wanted: Option<String> =
        query.get("breakdown", "breakdown is a dimension of the design", "country")?;
    let counted = Counted::of(&allowed, &key).await?;
    if let Some(dimension) = &wanted
        && !counted.state.design.dimensions.contains(dimension)
    {
        let known = counted.state.design.dimensions.join(", ");
        let fix = if known.is_empty() {
            "the design names no dimensions".to_owned()
        } else {
            format!("choose one of {known}")
        };
        let violation = Violation::new(
            "breakdown",
            dimension,
            "it is one of the design's dimensions",
            fix,
        );
        return Err(Problem::invalid(vec![violation]));
    }
    let inputs = counted.inputs()?;
    apart(move || Results {
        experiment: key,
        phase: counted.state.phase,
        inputs,
        version: env!("CARGO_PKG_VERSION"),
        findings: findings::findings(&counted.state, &counted.tallies),
        breakdown: wanted.map(|dimension| {
            let together = Tallies::together(&counted.tallies);
            findings::breakdown(&counted.state.design, &together, &dimension)
        }),
    })
    .await
}

/// How each metric of each treatment came about: at most 200 moments, evenly spread, under the always-valid rule.
#[utoipa::path(
    get, path = "/api/v1/{environment}/experiments/{key}/course", operation_id = "readCourse", tag = "experiments",
    responses(
        (status = 200, description = "For each metric and treatment its points, the earliest first.", body = Object),
        (status = 409, description = "It has not started."),
    ),
)]
pub(super) async fn course(
    allowed: Allowed<ReadAccess>,
    Named(key): Named<ExperimentKey>,
) -> Result<HttpResponse, Problem> {
    let counted = Counted::of(&allowed, &key).await?;
    let moments = allowed
        .control()
        .tallies_over_time(allowed.environment(), &key)
        .await?;
    apart(move || {
        let moments: Vec<(Timestamp, &Tallies)> = moments
            .iter()
            .map(|moment| (moment.at, &moment.tallies))
            .collect();
        Course {
            experiment: key,
            metrics: findings::course(&counted.state.design, &moments),
        }
    })
    .await
}

#[derive(Serialize)]
struct Course {
    experiment: ExperimentKey,
    metrics: BTreeMap<MetricName, BTreeMap<VariationKey, Vec<Point>>>,
}

/// The result that counts as a report: JSON, Markdown for a ticket, or one page of HTML with drawings. After a day it has
/// the plan too, by the traffic that was measured: what the design can find, by units and by effects.
#[utoipa::path(
    get, path = "/api/v1/{environment}/experiments/{key}/report", operation_id = "reportExperiment", tag = "experiments",
    params(("format" = Option<String>, Query, description = "`json` (by default), `markdown`, or `html`: a page without scripts, with drawings.")),
    responses(
        (status = 200, description = "The report.", content(
            (Object = "application/json"), (String = "text/markdown"), (String = "text/html"),
        )),
        (status = 409, description = "It has not started."),
    ),
)]
pub(super) async fn report(
    allowed: Allowed<ReadAccess>,
    Named(key): Named<ExperimentKey>,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let query = query.only(&["format"])?;
    let format = query.get("format", "format is json, markdown or html", "html")?;
    let counted = Counted::of(&allowed, &key).await?;
    let inputs = counted.inputs()?;
    let found = findings::findings(&counted.state, &counted.tallies);
    let now = allowed.control().clock().now();
    let traffic = findings::traffic(&counted.state, &counted.tallies, now);
    let planned = traffic.map(|traffic| plan(&counted.state.design, &traffic));
    let report = Report {
        design: &counted.state.design,
        result: &found.headline,
        decision: &found.decision,
        plan: planned.as_ref(),
        inputs: &inputs,
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(match format.unwrap_or(Format::Json) {
        Format::Json => HttpResponse::Ok().json(report),
        Format::Markdown => markdown(report.markdown()),
        Format::Html => page(report.html()),
    })
}

/// What is to be planned, and with which traffic.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Planned {
    /// The design.
    design: Design,
    /// What is known of the traffic: units a day, and for each metric its value, variance and correlation with history.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    traffic: Option<Traffic>,
    /// Instead: an experiment that has run for a day; its traffic and the values of its control are taken.
    #[serde(default)]
    measured_by: Option<ExperimentKey>,
}

/// How many units an experiment needs, how long that takes, what it finds with what it gets, and what would make it
/// cheaper. Nothing is stored.
#[utoipa::path(
    post, path = "/api/v1/{environment}/experiments/plan", operation_id = "planExperiment", tag = "experiments",
    request_body = Planned,
    responses(
        (status = 200, description = "The plan.", body = Object),
        (status = 409, description = "The experiment that was to measure has not run for a day yet, or has met nobody."),
        (status = 422, description = "The design breaks rules."),
    ),
)]
pub(super) async fn make_plan(allowed: Allowed<ReadAccess>, body: JsonText) -> Result<HttpResponse, Problem> {
    let planned: Planned = body.read()?;
    let violations = planned.design.violations();
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    let traffic = match (planned.traffic, planned.measured_by) {
        (Some(traffic), None) => traffic,
        (None, Some(key)) => {
            let counted = Counted::of(&allowed, &key).await?;
            let now = allowed.control().clock().now();
            findings::traffic(&counted.state, &counted.tallies, now).ok_or_else(|| {
                let detail = format!(
                    "experiment {key} has not run for a day yet, or has met nobody: give 'traffic' instead"
                );
                Problem::new(Kind::Conflict, detail)
            })?
        }
        _ => {
            let fix = r#"for example {"unitsADay": 4000, "metrics": {"purchase": {"value": 0.1}}}"#;
            let rule = "exactly one of 'traffic' and 'measuredBy' is given";
            return Err(Problem::invalid(vec![Violation::new("traffic", "", rule, fix)]));
        }
    };
    apart(move || WithTraffic {
        plan: plan(&planned.design, &traffic),
        traffic,
    })
    .await
}

#[derive(Serialize)]
struct WithTraffic {
    #[serde(flatten)]
    plan: Plan,
    /// What it was planned with.
    traffic: Traffic,
}

/// Reckons on a thread of its own: some of it takes longer than a server's thread should be gone.
async fn apart<T: Serialize + Send + 'static>(
    reckon: impl FnOnce() -> T + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let done = actix_web::web::block(reckon).await;
    let done =
        done.map_err(|error| Problem::incident(format!("the numbers could not be reckoned: {error}")))?;
    Ok(HttpResponse::Ok().json(done))
}
