//! Experiments over HTTP: their designs, and what people want of them.

use crate::http::access::{Allowed, EditAccess, OperateAccess, ReadAccess, ServeAccess};
use crate::http::body::{JsonText, PackedJson};
use crate::http::listed::Listed;
use crate::http::path::Named;
use crate::http::problem::Problem;
use crate::http::revision::{Entity, Precondition};
use actix_web::HttpResponse;
use actix_web::web::Json;
use serde::Serialize;
use tidegate_actors::view::Revised;
use tidegate_model::Timestamp;
use tidegate_model::experiment::{
    Advice, Dealing, Design, Ended, ExperimentCommand, ExperimentState, Pause, Phase, TakenLook,
};
use tidegate_model::invalid::Violation;
use tidegate_model::key::{ExperimentKey, Revision};
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};

/// An experiment, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExperimentView {
    /// What it is to find out: what `PUT` takes.
    design: Design,
    /// Counts its changes; what `If-Match` compares.
    revision: Revision,
    /// Where it stands.
    phase: Phase,
    /// Who designed it last.
    by: String,
    /// When it was first written down.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// Since when it deals arms, or did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    started: Option<Timestamp>,
    /// Why it is paused, while it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pause: Option<Pause>,
    /// Its weights, the oldest first; several only of a bandit.
    dealings: Vec<Dealing>,
    /// Looks that counted, the earliest first.
    looks: Vec<TakenLook>,
    /// What it speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<Advice>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Ended>,
    /// Whether its numbers are final: nothing late is waited for any more.
    concluded: bool,
}

impl From<Revised<ExperimentState>> for ExperimentView {
    fn from(Revised { value, revision }: Revised<ExperimentState>) -> Self {
        Self {
            design: value.design,
            revision,
            phase: value.phase,
            by: value.by.to_string(),
            created: value.created,
            started: value.started,
            pause: value.pause,
            dealings: value.dealings,
            looks: value.looks,
            advice: value.advice,
            ended: value.ended,
            concluded: value.tallies.is_some(),
        }
    }
}

impl From<Revised<ExperimentState>> for Entity<ExperimentView> {
    fn from(experiment: Revised<ExperimentState>) -> Self {
        Self {
            revision: experiment.revision,
            shown: experiment.into(),
        }
    }
}

/// What is wrong with a design.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Checked {
    /// Whether it could be saved as it is.
    valid: bool,
    /// Everything that is wrong with it, each with its field and what mends it.
    violations: Vec<Violation>,
}

/// All experiments of an environment, sorted by key.
#[utoipa::path(
    get, path = "/api/v1/{environment}/experiments", operation_id = "listExperiments", tag = "experiments",
    responses((status = 200, description = "The experiments.", body = Listed<ExperimentView>)),
)]
pub(super) async fn list(allowed: Allowed<ReadAccess>) -> Result<Json<Listed<ExperimentView>>, Problem> {
    let experiments = allowed.control().experiments(allowed.environment()).await?;
    Ok(Json(Listed::of(experiments)))
}

/// One experiment.
#[utoipa::path(
    get, path = "/api/v1/{environment}/experiments/{key}", operation_id = "readExperiment", tag = "experiments",
    responses((status = 200, description = "The experiment; its revision is the ETag.", body = ExperimentView)),
)]
pub(super) async fn read(
    allowed: Allowed<ReadAccess>,
    Named(key): Named<ExperimentKey>,
) -> Result<Entity<ExperimentView>, Problem> {
    let found = allowed.control().experiment(allowed.environment(), &key).await?;
    Ok(found.into())
}

/// Gives an experiment this design, whole.
///
/// The body may leave out `key`. Once it has started, nothing but `description`, `owner`, `metadata` and `excluded` may
/// change. An existing experiment is changed only with the ETag that was read in `If-Match`, or with `If-Match: *`.
#[utoipa::path(
    put, path = "/api/v1/{environment}/experiments/{key}", operation_id = "saveExperiment", tag = "experiments",
    params(("If-Match" = Option<String>, Header, description = "The ETag that was read, or `*`.")),
    request_body = Design,
    responses(
        (status = 200, description = "The experiment as it is now.", body = ExperimentView),
        (status = 409, description = "It has started, and that may not change any more."),
        (status = 412, description = "It was changed meanwhile."),
        (status = 422, description = "The design breaks rules."),
        (status = 428, description = "It exists, and If-Match is missing."),
    ),
)]
pub(super) async fn save(
    allowed: Allowed<EditAccess>,
    Named(key): Named<ExperimentKey>,
    precondition: Precondition,
    body: JsonText,
) -> Result<Entity<ExperimentView>, Problem> {
    let design: Design = body.read_keyed(key.as_str())?;
    let saved = allowed.control().save_experiment(
        allowed.environment(),
        design,
        precondition.to_save(),
        allowed.author(),
    );
    Ok(saved.await.map_err(|error| precondition.problem(error))?.into())
}

/// Removes a draft. What has started is kept, and can be archived when it is over.
#[utoipa::path(
    delete, path = "/api/v1/{environment}/experiments/{key}", operation_id = "deleteExperiment", tag = "experiments",
    params(("If-Match" = String, Header, description = "The ETag that was read, or `*`.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 409, description = "It has started."),
        (status = 412, description = "It was changed meanwhile."),
        (status = 428, description = "If-Match is missing."),
    ),
)]
pub(super) async fn delete(
    allowed: Allowed<EditAccess>,
    Named(key): Named<ExperimentKey>,
    precondition: Precondition,
) -> Result<HttpResponse, Problem> {
    let control = allowed.control();
    let found = control.experiment(allowed.environment(), &key).await?;
    let expect = precondition.to_remove(&format!("experiment {key}"), found.revision)?;
    let deleted = control.delete_experiment(allowed.environment(), &key, expect, allowed.author());
    deleted.await.map_err(|error| precondition.problem(error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Says everything that is wrong with a design, and stores nothing.
#[utoipa::path(
    post, path = "/api/v1/{environment}/experiments/check", operation_id = "checkExperiment", tag = "experiments",
    request_body = Design,
    responses((status = 200, description = "What is wrong with it; nothing, if it could be saved.", body = Checked)),
)]
pub(super) async fn check(allowed: Allowed<ReadAccess>, body: JsonText) -> Result<Json<Checked>, Problem> {
    let design: Design = body.read()?;
    let violations = allowed
        .control()
        .check_design(allowed.environment(), &design)
        .await?;
    Ok(Json(Checked {
        valid: violations.is_empty(),
        violations,
    }))
}

/// Tells an experiment what a person wants: schedule, unschedule, start, pause, resume, stop, archive.
///
/// `stop` says what becomes of the flag: `ship` gives everybody a variation, `revert` what they had without the
/// experiment, `hand_over` starts a rollout of the variation by a policy, in the same record. It can be said again of an
/// experiment that has ended. With `If-Match` the command is followed only if nothing has changed since it was read.
#[utoipa::path(
    post, path = "/api/v1/{environment}/experiments/{key}/commands", operation_id = "commandExperiment", tag = "experiments",
    params(("If-Match" = Option<String>, Header, description = "The ETag that was read.")),
    request_body = ExperimentCommand,
    responses(
        (status = 200, description = "The experiment as it is now.", body = ExperimentView),
        (status = 409, description = "The command does not fit where the experiment or its flag is."),
        (status = 412, description = "It changed meanwhile."),
        (status = 422, description = "The command breaks rules."),
    ),
)]
pub(super) async fn command(
    allowed: Allowed<OperateAccess>,
    Named(key): Named<ExperimentKey>,
    precondition: Precondition,
    body: JsonText,
) -> Result<Entity<ExperimentView>, Problem> {
    let command: ExperimentCommand = body.read()?;
    let told = allowed.control().command_experiment(
        allowed.environment(),
        &key,
        command,
        precondition.to_command(),
        allowed.author(),
    );
    Ok(told.await.map_err(|error| precondition.problem(error))?.into())
}

/// Takes in what a node saw of single units: exposures and events.
///
/// A batch is taken in whole or not at all, and survives a power cut when this is answered. A repeat, by its spool and
/// number, changes nothing and is answered alike. The body may be compressed by gzip.
#[utoipa::path(
    post, path = "/api/v1/{environment}/observations", operation_id = "handInObservations", tag = "nodes",
    request_body = ObservationBatch,
    responses(
        (status = 200, description = "It is kept.", body = ObservationReceipt),
        (status = 422, description = "It is nonsense; nothing was taken in."),
        (status = 507, description = "There is no room at the moment."),
    ),
)]
pub(super) async fn observe(
    allowed: Allowed<ServeAccess>,
    body: PackedJson,
) -> Result<Json<ObservationReceipt>, Problem> {
    let batch: ObservationBatch = body.0.read()?;
    Ok(Json(
        allowed.control().observe(allowed.environment(), batch).await?,
    ))
}
